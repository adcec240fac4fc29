//! Closing: when a receiver has found a queue sealed and empty, nothing comes into it any more.

use crate::check::{BRIEF, ORDINARY, caught, explore, needs};
use crate::tiny::{Segment, Shape, member};
use loom::thread;
use swarmbus_core::layout::QUEUE_SEALED;
use swarmbus_core::sync::S10;

/// Sends one message; `true` if it was sent.
fn send(segment: &Segment, me: u16, chunk: u32) -> bool {
    match segment.send(member(me), 0, chunk, 7) {
        Ok(()) => true,
        Err(word) => {
            segment.release(swarmbus_core::queue::Claimed::new(chunk, word, 0));
            false
        }
    }
}

/// Receives until the queue is sealed and empty.
fn receive_all(segment: &Segment, me: u16) -> usize {
    let mut received = 0;
    loop {
        received += segment.drain(member(me), 0).len();
        if segment.queue_at(0).seal().unwrap() {
            return received + segment.drain(member(me), 0).len();
        }
        thread::yield_now();
    }
}

fn a_sender_and_a_closer(shape: Shape) {
    explore(ORDINARY, move || {
        let segment = Segment::new(shape.closing());
        let sender = thread::spawn({
            let segment = segment.clone();
            move || send(&segment, 0, 0) as usize
        });
        segment.queue_at(0).set_closed(true);
        let received = receive_all(&segment, 1);
        assert_eq!(sender.join().unwrap(), received, "sent after the end, or lost");
        assert!(!send(&segment, 0, 0), "closed");
        segment.assert_empty();
    });
}

fn two_senders(shape: Shape) {
    explore(BRIEF, move || {
        let segment = Segment::new(shape.closing());
        let senders = [0, 1].map(|index| {
            let segment = segment.clone();
            thread::spawn(move || send(&segment, index, index as u32) as usize)
        });
        segment.queue_at(0).set_closed(true);
        let received = receive_all(&segment, 2);
        let sent: usize = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        assert_eq!(sent, received, "sent after the end, or lost");
        segment.assert_empty();
    });
}

/// A sender is left behind while the queue is sealed, opened and sealed again: it finds a slot burnt for the first time, looks where the tail belongs, and finds it
/// burnt for the second.
fn a_sender_left_behind() {
    explore(BRIEF, || {
        let segment = Segment::new(Shape::of(0, 1).closing());
        let slow = thread::spawn({
            let segment = segment.clone();
            move || send(&segment, 0, 0) as usize
        });
        let queue = segment.queue_at(0);
        queue.set_closed(true);
        let is_sealed = queue.seal().unwrap();
        queue.set_closed(false);
        queue.set_closed(true);
        let received = receive_all(&segment, 1);
        assert_eq!(slow.join().unwrap(), received, "sent after the end, or lost");
        assert!(is_sealed || received == 1, "nothing was in the way");
        segment.assert_empty();
    });
}

/// The queue is closed, opened and closed again, while somebody still seals it for the first time.
fn a_slow_sealer() {
    explore(BRIEF, || {
        let segment = Segment::new(Shape::of(1, 1).closing());
        segment.queue_at(0).set_closed(true);
        let closer = thread::spawn({
            let segment = segment.clone();
            move || {
                segment.queue_at(0).set_closed(false);
                thread::yield_now();
                segment.queue_at(0).set_closed(true);
                thread::yield_now();
                receive_all(&segment, 1)
            }
        });
        let sender = thread::spawn({
            let segment = segment.clone();
            move || send(&segment, 0, 0) as usize
        });
        segment.queue_at(0).seal().unwrap();
        assert_eq!(closer.join().unwrap(), sender.join().unwrap(), "sent after the end, or lost");
        segment.assert_empty();
    });
}

/// Somebody else has sealed the queue: who is told so sees every message that came before.
fn a_queue_that_another_has_sealed() {
    explore(BRIEF, || {
        let segment = Segment::new(Shape::of(1, 1).closing());
        let sender = thread::spawn({
            let segment = segment.clone();
            move || send(&segment, 0, 0) as usize
        });
        let reader = thread::spawn({
            let segment = segment.clone();
            move || {
                // As who comes when it is sealed already.
                let is_sealed = segment.queue_at(0).flags.load(S10.acquire()) & QUEUE_SEALED != 0;
                is_sealed.then(|| segment.drain(member(1), 0).len())
            }
        });
        segment.queue_at(0).set_closed(true);
        segment.queue_at(0).seal().unwrap();
        let (sent, received) = (sender.join().unwrap(), reader.join().unwrap());
        assert!(received.is_none_or(|received| received == sent), "sealed and empty, and a message was there");
    });
}

#[test]
fn nothing_comes_after_a_queue_is_sealed_and_empty() {
    for shape in [Shape::of(0, 1), Shape::of(1, 1), Shape::of(0, 1).ancient()] {
        a_sender_and_a_closer(shape);
    }
    caught(&["closed-looked-at-once"], || a_sender_and_a_closer(Shape::of(1, 1)));
    caught(&["slot-not-burnt"], || a_sender_and_a_closer(Shape::of(1, 1)));
    needs(&[5], || a_sender_and_a_closer(Shape::of(1, 1)));
}

#[test]
fn nothing_comes_after_the_end_from_two_senders() {
    two_senders(Shape::of(0, 2));
}

/// Or it would go on from there, and what it sends come after the end.
#[test]
fn who_finds_a_burnt_slot_sees_that_the_queue_is_closed() {
    a_sender_left_behind();
    needs(&[4], a_sender_left_behind);
}

#[test]
fn a_lane_that_comes_into_being_meanwhile_is_closed_as_well() {
    a_sender_and_a_closer(Shape::of(1, 1).bare());
    caught(&["lanes-only-read"], || a_sender_and_a_closer(Shape::of(1, 1).bare()));
    two_senders(Shape::of(1, 2).bare());
    caught(&["lanes-only-read"], || two_senders(Shape::of(1, 2).bare()));
}

#[test]
fn a_slow_sealer_does_not_seal_the_next_closing() {
    a_slow_sealer();
    caught(&["epoch-not-compared"], a_slow_sealer);
}

#[test]
fn who_is_told_that_a_queue_is_sealed_sees_what_was_sent_before() {
    a_queue_that_another_has_sealed();
    needs(&[10], a_queue_that_another_has_sealed);
}
