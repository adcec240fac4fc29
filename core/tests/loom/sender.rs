//! A sender that dies at any step of a send.

use crate::check::{Mortal, ORDINARY, caught, every_death, mortal};
use crate::tiny::{LANE, Segment, Shape, member};
use loom::thread;
use swarmbus_core::word::{ChunkState, IntentKind};

/// The sender dies; a consumer takes what it finds; a reaper comes; the chunk, once free, is somebody else's.
pub fn a_sender_dies(shape: Shape) {
    every_death(ORDINARY, move |budget| {
        let segment = Segment::new(shape);
        let word = segment.loan(member(1), 0, 7).unwrap();
        let sender = thread::spawn({
            let segment = segment.clone();
            move || {
                let send = || segment.publish(member(1), (0, LANE), IntentKind::Send, (0, word)).unwrap();
                mortal(Mortal::Victim, budget, send).is_some()
            }
        });
        let consumer = thread::spawn({
            let segment = segment.clone();
            move || Vec::from_iter(segment.receive(member(2), 0))
        });
        let sent = sender.join().unwrap();
        segment.reap(member(3), &[member(1)]);
        let reused = segment.loan(member(4), 0, 8);
        let early = consumer.join().unwrap();
        if let Some(reused) = reused {
            assert_eq!((segment.word(0), segment.read(0)), (reused, 8), "a chunk with two owners");
            assert_eq!(segment.references(0, 0), 0, "a slot left behind");
        }
        let received = [early, segment.drain(member(2), 0)].concat();
        assert!(received.is_empty() && !sent || received == [7], "sent: {sent}, received: {received:?}");
        if reused.is_none() {
            assert_eq!(segment.word(0).state(), ChunkState::Free, "the chunk leaked");
            segment.assert_empty();
        }
    });
}

#[test]
fn a_dead_senders_message_is_delivered_or_its_chunk_is_free() {
    a_sender_dies(Shape::of(0, 1));
    let model = || a_sender_dies(Shape::of(0, 1));
    caught(&["slots-not-searched"], model);
    caught(&["word-before-intent"], model);
}
