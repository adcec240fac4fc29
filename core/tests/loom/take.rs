//! Takers among themselves: every message to exactly one of them, and none of them in the way of the others.

use crate::check::{Mortal, ORDINARY, caught, every_death, explore, mortal, needs};
use crate::tiny::{Segment, Shape, member, together};
use loom::thread;

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
