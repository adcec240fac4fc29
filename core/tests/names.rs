//! Hand-over, stand-by, roles, and finding who is there by name, in one process.
mod common;

use common::{BATCH, TestBus, at_once, drain};
use std::thread::{scope, sleep};
use std::time::Duration;
use swarmbus_core::{
    AgentFilter, ContentType, Error, Lane, NameKind, Observer, Policy, PublishOptions, QueueOptions, SendOptions,
    StartAt, Status, TopicOptions,
};

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(30);

fn is_handed_over<T>(result: Result<T, Error>, name: &str) -> bool {
    matches!(result, Err(Error::HandedOver { name: found, pid }) if found == name && pid == std::process::id())
}

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
fn a_descriptor_becomes_readable_and_says_so() {
    use std::os::fd::AsRawFd;
    let bus = TestBus::new("descriptor");
    let old = bus.attach("leader").unwrap();
    let descriptor = old.descriptor().unwrap();
    assert!(descriptor.try_next().unwrap().is_none());
    let new = bus.take_over("leader").unwrap();
    // Also when the new owner has gone by then.
    drop(new);
    let mut ready = [libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    // SAFETY: one descriptor, ours.
    assert_eq!(unsafe { libc::poll(ready.as_mut_ptr(), 1, 30_000) }, 1);
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

#[test]
fn one_of_those_who_stand_by_gets_it_and_then_the_next() {
    let bus = TestBus::new("stand-by");
    let first = bus.attach("leader").unwrap();
    assert!(matches!(bus.stand_by("leader", Some(Duration::ZERO)), Err(Error::Timeout)));
    assert!(matches!(bus.stand_by("leader", Some(SHORT)), Err(Error::Timeout)));
    // No naps that end in time.
    bus.attach("supervisor").unwrap().supervise().unwrap();
    let epochs = scope(|threads| {
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                threads.spawn(|| {
                    let agent = bus.stand_by("leader", None).unwrap();
                    (agent.epoch(), drain(&agent, "leader").len())
                })
            })
            .collect();
        sleep(SHORT);
        bus.join().unwrap().send("leader", b"x", &at_once()).unwrap();
        drop(first);
        let mut epochs: Vec<_> = waiting.into_iter().map(|thread| thread.join().unwrap()).collect();
        epochs.sort_unstable();
        epochs
    });
    assert!(epochs.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(epochs.iter().map(|(_, got)| got).sum::<usize>(), 1);
}

#[test]
fn who_stands_by_waits_for_who_took_over() {
    let bus = TestBus::new("stand-by-takes");
    let first = bus.attach("leader").unwrap();
    scope(|threads| {
        let waiting = threads.spawn(|| bus.stand_by("leader", Some(LONG)).unwrap().epoch());
        sleep(SHORT);
        let second = bus.take_over("leader").unwrap();
        drop(first);
        sleep(SHORT);
        assert!(!waiting.is_finished());
        let epoch = second.epoch();
        drop(second);
        assert!(waiting.join().unwrap() > epoch);
    });
    let asked = std::cell::Cell::new(0);
    let _owner = bus.attach("leader").unwrap();
    let result = bus.stand_by_until("leader", Some(LONG), &mut || {
        asked.set(asked.get() + 1);
        true
    });
    assert!(matches!(result, Err(Error::Interrupted)) && asked.get() == 1);
}

#[test]
fn who_stands_by_is_told_that_the_bus_is_gone() {
    let bus = TestBus::new("stand-by-destroyed");
    let _owner = bus.attach("leader").unwrap();
    scope(|threads| {
        let waiting = threads.spawn(|| bus.stand_by("leader", Some(LONG)).map(drop));
        sleep(SHORT);
        bus.destroy().unwrap();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Closed { .. })));
    });
}

#[test]
fn who_has_a_role_gets_its_messages_beside_its_own() {
    let bus = TestBus::new("roles");
    let (one, two, lead) = (bus.attach("one").unwrap(), bus.attach("two").unwrap(), bus.attach("lead").unwrap());
    assert!(matches!(lead.send("@tester", b"x", &at_once()), Err(Error::UnknownAgent { .. })));
    one.take_role("tester").unwrap();
    two.take_role("@tester").unwrap();
    two.take_role("tester").unwrap();
    two.take_role("builder").unwrap();
    assert_eq!((one.roles(), two.roles()), (vec!["tester".into()], vec!["tester".to_owned(), "builder".into()]));
    for number in 0..4 {
        lead.send("@tester", format!("test {number}").as_bytes(), &at_once()).unwrap();
    }
    lead.send("one", b"own", &at_once()).unwrap();
    let message = one.recv(None).unwrap();
    assert_eq!((message.queue(), message.data()), ("one".into(), &b"own"[..]));
    message.release().unwrap();
    for number in 0..4 {
        let agent = if number % 2 == 0 { &one } else { &two };
        let message = agent.try_recv().unwrap().unwrap();
        assert_eq!((message.queue(), message.data()), ("@tester".into(), format!("test {number}").as_bytes()));
        assert_eq!(message.sender().as_deref(), Some("lead"));
        message.reply(b"done", ContentType::Bytes).unwrap();
        message.release().unwrap();
    }
    assert!(one.drop_role("tester").unwrap() && !one.drop_role("tester").unwrap());
    assert!(!one.drop_role("never-heard-of").unwrap());
    lead.send("@tester", b"for two", &at_once()).unwrap();
    assert!(one.try_recv().unwrap().is_none());
    assert_eq!(two.try_recv().unwrap().unwrap().data(), b"for two");
    assert!(matches!(one.take_role("no name"), Err(Error::InvalidName { .. })));
    // A role is neither an agent nor a sender.
    assert!(matches!(bus.attach("@tester"), Err(Error::InvalidName { .. })));
    assert!(matches!(one.set_sender("@tester"), Err(Error::InvalidName { .. })));
    assert!(matches!(bus.take_over("@tester"), Err(Error::InvalidName { .. })));
}

#[test]
fn roles_and_mailbox_take_turns_when_all_have_messages() {
    let bus = TestBus::new("turns");
    let agent = bus.attach("agent").unwrap();
    agent.take_role("a").unwrap();
    agent.take_role("b").unwrap();
    for _ in 0..30 {
        for queue in ["agent", "@a", "@b"] {
            agent.send(queue, b"", &at_once()).unwrap();
        }
    }
    let mut queues = Vec::new();
    for _ in 0..30 {
        let message = agent.recv(None).unwrap();
        queues.push(message.queue());
        message.release().unwrap();
    }
    for queue in ["agent", "@a", "@b"] {
        assert_eq!(queues.iter().filter(|other| *other == queue).count(), 10, "{queue}");
    }
}

#[test]
fn one_sleep_waits_for_mailbox_and_roles() {
    let bus = TestBus::new("one-sleep");
    let (agent, sender) = (bus.attach("agent").unwrap(), bus.join().unwrap());
    agent.take_role("tester").unwrap();
    sender.supervise().unwrap();
    assert!(matches!(agent.recv(Some(SHORT)), Err(Error::Timeout)));
    scope(|threads| {
        let (tell, told) = std::sync::mpsc::channel();
        threads.spawn(move || {
            for _ in 0..2 {
                let message = agent.recv(Some(LONG)).unwrap();
                tell.send(message.queue()).unwrap();
                message.release().unwrap();
            }
        });
        for to in ["@tester", "agent"] {
            sleep(SHORT);
            sender.send(to, b"", &at_once()).unwrap();
            assert_eq!(told.recv_timeout(LONG).unwrap(), to);
        }
    });
}

#[test]
fn an_agent_that_is_told_to_finish_takes_on_nothing_for_its_roles() {
    let bus = TestBus::new("finish");
    let (agent, other) = (bus.attach("agent").unwrap(), bus.attach("other").unwrap());
    agent.take_role("tester").unwrap();
    agent.send("agent", b"last", &at_once()).unwrap();
    other.send("@tester", b"for others", &at_once()).unwrap();
    other.close_queue("agent").unwrap();
    let last = agent.recv(None).unwrap();
    assert_eq!(last.data(), b"last");
    last.release().unwrap();
    assert!(matches!(agent.recv(None), Err(Error::Closed { .. })));
    other.take_role("tester").unwrap();
    assert_eq!(other.try_recv().unwrap().unwrap().data(), b"for others");
    // Who has lost its mailbox has lost its roles with it.
    let new = bus.take_over("other").unwrap();
    assert!(is_handed_over(other.try_recv(), "other"));
    assert!(is_handed_over(other.take_role("builder"), "other"));
    assert!(new.roles().is_empty());
}

#[test]
fn a_batch_for_a_role_goes_to_one_holder_and_comes_back_with_the_role() {
    let bus = TestBus::new("role-batch");
    let (one, two) = (bus.attach("one").unwrap(), bus.attach("two").unwrap());
    one.take_role("tester").unwrap();
    two.take_role("tester").unwrap();
    two.send_batch("@tester", &BATCH, &at_once()).unwrap();
    let first = one.recv(None).unwrap();
    assert!(two.try_recv().unwrap().is_none(), "the rest is its holder's");
    one.drop_role("tester").unwrap();
    let second = two.try_recv().unwrap().unwrap();
    assert_eq!(second.data(), b"two");
    second.release().unwrap();
    assert_eq!(two.try_recv().unwrap().unwrap().data(), b"three");
    first.release().unwrap();
}

#[test]
fn a_descriptor_tells_of_roles() {
    use std::os::fd::AsRawFd;
    let bus = TestBus::new("role-descriptor");
    let agent = bus.attach("agent").unwrap();
    agent.take_role("tester").unwrap();
    let descriptor = agent.descriptor().unwrap();
    assert!(descriptor.try_next().unwrap().is_none());
    bus.join().unwrap().send("@tester", b"x", &at_once()).unwrap();
    let mut ready = [libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    // SAFETY: one descriptor, ours.
    assert_eq!(unsafe { libc::poll(ready.as_mut_ptr(), 1, 30_000) }, 1);
    assert_eq!(descriptor.try_next().unwrap().unwrap().queue(), "@tester");
}

#[test]
fn names_are_listed_by_pattern_with_what_they_are_of() {
    let bus = TestBus::new("listed");
    let agents = ["worker-1", "worker-2", "lead"].map(|name| bus.attach(name).unwrap());
    bus.declare("work", &QueueOptions::default()).unwrap();
    bus.declare_topic("news", &TopicOptions::default()).unwrap();
    agents[2].take_role("tester").unwrap();
    drop(bus.attach("gone").unwrap());
    let observer = bus.observer().unwrap();
    let listed = |pattern: &str| -> Vec<(String, NameKind, bool)> {
        observer.names(pattern).into_iter().map(|info| (info.name, info.kind, info.owner.is_some())).collect()
    };
    use NameKind::{Mailbox, Queue, Role, Topic};
    assert_eq!(
        listed("*"),
        [
            ("@tester".into(), Role, false),
            ("gone".into(), Mailbox, false),
            ("lead".into(), Mailbox, true),
            ("news".into(), Topic, false),
            ("work".into(), Queue, false),
            ("worker-1".into(), Mailbox, true),
            ("worker-2".into(), Mailbox, true)
        ]
    );
    assert_eq!(listed("worker-?").len(), 2);
    assert_eq!(listed("@*").len(), 1);
    assert_eq!(listed("nobody*").len(), 0);
    let names = |filter: AgentFilter<'_>| -> Vec<String> {
        observer.agents(&filter).into_iter().map(|agent| agent.name).collect()
    };
    assert_eq!(names(AgentFilter::default()), ["gone", "lead", "worker-1", "worker-2"]);
    assert_eq!(names(AgentFilter { alive: Some(false), ..AgentFilter::default() }), ["gone"]);
    assert_eq!(
        names(AgentFilter { pattern: Some("w*"), alive: Some(true), ..AgentFilter::default() }),
        ["worker-1", "worker-2"]
    );
    let epoch = observer.agents(&AgentFilter { pattern: Some("lead"), ..AgentFilter::default() })[0].epoch;
    assert_eq!(epoch, agents[2].epoch());
    // As well in a copy of the file.
    let copy = tempfile::NamedTempFile::new().unwrap();
    std::fs::copy(format!("/dev/shm/swarmbus.{}", bus.name()), copy.path()).unwrap();
    assert_eq!(Observer::open_file(copy.path()).unwrap().names("*"), observer.names("*"));
}

#[test]
fn agents_are_found_by_what_they_say_of_themselves() {
    let bus = TestBus::new("found");
    let (one, two) = (bus.attach("one").unwrap(), bus.attach("two").unwrap());
    one.set_tags(&["gpu", "fast", "gpu"]).unwrap();
    one.take_role("tester").unwrap();
    two.set_tags(&["gpu"]).unwrap();
    assert_eq!(one.tags(), ["gpu", "fast"]);
    let observer = bus.observer().unwrap();
    let names = |filter: AgentFilter<'_>| -> Vec<String> {
        observer.agents(&filter).into_iter().map(|agent| agent.name).collect()
    };
    let tagged = |tag| AgentFilter { tag: Some(tag), ..AgentFilter::default() };
    let with_role = |role| AgentFilter { role: Some(role), ..AgentFilter::default() };
    assert_eq!(names(tagged("gpu")), ["one", "two"]);
    assert_eq!(names(tagged("fast")), ["one"]);
    assert_eq!(names(with_role("tester")), ["one"]);
    assert_eq!(names(with_role("@tester")), ["one"]);
    assert!(names(with_role("builder")).is_empty());
    assert_eq!(names(AgentFilter { pattern: Some("t*"), ..tagged("gpu") }), ["two"]);
    assert!(matches!(one.set_tags(&["no tag"]), Err(Error::InvalidName { .. })));
    // A successor has the roles that it takes itself, and the dead have none.
    let next = bus.take_over("one").unwrap();
    assert!(names(with_role("tester")).is_empty());
    assert!(is_handed_over(one.set_tags(&["late"]), "one"));
    next.take_role("tester").unwrap();
    assert_eq!(names(with_role("tester")), ["one"]);
    next.drop_role("tester").unwrap();
    assert!(names(with_role("tester")).is_empty());
    next.take_role("tester").unwrap();
    drop(next);
    assert!(names(with_role("tester")).is_empty());
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
