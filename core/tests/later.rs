//! Batches, messages that wait for a time, and queues that are closed.
mod common;

use common::{BATCH, Parked, TestBus, at_once, info, texts};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use swarmbus_core::{CreateOptions, Error, Lane, QueueInfo, QueueOptions, SendOptions};

fn depth(info: &QueueInfo, lane: &str) -> u64 {
    info.lanes.iter().find(|other| other.lane == lane).map_or(0, |lane| lane.depth)
}

fn is_empty(bus: &TestBus) -> bool {
    let chunks = bus.observer().unwrap().bus().heap.chunks;
    chunks.queued + chunks.in_flight == 0
}

#[test]
fn a_batch_arrives_in_order_and_counts_as_one() {
    let bus = TestBus::new("batch");
    bus.declare("work", &QueueOptions { limit: Some(2), ..QueueOptions::default() }).unwrap();
    let member = bus.join().unwrap();
    let ids = member.send_batch("work", &BATCH, &at_once()).unwrap();
    member.send("work", b"four", &at_once()).unwrap();
    assert!(matches!(member.send_batch("work", &BATCH, &at_once()), Err(Error::Full { limit: 2, .. })));
    let queue = info(&bus, "work");
    assert_eq!((queue.queued, depth(&queue, "normal")), (4, 2));
    let peeked: Vec<_> = bus.observer().unwrap().peek("work", 10).unwrap();
    assert_eq!(
        peeked.iter().map(|one| &one.data[..]).collect::<Vec<_>>(),
        [b"one" as &[u8], b"two", b"three", b"four"]
    );
    let first = member.receive("work", None).unwrap();
    assert_eq!(first.id(), ids[0]);
    first.release().unwrap();
    assert_eq!(texts(&member, "work", 10), ["two", "three", "four"]);
    member.close();
    assert!(is_empty(&bus));
}

#[test]
fn an_urgent_message_comes_before_the_rest_of_a_batch() {
    let bus = TestBus::new("batch-urgent");
    bus.declare("work", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    member.send_batch("work", &BATCH, &at_once()).unwrap();
    assert_eq!(texts(&member, "work", 1), ["one"]);
    member.send_batch("work", &[b"now", b"at once"], &SendOptions { lane: Lane::Urgent, ..at_once() }).unwrap();
    assert_eq!(texts(&member, "work", 10), ["now", "at once", "two", "three"]);
}

#[test]
fn the_rest_of_a_batch_goes_to_others_when_its_taker_leaves() {
    let bus = TestBus::new("batch-left");
    bus.declare("work", &QueueOptions::default()).unwrap();
    let (sender, taker, other) = (bus.join().unwrap(), bus.join().unwrap(), bus.join().unwrap());
    sender.send_batch("work", &BATCH, &at_once()).unwrap();
    let first = taker.receive("work", None).unwrap();
    assert_eq!(texts(&other, "work", 10), [""; 0], "one consumer gets a batch");
    first.release().unwrap();
    taker.close();
    assert_eq!(texts(&other, "work", 10), ["two", "three"]);
}

#[test]
fn a_batch_is_received_in_one_call() {
    let bus = TestBus::new("batch-receive");
    bus.declare("work", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    for number in 0..5u8 {
        member.send("work", &[number], &at_once()).unwrap();
    }
    member.send_batch("work", &BATCH, &at_once()).unwrap();
    let messages = member.receive_batch("work", 6, None).unwrap();
    assert_eq!(messages.iter().map(|message| message[0]).collect::<Vec<_>>(), [0, 1, 2, 3, 4, b'o']);
    messages.into_iter().for_each(|message| message.release().unwrap());
    assert_eq!(member.receive_batch("work", 100, None).unwrap().len(), 2, "dropped: they come back");
    assert_eq!(texts(&member, "work", 9), ["two", "three"]);
    assert_eq!(member.receive_batch("work", 3, Some(Duration::ZERO)).err(), Some(Error::Timeout));
}

#[test]
fn a_refused_batch_leaves_nothing_and_can_be_sent_again() {
    let bus = TestBus::new("batch-refused");
    bus.declare("work", &QueueOptions { limit: Some(1), ..QueueOptions::default() }).unwrap();
    let member = bus.join().unwrap();
    member.send("work", b"zero", &at_once()).unwrap();
    let written = |text: &&[u8]| {
        let mut loan = member.loan(text.len()).unwrap();
        loan.copy_from_slice(text);
        loan
    };
    let loans = {
        let refused = member.publish_batch("work", BATCH.iter().map(written).collect(), &at_once()).unwrap_err();
        assert!(matches!(refused.error, Error::Full { .. }));
        refused.loans
    };
    assert_eq!(texts(&member, "work", 9), ["zero"]);
    assert_eq!(member.publish_batch("work", loans, &at_once()).unwrap().len(), 3);
    assert_eq!(texts(&member, "work", 9), ["one", "two", "three"]);
    let many = vec![b"" as &[u8]; 1025];
    assert!(matches!(member.send_batch("work", &many, &at_once()), Err(Error::InvalidArgument { .. })));
    assert_eq!(member.send_batch("work", &[], &at_once()), Ok(vec![]));
    let stranger = bus.join().unwrap();
    let loan = stranger.loan(1).unwrap();
    let refused = member.publish_batch("work", vec![loan], &at_once()).unwrap_err();
    assert_eq!(refused.error, Error::Released);
    drop(refused);
    assert_eq!(info(&bus, "work").queued, 0);
}

#[test]
fn all_of_a_batch_becomes_dead_letters_or_is_purged() {
    let bus = TestBus::new("batch-dead");
    let options =
        QueueOptions { limit: Some(1), makes_room: true, dead_letters: Some("dead".into()), ..QueueOptions::default() };
    bus.declare("work", &options).unwrap();
    let member = bus.join().unwrap();
    member.send_batch("work", &BATCH, &at_once()).unwrap();
    member.send_batch("work", &BATCH, &at_once()).unwrap();
    assert_eq!((info(&bus, "work").queued, info(&bus, "dead").queued), (3, 3));
    assert_eq!(member.purge("work").unwrap(), 3);
    assert_eq!(member.redrive("dead", 1).unwrap(), 1);
    assert_eq!(texts(&member, "work", 9), ["one"]);
    assert_eq!(texts(&member, "dead", 9), ["two", "three"]);
    assert!(is_empty(&bus));
}

#[test]
fn a_parked_message_comes_back_when_its_time_has_come() {
    let bus = TestBus::new("parked");
    let bob = bus.attach("bob").unwrap();
    bob.send("bob", b"in an hour", &at_once()).unwrap();
    bob.recv(None).unwrap().nack_after(Duration::from_secs(3600)).unwrap();
    bob.send("bob", b"now", &at_once()).unwrap();
    let queue = info(&bus, "bob");
    assert_eq!((queue.queued, depth(&queue, "parked")), (2, 1));
    assert_eq!(bus.observer().unwrap().peek("bob", 9).unwrap().last().unwrap().lane, "parked");
    assert_eq!(texts(&bob, "bob", 9), ["now"]);
    assert_eq!(bob.purge("bob").unwrap(), 1);
    bob.send("bob", b"later", &at_once()).unwrap();
    let (delay, started) = (Duration::from_millis(120), Instant::now());
    bob.recv(None).unwrap().nack_after(delay).unwrap();
    let message = bob.recv(Some(Duration::from_secs(60))).unwrap();
    assert!(started.elapsed() >= delay, "never early");
    assert_eq!((&message[..], message.deliveries()), (b"later" as &[u8], 2));
    message.nack_after(Duration::ZERO).unwrap();
    assert_eq!(texts(&bob, "bob", 9), ["later"]);
    bob.close();
    assert!(is_empty(&bus));
}

#[test]
fn parked_messages_come_back_in_the_order_of_their_times() {
    let bus = TestBus::new("parked-order");
    bus.declare("work", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    let parked = Parked::for_ms(&member, [90, 30, 60]);
    let mut order = Vec::new();
    for _ in 0..3 {
        let message = member.receive("work", Some(Duration::from_secs(60))).unwrap();
        order.push(String::from_utf8(message.to_vec()).unwrap());
        message.release().unwrap();
    }
    parked.assert_in_order(&order);
}

#[test]
fn a_sleeping_receiver_hears_of_a_message_that_is_parked() {
    let bus = TestBus::new("parked-sleeper");
    bus.declare("work", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    // With a supervisor, naps are so long that they cannot be what wakes the sleeper below.
    member.supervise().unwrap();
    member.send("work", b"later", &at_once()).unwrap();
    let held = member.receive("work", None).unwrap();
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            let taker = bus.join().unwrap();
            let message = taker.receive("work", Some(Duration::from_secs(60))).unwrap();
            message.release().unwrap();
        });
        let asleep = || info(&bus, "work").queued == 0 && !sleeper.is_finished();
        std::thread::sleep(Duration::from_millis(50));
        assert!(asleep());
        held.nack_after(Duration::from_millis(30)).unwrap();
        sleeper.join().unwrap();
    });
}

/// Waits until so many members have gone to sleep, or there is no need for it any more.
fn until_asleep(bus: &TestBus, members: usize, is_over: impl Fn() -> bool) {
    let observer = bus.observer().unwrap();
    let asleep = || observer.members().iter().filter(|member| member.counters.sleeps > 0).count();
    while asleep() < members && !is_over() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn who_waits_no_longer_tells_another_sleeper_of_the_time() {
    let bus = TestBus::new("parked-alarm");
    bus.declare("work", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    // Naps of 5 s, so long that they cannot be what wakes the second sleeper.
    member.supervise().unwrap();
    member.send("work", b"later", &at_once()).unwrap();
    let held = member.receive("work", None).unwrap();
    std::thread::scope(|scope| {
        // The kernel wakes who slept first; that one leaves before the message is due.
        let impatient = scope.spawn(|| {
            let taker = bus.join().unwrap();
            match taker.receive("work", Some(Duration::from_millis(200))) {
                // It woke up so late that the message was due.
                Ok(message) => message.nack().unwrap(),
                Err(error) => assert_eq!(error, Error::Timeout),
            }
        });
        until_asleep(&bus, 1, || impatient.is_finished());
        let patient = scope.spawn(|| {
            let taker = bus.join().unwrap();
            // Less than a nap.
            let message = taker.receive("work", Some(Duration::from_millis(4900))).unwrap();
            message.release().unwrap();
        });
        until_asleep(&bus, 2, || impatient.is_finished());
        held.nack_after(Duration::from_millis(500)).unwrap();
        impatient.join().unwrap();
        patient.join().unwrap();
    });
}

#[test]
fn a_full_parking_lot_and_a_mad_delay_leave_the_message_in_flight() {
    let bus = TestBus::with("parked-full", CreateOptions { agents: 4, ..CreateOptions::default() });
    bus.declare("work", &QueueOptions { limit: Some(2), ..QueueOptions::default() }).unwrap();
    let member = bus.join().unwrap();
    let hour = Duration::from_secs(3600);
    for _ in 0..2 {
        member.send("work", b"x", &at_once()).unwrap();
        member.receive("work", None).unwrap().nack_after(hour).unwrap();
    }
    member.send("work", b"y", &at_once()).unwrap();
    let refused = member.receive("work", None).unwrap().nack_after(hour).unwrap_err();
    assert!(matches!(refused.error, Error::Full { limit: 2, .. }), "{:?}", refused.error);
    let refused = refused.message.nack_after(hour * 24 * 31).unwrap_err();
    assert!(matches!(refused.error, Error::InvalidArgument { .. }));
    refused.message.release().unwrap();
    assert_eq!(member.purge("work").unwrap(), 2, "parked ones as well");
    assert!(is_empty(&bus));
}

#[test]
fn a_closed_queue_waits_for_what_is_parked() {
    let bus = TestBus::new("parked-closed");
    bus.declare("work", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    member.send("work", b"later", &at_once()).unwrap();
    member.receive("work", None).unwrap().nack_after(Duration::from_millis(50)).unwrap();
    member.close_queue("work").unwrap();
    assert_eq!(member.receive("work", Some(Duration::ZERO)).err(), Some(Error::Timeout));
    let message = member.receive("work", Some(Duration::from_secs(60))).unwrap();
    message.release().unwrap();
    assert!(matches!(member.receive("work", None).err(), Some(Error::Closed { .. })));
}

#[test]
fn nothing_comes_into_a_queue_after_a_receiver_saw_it_closed() {
    let bus = TestBus::new("sealed");
    bus.declare("work", &QueueOptions { limit: Some(16), ..QueueOptions::default() }).unwrap();
    let member = bus.join().unwrap();
    for round in 0..200 {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let senders: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let sender = bus.join().unwrap();
                        let mut sent = 0u64;
                        while !stop.load(Ordering::Relaxed) {
                            match sender.send("work", b"x", &SendOptions::default()) {
                                Ok(_) => sent += 1,
                                Err(Error::Closed { .. }) => break,
                                Err(error) => panic!("{error}"),
                            }
                        }
                        sent
                    })
                })
                .collect();
            let mut received = 0;
            loop {
                if received == round % 50 {
                    member.close_queue("work").unwrap();
                }
                match member.receive("work", None) {
                    Ok(message) => message.release().unwrap(),
                    Err(Error::Closed { .. }) => break,
                    Err(error) => panic!("{error}"),
                }
                received += 1;
            }
            let sent: u64 = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
            stop.store(true, Ordering::Relaxed);
            assert_eq!(sent, received, "round {round}");
        });
        assert_eq!(info(&bus, "work").queued, 0);
        member.reopen_queue("work").unwrap();
        member.send("work", b"open", &at_once()).unwrap();
        assert_eq!(texts(&member, "work", 9), ["open"]);
    }
}
