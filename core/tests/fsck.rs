//! A look through a segment finds what somebody has written over, says nothing of what is in motion, and a repair loses no message.
mod common;
#[path = "common/words.rs"]
mod words;

use common::{TestBus, at_once};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use swarmbus_core::layout::{QUEUE_IN_CELL, SLOTS_IN_CELL};
use swarmbus_core::{
    Bus, CreateOptions, Lane, LockMode, Observer, PublishOptions, QueueOptions, SendOptions, StartAt, Status,
    TopicOptions, repair_bus, repair_file,
};
use words::Words;

fn small() -> CreateOptions {
    CreateOptions { agents: 12, heap: 16 << 20, limit: 16, ..CreateOptions::default() }
}

/// The index of the only queue with messages in its normal lane.
fn queue(words: &Words) -> u64 {
    let has_messages = |index: &u64| {
        let row = words.read(words.geometry.roster_at + index * 32 + 8);
        row & 3 == 2 && words.read(words.cell(*index) + QUEUE_IN_CELL + 384 + 4 * 256) > 0
    };
    (0..words.geometry.agents).find(has_messages).unwrap()
}

/// A queue with the messages 0 to 7, and nobody who uses the bus.
fn with_eight(test: &str) -> TestBus {
    let bus = TestBus::with(test, small());
    bus.declare("q", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    for number in 0..8u8 {
        member.send("q", &[number; 40], &at_once()).unwrap();
    }
    drop(member);
    assert_eq!(bus.observer().unwrap().fsck(), []);
    bus
}

/// The messages of the queue, as they come.
fn in_order(bus: &Bus) -> Vec<u8> {
    let (member, mut received) = (bus.join().unwrap(), Vec::new());
    while let Some(message) = member.try_receive("q").unwrap() {
        received.push(message[0]);
        message.release().unwrap();
    }
    received
}

/// The messages that are there, wherever.
fn numbers(bus: &Bus) -> BTreeSet<u8> {
    let member = bus.join().unwrap();
    let mut numbers = BTreeSet::new();
    for queue in ["q", "fsck.lost"] {
        while let Ok(Some(message)) = member.try_receive(queue) {
            assert!(numbers.insert(message[0]), "message {} comes twice", message[0]);
            message.release().unwrap();
        }
    }
    numbers
}

#[test]
fn whatever_word_is_written_over_no_message_is_lost_by_a_repair() {
    type Place = (&'static str, fn(&Words) -> u64);
    let places: [Place; 16] = [
        ("slot", |words| words.cell(queue(words)) + SLOTS_IN_CELL + 4 * words.geometry.ring_bytes + 3 * 8),
        ("tail", |words| words.cell(queue(words)) + QUEUE_IN_CELL + 384 + 4 * 256),
        ("head", |words| words.cell(queue(words)) + QUEUE_IN_CELL + 384 + 4 * 256 + 128),
        ("owner", |words| words.cell(queue(words)) + QUEUE_IN_CELL + 64),
        ("flags", |words| words.cell(queue(words)) + QUEUE_IN_CELL + 72),
        ("limit", |words| words.cell(queue(words)) + QUEUE_IN_CELL + 80),
        ("dead letters", |words| words.cell(queue(words)) + QUEUE_IN_CELL + 104),
        ("tap", |words| words.cell(queue(words)) + QUEUE_IN_CELL + 120),
        ("header", |words| words.geometry.heap_at + 8),
        ("claim", |words| words.geometry.roster_at + 5 * 32),
        ("committed", |words| words.geometry.roster_at + queue(words) * 32 + 16),
        ("span words", |words| words.geometry.spans_at + 16),
        ("summary", |words| words.geometry.spans_at + 8),
        ("intent", |words| words.cell(queue(words))),
        ("supervisor", |_| 256),
        ("name", |words| words.cell(queue(words)) + QUEUE_IN_CELL),
    ];
    for (name, place) in places {
        for value in [0, u64::MAX, 1 << 28 | 1, 0x1234_5678_9abc_def2] {
            let bus = with_eight(&format!("fsck-{}-{value:x}", name.replace(' ', "-")));
            let words = Words::of(&bus);
            words.write(place(&words), value);
            bus.observer().unwrap().fsck();
            let repaired = repair_bus(bus.name()).unwrap();
            assert_eq!(repaired.left, [], "{name} {value:x}: {:?}", repaired.done);
            assert_eq!(bus.observer().unwrap().fsck(), [], "{name} {value:x}: {:?}", repaired.done);
            let member = bus.join().unwrap();
            if name == "flags" {
                // Open again, if it was closed.
                member.reopen_queue("q").unwrap();
            }
            if name == "name" {
                let queues = bus.observer().unwrap().queues();
                assert_eq!(queues.iter().map(|queue| queue.queued).sum::<u64>(), 8, "{value:x}: {:?}", repaired.done);
                continue;
            }
            drop(member);
            assert_eq!(numbers(&bus).len(), 8, "{name} {value:x}: {:?}", repaired.done);
        }
    }
}

#[test]
fn messages_whose_slot_or_queue_is_lost_are_found_and_put_back() {
    let bus = with_eight("fsck-lost");
    let words = Words::of(&bus);
    let slots = words.cell(queue(&words)) + SLOTS_IN_CELL + 4 * words.geometry.ring_bytes;
    words.write(slots + 2 * 8, 1 << 28);
    let chunk = words.geometry.chunks_at + (words.read(slots + 5 * 8) >> 2 & 0x3ff_ffff) * 8;
    let seen = words.read(chunk);
    words.write(chunk, seen & !0xfff_fffc | 9 << 2 | 2);
    let problems = bus.observer().unwrap().fsck();
    let of = |kind: &str| problems.iter().filter(|problem| problem.kind == kind).count();
    assert_eq!((of("message"), of("slot")), (2, 1), "{problems:#?}");
    let repaired = repair_bus(bus.name()).unwrap();
    assert_eq!(repaired.left, []);
    assert_eq!(numbers(&bus), (0..8).collect(), "{:?}", repaired.done);
}

/// Found by writing over fields: a message that belongs nowhere kept a full bus from all repairs.
#[test]
fn what_cannot_be_repaired_keeps_nothing_else_from_it() {
    let bus = with_eight("fsck-full");
    let mut others = 0;
    while bus.declare(&format!("other-{others}"), &QueueOptions::default()).is_ok() {
        others += 1;
    }
    let words = Words::of(&bus);
    let slots = words.cell(queue(&words)) + SLOTS_IN_CELL + 4 * words.geometry.ring_bytes;
    let chunk = |slot: u64| words.read(slots + slot * 8) >> 2 & 0x3ff_ffff;
    let (homeless, other) = (chunk(2), words.read(slots + 5 * 8));
    // One message whose slot, queue and home are no more, and one whose slot alone is not.
    let at = words.geometry.chunks_at + homeless * 8;
    words.write(at, words.read(at) & !0xfff_fffc | 0xfff_fff0);
    words.write(words.geometry.heap_at + homeless * 128 + 8, u64::MAX);
    words.write(slots + 2 * 8, 1 << 28);
    words.write(slots + 5 * 8, 1 << 28);
    let repaired = repair_bus(bus.name()).unwrap();
    assert!(repaired.done.iter().any(|done| done.contains("put back in queue 'q'")), "{other:x}: {:?}", repaired.done);
    let [left] = &repaired.left[..] else { panic!("{:#?}", repaired.left) };
    assert!(left.kind == "message" && left.advice.contains("no queue 'fsck.lost'"), "{left:#?}");
    assert_eq!(numbers(&bus).len(), 7);
}

/// Found by writing over records: the directory's word for a queue that is no more was a problem for ever, and its messages were put elsewhere.
#[test]
fn a_queue_whose_name_leads_to_it_is_there() {
    for value in [0, 1, 3, u64::MAX, 7 << 28 | 2, 0x1234_5678_9abc_def2] {
        let bus = with_eight(&format!("fsck-record-{value:x}"));
        let words = Words::of(&bus);
        words.write(words.geometry.roster_at + queue(&words) * 32 + 8, value);
        assert_ne!(bus.observer().unwrap().fsck(), [], "{value:x}");
        let repaired = repair_bus(bus.name()).unwrap();
        assert_eq!(repaired.left, [], "{value:x}: {:?}", repaired.done);
        assert_eq!(in_order(&bus), [0, 1, 2, 3, 4, 5, 6, 7], "{value:x}: {:?}", repaired.done);
    }
}

/// Found by writing over spans: a dead member whose message could not be read was never buried, and nothing said so.
#[test]
fn a_message_in_a_span_that_is_no_more_keeps_no_index() {
    let bus = with_eight("fsck-span");
    let member = bus.join().unwrap();
    let message = member.receive("q", Some(Duration::ZERO)).unwrap();
    let copy = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    std::fs::copy(format!("/dev/shm/swarmbus.{}", bus.name()), copy.path()).unwrap();
    let words = Words::open(copy.path());
    words.write(words.geometry.spans_at, 0);
    let repaired = repair_file(copy.path()).unwrap();
    let observer = Observer::open_file(copy.path()).unwrap();
    assert_eq!((repaired.left, observer.members().len()), (vec![], 0), "{:?}", repaired.done);
    message.release().unwrap();
}

/// Found by writing over `lanes`: what waited in a lane went to the end of the queue, and its slots were left behind.
#[test]
fn a_lane_with_messages_has_its_memory() {
    let bus = with_eight("fsck-lanes");
    let words = Words::of(&bus);
    words.write(words.cell(queue(&words)) + QUEUE_IN_CELL + 88, 0);
    assert!(bus.observer().unwrap().fsck().iter().any(|problem| problem.place.ends_with("normal lane")));
    let repaired = repair_bus(bus.name()).unwrap();
    assert_eq!((repaired.left, repaired.done.len()), (vec![], 1), "{:?}", repaired.done);
    assert_eq!(in_order(&bus), [0, 1, 2, 3, 4, 5, 6, 7]);
}

/// Found by writing over slots: what was worked out anew then began before position 0, which was no order to count in.
#[test]
fn a_tail_behind_its_head_is_no_problem() {
    let bus = with_eight("fsck-tail");
    bus.declare("empty", &QueueOptions::default()).unwrap();
    let words = Words::of(&bus);
    let index = (0..words.geometry.agents).filter(|index| *index != queue(&words));
    let empty = index.map(|index| words.cell(index)).find(|cell| words.read(cell + QUEUE_IN_CELL) == 0x79_7470_6d65);
    let control = empty.unwrap() + QUEUE_IN_CELL;
    // Its normal lane was used, and both hints are as far as one may lag behind the other.
    words.write(control + 88, words.read(control + 88) | 1 << 4);
    words.write(control + 384 + 4 * 256, u64::MAX);
    assert_eq!(bus.observer().unwrap().fsck(), []);
    let repaired = repair_bus(bus.name()).unwrap();
    assert_eq!((repaired.left, repaired.done), (vec![], vec![]));
}

#[test]
fn a_word_of_the_directory_that_leads_nowhere_is_passed_over() {
    let bus = with_eight("fsck-directory");
    let words = Words::of(&bus);
    let word = |number: &u64| words.geometry.directory_at + number * 8;
    let taken = (0..words.geometry.directory_words).find(|number| words.read(word(number)) != 0).unwrap();
    words.write(word(&taken), 0x1234_5678_9abc_def2);
    assert!(bus.observer().unwrap().fsck().iter().any(|problem| problem.kind == "directory"));
    let repaired = repair_bus(bus.name()).unwrap();
    assert_eq!(repaired.left, [], "{:?}", repaired.done);
    // Names are found behind it, and made there.
    for name in ["q", "other"] {
        bus.declare(name, &QueueOptions::default()).unwrap();
    }
    assert_eq!((bus.observer().unwrap().fsck(), numbers(&bus).len()), (vec![], 8));
}

#[test]
fn a_copy_is_repaired_while_the_bus_is_in_use() {
    let bus = with_eight("fsck-copy");
    let member = bus.join().unwrap();
    let message = member.receive("q", Some(Duration::ZERO)).unwrap();
    assert!(matches!(repair_bus(bus.name()), Err(swarmbus_core::Error::AgentBusy { .. })));
    let copy = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    std::fs::copy(format!("/dev/shm/swarmbus.{}", bus.name()), copy.path()).unwrap();
    let words = Words::open(copy.path());
    words.write(words.cell(queue(&words)) + SLOTS_IN_CELL + 4 * words.geometry.ring_bytes + 4 * 8, 0);
    assert_ne!(Observer::open_file(copy.path()).unwrap().fsck(), []);
    let repaired = repair_file(copy.path()).unwrap();
    assert_eq!(repaired.left, []);
    let observer = Observer::open_file(copy.path()).unwrap();
    assert_eq!(observer.fsck(), []);
    assert_eq!((observer.queues()[0].queued, observer.members().len()), (8, 0), "{:?}", repaired.done);
    message.release().unwrap();
    assert_eq!(bus.observer().unwrap().fsck(), []);
}

/// Everything that agents do, as fast as they can.
fn busy(bus: &Bus, number: u64, done: &AtomicBool) {
    let name = format!("agent-{}", number % 3);
    let mut round = number;
    while !done.load(Relaxed) {
        let Ok(agent) = bus.attach(&name) else { continue };
        let mut subscription = agent.subscribe("t", StartAt::Now).unwrap();
        for _ in 0..50 {
            round += 1;
            let lane = [Lane::Normal, Lane::Urgent][round as usize % 2];
            let options = SendOptions { lane, key: round.is_multiple_of(7).then_some(round), ..at_once() };
            let _ = agent.send(["q", "agent-0", "agent-1"][round as usize % 3], &[1; 90], &options);
            let _ = agent.send_batch("q", &[&b"one"[..], b"two", b"three"], &at_once());
            let _ = agent.publish(
                "t",
                b"news",
                &PublishOptions { timeout: Some(Duration::ZERO), ..PublishOptions::default() },
            );
            let _ = subscription.try_recv();
            let _lock = agent.try_lock(["a", "b/**"][round as usize % 2], LockMode::Exclusive);
            let _ = agent.set_status(&Status { task: "busy".into(), done: round as u32, ..Status::default() });
            let _ = agent.loan(9000);
            for message in
                [agent.try_recv(), agent.try_receive("q"), agent.try_receive("q")].into_iter().flatten().flatten()
            {
                let _ = match round % 5 {
                    0 => message.nack(),
                    1 => message.nack_after(Duration::from_millis(2)).map_err(|refused| refused.error),
                    2 => message.forward("agent-1", Some(Duration::ZERO)).map_err(|refused| refused.error),
                    _ => message.release(),
                };
            }
        }
        if round.is_multiple_of(3) {
            let _ = agent.reap();
        }
    }
}

#[test]
fn what_is_in_motion_is_no_problem() {
    let bus = TestBus::with("fsck-busy", small());
    let letters = QueueOptions { max_deliveries: Some(5), dead_letters: Some("d".into()), ..QueueOptions::default() };
    bus.declare("q", &letters).unwrap();
    bus.declare_topic("t", &TopicOptions { capacity: Some(8), retain: 4, ..TopicOptions::default() }).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        (0..3).for_each(|number| {
            drop(threads.spawn({
                let (bus, done) = (&*bus, &done);
                move || busy(bus, number, done)
            }))
        });
        let problems: Vec<_> = (0..20).flat_map(|_| bus.observer().unwrap().fsck()).collect();
        done.store(true, Relaxed);
        assert_eq!(problems, []);
    });
    assert_eq!(bus.observer().unwrap().fsck(), []);
}
