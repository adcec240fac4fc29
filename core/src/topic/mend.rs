//! Puts right what somebody has scribbled over.

use super::{CursorWord, FloorWord, Topic};
use crate::sync::{S1, S5, S9, S11, S12, mutated};
use crate::word::{Name, SlotWord};

impl Topic<'_> {
    /// Puts hints, slots and cursors right that nobody could have left so. `true`: it did. Right ones are left alone, whoever is at work there.
    /// `is_past`: whether a member has been, or never was.
    pub fn mend(&self, is_past: impl Fn(Name) -> bool) -> bool {
        let slots = !self.is_sound() && self.mend_slots();
        let cursors = self.free_strays(is_past);
        self.lower_floor();
        self.lower_trimmed();
        slots || cursors
    }

    fn seen(&self) -> impl Iterator<Item = SlotWord> {
        self.slots.iter().map(|slot| SlotWord(slot.load(S1.acquire())))
    }

    /// Whether `tail` and slots fit together (I30). While `tail` stays the same, every slot is filled up to it and not beyond, but perhaps the one at it.
    pub(crate) fn is_sound(&self) -> bool {
        let end = self.tail.load(S5.acquire());
        let (lap, at_end) = (end >> self.shift, end as usize & (self.slots.len() - 1));
        let fits = |(at, slot): (usize, SlotWord)| {
            let filled = slot.filled_since(lap);
            filled == (at < at_end) as i64 || at == at_end && filled == 1
        };
        let sound = self.seen().enumerate().all(fits);
        sound || self.tail.load(S5.acquire()) != end && !mutated("tail-not-read-again")
    }

    /// Where the end is, most slots say: those before it are a lap ahead of the others. A slot that says otherwise is without a message from then on: it waits
    /// for its next one.
    fn mend_slots(&self) -> bool {
        let end = self.tail.load(S5.acquire());
        let seen: Vec<SlotWord> = self.seen().collect();
        let base = seen[0].lap();
        let laps: Vec<i64> = seen.iter().map(|slot| slot.filled_since(base)).collect();
        let mut sorted = laps.clone();
        sorted.sort_unstable();
        let usual = sorted[sorted.len() / 2];
        // `ahead` slots of lap + 1, the others of `lap`: the split with the fewest slots that say otherwise.
        let splits = [usual - 1, usual].into_iter().flat_map(|lap| {
            let mut wrong = laps.iter().filter(|next| **next != lap).count() as i64;
            let mut splits = vec![(wrong, lap, 0)];
            for (at, next) in laps.iter().enumerate() {
                wrong += (*next == lap) as i64 - (*next == lap + 1) as i64;
                splits.push((wrong, lap, at as i64 + 1));
            }
            splits
        });
        let Some((_, lap, ahead)) = splits.min() else { return false };
        for (at, slot) in seen.iter().enumerate() {
            let right = lap + ((at as i64) < ahead) as i64;
            if laps[at] != right {
                let emptied = SlotWord::empty(base.wrapping_add(right as u64));
                let _ = self.slots[at].compare_exchange(slot.0, emptied.0, S1.acquire_then(S1));
            }
        }
        let lap = SlotWord::empty(base.wrapping_add(lap as u64)).lap();
        let right = (lap << self.shift).wrapping_add(ahead as u64);
        let _ = self.tail.compare_exchange(end, right, S5.release());
        true
    }

    /// Frees cursors of members that are not there: nobody leaves one behind, for an index is free only after its reap (I15).
    fn free_strays(&self, is_past: impl Fn(Name) -> bool) -> bool {
        let mut any = false;
        for (member, cursor) in self.cursors() {
            let word = CursorWord(cursor.word.load(S11.acquire()));
            // Asked after the word was read: who claims a cursor has had its index before.
            if word.0 & 3 != 0 && is_past(word.member(member)) {
                any |= cursor.word.compare_exchange(word.0, word.freed().0, S9.acquire_then(S11)).is_ok();
            }
        }
        any
    }

    /// Nothing was taken out that was not published.
    fn lower_trimmed(&self) {
        let trimmed = self.trimmed.load(S12.acquire());
        // After the word: who takes messages out has seen an end that is no lower.
        let end = self.tail.load(S5.acquire());
        if trimmed.wrapping_sub(end) as i64 > 0 {
            let _ = self.trimmed.compare_exchange(trimmed, end.wrapping_sub(self.retain), S12.acquire_then(S12));
        }
    }

    /// A floor that is too low costs a look at the cursors, one that is too high costs messages.
    fn lower_floor(&self) {
        let floor = FloorWord(self.floor.load(S12.acquire()));
        let end = self.tail.load(S5.acquire());
        let joined = |cursor: CursorWord| cursor.is_live() && self.may_have_joined(cursor.behind(end));
        let cursors = self.cursors().map(|(_, cursor)| CursorWord(cursor.word.load(S11.acquire())));
        let behind =
            cursors.filter(|cursor| joined(*cursor)).map(|cursor| cursor.behind(end)).max().unwrap_or(0).max(0);
        if floor.behind(end) < behind {
            let lowered = floor.joined(end.wrapping_sub(behind as u64));
            let _ = self.floor.compare_exchange(floor.0, lowered.0, S12.acquire_then(S12));
        }
    }
}
