//! Taps: what they show, what they never do, and that they end with who taps.

#[path = "common/actor.rs"]
mod actor;
mod common;

use common::{HANGS, TestBus, at_once, info};
use std::time::Duration;
use swarmbus_core::{Agent, Bus, ContentType, CreateOptions, Error, Lane, QueueOptions, SendOptions};

/// Texts and queues of the copies that came.
fn seen(viewer: &Agent) -> Vec<(String, Option<String>)> {
    std::iter::from_fn(|| {
        let copy = viewer.try_recv().unwrap()?;
        let seen = (String::from_utf8(copy.to_vec()).unwrap(), copy.tapped());
        copy.release().unwrap();
        Some(seen)
    })
    .collect()
}

#[test]
fn a_tap_sees_what_is_sent_and_takes_nothing() {
    let bus = TestBus::new("tap");
    bus.declare("work", &QueueOptions::default()).unwrap();
    let (viewer, alice) = (bus.attach("viewer").unwrap(), bus.attach("alice").unwrap());
    alice.send("work", b"before", &at_once()).unwrap();
    viewer.tap("work").unwrap();
    viewer.tap("work").unwrap();
    let options = SendOptions { lane: Lane::Low, correlation: 7, content: ContentType::Json, ..at_once() };
    let id = alice.send("work", b"low", &options).unwrap();
    alice.send("work", b"urgent", &SendOptions { lane: Lane::Urgent, ..at_once() }).unwrap();
    alice.send_batch("work", &[b"one", b"two"], &at_once()).unwrap();
    alice.send("viewer", b"mail", &at_once()).unwrap();

    let copy = viewer.recv(HANGS).unwrap();
    assert_eq!((copy.data(), copy.id(), copy.sender().as_deref()), (&b"low"[..], id, Some("alice")));
    assert_eq!(
        (copy.lane(), copy.correlation(), copy.content(), copy.deliveries()),
        (Lane::Low, 7, ContentType::Json, 1)
    );
    assert_eq!((copy.queue().as_str(), copy.tapped().as_deref()), ("viewer", Some("work")));
    assert!(matches!(copy.reply(b"", ContentType::Bytes), Err(Error::InvalidArgument { .. })));
    copy.nack().unwrap();
    let texts: Vec<_> = seen(&viewer).into_iter().map(|(text, queue)| (text, queue.is_some())).collect();
    let expected = [("low", true), ("urgent", true), ("one", true), ("two", true), ("mail", false)];
    assert_eq!(texts, expected.map(|(text, copy)| (text.to_owned(), copy)));

    let consumer = bus.join().unwrap();
    let again = consumer.receive("work", HANGS).unwrap();
    assert_eq!((again.data(), again.tapped()), (&b"urgent"[..], None));
    again.nack().unwrap();
    let mut texts = Vec::new();
    while let Some(message) = consumer.try_receive("work").unwrap() {
        texts.push(String::from_utf8(message.to_vec()).unwrap());
        message.release().unwrap();
    }
    assert_eq!(texts, ["urgent", "before", "one", "two", "low"]);
    assert_eq!(seen(&viewer), [], "what came back was sent before");

    viewer.untap().unwrap();
    alice.send("work", b"unseen", &at_once()).unwrap();
    assert_eq!(seen(&viewer), []);
}

#[test]
fn a_tap_sees_what_is_forwarded_and_what_is_answered() {
    let bus = TestBus::new("tap-more");
    bus.declare("next", &QueueOptions::default()).unwrap();
    let (viewer, asker) = (bus.attach("viewer").unwrap(), bus.attach("asker").unwrap());
    viewer.tap("next").unwrap();
    asker.send("asker", b"on", &at_once()).unwrap();
    asker.recv(HANGS).unwrap().forward("next", HANGS).unwrap();
    assert_eq!(seen(&viewer), [("on".to_owned(), Some("next".to_owned()))]);
    viewer.untap().unwrap();
    viewer.tap("asker").unwrap();
    let server = bus.attach("server").unwrap();
    let answers = asker.call_stream("server", b"?", &at_once()).unwrap();
    let question = server.recv(HANGS).unwrap();
    question.reply_part(b"0", ContentType::Bytes, HANGS).unwrap();
    question.reply(b"1", ContentType::Bytes).unwrap();
    drop(answers);
    let texts: Vec<_> = seen(&viewer).into_iter().map(|(text, _)| text).collect();
    assert_eq!(texts, ["0", "1"]);
}

#[test]
fn a_copy_has_nothing_of_what_was_in_its_place_before() {
    let bus = TestBus::new("tap-anew");
    bus.declare("work", &QueueOptions::default()).unwrap();
    let (viewer, alice) = (bus.attach("viewer").unwrap(), bus.attach("alice").unwrap());
    viewer.tap("work").unwrap();
    // Two chunks that alice keeps: for the next message and its copy.
    let short = Duration::from_millis(500);
    let mortal = SendOptions { time_to_live: Some(short), ..at_once() };
    alice.send_batch("alice", &[b"one", b"two"], &mortal).unwrap();
    while let Some(message) = alice.try_recv().unwrap() {
        message.release().unwrap();
    }
    alice.send("work", b"lasting", &at_once()).unwrap();
    std::thread::sleep(2 * short);
    assert_eq!(seen(&viewer), [("lasting".to_owned(), Some("work".to_owned()))]);
}

#[test]
fn a_tap_never_stands_in_the_way() {
    let bus = TestBus::with("tap-full", CreateOptions { agents: 8, heap: 8 << 20, ..CreateOptions::default() });
    bus.declare("viewer", &QueueOptions { limit: Some(2), ..QueueOptions::default() }).unwrap();
    bus.declare("work", &QueueOptions::default()).unwrap();
    let (viewer, alice) = (bus.attach("viewer").unwrap(), bus.attach("alice").unwrap());
    viewer.tap("work").unwrap();
    for number in 0..5u8 {
        alice.send("work", &[b'0' + number], &at_once()).unwrap();
    }
    assert_eq!((info(&bus, "viewer").dropped, info(&bus, "work").queued), (3, 5));
    assert_eq!(seen(&viewer).len(), 2);
    alice.close_queue("viewer").unwrap();
    alice.send("work", b"closed", &at_once()).unwrap();
    alice.reopen_queue("viewer").unwrap();
    assert_eq!(info(&bus, "viewer").dropped, 4);

    let mut loans: Vec<_> = std::iter::from_fn(|| alice.loan(1 << 20).ok()).collect();
    let last = loans.pop().unwrap();
    last.publish("work", 1 << 20, &at_once()).unwrap();
    assert_eq!((info(&bus, "viewer").dropped, info(&bus, "work").queued), (5, 7), "no memory for the copy");
    drop(loans);
    bus.declare("small", &QueueOptions { limit: Some(1), ..QueueOptions::default() }).unwrap();
    viewer.untap().unwrap();
    viewer.tap("small").unwrap();
    alice.send("small", b"fits", &at_once()).unwrap();
    assert!(matches!(alice.send("small", b"refused", &at_once()), Err(Error::Full { .. })));
    assert_eq!(seen(&viewer).len(), 1, "what was not sent is not seen");
    drop((viewer, alice));
    let chunks = bus.observer().unwrap().bus().heap.chunks;
    assert_eq!((chunks.held, chunks.queued), (0, 8));
}

#[test]
fn a_queue_has_one_tap_and_it_ends_with_who_taps() {
    let bus = TestBus::new("tap-one");
    bus.declare("work", &QueueOptions::default()).unwrap();
    bus.declare("other", &QueueOptions::default()).unwrap();
    let viewer = bus.attach("viewer").unwrap();
    assert!(matches!(viewer.tap("viewer"), Err(Error::InvalidArgument { .. })));
    assert!(matches!(viewer.tap("nowhere"), Err(Error::UnknownAgent { .. })));
    let mut first = actor::spawn("tap work", bus.name());
    assert_eq!(viewer.tap("work").err(), Some(Error::AgentBusy { name: "work".into(), pid: first.id() }));
    viewer.tap("other").unwrap();
    assert!(matches!(viewer.tap("work"), Err(Error::InvalidArgument { .. })), "one queue at a time");
    viewer.untap().unwrap();
    viewer.send("work", b"seen by the first", &at_once()).unwrap();
    assert_eq!(info(&bus, "tapper").queued, 1);
    first.kill().unwrap();
    first.wait().unwrap();
    // Nobody has reaped; whoever comes next does.
    viewer.tap("work").unwrap();
    viewer.send("work", b"seen", &at_once()).unwrap();
    assert_eq!(seen(&viewer).len(), 1);
    assert_eq!(info(&bus, "tapper").queued, 1, "what it had not read stays");
    drop(viewer);
    let member = bus.join().unwrap();
    member.send("work", b"unseen", &at_once()).unwrap();
    assert_eq!(info(&bus, "viewer").queued, 0);
    let mut next = actor::spawn("tap work", bus.name());
    next.kill().unwrap();
    next.wait().unwrap();
    member.reap().unwrap();
    member.send("work", b"unseen", &at_once()).unwrap();
    assert_eq!(info(&bus, "tapper").queued, 1, "reaped, it taps no more");
}

#[test]
fn actor() {
    let Some((act, bus)) = actor::role() else { return };
    let bus = Bus::open(&bus).unwrap();
    match act.as_str() {
        "tap work" => {
            let viewer = bus.attach("tapper").unwrap();
            viewer.tap("work").unwrap();
            actor::ready();
        }
        act => panic!("{act}?"),
    }
}
