//! Messages that nobody needs, taken out before others push them out: when memory is short.
//!
//! A message is needed while a subscriber has not read it, and while it is among those that are retained for who comes late. Who takes messages
//! out says first up to where ([`Topic::trimmed`]), then looks at the cursors, a full fence between; who joins stores its cursor, then looks at that word, a
//! full fence between. So at least one sees the other: either the messages from the cursor on stay, or the joiner begins behind what was taken out (I31).
//!
//! The slot goes `READY(lap, chunk)` → `EMPTY(lap + 1)`, as if it had never been filled; the chunk goes as one that is pushed out (I33).

use super::cursor::CursorWord;
use super::{Topic, note_eviction, take_evicted};
use crate::error::Result;
use crate::layout::Notes;
use crate::memory::Memory;
use crate::sync::{S1, S11, S12, full_fence, mutated, window};
use crate::word::SlotWord;
use std::sync::atomic::Ordering::Relaxed;

impl Topic<'_> {
    /// Takes out the messages that nobody needs, and frees their chunks; says how many. Any number of members may do so at a time, beside publishers
    /// and subscribers.
    pub fn trim(&self, memory: &impl Memory, notes: &Notes) -> Result<u64> {
        let end = self.end()?;
        let wanted = end.wrapping_sub(self.retain);
        while let seen = self.trimmed.load(Relaxed)
            && wanted.wrapping_sub(seen) as i64 > 0
            // S12: with the word comes all that was published before.
            && self.trimmed.compare_exchange(seen, wanted, S12.acquire_then(S12)).is_err()
        {}
        window(129);
        if !mutated("no-fence-before-cursors") {
            full_fence();
        }
        let slots = self.slots.len() as i64;
        let behind = |word: CursorWord| word.behind(end);
        // S11: with its cursor comes that the subscriber has read what is before. One further behind than there are slots has not joined.
        let words = self.cursors().map(|(_, cursor)| CursorWord(cursor.word.load(S11.acquire())));
        let slowest = words.filter(|word| word.is_live()).map(behind).filter(|behind| *behind <= slots).max();
        let kept = slowest.unwrap_or(0).max(self.retain as i64);
        let mut taken = 0;
        for ahead in (kept + 1..=slots).rev() {
            taken += self.take_out(memory, notes, end.wrapping_sub(ahead as u64)) as u64;
        }
        Ok(taken)
    }

    /// Takes out the message at a position, if it is there.
    fn take_out(&self, memory: &impl Memory, notes: &Notes, position: u64) -> bool {
        let slot = self.slot(position);
        let seen = SlotWord(slot.load(S1.acquire()));
        if !seen.is_ready() || seen.ahead_of(position >> self.shift) != 0 {
            return false;
        }
        let old = self.in_slot(memory, slot, seen);
        note_eviction(notes, old);
        window(81);
        let emptied = SlotWord::empty(seen.lap() + 1);
        // Whoever was faster has pushed it out, or taken it.
        if slot.compare_exchange(seen.0, emptied.0, S1.acquire_then(S1)).is_err() {
            return false;
        }
        window(82);
        if let Some(old) = old {
            take_evicted(memory, old, None);
        }
        true
    }
}
