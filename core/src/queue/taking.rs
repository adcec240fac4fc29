//! How messages are claimed, one by one or as many as stand in a row.

use super::publishing::note_wake;
use super::{Claimed, Queue};
use crate::error::Result;
use crate::layout::{Notes, PARKING, REDELIVERY, REPLY, RINGS};
use crate::memory::{Memory, Owned};
use crate::parking;
use crate::ring::{RUN, Ring, Waiting};
use crate::sync::{S3, S7, mutated, window};
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
    taken.then_some(Claimed { chunk, word: next, ring: claimed.ring })
}

/// How many messages behind the one that is taken the processor is told which comes.
const AHEAD: u64 = 4;

/// Takes the oldest message of one ring.
#[inline(always)]
pub fn take_from<'m, M: Memory>(
    memory: &'m M,
    queue: &Queue<'_>,
    number: usize,
    ring: &Ring<'_>,
    me: Name,
) -> Result<Option<(Claimed, Option<M::Chunk<'m>>)>> {
    let mut taken = None;
    take_run(memory, queue, number, ring, me, |claimed, chunk| {
        taken = Some((claimed, chunk));
        false
    })?;
    Ok(taken)
}

/// Takes the oldest messages of one ring, as long as `is_to_go_on` says of the last one, [`RUN`] at most. The commit point of each is the compare-exchange of its chunk word.
///
/// `head` moves on once, at the end. Until then, and for ever if the taker dies, others find the slots emptied and move it themselves.
#[inline(always)]
pub fn take_run<'m, M: Memory>(
    memory: &'m M,
    queue: &Queue<'_>,
    number: usize,
    ring: &Ring<'_>,
    me: Name,
    mut is_to_go_on: impl FnMut(Claimed, Option<M::Chunk<'m>>) -> bool,
) -> Result<()> {
    // As long as its slot is ready, a chunk is what it is: its span goes to no other class before it is free. So it may be found before it is claimed.
    let find = |chunk| {
        let found = memory.owned(chunk);
        found.into_iter().for_each(M::expect);
        let word = found.map_or_else(|| memory.chunk_in_slot(chunk), |found| Some(found.word()))?;
        Some((word, found))
    };
    // A copy: what is worked out of it once need not be again.
    let ring = *ring;
    let head = ring.head();
    let (mut position, mut run) = (head, 0);
    let result = loop {
        let Waiting { place, slot, word, shared, chunk } = match ring.front_from(&mut position, queue.name, find) {
            Ok(Some(waiting)) => waiting,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        let claimed = word.next(me, ChunkState::InFlight);
        memory.touch(me, slot.chunk());
        window(11);
        let seen = if mutated("claim-not-compared") { shared.load(S3.acquire()) } else { word.0 };
        if shared.compare_exchange(seen, claimed.0, S3.acquire_then(S3)).is_err() {
            continue;
        }
        run += 1;
        window(12);
        if let Some(next) = ring.peek(position.wrapping_add(AHEAD)).and_then(|next| memory.owned(next)) {
            M::expect(next);
        }
        if !mutated("claimer-does-not-empty") {
            ring.empty(position, place, slot);
            position = position.wrapping_add(1);
        }
        if !is_to_go_on(Claimed { chunk: slot.chunk(), word: claimed, ring: number }, chunk) || run == RUN {
            break Ok(());
        }
    };
    ring.move_head(head, position);
    if run > 0 {
        window(14);
    }
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

/// Takes the first messages of the first ring, in the given order, that has any, as long as `is_to_go_on` says of the last one. `rest`: what the caller has claimed
/// of a batch from a ring already, which stands at that ring's front: it is returned instead, and so is what was parked, alone. `now_ms` is asked only if a parked
/// message may be due.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a taker, a queue, and three questions")]
pub fn take<'m, M: Memory>(
    memory: &'m M,
    notes: &Notes,
    queue: &Queue<'_>,
    me: Name,
    order: Order,
    rest: impl Fn(usize) -> Option<Claimed>,
    now_ms: impl Fn() -> u64,
    mut is_to_go_on: impl FnMut(Claimed, Option<M::Chunk<'m>>) -> bool,
) -> Result<Option<Claimed>> {
    note_wake(&notes.takes_from, queue.name);
    let mut left = queue.lanes.load(S7.acquire()) & (LANES | 1 << REDELIVERY | 1 << REPLY | 1 << PARKING);
    let mut has_some = false;
    while left != 0 && !has_some {
        let number = order.next(left);
        left &= !(1 << number);
        if let Some(claimed) = rest(number) {
            return Ok(Some(claimed));
        }
        match queue.rings.get(number) {
            Some(ring) => take_run(memory, queue, number, ring, me, |claimed, chunk| {
                has_some = true;
                is_to_go_on(claimed, chunk)
            })?,
            None => {
                if let Some(claimed) = parking::take_due(memory, queue, me, || Some(now_ms())) {
                    return Ok(Some(claimed));
                }
            }
        }
    }
    Ok(None)
}
