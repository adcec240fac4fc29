//! A topic: a ring of messages that every subscriber reads, each by a cursor of its own.
//!
//! - **I30** A slot's lap never falls: position `p` lies in slot `p mod slots` in lap `p div slots`; the slot goes `READY(lap - 1, old)` (at first `EMPTY(0)`) →
//!   `READY(lap, new)` by one compare-exchange, which is the commit point: the message is published for all, in that place of the order. Every slot
//!   before `tail` is filled in its lap; `tail` may lag, never lead.
//! - **I33** A chunk is `QUEUED(topic)` from just before its slot becomes `READY` until who put the next message into that slot, or took it out of there, (or a reaper) has taken
//!   it. No slot refers to it and its publisher, or who pushed it out, is dead: it is nobody's.
//!
//! A publisher puts a message at `p` when every subscriber is less than `limit` behind `p` (unless the topic is lossy), and pushes out the message of
//! `p - slots`. The slots are twice as many as the limit: so a publisher that was paused after it looked at the cursors pushes out nothing that somebody
//! reads who has joined since ([`cursor`], I31).

mod cursor;
mod mend;
mod trim;

pub use cursor::{CursorWord, FloorWord, Laggard, note};

use crate::error::{Error, Result};
use crate::layout::{CursorEntry, Notes, TopicRoom};
use crate::memory::{Memory, Owned};
use crate::queue::note_wake;
use crate::sync::{S1, S2, S3, S5, S8, WakeWord, Word, mutated, window};
use crate::wait;
use crate::word::{ChunkState, ChunkWord, Intent, IntentKind, Name, SlotWord};
use std::sync::atomic::Ordering::Relaxed;

/// Most retries of a loop that makes progress unless others do: beyond, the memory is not sane.
const TRIES: u32 = 1 << 20;

/// What happens to a message for which a subscriber leaves no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
pub enum Policy {
    /// Its publisher waits, no longer than it wants to.
    #[default]
    BackPressure,
    /// It is dropped and counted; its publisher is told.
    DropNew,
    /// It pushes out the oldest; a subscriber that is too slow is told how many it missed.
    Lossy,
}

impl Policy {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Policy::BackPressure => "back-pressure",
            Policy::DropNew => "drop-new",
            Policy::Lossy => "lossy",
        }
    }

    /// From a shared word; a value that does not exist counts as back-pressure, which loses nothing.
    #[cfg(not(loom))]
    pub(crate) const fn from_number(number: u64) -> Policy {
        match number {
            1 => Policy::DropNew,
            2 => Policy::Lossy,
            _ => Policy::BackPressure,
        }
    }
}

/// A topic, borrowed from wherever its words are.
#[derive(Clone, Copy)]
pub struct Topic<'a> {
    /// Index and incarnation.
    pub name: Name,
    /// What happens to a message for which there is no room.
    pub policy: Policy,
    /// How many messages a subscriber may be behind: at most half of the slots.
    pub limit: u64,
    /// Its slots: a power of two, 1 << `shift`.
    pub slots: &'a [Word],
    /// log₂ of the slots.
    pub shift: u32,
    /// Where the next message probably goes.
    pub tail: &'a Word,
    /// [`FloorWord`].
    pub floor: &'a Word,
    /// Messages before this position may have been taken out: see [`Topic::trim`].
    pub trimmed: &'a Word,
    /// How many of the last messages are there for who comes late.
    pub retain: u64,
    /// Cursors by member index, and a bit for each page of them that is committed.
    pub cursors: &'a [CursorEntry],
    /// A bit for each page of the cursors that is committed.
    pub cursor_pages: &'a [Word],
    /// Rung when a message comes.
    pub items: &'a WakeWord,
    /// Rung when a subscriber moves on for which somebody waits.
    pub room: &'a TopicRoom,
}

/// A message that was published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Its place in the order.
    pub position: u64,
    /// The chunk that it has pushed out, if that is the caller's now.
    pub evicted: Option<(u32, ChunkWord)>,
}

/// Why a chunk was not published; it is the caller's as before, with `word`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotPlaced {
    /// The chunk's word as it stands now.
    pub word: ChunkWord,
    /// Why.
    pub why: Obstacle,
}

/// Why a topic does not take a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// A subscriber is as far behind as it may be.
    Full(Laggard),
    /// Something else.
    Failed(Error),
}

/// What is at a position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// A message.
    Message {
        /// Its slot, as seen.
        slot: SlotWord,
        /// Its chunk's word, as seen: `QUEUED` in this topic.
        word: ChunkWord,
    },
    /// No message yet.
    Nothing,
    /// No message any more.
    Gone,
}

impl<'a> Topic<'a> {
    /// Whether publishers wait.
    pub fn waits(&self) -> bool {
        self.policy == Policy::BackPressure
    }

    /// Whether publishers do not look at cursors.
    pub fn is_lossy(&self) -> bool {
        self.policy == Policy::Lossy
    }

    fn slot(&self, position: u64) -> &'a Word {
        &self.slots[position as usize & (self.slots.len() - 1)]
    }

    /// How many laps the slot of a position has been filled beyond that position: 0 if it waits for that position's message, 1 if it
    /// has it.
    fn filled(&self, position: u64, seen: SlotWord) -> i64 {
        seen.filled_since(position >> self.shift)
    }

    fn move_tail(&self, position: u64) {
        let _ = self.tail.compare_exchange(position, position.wrapping_add(1), S5.release());
    }

    /// Where the next message goes.
    pub fn end(&self) -> Result<u64> {
        for _ in 0..TRIES {
            let end = self.tail.load(S5.acquire());
            match self.filled(end, SlotWord(self.slot(end).load(S1.acquire()))) {
                0 => return Ok(end),
                1.. => self.move_tail(end),
                _ if self.tail.load(S5.acquire()) == end => break,
                _ => {}
            }
        }
        Err(Error::corrupt("a topic's tail", "I30"))
    }

    /// What is at a position.
    pub fn at(&self, memory: &impl Memory, position: u64) -> Found {
        // S1: with the slot come chunk word, header and payload.
        let slot = SlotWord(self.slot(position).load(S1.acquire()));
        match self.filled(position, slot) {
            1 if slot.is_ready() => {}
            1.. => return Found::Gone,
            _ => return Found::Nothing,
        }
        let word = memory.chunk_in_slot(slot.chunk()).map(|shared| ChunkWord(shared.load(S3.acquire())));
        match word {
            Some(word) if word.is(ChunkState::Queued, self.name) => Found::Message { slot, word },
            _ => Found::Gone,
        }
    }

    /// Whether a message that was read by somebody who keeps no publisher from pushing it out was there all the time. Its bytes were read before.
    pub fn still_there(&self, memory: &impl Memory, position: u64, slot: SlotWord, word: ChunkWord) -> bool {
        // Acquire, of no edge: keeps the reads before from moving behind these.
        std::sync::atomic::fence(std::sync::atomic::Ordering::Acquire);
        // Relaxed: behind the fence; any change says that it is gone.
        self.slot(position).load(Relaxed) == slot.0
            && memory.chunk(slot.chunk()).is_some_and(|shared| shared.load(Relaxed) == word.0)
    }

    /// True if some slot is `READY` with `chunk`.
    pub fn refers_to(&self, chunk: u32) -> bool {
        self.slots.iter().any(|slot| {
            let slot = SlotWord(slot.load(S1.acquire()));
            slot.is_ready() && slot.chunk() == chunk
        })
    }

    /// Wakes everybody who waits here, also those whom somebody was about to wake who died.
    pub fn wake_all(&self) {
        wait::ring_all_anyway(self.items);
        wait::ring_all_anyway(&self.room.room);
    }

    /// Says who stands in the way of a message now, if somebody does.
    pub fn obstacle(&self) -> Option<Laggard> {
        if self.is_lossy() { None } else { self.laggard(self.tail.load(S5.acquire())) }
    }

    /// The chunk in a slot that was seen, with its word, for who is about to take the slot from it. The slot is looked at once more: else the word might be one of
    /// its next life, whose publisher has not put it into a slot yet, and be taken for that of a message that nobody has (I33).
    fn in_slot(&self, memory: &impl Memory, slot: &Word, seen: SlotWord) -> Option<(u32, ChunkWord)> {
        let word = ChunkWord(memory.chunk_in_slot(seen.chunk())?.load(S3.acquire()));
        let is_still_there = mutated("evicted-slot-not-looked-at-again") || slot.load(S1.acquire()) == seen.0;
        Some((seen.chunk(), word)).filter(|_| is_still_there && word.is(ChunkState::Queued, self.name))
    }

    /// Makes `chunk` the newest message. `about_to`: done before the slot changes, with what it pushes out.
    fn push(
        &self,
        memory: &impl Memory,
        chunk: u32,
        about_to: impl Fn(Option<(u32, ChunkWord)>),
    ) -> std::result::Result<(u64, Option<(u32, ChunkWord)>), Obstacle> {
        for _ in 0..TRIES {
            let end = self.tail.load(S5.acquire());
            if !self.is_lossy()
                && let Some(laggard) = self.laggard(end)
            {
                return Err(Obstacle::Full(laggard));
            }
            let slot = self.slot(end);
            let seen = SlotWord(slot.load(S1.acquire()));
            match self.filled(end, seen) {
                0 => {
                    let old = if seen.is_ready() { self.in_slot(memory, slot, seen) } else { None };
                    about_to(old);
                    let filled = SlotWord::ready(end >> self.shift, chunk);
                    if slot.compare_exchange(seen.0, filled.0, S1.acquire_then(S1)).is_ok() {
                        window(96);
                        self.move_tail(end);
                        return Ok((end, old));
                    }
                }
                1.. => self.move_tail(end),
                _ if self.tail.load(S5.acquire()) == end => break,
                _ => {}
            }
        }
        Err(Obstacle::Failed(Error::corrupt("a topic's slots", "I30")))
    }
}

/// Publishes `chunk`, which `word` says is `HELD` by the caller. `keep`: asked about the chunk that this pushes out, whether the caller wants it for
/// itself; else it is everybody's. Wakes nobody: [`wait::ring_all`] is the caller's to do.
pub fn publish<'m, M: Memory>(
    memory: &'m M,
    notes: &Notes,
    topic: &Topic<'_>,
    (chunk, word): (M::Chunk<'m>, ChunkWord),
    keep: impl FnOnce(u32) -> Option<Name>,
) -> std::result::Result<Placed, NotPlaced> {
    let (shared, home) = (chunk.word(), chunk.home());
    // Relaxed: our own header (I7), published by S1.
    home.store(home.load(Relaxed) & !0xffff_ffff | topic.name.bits(), Relaxed);
    window(91);
    note_wake(&notes.sends_to, topic.name);
    window(92);
    // S8: the header is complete before the intent that announces it.
    notes.intent.store(Intent::new(word.generation(), chunk.number(), IntentKind::Send).0, S8.release());
    window(93);
    shared.store(ChunkWord::new(word.generation(), topic.name, ChunkState::Queued).0, S3.release());
    window(94);
    let about_to = |old| {
        note_eviction(notes, old);
        window(95);
    };
    let (position, old) = match topic.push(memory, chunk.number(), about_to) {
        Ok(placed) => placed,
        Err(why) => {
            // Nobody was told: take it back, under a new generation so that no word of this attempt can ever match again.
            let back = ChunkWord::new(word.generation() + 1, word.name(), word.state());
            shared.store(back.0, S3.release());
            window(100);
            return Err(NotPlaced { word: back, why });
        }
    };
    window(97);
    let evicted = old.and_then(|old| take_evicted(memory, old, keep(old.0)));
    window(98);
    Ok(Placed { position, evicted })
}

/// Notes which chunk is about to lose its slot: should the caller die then, its reaper frees it (I33).
fn note_eviction(notes: &Notes, old: Option<(u32, ChunkWord)>) {
    if !mutated("eviction-not-noted") {
        let evicts = old.map_or(0, |(old, word)| Intent::new(word.generation(), old, IntentKind::Send).0);
        notes.evicts.store(evicts, S8.release());
    }
}

/// Takes a chunk that no slot refers to any more. A reaper may be faster.
fn take_evicted(
    memory: &impl Memory,
    (chunk, seen): (u32, ChunkWord),
    keep_for: Option<Name>,
) -> Option<(u32, ChunkWord)> {
    let shared = memory.chunk(chunk)?;
    let next = match keep_for {
        Some(me) => {
            memory.touch(me, chunk);
            seen.next(me, ChunkState::Held)
        }
        None => seen.freed(),
    };
    // S2: whoever has it next writes after the last reader is done, as the cursors said.
    shared.compare_exchange(seen.0, next.0, S3.acquire_then(S2)).ok()?;
    match keep_for {
        Some(_) => Some((chunk, next)),
        None => {
            memory.hint_free(chunk);
            None
        }
    }
}
