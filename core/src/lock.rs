//! Named locks: Lamport's bakery over the entries of one table (Leslie Lamport, *A new solution of Dijkstra's concurrent programming problem*, 1974).
//!
//! There are no lock objects. Whoever wants a lock claims an entry, writes the name there and draws a ticket; it has the lock when nobody is
//! ahead of it whose claim conflicts with its own: names that have a name in common, not both shared. So exclusive and shared locks, patterns, first come first
//! served, a list of holders and waiters, and recovery are one mechanism, and there is nothing to count.
//!
//! An entry goes `FREE` → `CLAIMED` (its name is being written) → `CHOOSING` (in the doorway: about to draw a ticket) → `WANTED` → `HELD` → `FREE` of the next
//! generation, each step by one compare-exchange from the exact word.
//!
//! - **I34** Who draws a ticket sees, of each entry with a lower ticket, that it is `CHOOSING` or beyond: it went there before it drew (S13). Entries that are not so
//!   yet get higher tickets. So those that are ahead are found by one look after the draw, they become fewer and never more, and of two whose claims
//!   conflict the one with the higher ticket is `HELD` only after the other has given way.
//! - **I35** Name, ticket and token stand in an entry before the state that needs them (`CHOOSING`, `WANTED`, `HELD`), and change only when the
//!   entry is another's. Who looks at another's entry and finds it moved on has nobody ahead there, so it need not look twice.
//! - **I36** Who waits sleeps on the wake word of an entry that is ahead, and who gives way, or leaves the doorway, wakes everybody there. Waits go from higher to lower
//!   tickets, so there is somebody who waits for nobody; and nobody has a wake that was meant for another.

use crate::layout::{LOCK_NAME_WORDS, LockClock, LockEntry};
use crate::sync::{S7, S13, S14, Woken, mutated, window};
use crate::wait;
use crate::word::Name;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Who else may have a lock at the same time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum LockMode {
    /// Nobody.
    Exclusive,
    /// Others that share it.
    Shared,
}

impl LockMode {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            LockMode::Exclusive => "exclusive",
            LockMode::Shared => "shared",
        }
    }
}

/// The state of an entry of the lock table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockState {
    /// Nobody's.
    Free,
    /// A member's, which writes the name.
    Claimed,
    /// The name is there, the member draws a ticket.
    Choosing,
    /// The ticket is there.
    Wanted,
    /// The member has the lock.
    Held,
}

/// The word of an entry, `generation:34 · member:26 · exclusive:1 · state:3`. The generation rises when it becomes free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LockWord(pub u64);

const GENERATION_AT: u32 = 30;
const GENERATION_MASK: u64 = (1 << 34) - 1;

impl LockWord {
    /// Packs.
    pub const fn new(generation: u64, member: Name, mode: LockMode, state: LockState) -> LockWord {
        let exclusive = matches!(mode, LockMode::Exclusive) as u64;
        LockWord((generation & GENERATION_MASK) << GENERATION_AT | member.bits() << 4 | exclusive << 3 | bits_of(state))
    }

    /// State; a value that does not exist counts as free, so that a scribbled entry is used again.
    pub const fn state(self) -> LockState {
        match self.0 & 7 {
            1 => LockState::Claimed,
            2 => LockState::Choosing,
            3 => LockState::Wanted,
            4 => LockState::Held,
            _ => LockState::Free,
        }
    }

    /// Whose it is; meaningless when free.
    pub const fn member(self) -> Name {
        Name::from_bits(self.0 >> 4)
    }

    /// Who else may have it.
    pub const fn mode(self) -> LockMode {
        if self.0 & 8 == 0 { LockMode::Shared } else { LockMode::Exclusive }
    }

    /// True once the name is there: others look at it.
    pub const fn is_there(self) -> bool {
        matches!(self.state(), LockState::Choosing | LockState::Wanted | LockState::Held)
    }

    /// Whether both words are of one claim.
    pub const fn is_same_life(self, other: LockWord) -> bool {
        self.0 >> 3 == other.0 >> 3 && !matches!(self.state(), LockState::Free)
    }

    const fn claimed(self, member: Name, mode: LockMode) -> LockWord {
        LockWord::new(self.0 >> GENERATION_AT, member, mode, LockState::Claimed)
    }

    const fn with_state(self, state: LockState) -> LockWord {
        LockWord(self.0 & !7 | bits_of(state))
    }

    const fn freed(self) -> LockWord {
        LockWord((self.0 >> GENERATION_AT).wrapping_add(1) << GENERATION_AT)
    }
}

const fn bits_of(state: LockState) -> u64 {
    match state {
        LockState::Free => 0,
        LockState::Claimed => 1,
        LockState::Choosing => 2,
        LockState::Wanted => 3,
        LockState::Held => 4,
    }
}

/// What an entry says of its name.
#[derive(Clone, Debug)]
pub struct Label {
    /// Of the name; its lowest bit: it is a pattern.
    pub hash: u64,
    /// Length, bytes.
    pub length: u64,
    /// The bytes.
    pub words: [u64; LOCK_NAME_WORDS],
}

/// An entry was written over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overwritten;

/// The lock table, borrowed from wherever its words are.
#[derive(Clone, Copy)]
pub struct Locks<'a> {
    /// All entries, committed or not.
    pub entries: &'a [LockEntry],
    /// What they share.
    pub clock: &'a LockClock,
}

impl<'a> Locks<'a> {
    /// Says that further entries are committed, of those that were when so many as `seen` were. Who was faster has said the same, or more.
    pub fn say_committed(&self, seen: u64, more: u64) {
        let _ = self.clock.committed.compare_exchange(seen, seen + more, S7.release());
    }

    /// The entries that are committed.
    pub fn committed(&self) -> &'a [LockEntry] {
        let committed = self.clock.committed.load(S7.acquire()).min(self.entries.len() as u64);
        &self.entries[..committed as usize]
    }

    /// Claims a free entry, the next one from `first` on: who takes the one it had before finds it in its cache. `None`: no committed one is free.
    pub fn claim(&self, me: Name, mode: LockMode, first: u32) -> Option<Place<'a>> {
        let committed = self.committed();
        for step in 0..committed.len() {
            let index = (first as usize).wrapping_add(step) % committed.len();
            let entry = &committed[index];
            let seen = LockWord(entry.word.load(S14.acquire()));
            let word = seen.claimed(me, mode);
            if seen.state() == LockState::Free
                && entry.word.compare_exchange(seen.0, word.0, S14.acquire_then(S14)).is_ok()
            {
                return Some(Place { locks: *self, index: index as u32, entry, word, ticket: 0 });
            }
        }
        None
    }

    /// The entry of a claim that was noted elsewhere, if it still holds.
    pub fn find(&self, index: u32, word: LockWord) -> Option<Place<'a>> {
        let entry = self.committed().get(index as usize)?;
        let holds = entry.word.load(S14.acquire()) == word.0 && word.is_there();
        holds.then(|| Place { locks: *self, index, entry, word, ticket: entry.ticket.load(Relaxed) })
    }

    /// Gives back the entries of members that are gone, and wakes everybody who waits at one: the dead may have given way without saying so.
    ///
    /// `is_gone` is asked after the word was read.
    pub fn reap(&self, is_gone: impl Fn(Name) -> bool) {
        for entry in self.committed() {
            let seen = LockWord(entry.word.load(S14.acquire()));
            let given_back = seen.state() != LockState::Free && is_gone(seen.member());
            if given_back && !mutated("dead-holder-kept") {
                let _ = entry.word.compare_exchange(seen.0, seen.freed().0, S14.acquire_then(S14));
                window(118);
            }
            if given_back || !mutated("dead-debts-kept") {
                wait::ring(&entry.gone, u32::MAX);
            }
        }
    }
}

/// An entry that is the caller's.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    locks: Locks<'a>,
    index: u32,
    entry: &'a LockEntry,
    word: LockWord,
    ticket: u64,
}

/// A claim that was found ahead of another.
#[derive(Clone, Copy)]
pub struct Ahead<'a> {
    /// Its entry.
    pub entry: &'a LockEntry,
    /// What its word was.
    pub word: LockWord,
}

impl<'a> Place<'a> {
    /// Its number in the table.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// What its word is.
    pub fn word(&self) -> LockWord {
        self.word
    }

    /// Its entry.
    pub fn entry(&self) -> &'a LockEntry {
        self.entry
    }

    /// Takes its place in the order of those who want a lock.
    pub fn enter(&mut self, label: &Label, since_ns: u64) -> Result<(), Overwritten> {
        let entry = self.entry;
        entry.hash.store(label.hash, S14.release());
        entry.length.store(label.length, S14.release());
        entry.since_ns.store(since_ns, S14.release());
        for (shared, word) in entry.name.iter().zip(label.words).take(label.length.div_ceil(8) as usize) {
            shared.store(word, S14.release());
        }
        window(111);
        if !mutated("no-doorway") {
            self.step(LockState::Choosing)?;
        }
        window(112);
        self.ticket = self.locks.clock.drawn.fetch_add(1, S13.acquire_then(S13)).wrapping_add(1);
        entry.ticket.store(self.ticket, S14.release());
        self.step(LockState::Wanted)?;
        if !mutated("doorway-left-silently") {
            wait::ring(&entry.gone, u32::MAX);
        }
        window(113);
        Ok(())
    }

    /// Who is ahead, of those that conflict: found once, right after [`Place::enter`] (I34). What conflicts is asked of entries that may
    /// have moved on since.
    pub fn look(&self, conflicts: impl Fn(&LockEntry) -> bool) -> Vec<Ahead<'a>> {
        let mut ahead = Vec::new();
        for entry in self.locks.committed() {
            let claim = Ahead { entry, word: LockWord(entry.word.load(S14.acquire())) };
            if claim.word.is_there()
                && !std::ptr::eq(entry, self.entry)
                && self.excludes(claim.word)
                && conflicts(entry)
                && self.is_behind(&claim)
            {
                ahead.push(claim);
            }
        }
        ahead
    }

    fn excludes(&self, other: LockWord) -> bool {
        if mutated("shared-excludes-nobody") && self.word.mode() == LockMode::Shared {
            return false;
        }
        self.word.mode() == LockMode::Exclusive || other.mode() == LockMode::Exclusive
    }

    /// Whether a claim that was ahead still is.
    pub fn is_behind(&self, ahead: &Ahead<'_>) -> bool {
        let word = LockWord(ahead.entry.word.load(S14.acquire()));
        let is_lower = || {
            // Modulo their width: should somebody write over what was drawn last, those who wait go on waiting for each other.
            let before = self.ticket.wrapping_sub(ahead.entry.ticket.load(S14.acquire())) as i64;
            if mutated("higher-ticket-first") { before < 0 } else { before > 0 }
        };
        word.is_same_life(ahead.word)
            && match word.state() {
                LockState::Free | LockState::Claimed => false,
                LockState::Choosing => !mutated("doorway-not-waited-for"),
                LockState::Wanted => !mutated("only-holders-waited-for") && is_lower(),
                // Its ticket is lower; were it scribbled over, it would have the lock all the same.
                LockState::Held => true,
            }
    }

    /// Of those ahead, the one to wait for: who is in the doorway is through soon, else who came last before. Then each waits for one
    /// other, and only those are woken together that can have the lock together.
    pub fn nearest(&self, ahead: &[Ahead<'a>]) -> Option<Ahead<'a>> {
        let distance = |ahead: &&Ahead<'_>| match LockWord(ahead.entry.word.load(S14.acquire())).state() {
            LockState::Choosing => 0,
            _ => self.ticket.wrapping_sub(ahead.entry.ticket.load(S14.acquire())),
        };
        ahead.iter().min_by_key(distance).copied()
    }

    /// Sleeps until the one ahead gives way, or for `nap` at most. `None`: it has given way already, or `stays` says that there is no reason to sleep.
    pub fn sleep_behind(&self, ahead: &Ahead<'_>, nap: Duration, stays: impl FnOnce() -> bool) -> Option<Woken> {
        let ticket = wait::announce(&ahead.entry.gone);
        window(115);
        let still = mutated("not-looked-before-sleep") || self.is_behind(ahead) && stays();
        let woken = still.then(|| wait::sleep(&ahead.entry.gone, ticket, nap));
        window(116);
        woken
    }

    /// Takes the lock, as nobody is ahead. Returns the fencing token, which rises with every grant.
    pub fn hold(&mut self) -> Result<u64, Overwritten> {
        // Relaxed: who had it before drew before it gave way, which we have seen (S14). The draws of tickets go on being one chain (S13).
        let token = self.locks.clock.drawn.fetch_add(1, Relaxed).wrapping_add(1);
        self.entry.token.store(token, S14.release());
        self.step(LockState::Held)?;
        window(114);
        Ok(token)
    }

    /// Gives way, whether it had the lock or waited.
    pub fn give_up(self) -> Result<(), Overwritten> {
        let changed = self.entry.word.compare_exchange(self.word.0, self.word.freed().0, S14.acquire_then(S14));
        window(117);
        if !mutated("given-up-silently") {
            wait::ring(&self.entry.gone, u32::MAX);
        }
        changed.map(drop).map_err(|_| Overwritten)
    }

    fn step(&mut self, state: LockState) -> Result<(), Overwritten> {
        let next = self.word.with_state(state);
        self.entry.word.compare_exchange(self.word.0, next.0, S14.acquire_then(S14)).map_err(|_| Overwritten)?;
        self.word = next;
        Ok(())
    }
}

impl Ahead<'_> {
    /// Gives back an entry that says it is a past member's: nobody's does (I15), so somebody has written over it. `true`: it did.
    pub fn mend(&self, is_past: impl FnOnce(Name) -> bool) -> bool {
        let seen = LockWord(self.entry.word.load(S14.acquire()));
        let mended = seen.is_same_life(self.word)
            && is_past(seen.member())
            && self.entry.word.compare_exchange(seen.0, seen.freed().0, S14.acquire_then(S14)).is_ok();
        wait::ring(&self.entry.gone, u32::MAX);
        mended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_what_is_packed() {
        let (name, other) = (Name::new(65535, 1023), Name::new(65535, 1022));
        for state in [LockState::Claimed, LockState::Choosing, LockState::Wanted, LockState::Held] {
            for mode in [LockMode::Exclusive, LockMode::Shared] {
                let word = LockWord::new(GENERATION_MASK, name, mode, state);
                assert_eq!((word.member(), word.mode(), word.state()), (name, mode, state));
                assert_eq!(word.freed(), LockWord(0), "generations wrap at 2^34");
                assert!(word.is_same_life(word.with_state(LockState::Held)));
                assert!(!word.is_same_life(LockWord::new(GENERATION_MASK, other, mode, state)));
                assert!(!word.freed().claimed(name, mode).is_same_life(word));
            }
        }
        for odd in 5..8 {
            assert_eq!(LockWord(u64::MAX << 3 | odd).state(), LockState::Free);
        }
        assert!(!LockWord(0).is_same_life(LockWord(0)));
    }
}
