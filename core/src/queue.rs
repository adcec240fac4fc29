//! A queue: its rings, and how a message goes in, is claimed, comes back.
//!
//! Three words carry a message (DESIGN.md): the **slot** says where it is in the order, the **chunk word** says whose it is,
//! the **intent** of a member says what it may have been publishing when it died.
//!
//! - **I6** A chunk is `QUEUED(q)` from just before its slot in `q` becomes `READY` until somebody claims it. If no slot refers
//!   to it and its publisher is dead, nobody was ever told of it.
//! - **I7** Only its owner changes a chunk that is `HELD` or `INFLIGHT`, and its header and payload; a dead owner's reaper is the owner.

use crate::error::{Error, Result};
use crate::layout::{Notes, REDELIVERY, REPLY, RINGS, RingControl};
use crate::memory::Memory;
use crate::ring::{Front, Ring};
use crate::sync::{S2, S3, S7, S8, S10, WakeWord, Word, mutated, window};
use crate::wait;
use crate::word::{ChunkState, ChunkWord, Intent, IntentKind, Name};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

/// A queue, borrowed from wherever its words are.
#[derive(Clone, Copy)]
pub struct Queue<'a> {
    /// Index and incarnation.
    pub name: Name,
    /// Controls of the rings; index 0 is redelivery.
    pub rings: &'a [RingControl],
    /// Slots of all rings, one ring after the other.
    pub slots: &'a [Word],
    /// log₂ of the slots of a ring.
    pub shift: u32,
    /// Bit r: ring r is committed.
    pub lanes: &'a Word,
    /// Most messages in a lane.
    pub limit: u64,
    /// Whether intake is stopped.
    pub flags: &'a Word,
    /// Lowest bit: messages of this queue are in limbo; a count above it.
    pub deferred: &'a Word,
    /// Rung when a message comes.
    pub items: &'a WakeWord,
}

/// The owner of messages that wait for room in their redelivery ring: a name that no member can have, so it counts as dead for ever and any reaper may
/// take from it. Takers who find a queue's rings empty and its `deferred` bit set do.
pub const LIMBO: Name = Name::new(u16::MAX, 0);

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
        (self.lanes.load(S7.acquire()) & 1 << ring != 0).then(|| self.ring_unchecked(ring))
    }

    fn ring_unchecked(&self, ring: usize) -> Ring<'a> {
        let slots = &self.slots[ring << self.shift..(ring + 1) << self.shift];
        Ring::new(&self.rings[ring], slots, self.shift)
    }

    /// The committed rings with their numbers, in the order in which takers read them.
    pub fn active(&self) -> impl Iterator<Item = (usize, Ring<'a>)> + use<'a> {
        let (queue, lanes) = (*self, self.lanes.load(S7.acquire()));
        (0..RINGS.min(self.rings.len()))
            .filter(move |ring| lanes & 1 << ring != 0)
            .map(move |ring| (ring, queue.ring_unchecked(ring)))
    }

    /// Wakes up to `count` who wait for messages, and all who wait for room.
    pub fn wake_all(&self, count: u32) {
        wait::ring(self.items, count);
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
        if let Some(ring) = self.ring(ring) {
            return Ok(ring);
        }
        memory.commit_ring(self.name, ring)?;
        window(10);
        self.lanes.fetch_or(1 << ring, S7.release());
        Ok(self.ring_unchecked(ring))
    }
}

/// Why a chunk was not published; it is the caller's as before, with `word`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotPublished {
    /// The chunk's word as it stands now.
    pub word: ChunkWord,
    /// `None`: the ring is full.
    pub error: Option<Error>,
}

/// A message on its way into a queue: which ring, and whether it existed before.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Ring of the queue.
    pub ring: usize,
    /// A new message or a move.
    pub kind: IntentKind,
}

/// Publishes `chunk`, which `word` says is the caller's (`HELD` for a send, `INFLIGHT` for a move), to a ring of `queue`.
/// The commit point is the slot's compare-exchange in [`Ring::push`].
pub fn publish(
    memory: &impl Memory,
    notes: &Notes,
    queue: &Queue<'_>,
    route: Route,
    (chunk, word): (u32, ChunkWord),
    known_head: &Cell<u64>,
) -> std::result::Result<(), NotPublished> {
    let refused = |error| NotPublished { word, error: Some(error) };
    let ring = queue.ring_for_sending(memory, route.ring).map_err(refused)?;
    let (Some(shared), Some(home)) = (memory.chunk(chunk), memory.home(chunk)) else {
        return Err(refused(Error::corrupt(format!("chunk {chunk}"), "I5")));
    };
    // Relaxed: the owner's own header (I7), published by S1. A forward has emptied its slot in the old queue; from here on the
    // message is at home in the new one.
    let old_home = home.load(Relaxed);
    home.store(old_home & !0xffff_ffff | queue.name.bits(), Relaxed);
    window(1);
    note_wake(&notes.sends_to, queue.name);
    window(2);
    if mutated("word-before-intent") {
        shared.store(ChunkWord::new(word.generation(), queue.name, ChunkState::Queued).0, S3.release());
    }
    // S8: the header is complete before the intent that announces it.
    notes.intent.store(Intent::new(word.generation(), chunk, route.kind).0, S8.release());
    window(3);
    let queued = ChunkWord::new(word.generation(), queue.name, ChunkState::Queued);
    shared.store(queued.0, S3.release());
    window(4);
    let limit = if route.ring == REDELIVERY { u64::MAX } else { queue.limit };
    let error = match ring.push(chunk, limit, queue.name, known_head, |chunk| memory.chunk(chunk)) {
        Ok(true) => {
            window(6);
            return Ok(());
        }
        Ok(false) => None,
        Err(error) => Some(error),
    };
    // Nobody was told: take it back, under a new generation so that no word of this attempt can ever match again.
    let back = ChunkWord::new(word.generation() + 1, word.name(), word.state());
    if !mutated("refused-forward-moves-home") {
        home.store(old_home, Relaxed);
    }
    window(7);
    shared.store(back.0, S3.release());
    window(8);
    Err(NotPublished { word: back, error })
}

/// Notes (with every message, hence only when it changes) which queue the member may owe a wake.
pub fn note_wake(note: &Word, queue: Name) {
    let value = queue.bits() + 1;
    // Relaxed: only this member writes its notes; the reaper reads them after the kernel's word.
    if note.load(Relaxed) != value {
        note.store(value, Relaxed);
    }
}

/// Takes the oldest message of one ring. The commit point is the compare-exchange of the chunk word.
pub fn take_from(
    memory: &impl Memory,
    queue: &Queue<'_>,
    number: usize,
    ring: Ring<'_>,
    me: Name,
) -> Result<Option<Claimed>> {
    loop {
        let (position, slot, word) = match ring.front(queue.name, |chunk| memory.chunk(chunk))? {
            Front::Empty { .. } => return Ok(None),
            Front::Message { position, slot, word } => (position, slot, word),
        };
        let claimed = word.next(me, ChunkState::InFlight);
        let Some(shared) = memory.chunk(slot.chunk()) else { continue };
        memory.touch(me, slot.chunk());
        window(11);
        let seen = if mutated("claim-not-compared") { shared.load(S3.acquire()) } else { word.0 };
        if shared.compare_exchange(seen, claimed.0, S3.acquire_then(S3)).is_ok() {
            window(12);
            if !mutated("claimer-does-not-empty") {
                ring.empty(position, slot);
            }
            window(14);
            return Ok(Some(Claimed { chunk: slot.chunk(), word: claimed, ring: number }));
        }
    }
}

/// The rings in the order in which takers read them.
pub const BY_PRIORITY: [usize; RINGS] = [REDELIVERY, REPLY, 2, 3, 4, 5];
/// The same with the least urgent lane first: what a taker does now and then, so that no lane starves.
pub const BY_PATIENCE: [usize; RINGS] = [REDELIVERY, REPLY, 5, 4, 3, 2];

/// Takes the first message of a queue's rings in the given order.
pub fn take(
    memory: &impl Memory,
    notes: &Notes,
    queue: &Queue<'_>,
    me: Name,
    order: &[usize],
) -> Result<Option<Claimed>> {
    note_wake(&notes.takes_from, queue.name);
    for number in order {
        if let Some(ring) = queue.ring(*number)
            && let Some(claimed) = take_from(memory, queue, *number, ring, me)?
        {
            return Ok(Some(claimed));
        }
    }
    Ok(None)
}

/// Gives up a chunk of the caller's: to the caller's own next send (`HELD`) or to everybody (`FREE`). This one store is the
/// acknowledgement of a message. Returns the word written.
pub fn release(memory: &impl Memory, chunk: u32, word: ChunkWord, keep_for: Option<Name>) -> ChunkWord {
    let next = match keep_for {
        Some(me) => word.next(me, ChunkState::Held),
        None => word.freed(),
    };
    if let Some(shared) = memory.chunk(chunk) {
        shared.store(next.0, S2.release());
    }
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
    queue.note_deferred();
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
