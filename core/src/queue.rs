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

mod publishing;
mod taking;

pub use publishing::{NotPublished, Refusal, Route, note_wake, publish};
pub use taking::{Aside, Order, take, take_at_once, take_from, take_some, unlink};

use crate::error::Result;
use crate::layout::{PARKING, QUEUE_CLOSED, QUEUE_EPOCH, QUEUE_SEALED, REDELIVERY, REPLY, RINGS};
use crate::memory::Memory;
use crate::parking::Lot;
use crate::ring::Ring;
use crate::sync::{S2, S3, S7, S10, WakeWord, Word, mutated, window};
use crate::wait;
use crate::word::{ChunkState, ChunkWord, Name};
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

/// A chunk that has just been claimed. No larger than two registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claimed {
    /// Which, and above that the ring it came from: written and read as one, as in [`Chunk`](crate::segment::Chunk).
    which: u64,
    /// Its word, as it stands now: `INFLIGHT` with the claimer.
    pub word: ChunkWord,
}

impl Claimed {
    /// Of this chunk, from this ring (or the parking lot).
    #[inline(always)]
    pub const fn new(chunk: u32, word: ChunkWord, ring: usize) -> Claimed {
        Claimed { which: chunk as u64 | (ring as u64) << 32, word }
    }

    /// The chunk.
    #[inline(always)]
    pub const fn chunk(&self) -> u32 {
        self.which as u32
    }

    /// The ring it came from.
    #[inline(always)]
    pub const fn ring(&self) -> usize {
        (self.which >> 32) as usize
    }
}

impl<'a> Queue<'a> {
    /// A bit for each area that is committed.
    #[inline(always)]
    pub(crate) fn committed(&self) -> u64 {
        self.lanes.load(S7.acquire())
    }

    /// A ring, once it is committed (nothing can be in it before).
    pub fn ring(&self, ring: usize) -> Option<Ring<'a>> {
        self.rings.get(ring).copied().filter(|_| self.committed() & 1 << ring != 0)
    }

    /// The parking lot, once it is committed.
    pub fn lot(&self) -> Option<Lot<'a>> {
        (self.committed() & 1 << PARKING != 0).then(|| self.lot_unchecked())
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
        let lanes = self.committed();
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
        if self.committed() & 1 << area != 0 { Ok(()) } else { self.commit_anew(memory, area) }
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
