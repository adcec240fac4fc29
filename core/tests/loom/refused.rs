//! A full queue: the chunk goes back to its owner, and nobody takes it for sent.

use crate::check::{Mortal, ORDINARY, caught, every_death, mortal};
use crate::tiny::{LANE, Segment, Shape, member, together};
use loom::thread;
use swarmbus_core::word::{ChunkState, IntentKind};

fn a_refused_send() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(0, 2));
        segment.send(member(0), 0, 0, 7).unwrap();
        let word = segment.loan(member(1), 1, 8).unwrap();
        let sender = thread::spawn({
            let segment = segment.clone();
            move || {
                let send = || segment.publish(member(1), (0, LANE), IntentKind::Send, (1, word));
                let sent = mortal(Mortal::Victim, budget, send);
                if let Some(Err(back)) = sent {
                    assert!(back.is(ChunkState::Held, member(1)) && back.generation() != word.generation());
                    assert_eq!(segment.word(1), back, "the chunk is the sender's, as before");
                    segment.write(1, 9);
                }
                sent
            }
        });
        let early = thread::spawn({
            let segment = segment.clone();
            move || Vec::from_iter(segment.receive(member(2), 0))
        });
        let sent = sender.join().unwrap();
        segment.reap(member(3), &[member(1)]);
        let received = together(early.join().unwrap(), segment.drain(member(2), 0));
        match sent {
            Some(Ok(())) => assert_eq!(received, [7, 8]),
            Some(Err(_)) => assert_eq!(received, [7]),
            None => assert!(received == [7] || received == [7, 8]),
        }
        segment.assert_empty();
    });
}

/// A forward to a full queue is refused: the message is still at home in the queue it came from.
fn a_refused_forward() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(0, 2));
        segment.send(member(0), 0, 0, 7).unwrap();
        segment.send(member(0), 1, 1, 8).unwrap();
        let claimed = segment.take(member(1), 0).unwrap();
        let forwarder = thread::spawn({
            let segment = segment.clone();
            move || {
                let chunk = (claimed.chunk(), claimed.word);
                let forward = || segment.publish(member(1), (1, LANE), IntentKind::Move, chunk);
                mortal(Mortal::Victim, budget, forward)
            }
        });
        let early = thread::spawn({
            let segment = segment.clone();
            move || Vec::from_iter(segment.receive(member(2), 1))
        });
        let forwarded = forwarder.join().unwrap();
        segment.reap(member(3), &[member(1)]);
        let there = together(early.join().unwrap(), segment.drain(member(2), 1));
        let here = segment.drain(member(2), 0);
        match forwarded {
            Some(Ok(())) => assert_eq!((&here[..], &there[..]), (&[][..], &[7, 8][..])),
            Some(Err(_)) => assert_eq!((&here[..], &there[..]), (&[7][..], &[8][..])),
            None => assert_eq!(together(here, there), [7, 8]),
        }
        segment.assert_empty();
    });
}

#[test]
fn a_refused_send_leaves_the_chunk_to_the_sender() {
    a_refused_send();
    caught(&["word-before-intent"], a_refused_send);
}

#[test]
fn a_refused_forward_leaves_the_message_where_it_was() {
    a_refused_forward();
    caught(&["refused-forward-moves-home"], a_refused_forward);
}
