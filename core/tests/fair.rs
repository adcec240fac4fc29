//! What one may not keep from others: their turn, the rest of a batch, room, the processor.
mod common;

use common::{BATCH, Parked, TestBus, at_once, texts};
use std::cell::Cell;
use std::time::Duration;
use swarmbus_core::{CreateOptions, Error, QueueOptions, SendOptions};

#[test]
fn a_call_does_not_spin_while_a_parked_message_is_due() {
    let bus = TestBus::new("fair-spin");
    let bob = bus.attach("bob").unwrap();
    let _alice = bus.attach("alice").unwrap();
    bob.send("bob", b"later", &at_once()).unwrap();
    bob.recv(None).unwrap().nack_after(Duration::from_millis(5)).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let looks = Cell::new(0u64);
    let options = SendOptions { timeout: Some(Duration::from_millis(500)), ..SendOptions::default() };
    let answer = bob.call_until("alice", b"?", &options, &mut || {
        looks.set(looks.get() + 1);
        false
    });
    assert_eq!(answer.err(), Some(Error::Timeout));
    assert!(looks.get() < 10, "the call woke {} times in 500 ms", looks.get());
}

#[test]
fn the_owner_of_a_mailbox_gets_the_rest_of_a_batch_that_another_began() {
    let bus = TestBus::new("fair-rests-owner");
    bus.declare("bob", &QueueOptions::default()).unwrap();
    let passer = bus.join().unwrap();
    passer.send_batch("bob", &BATCH, &at_once()).unwrap();
    passer.receive("bob", None).unwrap().release().unwrap();
    let bob = bus.attach("bob").unwrap();
    assert!(matches!(passer.try_receive("bob"), Err(Error::AgentBusy { .. })));
    assert_eq!(texts(&bob, "bob", 9), ["two", "three"]);
}

#[test]
fn a_busy_queue_hands_out_what_is_in_limbo() {
    let bus = TestBus::with(
        "fair-limbo-starve",
        CreateOptions { agents: 40, heap: 64 << 20, limit: 16, ..CreateOptions::default() },
    );
    bus.declare("work", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    let held: Vec<_> = (0..18)
        .map(|_| {
            member.send("work", b"old", &at_once()).unwrap();
            member.receive("work", None).unwrap()
        })
        .collect();
    held.into_iter().for_each(|message| message.nack().unwrap());
    let mut old = 0;
    for _ in 0..10_000 {
        let _ = member.send("work", b"new", &at_once());
        old += (texts(&member, "work", 1) == ["old"]) as usize;
    }
    // The lane is refilled before each look, so it is never empty.
    assert_eq!(old, 18, "of 18 old messages, {old} were handed out among 10000 new ones");
}

#[test]
fn a_due_message_is_not_starved_by_others_that_are_parked_again() {
    let bus = TestBus::new("fair-park-starve");
    bus.declare("work", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    for text in [b"poison", b"poison", b"honest"] {
        member.send("work", text, &at_once()).unwrap();
    }
    let messages: Vec<_> = (0..3).map(|_| member.receive("work", None).unwrap()).collect();
    messages.into_iter().for_each(|message| message.nack_after(Duration::from_millis(1)).unwrap());
    let mut served = false;
    for _ in 0..300 {
        let message = member.receive("work", Some(Duration::from_secs(60))).unwrap();
        if &message[..] == b"honest" {
            message.release().unwrap();
            served = true;
            break;
        }
        std::thread::sleep(Duration::from_millis(4));
        message.nack_after(Duration::from_millis(1)).unwrap();
    }
    assert!(served, "due for more than a second, never handed out");
}

#[test]
fn due_messages_come_in_the_order_of_their_times() {
    let bus = TestBus::new("fair-park-order");
    bus.declare("work", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    let parked = Parked::for_ms(&member, [90, 30, 60]);
    std::thread::sleep(Duration::from_millis(120));
    parked.assert_in_order(&texts(&member, "work", 9));
}

#[test]
fn a_queue_that_was_closed_and_opened_has_all_its_room() {
    let bus = TestBus::new("fair-burn");
    bus.declare("work", &QueueOptions { limit: Some(8), ..QueueOptions::default() }).unwrap();
    let member = bus.join().unwrap();
    member.send("work", b"x", &at_once()).unwrap();
    for _ in 0..8 {
        member.close_queue("work").unwrap();
        member.reopen_queue("work").unwrap();
    }
    let second = member.send("work", b"y", &at_once());
    assert!(second.is_ok(), "one of eight waits: {second:?}");
}

#[test]
fn a_purge_drops_the_rest_of_a_batch_that_the_purger_began() {
    let bus = TestBus::new("fair-purge-rest");
    bus.declare("work", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    member.send_batch("work", &BATCH, &at_once()).unwrap();
    assert_eq!(texts(&member, "work", 1), ["one"]);
    let purged = member.purge("work").unwrap();
    assert_eq!((purged, texts(&member, "work", 9).len()), (2, 0));
}

#[test]
fn who_waits_elsewhere_keeps_no_rest_of_a_batch() {
    let bus = TestBus::new("fair-elsewhere");
    bus.declare("work", &QueueOptions::default()).unwrap();
    bus.declare("other", &QueueOptions::default()).unwrap();
    let (taker, sender) = (bus.join().unwrap(), bus.join().unwrap());
    sender.send_batch("work", &BATCH, &at_once()).unwrap();
    assert_eq!(texts(&taker, "work", 1), ["one"]);
    assert_eq!(texts(&taker, "other", 1), [""; 0]);
    assert_eq!(texts(&sender, "work", 9), ["two", "three"]);
}
