//! Names that several agents hold at a time.

use crate::common::{BATCH, TestBus, at_once};
use crate::{LONG, SHORT, is_handed_over, wait_until_readable};
use std::thread::{scope, sleep};
use swarmbus_core::{ContentType, Error};

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
    let bus = TestBus::new("role-descriptor");
    let agent = bus.attach("agent").unwrap();
    agent.take_role("tester").unwrap();
    let descriptor = agent.descriptor().unwrap();
    assert!(descriptor.try_next().unwrap().is_none());
    bus.join().unwrap().send("@tester", b"x", &at_once()).unwrap();
    wait_until_readable(&descriptor);
    assert_eq!(descriptor.try_next().unwrap().unwrap().queue(), "@tester");
}
