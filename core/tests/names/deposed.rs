//! What is left to who has lost its name, and how it hears of that.

use crate::common::{BATCH, TestBus, at_once, drain};
use crate::{LONG, SHORT, is_handed_over, wait_until_readable};
use std::thread::{scope, sleep};
use std::time::Duration;
use swarmbus_core::{Error, Policy, PublishOptions, QueueOptions, SendOptions, StartAt, Status, TopicOptions};

#[test]
fn a_deposed_handle_sends_nothing_more() {
    let bus = TestBus::new("sends");
    let (old, other) = (bus.attach("leader").unwrap(), bus.attach("other").unwrap());
    let loan = old.loan(5).unwrap();
    let new = bus.take_over("leader").unwrap();
    assert!(is_handed_over(old.send("other", b"x", &at_once()), "leader"));
    assert!(is_handed_over(old.send_batch("other", &BATCH, &at_once()), "leader"));
    assert!(is_handed_over(old.call("other", b"x", &at_once()), "leader"));
    assert!(is_handed_over(old.tap("other"), "leader"));
    let refused = loan.publish("other", 5, &at_once()).unwrap_err();
    assert!(matches!(refused.error, Error::HandedOver { .. }));
    assert!(other.try_recv().unwrap().is_none());
    new.send("other", b"y", &at_once()).unwrap();
    assert_eq!(other.recv(None).unwrap().sender().as_deref(), Some("leader"));
}

#[test]
fn a_deposed_handle_publishes_nothing_more() {
    let bus = TestBus::new("publishes");
    let (old, reader) = (bus.attach("leader").unwrap(), bus.join().unwrap());
    let options = TopicOptions { policy: Policy::BackPressure, capacity: Some(1), ..TopicOptions::default() };
    bus.declare_topic("news", &options).unwrap();
    let mut reading = reader.subscribe("news", StartAt::Now).unwrap();
    old.publish("news", b"first", &PublishOptions::default()).unwrap();
    scope(|threads| {
        let publishing = threads.spawn(move || {
            let patient = PublishOptions { timeout: Some(LONG), ..PublishOptions::default() };
            let slept = old.publish("news", b"late", &patient).map(drop);
            (
                slept,
                old.publish("news", b"later", &PublishOptions { timeout: Some(Duration::ZERO), ..patient }).map(drop),
            )
        });
        sleep(SHORT);
        let new = bus.take_over("leader").unwrap();
        assert_eq!(reading.try_recv().unwrap().unwrap().data(), b"first");
        let (slept, fresh) = publishing.join().unwrap();
        assert!(is_handed_over(slept, "leader") && is_handed_over(fresh, "leader"));
        new.publish("news", b"new", &PublishOptions::default()).unwrap();
        assert_eq!(reading.try_recv().unwrap().unwrap().data(), b"new");
    });
}

#[test]
fn a_deposed_agent_takes_no_work_for_its_roles_in_whatever_way_it_asks() {
    let bus = TestBus::new("roles-deposed");
    let (old, sender) = (bus.attach("leader").unwrap(), bus.join().unwrap());
    old.take_role("tester").unwrap();
    let descriptor = old.descriptor().unwrap();
    let sources = old.sources(&["leader", "@tester"]).unwrap();
    // Of each the next turn is the role's.
    for _ in 0..2 {
        sender.send("leader", b"own", &at_once()).unwrap();
    }
    descriptor.try_next().unwrap().unwrap().release().unwrap();
    let own = loop {
        let message = sources.try_receive().unwrap().unwrap();
        if message.queue() == "leader" {
            break message;
        }
    };
    own.release().unwrap();
    sender.send_batch("@tester", &BATCH, &at_once()).unwrap();
    let first = descriptor.try_next().unwrap().unwrap();
    sender.send("leader", b"own", &at_once()).unwrap();
    descriptor.try_next().unwrap().unwrap().release().unwrap();
    let _new = bus.take_over("leader").unwrap();
    assert!(is_handed_over(descriptor.try_next(), "leader"));
    assert!(is_handed_over(sources.try_receive(), "leader"));
    assert!(is_handed_over(old.recv(None), "leader"));
    assert_eq!(drain(&sender, "@tester"), ["two", "three"]);
    first.release().unwrap();
}

#[test]
fn who_sleeps_is_told_at_once() {
    let bus = TestBus::new("sleeps");
    let (old, mute) = (bus.attach("leader").unwrap(), bus.attach("mute").unwrap());
    let other = bus.attach("asker").unwrap();
    // Nobody looks for the dead, or wakes up by itself, for five seconds.
    mute.supervise().unwrap();
    scope(|threads| {
        let receiving = threads.spawn(move || old.recv(None).map(drop));
        let asking = threads.spawn(move || {
            let options = SendOptions { timeout: Some(LONG), ..SendOptions::default() };
            other.call("mute", b"?", &options).map(drop)
        });
        sleep(SHORT);
        let _new = bus.take_over("leader").unwrap();
        let _asker = bus.take_over("asker").unwrap();
        assert!(is_handed_over(receiving.join().unwrap(), "leader"));
        assert!(is_handed_over(asking.join().unwrap(), "asker"));
    });
}

#[test]
fn a_send_that_sleeps_for_room_is_refused_after_the_hand_over() {
    for key in [None, Some(7)] {
        let bus = TestBus::new(&format!("sleeps-for-room-{}", key.is_some()));
        let (old, other) = (bus.attach("leader").unwrap(), bus.join().unwrap());
        bus.declare("narrow", &QueueOptions { limit: Some(1), ..QueueOptions::default() }).unwrap();
        other.send("narrow", b"first", &at_once()).unwrap();
        scope(|threads| {
            let sending = threads.spawn(move || {
                let options = SendOptions { timeout: Some(LONG), key, ..SendOptions::default() };
                old.send("narrow", b"late", &options).map(drop)
            });
            sleep(SHORT);
            let _new = bus.take_over("leader").unwrap();
            // Now there is room.
            assert_eq!(drain(&other, "narrow"), ["first"]);
            assert!(is_handed_over(sending.join().unwrap(), "leader"), "{key:?}");
        });
        assert!(other.try_receive("narrow").unwrap().is_none());
    }
}

#[test]
fn what_finishes_a_message_in_flight_goes_through_after_a_sleep_for_room() {
    let bus = TestBus::new("forward-sleeps");
    let (old, other) = (bus.attach("leader").unwrap(), bus.join().unwrap());
    bus.declare("narrow", &QueueOptions { limit: Some(1), ..QueueOptions::default() }).unwrap();
    other.send("narrow", b"first", &at_once()).unwrap();
    other.send_batch("leader", &BATCH, &at_once()).unwrap();
    scope(|threads| {
        let (hold, held) = std::sync::mpsc::channel();
        let forwarding = threads.spawn(move || {
            let one = old.recv(None).unwrap();
            hold.send(()).unwrap();
            one.forward("narrow", Some(LONG)).map_err(|refused| refused.error)
        });
        held.recv().unwrap();
        sleep(SHORT);
        let new = bus.take_over("leader").unwrap();
        // One message, no more: the next comes at once.
        let first = other.try_receive("narrow").unwrap().unwrap();
        assert_eq!(first.data(), b"first");
        first.release().unwrap();
        forwarding.join().unwrap().unwrap();
        assert_eq!(drain(&other, "narrow"), ["one"]);
        assert_eq!(drain(&new, "leader"), ["two", "three"]);
    });
}

#[test]
fn a_descriptor_becomes_readable_and_says_so() {
    let bus = TestBus::new("descriptor");
    let old = bus.attach("leader").unwrap();
    let descriptor = old.descriptor().unwrap();
    assert!(descriptor.try_next().unwrap().is_none());
    let new = bus.take_over("leader").unwrap();
    // Also when the new owner has gone by then.
    drop(new);
    wait_until_readable(&descriptor);
    assert!(matches!(descriptor.try_next(), Err(Error::HandedOver { pid: 0, .. })));
}

#[test]
fn a_deposed_owner_stays_deposed_when_its_successor_is_gone() {
    let bus = TestBus::new("stays");
    let old = bus.attach("leader").unwrap();
    bus.take_over("leader").unwrap().close();
    bus.join().unwrap().send("leader", b"x", &at_once()).unwrap();
    assert!(matches!(old.try_recv(), Err(Error::HandedOver { pid: 0, .. })));
    // It may ask for it again, as anybody may.
    old.own("leader").unwrap();
    assert_eq!(drain(&old, "leader"), ["x"]);
}

#[test]
fn who_has_lost_its_mailbox_does_not_get_another_by_the_same_handle() {
    let bus = TestBus::new("another-mailbox");
    let old = bus.attach("leader").unwrap();
    let new = bus.take_over("leader").unwrap();
    new.set_status(&Status { task: "of the new one".into(), ..Status::default() }).unwrap();
    for got in [old.own("other"), old.take_over("other"), old.stand_by("other", Some(SHORT))] {
        assert!(matches!(got, Err(Error::InvalidArgument { .. })), "{got:?}");
    }
    // Else it would own something, and so be let write here.
    assert!(is_handed_over(old.set_status(&Status::default()), "leader"));
    assert!(is_handed_over(old.beat(), "leader"));
    assert_eq!(bus.status_of("leader").unwrap().unwrap().task, "of the new one");
    old.take_over("leader").unwrap();
    old.set_status(&Status::default()).unwrap();
}
