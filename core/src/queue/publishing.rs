//! How a message goes into a queue.

use super::Queue;
use crate::error::{Error, Result};
use crate::layout::{Notes, PARKING, REDELIVERY, REPLY};
use crate::memory::{Memory, Owned};
use crate::ring::{Insane, Pushed};
use crate::sync::{S3, S8, Word, mutated, window};
use crate::word::{ChunkState, ChunkWord, Intent, IntentKind, Link, Name};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

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

/// A message on its way into a queue. No larger than two registers.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// For the parking lot: when the message is due, ms of `CLOCK_MONOTONIC`.
    pub due_ms: u64,
    ring: u8,
    /// A new message or a move.
    pub kind: IntentKind,
    /// Whether a closed queue takes it as well.
    pub past_closing: bool,
    /// Whether it is a part of an answer, which leaves half of the lane to others.
    pub is_part: bool,
}

impl Route {
    /// Ring of the queue, or its parking lot.
    #[inline(always)]
    pub const fn ring(&self) -> usize {
        self.ring as usize
    }

    /// A new message.
    pub const fn send(ring: usize) -> Route {
        Route { ring: ring as u8, kind: IntentKind::Send, past_closing: ring == REPLY, due_ms: 0, is_part: false }
    }

    /// A part of an answer that is not the last one.
    pub const fn part() -> Route {
        Route { is_part: true, ..Route::send(REPLY) }
    }

    /// Whether it is a new message that is no answer: what a deposed owner does not send.
    pub fn is_fresh(&self) -> bool {
        self.kind == IntentKind::Send && self.ring() != REPLY
    }

    /// A message that goes from one queue to another.
    pub const fn forward(ring: usize) -> Route {
        Route { ring: ring as u8, kind: IntentKind::Move, past_closing: ring == REPLY, due_ms: 0, is_part: false }
    }

    /// A message for which nobody is there who could be refused: one that comes back, or a dead letter.
    pub const fn put_back(ring: usize) -> Route {
        Route { ring: ring as u8, kind: IntentKind::Move, past_closing: true, due_ms: 0, is_part: false }
    }

    /// The same, by way of the parking lot.
    pub const fn parked(self, due_ms: u64) -> Route {
        Route { ring: PARKING as u8, due_ms, ..self }
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
    queue.commit(memory, route.ring()).map_err(failed)?;
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
    let refused = match route.ring() {
        PARKING => match park(memory, queue, route, chunk.number()) {
            Ok(true) => None,
            Ok(false) => Some(Refusal::Full),
            Err(error) => Some(Refusal::Failed(error)),
        },
        ring => match push(memory, queue, route, ring, chunk.number(), known_head) {
            Ok(Pushed::Sent) => None,
            Ok(Pushed::Full) => Some(Refusal::Full),
            Ok(Pushed::Closed) => Some(Refusal::Closed),
            Err(insane) => Some(Refusal::Failed(insane.into())),
        },
    };
    let Some(why) = refused else {
        window(6);
        return Ok(());
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
fn push(
    memory: &impl Memory,
    queue: &Queue<'_>,
    route: Route,
    ring: usize,
    chunk: u32,
    known_head: &Cell<u64>,
) -> std::result::Result<Pushed, Insane> {
    let limit = match ring {
        REDELIVERY => u64::MAX,
        _ if route.is_part => queue.limit.div_ceil(2),
        _ => queue.limit,
    };
    let is_open = || route.past_closing || queue.is_open();
    queue.rings[ring].push(chunk, limit, queue.name, known_head, is_open, |chunk| memory.chunk_in_slot(chunk))
}

/// `false`: there is no room.
#[cold]
fn park(memory: &impl Memory, queue: &Queue<'_>, route: Route, chunk: u32) -> Result<bool> {
    let lot = queue.lot_for_parking(memory)?;
    Ok(lot.park(chunk, route.due_ms, queue.limit) || {
        // Some places may belong to messages that were taken by somebody who has been paused before emptying them.
        lot.empty_stale(queue.name, |chunk| memory.chunk(chunk));
        lot.park(chunk, route.due_ms, queue.limit)
    })
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

/// Notes (with every message, hence only when it changes) which queue the member may owe a wake.
pub fn note_wake(note: &Word, queue: Name) {
    let value = queue.bits() + 1;
    // Relaxed: only this member writes its notes; the reaper reads them after the kernel's word.
    if note.load(Relaxed) != value {
        note.store(value, Relaxed);
    }
}
