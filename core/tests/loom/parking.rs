//! The parking lot: who parks, who takes, who raises the due word, and what a reaper makes of it.

use crate::check::{Mortal, ORDINARY, caught, every_death, explore, mortal, needs};
use crate::tiny::{Segment, Shape, member, together};
use loom::thread;
use swarmbus_core::layout::REDELIVERY;
use swarmbus_core::memory::Memory;
use swarmbus_core::queue::Route;

const NOW_MS: u64 = 100;
const LATER_MS: u64 = 200;

/// Takes a message, if there is one, and parks it; both may be cut short by death.
fn park(segment: &Segment, me: u16, until_ms: u64) {
    let Some(claimed) = segment.take_at(member(me), 0, NOW_MS) else { return };
    let route = Route::put_back(REDELIVERY).parked(until_ms);
    segment.publish_by(member(me), 0, route, (claimed.chunk(), claimed.word), &mut []).expect("there is room");
}

fn receive(segment: &Segment, me: u16, now_ms: u64) -> Option<u64> {
    let claimed = segment.take_at(member(me), 0, now_ms)?;
    let value = segment.read(claimed.chunk());
    segment.release(claimed);
    Some(value)
}

fn drain(segment: &Segment, me: u16, now_ms: u64) -> Vec<u64> {
    std::iter::from_fn(|| receive(segment, me, now_ms)).collect()
}

fn a_parker_dies() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(0, 1).parking());
        segment.send(member(0), 0, 0, 7).unwrap();
        let parker = thread::spawn({
            let segment = segment.clone();
            move || mortal(Mortal::Victim, budget, || park(&segment, 1, LATER_MS))
        });
        let before = Vec::from_iter(receive(&segment, 2, NOW_MS));
        parker.join().unwrap();
        let is_parked = segment.lane(0).positions() == (1, 1) && segment.references(0, 0) == 1;
        segment.reap(member(3), &[member(1)]);
        let early = drain(&segment, 2, NOW_MS);
        assert!(!is_parked || early.is_empty(), "taken before its time");
        assert_eq!([before, early, drain(&segment, 2, LATER_MS)].concat(), [7]);
        segment.assert_empty();
    });
}

/// Somebody parks, and may die, while somebody else finds that nothing is due and raises the due word.
fn the_due_word_is_raised() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(0, 1).parking());
        segment.send(member(0), 0, 0, 7).unwrap();
        // Something was parked before, and taken: the due word is low.
        park(&segment, 1, NOW_MS);
        let claimed = segment.take_at(member(1), 0, NOW_MS).unwrap();
        let parker = thread::spawn({
            let segment = segment.clone();
            move || {
                mortal(Mortal::Victim, budget, || {
                    let route = Route::put_back(REDELIVERY).parked(LATER_MS);
                    segment.publish_by(member(1), 0, route, (claimed.chunk(), claimed.word), &mut []).unwrap();
                })
                .is_none()
            }
        });
        assert_eq!(receive(&segment, 2, NOW_MS), None, "not before its time");
        if parker.join().unwrap() {
            segment.reap(member(3), &[member(1)]);
        }
        if segment.references(0, 0) == 1 && segment.lane(0).positions() == (1, 1) {
            let due_ms = segment.queue_at(0).lot().unwrap().due_ms();
            let redelivered = segment.queue_at(0).ring(REDELIVERY).unwrap().positions() == (1, 0);
            assert!(redelivered || due_ms.is_some_and(|due_ms| due_ms <= LATER_MS), "nobody will look: {due_ms:?}");
        }
        assert_eq!(drain(&segment, 2, LATER_MS), [7]);
        segment.assert_empty();
    });
}

fn two_takers() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(0, 1).parking());
        segment.send(member(0), 0, 0, 7).unwrap();
        park(&segment, 1, NOW_MS);
        let taker = thread::spawn({
            let segment = segment.clone();
            move || mortal(Mortal::Victim, budget, || receive(&segment, 2, NOW_MS)).flatten()
        });
        let other = drain(&segment, 3, NOW_MS);
        let acknowledged = Vec::from_iter(taker.join().unwrap());
        segment.reap(member(4), &[member(2)]);
        assert_eq!([acknowledged, other, drain(&segment, 3, NOW_MS)].concat(), [7]);
        segment.assert_empty();
    });
}

/// A taker of a parked message dies; it is redelivered, and parked again by who takes it then.
fn a_recovered_message_is_parked_again() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(1, 1).parking());
        segment.send(member(0), 0, 0, 7).unwrap();
        park(&segment, 1, NOW_MS);
        let acknowledged = mortal(Mortal::Victim, budget, || receive(&segment, 2, NOW_MS)).flatten();
        segment.reap(member(4), &[member(2)]);
        park(&segment, 3, LATER_MS);
        assert_eq!(receive(&segment, 3, NOW_MS), None, "before its time");
        assert_eq!([Vec::from_iter(acknowledged), drain(&segment, 3, LATER_MS)].concat(), [7]);
        segment.assert_empty();
    });
}

/// One takes a parked message and parks it anew, while another is in the midst of taking it.
fn a_message_is_parked_again() {
    explore(ORDINARY, || {
        let segment = Segment::new(Shape::of(0, 1).parking());
        segment.send(member(0), 0, 0, 7).unwrap();
        park(&segment, 1, NOW_MS);
        let slow = thread::spawn({
            let segment = segment.clone();
            move || receive(&segment, 2, NOW_MS)
        });
        let claimed = segment.take_at(member(3), 0, NOW_MS);
        if let Some(claimed) = claimed {
            let route = Route::put_back(REDELIVERY).parked(LATER_MS);
            segment.publish_by(member(3), 0, route, (claimed.chunk(), claimed.word), &mut []).expect("there is room");
        }
        let early = Vec::from_iter(slow.join().unwrap());
        assert!(claimed.is_none() || early.is_empty(), "taken before its time");
        assert_eq!([early, drain(&segment, 4, LATER_MS)].concat(), [7], "lost, or still there");
        segment.assert_empty();
    });
}

/// One has claimed a parked message and is slow to empty its place; another one empties it for him, and parks the next message there.
fn a_place_is_used_again() {
    explore(ORDINARY, || {
        let segment = Segment::new(Shape::of(0, 2).parking());
        segment.send(member(0), 0, 0, 7).unwrap();
        park(&segment, 1, NOW_MS);
        segment.send(member(0), 0, 1, 8).unwrap();
        let slow = thread::spawn({
            let segment = segment.clone();
            move || receive(&segment, 2, NOW_MS)
        });
        let lot = segment.queue_at(0).lot().unwrap();
        lot.empty_stale(segment.queue_at(0).name, |chunk| segment.chunk(chunk));
        park(&segment, 3, LATER_MS);
        let early = Vec::from_iter(slow.join().unwrap());
        assert_eq!(together(early, drain(&segment, 4, LATER_MS)), [7, 8], "one is lost");
        segment.assert_empty();
    });
}

#[test]
fn who_empties_a_place_spares_what_was_parked_there_since() {
    a_place_is_used_again();
}

#[test]
fn a_dead_parkers_message_is_in_exactly_one_place() {
    a_parker_dies();
    caught(&["orphaned-move-freed"], a_parker_dies);
    caught(&["slots-not-searched"], a_parker_dies);
}

#[test]
fn the_due_word_is_never_too_late() {
    the_due_word_is_raised();
    caught(&["due-noted-once"], the_due_word_is_raised);
    caught(&["due-raised-blindly"], the_due_word_is_raised);
    caught(&["due-left-late"], the_due_word_is_raised);
    needs(&[10], the_due_word_is_raised);
}

#[test]
fn a_due_message_goes_to_one_taker() {
    two_takers();
    caught(&["claim-not-compared"], two_takers);
}

#[test]
fn a_message_that_comes_back_from_the_dead_is_parked_in_one_place() {
    a_recovered_message_is_parked_again();
    caught(&["reaper-leaves-slot"], a_recovered_message_is_parked_again);
}

#[test]
fn a_slow_taker_spares_the_message_that_was_parked_again() {
    a_message_is_parked_again();
    caught(&["claimer-leaves-place"], a_message_is_parked_again);
    caught(&["no-second-look-at-place"], a_message_is_parked_again);
}
