//! What comes to who takes a name over.

use crate::common::{BATCH, TestBus, at_once, drain};
use crate::{LONG, is_handed_over};
use std::thread::scope;
use std::time::Duration;
use swarmbus_core::{ContentType, Error, Lane, QueueOptions, SendOptions};

#[test]
fn who_takes_over_gets_what_waits_and_the_old_owner_nothing_more() {
    let bus = TestBus::new("take-over");
    let (old, sender) = (bus.attach("leader").unwrap(), bus.attach("sender").unwrap());
    for text in ["one", "two", "three"] {
        sender.send("leader", text.as_bytes(), &at_once()).unwrap();
    }
    let one = old.recv(None).unwrap();
    let new = bus.take_over("leader").unwrap();
    assert!(is_handed_over(old.try_recv(), "leader"));
    assert!(is_handed_over(old.recv(None), "leader"));
    assert!(is_handed_over(old.try_receive("leader"), "leader"));
    assert!(is_handed_over(old.receive_any(&["leader"], None), "leader"));
    assert!(is_handed_over(old.receive_batch("leader", 9, None), "leader"));
    assert!(is_handed_over(old.sources(&["leader"]), "leader"));
    assert!(is_handed_over(old.descriptor_for(&["leader"]), "leader"));
    assert!(is_handed_over(old.purge("leader"), "leader"));
    // A stranger is told as before.
    assert!(matches!(sender.try_receive("leader"), Err(Error::AgentBusy { .. })));
    // What it has in flight is its own to finish.
    assert_eq!((one.data(), one.deliveries()), (&b"one"[..], 1));
    one.release().unwrap();
    assert_eq!(drain(&new, "leader"), ["two", "three"]);
}

#[test]
fn what_the_old_owner_gives_back_comes_to_the_new_one() {
    let bus = TestBus::new("gives-back");
    let (old, sender) = (bus.attach("leader").unwrap(), bus.attach("sender").unwrap());
    bus.declare("elsewhere", &QueueOptions::default()).unwrap();
    for text in ["back", "dropped", "on", "answered"] {
        sender.send("leader", text.as_bytes(), &at_once()).unwrap();
    }
    let mut taken: Vec<_> = (0..4).map(|_| old.recv(None).unwrap()).collect();
    let new = bus.take_over("leader").unwrap();
    let answered = taken.pop().unwrap();
    answered.reply(b"done", ContentType::Bytes).unwrap();
    answered.release().unwrap();
    taken.pop().unwrap().forward("elsewhere", Some(Duration::ZERO)).unwrap();
    drop(taken.pop());
    taken.pop().unwrap().nack().unwrap();
    for text in ["dropped", "back"] {
        let message = new.try_recv().unwrap().unwrap();
        assert_eq!((message.data(), message.deliveries()), (text.as_bytes(), 2));
        message.release().unwrap();
    }
    assert_eq!(drain(&sender, "elsewhere"), ["on"]);
    // Nobody asked by a call, so the answer is late; it was sent, though.
    assert!(sender.try_recv().unwrap().is_none());
}

#[test]
fn the_rest_of_a_batch_goes_to_the_new_owner() {
    let bus = TestBus::new("rest");
    let (old, sender) = (bus.attach("leader").unwrap(), bus.join().unwrap());
    sender.send_batch("leader", &BATCH, &at_once()).unwrap();
    let first = old.recv(None).unwrap();
    let new = bus.take_over("leader").unwrap();
    assert!(is_handed_over(old.try_recv(), "leader"));
    let second = new.try_recv().unwrap().unwrap();
    assert_eq!((second.data(), second.deliveries()), (&b"two"[..], 1), "nobody has seen it before");
    second.release().unwrap();
    assert_eq!(drain(&new, "leader"), ["three"]);
    first.release().unwrap();
}

#[test]
fn the_rest_of_a_batch_goes_to_the_new_owner_with_whatever_the_old_one_does() {
    type Act = fn(&swarmbus_core::Agent, swarmbus_core::Message<'_>);
    let acts: [(&str, Act); 9] = [
        ("release", |_, first| first.release().unwrap()),
        ("nack", |_, first| first.nack().unwrap()),
        ("nack-after", |_, first| first.nack_after(LONG).unwrap()),
        ("drop", |_, first| drop(first)),
        ("forward", |_, first| first.forward("elsewhere", Some(Duration::ZERO)).unwrap()),
        ("detach", |_, first| drop(first.detach().unwrap())),
        ("reply", |_, first| {
            first.reply(b"done", ContentType::Bytes).unwrap();
            first.into_raw();
        }),
        ("send", |old, first| {
            assert!(is_handed_over(old.send("elsewhere", b"", &at_once()), "leader"));
            first.into_raw();
        }),
        ("set-status", |old, first| {
            assert!(is_handed_over(old.set_tags(&["late"]), "leader"));
            first.into_raw();
        }),
    ];
    for (name, act) in acts {
        let bus = TestBus::new(&format!("rest-{name}"));
        bus.declare("elsewhere", &QueueOptions::default()).unwrap();
        let (old, sender) = (bus.attach("leader").unwrap(), bus.attach("sender").unwrap());
        sender.send_batch("leader", &BATCH, &at_once()).unwrap();
        let first = old.recv(None).unwrap();
        let new = bus.take_over("leader").unwrap();
        act(&old, first);
        let mut got = drain(&new, "leader");
        got.retain(|text| text != "one");
        assert_eq!(got, ["two", "three"], "{name}");
    }
}

#[test]
fn leaving_late_does_not_disown_the_new_owner() {
    let bus = TestBus::new("late");
    let (old, sender) = (bus.attach("leader").unwrap(), bus.join().unwrap());
    sender.send("leader", b"held", &at_once()).unwrap();
    let held = old.recv(None).unwrap().into_raw();
    let new = bus.take_over("leader").unwrap();
    old.close();
    sender.reap().unwrap();
    assert!(matches!(bus.attach("leader"), Err(Error::AgentBusy { .. })));
    let again = new.try_recv().unwrap().unwrap();
    assert_eq!((again.data(), again.deliveries()), (&b"held"[..], 2));
    again.release().unwrap();
    let _ = held;
}

#[test]
fn epochs_rise_with_every_owner() {
    let bus = TestBus::new("epochs");
    let first = bus.attach("leader").unwrap();
    let second = bus.take_over("leader").unwrap();
    assert!(second.epoch() > first.epoch());
    second.take_over("leader").unwrap();
    let before = second.epoch();
    second.take_over("leader").unwrap();
    assert_eq!(second.epoch(), before, "who has it keeps it");
    drop((first, second));
    let third = bus.attach("leader").unwrap();
    assert!(third.epoch() > before);
    assert_eq!(bus.join().unwrap().epoch(), 0);
    assert!(matches!(third.take_over("another"), Err(Error::InvalidArgument { .. })));
}

#[test]
fn a_mailbox_that_nobody_owns_is_taken_as_well() {
    let bus = TestBus::new("nobodys");
    bus.declare("leader", &QueueOptions::default()).unwrap();
    bus.join().unwrap().send("leader", b"x", &at_once()).unwrap();
    assert_eq!(drain(&bus.take_over("leader").unwrap(), "leader"), ["x"]);
    assert!(matches!(bus.take_over("not a name"), Err(Error::InvalidName { .. })));
    assert_eq!(bus.take_over("fresh").unwrap().name(), "fresh");
}

#[test]
fn a_tap_ends_with_its_mailbox() {
    let bus = TestBus::new("tap-ends");
    let old = bus.attach("viewer").unwrap();
    bus.declare("q", &QueueOptions::default()).unwrap();
    old.tap("q").unwrap();
    let new = bus.take_over("viewer").unwrap();
    let sender = bus.join().unwrap();
    sender.send("q", b"unseen", &at_once()).unwrap();
    assert!(new.try_recv().unwrap().is_none());
    new.tap("q").unwrap();
    sender.send("q", b"seen", &at_once()).unwrap();
    old.untap().unwrap();
    drop(old);
    sender.send("q", b"seen too", &at_once()).unwrap();
    assert_eq!(drain(&new, "viewer"), ["seen", "seen too"]);
}

#[test]
fn answers_to_the_new_owner_reach_it() {
    let bus = TestBus::new("answers");
    let (old, helper) = (bus.attach("leader").unwrap(), bus.attach("helper").unwrap());
    let new = bus.take_over("leader").unwrap();
    scope(|threads| {
        threads.spawn(move || {
            let question = helper.recv(Some(LONG)).unwrap();
            // The old owner looks for messages all the while.
            assert!(is_handed_over(old.try_recv(), "leader"));
            question.reply(b"42", ContentType::Bytes).unwrap();
            assert!(is_handed_over(old.try_recv(), "leader"));
            question.release().unwrap();
        });
        let options = SendOptions { timeout: Some(LONG), lane: Lane::High, ..SendOptions::default() };
        let answer = new.call("helper", b"?", &options).unwrap();
        assert_eq!(answer.data(), b"42");
        answer.release().unwrap();
    });
}
