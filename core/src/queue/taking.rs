//! How messages are claimed, one by one or as many as stand in a row.

use super::publishing::note_wake;
use super::{Claimed, Queue};
use crate::layout::{Notes, PARKING, REDELIVERY, REPLY, RINGS};
use crate::memory::{Memory, Owned};
use crate::parking;
use crate::ring::{Insane, RUN, Ring, Waiting};
use crate::sync::{S3, mutated, window};
use crate::word::{ChunkState, ChunkWord, Link, Name};

/// Claims the message that hangs on `claimed`, which is the caller's, by the `link` in its header, if it is one of a batch. To be done before anything else is
/// done with it: what hangs on a chunk that is free is lost (I26).
#[inline]
pub fn unlink(memory: &impl Memory, me: Name, claimed: Claimed, link: Link) -> Option<Claimed> {
    if link.chunk().is_some() { claim_linked(memory, me, claimed, link) } else { None }
}

fn claim_linked(memory: &impl Memory, me: Name, claimed: Claimed, link: Link) -> Option<Claimed> {
    let chunk = link.chunk()?;
    let shared = memory.chunk(chunk)?;
    let word = ChunkWord(shared.load(S3.acquire()));
    if !link.holds(word) && !mutated("link-not-compared") {
        return None;
    }
    memory.touch(me, chunk);
    window(66);
    let next = word.next(me, ChunkState::InFlight);
    let taken = shared.compare_exchange(word.0, next.0, S3.acquire_then(S3)).is_ok();
    window(67);
    taken.then_some(Claimed::new(chunk, next, claimed.ring()))
}

/// What a taker has claimed, and its chunk, unless that makes no sense.
pub type Taken<'m, M> = std::result::Result<Option<(Claimed, Option<<M as Memory>::Chunk<'m>>)>, Insane>;

/// Claims the first message at `position` or beyond, which moves behind it. The commit point is the compare-exchange of its chunk word.
#[inline(always)]
fn claim_front<'m, M: Memory>(
    memory: &'m M,
    queue: &Queue<'_>,
    number: usize,
    ring: &Ring<'_>,
    me: Name,
    position: &mut u64,
) -> Taken<'m, M> {
    // As long as its slot is ready, a chunk is what it is: its span goes to no other class before it is free. So it may be found before it is claimed.
    let find = |chunk| {
        let found = memory.owned(chunk);
        // Its lines are fetched while others are read.
        found.into_iter().for_each(|found| {
            found.word().expect_write();
            found.home().expect_write();
        });
        let word = found.map_or_else(|| memory.chunk_in_slot(chunk), |found| Some(found.word()))?;
        Some((word, found))
    };
    while let Some(Waiting { place, slot, word, shared, chunk }) = ring.front_from(position, queue.name, find)? {
        let claimed = word.next(me, ChunkState::InFlight);
        memory.touch(me, slot.chunk());
        window(11);
        let seen = if mutated("claim-not-compared") { shared.load(S3.acquire()) } else { word.0 };
        if shared.compare_exchange(seen, claimed.0, S3.acquire_then(S3)).is_err() {
            continue;
        }
        window(12);
        if !mutated("claimer-does-not-empty") {
            ring.empty(*position, place, slot);
            *position = position.wrapping_add(1);
        }
        return Ok(Some((Claimed::new(slot.chunk(), claimed, number), chunk)));
    }
    Ok(None)
}

#[inline(always)]
fn move_on(ring: &Ring<'_>, from: u64, to: u64, has_taken: bool) {
    ring.move_head(from, to);
    if has_taken {
        window(14);
    }
}

/// Takes the oldest message of one ring.
#[inline(always)]
pub fn take_from<'m, M: Memory>(
    memory: &'m M,
    queue: &Queue<'_>,
    number: usize,
    ring: &Ring<'_>,
    me: Name,
) -> Taken<'m, M> {
    let head = ring.head();
    let mut position = head;
    let taken = claim_front(memory, queue, number, ring, me, &mut position);
    move_on(ring, head, position, matches!(taken, Ok(Some(_))));
    taken
}

/// Takes the oldest messages of one ring, as long as `is_to_go_on` says of the last one, [`RUN`] at most. `false`: there is none.
///
/// `head` moves on once, at the end. Until then, and for ever if the taker dies, others find the slots emptied and move it themselves.
#[inline(always)]
fn take_run<'m, M: Memory>(
    memory: &'m M,
    queue: &Queue<'_>,
    number: usize,
    ring: &Ring<'_>,
    me: Name,
    is_to_go_on: &mut impl FnMut(Claimed, Option<M::Chunk<'m>>) -> bool,
) -> std::result::Result<bool, Insane> {
    let head = ring.head();
    let (mut position, mut run) = (head, 0);
    let result = loop {
        match claim_front(memory, queue, number, ring, me, &mut position) {
            Ok(Some((claimed, chunk))) => {
                run += 1;
                if !is_to_go_on(claimed, chunk) || run == RUN {
                    break Ok(true);
                }
            }
            Ok(None) => break Ok(run > 0),
            Err(insane) => break Err(insane),
        }
    };
    move_on(ring, head, position, run > 0);
    result
}

/// In what order a taker reads the rings and the parking lot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// What comes back, answers, then the lanes, the most urgent one first.
    Priority,
    /// The least urgent lane first: what a taker does now and then, so that no lane starves.
    Patience,
}

impl Order {
    /// The next one of `left`, a bit for each, which is not empty.
    #[inline]
    fn next(self, left: u64) -> usize {
        let lanes = left & LANES;
        let has = |number: usize| left & 1 << number != 0;
        match self {
            Order::Priority if !has(REDELIVERY) && has(PARKING) => PARKING,
            Order::Patience if has(REPLY) => REPLY,
            Order::Patience if lanes != 0 => 63 - lanes.leading_zeros() as usize,
            Order::Patience if has(PARKING) => PARKING,
            // They are numbered in the order of their priority.
            _ => left.trailing_zeros() as usize,
        }
    }
}

/// The bits of the lanes: the rings after those of redelivery and of answers.
const LANES: u64 = ((1 << RINGS) - 1) & !(1 << REDELIVERY | 1 << REPLY);

/// Where a taker looks besides the rings.
pub struct Aside<R, T> {
    /// What the caller has claimed of a batch from a ring already, which stands at that ring's front.
    pub rest: R,
    /// The time, ms of `CLOCK_MONOTONIC`; asked only if a parked message may be due.
    pub now_ms: T,
}

/// Looks in the rings and the parking lot for messages, in the given order, and in what the caller has claimed already of each; the first that has any ends it.
#[inline(always)]
fn search<F>(
    (memory, notes, queue, me): (&impl Memory, &Notes, &Queue<'_>, Name),
    order: Order,
    aside: &Aside<impl Fn(usize) -> Option<Claimed>, impl Fn() -> u64>,
    mut from_ring: impl FnMut(usize, &Ring<'_>) -> std::result::Result<Option<F>, Insane>,
    alone: impl Fn(Claimed) -> F,
) -> std::result::Result<Option<F>, Insane> {
    note_wake(&notes.takes_from, queue.name);
    let mut left = queue.committed() & (LANES | 1 << REDELIVERY | 1 << REPLY | 1 << PARKING);
    while left != 0 {
        let number = order.next(left);
        left &= !(1 << number);
        if let Some(claimed) = (aside.rest)(number) {
            return Ok(Some(alone(claimed)));
        }
        let found = match queue.rings.get(number) {
            Some(ring) => from_ring(number, ring)?,
            None => parking::take_due(memory, queue, me, || Some((aside.now_ms)())).map(&alone),
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Takes the first message of the most urgent ring that has any: what nearly every taker does, by itself, so that its values stay in registers. The parking lot is not looked at.
#[inline(always)]
pub fn take_at_once<'m, M: Memory>(memory: &'m M, notes: &Notes, queue: &Queue<'_>, me: Name) -> Taken<'m, M> {
    let mut left = queue.committed() & (LANES | 1 << REDELIVERY | 1 << REPLY);
    // They are numbered in the order of their priority.
    while let number = left.trailing_zeros() as usize
        && let Some(ring) = queue.rings.get(number)
    {
        left &= left - 1;
        if left == 0 || !ring.seems_empty() {
            note_wake(&notes.takes_from, queue.name);
            let taken = take_from(memory, queue, number, ring, me)?;
            if taken.is_some() || mutated("first-ring-only") {
                return Ok(taken);
            }
        }
    }
    Ok(None)
}

/// Takes the first message of the first ring, in the given order, that has any.
pub fn take<'m, M: Memory>(
    memory: &'m M,
    notes: &Notes,
    queue: &Queue<'_>,
    me: Name,
    order: Order,
    aside: &Aside<impl Fn(usize) -> Option<Claimed>, impl Fn() -> u64>,
) -> Taken<'m, M> {
    let from_ring = |number, ring: &Ring<'_>| take_from(memory, queue, number, ring, me);
    search((memory, notes, queue, me), order, aside, from_ring, |claimed| (claimed, memory.owned(claimed.chunk())))
}

/// Takes the first messages of the first ring, in the given order, that has any, as long as `is_to_go_on` says of the last one. What does not stand in a ring, the rest
/// of a batch and what was parked, is returned instead, alone.
#[inline(always)]
pub fn take_some<'m, M: Memory>(
    memory: &'m M,
    notes: &Notes,
    queue: &Queue<'_>,
    me: Name,
    order: Order,
    aside: &Aside<impl Fn(usize) -> Option<Claimed>, impl Fn() -> u64>,
    mut is_to_go_on: impl FnMut(Claimed, Option<M::Chunk<'m>>) -> bool,
) -> std::result::Result<Option<Claimed>, Insane> {
    let from_ring =
        |number, ring: &Ring<'_>| Ok(take_run(memory, queue, number, ring, me, &mut is_to_go_on)?.then_some(None));
    Ok(search((memory, notes, queue, me), order, aside, from_ring, Some)?.flatten())
}
