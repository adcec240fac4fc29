//! Who owns a mailbox: the old owner takes while another takes it over; a reaper of the old owner beside the new one; who stands by is woken.

use crate::check::{BRIEF, Mortal, ORDINARY, caught, every_death, every_death_of_two, explore, mortal, needs};
use crate::tiny::{Segment, Shape, member, queue};
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use swarmbus_core::layout::REDELIVERY;
use swarmbus_core::owner::{disown, is_still, own, take_over};
use swarmbus_core::queue::Route;
use swarmbus_core::sync::{S9, WakeWord, Word, mutant, mutated};
use swarmbus_core::wait;
use swarmbus_core::word::{ChunkState, ClaimState, ClaimWord, RecordState, RecordWord};

const OLD: u16 = 0;
const NEW: u16 = 1;

/// A mailbox: the queue with index 0 of a segment, and who owns it.
struct Mailbox {
    segment: Arc<Segment>,
    owner: Word,
    vacant: WakeWord,
}

impl Mailbox {
    /// The old owner's, with so many messages in it: 1, 2 …
    fn with(messages: u32) -> Arc<Mailbox> {
        let segment = Segment::new(Shape::of(1, messages as usize));
        for chunk in 0..messages {
            segment.send(member(3), 0, chunk, chunk as u64 + 1).unwrap();
        }
        Arc::new(Mailbox { segment, owner: Word::new(Mailbox::owned().0), vacant: WakeWord::new(0) })
    }

    const fn owned() -> RecordWord {
        RecordWord::new(7, member(OLD), RecordState::Live)
    }

    /// What members do to take from a mailbox that they own: ask, claim, ask again. `Some`: received and acknowledged.
    fn receive(&self, me: u16, owned: RecordWord) -> Option<u64> {
        if !is_still(&self.owner, owned) {
            return None;
        }
        let claimed = self.segment.take(member(me), 0)?;
        if !mutated("owner-asked-before-claim-only") && !is_still(&self.owner, owned) {
            let back = Route::put_back(REDELIVERY);
            self.segment.publish_by(member(me), 0, back, (claimed.chunk(), claimed.word), &mut []).unwrap();
            return None;
        }
        let value = self.segment.read(claimed.chunk());
        self.segment.release(claimed);
        Some(value)
    }

    fn take_over(&self, me: u16) -> RecordWord {
        take_over(&self.owner, member(me), || {}, || {}, &self.vacant)
    }

    /// Takes everything that waits, as the owner.
    fn drain(&self, me: u16, owned: RecordWord) -> Vec<u64> {
        std::iter::from_fn(|| self.receive(me, owned)).collect()
    }
}

/// What waits when the take-over is done, the old owner does not get. (What it acknowledged before is its own.)
fn an_old_owner_takes() {
    explore(ORDINARY, || {
        let mailbox = Mailbox::with(1);
        let old = thread::spawn({
            let mailbox = mailbox.clone();
            move || mailbox.receive(OLD, Mailbox::owned())
        });
        mailbox.take_over(NEW);
        // Relaxed: what the fence of the take-over lets be seen.
        let waiting = mailbox.segment.word(0).is(ChunkState::Queued, queue(0));
        let kept = old.join().unwrap();
        assert!(!(waiting && kept.is_some()), "the old owner took what waited when its mailbox was another's");
        let owned = RecordWord(mailbox.owner.load(Relaxed));
        let received = [Vec::from_iter(kept), mailbox.drain(NEW, owned)].concat();
        assert_eq!(received, [1]);
        mailbox.segment.assert_empty();
    });
}

/// The old owner dies at any step of taking and giving back, the new one takes beside it, a reaper comes.
fn an_old_owner_dies() {
    every_death(ORDINARY, |budget| {
        let mailbox = Mailbox::with(1);
        let old = thread::spawn({
            let mailbox = mailbox.clone();
            move || mortal(Mortal::Victim, budget, || mailbox.receive(OLD, Mailbox::owned())).flatten()
        });
        let owned = mailbox.take_over(NEW);
        let early = mailbox.drain(NEW, owned);
        let kept = old.join().unwrap();
        mailbox.segment.reap(member(4), &[member(OLD)]);
        disown(&mailbox.owner, member(OLD), || true, &mailbox.vacant);
        assert!(is_still(&mailbox.owner, owned), "the reaper of the old owner has spared the new one");
        let received = [Vec::from_iter(kept), early, mailbox.drain(NEW, owned)].concat();
        assert_eq!(received, [1]);
        mailbox.segment.assert_empty();
    });
}

/// Two take it over at once: one is the owner in the end, and knows it; the other one knows as well.
fn two_take_over() {
    explore(3, || {
        let mailbox = Mailbox::with(0);
        let other = thread::spawn({
            let mailbox = mailbox.clone();
            move || mailbox.take_over(2)
        });
        let mine = mailbox.take_over(NEW);
        let others = other.join().unwrap();
        let still = [mine, others, Mailbox::owned()].map(|word| is_still(&mailbox.owner, word));
        assert!(still == [true, false, false] || still == [false, true, false], "{still:?}");
        assert_ne!(mine.counter(), others.counter(), "epochs rise");
        assert!(mine.counter().max(others.counter()) == Mailbox::owned().counter() + 2);
    });
}

/// One who takes a mailbox over dies at any step; so does its reaper. The mailbox is the old owner's, or nobody's.
fn who_takes_over_dies() {
    every_death_of_two(ORDINARY, |victim, reaper| {
        let mailbox = Mailbox::with(0);
        let _ = mortal(Mortal::Victim, victim, || mailbox.take_over(NEW));
        let reap = || disown(&mailbox.owner, member(NEW), || true, &mailbox.vacant);
        if mortal(Mortal::Reaper, reaper, reap).is_none() {
            reap();
        }
        let seen = RecordWord(mailbox.owner.load(Relaxed));
        let old = seen == Mailbox::owned();
        assert!(old || seen.state() == RecordState::Free && seen.counter() == Mailbox::owned().counter() + 2);
        assert_eq!(own(&mailbox.owner, member(5), || {}).is_ok(), !old);
    });
}

/// A reaper of the old owner is slow. Another has done its work, the index has come round to a member of the same name, and that owns the mailbox.
fn a_slow_reaper_and_a_namesake() {
    explore(3, || {
        let mailbox = Mailbox::with(0);
        let dead = ClaimWord::new(1, 1, member(OLD).incarnation(), ClaimState::Dead);
        let claim = Arc::new(Word::new(dead.0));
        let is_dead = move |claim: &Word| claim.load(S9.acquire()) == dead.0;
        let slow = thread::spawn({
            let (mailbox, claim) = (mailbox.clone(), claim.clone());
            move || disown(&mailbox.owner, member(OLD), || is_dead(&claim), &mailbox.vacant)
        });
        disown(&mailbox.owner, member(OLD), || is_dead(&claim), &mailbox.vacant);
        let namesake = ClaimWord::new(2, 2, member(OLD).incarnation(), ClaimState::Live);
        claim.compare_exchange(dead.0, namesake.0, S9.acquire_then(S9)).unwrap();
        let owned = own(&mailbox.owner, member(OLD), || {}).expect("nobody owns it");
        slow.join().unwrap();
        assert!(is_still(&mailbox.owner, owned), "the slow reaper has taken the namesake's mailbox");
    });
}

fn stand_by(mailbox: &Mailbox, me: u16) -> RecordWord {
    loop {
        let ticket = wait::announce(&mailbox.vacant);
        if let Ok(owned) = own(&mailbox.owner, member(me), || {}) {
            return owned;
        }
        wait::sleep(&mailbox.vacant, ticket, Duration::MAX);
    }
}

/// The owner leaves, and may die at any step of it; its reaper finishes. Who stands by does not sleep on.
fn who_stands_by_is_woken() {
    every_death(ORDINARY, |budget| {
        let mailbox = Mailbox::with(0);
        let next = thread::spawn({
            let mailbox = mailbox.clone();
            move || stand_by(&mailbox, NEW)
        });
        let leave = || disown(&mailbox.owner, member(OLD), || true, &mailbox.vacant);
        if mortal(Mortal::Victim, budget, leave).is_none() {
            leave();
        }
        let owned = next.join().unwrap();
        assert!(is_still(&mailbox.owner, owned));
    });
}

/// Two stand by: one gets it, and then the other, when that one has left.
fn two_stand_by() {
    explore(BRIEF, || {
        let mailbox = Mailbox::with(0);
        let both = [1, 2].map(|me| {
            let mailbox = mailbox.clone();
            thread::spawn(move || {
                let owned = stand_by(&mailbox, me);
                disown(&mailbox.owner, member(me), || true, &mailbox.vacant);
                owned.counter()
            })
        });
        disown(&mailbox.owner, member(OLD), || true, &mailbox.vacant);
        let epochs = both.map(|thread| thread.join().unwrap());
        let first = Mailbox::owned().counter() + 2;
        assert!(epochs == [first, first + 2] || epochs == [first + 2, first], "{epochs:?}");
    });
}

/// What an owner had to do with its mailbox alone.
struct Private(UnsafeCell<u32>);

// SAFETY: that nobody touches it who is not the owner is what loom checks here.
unsafe impl Sync for Private {}

impl Private {
    fn touch(&self) {
        self.0.with_mut(|value| {
            // SAFETY: loom watches that nobody else is here.
            unsafe { *value += 1 }
        });
    }
}

/// What an owner did before it gave the mailbox up is done for who owns it next.
fn what_the_owner_left_is_seen() {
    explore(ORDINARY, || {
        let (mailbox, private) = (Mailbox::with(0), Arc::new(Private(UnsafeCell::new(0))));
        let next = thread::spawn({
            let (mailbox, private) = (mailbox.clone(), private.clone());
            move || {
                if own(&mailbox.owner, member(NEW), || {}).is_ok() {
                    private.touch();
                }
            }
        });
        private.touch();
        disown(&mailbox.owner, member(OLD), || true, &mailbox.vacant);
        next.join().unwrap();
    });
}

#[test]
fn what_waits_after_a_take_over_is_the_new_owners() {
    an_old_owner_takes();
    caught(&["owner-asked-before-claim-only"], an_old_owner_takes);
    caught(&["fence-after-rmw"], an_old_owner_takes);
}

#[test]
fn an_old_owner_that_dies_costs_nothing() {
    an_old_owner_dies();
    caught(&["orphaned-move-freed"], an_old_owner_dies);
}

#[test]
fn one_of_two_that_take_over_has_it() {
    two_take_over();
    caught(&["epoch-not-risen"], two_take_over);
}

#[test]
fn who_dies_while_it_takes_over_leaves_an_owner_or_none() {
    who_takes_over_dies();
}

#[test]
fn a_slow_reaper_spares_the_next_owner_of_the_same_name() {
    a_slow_reaper_and_a_namesake();
    caught(&["epoch-not-risen"], a_slow_reaper_and_a_namesake);
}

#[test]
fn who_stands_by_does_not_sleep_on() {
    who_stands_by_is_woken();
    two_stand_by();
    caught(&["vacancy-not-rung"], who_stands_by_is_woken);
    caught(&["fence-after-rmw"], who_stands_by_is_woken);
}

#[test]
fn the_next_owner_sees_what_was_left() {
    what_the_owner_left_is_seen();
    // Without the fences that follow the changes of the word: loom changes threads before an access of memory, so never between a change and its
    // fence, and those would do.
    let bare = || mutant::with(&["fence-after-rmw"], what_the_owner_left_is_seen);
    bare();
    needs(&[9], bare);
}
