//! The claim of an index, and of a record: it is one member's at a time, however late the reapers of the one before come.

use crate::cell::UnsafeCell;
use crate::check::{ORDINARY, explore, needs};
use crate::tiny::member;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use swarmbus_core::claim::{bury, give_up_record, leave, mark, settle_record, take, take_record};
use swarmbus_core::sync::{S6, S9, Word};
use swarmbus_core::word::{ClaimState, ClaimWord, Name, RecordState, RecordWord};

/// The process of which the kernel says that it is dead.
const DEAD: u32 = 1;

/// An index: its claim; what is to be given back of a dead member's; and its entry, which is for who has it.
struct Seat {
    claim: Word,
    owed: Word,
    entry: UnsafeCell<u64>,
}

// SAFETY: that nobody touches an entry without its claim is what loom checks here.
unsafe impl Sync for Seat {}

impl Seat {
    /// So often claimed that its incarnations are about to begin anew.
    fn of(pid: u32, state: ClaimState) -> Arc<Seat> {
        let claim = Word::new(ClaimWord::new(0, pid, 1023, state).0);
        Arc::new(Seat { claim, owed: Word::new(u64::from(pid == DEAD)), entry: UnsafeCell::new(0) })
    }

    fn seen(&self) -> ClaimWord {
        ClaimWord(self.claim.load(S9.acquire()))
    }

    /// What a reaper does about the index. (What it does about the member's messages: `taker`, `sender`. Each does it, and it is done once.)
    fn reap(&self) {
        let seen = self.seen();
        let marked = match seen.state() {
            ClaimState::Live if seen.pid() == DEAD => mark(&self.claim, seen),
            ClaimState::Dead => Some(seen),
            ClaimState::Live | ClaimState::Free => None,
        };
        if let Some(marked) = marked {
            let _ = self.owed.compare_exchange(1, 0, Relaxed);
            bury(&self.claim, marked);
        }
    }

    /// Takes the index if it is free, and leaves.
    fn visit(&self, pid: u32) -> bool {
        let seen = self.seen();
        let mine = ClaimWord::new(0, pid, seen.incarnation(), ClaimState::Live);
        if seen.state() != ClaimState::Free || !take(&self.claim, seen, mine) {
            return false;
        }
        // Relaxed: what the claim brings along.
        assert_eq!(self.owed.load(Relaxed), 0, "not all that the dead member had is given back");
        // SAFETY: ours; loom reports it if somebody else has it.
        self.entry.with_mut(|entry| unsafe { *entry += 1 });
        assert_eq!(self.seen(), mine, "somebody has changed the claim of the living");
        leave(&self.claim, mine, mine.freed());
        true
    }

    fn assert_free_after(&self, visits: u64) {
        assert_eq!(self.seen().state(), ClaimState::Free);
        // SAFETY: all are done.
        self.entry.with(|entry| assert_eq!(unsafe { *entry }, visits));
    }
}

/// A record, and what its maker writes there.
struct Record {
    word: Word,
    text: UnsafeCell<u64>,
}

// SAFETY: as of a seat.
unsafe impl Sync for Record {}

impl Record {
    const DEAD: Name = member(5);

    fn of_the_dead(state: RecordState) -> Arc<Record> {
        Arc::new(Record { word: Word::new(RecordWord::new(7, Record::DEAD, state).0), text: UnsafeCell::new(0) })
    }

    fn seen(&self) -> RecordWord {
        RecordWord(self.word.load(S6.acquire()))
    }

    /// What a reaper does about a record to which nothing refers.
    fn reap(&self) {
        let seen = self.seen();
        if seen.member() == Record::DEAD && seen.state() == RecordState::Claimed {
            settle_record(&self.word, seen, RecordState::Free);
        }
    }

    fn write(&self) {
        // SAFETY: its maker does; loom reports it if somebody else writes there.
        self.text.with_mut(|text| unsafe { *text += 1 });
    }

    /// Takes it if it is free, writes there and finds that the name is in use by now.
    fn try_out(&self, me: Name) -> bool {
        let seen = self.seen();
        let claimed = (seen.state() == RecordState::Free).then(|| take_record(&self.word, seen, me)).flatten();
        claimed.is_some_and(|claimed| {
            self.write();
            assert_eq!(self.seen(), claimed, "somebody has changed the claim of the living");
            give_up_record(&self.word, claimed);
            true
        })
    }
}

fn two_makers() {
    explore(ORDINARY, || {
        let record = Record::of_the_dead(RecordState::Free);
        let other = thread::spawn({
            let record = record.clone();
            move || record.try_out(member(1))
        });
        record.try_out(member(0));
        record.try_out(member(0));
        other.join().unwrap();
        assert_eq!(record.seen().state(), RecordState::Free);
    });
}

fn two_reapers_of_a_maker() {
    explore(ORDINARY, || {
        let record = Record::of_the_dead(RecordState::Claimed);
        let other = thread::spawn({
            let record = record.clone();
            move || record.reap()
        });
        record.reap();
        record.try_out(member(0));
        other.join().unwrap();
        assert_eq!(record.seen().state(), RecordState::Free);
    });
}

/// What the dead maker wrote is behind who makes the next one.
fn a_maker_dies() {
    explore(ORDINARY, || {
        let record = Record::of_the_dead(RecordState::Claimed);
        let [dies, tries] = [0, 1].map(|_| record.clone());
        let dead = thread::spawn(move || dies.write());
        let next = thread::spawn(move || tries.try_out(member(1)));
        // The kernel's word.
        dead.join().unwrap();
        record.reap();
        next.join().unwrap();
        assert_eq!(record.seen().state(), RecordState::Free);
    });
}

fn two_visitors() {
    explore(ORDINARY, || {
        let seat = Seat::of(0, ClaimState::Free);
        let other = thread::spawn({
            let seat = seat.clone();
            move || seat.visit(2)
        });
        let visits = u64::from(seat.visit(3)) + u64::from(seat.visit(3));
        seat.assert_free_after(visits + u64::from(other.join().unwrap()));
    });
}

fn two_reapers() {
    explore(ORDINARY, || {
        let seat = Seat::of(DEAD, ClaimState::Live);
        let other = thread::spawn({
            let seat = seat.clone();
            move || seat.reap()
        });
        seat.reap();
        let visits = u64::from(seat.visit(2));
        other.join().unwrap();
        seat.assert_free_after(visits);
    });
}

#[test]
fn an_index_is_one_members_at_a_time() {
    two_visitors();
    needs(&[9], two_visitors);
}

#[test]
fn a_late_reaper_spares_the_next_claim() {
    two_reapers();
    needs(&[9], two_reapers);
}

#[test]
fn a_record_is_one_makers_at_a_time() {
    two_makers();
    needs(&[6], two_makers);
}

#[test]
fn a_late_reaper_spares_the_next_maker() {
    two_reapers_of_a_maker();
    a_maker_dies();
    needs(&[6], a_maker_dies);
}
