//! Batches: a sender, a taker and reapers that die at any step.

use crate::check::{BRIEF, Mortal, ORDINARY, caught, every_death, every_death_of_two, mortal, needs};
use crate::tiny::{LANE, Segment, Shape, member};
use loom::thread;
use swarmbus_core::queue::{Claimed, Route};
use swarmbus_core::recover::Reaper;
use swarmbus_core::word::{ChunkState, ChunkWord};

/// Claims chunks 0 to `count` - 1 and sends them as one batch.
fn send(segment: &Segment, count: u32) -> Result<(), ChunkWord> {
    let mut held = (0..count).map(|chunk| (chunk, segment.loan(member(0), chunk, chunk as u64).expect("it is free")));
    let first = held.next().expect("a batch has a first message");
    segment.publish_by(member(0), 0, Route::send(LANE), first, &mut held.collect::<Vec<_>>())
}

/// Receives every message of the queue: each is released when the one that hangs on it is claimed.
fn drain(segment: &Segment, me: u16) -> Vec<u64> {
    let mut received = Vec::new();
    while let Some(first) = segment.take(member(me), 0) {
        receive_all(segment, me, first, |value| received.push(value));
    }
    received
}

fn receive_all(segment: &Segment, me: u16, first: Claimed, mut see: impl FnMut(u64)) {
    let mut next = Some(first);
    while let Some(one) = next {
        next = segment.unlink(member(me), one);
        see(segment.read(one.chunk()));
        segment.release(one);
    }
}

fn a_sender_dies() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(0, 3));
        let taker = thread::spawn({
            let segment = segment.clone();
            move || drain(&segment, 1)
        });
        let sent = mortal(Mortal::Victim, budget, || send(&segment, 3).expect("there is room")).is_some();
        segment.reap(member(2), &[member(0)]);
        let received = [taker.join().unwrap(), drain(&segment, 1)].concat();
        assert!(received == [0, 1, 2] || received.is_empty() && !sent, "{received:?}, sent: {sent}");
        segment.assert_empty();
    });
}

/// The queue is full: the batch is refused and may be sent again.
fn a_refused_sender_dies() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(0, 4));
        segment.send(member(1), 0, 3, 3).unwrap();
        let refused = mortal(Mortal::Victim, budget, || send(&segment, 3).expect_err("there is no room"));
        assert_eq!(drain(&segment, 1), [3]);
        if refused.is_some() {
            assert!(
                (0..3).all(|chunk| segment.word(chunk).is(ChunkState::Held, member(0))),
                "it is the sender's as before"
            );
        }
        segment.reap(member(2), &[member(0)]);
        segment.assert_empty();
    });
}

fn a_taker_dies() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(1, 3));
        send(&segment, 3).unwrap();
        let taker = thread::spawn({
            let segment = segment.clone();
            move || {
                let acknowledged = std::cell::RefCell::new(Vec::new());
                mortal(Mortal::Victim, budget, || {
                    let first = segment.take(member(1), 0)?;
                    receive_all(&segment, 1, first, |value| acknowledged.borrow_mut().push(value));
                    Some(())
                });
                acknowledged.into_inner()
            }
        });
        let other = drain(&segment, 2);
        let mut seen = taker.join().unwrap();
        segment.reap(member(3), &[member(1)]);
        // The last one that the taker saw it may not have released: that one comes again.
        let again = drain(&segment, 2);
        if seen.last().is_some_and(|last| again.contains(last)) {
            seen.pop();
        }
        let mut received = [seen, other, again].concat();
        received.sort_unstable();
        assert_eq!(received, [0, 1, 2]);
        segment.assert_empty();
    });
}

fn a_reaper_dies() {
    every_death_of_two(BRIEF, |victim, reaper| {
        let segment = Segment::new(Shape::of(0, 3));
        let sent = mortal(Mortal::Victim, victim, || send(&segment, 3).unwrap()).is_some();
        if mortal(Mortal::Reaper, reaper, || segment.reap(member(3), &[member(0)])).is_none() {
            segment.reap(member(4), &[member(0), member(3)]);
        }
        let received = drain(&segment, 1);
        assert!(received == [0, 1, 2] || received.is_empty() && !sent, "{received:?}, sent: {sent}");
        segment.assert_empty();
    });
}

/// A member claims both chunks, and sends 7 and 8 in them as a batch of its own if it gets both. Returns what it sent.
fn send_if_both_are_free(segment: &Segment) -> Vec<u64> {
    let held = [0, 1].map(|chunk| (chunk, segment.loan(member(5), chunk, 7 + chunk as u64)));
    if let [(_, Some(one)), (_, Some(two))] = held {
        segment.publish_by(member(5), 0, Route::send(LANE), (0, one), &mut [(1, two)]).expect("there is room");
        return vec![7, 8];
    }
    for (chunk, word) in held {
        word.map(|word| segment.release(Claimed::new(chunk, word, LANE)));
    }
    vec![]
}

/// Two reapers of a dead sender, and a member that claims the chunks as they get free and sends them as a batch of its own.
fn a_reaper_is_late() {
    every_death(BRIEF, |budget| {
        let segment = Segment::new(Shape::of(1, 2));
        let sent = mortal(Mortal::Victim, budget, || send(&segment, 2).unwrap()).is_some();
        let late = thread::spawn({
            let segment = segment.clone();
            move || segment.reap(member(3), &[member(0)])
        });
        segment.reap(member(4), &[member(0)]);
        let first = drain(&segment, 1);
        let mut expected = if first.is_empty() && !sent { vec![] } else { vec![0, 1] };
        expected.extend(send_if_both_are_free(&segment));
        late.join().unwrap();
        assert_eq!([first, drain(&segment, 1)].concat(), expected);
        segment.assert_empty();
    });
}

/// A link that was left behind in a header leads nowhere.
fn an_old_link() {
    crate::check::explore(ORDINARY, || {
        let segment = Segment::new(Shape::of(0, 2));
        send(&segment, 2).unwrap();
        let first = segment.take(member(1), 0).unwrap();
        let second = segment.unlink(member(1), first).unwrap();
        segment.release(second);
        let loan = segment.loan(member(2), 1, 9).unwrap();
        assert_eq!(segment.unlink(member(1), first), None, "stolen");
        segment.publish(member(2), (0, LANE), swarmbus_core::word::IntentKind::Send, (1, loan)).unwrap();
        assert_eq!(segment.unlink(member(1), first), None, "stolen");
        segment.release(first);
        assert_eq!(drain(&segment, 1), [9]);
        segment.assert_empty();
    });
}

#[test]
fn a_dead_senders_batch_arrives_whole_or_not_at_all() {
    a_sender_dies();
    caught(&["rest-forgotten"], a_sender_dies);
    caught(&["slots-not-searched"], a_sender_dies);
    needs(&[1], a_sender_dies);
}

#[test]
fn a_refused_batch_is_its_senders() {
    a_refused_sender_dies();
    caught(&["rest-forgotten"], a_refused_sender_dies);
}

#[test]
fn what_hangs_on_a_dead_takers_message_comes_back_with_it() {
    a_taker_dies();
    caught(&["claim-not-compared"], a_taker_dies);
}

#[test]
fn a_reaper_may_die_while_it_frees_a_batch() {
    a_reaper_dies();
    caught(&["first-of-rest-first"], a_reaper_dies);
}

#[test]
fn a_reaper_that_comes_late_spares_the_next_batch_of_the_same_chunks() {
    a_reaper_is_late();
    caught(&["judged-word-not-compared"], a_reaper_is_late);
}

#[test]
fn an_old_link_leads_nowhere() {
    an_old_link();
    caught(&["link-not-compared"], an_old_link);
}

/// The sender dies before it has told anybody. A reaper comes late: another has freed the batch, and a third member, which has no fence behind what it
/// claimed, sends one of its own in the same chunks. The link of that one is none that the late reaper may follow.
fn a_late_reaper_meets_the_next_batch() {
    crate::check::explore(ORDINARY, || {
        let segment = Segment::new(Shape::of(1, 2));
        // All but the slot.
        assert!(mortal(Mortal::Victim, 10, || send(&segment, 2).unwrap()).is_none());
        assert!(segment.word(0).state() == ChunkState::Queued && segment.references(0, 0) == 0);
        let find = |segment: &Segment, me| {
            Reaper::new(segment, member(me), segment.notes_of(member(me))).intent(segment.notes_of(member(0)), || true);
        };
        let late = thread::spawn({
            let segment = segment.clone();
            move || find(&segment, 3)
        });
        find(&segment, 4);
        let expected = send_if_both_are_free(&segment);
        late.join().unwrap();
        assert_eq!(drain(&segment, 1), expected, "freed by the late reaper");
        segment.assert_empty();
    });
}

#[test]
fn a_late_reaper_follows_no_link_of_the_next_batch() {
    a_late_reaper_meets_the_next_batch();
    needs(&[3], a_late_reaper_meets_the_next_batch);
}
