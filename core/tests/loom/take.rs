//! Takers among themselves: every message to exactly one of them, and none of them in the way of the others.

use crate::check::{Mortal, ORDINARY, caught, every_death, explore, mortal, needs};
use crate::tiny::{Segment, Shape, member, together};
use loom::thread;
use swarmbus_core::layout::REDELIVERY;
use swarmbus_core::word::{ChunkState, IntentKind};

fn a_message_on_its_way() {
    explore(ORDINARY, || {
        let segment = Segment::new(Shape::of(0, 1));
        let sender = thread::spawn({
            let segment = segment.clone();
            move || segment.send(member(0), 0, 0, 7).unwrap()
        });
        let early = segment.receive(member(1), 0);
        sender.join().unwrap();
        assert_eq!(together(early.into_iter().collect(), segment.drain(member(1), 0)), [7]);
        segment.assert_empty();
    });
}

fn two_takers(shape: Shape) {
    explore(ORDINARY, move || {
        let segment = Segment::new(shape);
        let messages: Vec<u64> = (0..shape.chunks as u64).collect();
        for chunk in 0..shape.chunks as u32 {
            segment.send(member(0), 0, chunk, chunk as u64).unwrap();
        }
        let other = thread::spawn({
            let segment = segment.clone();
            move || Vec::from_iter(segment.receive(member(1), 0))
        });
        let mine = Vec::from_iter(segment.receive(member(2), 0));
        let other = other.join().unwrap();
        assert!(shape.chunks < 2 || mine.len() + other.len() == 2, "nothing for a taker, with two messages");
        assert_eq!(together(together(mine, other), segment.drain(member(3), 0)), messages);
        segment.assert_empty();
    });
}

/// A taker dies, or is paused for good, and nobody reaps it; the ring has one slot.
fn a_paused_taker_wedges_nothing() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(0, 2));
        segment.send(member(0), 0, 0, 7).unwrap();
        let paused = thread::spawn({
            let segment = segment.clone();
            move || mortal(Mortal::Victim, budget, || segment.take(member(1), 0))
        });
        let mine = segment.take(member(2), 0);
        let paused = paused.join().unwrap().flatten();
        assert!(mine.is_none() || paused.is_none());
        let more = segment.take(member(2), 0);
        assert!(more.is_none() || (mine.is_none() && paused.is_none()));
        segment.send(member(0), 0, 1, 8).expect("the ring is empty, whatever the paused taker left in its slot");
        assert_eq!(segment.receive(member(2), 0), Some(8));
    });
}

/// A taker dies, or is paused for good, with the message of a more urgent ring: who comes after that goes on to the next one.
fn a_paused_taker_hides_nothing() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(0, 2));
        let word = segment.loan(member(0), 0, 7).unwrap();
        segment.publish(member(0), (0, REDELIVERY), IntentKind::Send, (0, word)).unwrap();
        segment.send(member(0), 0, 1, 8).unwrap();
        let paused = thread::spawn({
            let segment = segment.clone();
            move || mortal(Mortal::Victim, budget, || segment.take(member(1), 0))
        });
        let _ = paused.join().unwrap();
        let left = std::iter::from_fn(|| segment.take(member(2), 0)).count();
        assert!(left > 0, "two messages, and one of them for the paused taker");
        assert!((0..2).all(|chunk| segment.word(chunk).state() != ChunkState::Queued), "nothing found, and one waits");
    });
}

/// One takes two messages at once and moves the head on after that; the other comes between.
fn a_run_and_a_taker(shape: Shape) {
    explore(ORDINARY, move || {
        let segment = Segment::new(shape);
        for chunk in 0..2 {
            segment.send(member(0), 0, chunk, chunk as u64).unwrap();
        }
        let run = thread::spawn({
            let segment = segment.clone();
            move || {
                let run = segment.take_run(member(1), 0, 2);
                let values: Vec<u64> = run.iter().map(|claimed| segment.read(claimed.chunk())).collect();
                run.into_iter().for_each(|claimed| segment.release(claimed));
                assert!(values.is_sorted(), "a run keeps the order");
                values
            }
        });
        let mine = Vec::from_iter(segment.receive(member(2), 0));
        let values = run.join().unwrap();
        assert_eq!(mine.len() + values.len(), 2, "both were there");
        segment.send(member(0), 0, 2, 2).expect("the ring is empty");
        assert_eq!(together(together(mine, values), segment.drain(member(3), 0)), [0, 1, 2]);
        segment.assert_empty();
    });
}

/// A run ends anywhere for good, and nobody reaps: what it has not claimed is taken by others, and there is room again.
fn a_paused_run_wedges_nothing() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(1, 4));
        for chunk in 0..2 {
            segment.send(member(0), 0, chunk, chunk as u64).unwrap();
        }
        let paused = thread::spawn({
            let segment = segment.clone();
            move || mortal(Mortal::Victim, budget, || segment.take_run(member(1), 0, 2))
        });
        let _ = paused.join().unwrap();
        let left = segment.drain(member(2), 0);
        assert!(left.is_sorted());
        for chunk in 2..4 {
            segment
                .send(member(0), 0, chunk, chunk as u64)
                .expect("the ring is empty, whatever the paused taker left in it");
        }
        assert_eq!(segment.drain(member(2), 0), [2, 3]);
    });
}

#[test]
fn a_paused_taker_hides_no_less_urgent_message() {
    a_paused_taker_hides_nothing();
    caught(&["first-ring-only"], a_paused_taker_hides_nothing);
}

#[test]
fn a_run_takes_each_message_once() {
    a_run_and_a_taker(Shape::of(1, 3));
    caught(&["claim-not-compared"], || a_run_and_a_taker(Shape::of(1, 3)));
}

#[test]
fn a_paused_run_stops_nobody() {
    a_paused_run_wedges_nothing();
    caught(&["stale-slot-not-emptied"], a_paused_run_wedges_nothing);
}

#[test]
fn a_taker_sees_all_of_what_was_sent() {
    a_message_on_its_way();
    needs(&[1], a_message_on_its_way);
}

#[test]
fn two_takers_take_each_message_once() {
    two_takers(Shape::of(0, 1));
    two_takers(Shape::of(1, 2));
    caught(&["claim-not-compared"], || two_takers(Shape::of(0, 1)));
}

#[test]
fn a_paused_taker_stops_nobody() {
    a_paused_taker_wedges_nothing();
    caught(&["stale-slot-not-emptied"], a_paused_taker_wedges_nothing);
    caught(&["head-moves-first"], a_paused_taker_wedges_nothing);
}
