//! Deduplication keys: a queue remembers the keys of the last messages that it accepted, and does not accept one of them again.
//!
//! A sender claims the key's *stripe*, looks whether the key is remembered, publishes, remembers the key and gives the stripe up. So of all senders with
//! one key, one at a time is between the look and the remembering; and one that dies there is found by the stripe's word, which names it.
//!
//! - **I29** While a member has a stripe, its intent is 0 or speaks of the message with the key that it noted. So its reaper can tell whether that message was
//!   published, remembers the key if it was, and only then gives up the stripe; and it does all that before it touches the message. Hence whoever finds the
//!   stripe free finds the key remembered if and only if the message was published.
//!
//! A key may be remembered twice. Stripes are not waited for here: see `member::keyed`.

use crate::layout::Notes;
use crate::memory::Memory;
use crate::queue::{NotPublished, Queue, Route, publish};
use crate::recover::{Decision, Evidence, Reaper, classify};
use crate::sync::{S3, S8, S9, S16, WakeWord, Word, mutated, window};
use crate::wait;
use crate::word::{ChunkState, ChunkWord, Intent, Name, RecordState, RecordWord};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

/// The keys of a queue, borrowed from wherever their words are.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// [`RecordWord`]s: the member that has the stripe.
    pub stripes: &'a [Word],
    /// The last keys that were remembered; 0: none yet.
    pub window: &'a [Word],
    /// How many were remembered so far; the next one goes to this place, modulo their number.
    pub count: &'a Word,
    /// Rung when a stripe is given up.
    pub given_up: &'a WakeWord,
}

/// What a member notes of a message with a key, besides its [`Notes`].
#[derive(Clone, Copy)]
pub struct KeyNotes<'a> {
    /// The key.
    pub key: &'a Word,
    /// The queue (name plus 1).
    pub keyed_in: &'a Word,
}

/// What became of a message with a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Keyed {
    /// It is published.
    Sent,
    /// One with this key was published before. This one is the caller's as it was.
    Duplicate,
    /// Somebody else is at a message with a key of this stripe.
    Taken(Name),
    /// It was refused.
    Refused(NotPublished),
}

/// A key as it is remembered: 0 stands for none.
pub fn key_word(key: u64) -> u64 {
    if key == 0 { 0x9e37_79b9_7f4a_7c15 } else { key }
}

impl Keys<'_> {
    fn stripe(&self, key: u64) -> &Word {
        &self.stripes[(key % self.stripes.len() as u64) as usize]
    }

    /// Gives up a stripe that says it is a past member's: nobody's word does (I15), so somebody has written over it. `true`: it did.
    pub fn mend(&self, key: u64, is_past: impl Fn(Name) -> bool) -> bool {
        let seen = RecordWord(self.stripe(key).load(S9.acquire()));
        let mended = seen.state() == RecordState::Live && is_past(seen.member());
        if mended {
            self.give_up(key, seen);
        }
        mended
    }

    fn remembers(&self, key: u64) -> bool {
        // Relaxed: keys of this stripe were remembered by who had it before (S9); others do not matter.
        self.window.iter().any(|place| place.load(Relaxed) == key)
    }

    /// Remembers a key in the place of the oldest one. Who is paused in here for so long that the place was used again takes another: it forgets
    /// no newer key.
    fn remember(&self, key: u64) {
        loop {
            // S16: what is seen in the place is no older than the count says, or the comparison would fail for nothing, and a place be left out. Beyond that Relaxed:
            // see `remembers`.
            let count = self.count.load(S16.acquire());
            let place = &self.window[(count % self.window.len() as u64) as usize];
            let oldest = place.load(Relaxed);
            if self.count.compare_exchange(count, count.wrapping_add(1), S16.acquire_then(S16)).is_err() {
                continue;
            }
            window(88);
            if place.compare_exchange(oldest, key, Relaxed).is_ok() {
                break;
            }
        }
        window(89);
    }

    /// Claims the key's stripe. `Err`: who has it.
    fn claim(
        &self,
        notes: &Notes,
        key_notes: KeyNotes<'_>,
        me: Name,
        (queue, key): (Name, u64),
    ) -> Result<RecordWord, Name> {
        let stripe = self.stripe(key);
        let seen = RecordWord(stripe.load(S9.acquire()));
        if seen.state() == RecordState::Live {
            return Err(seen.member());
        }
        if !mutated("intent-not-cleared") {
            // Relaxed, as the key: in order before the note that is released. The intent was of a message before, which is published or given up.
            notes.intent.store(0, Relaxed);
        }
        key_notes.key.store(key, Relaxed);
        key_notes.keyed_in.store(queue.bits() + 1, S8.release());
        window(86);
        let claimed = seen.next(me, RecordState::Live);
        match stripe.compare_exchange(seen.0, claimed.0, S9.acquire_then(S9)) {
            Ok(_) => {
                window(87);
                Ok(claimed)
            }
            Err(other) => Err(RecordWord(other).member()),
        }
    }

    /// Gives up a stripe from the word seen, and wakes all who wait for one.
    fn give_up(&self, key: u64, seen: RecordWord) {
        let free = seen.next(seen.member(), RecordState::Free);
        let _ = self.stripe(key).compare_exchange(seen.0, free.0, S9.acquire_then(S9));
        window(90);
        wait::ring(self.given_up, u32::MAX);
    }
}

/// Publishes a message with a key, as [`publish`] does, unless one with that key was published before. `keys` are those of `queue`.
#[allow(clippy::too_many_arguments, reason = "those of publish, and the key's")]
pub fn publish_keyed<'m, M: Memory>(
    memory: &'m M,
    (me, notes, key_notes): (Name, &Notes, KeyNotes<'_>),
    queue: &Queue<'_>,
    (keys, key): (Keys<'_>, u64),
    route: Route,
    chunk: (M::Chunk<'m>, ChunkWord),
    rest: &mut [(u32, ChunkWord)],
    known_head: &Cell<u64>,
) -> Keyed {
    let claimed = match keys.claim(notes, key_notes, me, (queue.name, key)) {
        Ok(claimed) => claimed,
        Err(holder) => return Keyed::Taken(holder),
    };
    let result = if keys.remembers(key) {
        Keyed::Duplicate
    } else {
        if mutated("key-before-message") {
            keys.remember(key);
        }
        match publish(memory, notes, queue, route, chunk, rest, known_head) {
            Ok(()) => {
                keys.remember(key);
                Keyed::Sent
            }
            Err(refused) => Keyed::Refused(refused),
        }
    };
    keys.give_up(key, claimed);
    result
}

impl<M: Memory> Reaper<'_, M> {
    /// Step 0: the stripe that the dead member may have. Before anything is done about its messages (I29).
    ///
    /// `is_still_dead`: as for [`Reaper::intent`].
    pub fn stripe(&self, dead: Name, notes: &Notes, key_notes: KeyNotes<'_>, is_still_dead: impl Fn() -> bool) {
        let queue = key_notes.keyed_in.load(S8.acquire()).checked_sub(1).map(Name::from_bits);
        let Some(keys) = queue.and_then(|queue| self.memory.keys(queue)) else { return };
        let key = key_notes.key.load(S8.acquire());
        let seen = RecordWord(keys.stripe(key).load(S9.acquire()));
        if seen.state() != RecordState::Live || seen.member() != dead {
            // It may have died before it woke those who wait.
            return wait::ring(keys.given_up, u32::MAX);
        }
        let published = classify(self.key_evidence(dead, Intent(notes.intent.load(S8.acquire())))) == Decision::Finish;
        // Another reaper may have given up the stripe, and then the message: that looks as if it had been taken. S2, S3: who sees the message given
        // up sees the stripe given up.
        let second_look = mutated("no-second-look-at-stripe") || keys.stripe(key).load(S9.acquire()) == seen.0;
        if !second_look || !is_still_dead() {
            return;
        }
        if published {
            keys.remember(key);
        }
        keys.give_up(key, seen);
    }

    fn key_evidence(&self, dead: Name, intent: Intent) -> Evidence {
        let shared = intent.kind().and_then(|_| self.memory.chunk(intent.chunk()));
        let Some(shared) = shared else { return Evidence::Key { word: None, referred: false, intent, dead } };
        let mut word = ChunkWord(shared.load(S3.acquire()));
        let mut referred = word.state() == ChunkState::Queued && self.is_referred(word.name(), intent.chunk());
        let again = ChunkWord(shared.load(S3.acquire()));
        if again != word && !mutated("no-second-look-at-message") {
            // Taken while its slot was looked for.
            (word, referred) = (again, true);
        }
        Evidence::Key { word: Some(word), referred, intent, dead }
    }
}
