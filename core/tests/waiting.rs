//! Waiting for many queues with one sleep, and for any in an event loop.
#[path = "common/actor.rs"]
mod actor;
mod common;

use common::{PATIENCE, TestBus, at_once};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};
use swarmbus_core::{Agent, Bus, CreateOptions, Error, Member, QueueOptions, SendOptions};

const MANY: usize = 500;
/// Messages of each sender.
const EACH: u32 = 2000;

fn many_names() -> Vec<String> {
    (0..MANY).map(|number| format!("queue-{number}")).collect()
}

fn bus_with_many_queues(test: &str) -> TestBus {
    let bus = TestBus::with(test, CreateOptions { agents: 600, ..CreateOptions::default() });
    many_names().iter().for_each(|queue| bus.declare(queue, &QueueOptions::default()).unwrap());
    bus
}

/// Sends numbers to queues in no order, with pauses in which the receiver falls asleep.
fn send_to_many(bus: &Bus, first: u32) {
    let (member, names) = (bus.join().unwrap(), many_names());
    for number in first..first + EACH {
        let queue = &names[number.wrapping_mul(2_654_435_761) as usize % MANY];
        member.send(queue, &number.to_le_bytes(), &SendOptions::default()).unwrap();
        if number % 16 == 0 {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
}

fn number_of(message: swarmbus_core::Message<'_>) -> u32 {
    let number = u32::from_le_bytes(message.data().try_into().unwrap());
    message.release().unwrap();
    number
}

fn is_readable(descriptor: &impl AsFd, timeout: Duration) -> bool {
    let mut polled = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::try_from(timeout).unwrap()).unwrap() == 1
}

/// The other process of these tests; does nothing when run as a test.
#[test]
fn actor() {
    let Some((act, name)) = actor::role() else { return };
    let bus = Bus::open(&name).unwrap();
    match act.as_str() {
        "send to many" => {
            actor::ready();
            send_to_many(&bus, 1_000_000);
        }
        "send to bob" => {
            let member = bus.join().unwrap();
            actor::ready();
            for number in 0..EACH {
                member.send("bob", &number.to_le_bytes(), &SendOptions::default()).unwrap();
                if number % 16 == 0 {
                    std::thread::sleep(Duration::from_micros(300));
                }
            }
        }
        "watch work" => {
            let member = bus.join().unwrap();
            let descriptor = member.descriptor_for(&["work"]).unwrap();
            assert!(descriptor.try_next().unwrap().is_none());
            actor::ready();
            panic!("it should have been killed");
        }
        "idle" => {
            let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
            let before = threads();
            let agents: Vec<Agent> = (0..10).map(|number| bus.attach(&format!("idle-{number}")).unwrap()).collect();
            let descriptors: Vec<_> = agents.iter().map(|agent| agent.descriptor().unwrap()).collect();
            assert_eq!(threads(), before + 1, "one thread, however many descriptors");
            let (all, _all) = (descriptors.iter().collect::<Vec<_>>(), ());
            print!("READY");
            std::io::Write::flush(&mut std::io::stdout()).unwrap();
            // As an event loop would, until the bus is destroyed.
            'looped: loop {
                let mut polled: Vec<_> = all.iter().map(|one| PollFd::new(one.as_fd(), PollFlags::POLLIN)).collect();
                poll(&mut polled, PollTimeout::NONE).unwrap();
                for one in &all {
                    match one.try_next() {
                        Ok(none) => assert!(none.is_none()),
                        Err(Error::Closed { .. }) => break 'looped,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            drop(descriptors);
            while threads() > before {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        _ => unreachable!("{act}"),
    }
}

fn goes_on(child: &mut Child) {
    drop(child.stdin.take());
}

/// Waits until all threads of a process sleep.
fn fall_asleep(pid: u32) {
    let asleep = |task: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
        stat.rsplit_once(')').unwrap().1.trim_start().starts_with('S')
    };
    while !std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().all(asleep) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn five_hundred_queues_and_one_sleep() {
    let bus = bus_with_many_queues("five-hundred");
    let names = many_names();
    let queues: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut child = actor::spawn("send to many", bus.name());
    let taker = bus.join().unwrap();
    let sources = taker.sources(&queues).unwrap();
    assert_eq!(sources.receive(Some(Duration::from_millis(5))).err(), Some(Error::Timeout));
    goes_on(&mut child);
    let threads = [0, 100_000].map(|first| {
        let bus = Bus::open(bus.name()).unwrap();
        std::thread::spawn(move || send_to_many(&bus, first))
    });
    let mut seen = BTreeSet::new();
    while seen.len() < 3 * EACH as usize {
        assert!(seen.insert(number_of(sources.receive(Some(PATIENCE)).unwrap())), "each once");
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(child.wait().unwrap().success());
    assert!(sources.try_receive().unwrap().is_none());
}

#[test]
fn sleepers_on_groups_and_on_queues_do_not_miss_each_others_messages() {
    let bus = bus_with_many_queues("mixed");
    let names = many_names();
    let received = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for taker in 0..4 {
            let (bus, names, received) = (Bus::open(bus.name()).unwrap(), &names, &received);
            threads.spawn(move || {
                let member = bus.join().unwrap();
                let queues: Vec<&str> = names.iter().map(String::as_str).collect();
                // Two take from all, two from a few: those few are shared.
                let sources = member.sources(if taker < 2 { &queues } else { &queues[..40] }).unwrap();
                loop {
                    match sources.receive(Some(Duration::from_millis(200))) {
                        Ok(message) => drop((number_of(message), received.fetch_add(1, SeqCst))),
                        Err(Error::Timeout) if received.load(SeqCst) < 2 * EACH as usize => {}
                        Err(Error::Timeout) => return,
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        send_to_many(&bus, 0);
        send_to_many(&bus, 100_000);
    });
    assert_eq!(received.load(SeqCst), 2 * EACH as usize);
}

#[test]
fn sources_are_checked_and_each_gets_its_turn() {
    let bus = TestBus::new("sources");
    for queue in ["a", "b", "c"] {
        bus.declare(queue, &QueueOptions::default()).unwrap();
    }
    let member = bus.join().unwrap();
    assert!(matches!(member.sources(&[]), Err(Error::InvalidArgument { .. })));
    assert!(matches!(member.sources(&["a", "nowhere"]), Err(Error::UnknownAgent { .. })));
    let sources = member.sources(&["a", "b", "c", "a"]).unwrap();
    for _ in 0..3 {
        for queue in ["a", "b", "c"] {
            member.send(queue, b"x", &at_once()).unwrap();
        }
    }
    let taken: Vec<String> = std::iter::from_fn(|| {
        let message = sources.try_receive().unwrap()?;
        let queue = message.queue();
        message.release().unwrap();
        Some(queue)
    })
    .collect();
    assert_eq!(taken.len(), 9);
    assert!(taken.windows(3).all(|three| three.iter().collect::<BTreeSet<_>>().len() == 3), "{taken:?}");
    let _owner = bus.attach("c").unwrap();
    assert!(matches!(sources.try_receive(), Err(Error::AgentBusy { .. })));
}

#[test]
fn a_descriptor_tells_epoll_of_messages_from_another_process() {
    let bus = TestBus::new("epoll");
    let bob = bus.attach("bob").unwrap();
    let mut child = actor::spawn("send to bob", bus.name());
    let descriptor = bob.descriptor().unwrap();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
    epoll.add(&descriptor, EpollEvent::new(EpollFlags::EPOLLIN, 7)).unwrap();
    assert!(descriptor.try_next().unwrap().is_none());
    goes_on(&mut child);
    let mut expected = 0;
    while expected < EACH {
        let mut events = [EpollEvent::empty()];
        let ready = epoll.wait(&mut events, EpollTimeout::try_from(PATIENCE).unwrap()).unwrap();
        assert_eq!((ready, events[0].data()), (1, 7));
        while let Some(message) = descriptor.try_next().unwrap() {
            assert_eq!(number_of(message), expected);
            expected += 1;
        }
    }
    assert!(child.wait().unwrap().success());
    assert!(!is_readable(&descriptor, Duration::ZERO));
}

#[test]
fn descriptors_of_many_handles_and_threads_share_a_watcher() {
    let bus = TestBus::with("watchers", CreateOptions { agents: 400, ..CreateOptions::default() });
    let agents = |thread: usize| (0..40).map(move |number| format!("agent-{thread}-{number}"));
    let received = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for thread in 0..4 {
            let (bus, received) = (Bus::open(bus.name()).unwrap(), &received);
            threads.spawn(move || {
                let mine: Vec<Agent> = agents(thread).map(|name| bus.attach(&name).unwrap()).collect();
                let descriptors: Vec<_> = mine.iter().map(|agent| agent.descriptor().unwrap()).collect();
                let mut left = 40 * 50;
                while left > 0 {
                    let mut polled: Vec<_> =
                        descriptors.iter().map(|one| PollFd::new(one.as_fd(), PollFlags::POLLIN)).collect();
                    assert!(poll(&mut polled, PollTimeout::try_from(PATIENCE).unwrap()).unwrap() > 0);
                    let ready: Vec<bool> = polled.iter().map(|one| one.any().unwrap()).collect();
                    for (descriptor, _) in descriptors.iter().zip(ready).filter(|(_, ready)| *ready) {
                        while let Some(message) = descriptor.try_next().unwrap() {
                            message.release().unwrap();
                            left -= 1;
                            received.fetch_add(1, SeqCst);
                        }
                    }
                }
            });
        }
        let sender = bus.join().unwrap();
        for round in 0..50 {
            for thread in 0..4 {
                for name in agents(thread) {
                    bus.declare(&name, &QueueOptions::default()).unwrap();
                    sender.send(&name, &[round], &SendOptions::default()).unwrap();
                }
            }
        }
    });
    assert_eq!(received.load(SeqCst), 4 * 40 * 50);
}

#[test]
fn one_descriptor_for_five_hundred_queues() {
    let bus = bus_with_many_queues("group-descriptor");
    let names = many_names();
    let member = bus.join().unwrap();
    let descriptor = member.descriptor_for(&names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let mut child = actor::spawn("send to many", bus.name());
    goes_on(&mut child);
    let mut seen = BTreeSet::new();
    while seen.len() < EACH as usize {
        assert!(is_readable(&descriptor, PATIENCE));
        while let Some(message) = descriptor.try_next().unwrap() {
            assert!(seen.insert(number_of(message)), "each once");
        }
    }
    assert!(child.wait().unwrap().success());
}

/// Also when the test fails: its other thread is not to wait for ever.
struct AtTheEnd<F: Fn()>(F);

impl<F: Fn()> Drop for AtTheEnd<F> {
    fn drop(&mut self) {
        self.0();
    }
}

#[test]
fn no_message_slips_by_while_a_descriptor_is_armed() {
    const ROUNDS: usize = 10_000;
    let bus = TestBus::new("slips");
    let bob = bus.attach("bob").unwrap();
    // The watcher looks by itself every five seconds now instead of every second.
    bob.supervise().unwrap();
    let descriptor = bob.descriptor().unwrap();
    let (go, other) = (AtomicUsize::new(0), Bus::open(bus.name()).unwrap());
    std::thread::scope(|threads| {
        let _failed = AtTheEnd(|| go.store(usize::MAX, SeqCst));
        threads.spawn(|| {
            let sender = other.join().unwrap();
            for round in 1..=ROUNDS {
                let mut turns = 0;
                while go.load(SeqCst) < round {
                    turns += 1;
                    if turns % 4096 == 0 {
                        std::thread::yield_now();
                    }
                }
                if go.load(SeqCst) == usize::MAX {
                    return;
                }
                (0..round % 97 * 8).for_each(|_| std::hint::spin_loop());
                sender.send("bob", b"x", &SendOptions::default()).unwrap();
            }
        });
        for round in 1..=ROUNDS {
            go.store(round, SeqCst);
            // Maybe before the message, maybe after it, maybe just then.
            let mut next = descriptor.try_next().unwrap();
            while next.is_none() {
                if !is_readable(&descriptor, Duration::from_secs(4)) {
                    let waits = bus.observer().unwrap().queues()[0].queued;
                    assert!(waits == 0 || is_readable(&descriptor, Duration::from_millis(500)), "round {round}");
                }
                next = descriptor.try_next().unwrap();
            }
            next.unwrap().release().unwrap();
        }
    });
}

#[test]
fn an_idle_descriptor_costs_nothing() {
    let bus = TestBus::new("idle");
    let mut child = actor::spawn("idle", bus.name());
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let fields: Vec<u64> =
            stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2).map(|f| f.parse().unwrap()).collect();
        fields[0] + fields[1]
    };
    fall_asleep(child.id());
    let before = ticks();
    std::thread::sleep(Duration::from_secs(3));
    // One who does not sleep uses 300 in that time.
    let used = ticks() - before;
    assert!(used < 30, "{used} ticks");
    bus.destroy().unwrap();
    assert!(
        child.wait().unwrap().success(),
        "the end of the bus reaches it, and the thread ends with the last descriptor"
    );
}

#[test]
fn what_a_killed_watcher_was_woken_for_reaches_another_consumer() {
    let bus = TestBus::new("killed");
    bus.declare("work", &QueueOptions::default()).unwrap();
    let member = bus.join().unwrap();
    // Sleepers nap long: it is the reaper who has to pass the wake on.
    member.supervise().unwrap();
    for round in 0..20 {
        let mut child = actor::spawn("watch work", bus.name());
        fall_asleep(child.id());
        let taker = std::thread::spawn({
            let taker = bus.join().unwrap();
            move || taker.receive("work", Some(PATIENCE)).map(|message| message.release().unwrap())
        });
        // Stopped, it is given the wake and cannot pass it on; running, it passes it on.
        if round % 2 == 0 {
            kill(Pid::from_raw(child.id() as i32), Signal::SIGSTOP).unwrap();
        }
        member.send("work", b"x", &at_once()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(member.reap().unwrap().members, 1);
        taker.join().unwrap().unwrap();
    }
}

#[test]
fn a_busy_owner_of_a_descriptor_does_not_keep_messages_from_others() {
    let bus = TestBus::new("busy");
    bus.declare("work", &QueueOptions::default()).unwrap();
    let busy: Vec<Member> = (0..3).map(|_| bus.join().unwrap()).collect();
    let descriptors: Vec<_> = busy.iter().map(|member| member.descriptor_for(&["work"]).unwrap()).collect();
    let taker = std::thread::spawn({
        let taker = bus.join().unwrap();
        move || {
            for _ in 0..100 {
                taker.receive("work", Some(PATIENCE)).unwrap().release().unwrap();
            }
        }
    });
    let sender = bus.join().unwrap();
    for _ in 0..100 {
        sender.send("work", b"x", &SendOptions::default()).unwrap();
        std::thread::sleep(Duration::from_micros(200));
    }
    taker.join().unwrap();
    for descriptor in &descriptors {
        assert!(descriptor.try_next().unwrap().is_none());
    }
}

#[test]
fn a_closed_queue_and_a_destroyed_bus_make_it_readable() {
    let bus = TestBus::new("ends");
    bus.declare("other", &QueueOptions::default()).unwrap();
    let bob = bus.attach("bob").unwrap();
    let (one, both) = (bob.descriptor().unwrap(), bob.descriptor_for(&["bob", "other"]).unwrap());
    assert!(one.try_next().unwrap().is_none() && both.try_next().unwrap().is_none());
    bob.close_queue("bob").unwrap();
    assert!(is_readable(&one, PATIENCE));
    assert!(matches!(one.try_next(), Err(Error::Closed { .. })));
    assert!(is_readable(&one, Duration::ZERO), "it stays so");
    bob.reopen_queue("bob").unwrap();
    assert!(one.try_next().unwrap().is_none());
    bob.send("other", b"x", &at_once()).unwrap();
    assert!(is_readable(&both, PATIENCE), "one of its queues was closed, the other was not");
    both.try_next().unwrap().unwrap().release().unwrap();
    assert!(both.try_next().unwrap().is_none());
    bus.destroy().unwrap();
    for descriptor in [&one, &both] {
        assert!(is_readable(descriptor, PATIENCE));
        assert!(matches!(descriptor.try_next(), Err(Error::Closed { .. })));
    }
}

#[test]
fn a_parked_message_makes_its_descriptor_readable_when_it_is_due() {
    let bus = bus_with_many_queues("parked");
    let names = many_names();
    let member = bus.join().unwrap();
    let few = member.descriptor_for(&["queue-7", "queue-8"]).unwrap();
    member.send("queue-7", b"later", &at_once()).unwrap();
    assert!(is_readable(&few, PATIENCE));
    let (delay, parked) = (Duration::from_millis(150), Instant::now());
    few.try_next().unwrap().unwrap().nack_after(delay).unwrap();
    let taker = bus.join().unwrap();
    let all = taker.sources(&names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    // It may be readable for other reasons before.
    loop {
        if let Some(message) = few.try_next().unwrap() {
            assert!(parked.elapsed() >= delay, "never early");
            assert_eq!((message.data(), message.deliveries()), (&b"later"[..], 2));
            message.nack_after(Duration::from_millis(50)).unwrap();
            break;
        }
        assert!(is_readable(&few, PATIENCE));
    }
    let message = all.receive(Some(PATIENCE)).unwrap();
    assert_eq!((message.queue().as_str(), message.deliveries()), ("queue-7", 3));
    message.release().unwrap();
}

#[test]
fn descriptor_and_member_go_in_any_order() {
    let bus = TestBus::new("orders");
    let (alice, bob) = (bus.attach("alice").unwrap(), bus.attach("bob").unwrap());
    let raw = bob.descriptor().unwrap().into_raw();
    assert!(matches!(raw.try_next(&alice), Err(Error::InvalidArgument { .. })));
    assert!(raw.try_next(&bob).unwrap().is_none());
    bob.close();
    assert!(is_readable(&raw, Duration::ZERO), "without its member it is readable for good");
    let bob = bus.attach("bob").unwrap();
    assert!(matches!(raw.try_next(&bob), Err(Error::InvalidArgument { .. })));
    let again = bob.descriptor().unwrap();
    drop(raw);
    alice.send("bob", b"x", &at_once()).unwrap();
    assert!(is_readable(&again, PATIENCE));
    again.try_next().unwrap().unwrap().release().unwrap();
    drop(again);
    alice.send("bob", b"x", &at_once()).unwrap();
    bob.recv(Some(PATIENCE)).unwrap().release().unwrap();
}

#[test]
fn a_descriptor_is_of_no_use_in_a_forked_child_which_makes_its_own() {
    let bus = TestBus::new("forked-watch");
    let bob = bus.attach("bob").unwrap();
    let descriptor = bob.descriptor().unwrap();
    assert!(descriptor.try_next().unwrap().is_none());
    // SAFETY: the child makes a few library calls that neither allocate under a foreign lock nor unwind, and leaves by _exit.
    match unsafe { libc::fork() } {
        0 => {
            let refused = matches!(descriptor.try_next(), Err(Error::Forked));
            drop(descriptor);
            let own = bus.attach("child").is_ok_and(|child| {
                child.descriptor().is_ok_and(|own| {
                    child.send("child", b"x", &at_once()).is_ok()
                        && is_readable(&own, PATIENCE)
                        && own.try_next().is_ok_and(|message| message.is_some())
                })
            });
            // SAFETY: leaves at once.
            unsafe { libc::_exit(if refused && own { 0 } else { 1 }) };
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for our own child; the status is ours.
            unsafe { libc::waitpid(child, &mut status, 0) };
            assert_eq!(status, 0);
        }
    }
    bob.send("bob", b"x", &at_once()).unwrap();
    assert!(is_readable(&descriptor, PATIENCE), "the parent's goes on");
    descriptor.try_next().unwrap().unwrap().release().unwrap();
}

#[test]
fn who_waits_for_an_answer_arms_a_descriptor_without_taking_what_else_is_there() {
    let bus = TestBus::new("rearmed");
    let (alice, bob) = (bus.attach("alice").unwrap(), bus.attach("bob").unwrap());
    let raw = bob.descriptor().unwrap().into_raw();
    assert!(matches!(raw.rearm(&alice), Err(Error::InvalidArgument { .. })));
    let mut answers = bob.call_stream("alice", b"?", &at_once()).unwrap();
    raw.rearm(&bob).unwrap();
    assert!(!is_readable(&raw, Duration::ZERO));
    let question = alice.recv(Some(PATIENCE)).unwrap();
    question.reply(b"!", swarmbus_core::ContentType::Bytes).unwrap();
    assert!(is_readable(&raw, PATIENCE));
    assert_eq!(&*answers.next(Some(Duration::ZERO)).unwrap().unwrap(), b"!");
    alice.send("bob", b"mail", &at_once()).unwrap();
    raw.rearm(&bob).unwrap();
    assert!(is_readable(&raw, PATIENCE), "there is something to take");
    raw.try_next(&bob).unwrap().unwrap().release().unwrap();
}
