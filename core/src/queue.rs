//! A queue: its rings, and how a message goes in, is claimed, comes back.
//!
//! Three words carry a message (DESIGN.md): the **slot** says where it is in the order, the **chunk word** says whose it is,
//! the **intent** of a member says what it may have been publishing when it died.
//!
//! - **I6** A chunk is `QUEUED(q)` from just before its slot in `q` becomes `READY` until somebody claims it. If no slot refers
//!   to it and its publisher is dead, nobody was ever told of it.
//! - **I26** The messages of a batch hang on one another by [`Link`]s, the first one in a slot. All but the first are `QUEUED` without a slot: they are
//!   whoever's the message before them is, until that one claims the next, which it does before it does anything else with its own.
//! - **I7** Only its owner changes a chunk that is `HELD` or `INFLIGHT`, and its header and payload; a dead owner's reaper is the owner.

use crate::error::{Error, Result};
use crate::layout::{Notes, PARKING, QUEUE_CLOSED, QUEUE_EPOCH, QUEUE_SEALED, REDELIVERY, REPLY, RINGS};
use crate::memory::{Memory, Owned};
use crate::parking::{self, Lot};
use crate::ring::{Pushed, RUN, Ring, Waiting};
use crate::sync::{S2, S3, S7, S8, S10, WakeWord, Word, mutated, window};
use crate::wait;
use crate::word::{ChunkState, ChunkWord, Intent, IntentKind, Link, Name};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

/// A queue, borrowed from wherever its words are.
#[derive(Clone, Copy)]
pub struct Queue<'a> {
    /// Index and incarnation.
    pub name: Name,
    /// Its rings, those that are not committed among them; index 0 is redelivery.
    pub rings: [Ring<'a>; RINGS],
    /// The places of the parking lot.
    pub places: &'a [Word],
    /// Bit r: ring r is committed; bit [`PARKING`]: the parking lot.
    pub lanes: &'a Word,
    /// Most messages in a lane.
    pub limit: u64,
    /// How often a message is delivered at most; 0: without end.
    pub max_deliveries: u64,
    /// Whether intake is stopped.
    pub flags: &'a Word,
    /// When the next parked message is due.
    pub due: &'a Word,
    /// Lowest bit: messages of this queue are in limbo; a count above it.
    pub deferred: &'a Word,
    /// Who owns it, if it is a mailbox: see [`crate::owner`].
    pub owner: &'a Word,
    /// Who gets a copy of every message: see `tap`.
    pub tap: &'a Word,
    /// Rung when a message comes.
    pub items: &'a WakeWord,
    /// Rung with `items`, for who waits for many queues.
    pub group: &'a WakeWord,
}

/// The owner of messages that wait for room in their redelivery ring: a name that no member can have, so it counts as dead for ever and any reaper may
/// take from it. Takers who find a queue's rings empty and its `deferred` bit set do.
pub const LIMBO: Name = Name::new(u16::MAX, 0);

/// Most messages of a batch.
pub const BATCH_MAX: usize = 1024;

/// A chunk that has just been claimed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claimed {
    /// Which.
    pub chunk: u32,
    /// Its word, as it stands now: `INFLIGHT` with the claimer.
    pub word: ChunkWord,
    /// The ring it came from.
    pub ring: usize,
}

impl<'a> Queue<'a> {
    /// A ring, once it is committed (nothing can be in it before).
    pub fn ring(&self, ring: usize) -> Option<Ring<'a>> {
        self.rings.get(ring).copied().filter(|_| self.lanes.load(S7.acquire()) & 1 << ring != 0)
    }

    /// The parking lot, once it is committed.
    pub fn lot(&self) -> Option<Lot<'a>> {
        (self.lanes.load(S7.acquire()) & 1 << PARKING != 0).then(|| self.lot_unchecked())
    }

    fn lot_unchecked(&self) -> Lot<'a> {
        Lot { places: self.places, due: self.due }
    }

    /// Whether senders may put messages in.
    pub fn is_open(&self) -> bool {
        self.flags.load(S10.acquire()) & QUEUE_CLOSED == 0
    }

    /// Stops intake or lets messages in again.
    pub fn set_closed(&self, closed: bool) {
        loop {
            let seen = self.flags.load(S10.acquire());
            if (seen & QUEUE_CLOSED != 0) == closed {
                return;
            }
            let flags = (seen & !(QUEUE_CLOSED | QUEUE_SEALED) | if closed { QUEUE_CLOSED } else { 0 })
                .wrapping_add(QUEUE_EPOCH);
            if self.flags.compare_exchange(seen, flags, S10.acquire_then(S10)).is_ok() {
                return;
            }
        }
    }

    /// `true` if the queue is closed and no sender can get a message in any more (I23); a queue that is closed is sealed here, by whoever asks.
    /// (A full ring cannot be; but then there is something to take.)
    pub fn seal(&self) -> Result<bool> {
        loop {
            let flags = self.flags.load(S10.acquire());
            if flags & QUEUE_CLOSED == 0 {
                return Ok(false);
            }
            if flags & QUEUE_SEALED != 0 {
                return Ok(true);
            }
            if !mutated("lanes-only-read") {
                // See `commit`.
                self.lanes.fetch_or(0, S7.acquire_then(S7));
            }
            for (number, ring) in self.active() {
                if number != REDELIVERY && number != REPLY && !mutated("slot-not-burnt") && !ring.burn()? {
                    return Ok(false);
                }
            }
            window(63);
            let sealed = flags | QUEUE_SEALED;
            let seen = if mutated("epoch-not-compared") { self.flags.load(Relaxed) } else { flags };
            let _ = self.flags.compare_exchange(seen, sealed, S10.acquire_then(S10));
        }
    }

    /// The committed rings with their numbers, in the order in which takers read them.
    pub fn active(&self) -> impl Iterator<Item = (usize, Ring<'a>)> + use<'a> {
        let lanes = self.lanes.load(S7.acquire());
        self.rings.into_iter().enumerate().filter(move |(ring, _)| lanes & 1 << ring != 0)
    }

    /// Wakes up to `count` who wait for this queue's messages, and all who wait for those of many queues.
    pub fn ring_items(&self, count: u32) {
        wait::ring_with_group(self.items, count, self.group);
    }

    /// Whether somebody gets copies of what is sent here.
    #[inline]
    pub fn is_tapped(&self) -> bool {
        // Relaxed: who began to tap a moment ago may miss what is on its way. The rest is looked at when there is something to look at.
        self.tap.load(Relaxed) != 0
    }

    /// Whether messages of this queue may be in limbo.
    pub fn has_in_limbo(&self) -> bool {
        self.deferred.load(S10.acquire()) & 1 != 0
    }

    /// Whether nothing waits in a ring.
    pub fn is_empty(&self, memory: &impl Memory, ring: usize) -> Result<bool> {
        let Some(ring) = self.ring(ring) else { return Ok(true) };
        Ok(matches!(ring.front(self.name, |chunk| memory.chunk_in_slot(chunk))?, (_, None)))
    }

    /// Whether there is something that a taker would find.
    pub fn has_message(&self, memory: &impl Memory) -> bool {
        let waiting = |front| matches!(front, Ok((_, Some(_))));
        self.active().any(|(_, ring)| waiting(ring.front(self.name, |chunk| memory.chunk_in_slot(chunk))))
            || self.has_in_limbo()
    }

    /// Wakes up to `count` who wait for messages, and all who wait for room.
    pub fn wake_all(&self, count: u32) {
        self.ring_items(count);
        for (_, ring) in self.active() {
            wait::ring(ring.room(), u32::MAX);
        }
    }

    /// Notes that a message of this queue waits for room in its redelivery ring, before it is put there (see [`LIMBO`]).
    pub fn note_deferred(&self) {
        // Relaxed load: the compare-exchange decides.
        while let seen = self.deferred.load(Relaxed)
            && self.deferred.compare_exchange(seen, (seen | 1) + 2, S10.acquire_then(S10)).is_err()
        {}
    }

    /// A ring to write to, committed if it was not.
    pub fn ring_for_sending(&self, memory: &impl Memory, ring: usize) -> Result<Ring<'a>> {
        self.commit(memory, ring)?;
        Ok(self.rings[ring])
    }

    /// The parking lot to write to, committed if it was not.
    pub fn lot_for_parking(&self, memory: &impl Memory) -> Result<Lot<'a>> {
        self.commit(memory, PARKING)?;
        Ok(self.lot_unchecked())
    }

    /// Commits an area (a ring or the parking lot) unless it is.
    #[inline]
    pub fn commit(&self, memory: &impl Memory, area: usize) -> Result<()> {
        if self.lanes.load(S7.acquire()) & 1 << area != 0 { Ok(()) } else { self.commit_anew(memory, area) }
    }

    #[cold]
    fn commit_anew(&self, memory: &impl Memory, area: usize) -> Result<()> {
        memory.commit_area(self.name, area)?;
        window(10);
        // Who seals the queue either sees this area, or has touched the word before us: then we see, and so does everybody who sees the
        // area, that the queue is closed.
        self.lanes.fetch_or(1 << area, S7.acquire_then(S7));
        Ok(())
    }
}

/// Why a chunk was not published; it is the caller's as before, with `word`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotPublished {
    /// The chunk's word as it stands now.
    pub word: ChunkWord,
    /// Why.
    pub why: Refusal,
}

/// Why a queue does not take a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// As many wait as may.
    Full,
    /// Intake is stopped.
    Closed,
    /// Something else.
    Failed(Error),
}

/// A message on its way into a queue.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Ring of the queue, or its parking lot.
    pub ring: usize,
    /// A new message or a move.
    pub kind: IntentKind,
    /// Whether a closed queue takes it as well.
    pub past_closing: bool,
    /// For the parking lot: when the message is due, ms of `CLOCK_MONOTONIC`.
    pub due_ms: u64,
    /// Whether it is a part of an answer, which leaves half of the lane to others.
    pub is_part: bool,
}

impl Route {
    /// A new message.
    pub const fn send(ring: usize) -> Route {
        Route { ring, kind: IntentKind::Send, past_closing: ring == REPLY, due_ms: 0, is_part: false }
    }

    /// A part of an answer that is not the last one.
    pub const fn part() -> Route {
        Route { is_part: true, ..Route::send(REPLY) }
    }

    /// Whether it is a new message that is no answer: what a deposed owner does not send.
    pub fn is_fresh(&self) -> bool {
        self.kind == IntentKind::Send && self.ring != REPLY
    }

    /// A message that goes from one queue to another.
    pub const fn forward(ring: usize) -> Route {
        Route { ring, kind: IntentKind::Move, past_closing: ring == REPLY, due_ms: 0, is_part: false }
    }

    /// A message for which nobody is there who could be refused: one that comes back, or a dead letter.
    pub const fn put_back(ring: usize) -> Route {
        Route { ring, kind: IntentKind::Move, past_closing: true, due_ms: 0, is_part: false }
    }

    /// The same, by way of the parking lot.
    pub const fn parked(self, due_ms: u64) -> Route {
        Route { ring: PARKING, due_ms, ..self }
    }
}

/// Publishes `chunk`, which `word` says is the caller's (`HELD` for a send, `INFLIGHT` for a move), to a queue; with it, as one batch, the `rest`
/// (for a send; the caller's, too). `known_head` is the caller's memory of the ring's head.
///
/// The commit point is the slot's compare-exchange in [`Ring::push`], or the place's in [`Lot::park`].
#[inline(always)]
pub fn publish<'m, M: Memory>(
    memory: &'m M,
    notes: &Notes,
    queue: &Queue<'_>,
    route: Route,
    (chunk, word): (M::Chunk<'m>, ChunkWord),
    rest: &mut [(u32, ChunkWord)],
    known_head: &Cell<u64>,
) -> std::result::Result<(), NotPublished> {
    let failed = |error| NotPublished { word, why: Refusal::Failed(error) };
    queue.commit(memory, route.ring).map_err(failed)?;
    let (shared, home) = (chunk.word(), chunk.home());
    // Relaxed: the owner's own header (I7), published by S1. A forward has emptied its slot in the old queue; from here on the
    // message is at home in the new one.
    let old_home = home.load(Relaxed);
    home.store(old_home & !0xffff_ffff | queue.name.bits(), Relaxed);
    let kind = if rest.is_empty() { route.kind } else { IntentKind::Batch };
    if !rest.is_empty() {
        link::<M>(memory, queue.name, chunk, rest);
    }
    window(1);
    note_wake(&notes.sends_to, queue.name);
    window(2);
    if mutated("word-before-intent") {
        shared.store(ChunkWord::new(word.generation(), queue.name, ChunkState::Queued).0, S3.release());
    }
    // S8: the headers are complete before the intent that announces them.
    notes.intent.store(Intent::new(word.generation(), chunk.number(), kind).0, S8.release());
    window(3);
    for (chunk, word) in rest.iter() {
        set_word(memory, *chunk, ChunkWord::new(word.generation(), queue.name, ChunkState::Queued));
        window(64);
    }
    let queued = ChunkWord::new(word.generation(), queue.name, ChunkState::Queued);
    shared.store(queued.0, S3.release());
    window(4);
    let why = match push(memory, queue, route, chunk.number(), known_head) {
        Ok(Pushed::Sent) => {
            window(6);
            return Ok(());
        }
        Ok(Pushed::Full) => Refusal::Full,
        Ok(Pushed::Closed) => Refusal::Closed,
        Err(error) => Refusal::Failed(error),
    };
    Err(NotPublished { word: take_back(memory, (shared, word), rest, home, old_home), why })
}

/// Takes back what nobody was told of, under a new generation so that no word of this attempt can ever match again. The last one first: a reaper finds the rest as
/// far as it hangs together.
#[cold]
fn take_back(
    memory: &impl Memory,
    (shared, word): (&Word, ChunkWord),
    rest: &mut [(u32, ChunkWord)],
    home: &Word,
    old_home: u64,
) -> ChunkWord {
    let back = |word: ChunkWord| ChunkWord::new(word.generation() + 1, word.name(), word.state());
    for (chunk, word) in rest.iter_mut().rev() {
        *word = back(*word);
        set_word(memory, *chunk, *word);
        window(65);
    }
    if !mutated("refused-forward-moves-home") {
        home.store(old_home, Relaxed);
    }
    window(7);
    shared.store(back(word).0, S3.release());
    window(8);
    back(word)
}

#[inline(always)]
fn push(memory: &impl Memory, queue: &Queue<'_>, route: Route, chunk: u32, known_head: &Cell<u64>) -> Result<Pushed> {
    if route.ring == PARKING {
        return park(memory, queue, route, chunk);
    }
    let limit = match route.ring {
        REDELIVERY => u64::MAX,
        _ if route.is_part => queue.limit.div_ceil(2),
        _ => queue.limit,
    };
    let ring = queue.rings[route.ring];
    let is_open = || route.past_closing || queue.is_open();
    ring.push(chunk, limit, queue.name, known_head, is_open, |chunk| memory.chunk_in_slot(chunk))
}

#[cold]
fn park(memory: &impl Memory, queue: &Queue<'_>, route: Route, chunk: u32) -> Result<Pushed> {
    let lot = queue.lot_for_parking(memory)?;
    let parked = lot.park(chunk, route.due_ms, queue.limit) || {
        // Some places may belong to messages that were taken by somebody who has been paused before emptying them.
        lot.empty_stale(queue.name, |chunk| memory.chunk(chunk));
        lot.park(chunk, route.due_ms, queue.limit)
    };
    Ok(if parked { Pushed::Sent } else { Pushed::Full })
}

fn set_word(memory: &impl Memory, chunk: u32, word: ChunkWord) {
    if let Some(shared) = memory.chunk(chunk) {
        shared.store(word.0, S3.release());
    }
}

/// Writes into the headers of a batch, all of them the caller's, what hangs on what.
fn link<'m, M: Memory>(memory: &'m M, queue: Name, first: M::Chunk<'m>, rest: &[(u32, ChunkWord)]) {
    let mut before = Some(first);
    // Relaxed: our own headers (I7).
    for (chunk, word) in rest {
        let own = memory.owned(*chunk);
        if let (Some(before), Some(own)) = (before, own) {
            before.rest().store(Link::new(word.generation(), *chunk).0, Relaxed);
            own.home().store(own.home().load(Relaxed) & !0xffff_ffff | queue.bits(), Relaxed);
        }
        before = own;
    }
    if let Some(last) = before {
        last.rest().store(0, Relaxed);
    }
}

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

/// Notes (with every message, hence only when it changes) which queue the member may owe a wake.
pub fn note_wake(note: &Word, queue: Name) {
    let value = queue.bits() + 1;
    // Relaxed: only this member writes its notes; the reaper reads them after the kernel's word.
    if note.load(Relaxed) != value {
        note.store(value, Relaxed);
    }
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

/// Gives up a chunk of the caller's: to the caller's own next send (`HELD`) or to everybody (`FREE`). This one store is the
/// acknowledgement of a message. Returns the word written.
#[inline]
pub fn release(
    memory: &impl Memory,
    (chunk, shared): (u32, &Word),
    word: ChunkWord,
    keep_for: Option<Name>,
) -> ChunkWord {
    let next = match keep_for {
        Some(me) => word.next(me, ChunkState::Held),
        None => word.freed(),
    };
    shared.store(next.0, S2.release());
    window(16);
    if keep_for.is_none() {
        memory.hint_free(chunk);
    }
    next
}

/// Leaves a message that is in flight with the caller, or with a dead member, in limbo: see [`LIMBO`].
pub fn shelve(memory: &impl Memory, queue: &Queue<'_>, chunk: u32, word: ChunkWord) {
    queue.note_deferred();
    window(60);
    if let Some(shared) = memory.chunk(chunk) {
        let shelved = word.next(LIMBO, ChunkState::InFlight);
        let _ = shared.compare_exchange(word.0, shelved.0, S3.acquire_then(S3));
    }
    window(61);
    // Once more: who searched in between did not find it and may have cleared the bit.
    if !mutated("limbo-noted-once") {
        queue.note_deferred();
    }
    // The ring may have been emptied since it was full, and all who take from it be asleep.
    queue.ring_items(1);
}

/// Claims a chunk if it is free.
pub fn claim_free(shared: &Word, me: Name) -> Option<ChunkWord> {
    let seen = ChunkWord(shared.load(S2.acquire()));
    if seen.state() != ChunkState::Free {
        return None;
    }
    let held = seen.next(me, ChunkState::Held);
    shared.compare_exchange(seen.0, held.0, S2.acquire_then(S3)).ok().map(|_| held)
}
