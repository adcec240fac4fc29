//! A handle whose thread has ended: a reaper and who drops it late.

use super::check::{caught, explore, needs};
use super::tiny::member;
use loom::cell::UnsafeCell;
use loom::thread::spawn;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use swarmbus_core::binding::{bind, condemn, take_over, unbind};
use swarmbus_core::sync::{S8, S9, Word};
use swarmbus_core::word::{ClaimState, ClaimWord, ThreadWord};

struct Seat {
    thread: Word,
    claim: Word,
    /// What the handle has: given back by one.
    had: UnsafeCell<u32>,
}

const THREAD: ThreadWord = ThreadWord::new(7, 1, member(0).incarnation());
const CLAIM: ClaimWord = ClaimWord::new(1, 1, member(0).incarnation(), ClaimState::Live);

impl Seat {
    /// Bound to a thread that has ended.
    fn new() -> Arc<Seat> {
        Arc::new(Seat { thread: Word::new(THREAD.0), claim: Word::new(CLAIM.0), had: UnsafeCell::new(0) })
    }

    fn give_back(&self) {
        self.had.with_mut(|had| {
            // SAFETY: loom watches that nobody else is here.
            unsafe { *had += 1 }
        });
    }

    fn drop_late(&self) -> bool {
        let mine = take_over(&self.thread, THREAD, &self.claim, CLAIM);
        if mine {
            self.give_back();
            let _ = self.claim.compare_exchange(CLAIM.0, CLAIM.freed().0, S9.acquire_then(S9));
        }
        mine
    }

    fn reap(&self) -> bool {
        let seen = ClaimWord(self.claim.load(S9.acquire()));
        let dead = seen.with_state(ClaimState::Dead);
        let buried = seen == CLAIM
            && condemn(&self.thread, seen, |thread| thread.tid() == THREAD.tid())
            && self.claim.compare_exchange(seen.0, dead.0, S9.acquire_then(S9)).is_ok();
        if buried {
            self.give_back();
            let _ = self.claim.compare_exchange(dead.0, CLAIM.freed().0, S9.acquire_then(S9));
        }
        buried
    }

    /// The next owner of the index: resets the entry, then has things of its own.
    fn claim_anew(&self) -> bool {
        let live = ClaimWord::new(1, 1, CLAIM.incarnation() + 1, ClaimState::Live);
        let claimed = self.claim.compare_exchange(CLAIM.freed().0, live.0, S9.acquire()).is_ok();
        if claimed {
            self.thread.store(0, S8.release());
            self.give_back();
        }
        claimed
    }
}

fn one_of_two_gives_back() {
    let seat = Seat::new();
    let reaper = spawn({
        let seat = seat.clone();
        move || seat.reap()
    });
    let dropped = seat.drop_late();
    let reaped = reaper.join().unwrap();
    assert!(dropped != reaped, "dropped: {dropped}, reaped: {reaped}");
}

fn two_reapers_and_a_late_drop() {
    let seat = Seat::new();
    let reapers = [0, 1].map(|_| {
        let seat = seat.clone();
        spawn(move || seat.reap())
    });
    let dropped = seat.drop_late();
    let reaped = reapers.map(|reaper| reaper.join().unwrap()).into_iter().filter(|reaped| *reaped).count();
    assert_eq!(dropped as usize + reaped, 1);
}

fn a_late_drop_spares_the_next_owner() {
    let seat = Seat::new();
    let next = spawn({
        let seat = seat.clone();
        move || (seat.reap(), seat.claim_anew())
    });
    let dropped = seat.drop_late();
    let (reaped, _claimed) = next.join().unwrap();
    assert!(dropped != reaped);
}

/// Who is bound again is judged by its thread again.
fn a_handle_that_is_bound_again() {
    let seat = Seat::new();
    unbind(&seat.thread, THREAD);
    assert!(!seat.reap(), "it is not bound");
    bind(&seat.thread, THREAD);
    assert!(seat.reap(), "its thread has ended");
}

/// Views were looked at in another thread, the last of which binds the handle again.
fn a_handle_is_judged_only_while_it_is_bound() {
    let seat = Seat::new();
    unbind(&seat.thread, THREAD);
    let reaper = spawn({
        let seat = seat.clone();
        move || seat.reap()
    });
    seat.had.with(|had| {
        // SAFETY: loom watches that nobody writes.
        assert_eq!(unsafe { *had }, 0);
    });
    bind(&seat.thread, THREAD);
    let dropped = seat.drop_late();
    assert!(dropped != reaper.join().unwrap());
    assert_ne!(seat.claim.load(Relaxed), CLAIM.0);
}

#[test]
fn what_a_thread_left_is_given_back_once() {
    explore(3, one_of_two_gives_back);
    explore(2, two_reapers_and_a_late_drop);
    caught(&["thread-not-condemned"], || explore(2, one_of_two_gives_back));
}

#[test]
fn who_drops_late_spares_the_next_owner_of_the_index() {
    explore(3, a_late_drop_spares_the_next_owner);
    caught(&["claim-not-asked"], || explore(2, a_late_drop_spares_the_next_owner));
    needs(&[8], || explore(2, a_late_drop_spares_the_next_owner));
}

#[test]
fn views_are_looked_at_before_the_handle_is_judged() {
    explore(3, a_handle_is_judged_only_while_it_is_bound);
    needs(&[8], || explore(2, a_handle_is_judged_only_while_it_is_bound));
    explore(1, a_handle_that_is_bound_again);
}
