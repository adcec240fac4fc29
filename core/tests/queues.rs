//! What queues do beyond sending and receiving: dead letters, expiry, making room, forwarding, answers.
mod common;

use common::{TestBus, at_once, drain, info};
use std::time::Duration;
use swarmbus_core::{ContentType, Error, Lane, QueueOptions, SendOptions};

#[test]
fn a_low_lane_does_not_starve() {
    let bus = TestBus::new("starve");
    let bob = bus.attach("bob").unwrap();
    bob.send("bob", b"low", &SendOptions { lane: Lane::Low, ..at_once() }).unwrap();
    let mut before = 0;
    loop {
        bob.send("bob", b"urgent", &SendOptions { lane: Lane::Urgent, ..at_once() }).unwrap();
        let message = bob.recv(None).unwrap();
        let low = *message == *b"low";
        message.release().unwrap();
        if low {
            break;
        }
        before += 1;
        assert!(before < 100, "never its turn");
    }
    assert!(before > 10, "strict priority otherwise: {before}");
}

#[test]
fn a_message_delivered_too_often_is_a_dead_letter_and_can_be_sent_again() {
    let bus = TestBus::new("worn-out");
    let options =
        QueueOptions { max_deliveries: Some(2), dead_letters: Some("dead".into()), ..QueueOptions::default() };
    bus.declare("work", &options).unwrap();
    let member = bus.join().unwrap();
    member.send("work", b"poison", &SendOptions { lane: Lane::High, ..at_once() }).unwrap();
    for deliveries in 1..=2 {
        let message = member.receive("work", Some(Duration::ZERO)).unwrap();
        assert_eq!(message.deliveries(), deliveries);
        message.nack().unwrap();
    }
    assert!(member.try_receive("work").unwrap().is_none());
    assert_eq!((info(&bus, "work").undelivered, info(&bus, "dead").queued), (1, 1));
    member.send("dead", b"put there by hand", &at_once()).unwrap();
    assert_eq!(member.redrive("dead", u64::MAX).unwrap(), 1);
    assert_eq!(drain(&member, "dead"), ["put there by hand"]);
    let again = member.receive("work", Some(Duration::ZERO)).unwrap();
    assert_eq!((again.data(), again.deliveries(), again.lane()), (&b"poison"[..], 1, Lane::High));
    again.release().unwrap();
}

#[test]
fn an_expired_message_is_a_dead_letter_and_stays_readable_there() {
    let bus = TestBus::new("expired");
    bus.declare("work", &QueueOptions { dead_letters: Some("dead".into()), ..QueueOptions::default() }).unwrap();
    bus.declare("careless", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    let soon = SendOptions { time_to_live: Some(Duration::from_nanos(1)), ..at_once() };
    member.send("work", b"stale", &soon).unwrap();
    member.send("work", b"fresh", &SendOptions { time_to_live: Some(Duration::MAX), ..at_once() }).unwrap();
    member.send("careless", b"stale", &soon).unwrap();
    assert_eq!(drain(&member, "work"), ["fresh"]);
    assert_eq!(drain(&member, "dead"), ["stale"]);
    assert_eq!(drain(&member, "careless"), [""; 0]);
    assert_eq!(info(&bus, "careless").dropped, 1);
}

#[test]
fn a_queue_that_makes_room_keeps_the_newest() {
    let bus = TestBus::new("room");
    bus.declare("dead", &QueueOptions { limit: Some(2), ..QueueOptions::default() }).unwrap();
    let options =
        QueueOptions { limit: Some(3), makes_room: true, dead_letters: Some("dead".into()), ..QueueOptions::default() };
    bus.declare("news", &options).unwrap();
    let member = bus.join().unwrap();
    for number in 0..8 {
        member.send("news", number.to_string().as_bytes(), &at_once()).unwrap();
    }
    assert_eq!(drain(&member, "news"), ["5", "6", "7"]);
    assert_eq!(drain(&member, "dead"), ["3", "4"], "full of dead letters: the oldest are gone");
    assert_eq!((info(&bus, "news").undelivered, info(&bus, "dead").dropped), (5, 3));
}

#[test]
fn a_forward_that_waits_for_room_can_be_interrupted_and_gives_the_message_back() {
    let bus = TestBus::new("forward-interrupted");
    bus.declare("full", &QueueOptions { limit: Some(1), ..QueueOptions::default() }).unwrap();
    let alice = bus.attach("alice").unwrap();
    alice.send("full", b"", &SendOptions::default()).unwrap();
    alice.send("alice", b"x", &SendOptions::default()).unwrap();
    let message = alice.recv(None).unwrap();
    let refused = message.forward_until("full", None, &mut || true).unwrap_err();
    assert_eq!((refused.error, &*refused.message), (Error::Interrupted, &b"x"[..]));
    refused.message.release().unwrap();
}

#[test]
fn forwarding_moves_the_same_bytes_and_gives_them_back_when_refused() {
    let bus = TestBus::new("forward");
    bus.declare("next", &QueueOptions { limit: Some(1), ..QueueOptions::default() }).unwrap();
    let bob = bus.attach("bob").unwrap();
    let first = bob.send("bob", b"one", &SendOptions { correlation: 5, ..at_once() }).unwrap();
    bob.send("bob", b"two", &at_once()).unwrap();
    let message = bob.recv(None).unwrap();
    let address = message.data().as_ptr();
    message.forward("next", None).unwrap();
    let refused = bob.recv(None).unwrap().forward("next", Some(Duration::ZERO)).unwrap_err();
    assert_eq!(refused.error, Error::Full { queue: "next".into(), limit: 1 });
    assert_eq!((refused.message.data(), refused.message.deliveries()), (&b"two"[..], 1));
    let missing = refused.message.forward("nowhere", None).unwrap_err();
    assert!(matches!(missing.error, Error::UnknownAgent { .. }));
    missing.message.nack().unwrap();
    let message = bob.receive("next", None).unwrap();
    assert_eq!((message.data(), message.data().as_ptr(), message.id()), (&b"one"[..], address, first));
    assert_eq!((message.sender().as_deref(), message.deliveries(), message.correlation()), (Some("bob"), 1, 5));
    message.release().unwrap();
    let back = bob.recv(None).unwrap();
    assert_eq!((back.data(), back.deliveries()), (&b"two"[..], 2), "it came home, not to the queue that refused it");
    back.release().unwrap();
}

#[test]
fn a_detached_message_is_the_receivers_own() {
    let bus = TestBus::new("detach");
    let bob = bus.attach("bob").unwrap();
    bob.send("bob", b"once", &at_once()).unwrap();
    let mut own = bob.recv(None).unwrap().detach().unwrap();
    assert_eq!(&own[..], b"once");
    own[..2].copy_from_slice(b"tw");
    own.publish("bob", 4, &at_once()).unwrap();
    drop(bob.recv(None).unwrap().detach().unwrap());
    bob.close();
    let bob = bus.attach("bob").unwrap();
    assert!(bob.try_recv().unwrap().is_none(), "at most once: it does not come back");
}

#[test]
fn purging_empties_every_lane() {
    let bus = TestBus::new("purge");
    let bob = bus.attach("bob").unwrap();
    for lane in [Lane::Low, Lane::Urgent, Lane::Normal] {
        bob.send("bob", b"x", &SendOptions { lane, ..at_once() }).unwrap();
    }
    bob.recv(None).unwrap().nack().unwrap();
    assert_eq!(bob.purge("bob").unwrap(), 3);
    assert_eq!(info(&bus, "bob").queued, 0);
    let stranger = bus.join().unwrap();
    assert!(matches!(stranger.purge("bob"), Err(Error::AgentBusy { .. })));
}

#[test]
fn a_call_gets_the_answer_to_its_own_question() {
    let bus = TestBus::new("call");
    let asker = bus.attach("asker").unwrap();
    let server = bus.attach("server").unwrap();
    let serving = std::thread::spawn(move || {
        for _ in 0..100 {
            let question = server.recv(None).unwrap();
            question.reply(&[&question[..], b"!"].concat(), ContentType::Bytes).unwrap();
            question.release().unwrap();
        }
    });
    asker.send("asker", b"not an answer", &at_once()).unwrap();
    for number in 0..100u32 {
        let answer = asker.call("server", &number.to_le_bytes(), &SendOptions::default()).unwrap();
        assert_eq!(answer[..4], number.to_le_bytes());
        assert_eq!((answer.sender().as_deref(), answer.lane()), (Some("server"), Lane::Reply));
        answer.release().unwrap();
    }
    serving.join().unwrap();
    assert_eq!(asker.recv(None).unwrap().data(), b"not an answer");
}

#[test]
fn late_answers_are_dropped_and_counted() {
    let bus = TestBus::new("late");
    let asker = bus.attach("asker").unwrap();
    let server = bus.attach("server").unwrap();
    let soon = SendOptions { timeout: Some(Duration::from_millis(5)), ..SendOptions::default() };
    assert_eq!(asker.call("server", b"1", &soon).err(), Some(Error::Timeout));
    let question = server.recv(None).unwrap();
    question.reply(b"too late", ContentType::Bytes).unwrap();
    question.release().unwrap();
    assert_eq!(asker.call("server", b"2", &soon).err(), Some(Error::Timeout));
    assert_eq!(info(&bus, "asker").dropped, 1);
    assert!(asker.try_recv().unwrap().is_none(), "an answer is no mail");
    let member = bus.join().unwrap();
    member.send("server", b"anonymous", &at_once()).unwrap();
    server.recv(None).unwrap().release().unwrap();
    let anonymous = server.recv(None).unwrap();
    assert!(matches!(anonymous.reply(b"", ContentType::Bytes), Err(Error::InvalidArgument { .. })));
    assert!(matches!(
        member.send("server", b"", &SendOptions { lane: Lane::Reply, ..at_once() }),
        Err(Error::InvalidArgument { .. })
    ));
}

#[test]
fn who_answers_never_waits() {
    let bus = TestBus::new("answers");
    bus.declare("asker", &QueueOptions { limit: Some(2), ..QueueOptions::default() }).unwrap();
    let asker = bus.attach("asker").unwrap();
    let server = bus.attach("server").unwrap();
    asker.send("server", b"?", &at_once()).unwrap();
    let question = server.recv(None).unwrap();
    for _ in 0..5 {
        question.reply(b"again and again", ContentType::Bytes).unwrap();
    }
    question.release().unwrap();
    assert_eq!(info(&bus, "asker").dropped, 3);
}

#[test]
fn one_sleep_covers_many_queues_and_none_hides_another() {
    let bus = TestBus::with("many", swarmbus_core::CreateOptions { agents: 200, ..Default::default() });
    let names: Vec<String> = (0..100).map(|number| format!("queue-{number}")).collect();
    let queues: Vec<&str> = names.iter().map(String::as_str).collect();
    queues.iter().for_each(|queue| bus.declare(queue, &QueueOptions::default()).unwrap());
    let taker = bus.join().unwrap();
    let sender = bus.join().unwrap();
    for queue in &queues {
        for _ in 0..2 {
            sender.send(queue, queue.as_bytes(), &at_once()).unwrap();
        }
    }
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let message = taker.receive_any(&queues, Some(Duration::ZERO)).unwrap();
        assert_eq!(message.queue().as_bytes(), message.data());
        seen.insert(message.queue());
        message.release().unwrap();
    }
    assert!(seen.len() > 90, "{} of 100 queues had their turn", seen.len());
    for _ in 0..100 {
        taker.receive_any(&queues, Some(Duration::ZERO)).unwrap().release().unwrap();
    }
    assert_eq!(taker.receive_any(&queues, Some(Duration::from_millis(5))).err(), Some(Error::Timeout));
    let late = std::thread::spawn({
        let bus = swarmbus_core::Bus::open(bus.name()).unwrap();
        move || {
            while !bus.observer().unwrap().bus().state.eq("ready") {}
            std::thread::sleep(Duration::from_millis(20));
            bus.join().unwrap().send("queue-77", b"wake", &at_once()).unwrap();
        }
    });
    assert_eq!(taker.receive_any(&queues, None).unwrap().queue(), "queue-77");
    late.join().unwrap();
    taker.purge("queue-77").unwrap();
    queues.iter().for_each(|queue| taker.close_queue(queue).unwrap());
    assert!(matches!(taker.receive_any(&queues, None), Err(Error::Closed { .. })));
    assert!(matches!(taker.receive_any(&[], None), Err(Error::InvalidArgument { .. })));
}
