//! Chunks from one life to the next, while somebody still looks at the life before.

use crate::check::{BRIEF, ORDINARY, caught, explore, needs};
use crate::tiny::{Segment, Shape, member};
use loom::thread;

fn a_reader_is_done_before_the_next_writer() {
    explore(ORDINARY, || {
        let segment = Segment::new(Shape::of(0, 1));
        segment.send(member(0), 0, 0, 7).unwrap();
        let reader = thread::spawn({
            let segment = segment.clone();
            move || assert_eq!(segment.receive(member(1), 0), Some(7))
        });
        let mine = segment.loan(member(2), 0, 8);
        reader.join().unwrap();
        if mine.is_none() {
            assert!(segment.loan(member(2), 0, 8).is_some(), "a released chunk is free");
        }
        assert_eq!(segment.read(0), 8);
    });
}

/// Who has released a chunk goes on to the next one, while somebody else claims the first: that is the next owner's from then on.
fn two_are_released() {
    explore(BRIEF, || {
        let segment = Segment::new(Shape::of(0, 2));
        let [first, second] = [0, 1].map(|chunk| segment.loan(member(1), chunk, 7).unwrap());
        let next = thread::spawn({
            let segment = segment.clone();
            move || segment.loan(member(2), 0, 8)
        });
        segment.free(0, first);
        segment.free(1, second);
        if let Some(word) = next.join().unwrap() {
            assert_eq!(segment.word(0), word, "taken from its next owner");
        }
    });
}

/// A member dies with a chunk that it has written; who claims what the reaper frees has the kernel's word from the reaper alone.
fn a_dead_writer_is_done_before_the_next() {
    explore(ORDINARY, || {
        let segment = Segment::new(Shape::of(0, 1));
        let dead = thread::spawn({
            let segment = segment.clone();
            move || segment.loan(member(1), 0, 7).map(|_| ())
        });
        let next = thread::spawn({
            let segment = segment.clone();
            move || segment.loan(member(2), 0, 8).map(|word| segment.free(0, word))
        });
        dead.join().unwrap();
        segment.reap(member(3), &[member(1)]);
        next.join().unwrap();
        segment.assert_empty();
    });
}

/// One member takes and releases, claims the same chunk and sends it to queue `to`, while another is in the midst of taking it
/// from queue 0.
pub fn reuse(to: u16, shape: Shape) {
    explore(ORDINARY, move || {
        let segment = Segment::new(shape);
        segment.send(member(0), 0, 0, 7).unwrap();
        let slow = thread::spawn({
            let segment = segment.clone();
            move || segment.receive(member(1), 0)
        });
        let mine = segment.receive(member(2), 0);
        let mut expected = vec![7];
        if mine.is_some() {
            segment.send(member(2), to, 0, 8).expect("the queue is empty");
            expected.push(8);
        }
        let mut all: Vec<u64> = mine.into_iter().chain(slow.join().unwrap()).collect();
        let here = segment.drain(member(3), 0);
        let there = segment.drain(member(3), 1);
        if to == 1 && expected.len() == 2 {
            assert_eq!((&all[..], there.as_slice()), (&[7][..], &[8][..]), "stolen from the other queue, or lost");
        }
        all.extend(here);
        all.extend(there);
        all.sort_unstable();
        assert_eq!(all, expected);
        segment.assert_empty();
    });
}

/// One member takes and releases, and sends the same chunk again, while another takes: by the chunk's own slot, and empties that (I4). Were it by the slot of
/// the life before, the other one would stay and speak of what the chunk is used for next.
fn a_chunk_is_sent_again() {
    explore(BRIEF, || {
        let segment = Segment::new(Shape::of(1, 1));
        segment.send(member(0), 0, 0, 7).unwrap();
        let slow = thread::spawn({
            let segment = segment.clone();
            move || segment.take(member(1), 0)
        });
        if segment.receive(member(2), 0).is_some() {
            segment.send(member(2), 0, 0, 8).expect("the queue is empty");
        }
        if slow.join().unwrap().is_some() {
            assert_eq!(segment.references(0, 0), 0, "a slot speaks of a chunk that was claimed");
        }
    });
}

#[test]
fn who_claims_a_chunk_empties_its_slot() {
    a_chunk_is_sent_again();
    needs(&[3], a_chunk_is_sent_again);
}

#[test]
fn a_chunk_is_written_only_after_its_last_reader_is_done() {
    a_reader_is_done_before_the_next_writer();
    needs(&[2], a_reader_is_done_before_the_next_writer);
}

#[test]
fn a_released_chunk_is_its_next_owners() {
    two_are_released();
}

#[test]
fn a_dead_members_chunk_is_written_only_after_its_last_write() {
    a_dead_writer_is_done_before_the_next();
    needs(&[2], a_dead_writer_is_done_before_the_next);
}

#[test]
fn a_slow_taker_does_not_take_the_next_life_by_the_slot_of_the_last() {
    for shape in [Shape::of(0, 1), Shape::of(1, 1)] {
        reuse(0, shape);
        reuse(1, shape);
    }
    needs(&[3], || reuse(0, Shape::of(1, 1)));
    // Each of these two looks covers for the other.
    caught(&["no-second-look-at-slot", "queue-not-compared"], || reuse(1, Shape::of(1, 1)));
    caught(&["claimer-does-not-empty"], || reuse(0, Shape::of(0, 1)));
}
