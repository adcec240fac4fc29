//! The claim of an index: it is one member's at a time, however late the reapers of the one before come.

use crate::cell::UnsafeCell;
use crate::check::{ORDINARY, explore, needs};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use swarmbus_core::claim::{bury, leave, mark, take};
use swarmbus_core::sync::{S9, Word};
use swarmbus_core::word::{ClaimState, ClaimWord};

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
