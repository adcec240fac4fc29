//! Where subscribers are, and how far publishers may go: cursors, and a floor beneath all of them.
//!
//! - **I31** A subscriber that has joined is never more than `half` positions (half of the slots), and one, behind the end of its topic. It stores its
//!   cursor, lowers the floor, and then reads the end once more, a full fence between; a publisher reads the end, and then floor or cursors, a full fence
//!   between. So at least one sees the other: either the joiner sees the end that the publisher saw, and comes again if that is more than `half` away; or
//!   the publisher sees the cursor. Those that did not see it publish up to the end that the joiner saw, hence the one. A cursor further behind
//!   has not joined (or is scribbled), and nobody waits for it.
//! - **I32** No cursor that has joined is behind the floor. Who joins changes the floor word before its second look, whether or not it has to be
//!   lowered; who raises it does so from the very word that it read before it read the cursors.

use super::Topic;
use crate::error::{Error, Result};
use crate::layout::{CursorEntry, PAGE};
use crate::sync::{S5, S7, S8, S9, S11, S12, Word, full_fence, mutated, window};
use crate::wait;
use crate::word::Name;
use std::sync::atomic::Ordering::Relaxed;

/// Cursors on a page.
const PAGE_CURSORS: usize = (PAGE / 16) as usize;
/// Most tries of a joiner. Publishers can only be so far ahead as they were before they saw it.
const JOIN_TRIES: u32 = 1 << 16;
/// After so many tries a joiner asks for fewer messages that came before it.
const EAGER_TRIES: u32 = 32;

const POSITION_BITS: u32 = 52;
const FLOOR_BITS: u32 = 40;

/// The word of a cursor, `position:52 · incarnation:10 · state:2`: whether the member with this index subscribes, and what it reads next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CursorWord(pub u64);

impl CursorWord {
    /// Of a subscriber.
    pub const fn live(position: u64, member: Name) -> CursorWord {
        CursorWord(position << 12 | (member.incarnation() as u64) << 2 | 1)
    }

    /// Whether somebody subscribes.
    pub const fn is_live(self) -> bool {
        self.0 & 3 == 1
    }

    /// Whether this member subscribes, whose index is the cursor's.
    pub const fn is_of(self, member: Name) -> bool {
        self.is_live() && (self.0 >> 2) as u16 & 1023 == member.incarnation()
    }

    /// The member, whose index is the cursor's.
    pub const fn member(self, index: u16) -> Name {
        Name::new(index, (self.0 >> 2) as u16)
    }

    /// The word after its subscriber has gone.
    pub const fn freed(self) -> CursorWord {
        CursorWord(self.0 & !3)
    }

    /// How far it is behind a position; negative when ahead. Modulo 2⁵².
    pub const fn behind(self, position: u64) -> i64 {
        signed(position.wrapping_sub(self.0 >> 12), POSITION_BITS)
    }
}

/// The floor of a topic, `joins:24 · position:40`: no cursor is behind that position, and how often somebody joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FloorWord(pub u64);

impl FloorWord {
    const POSITION: u64 = (1 << FLOOR_BITS) - 1;

    /// Packs.
    pub const fn new(joins: u64, position: u64) -> FloorWord {
        FloorWord(joins << FLOOR_BITS | position & FloorWord::POSITION)
    }

    /// How far it is behind a position; negative when ahead. Modulo 2⁴⁰.
    pub const fn behind(self, position: u64) -> i64 {
        signed(position.wrapping_sub(self.0), FLOOR_BITS)
    }

    /// The same, as high as `position`.
    const fn raised(self, position: u64) -> FloorWord {
        FloorWord::new(self.0 >> FLOOR_BITS, position)
    }

    /// With one more who joined, whose cursor is at `position`.
    pub(super) fn joined(self, position: u64) -> FloorWord {
        let lowest = if self.behind(position) < 0 { position } else { self.0 };
        let joins = self.0 >> FLOOR_BITS;
        FloorWord::new(if mutated("join-not-counted") { joins } else { joins + 1 }, lowest)
    }
}

const fn signed(difference: u64, bits: u32) -> i64 {
    ((difference << (64 - bits)) as i64) >> (64 - bits)
}

/// Who stands in the way of the next message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Laggard {
    /// The index of the member.
    pub member: u16,
    /// The position of that message.
    pub position: u64,
}

impl<'a> Topic<'a> {
    /// How many positions a subscriber may be behind for its messages to be there still: half of the slots.
    pub fn half(&self) -> i64 {
        self.slots.len() as i64 / if mutated("slots-for-one-lap") { 1 } else { 2 }
    }

    /// Whether a cursor so far behind the end may be that of a subscriber that has joined.
    pub(crate) fn may_have_joined(&self, behind: i64) -> bool {
        behind <= self.half() + !mutated("paused-publisher-forgotten") as i64
    }

    /// The cursors that are committed, each with the index of its member.
    pub fn cursors(&self) -> impl Iterator<Item = (u16, &'a CursorEntry)> + use<'a> {
        let cursors = self.cursors;
        let pages = self.cursor_pages.iter().enumerate().flat_map(|(at, word)| {
            let bits = word.load(S7.acquire());
            (0..64).filter(move |bit| bits & 1 << bit != 0).map(move |bit| at * 64 + bit)
        });
        pages.flat_map(move |page| {
            let first = (page * PAGE_CURSORS).min(cursors.len());
            let end = (first + PAGE_CURSORS).min(cursors.len());
            cursors[first..end].iter().enumerate().map(move |(at, cursor)| ((first + at) as u16, cursor))
        })
    }

    /// The cursor of a member, if it is committed.
    pub fn cursor(&self, member: u16) -> Option<&'a CursorEntry> {
        let page = member as usize / PAGE_CURSORS;
        let bits = self.cursor_pages.get(page / 64)?.load(S7.acquire());
        if bits & 1 << (page % 64) == 0 { None } else { self.cursors.get(member as usize) }
    }

    /// Who stands in the way of a message at `end`, which the caller has read from `tail`, if anybody does.
    pub fn laggard(&self, end: u64) -> Option<Laggard> {
        if !mutated("no-fence-before-floor") {
            full_fence();
        }
        // S12: with the floor comes what was read beneath it; with a join, the cursor.
        let floor = FloorWord(self.floor.load(S12.acquire()));
        // One ahead of the end that was read some time ago, or scribbled over, says nothing.
        if (0..self.limit as i64).contains(&floor.behind(end)) {
            return None;
        }
        let mut last = (0, 0);
        for (member, cursor) in self.cursors() {
            // S11: with its cursor comes that the subscriber has read what is before.
            let word = CursorWord(cursor.word.load(S11.acquire()));
            let behind = word.behind(end);
            if word.is_live() && behind >= last.0 && self.may_have_joined(behind) {
                last = (behind, member);
            }
        }
        let lowest = end.wrapping_sub(last.0 as u64);
        if floor.behind(lowest) > 0 {
            let seen = if mutated("floor-not-compared") { self.floor.load(Relaxed) } else { floor.0 };
            let _ = self.floor.compare_exchange(seen, floor.raised(lowest).0, S12.acquire_then(S12));
        }
        (last.0 >= self.limit as i64).then_some(Laggard { member: last.1, position: end })
    }

    /// Says for whom the caller waits, who has announced on `room` that it sleeps. `false`: that one has moved on meanwhile.
    ///
    /// All who wait, wait for all laggards before the same position, so it does not matter whose note stands there. Who has noted somebody
    /// rings when it leaves: its note may have hidden from another that its own laggard has moved.
    pub fn await_laggard(&self, laggard: Laggard) -> bool {
        // Relaxed, both: the fence is what counts; on the other side there is one between the cursor and this note.
        self.room.awaited.store(laggard.member as u64 + 1, Relaxed);
        if !mutated("no-fence-before-laggard") {
            full_fence();
        }
        let Some(cursor) = self.cursor(laggard.member) else { return false };
        let word = CursorWord(cursor.word.load(S11.acquire()));
        let behind = word.behind(laggard.position);
        word.is_live() && behind >= self.limit as i64 && self.may_have_joined(behind)
    }

    /// Claims the cursor of `me` and joins: with up to `history` of the messages that there are. From the position returned on, none is missed and none
    /// comes twice. `None`: it subscribes already.
    pub fn join(&self, me: Name, history: u64) -> Result<Option<u64>> {
        let Some(cursor) = self.cursor(me.index()) else { return Err(Error::corrupt("a topic's cursors", "I12")) };
        let mut seen = CursorWord(cursor.word.load(S9.acquire()));
        if seen.is_of(me) {
            return Ok(None);
        }
        for attempt in 0..JOIN_TRIES {
            let end = self.end()?;
            let history = history.min(end).min(self.half() as u64) >> (attempt / EAGER_TRIES).min(63);
            let position = end.wrapping_sub(history);
            let word = CursorWord::live(position, me);
            if seen.is_of(me) {
                // Release S11: nothing was read yet; the word is ours.
                cursor.word.store(word.0, S11.release());
            } else if let Err(now) = cursor.word.compare_exchange(seen.0, word.0, S9.acquire_then(S11)) {
                // A reaper frees what was left by one that had this index before.
                seen = CursorWord(now);
                continue;
            }
            seen = word;
            window(102);
            if self.has_joined(position) {
                let begins = self.past_trimmed(me, position);
                if (attempt > 0 || begins != position) && self.waits() && !mutated("moved-on-silently") {
                    // Where its cursor was before, a publisher may have begun to wait for it. (The fence is that of the second look.)
                    wait::ring_all_fenced(&self.room.room);
                }
                return Ok(Some(begins));
            }
        }
        Err(Error::corrupt("a topic's tail", "I30"))
    }

    /// The second look of who joins at `position`, where its cursor is.
    fn has_joined(&self, position: u64) -> bool {
        if self.is_lossy() {
            full_fence();
            return true;
        }
        while !mutated("floor-not-lowered")
            // Relaxed: the compare-exchange decides.
            && let floor = FloorWord(self.floor.load(Relaxed))
            // S12: the cursor before the word that says that somebody joined.
            && self.floor.compare_exchange(floor.0, floor.joined(position).0, S12.acquire_then(S12)).is_err()
        {}
        window(103);
        if !mutated("no-fence-before-second-look") {
            full_fence();
        }
        let end = self.tail.load(S5.acquire());
        mutated("no-second-look-at-end") || signed(end.wrapping_sub(position), POSITION_BITS) <= self.half()
    }

    /// Moves the cursor of `me`, who has just joined at `position`, past what was taken out before anybody saw it there. After the fence of the second look.
    fn past_trimmed(&self, me: Name, position: u64) -> u64 {
        // S12: with the word comes what was published before it, so this is no place that is not filled yet.
        let trimmed = self.trimmed.load(S12.acquire());
        let ahead = signed(trimmed.wrapping_sub(position), POSITION_BITS);
        // Beyond the end it is scribbled over (I5).
        let beyond = signed(trimmed.wrapping_sub(self.tail.load(S5.acquire())), POSITION_BITS) > 0;
        if ahead <= 0 || beyond || mutated("trimmed-not-asked") {
            return position;
        }
        if let Some(cursor) = self.cursor(me.index()) {
            cursor.word.store(CursorWord::live(trimmed, me).0, S11.release());
            full_fence();
        }
        trimmed
    }

    /// Moves the cursor of `me` on to `position`, the next that it reads: everything before may be overwritten.
    pub fn advance(&self, me: Name, position: u64) {
        let Some(cursor) = self.cursor(me.index()) else { return };
        // S11: what is before is read.
        cursor.word.store(CursorWord::live(position, me).0, S11.release());
        if self.waits() {
            window(106);
            if !mutated("no-fence-after-cursor") {
                full_fence();
            }
            // Relaxed: see `await_laggard`.
            let awaited = self.room.awaited.load(Relaxed);
            if awaited == 0 || awaited == me.index() as u64 + 1 {
                wait::ring_all_fenced(&self.room.room);
            }
        }
    }

    /// Frees the cursor of `member`, which is the caller or dead, and wakes who may wait for it. `is_so`: asked after the word was read, for names
    /// come round again.
    pub fn leave(&self, member: Name, is_so: impl Fn() -> bool) {
        let Some(cursor) = self.cursor(member.index()) else { return };
        let seen = CursorWord(cursor.word.load(S11.acquire()));
        if seen.is_of(member) && is_so() {
            // S9: whoever has the index next finds it free. S11: what was read is read.
            let _ = cursor.word.compare_exchange(seen.0, seen.freed().0, S9.acquire_then(S11));
        }
        window(104);
        // Also if somebody else has freed it, who may have died before it rang; and whatever the sleepers' bit says, for the dead may have cleared it
        // and woken nobody.
        if mutated("bit-of-the-dead-trusted") {
            wait::ring_all(&self.room.room);
        } else if !mutated("freed-silently") {
            wait::ring_all_anyway(&self.room.room);
        }
    }
}

/// Notes that a member subscribes to topic `number`, before its first word there; or that it does so no more.
pub fn note(topics: &[Word], number: usize, subscribes: bool) {
    let (word, bit) = (&topics[number / 64], 1u64 << (number % 64));
    // Relaxed load: only this member writes its map.
    let seen = word.load(Relaxed);
    word.store(if subscribes { seen | bit } else { seen & !bit }, S8.release());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_compared_modulo_their_width() {
        let member = Name::new(7, 1023);
        let cursor = CursorWord::live((1 << POSITION_BITS) - 1, member);
        assert!(cursor.is_of(member) && !cursor.is_of(Name::new(7, 0)) && !cursor.freed().is_live());
        assert_eq!((cursor.behind(1 << POSITION_BITS), cursor.behind((1 << POSITION_BITS) - 3)), (1, -2));
        assert_eq!(cursor.behind(5), 6, "across the wrap");
        let floor = FloorWord::new((1 << 24) - 1, FloorWord::POSITION);
        assert_eq!((floor.behind(2), floor.behind(1 << FLOOR_BITS)), (3, 1));
        assert_eq!(floor.joined(5), FloorWord::new(0, FloorWord::POSITION), "joins wrap, the position stays");
        assert_eq!(floor.joined(FloorWord::POSITION - 4).behind(FloorWord::POSITION), 4, "lowered");
        assert_eq!(floor.raised(3).behind(4), 1);
    }
}
