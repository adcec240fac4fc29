//! Topics: one message for everybody, in order; what each policy does about a slow subscriber; late joiners; the dead.

#[path = "common/actor.rs"]
mod actor;
mod common;

use common::{HANGS, TestBus, at_once};
use std::time::Duration;
use swarmbus_core::{
    Bus, ContentType, CreateOptions, Error, Policy, PublishOptions, Published, QueueOptions, SendOptions, StartAt,
    Subscription, TopicOptions,
};

fn now() -> PublishOptions {
    PublishOptions { timeout: Some(Duration::ZERO), ..PublishOptions::default() }
}

fn topic(bus: &Bus, policy: Policy, capacity: u32, retain: u32) {
    bus.declare_topic("news", &TopicOptions { policy, capacity: Some(capacity), retain }).unwrap();
}

/// The numbers that are there to read, with how many were missed before each.
fn numbers(subscription: &mut Subscription<'_>) -> Vec<(u64, u64)> {
    std::iter::from_fn(|| {
        let sample = subscription.try_recv().unwrap()?;
        Some((u64::from_le_bytes(sample[..8].try_into().unwrap()), sample.missed()))
    })
    .collect()
}

fn plain(numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
    numbers.into_iter().map(|number| (number, 0)).collect()
}

fn chunks(bus: &Bus) -> (u64, u64, u64) {
    let chunks = bus.observer().unwrap().bus().heap.chunks;
    (chunks.held, chunks.queued, chunks.in_flight)
}

#[test]
fn everybody_reads_every_message_in_one_place() {
    let bus = TestBus::new("topic");
    topic(&bus, Policy::BackPressure, 8, 0);
    let alice = bus.attach("alice").unwrap();
    let members: Vec<_> = (0..5).map(|_| bus.join().unwrap()).collect();
    let mut subscriptions: Vec<_> =
        members.iter().map(|member| member.subscribe("news", StartAt::Now).unwrap()).collect();
    let options = PublishOptions { correlation: 7, content: ContentType::Json, ..now() };
    let published = alice.publish("news", b"[1]", &options).unwrap();
    assert_eq!(published.position, Some(0));
    let mut places = Vec::new();
    for subscription in &mut subscriptions {
        let sample = subscription.recv(HANGS).unwrap();
        assert_eq!((sample.data(), sample.id(), sample.position()), (&b"[1]"[..], published.id, 0));
        assert_eq!((sample.sender().as_deref(), sample.correlation()), (Some("alice"), 7));
        assert_eq!((sample.content(), sample.missed()), (ContentType::Json, 0));
        assert_eq!(sample.data().as_ptr() as usize % 64, 0);
        places.push(sample.data().as_ptr());
    }
    assert!(places.windows(2).all(|pair| pair[0] == pair[1]), "one place for all: {places:?}");
    assert_eq!(subscriptions[0].try_recv().map(|sample| sample.is_none()), Ok(true));
    let mut loan = alice.loan(100).unwrap();
    loan[..2].copy_from_slice(b"zc");
    assert_eq!(loan.publish_to("news", 2, &now()).unwrap().position, Some(1));
    assert_eq!(&*subscriptions[3].recv(HANGS).unwrap(), b"zc");
    assert_eq!((subscriptions[3].position(), subscriptions[3].topic().as_str()), (2, "news"));
}

#[test]
fn with_back_pressure_a_publisher_waits_for_the_slowest() {
    let bus = TestBus::new("topic-full");
    topic(&bus, Policy::BackPressure, 3, 0);
    let (publisher, slow, quick) = (bus.join().unwrap(), bus.join().unwrap(), bus.join().unwrap());
    let mut slow = slow.subscribe("news", StartAt::Now).unwrap();
    let mut quick = quick.subscribe("news", StartAt::Now).unwrap();
    for number in 0..3u64 {
        publisher.publish("news", &number.to_le_bytes(), &now()).unwrap();
    }
    assert_eq!(numbers(&mut quick), plain(0..3));
    let full = Error::Full { queue: "news".into(), limit: 3 };
    assert_eq!(publisher.publish("news", b"", &now()).err(), Some(full));
    let soon = PublishOptions { timeout: Some(Duration::from_millis(20)), ..now() };
    assert_eq!(publisher.publish("news", b"", &soon).err(), Some(Error::Timeout));
    let sample = slow.recv(HANGS).unwrap();
    assert!(publisher.publish("news", b"", &now()).is_err(), "it still reads the first");
    drop(sample);
    publisher.publish("news", &3u64.to_le_bytes(), &now()).unwrap();
    assert_eq!((numbers(&mut slow), numbers(&mut quick)), (plain(1..4), plain(3..4)));
    let gone = publisher.loan(8).unwrap();
    assert_eq!(gone.publish_to("news", 9, &now()).err().unwrap().error, Error::TooLarge { length: 9, limit: 8 });
}

#[test]
fn a_handle_does_not_wait_for_itself() {
    let bus = TestBus::new("topic-self");
    topic(&bus, Policy::BackPressure, 2, 0);
    let (member, other) = (bus.join().unwrap(), bus.join().unwrap());
    let mut subscription = member.subscribe("news", StartAt::Now).unwrap();
    let patient = PublishOptions { timeout: HANGS, ..now() };
    member.publish("news", &0u64.to_le_bytes(), &patient).unwrap();
    member.publish("news", &1u64.to_le_bytes(), &patient).unwrap();
    let Err(Error::InvalidArgument { what }) = member.publish("news", b"", &patient) else { panic!("it waited") };
    assert!(what.contains("own subscription to 'news'"), "{what}");
    let full = Error::Full { queue: "news".into(), limit: 2 };
    assert_eq!(member.publish("news", b"", &now()).err(), Some(full), "without patience it is as with all others");
    assert_eq!(numbers(&mut subscription), plain(0..2));
    member.publish("news", &2u64.to_le_bytes(), &patient).unwrap();

    // Somebody else is in the way, and this handle has room left: it waits.
    let mut slow = other.subscribe("news", StartAt::Now).unwrap();
    member.publish("news", &3u64.to_le_bytes(), &patient).unwrap();
    assert_eq!(numbers(&mut subscription), plain(2..4));
    member.publish("news", &4u64.to_le_bytes(), &patient).unwrap();
    let soon = PublishOptions { timeout: Some(Duration::from_millis(20)), ..now() };
    assert_eq!(member.publish("news", b"", &soon).err(), Some(Error::Timeout));
    assert_eq!(numbers(&mut slow), plain(3..5));
}

#[test]
fn an_idle_subscriber_leaves_the_dead_to_the_supervisor() {
    let bus = TestBus::new("topic-idle");
    topic(&bus, Policy::BackPressure, 2, 0);
    let (supervisor, member) = (bus.attach("supervisor").unwrap(), bus.attach("idle").unwrap());
    supervisor.supervise().unwrap();
    let mut subscription = member.subscribe("news", StartAt::Now).unwrap();
    assert_eq!(subscription.recv(Some(Duration::from_millis(2500))).err(), Some(Error::Timeout));
    let observer = bus.observer().unwrap();
    let idle = observer.members().into_iter().find(|member| member.agent.as_deref() == Some("idle")).unwrap();
    assert!(idle.counters.sleeps <= 2, "it woke {} times for nothing", idle.counters.sleeps);
}

#[test]
fn a_publisher_that_waits_is_woken_by_who_makes_room() {
    let bus = TestBus::new("topic-room");
    topic(&bus, Policy::BackPressure, 2, 0);
    let reader = bus.join().unwrap();
    let mut subscription = reader.subscribe("news", StartAt::Now).unwrap();
    const MESSAGES: u64 = 3000;
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                let publisher = bus.join().unwrap();
                for number in 0..MESSAGES {
                    let options = PublishOptions { timeout: HANGS, ..now() };
                    publisher.publish("news", &number.to_le_bytes(), &options).unwrap();
                }
            });
        }
        let mut next = std::collections::BTreeMap::new();
        for position in 0..2 * MESSAGES {
            let sample = subscription.recv(HANGS).unwrap();
            assert_eq!((sample.position(), sample.missed()), (position, 0));
            let number = u64::from_le_bytes(sample[..8].try_into().unwrap());
            let expected = next.entry(sample.id().0 >> 38).or_insert(0u64);
            assert_eq!(number, *expected, "each publisher's in order");
            *expected += 1;
        }
    });
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let bus = TestBus::new("topic-drop");
    topic(&bus, Policy::DropNew, 2, 0);
    let (publisher, member) = (bus.join().unwrap(), bus.join().unwrap());
    let mut subscription = member.subscribe("news", StartAt::Now).unwrap();
    let positions: Vec<_> = (0..5u64)
        .map(|number| publisher.publish("news", &number.to_le_bytes(), &PublishOptions::default()).unwrap().position)
        .collect();
    assert_eq!(positions, [Some(0), Some(1), None, None, None]);
    assert_eq!(numbers(&mut subscription), plain(0..2));
    publisher.publish("news", &5u64.to_le_bytes(), &now()).unwrap();
    assert_eq!(numbers(&mut subscription), plain(5..6));
    let info = &bus.observer().unwrap().topics()[0];
    assert_eq!((info.published, info.dropped, info.policy), (3, 3, Policy::DropNew));
}

#[test]
fn a_slow_subscriber_of_a_lossy_topic_is_told_what_it_missed() {
    let bus = TestBus::new("topic-lossy");
    topic(&bus, Policy::Lossy, 4, 2);
    let (publisher, member) = (bus.join().unwrap(), bus.join().unwrap());
    let mut subscription = member.subscribe("news", StartAt::Now).unwrap();
    for number in 0..100u64 {
        publisher.publish("news", &number.to_le_bytes(), &now()).unwrap();
    }
    let read = numbers(&mut subscription);
    assert_eq!(read, [(96, 96), (97, 0), (98, 0), (99, 0)]);
    assert_eq!(subscription.missed(), 96);
    assert_eq!(bus.observer().unwrap().topics()[0].subscribers[0].missed, 96);
    publisher.publish("news", &[7; 100_000], &now()).unwrap();
    assert_eq!(&*subscription.recv(HANGS).unwrap(), &[7; 100_000][..]);
    drop(subscription);
    let mut last = member.subscribe("news", StartAt::Retained).unwrap();
    assert_eq!(last.recv(HANGS).unwrap().position(), 99);
}

#[test]
fn late_joiners_get_what_is_retained() {
    let bus = TestBus::new("topic-retain");
    topic(&bus, Policy::BackPressure, 8, 3);
    let publisher = bus.join().unwrap();
    let members: Vec<_> = (0..4).map(|_| bus.join().unwrap()).collect();
    let joins = [StartAt::Now, StartAt::Retained, StartAt::Last(1), StartAt::Last(100)];
    let seen = || {
        let mut joined: Vec<_> =
            members.iter().zip(joins).map(|(member, from)| member.subscribe("news", from).unwrap()).collect();
        joined.iter_mut().map(numbers).collect::<Vec<_>>()
    };
    assert_eq!(seen(), [vec![], vec![], vec![], vec![]]);
    let publish = |number: u64| publisher.publish("news", &number.to_le_bytes(), &now()).unwrap();
    publish(0);
    assert_eq!(seen(), [plain([]), plain(0..1), plain(0..1), plain(0..1)]);
    for number in 1..100 {
        publish(number);
    }
    assert_eq!(seen(), [plain([]), plain(97..100), plain(99..100), plain(97..100)]);
}

#[test]
fn a_name_is_one_thing_and_a_handle_subscribes_once() {
    let bus = TestBus::new("topic-kinds");
    topic(&bus, Policy::BackPressure, 8, 0);
    bus.declare_topic("news", &TopicOptions { policy: Policy::Lossy, ..TopicOptions::default() }).unwrap();
    assert_eq!(bus.observer().unwrap().topics()[0].policy, Policy::BackPressure, "it keeps what it has");
    bus.declare("queue", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    let wrong = |result: Result<(), Error>| assert!(matches!(result, Err(Error::WrongKind { .. })), "{result:?}");
    wrong(bus.declare("news", &QueueOptions::default()));
    wrong(bus.declare_topic("queue", &TopicOptions::default()));
    wrong(bus.attach("news").map(drop));
    wrong(member.send("news", b"", &at_once()).map(drop));
    wrong(member.receive("news", Some(Duration::ZERO)).map(drop));
    wrong(member.publish("queue", b"", &now()).map(drop));
    wrong(member.subscribe("queue", StartAt::Now).map(drop));
    wrong(bus.observer().unwrap().peek("news", 1).map(drop));
    let unknown = member.publish("nowhere", b"", &now());
    assert!(matches!(unknown, Err(Error::UnknownAgent { .. })));
    for (capacity, retain) in [(0, 0), (1 << 20, 0), (4, 5)] {
        let options = TopicOptions { capacity: Some(capacity), retain, ..TopicOptions::default() };
        assert!(matches!(bus.declare_topic("odd", &options), Err(Error::InvalidArgument { .. })));
    }
    let first = member.subscribe("news", StartAt::Now).unwrap();
    assert!(matches!(member.subscribe("news", StartAt::Now), Err(Error::InvalidArgument { .. })));
    first.close();
    drop(member.subscribe("news", StartAt::Now).unwrap());
}

#[test]
fn all_topics_can_be_had() {
    let bus = TestBus::with("topic-many", CreateOptions { agents: 4, heap: 8 << 20, ..CreateOptions::default() });
    for number in 0..256 {
        bus.declare_topic(&format!("t{number}"), &TopicOptions::default()).unwrap();
    }
    let one_more = bus.declare_topic("one-more", &TopicOptions::default());
    assert!(matches!(one_more, Err(Error::InvalidArgument { .. })), "{one_more:?}");
    let member = bus.join().unwrap();
    let mut all: Vec<_> =
        (0..256).map(|number| member.subscribe(&format!("t{number}"), StartAt::Now).unwrap()).collect();
    for number in 0..256u64 {
        member.publish(&format!("t{number}"), &number.to_le_bytes(), &now()).unwrap();
    }
    for (number, subscription) in all.iter_mut().enumerate() {
        assert_eq!(numbers(subscription), plain([number as u64]));
    }
    std::mem::forget(all);
    member.close();
    assert!(bus.observer().unwrap().topics().iter().all(|topic| topic.subscribers.is_empty()));
}

#[test]
fn who_leaves_or_dies_holds_nobody_up() {
    let bus = TestBus::new("topic-leave");
    topic(&bus, Policy::BackPressure, 1, 0);
    let publisher = bus.join().unwrap();
    let leaver = bus.join().unwrap();
    let subscription = leaver.subscribe("news", StartAt::Now).unwrap();
    publisher.publish("news", b"1", &now()).unwrap();
    assert!(publisher.publish("news", b"2", &now()).is_err());
    drop(subscription);
    publisher.publish("news", b"2", &now()).unwrap();

    let mut dead = actor::spawn("subscribe", bus.name());
    publisher.publish("news", b"3", &now()).unwrap();
    assert!(publisher.publish("news", b"4", &now()).is_err(), "it lives");
    std::thread::sleep(Duration::from_millis(2));
    dead.kill().unwrap();
    dead.wait().unwrap();
    // Nobody has reaped: the publisher asks about whom it would have to wait for.
    publisher.publish("news", b"4", &now()).unwrap();
    assert!(bus.observer().unwrap().topics()[0].subscribers.is_empty());

    let mut dead = actor::spawn("subscribe", bus.name());
    publisher.publish("news", b"5", &now()).unwrap();
    std::thread::scope(|threads| {
        let waits = threads.spawn(|| bus.join().unwrap().publish("news", b"6", &PublishOptions::default()));
        dead.kill().unwrap();
        dead.wait().unwrap();
        bus.join().unwrap().reap().unwrap();
        assert_eq!(waits.join().unwrap().unwrap().position, Some(5));
    });
}

#[test]
fn memory_comes_back_as_messages_are_pushed_out() {
    let bus = TestBus::with("topic-memory", CreateOptions { agents: 8, heap: 8 << 20, ..CreateOptions::default() });
    topic(&bus, Policy::BackPressure, 4, 0);
    let publisher = bus.join().unwrap();
    for number in 0..1000u64 {
        let length = if number % 3 == 0 { 200_000 } else { 100 };
        publisher.publish("news", &vec![number as u8; length], &now()).unwrap();
    }
    publisher.close();
    assert_eq!(chunks(&bus), (0, 8, 0), "twice the capacity is kept");
    assert_eq!(bus.observer().unwrap().topics()[0].retained_messages, 8);
}

#[test]
fn topics_that_everybody_has_read_leave_their_memory_to_others() {
    let bus = TestBus::with("topic-full", CreateOptions { agents: 8, heap: 32 << 20, ..CreateOptions::default() });
    topic(&bus, Policy::BackPressure, 64, 2);
    let (publisher, reader) = (bus.join().unwrap(), bus.join().unwrap());
    let mut subscription = reader.subscribe("news", StartAt::Now).unwrap();
    let payload = vec![7; 512 << 10];
    // Twice as many slots as the capacity, in which there is memory for half as many.
    for number in 0..200u64 {
        publisher.publish("news", &payload, &now()).unwrap_or_else(|error| panic!("{number}: {error}"));
        assert_eq!(subscription.try_recv().unwrap().unwrap().position(), number);
    }
    drop(subscription);
    bus.declare("q", &QueueOptions::default()).unwrap();
    for _ in 0..40 {
        publisher.send("q", &payload, &SendOptions::default()).unwrap();
    }
    let late = bus.join().unwrap();
    let mut retained = late.subscribe("news", StartAt::Retained).unwrap();
    for number in [198, 199] {
        assert_eq!(retained.try_recv().unwrap().unwrap().position(), number, "what is retained stays");
    }
    drop(retained);
    assert!(publisher.trim("news").unwrap() <= 126);
    assert_eq!(publisher.trim("news").unwrap(), 0, "nothing is left to take out");
    assert_eq!(bus.observer().unwrap().topics()[0].retained_messages, 2);
}

#[test]
fn what_somebody_has_not_read_is_not_taken_out() {
    let bus = TestBus::new("topic-trim");
    topic(&bus, Policy::BackPressure, 8, 0);
    let (publisher, reader) = (bus.join().unwrap(), bus.join().unwrap());
    let mut subscription = reader.subscribe("news", StartAt::Now).unwrap();
    for number in 0..6u8 {
        publisher.publish("news", &[number], &now()).unwrap();
    }
    assert_eq!(subscription.try_recv().unwrap().unwrap().data(), [0]);
    let held = subscription.try_recv().unwrap().unwrap();
    assert_eq!(publisher.trim("news").unwrap(), 1, "the one that was read, not the one that is being read");
    assert_eq!(held.data(), [1]);
    drop(held);
    for number in 2..6u8 {
        assert_eq!(subscription.try_recv().unwrap().unwrap().data(), [number]);
    }
}

#[test]
fn a_destroyed_bus_wakes_who_waits() {
    let bus = TestBus::new("topic-destroyed");
    topic(&bus, Policy::BackPressure, 1, 0);
    std::thread::scope(|threads| {
        let reader = threads.spawn(|| {
            let member = bus.join().unwrap();
            let mut subscription = member.subscribe("news", StartAt::Now).unwrap();
            let first = subscription.recv(HANGS).map(drop);
            (first, subscription.recv(None).map(drop).err())
        });
        let publisher = bus.join().unwrap();
        while publisher.bus().observer().unwrap().topics()[0].subscribers.is_empty() {
            std::thread::yield_now();
        }
        publisher.publish("news", b"", &now()).unwrap();
        while bus.observer().unwrap().topics()[0].subscribers[0].behind > 0 {
            std::thread::yield_now();
        }
        bus.destroy().unwrap();
        let (first, then) = reader.join().unwrap();
        assert!(first.is_ok() && matches!(then, Some(Error::Closed { .. })), "{first:?} {then:?}");
    });
}

#[test]
fn joining_while_publishers_run_is_exact() {
    let bus = TestBus::new("topic-join");
    topic(&bus, Policy::BackPressure, 4, 4);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                let publisher = bus.join().unwrap();
                let mut number = 0u64;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let options = PublishOptions { timeout: HANGS, ..now() };
                    let Published { position, .. } =
                        publisher.publish("news", &number.to_le_bytes(), &options).unwrap();
                    assert!(position.is_some());
                    number += 1;
                }
            });
        }
        let member = bus.join().unwrap();
        for round in 0..500 {
            let from = [StartAt::Now, StartAt::Retained, StartAt::Last(2)][round % 3];
            let mut subscription = member.subscribe("news", from).unwrap();
            let first = subscription.position();
            let mut of_publisher = std::collections::BTreeMap::new();
            for position in first..first + 20 {
                let sample = subscription.recv(HANGS).unwrap();
                assert_eq!((sample.position(), sample.missed()), (position, 0));
                let number = u64::from_le_bytes(sample[..8].try_into().unwrap());
                let before = of_publisher.insert(sample.id().0 >> 38, number);
                assert!(before.is_none_or(|before| before + 1 == number), "a gap or a duplicate");
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn actor() {
    let Some((act, bus)) = actor::role() else { return };
    let bus = Bus::open(&bus).unwrap();
    match act.as_str() {
        "subscribe" => {
            let member = bus.join().unwrap();
            let _subscription = member.subscribe("news", StartAt::Now).unwrap();
            actor::ready();
        }
        act => panic!("{act}?"),
    }
}
