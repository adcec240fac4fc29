//! Sleeping and waking: nobody sleeps for ever. A model has no clock, so a wake that is missed is a deadlock, which loom reports.

use crate::check::{BRIEF, Mortal, ORDINARY, caught, every_death, explore, mortal};
use crate::tiny::{LANE, Segment, Shape, member, queue};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::time::Duration;
use swarmbus_core::queue::{Queue, note_wake};
use swarmbus_core::sync::{WakeWord, Word};
use swarmbus_core::wait::{self, Ticket};
use swarmbus_core::word::IntentKind;

/// A blind clear of the sleepers' bit needs that many preemptions to show.
const FAR: usize = 5;

/// A ring that does not compare with the word that it saw needs that many.
const MORE: usize = 3;

/// Waits as members do: announces, looks once more, sleeps.
fn wait_until<T>(word: &WakeWord, look: impl FnMut() -> Option<T>) -> T {
    wait_by(wait::announce, word, look)
}

fn wait_by<T>(announce: fn(&WakeWord) -> Ticket, word: &WakeWord, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        let ticket = announce(word);
        if let Some(found) = look() {
            return found;
        }
        wait::sleep(word, ticket, Duration::MAX);
    }
}

/// Takes one of `messages`, the smallest queue there is, if there is one.
fn try_take(messages: &Word) -> Option<()> {
    let mut seen = messages.load(Acquire);
    while seen > 0 {
        match messages.compare_exchange(seen, seen - 1, AcqRel) {
            Ok(_) => return Some(()),
            Err(now) => seen = now,
        }
    }
    None
}

/// Waits for one of `messages`, and takes it.
fn take_one(messages: &Word, items: &WakeWord) {
    wait_until(items, || try_take(messages));
}

/// That queue, and the word on which to wait for its messages.
struct Count {
    messages: Word,
    items: WakeWord,
}

impl Count {
    fn new() -> Arc<Count> {
        Arc::new(Count { messages: Word::new(0), items: WakeWord::new(0) })
    }

    fn send(&self) {
        self.messages.fetch_add(1, AcqRel);
        wait::ring(&self.items, 1);
    }

    fn send_to_group(&self, group: &WakeWord) {
        self.messages.fetch_add(1, AcqRel);
        wait::ring_with_group(&self.items, 1, group);
    }

    fn receive(&self) {
        take_one(&self.messages, &self.items);
    }
}

fn a_sender_and_a_receiver() {
    explore(FAR, || {
        let count = Count::new();
        let receiver = thread::spawn({
            let count = count.clone();
            move || count.receive()
        });
        count.send();
        receiver.join().unwrap();
    });
}

/// While the first wake is under way, the receiver goes back to sleep: what that wake does last must not undo its announcement.
fn a_receiver_of_two_messages() {
    explore(FAR, || {
        let count = Count::new();
        let receiver = thread::spawn({
            let count = count.clone();
            move || {
                count.receive();
                count.receive();
            }
        });
        count.send();
        count.send();
        receiver.join().unwrap();
    });
}

/// Somebody has announced itself and left, so the first ring wakes nobody. While it is under way the receiver, who was awake, takes the first message and
/// announces itself for the second: that must not be undone, nor taken for the ring's own word.
fn a_receiver_who_was_awake() {
    explore(MORE, || {
        let count = Count::new();
        wait::announce(&count.items);
        let receiver = thread::spawn({
            let count = count.clone();
            move || {
                if try_take(&count.messages).is_none() {
                    count.receive();
                }
                count.receive();
            }
        });
        count.send();
        count.send();
        receiver.join().unwrap();
    });
}

fn two_sleepers_and_two_messages() {
    explore(ORDINARY, || {
        let count = Count::new();
        let receivers = [(); 2].map(|()| {
            let count = count.clone();
            thread::spawn(move || count.receive())
        });
        count.send();
        count.send();
        for receiver in receivers {
            receiver.join().unwrap();
        }
    });
}

/// Who rings for everybody is slow. Since it looked at the word, another one has rung, announced itself, looked in vain and is about to sleep, and the message
/// came and was rung for: the announced word must not come back, or the other one sleeps on it.
fn a_slow_ringer(ring: fn(&WakeWord)) {
    explore(ORDINARY, move || {
        let count = Count::new();
        wait::announce_to_all(&count.items);
        let sleeper = thread::spawn({
            let count = count.clone();
            move || {
                wait::ring_all(&count.items);
                wait_by(wait::announce_to_all, &count.items, || try_take(&count.messages));
            }
        });
        let sender = thread::spawn({
            let count = count.clone();
            move || {
                count.messages.fetch_add(1, AcqRel);
                wait::ring_all(&count.items);
            }
        });
        ring(&count.items);
        // Then it announces itself, and has no need to sleep.
        wait::announce_to_all(&count.items);
        sleeper.join().unwrap();
        sender.join().unwrap();
    });
}

/// A sleeper on the word of the queue beside one on the word of its group, a message for each.
fn a_sleeper_and_a_group_sleeper() {
    explore(ORDINARY, || {
        let (count, group) = (Count::new(), Arc::new(WakeWord::new(0)));
        let direct = thread::spawn({
            let count = count.clone();
            move || count.receive()
        });
        let grouped = thread::spawn({
            let (count, group) = (count.clone(), group.clone());
            move || take_one(&count.messages, &group)
        });
        count.send_to_group(&group);
        count.send_to_group(&group);
        direct.join().unwrap();
        grouped.join().unwrap();
    });
}

/// Two queues of one group, and one who sleeps for each of them: a wake for the one is of no use to the other.
fn two_group_sleepers() {
    explore(ORDINARY, || {
        let (counts, group) = ([Count::new(), Count::new()], Arc::new(WakeWord::new(0)));
        let sleepers = counts.clone().map(|count| {
            let group = group.clone();
            thread::spawn(move || take_one(&count.messages, &group))
        });
        for count in &counts {
            count.send_to_group(&group);
        }
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
    });
}

fn receive(segment: &Segment, me: u16) -> u64 {
    wait_until(segment.queue_at(0).items, || segment.receive(member(me), 0))
}

fn a_queue_wakes_its_receiver() {
    explore(ORDINARY, || {
        let segment = Segment::new(Shape::of(0, 1));
        let receiver = thread::spawn({
            let segment = segment.clone();
            move || assert_eq!(receive(&segment, 1), 7)
        });
        segment.send(member(0), 0, 0, 7).unwrap();
        wait::ring(segment.queue_at(0).items, 1);
        receiver.join().unwrap();
        segment.assert_empty();
    });
}

/// Sends chunk 1, and waits for room as long as there is none.
fn send_patiently(segment: &Segment, me: u16, value: u64) {
    let mut word = segment.loan(member(me), 1, value).unwrap();
    wait_until(segment.lane(0).room(), || {
        segment.publish(member(me), (0, LANE), IntentKind::Send, (1, word)).map_err(|back| word = back).ok()
    });
}

/// Receives, and wakes who waits for room.
fn receive_and_make_room(segment: &Segment, me: u16) {
    assert_eq!(segment.receive(member(me), 0), Some(7));
    let lane = segment.lane(0);
    wait::ring_if(lane.room(), 1, || lane.is_time_for_senders(1));
}

fn a_full_queue_wakes_its_sender() {
    explore(ORDINARY, || {
        let segment = Segment::new(Shape::of(0, 2));
        segment.send(member(0), 0, 0, 7).unwrap();
        let sender = thread::spawn({
            let segment = segment.clone();
            move || send_patiently(&segment, 1, 8)
        });
        receive_and_make_room(&segment, 2);
        sender.join().unwrap();
        assert_eq!(segment.drain(member(2), 0), [8]);
        segment.assert_empty();
    });
}

/// The sender dies, perhaps between its message and the wake that it owed, to who sleeps on the queue or on its group; the reaper pays.
fn a_dead_sender_owes_a_wake(word: impl Fn(Queue<'_>) -> &WakeWord + Copy + Send + Sync + 'static) {
    every_death(ORDINARY, move |budget| {
        let segment = Segment::new(Shape::of(0, 2));
        let receiver = thread::spawn({
            let segment = segment.clone();
            move || wait_until(word(segment.queue_at(0)), || segment.receive(member(1), 0))
        });
        let send = || {
            segment.send(member(0), 0, 0, 7).unwrap();
            segment.queue_at(0).ring_items(1);
        };
        let sent = mortal(Mortal::Victim, budget, send).is_some();
        let was_sent = sent || segment.references(0, 0) == 1;
        segment.reap(member(2), &[member(0)]);
        if !was_sent {
            // Nothing was sent, or it is received already: one more for the receiver, who may have left.
            segment.send(member(3), 0, 1, 8).unwrap();
            segment.queue_at(0).ring_items(1);
        }
        let received = receiver.join().unwrap();
        assert!(received == 7 || !sent);
        segment.drain(member(2), 0);
        segment.assert_empty();
    });
}

/// A receiver dies, perhaps after a wake that was meant for the queue and before it took anything; the reaper passes the wake on.
fn a_dead_receiver_swallows_a_wake() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(0, 0));
        let messages = Arc::new(Word::new(0));
        let send = |segment: &Segment, messages: &Word| {
            messages.fetch_add(1, AcqRel);
            wait::ring(segment.queue_at(0).items, 1);
        };
        let mortal_one = thread::spawn({
            let (segment, messages) = (segment.clone(), messages.clone());
            move || {
                note_wake(&segment.notes_of(member(1)).waits_on, queue(0));
                mortal(Mortal::Victim, budget, || take_one(&messages, segment.queue_at(0).items))
            }
        });
        let other = thread::spawn({
            let (segment, messages) = (segment.clone(), messages.clone());
            move || {
                take_one(&messages, segment.queue_at(0).items);
                // One for the mortal receiver, should it still wait.
                send(&segment, &messages);
            }
        });
        send(&segment, &messages);
        if mortal_one.join().unwrap().is_none() {
            segment.reap(member(3), &[member(1)]);
        } else {
            // One for the other, should it still wait.
            send(&segment, &messages);
        }
        other.join().unwrap();
    });
}

/// A taker dies, perhaps between its claim, which makes room, and the wake that it owes to who waits for that; the reaper pays.
fn a_dead_taker_owes_a_wake_for_room() {
    every_death(BRIEF, |budget| {
        let segment = Segment::new(Shape::of(0, 2));
        segment.send(member(0), 0, 0, 7).unwrap();
        let sender = thread::spawn({
            let segment = segment.clone();
            move || send_patiently(&segment, 1, 8)
        });
        let waiting = segment.word(0);
        let taken = mortal(Mortal::Victim, budget, || receive_and_make_room(&segment, 2));
        let was_claimed = segment.word(0) != waiting;
        if taken.is_none() {
            segment.reap(member(3), &[member(2)]);
        }
        if !was_claimed {
            receive_and_make_room(&segment, 3);
        }
        sender.join().unwrap();
        let received = segment.drain(member(3), 0);
        assert!(received.last() == Some(&8), "{received:?}");
        segment.assert_empty();
    });
}

#[test]
fn a_change_is_seen_or_the_sleeper_is_woken() {
    a_sender_and_a_receiver();
    caught(&["fence-after-rmw"], a_sender_and_a_receiver);
}

#[test]
fn a_second_sleeper_is_not_forgotten() {
    a_receiver_of_two_messages();
    two_sleepers_and_two_messages();
    caught(&["blind-clear"], a_receiver_of_two_messages);
    caught(&["announce-keeps-sequence"], a_receiver_of_two_messages);
}

#[test]
fn a_ring_that_nobody_heard_forgets_no_sleeper() {
    a_receiver_who_was_awake();
    caught(&["blind-clear"], a_receiver_who_was_awake);
    caught(&["announce-keeps-sequence"], a_receiver_who_was_awake);
}

#[test]
fn a_slow_ringer_brings_back_no_word_on_which_somebody_is_about_to_sleep() {
    a_slow_ringer(wait::ring_all);
    a_slow_ringer(wait::ring_all_anyway);
    caught(&["woken-before-cleared"], || a_slow_ringer(wait::ring_all));
}

#[test]
fn a_message_wakes_a_receiver() {
    a_queue_wakes_its_receiver();
    caught(&["fence-after-rmw"], a_queue_wakes_its_receiver);
}

#[test]
fn room_wakes_a_sender() {
    a_full_queue_wakes_its_sender();
    caught(&["fence-after-rmw"], a_full_queue_wakes_its_sender);
    caught(&["half-is-less"], a_full_queue_wakes_its_sender);
}

#[test]
fn a_dead_senders_wake_is_paid_by_its_reaper() {
    a_dead_sender_owes_a_wake(|queue| queue.items);
    a_dead_sender_owes_a_wake(|queue| queue.group);
    caught(&["debts-forgotten"], || a_dead_sender_owes_a_wake(|queue| queue.items));
    caught(&["debts-forgotten"], || a_dead_sender_owes_a_wake(|queue| queue.group));
}

#[test]
fn room_that_a_dead_taker_made_wakes_a_sender() {
    a_dead_taker_owes_a_wake_for_room();
    caught(&["debts-forgotten"], a_dead_taker_owes_a_wake_for_room);
}

#[test]
fn a_wake_that_a_dead_receiver_swallowed_is_passed_on() {
    a_dead_receiver_swallows_a_wake();
    caught(&["debts-forgotten"], a_dead_receiver_swallows_a_wake);
}

#[test]
fn a_message_wakes_who_sleeps_on_its_queue_and_who_sleeps_on_its_group() {
    a_sleeper_and_a_group_sleeper();
    caught(&["group-not-rung"], a_sleeper_and_a_group_sleeper);
    caught(&["fence-after-rmw"], a_sleeper_and_a_group_sleeper);
}

#[test]
fn everybody_of_a_group_is_woken() {
    two_group_sleepers();
    caught(&["group-wakes-one"], two_group_sleepers);
}
