//! Deduplication keys: sent once, whoever dies.

#[path = "common/actor.rs"]
mod actor;
mod common;

use common::{HANGS, TestBus, drain};
use std::collections::HashMap;
use std::time::Duration;
use swarmbus_core::{Bus, Error, MessageId, QueueOptions, SendOptions, key_of};

fn keyed(key: u64) -> SendOptions {
    SendOptions { key: Some(key), timeout: Some(Duration::ZERO), ..SendOptions::default() }
}

#[test]
fn a_key_is_accepted_once_by_each_queue() {
    let bus = TestBus::new("keys");
    bus.declare("q", &QueueOptions::default()).unwrap();
    bus.declare("other", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    for key in [0, 1, u64::MAX, key_of(b"order 17")] {
        assert!(!member.send("q", b"once", &keyed(key)).unwrap().is_duplicate());
        assert_eq!(member.send("q", b"twice", &keyed(key)).unwrap(), MessageId::DUPLICATE);
        let again = bus.join().unwrap();
        let mut loan = again.loan(5).unwrap();
        loan.copy_from_slice(b"twice");
        assert!(loan.publish("q", 5, &keyed(key)).unwrap().is_duplicate());
        assert!(!member.send("other", b"once", &keyed(key)).unwrap().is_duplicate());
    }
    assert_eq!(drain(&member, "q"), ["once"; 4]);
    assert!(member.send("q", b"twice", &keyed(1)).unwrap().is_duplicate(), "taken is sent, too");
    let ids = member.send_batch("q", &[b"one", b"two"], &keyed(2)).unwrap();
    assert!(ids.iter().all(|id| !id.is_duplicate()));
    assert_eq!(member.send_batch("q", &[b"one", b"two"], &keyed(2)).unwrap(), [MessageId::DUPLICATE; 2]);
    assert_eq!(drain(&member, "q"), ["one", "two"]);
    assert_ne!(key_of(b"order 17"), key_of(b"order 18"));
    assert_eq!(key_of(b""), 0x2d06_8005_38d3_94c2, "as everybody computes it");
    drop(member);
    assert_eq!(bus.observer().unwrap().bus().heap.chunks.held, 0);
}

#[test]
fn the_last_960_keys_are_remembered() {
    let bus = TestBus::new("keys-window");
    bus.declare("q", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    for key in 1..=961 {
        assert!(!member.send("q", b"", &keyed(key)).unwrap().is_duplicate());
        member.receive("q", HANGS).unwrap().release().unwrap();
    }
    assert!(member.send("q", b"", &keyed(2)).unwrap().is_duplicate());
    assert!(!member.send("q", b"", &keyed(1)).unwrap().is_duplicate(), "the oldest is forgotten");
    assert!(!member.send("q", b"", &keyed(2)).unwrap().is_duplicate(), "and with that the next");
    assert!(member.send("q", b"", &keyed(961)).unwrap().is_duplicate());
}

#[test]
fn what_was_refused_was_not_sent() {
    let bus = TestBus::new("keys-refused");
    bus.declare("q", &QueueOptions { limit: Some(1), ..QueueOptions::default() }).unwrap();
    let member = bus.join().unwrap();
    member.send("q", b"first", &keyed(1)).unwrap();
    assert!(matches!(member.send("q", b"second", &keyed(2)), Err(Error::Full { .. })));
    let soon = SendOptions { timeout: Some(Duration::from_millis(5)), ..keyed(2) };
    assert_eq!(member.send("q", b"second", &soon), Err(Error::Timeout));
    assert!(member.send("q", b"first", &keyed(1)).unwrap().is_duplicate(), "a full queue knows as well");
    let waiting = std::thread::spawn({
        let bus = Bus::open(bus.name()).unwrap();
        move || bus.join().unwrap().send("q", b"second", &SendOptions { timeout: HANGS, ..keyed(2) }).unwrap()
    });
    std::thread::sleep(Duration::from_millis(20));
    // Who waits for room does not keep others of its stripe from trying.
    assert!(matches!(member.send("q", b"third", &keyed(2 + 64)), Err(Error::Full { .. })));
    assert_eq!(drain(&member, "q")[0], "first");
    assert!(!waiting.join().unwrap().is_duplicate());
    member.close_queue("q").unwrap();
    assert!(matches!(member.send("q", b"third", &keyed(3)), Err(Error::Closed { .. })));
    member.reopen_queue("q").unwrap();
    member.purge("q").unwrap();
    assert!(!member.send("q", b"third", &keyed(3)).unwrap().is_duplicate());
    let asker = bus.attach("asker").unwrap();
    assert!(matches!(asker.call("q", b"?", &keyed(4)), Err(Error::InvalidArgument { .. })));
}

#[test]
fn whoever_sends_at_once_each_key_is_there_once() {
    let bus = TestBus::new("keys-race");
    bus.declare("q", &QueueOptions { limit: Some(4), ..QueueOptions::default() }).unwrap();
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let bus = Bus::open(bus.name()).unwrap();
            std::thread::spawn(move || {
                let member = bus.join().unwrap();
                let send = |key: u64| {
                    member.send("q", &key.to_le_bytes(), &SendOptions { timeout: HANGS, ..keyed(key) }).unwrap()
                };
                (1..=400).filter(|key| !send(*key).is_duplicate()).count()
            })
        })
        .collect();
    let member = bus.join().unwrap();
    let mut seen = HashMap::<u64, u32>::new();
    for _ in 0..400 {
        let message = member.receive("q", HANGS).unwrap();
        *seen.entry(u64::from_le_bytes(message.data().try_into().unwrap())).or_default() += 1;
        message.release().unwrap();
    }
    assert_eq!(senders.into_iter().map(|sender| sender.join().unwrap()).sum::<usize>(), 400);
    assert!(seen.len() == 400 && seen.values().all(|times| *times == 1));
    assert!(member.try_receive("q").unwrap().is_none());
}

#[test]
fn senders_are_killed_and_their_successors_leave_nothing_out_and_send_nothing_twice() {
    let bus = TestBus::new("keys-killed");
    bus.declare("q", &QueueOptions { limit: Some(100), ..QueueOptions::default() }).unwrap();
    let member = bus.join().unwrap();
    let mut received = Vec::<u64>::new();
    let take = |received: &mut Vec<u64>| {
        let message = member.receive("q", HANGS).unwrap();
        received.push(u64::from_le_bytes(message.data().try_into().unwrap()));
        message.release().unwrap();
    };
    for _ in 0..30 {
        // It knows only roughly how far the one before it came, and begins well before that.
        let mut sender = actor::spawn(&format!("send from {}", received.len().saturating_sub(200) + 1), bus.name());
        drop(sender.stdin.take());
        let most = received.len() + 100;
        while received.len() < most {
            take(&mut received);
        }
        // Wherever it is.
        sender.kill().unwrap();
        sender.wait().unwrap();
    }
    while bus.observer().unwrap().queues()[0].queued > 0 {
        take(&mut received);
    }
    let wrong = received.iter().zip(1..).find(|(number, expected)| **number != *expected);
    assert!(received.len() >= 3000 && wrong.is_none(), "{} in order, each once, but for {wrong:?}", received.len());
}

#[test]
fn actor() {
    let Some((act, bus)) = actor::role() else { return };
    let member = Bus::open(&bus).unwrap().join().unwrap();
    let from: u64 = act.strip_prefix("send from ").unwrap().parse().unwrap();
    actor::ready();
    for number in from.. {
        member.send("q", &number.to_le_bytes(), &SendOptions { timeout: HANGS, ..keyed(number) }).unwrap();
    }
}
