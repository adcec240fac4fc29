//! Rings by themselves: order, the limit, the hints. Chunks stand for numbers here; each is `QUEUED` from the start.

use crate::check::{BRIEF, Mortal, ORDINARY, caught, every_death, explore, mortal, needs, spares};
use crate::tiny::{LANE, Segment, Shape, member, queue};
use loom::thread;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use swarmbus_core::memory::Memory;
use swarmbus_core::queue::take_from;
use swarmbus_core::ring::Pushed;
use swarmbus_core::word::{ChunkState, ChunkWord};

fn queued(shape: Shape) -> Arc<Segment> {
    let segment = Segment::new(shape);
    for chunk in 0..shape.chunks as u32 {
        let word = segment.word(chunk).next(queue(0), ChunkState::Queued);
        segment.chunk(chunk).unwrap().store(word.0, Relaxed);
    }
    segment
}

fn push(segment: &Segment, shape: Shape, chunk: u32, known_head: &Cell<u64>) -> bool {
    let chunk_word = |chunk| segment.chunk(chunk);
    segment.lane(0).push(chunk, shape.limit, queue(0), known_head, || true, chunk_word).unwrap() == Pushed::Sent
}

fn take(segment: &Segment) -> Option<u32> {
    let taken = take_from(segment, &segment.queue_at(0), LANE, &segment.lane(0), member(0)).unwrap();
    taken.map(|(claimed, _)| claimed.chunk())
}

fn drain(segment: &Segment) -> Vec<u32> {
    std::iter::from_fn(|| take(segment)).collect()
}

fn waits(segment: &Segment, chunk: u32) -> bool {
    ChunkWord(segment.chunk(chunk).unwrap().load(Relaxed)).state() == ChunkState::Queued
}

/// Two senders and a taker, around the end of the ring and into the next lap.
pub fn two_senders_and_a_taker(shape: Shape, bound: usize) {
    explore(bound, move || {
        let segment = queued(shape);
        let first = thread::spawn({
            let segment = segment.clone();
            move || {
                let known_head = Cell::new(0);
                [push(&segment, shape, 0, &known_head), push(&segment, shape, 1, &known_head)]
            }
        });
        let second = thread::spawn({
            let segment = segment.clone();
            move || push(&segment, shape, 2, &Cell::new(0))
        });
        let mut taken: Vec<u32> = (0..2).filter_map(|_| take(&segment)).collect();
        let accepted = first.join().unwrap();
        let accepted = [accepted[0], accepted[1], second.join().unwrap()];
        let left = drain(&segment);
        assert!(left.len() as u64 <= shape.limit, "more waited than the limit allows");
        taken.extend(left);
        for chunk in 0..3 {
            let times = taken.iter().filter(|taken| **taken == chunk).count();
            assert_eq!(times, accepted[chunk as usize] as usize, "chunk {chunk} of {accepted:?} in {taken:?}");
            assert_eq!(waits(&segment, chunk), times == 0);
        }
        taken.retain(|chunk| *chunk < 2);
        assert!(taken.is_sorted(), "one sender's messages out of order");
        assert!(push(&segment, shape, 0, &Cell::new(0)), "the empty ring refuses");
    });
}

fn the_limit_is_exact() {
    let shape = Shape::of(2, 3).limited(2);
    explore(ORDINARY, move || {
        let segment = queued(shape);
        let other = thread::spawn({
            let segment = segment.clone();
            move || push(&segment, shape, 0, &Cell::new(0)) as usize
        });
        let known_head = Cell::new(0);
        let mine = push(&segment, shape, 1, &known_head) as usize + push(&segment, shape, 2, &known_head) as usize;
        assert_eq!(mine + other.join().unwrap(), 2, "accepted of three, with room for two");
        assert_eq!(drain(&segment).len(), 2);
    });
}

fn who_sees_the_head_move_finds_room() {
    let shape = Shape::of(0, 2);
    explore(ORDINARY, move || {
        let segment = queued(shape);
        assert!(push(&segment, shape, 0, &Cell::new(0)));
        let taker = thread::spawn({
            let segment = segment.clone();
            move || take(&segment)
        });
        if segment.lane(0).positions().1 == 1 {
            assert!(push(&segment, shape, 1, &Cell::new(0)), "refused, with room");
        }
        assert_eq!(taker.join().unwrap(), Some(0));
    });
}

fn a_dead_sender_is_stepped_over() {
    let shape = Shape::of(1, 2);
    every_death(ORDINARY, move |budget| {
        let segment = queued(shape);
        let dead = thread::spawn({
            let segment = segment.clone();
            move || mortal(Mortal::Victim, budget, || push(&segment, shape, 0, &Cell::new(0)))
        });
        assert!(push(&segment, shape, 1, &Cell::new(0)), "there is room for both");
        let finished = dead.join().unwrap().is_some();
        let taken = drain(&segment);
        assert!(taken.contains(&1) && (taken.contains(&0) || !finished), "{taken:?}");
    });
}

#[test]
fn messages_come_once_and_in_order() {
    two_senders_and_a_taker(Shape::of(1, 3), ORDINARY);
    caught(&["lap-not-compared"], || two_senders_and_a_taker(Shape::of(1, 3), ORDINARY));
}

#[test]
fn no_more_wait_than_the_limit_allows_and_no_fewer() {
    the_limit_is_exact();
    two_senders_and_a_taker(Shape::of(1, 3).limited(1), BRIEF);
    caught(&["limit-checked-once"], the_limit_is_exact);
}

#[test]
fn a_hint_shows_the_slot_as_it_was_left() {
    who_sees_the_head_move_finds_room();
    needs(&[5], who_sees_the_head_move_finds_room);
}

#[test]
fn an_emptied_slot_says_all_by_itself() {
    spares(&[4], || two_senders_and_a_taker(Shape::of(1, 3), BRIEF));
}

#[test]
fn a_sender_that_dies_in_a_push_stops_nobody() {
    a_dead_sender_is_stepped_over();
    caught(&["tail-not-helped"], a_dead_sender_is_stepped_over);
}

/// Who puts scribbled rings right leaves a sound one alone, whatever goes on there.
fn a_ring_at_work_is_left_alone(shape: Shape, rounds: u32) {
    explore(ORDINARY, move || {
        let segment = queued(shape);
        let sender = thread::spawn({
            let segment = segment.clone();
            move || (0..rounds).for_each(|chunk| assert!(push(&segment, shape, chunk, &Cell::new(0)) || chunk > 0))
        });
        let taker = thread::spawn({
            let segment = segment.clone();
            move || (0..rounds).for_each(|_| assert!(take(&segment).is_none_or(|chunk| chunk < rounds)))
        });
        assert!(!segment.lane(0).mend());
        sender.join().unwrap();
        taker.join().unwrap();
        assert!(!segment.lane(0).mend());
    });
}

/// The same when it is more than a lap further on at the second look.
fn a_ring_that_has_moved_on_is_left_alone() {
    let shape = Shape::of(0, 4);
    explore(ORDINARY, move || {
        let segment = queued(shape);
        let other = thread::spawn({
            let segment = segment.clone();
            move || {
                for chunk in 0..4 {
                    push(&segment, shape, chunk, &Cell::new(0));
                    if chunk < 3 {
                        take(&segment);
                    }
                }
            }
        });
        assert!(!segment.lane(0).mend());
        other.join().unwrap();
    });
}

#[test]
fn a_sound_ring_is_not_mended() {
    a_ring_at_work_is_left_alone(Shape::of(0, 2), 2);
    a_ring_at_work_is_left_alone(Shape::of(1, 3), 2);
    a_ring_at_work_is_left_alone(Shape::of(0, 2).ancient(), 2);
    a_ring_that_has_moved_on_is_left_alone();
    needs(&[5], || a_ring_at_work_is_left_alone(Shape::of(0, 2), 2));
}
