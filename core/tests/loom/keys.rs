//! Messages with one key: of a sender that dies at any step and its successor, of two senders at once, exactly one is delivered.

use crate::check::{Mortal, ORDINARY, caught, every_death, every_death_of_two, explore, mortal, needs};
use crate::tiny::{Segment, Shape, member, queue};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use swarmbus_core::keys::Keyed;
use swarmbus_core::memory::Memory;
use swarmbus_core::recover::Reaper;
use swarmbus_core::word::{ChunkWord, RecordState, RecordWord};

const KEY: u64 = 9;
const SHAPE: Shape = Shape::of(0, 2).keyed();

/// A segment whose first sender has sent something before, so that its intent speaks of that; and a message of its, to be sent.
fn sent_before() -> (Arc<Segment>, ChunkWord) {
    let segment = Segment::new(SHAPE);
    segment.send(member(1), 0, 1, 6).unwrap();
    assert_eq!(segment.receive(member(2), 0), Some(6));
    let word = segment.loan(member(1), 0, 7).unwrap();
    (segment, word)
}

/// The successor sends with the same key. Of both messages exactly one is there; what is left is bare.
fn send_again(segment: &Segment, mut received: Vec<u64>) {
    received.extend(segment.drain(member(2), 0));
    let word = segment.loan(member(4), 1, 8).unwrap();
    match segment.publish_keyed(member(4), 0, KEY, (1, word)) {
        Keyed::Sent => {}
        Keyed::Duplicate => segment.free(1, word),
        other => panic!("the successor is stuck: {other:?}"),
    }
    received.extend(segment.drain(member(2), 0));
    assert!(received == [7] || received == [8], "{received:?}");
    segment.assert_empty();
}

fn dies(segment: &Arc<Segment>, word: ChunkWord, budget: u32) -> thread::JoinHandle<()> {
    let segment = segment.clone();
    thread::spawn(move || {
        let send = || segment.publish_keyed(member(1), 0, KEY, (0, word));
        if let Some(Keyed::Refused(refused)) = mortal(Mortal::Victim, budget, send) {
            // It tells its caller, and leaves.
            segment.free(0, refused.word);
        }
    })
}

/// Beside a consumer, who may take and release the message while the reaper judges it.
fn a_sender_dies() {
    every_death(ORDINARY, |budget| {
        let (segment, word) = sent_before();
        dies(&segment, word, budget).join().unwrap();
        let consumer = thread::spawn({
            let segment = segment.clone();
            move || Vec::from_iter(segment.receive(member(2), 0))
        });
        segment.reap(member(3), &[member(1)]);
        let received = consumer.join().unwrap();
        send_again(&segment, received);
    });
}

#[test]
fn a_dead_senders_key_is_remembered_if_its_message_was_sent() {
    a_sender_dies();
    caught(&["key-before-message"], a_sender_dies);
    caught(&["intent-not-cleared"], a_sender_dies);
    caught(&["no-second-look-at-message"], a_sender_dies);
}

#[test]
fn a_sender_that_dies_of_a_refusal_has_sent_nothing() {
    let model = || {
        every_death(ORDINARY, |budget| {
            let (segment, word) = sent_before();
            segment.send(member(5), 0, 1, 5).unwrap();
            dies(&segment, word, budget).join().unwrap();
            assert_eq!(segment.receive(member(2), 0), Some(5));
            segment.reap(member(3), &[member(1)]);
            send_again(&segment, Vec::new());
        });
    };
    model();
    caught(&["refusal-not-known"], model);
}

fn sender_and_reaper_die() {
    every_death_of_two(ORDINARY, |victim, reaper| {
        let (segment, word) = sent_before();
        dies(&segment, word, victim).join().unwrap();
        thread::spawn({
            let segment = segment.clone();
            move || mortal(Mortal::Reaper, reaper, || segment.reap(member(3), &[member(1)])).is_some()
        })
        .join()
        .unwrap();
        segment.reap(member(5), &[member(1), member(3)]);
        send_again(&segment, Vec::new());
    });
}

#[test]
fn the_next_reaper_decides_as_the_dead_one_did() {
    sender_and_reaper_die();
    caught(&["stripe-after-chunk"], sender_and_reaper_die);
}

fn two_reapers() {
    every_death(ORDINARY, |budget| {
        let (segment, word) = sent_before();
        dies(&segment, word, budget).join().unwrap();
        let other = thread::spawn({
            let segment = segment.clone();
            move || segment.reap(member(5), &[member(1)])
        });
        segment.reap(member(3), &[member(1)]);
        other.join().unwrap();
        send_again(&segment, Vec::new());
    });
}

#[test]
fn two_reapers_decide_alike() {
    two_reapers();
    caught(&["no-second-look-at-stripe"], two_reapers);
}

fn two_senders() {
    explore(ORDINARY, || {
        let segment = Segment::new(Shape::of(1, 2).keyed());
        let send = |sender: u16| {
            let segment = segment.clone();
            let word = segment.loan(member(sender), sender as u32, 7).unwrap();
            move || segment.publish_keyed(member(sender), 0, KEY, (sender as u32, word))
        };
        let (first, second) = (send(0), send(1));
        let first = thread::spawn(first);
        let results = [second(), first.join().unwrap()];
        let sent = results.iter().filter(|result| **result == Keyed::Sent).count();
        assert_eq!(sent, 1, "{results:?}");
        for (chunk, result) in [(1, &results[0]), (0, &results[1])] {
            let taken = matches!(result, Keyed::Taken(_));
            assert!(taken || matches!(result, Keyed::Sent | Keyed::Duplicate), "{results:?}");
            if taken {
                let again = segment.publish_keyed(member(chunk), 0, KEY, (chunk as u32, segment.word(chunk as u32)));
                assert_eq!(again, Keyed::Duplicate, "once the other is done");
            }
        }
        let received = [segment.receive(member(2), 0), segment.receive(member(2), 0)];
        assert_eq!(received, [Some(7), None]);
    });
}

#[test]
fn one_of_two_senders_succeeds() {
    two_senders();
    needs(&[9], two_senders);
}

/// A sender that dies beside another, who finds its stripe taken until it is reaped.
fn a_sender_dies_beside_another() {
    every_death(ORDINARY, |budget| {
        let (segment, word) = sent_before();
        let victim = dies(&segment, word, budget);
        let other = segment.loan(member(4), 1, 8).unwrap();
        let early = segment.publish_keyed(member(4), 0, KEY, (1, other));
        victim.join().unwrap();
        segment.reap(member(3), &[member(1)]);
        let mut received = Vec::from_iter(segment.receive(member(2), 0));
        let held = match early {
            Keyed::Sent => return assert_eq!(received, [8]),
            Keyed::Duplicate => return assert_eq!(received, [7]),
            Keyed::Refused(refused) => refused.word,
            Keyed::Taken(holder) => {
                assert_eq!(holder, member(1));
                other
            }
        };
        let late = segment.publish_keyed(member(4), 0, KEY, (1, held));
        received.extend(segment.drain(member(2), 0));
        let expected = if late == Keyed::Sent { [8] } else { [7] };
        assert_eq!(received, expected, "{late:?}");
    });
}

#[test]
fn a_dead_sender_and_a_living_one_send_once() {
    a_sender_dies_beside_another();
}

/// Two reap a sender that died with a stripe, and each then sends with the same key. One is slow to give up the stripe: it spares who has it by then.
fn two_reapers_send() {
    explore(ORDINARY, || {
        let (segment, dead) = (Segment::new(Shape::of(1, 2).keyed()), member(2));
        let key_notes = segment.key_notes_of(dead).unwrap();
        key_notes.key.store(KEY, Relaxed);
        key_notes.keyed_in.store(queue(0).bits() + 1, Relaxed);
        let stripe = &segment.keys(queue(0)).unwrap().stripes[0];
        stripe.store(RecordWord::new(1, dead, RecordState::Live).0, Relaxed);
        let reap_and_send = |me: u16| {
            let segment = segment.clone();
            let word = segment.loan(member(me), me as u32, 7).unwrap();
            move || {
                let reaper = Reaper::new(&*segment, member(me), segment.notes_of(member(me)));
                reaper.stripe(dead, segment.notes_of(dead), segment.key_notes_of(dead).unwrap(), || true);
                segment.publish_keyed(member(me), 0, KEY, (me as u32, word))
            }
        };
        let (first, second) = (thread::spawn(reap_and_send(0)), reap_and_send(1));
        let results = [second(), first.join().unwrap()];
        assert!(results.iter().filter(|result| **result == Keyed::Sent).count() < 2, "two with one key were sent");
    });
}

#[test]
fn a_slow_reaper_does_not_give_up_the_stripe_of_another() {
    two_reapers_send();
}
