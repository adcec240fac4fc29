//! What users of a bus see, in one process.
mod common;
#[path = "common/words.rs"]
mod words;

use common::{HANGS, PATIENCE, TestBus, at_once, eventually};
use std::mem::offset_of;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use swarmbus_core::layout::Header;
use swarmbus_core::{Bus, ContentType, CreateOptions, Error, Lane, MemberPulse, QueueOptions, SendOptions};
use words::Words;

#[test]
fn a_message_arrives_in_place_with_its_circumstances() {
    let bus = TestBus::new("arrives");
    let (alice, bob) = (bus.attach("alice").unwrap(), bus.attach("bob").unwrap());
    let options =
        SendOptions { lane: Lane::High, correlation: 7, content: ContentType::Json, ..SendOptions::default() };
    let id = alice.send("bob", b"{}", &options).unwrap();
    let message = bob.recv(None).unwrap();
    assert_eq!(message.data(), b"{}");
    assert_eq!(message.id(), id);
    assert_eq!(message.sender().as_deref(), Some("alice"));
    assert_eq!((message.lane(), message.deliveries(), message.correlation()), (Lane::High, 1, 7));
    assert_eq!(message.content(), ContentType::Json);
    assert_eq!(message.data().as_ptr() as usize % 64, 0);
    message.release().unwrap();
    assert!(bob.try_recv().unwrap().is_none());
}

#[test]
fn who_has_no_mailbox_says_whom_its_messages_are_from() {
    let bus = TestBus::new("from");
    let (bob, member) = (bus.attach("bob").unwrap(), bus.join().unwrap());
    member.send("bob", b"whoever", &at_once()).unwrap();
    member.set_sender("alice").unwrap();
    member.send("bob", b"alice", &at_once()).unwrap();
    for from in [None, Some("alice")] {
        let message = bob.recv(HANGS).unwrap();
        assert_eq!(message.sender().as_deref(), from);
        message.release().unwrap();
    }
}

#[test]
fn lanes_go_by_priority_and_are_first_in_first_out() {
    let bus = TestBus::new("lanes");
    let bob = bus.attach("bob").unwrap();
    for lane in [Lane::Low, Lane::Normal, Lane::High, Lane::Urgent] {
        for count in 0..3 {
            bob.send("bob", format!("{lane} {count}").as_bytes(), &SendOptions { lane, ..at_once() }).unwrap();
        }
    }
    let mut seen = Vec::new();
    while let Some(message) = bob.try_recv().unwrap() {
        seen.push(String::from_utf8(message.to_vec()).unwrap());
        message.release().unwrap();
    }
    let expected: Vec<String> = ["urgent", "high", "normal", "low"]
        .iter()
        .flat_map(|lane| (0..3).map(move |count| format!("{lane} {count}")))
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_lane_at_its_limit_refuses_and_others_go_on() {
    let bus = TestBus::new("full");
    bus.declare("box", &QueueOptions { limit: Some(5), ..QueueOptions::default() }).unwrap();
    let member = bus.join().unwrap();
    for _ in 0..5 {
        member.send("box", b"x", &at_once()).unwrap();
    }
    assert_eq!(member.send("box", b"x", &at_once()), Err(Error::Full { queue: "box".into(), limit: 5 }));
    let soon = SendOptions { timeout: Some(Duration::from_millis(20)), ..SendOptions::default() };
    assert_eq!(member.send("box", b"x", &soon), Err(Error::Timeout));
    member.send("box", b"y", &SendOptions { lane: Lane::Urgent, ..at_once() }).unwrap();
    assert_eq!(member.receive("box", None).unwrap().data(), b"y");
    // The message above was dropped unreleased: it comes again.
    let again = member.receive("box", None).unwrap();
    assert_eq!((again.data(), again.deliveries()), (&b"y"[..], 2));
    again.release().unwrap();
    member.receive("box", None).unwrap().release().unwrap();
    member.send("box", b"x", &at_once()).unwrap();
    assert!(matches!(member.send("box", b"x", &at_once()), Err(Error::Full { .. })));
}

#[test]
fn loans_are_written_in_place_and_come_back_when_refused() {
    let bus = TestBus::new("loans");
    let bob = bus.attach("bob").unwrap();
    let mut loan = bob.loan(1 << 20).unwrap();
    assert_eq!(loan.len(), 1 << 20);
    loan[..5].copy_from_slice(b"hello");
    let address = loan.as_ptr();
    let refused = loan.publish("nobody", 5, &at_once()).unwrap_err();
    assert_eq!(refused.error, Error::UnknownAgent { name: "nobody".into(), bus: bus.name().into() });
    let refused = refused.loan.publish("bob", (1 << 20) + 1, &at_once()).unwrap_err();
    assert!(matches!(refused.error, Error::TooLarge { .. }));
    refused.loan.publish("bob", 5, &at_once()).unwrap();
    let message = bob.recv(None).unwrap();
    assert_eq!((message.data(), message.data().as_ptr()), (&b"hello"[..], address), "the same bytes, not a copy");
    assert_eq!(bob.loan((16 << 20) + 1).err(), Some(Error::TooLarge { length: (16 << 20) + 1, limit: 16 << 20 }));
    assert_eq!(bob.loan(16 << 20).unwrap().len(), 16 << 20);
}

#[test]
fn every_size_survives() {
    let bus = TestBus::new("sizes");
    let bob = bus.attach("bob").unwrap();
    for length in [0, 1, 63, 64, 65, 1000, 4096, 65536, 1 << 20, (1 << 20) + 1, 16 << 20] {
        let payload: Vec<u8> = (0..length).map(|at| (at * 7 + length) as u8).collect();
        bob.send("bob", &payload, &at_once()).unwrap();
        let message = bob.recv(Some(Duration::ZERO)).unwrap();
        assert!(*message == payload[..], "{length} bytes");
        message.release().unwrap();
    }
}

#[test]
fn a_full_heap_refuses_and_works_on_when_something_is_released() {
    let bus = TestBus::with("heap", CreateOptions { heap: 4 << 20, agents: 8, ..CreateOptions::default() });
    let bob = bus.attach("bob").unwrap();
    let mut sent = 0;
    let refused = loop {
        match bob.send("bob", &vec![1; 500_000], &at_once()) {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, Error::OutOfMemory { wanted: 500_000 });
    assert!(sent >= 4, "{sent}");
    bob.recv(None).unwrap().release().unwrap();
    bob.send("bob", &vec![2; 500_000], &at_once()).unwrap();
    let mut received = 1;
    while let Some(message) = bob.try_recv().unwrap() {
        message.release().unwrap();
        received += 1;
    }
    assert_eq!(received, sent + 1);
}

#[test]
fn a_mailbox_outlives_its_owner_and_has_one_at_a_time() {
    let bus = TestBus::new("owners");
    bus.declare("bob", &QueueOptions::default()).unwrap();
    let alice = bus.attach("alice").unwrap();
    alice.send("bob", b"early", &at_once()).unwrap();
    let bob = bus.attach("bob").unwrap();
    assert_eq!(bus.attach("bob").err(), Some(Error::AgentBusy { name: "bob".into(), pid: std::process::id() }));
    assert!(matches!(alice.receive("bob", Some(Duration::ZERO)), Err(Error::AgentBusy { .. })));
    let message = bob.recv(None).unwrap();
    assert_eq!(message.data(), b"early");
    let raw = message.into_raw();
    bob.close();
    let bob = bus.attach("bob").unwrap();
    // SAFETY: the one message of this raw one is gone.
    assert!(matches!(unsafe { swarmbus_core::Message::from_raw(&bob, raw) }, Err(Error::Released)));
    let again = bob.recv(Some(Duration::ZERO)).unwrap();
    assert_eq!((again.data(), again.deliveries()), (&b"early"[..], 2));
    again.release().unwrap();
}

#[test]
fn a_closed_queue_takes_nothing_more_and_ends_when_it_is_empty() {
    let bus = TestBus::new("closed");
    let bob = bus.attach("bob").unwrap();
    bob.send("bob", b"last", &at_once()).unwrap();
    bob.close_queue("bob").unwrap();
    assert!(matches!(bob.send("bob", b"late", &at_once()), Err(Error::Closed { .. })));
    bob.recv(None).unwrap().release().unwrap();
    assert!(matches!(bob.recv(None), Err(Error::Closed { .. })));
    bob.reopen_queue("bob").unwrap();
    bob.send("bob", b"again", &at_once()).unwrap();
    bob.recv(None).unwrap().release().unwrap();
}

#[test]
fn destroying_wakes_who_waits_and_closes_everything() {
    let bus = TestBus::new("destroyed");
    let bob = bus.attach("bob").unwrap();
    let waiter = std::thread::spawn(move || bob.recv(None).map(|_| ()));
    while bus.observer().unwrap().members().is_empty() {}
    bus.destroy().unwrap();
    assert!(matches!(waiter.join().unwrap(), Err(Error::Closed { .. })));
    assert!(matches!(bus.join(), Err(Error::Closed { .. })));
    assert!(matches!(Bus::open(bus.name()), Err(Error::UnknownBus { .. })));
    let successor = Bus::create(bus.name(), &CreateOptions::default()).unwrap();
    bus.destroy().unwrap();
    assert!(Bus::open(bus.name()).is_ok(), "a late destroy leaves the successor alone");
    successor.destroy().unwrap();
}

#[test]
fn blocked_senders_and_receivers_wake_each_other() {
    let bus = TestBus::new("blocking");
    bus.declare("work", &QueueOptions { limit: Some(4), ..QueueOptions::default() }).unwrap();
    const EACH: u32 = 2000;
    let senders: Vec<_> = (0..3u32)
        .map(|sender| {
            let member = bus.join().unwrap();
            std::thread::spawn(move || {
                for count in 0..EACH {
                    member.send("work", &(sender * EACH + count).to_ne_bytes(), &SendOptions::default()).unwrap();
                }
            })
        })
        .collect();
    let takers: Vec<_> = (0..3)
        .map(|_| {
            let member = bus.join().unwrap();
            std::thread::spawn(move || {
                let mut got = Vec::new();
                loop {
                    match member.receive("work", None) {
                        Ok(message) => {
                            got.push(u32::from_ne_bytes(message.data().try_into().unwrap()));
                            message.release().unwrap();
                        }
                        Err(Error::Closed { .. }) => return got,
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    bus.join().unwrap().close_queue("work").unwrap();
    let mut all: Vec<u32> = takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect();
    all.sort_unstable();
    assert_eq!(all, (0..3 * EACH).collect::<Vec<_>>(), "each once");
}

#[test]
fn names_and_options_are_checked() {
    let bus = TestBus::with("checked", CreateOptions { agents: 2, ..CreateOptions::default() });
    assert!(matches!(bus.attach("no/slash"), Err(Error::InvalidName { .. })));
    assert!(matches!(Bus::create("a b", &CreateOptions::default()), Err(Error::InvalidName { .. })));
    assert!(matches!(Bus::create(bus.name(), &CreateOptions::default()), Err(Error::BusExists { .. })));
    for wrong in [
        CreateOptions { agents: 0, ..CreateOptions::default() },
        CreateOptions { limit: 0, ..CreateOptions::default() },
        CreateOptions { heap: u64::MAX, ..CreateOptions::default() },
        CreateOptions { mode: 0o077, ..CreateOptions::default() },
    ] {
        assert!(matches!(Bus::create("never", &wrong), Err(Error::InvalidArgument { .. })), "{wrong:?}");
    }
    assert!(matches!(
        bus.declare("q", &QueueOptions { limit: Some(1 << 21), ..QueueOptions::default() }),
        Err(Error::InvalidArgument { .. })
    ));
    let first = bus.attach("first").unwrap();
    let _second = bus.attach("second").unwrap();
    assert_eq!(bus.attach("third").err(), Some(Error::TooManyAgents { limit: 2 }));
    assert!(matches!(first.send("third", b"", &at_once()), Err(Error::UnknownAgent { .. })));
}

#[test]
fn two_who_declare_at_once_make_one_queue_of_each_name() {
    const EACH: usize = 600;
    let options = CreateOptions { agents: 3 * EACH as u32 + 8, limit: 16, ..CreateOptions::default() };
    let bus = TestBus::with("declared-twice", options);
    let arrived = AtomicUsize::new(0);
    let declare = |mine: &str| {
        let begun = Instant::now();
        for number in 0..EACH {
            for (half, of) in ["both", mine].into_iter().enumerate() {
                arrived.fetch_add(1, Relaxed);
                while arrived.load(Relaxed) < 4 * number + 2 * (half + 1) {
                    assert!(begun.elapsed() < 4 * PATIENCE, "the other one is gone");
                    std::thread::yield_now();
                }
                bus.declare(&format!("{of}-{number}"), &QueueOptions::default()).unwrap();
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| declare("one"));
        scope.spawn(|| declare("other"));
    });
    let mut names: Vec<String> = bus.observer().unwrap().queues().into_iter().map(|queue| queue.name).collect();
    names.sort();
    let mut expected: Vec<String> =
        (0..EACH).flat_map(|number| ["both", "one", "other"].map(|of| format!("{of}-{number}"))).collect();
    expected.sort();
    assert_eq!(names, expected);
    let member = bus.join().unwrap();
    for name in &names {
        member.send(name, name.as_bytes(), &at_once()).unwrap();
    }
    for name in &names {
        let message = member.receive(name, Some(Duration::ZERO)).unwrap();
        assert_eq!(message.data(), name.as_bytes());
        message.release().unwrap();
    }
}

#[test]
fn an_observer_sees_who_sleeps() {
    let bus = &TestBus::new("asleep");
    let observer = bus.observer().unwrap();
    let sleeps = |agent: &str| {
        let pulse = observer.pulse();
        let mailbox = pulse.queues.iter().find(|queue| queue.name == agent).map(|queue| queue.id);
        let of = |member: &&MemberPulse| member.mailbox.is_some() && member.mailbox == mailbox;
        pulse.members.iter().find(of).map(|member| member.sleeps)
    };
    std::thread::scope(|scope| {
        // One is looked at while the other stands there. Who fails drops its ends, so that the other fails as well.
        let ((stands, standing), (go_on, gone_on)) = (channel(), channel());
        scope.spawn(move || {
            let stand = || {
                stands.send(()).unwrap();
                gone_on.recv().unwrap();
            };
            let bob = bus.attach("bob").unwrap();
            let message = bob.recv(HANGS).unwrap();
            let _descriptor = bob.descriptor().unwrap();
            stand();
            message.release().unwrap();
            // Whoever has made a descriptor counts as asleep from then on.
            let alice = bus.attach("alice").unwrap();
            alice.send("alice", b"awake", &at_once()).unwrap();
            alice.recv(HANGS).unwrap().release().unwrap();
            assert!(alice.recv(Some(Duration::from_millis(1))).is_err());
            stand();
        });
        eventually("it sleeps", || sleeps("bob") == Some(true));
        bus.join().unwrap().send("bob", b"up", &at_once()).unwrap();
        standing.recv().unwrap();
        assert_eq!(sleeps("bob"), Some(true), "its descriptor's watcher does");
        go_on.send(()).unwrap();
        standing.recv().unwrap();
        assert_eq!(sleeps("alice"), Some(false), "it has slept, and sleeps no more");
        go_on.send(()).unwrap();
    });
}

#[test]
fn who_supervises_does_so_until_it_leaves() {
    let bus = TestBus::new("supervised");
    let words = Words::of(&bus);
    // Who finds the word 0 sleeps for shorter times, and looks for the dead himself.
    let supervisor = || words.read(offset_of!(Header, supervisor) as u64);
    let (first, other) = (bus.join().unwrap(), bus.join().unwrap());
    assert_eq!(supervisor(), 0);
    first.supervise().unwrap();
    assert_eq!(bus.observer().unwrap().supervisor_pid(), Some(std::process::id()));
    let said = supervisor();
    drop(other);
    assert_eq!(supervisor(), said, "somebody else has left");
    drop(first);
    assert_eq!(supervisor(), 0);
}

#[test]
fn an_observer_sees_everything_and_takes_nothing() {
    let bus = TestBus::new("observer");
    let bob = bus.attach("bob").unwrap();
    for text in ["one", "two", "three"] {
        bob.send("bob", text.as_bytes(), &at_once()).unwrap();
    }
    let held = bob.recv(None).unwrap();
    let observer = bus.observer().unwrap();
    let queues = observer.queues();
    assert_eq!(queues.len(), 1);
    assert_eq!((queues[0].queued, queues[0].in_flight, queues[0].owner), (2, 1, Some(std::process::id())));
    let members = observer.members();
    assert_eq!((members.len(), members[0].in_flight, members[0].agent.as_deref()), (1, 1, Some("bob")));
    let peeked = observer.peek("bob", 10).unwrap();
    assert_eq!(peeked.iter().map(|message| &message.data[..]).collect::<Vec<_>>(), [b"two".as_slice(), b"three"]);
    assert_eq!(peeked[0].sender.as_deref(), Some("bob"));
    let chunks = observer.bus().heap.chunks;
    assert_eq!((chunks.queued, chunks.in_flight), (2, 1));

    let copy = tempfile::NamedTempFile::new().unwrap();
    std::fs::copy(format!("/dev/shm/swarmbus.{}", bus.name()), copy.path()).unwrap();
    let saved = swarmbus_core::Observer::open_file(copy.path()).unwrap();
    assert_eq!(saved.peek("bob", 10).unwrap().len(), 2);
    assert_eq!(saved.queues()[0].in_flight, 1);
    drop(held);
}
