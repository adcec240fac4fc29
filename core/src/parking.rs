//! A parking lot: messages of a queue that wait for a time. A bounded array of places, searched as a whole when the first one is due.
//!
//! - **I24** A taken place speaks of its chunk's present life, like a slot (I4): who claims the chunk empties the place before doing anything else
//!   with the chunk, and so does whoever recovers it. Any number of places may be stale; anyone may empty those.
//! - **I25** The due word is never later than a taken place, unless who parked there is at work, or dead and not yet reaped: it is lowered
//!   before the place is taken and again after that, and who raises it does so from the value that stood there before the places were read.

use crate::layout::PARKING;
use crate::memory::Memory;
use crate::queue::{Claimed, Queue};
use crate::sync::{S1, S3, S4, S10, Word, mutated, window};
use crate::word::{ChunkState, ChunkWord, DueWord, Name, PlaceWord};
use std::sync::atomic::Ordering::Relaxed;

/// A parking lot, borrowed from wherever its words are.
#[derive(Clone, Copy)]
pub struct Lot<'a> {
    /// Its places.
    pub places: &'a [Word],
    /// [`DueWord`].
    pub due: &'a Word,
}

impl Lot<'_> {
    /// Sees to it that the due word is not later than `due_ms`.
    fn note(&self, due_ms: u64) {
        loop {
            let seen = DueWord(self.due.load(S10.acquire()));
            let noted = seen.next(Some(seen.due_ms().map_or(due_ms, |due| due.min(due_ms))));
            if self.due.compare_exchange(seen.0, noted.0, S10.acquire_then(S10)).is_ok() {
                return;
            }
        }
    }

    /// Parks `chunk` until `due_ms`; the place's compare-exchange is the commit point. `false`: all `limit` places are taken.
    pub fn park(&self, chunk: u32, due_ms: u64, limit: u64) -> bool {
        self.note(due_ms);
        window(69);
        for place in self.places.iter().take(limit as usize) {
            let seen = PlaceWord(place.load(S4.acquire()));
            let taken = seen.taken(chunk, due_ms);
            if !seen.is_taken() && place.compare_exchange(seen.0, taken.0, S4.acquire_then(S1)).is_ok() {
                window(70);
                if !mutated("due-noted-once") {
                    self.note(due_ms);
                }
                return true;
            }
        }
        false
    }

    /// True if a place is taken by `chunk`. The due word is right then, whoever died before saying so.
    pub fn refers_to(&self, chunk: u32) -> bool {
        let place = |word: &Word| PlaceWord(word.load(S1.acquire()));
        let refers = self.places.iter().map(place).any(|place| place.is_taken() && place.chunk() == chunk);
        if refers && !mutated("due-left-late") {
            self.note(1);
        }
        refers
    }

    /// When the next message is due, ms, if one is parked. Never too late, maybe too early.
    pub fn due_ms(&self) -> Option<u64> {
        DueWord(self.due.load(S10.acquire())).due_ms()
    }

    /// How many messages are parked. A snapshot by someone who takes no part.
    pub fn parked(&self) -> impl Iterator<Item = u32> + use<'_> {
        let place = |word: &Word| PlaceWord(word.load(S1.acquire()));
        self.places.iter().map(place).filter(|place| place.is_taken()).map(PlaceWord::chunk)
    }

    /// Empties the places whose chunk is claimed: the second half of somebody's take.
    pub fn empty_stale<'m>(&self, queue: Name, chunk_word: impl Fn(u32) -> Option<&'m Word> + Copy) {
        for place in self.places {
            let seen = PlaceWord(place.load(S1.acquire()));
            if seen.is_taken() {
                let _ = message_at(place, seen, queue, chunk_word);
            }
        }
    }
}

/// The word of the chunk that is parked at a place seen as `seen`, if the place still says so. A stale place is emptied.
fn message_at<'m>(
    place: &Word,
    seen: PlaceWord,
    queue: Name,
    chunk_word: impl Fn(u32) -> Option<&'m Word>,
) -> Option<(&'m Word, ChunkWord)> {
    let shared = chunk_word(seen.chunk());
    let word = shared.map(|shared| ChunkWord(shared.load(S3.acquire())));
    if !mutated("no-second-look-at-place") && place.load(S1.acquire()) != seen.0 {
        return None;
    }
    match shared.zip(word) {
        Some((shared, word)) if word.is(ChunkState::Queued, queue) => Some((shared, word)),
        _ => {
            let _ = place.compare_exchange(seen.0, seen.emptied().0, S1.acquire_then(S4));
            None
        }
    }
}

/// A message that is parked, and where.
struct Parked<'a> {
    place: &'a Word,
    seen: PlaceWord,
    shared: &'a Word,
    word: ChunkWord,
    due_in_ms: i64,
}

/// Takes the parked message that is due first at `now_ms` (`None`: any), which is asked only if something is parked. The commit point is the
/// compare-exchange of the chunk word.
#[cold]
pub fn take_due(
    memory: &impl Memory,
    queue: &Queue<'_>,
    me: Name,
    now_ms: impl FnOnce() -> Option<u64>,
) -> Option<Claimed> {
    let lot = queue.lot()?;
    let noted = DueWord(lot.due.load(S10.acquire()));
    let due_ms = noted.due_ms()?;
    let now_ms = now_ms();
    if now_ms.is_some_and(|now_ms| due_ms > now_ms) {
        return None;
    }
    // Every round but the last, somebody else takes one.
    for _ in 0..=lot.places.len() {
        let Some(first) = first_due(memory, queue, lot, now_ms.unwrap_or(0)) else { break };
        if let Some(now_ms) = now_ms
            && first.due_in_ms > 0
        {
            raise(lot, noted, Some(now_ms + first.due_in_ms as u64));
            return None;
        }
        memory.touch(me, first.seen.chunk());
        window(71);
        let claimed = first.word.next(me, ChunkState::InFlight);
        let seen = if mutated("claim-not-compared") { first.shared.load(S3.acquire()) } else { first.word.0 };
        if first.shared.compare_exchange(seen, claimed.0, S3.acquire_then(S3)).is_ok() {
            window(72);
            if !mutated("claimer-leaves-place") {
                let _ = first.place.compare_exchange(first.seen.0, first.seen.emptied().0, S1.acquire_then(S4));
            }
            window(73);
            return Some(Claimed::new(first.seen.chunk(), claimed, PARKING));
        }
    }
    raise(lot, noted, None);
    None
}

fn first_due<'a>(memory: &'a impl Memory, queue: &Queue<'_>, lot: Lot<'a>, now_ms: u64) -> Option<Parked<'a>> {
    let parked = lot.places.iter().filter_map(|place| {
        let seen = PlaceWord(place.load(S1.acquire()));
        let message =
            seen.is_taken().then(|| message_at(place, seen, queue.name, |chunk| memory.chunk_in_slot(chunk)))?;
        let (shared, word) = message?;
        Some(Parked { place, seen, shared, word, due_in_ms: seen.due_in_ms(now_ms) })
    });
    parked.min_by_key(|parked| parked.due_in_ms)
}

/// Says when the next message is due, unless one came since the due word was `noted`.
fn raise(lot: Lot<'_>, noted: DueWord, next: Option<u64>) {
    let seen = if mutated("due-raised-blindly") { lot.due.load(Relaxed) } else { noted.0 };
    let _ = lot.due.compare_exchange(seen, noted.next(next).0, S10.acquire_then(S10));
}
