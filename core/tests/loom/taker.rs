//! A taker that dies at any step up to its release, and reapers that die as well, work side by side, or come late.

use crate::check::{BRIEF, Mortal, ORDINARY, caught, every_death, every_death_of_two, mortal, needs};
use crate::tiny::{LANE, Segment, Shape, member};
use loom::thread::{self, JoinHandle};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use swarmbus_core::sync::{S9, Word};
use swarmbus_core::word::{ChunkState, ClaimState, ClaimWord, IntentKind, Name};

/// Takes and releases as member 1, and may die. `Some`: what it acknowledged.
fn take_and_die(segment: &Segment, budget: u32) -> Option<u64> {
    mortal(Mortal::Victim, budget, || segment.receive(member(1), 0)).flatten()
}

/// What the taker acknowledged never comes back; what it did not comes to somebody else exactly once.
fn assert_received_once(segment: &Segment, acknowledged: Option<u64>, early: Vec<u64>) {
    let received = [Vec::from_iter(acknowledged), early, segment.drain(member(2), 0)].concat();
    assert_eq!(received, [7], "the dead taker acknowledged {acknowledged:?}");
    segment.assert_empty();
}

fn a_taker_dies() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(0, 1));
        segment.send(member(0), 0, 0, 7).unwrap();
        let taker = thread::spawn({
            let segment = segment.clone();
            move || take_and_die(&segment, budget)
        });
        let consumer = thread::spawn({
            let segment = segment.clone();
            move || Vec::from_iter(segment.receive(member(2), 0))
        });
        let acknowledged = taker.join().unwrap();
        segment.reap(member(3), &[member(1)]);
        assert_received_once(&segment, acknowledged, consumer.join().unwrap());
    });
}

/// Nobody else is there: what the reapers leave is seen as they leave it.
fn reapers_die_alone() {
    every_death_of_two(ORDINARY, |victim, reaper| {
        let segment = Segment::new(Shape::of(0, 1));
        segment.send(member(0), 0, 0, 7).unwrap();
        let acknowledged = take_and_die(&segment, victim);
        if mortal(Mortal::Reaper, reaper, || segment.reap(member(3), &[member(1)])).is_none() {
            segment.reap(member(4), &[member(1), member(3)]);
        }
        if acknowledged.is_none() {
            assert_eq!(segment.word(0).state(), ChunkState::Queued);
            assert_eq!(segment.references(0, 0), 1, "one slot speaks of the message");
        }
        assert_received_once(&segment, acknowledged, Vec::new());
    });
}

fn a_reaper_dies() {
    every_death_of_two(ORDINARY, |victim, reaper| {
        let segment = Segment::new(Shape::of(0, 1));
        segment.send(member(0), 0, 0, 7).unwrap();
        let acknowledged = take_and_die(&segment, victim);
        let consumer = thread::spawn({
            let segment = segment.clone();
            move || Vec::from_iter(segment.receive(member(2), 0))
        });
        if mortal(Mortal::Reaper, reaper, || segment.reap(member(3), &[member(1)])).is_none() {
            segment.reap(member(4), &[member(1), member(3)]);
        }
        assert_received_once(&segment, acknowledged, consumer.join().unwrap());
    });
}

fn two_reapers() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(1, 1));
        segment.send(member(0), 0, 0, 7).unwrap();
        let acknowledged = take_and_die(&segment, budget);
        let other = thread::spawn({
            let segment = segment.clone();
            move || segment.reap(member(3), &[member(1)])
        });
        segment.reap(member(4), &[member(1)]);
        other.join().unwrap();
        if acknowledged.is_none() {
            assert_eq!(segment.references(0, 0), 1, "one slot speaks of the message");
        }
        assert_received_once(&segment, acknowledged, Vec::new());
    });
}

/// A reaper comes late: another has done everything, the message was delivered, and its chunk carries the next one.
fn a_late_reaper() {
    every_death(BRIEF, |budget| {
        let segment = Segment::new(Shape::of(0, 1));
        segment.send(member(0), 0, 0, 7).unwrap();
        let acknowledged = take_and_die(&segment, budget);
        let late = thread::spawn({
            let segment = segment.clone();
            move || segment.recover_chunks(member(3), &[member(1)])
        });
        segment.recover_chunks(member(4), &[member(1)]);
        let early = Vec::from_iter(segment.receive(member(2), 0));
        let next = segment.loan(member(2), 0, 8);
        if let Some(word) = next {
            segment.publish(member(2), (0, LANE), IntentKind::Send, (0, word)).expect("the queue is empty");
        }
        if !late.join().unwrap() {
            segment.recover_chunks(member(3), &[member(1)]);
        }
        let received = [Vec::from_iter(acknowledged), early, segment.drain(member(2), 0)].concat();
        let expected = if next.is_some() { vec![7, 8] } else { vec![7] };
        assert_eq!(received, expected, "the dead taker acknowledged {acknowledged:?}");
        segment.assert_empty();
    });
}

/// Reaps dead member 1, lets the next one have its index, and answers with that one's name and a reaper that has found the dead one and comes late.
fn the_index_of_a_dead_one_is_claimed(segment: &Arc<Segment>) -> (Name, JoinHandle<bool>) {
    let dead = ClaimWord::new(1, 1, member(1).incarnation(), ClaimState::Dead);
    let owner = dead.freed().with_state(ClaimState::Live);
    let successor = Name::new(1, owner.incarnation());
    let claim = Arc::new(Word::new(dead.0));
    let late = thread::spawn({
        let (segment, claim) = (segment.clone(), claim.clone());
        move || segment.reap_if(member(3), &[member(1)], || claim.load(S9.acquire()) == dead.0)
    });
    segment.reap(member(4), &[member(1)]);
    for (seen, new) in [(dead, dead.freed()), (dead.freed(), owner)] {
        claim.compare_exchange(seen.0, new.0, S9.acquire_then(S9)).unwrap();
    }
    // Relaxed: as when an index is claimed.
    segment.notes_of(successor).intent.store(0, Relaxed);
    (successor, late)
}

/// A reaper comes so late that the dead sender's index has a new owner, who is in the midst of a send.
fn an_index_is_reused() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(0, 1));
        let word = segment.loan(member(1), 0, 6).unwrap();
        let send = || segment.publish(member(1), (0, LANE), IntentKind::Send, (0, word)).unwrap();
        let sent = mortal(Mortal::Victim, budget, send).is_some();
        let (successor, late) = the_index_of_a_dead_one_is_claimed(&segment);
        let before = segment.drain(member(2), 0);
        assert!(before == [6] || before.is_empty() && !sent, "sent, and not delivered");
        segment.send(successor, 0, 0, 8).expect("the queue is empty");
        late.join().unwrap();
        assert_eq!(segment.drain(member(2), 0), [8], "sent by the living owner of the index");
        segment.assert_empty();
    });
}

/// The same, and the new owner of the index dies in that send: what it noted must be there for its own reaper.
fn an_index_is_reused_by_one_that_dies() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(0, 1));
        segment.send(member(1), 0, 0, 7).unwrap();
        assert_eq!(segment.drain(member(2), 0), [7]);
        let (successor, late) = the_index_of_a_dead_one_is_claimed(&segment);
        let sent = mortal(Mortal::Victim, budget, || segment.send(successor, 0, 0, 8)).is_some();
        late.join().unwrap();
        segment.reap(member(4), &[successor]);
        let received = segment.drain(member(2), 0);
        assert!(received == [8] || received.is_empty() && !sent, "sent, and not delivered");
        segment.assert_empty();
    });
}

#[test]
fn a_dead_takers_message_comes_back_once() {
    a_taker_dies();
    caught(&["head-moves-first"], a_taker_dies);
}

#[test]
fn the_next_reaper_finishes_what_a_dead_one_left() {
    reapers_die_alone();
    caught(&["reaper-leaves-slot"], reapers_die_alone);
    caught(&["orphaned-move-freed"], reapers_die_alone);
}

#[test]
fn a_reaper_may_die_while_others_receive() {
    a_reaper_dies();
    caught(&["orphaned-move-freed"], a_reaper_dies);
    // The first reaper finds `head` past the dead taker's slot, which a consumer emptied; the second must not find it still there.
    needs(&[5], a_reaper_dies);
}

#[test]
fn two_reapers_redeliver_once() {
    two_reapers();
    caught(&["judged-word-not-compared"], two_reapers);
}

#[test]
fn a_reaper_that_comes_late_changes_nothing() {
    a_late_reaper();
    caught(&["judged-word-not-compared"], a_late_reaper);
}

#[test]
fn a_reaper_spares_the_next_owner_of_the_index() {
    an_index_is_reused();
    caught(&["index-reused"], an_index_is_reused);
    // Who finds the intent cleared finds dealt with what it announced.
    needs(&[8], an_index_is_reused);
}

#[test]
fn a_late_reaper_spares_the_note_of_the_next_owner() {
    an_index_is_reused_by_one_that_dies();
    caught(&["intent-cleared-blindly"], an_index_is_reused_by_one_that_dies);
}
