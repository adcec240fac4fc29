//! Boards: what agents say of themselves, count and measure; who sees it, and for how long.
#[path = "common/actor.rs"]
mod actor;
mod common;

use common::{TestBus, at_once, drawn};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use swarmbus_core::board::{Board, BoardHead, CONTENT_MAX, Written};
use swarmbus_core::layout::{BOARD_IN_CELL, Geometry, PAGE, STATUS_WORDS};
use swarmbus_core::sync::Word;
use swarmbus_core::word::Name;
use swarmbus_core::{
    AgentFilter, AgentState, Bus, ContentType, CounterInfo, CreateOptions, Error, LockMode, Observer, PublishOptions,
    SendOptions, StartAt, Status, StatusInfo, TopicOptions,
};

fn working(task: &str) -> Status {
    Status { state: AgentState::InProgress, done: 1, total: 3, task: task.into(), ..Status::default() }
}

fn info(bus: &Bus, agent: &str) -> StatusInfo {
    let statuses = bus.observer().unwrap().statuses(agent);
    statuses.into_iter().find(|info| info.agent == agent).expect("it has a status")
}

#[test]
fn actor() {
    let Some((act, name)) = actor::role() else { return };
    let agent = Bus::open(&name).unwrap().attach("worker").unwrap();
    agent.take_role("tester").unwrap();
    agent.set_tags(&["gpu"]).unwrap();
    agent.set_status(&Status { state: AgentState::Completed, note: act, ..working("die") }).unwrap();
    actor::ready();
}

#[test]
fn what_an_agent_says_is_seen_by_all() {
    let bus = TestBus::new("says");
    let (alice, bob) = (bus.attach("alice").unwrap(), bus.attach("bob").unwrap());
    assert_eq!(alice.status().unwrap(), None);
    let said =
        Status { blockers: vec!["bob is slow".into(), "größe?".into()], note: "soon".into(), ..working("count") };
    alice.set_tags(&["fast"]).unwrap();
    alice.take_role("counter").unwrap();
    alice.set_status(&said).unwrap();
    alice.take_role("scout").unwrap();
    let said = Status { tags: vec!["fast".into()], roles: vec!["counter".into(), "scout".into()], ..said };
    let seen = bus.status_of("alice").unwrap().unwrap();
    assert!(seen.since_ns > 0);
    assert_eq!(Status { since_ns: 0, ..seen.clone() }, said);
    assert_eq!(alice.status().unwrap(), Some(seen.clone()));
    assert_eq!(bus.observer().unwrap().status("alice").unwrap(), Some(seen.clone()));
    assert_eq!(bus.status_of("bob").unwrap(), None);
    assert!(matches!(bus.status_of("carol"), Err(Error::UnknownAgent { .. })));

    let shown = info(&bus, "alice");
    assert_eq!((shown.pid, shown.state), (Some(std::process::id()), "in_progress"));
    assert_eq!((&shown.blockers, &shown.roles, shown.beat_age_ns), (&said.blockers, &said.roles, None));
    let agents = |pattern: &str| -> Vec<String> {
        bus.observer().unwrap().statuses(pattern).into_iter().map(|info| info.agent).collect()
    };
    assert_eq!(agents("*"), ["alice"]);
    bob.beat().unwrap();
    assert_eq!(agents("*"), ["alice", "bob"], "a sign of life is something to say");
    assert_eq!((agents("b*"), agents("?")), (vec!["bob".to_owned()], vec![]));
    assert!(info(&bus, "bob").beat_age_ns.unwrap() < 100_000_000_000);
}

#[test]
fn a_state_has_a_time_that_changes_with_it_alone() {
    let bus = TestBus::new("since");
    let alice = bus.attach("alice").unwrap();
    alice.set_status(&working("count")).unwrap();
    let since = || bus.status_of("alice").unwrap().unwrap().since_ns;
    let began = since();
    alice.update_status(|status| status.done += 1).unwrap();
    alice.update_status(|status| status.since_ns = 7).unwrap();
    assert_eq!((since(), alice.status().unwrap().unwrap().done), (began, 2));
    alice.update_status(|status| status.state = AgentState::Blocked).unwrap();
    assert!(since() > began);
}

#[test]
fn a_status_stays_when_its_agent_leaves_or_dies() {
    let bus = TestBus::new("stays");
    let mut child = actor::spawn("all done", bus.name());
    assert_eq!((info(&bus, "worker").pid, info(&bus, "worker").roles), (Some(child.id()), vec!["tester".to_owned()]));
    child.kill().unwrap();
    child.wait().unwrap();
    let member = bus.join().unwrap();
    member.reap().unwrap();
    let left = info(&bus, "worker");
    assert_eq!((left.pid, left.state, left.note.as_str()), (None, "completed", "all done"));
    assert_eq!((left.roles, left.tags), (vec![], vec!["gpu".to_owned()]));

    let next = bus.attach("worker").unwrap();
    let agents = bus.observer().unwrap().agents(&AgentFilter { tag: Some("gpu"), ..AgentFilter::default() });
    assert_eq!((agents.len(), agents[0].roles.len()), (1, 0), "the roles were those of the one before");
    assert_eq!(next.status().unwrap().unwrap().note, "all done", "it goes on where the one before was");
    next.update_status(|status| status.state = AgentState::Idle).unwrap();
    next.close();
    assert_eq!((info(&bus, "worker").state, info(&bus, "worker").pid), ("idle", None));
}

#[test]
fn who_has_lost_its_mailbox_says_nothing_more() {
    let bus = TestBus::new("deposed");
    let old = bus.attach("leader").unwrap();
    old.take_role("planner").unwrap();
    old.set_status(&working("plan")).unwrap();
    let new = bus.take_over("leader").unwrap();
    let refused = |result: Result<(), Error>| assert!(matches!(result, Err(Error::HandedOver { .. })));
    refused(old.set_status(&working("plan more")));
    refused(old.beat());
    refused(old.set_tags(&["old"]));
    let left = info(&bus, "leader");
    assert_eq!((left.task.as_str(), left.roles.len(), left.beat_age_ns), ("plan", 0, None));
    new.update_status(|status| status.done = 3).unwrap();
    assert_eq!(old.status().unwrap(), new.status().unwrap(), "it may look");
    assert_eq!((info(&bus, "leader").task.as_str(), info(&bus, "leader").done), ("plan", 3));
    drop(old);
    new.set_status(&working("go")).unwrap();
    assert_eq!(info(&bus, "leader").task, "go");
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let bus = TestBus::new("long");
    let alice = bus.attach("alice").unwrap();
    alice.set_status(&working("count")).unwrap();
    let error = alice.update_status(|status| status.note = "x".repeat(Status::BYTES_MAX)).unwrap_err();
    assert!(error.to_string().contains("the most is 744"), "{error}");
    let tags = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"].map(|letter| letter.repeat(60));
    assert!(matches!(alice.set_tags(&tags.each_ref().map(String::as_str)), Err(Error::InvalidArgument { .. })));
    assert!(alice.tags().is_empty());
    assert_eq!(alice.status().unwrap().unwrap().task, "count");
    let longest = Status { note: "x".repeat(Status::BYTES_MAX - 27), ..Status::default() };
    alice.set_status(&longest).unwrap();
    assert_eq!(alice.status().unwrap().unwrap().note, longest.note);
    assert!(matches!(alice.take_role("tester"), Err(Error::InvalidArgument { .. })));
    assert!(alice.roles().is_empty());
}

#[test]
fn who_says_and_measures_nothing_pays_nothing() {
    let bus = TestBus::new("pays");
    let agents: Vec<_> = (0..20).map(|number| bus.attach(&format!("agent-{number}")).unwrap()).collect();
    let committed = || bus.observer().unwrap().bus().committed_bytes;
    let before = committed();
    assert!(bus.observer().unwrap().statuses("*").is_empty());
    assert!(bus.observer().unwrap().latencies().members.is_empty());
    assert_eq!(agents[3].status().unwrap(), None);
    assert_eq!(committed(), before, "a look commits nothing");
    agents[3].set_status(&working("count")).unwrap();
    agents[3].beat().unwrap();
    assert_eq!(committed(), before + PAGE);
}

#[test]
fn a_child_has_no_status_of_its_parents() {
    let bus = TestBus::new("fork");
    let alice = bus.attach("alice").unwrap();
    // SAFETY: the child only looks and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = matches!(alice.set_status(&working("count")), Err(Error::Forked))
            && matches!(alice.beat(), Err(Error::Forked));
        // SAFETY: ends this process without running destructors.
        unsafe { libc::_exit(if refused { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: `status` is ours.
    unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(status, 0);
    assert_eq!(bus.status_of("alice").unwrap(), None);
}

#[test]
fn counters_say_what_a_member_did() {
    let bus = TestBus::with("counts", CreateOptions { agents: 8, limit: 4, ..CreateOptions::default() });
    let bob = bus.attach("bob").unwrap();
    let seen = || {
        let members = bus.observer().unwrap().members();
        members.into_iter().find(|member| member.agent.as_deref() == Some("bob")).unwrap()
    };
    let counters = || seen().counters;
    assert_eq!(counters(), CounterInfo::default());
    bob.send("bob", &[1; 10], &at_once()).unwrap();
    bob.send_batch("bob", &[&[1; 3], &[1; 4]], &at_once()).unwrap();
    bob.send("bob", &[1; 1], &at_once()).unwrap();
    bob.recv(None).unwrap().nack().unwrap();
    bob.recv(None).unwrap().release().unwrap();
    drop(bob.recv(None).unwrap());
    bob.recv(None).unwrap().nack_after(Duration::from_secs(3600)).unwrap();
    bob.recv(None).unwrap().forward("bob", None).unwrap();
    let expected = CounterInfo {
        sent: 5,
        sent_bytes: 22,
        received: 5,
        received_bytes: 10 + 10 + 3 + 3 + 4,
        released: 1,
        given_back: 3,
        ..CounterInfo::default()
    };
    assert_eq!(counters(), expected);
    while bob.send("bob", &[], &at_once()).is_ok() {}
    let key = SendOptions { key: Some(9), ..at_once() };
    assert!(bob.send("bob", &[], &key).is_err());
    let (sent, refused) = (counters().sent, counters().refused);
    assert_eq!((sent, refused), (5 + 4 - 2, 2), "of four, two were there");
    bus.join().unwrap().purge("bob").unwrap_err();
    bob.purge("bob").unwrap();
    bob.send("bob", &[], &key).unwrap();
    bob.send("bob", &[], &key).unwrap();
    assert_eq!(counters().sent, sent + 1, "a duplicate is not sent");
    bob.recv(None).unwrap().detach().unwrap();
    assert_eq!(counters().released, 2);
    assert!(bob.recv(Some(Duration::from_millis(100))).is_err());
    let sleeps = counters().sleeps;
    assert!(sleeps >= 1);
    let other = bus.join().unwrap();
    let held = other.lock("file", LockMode::Exclusive, None).unwrap();
    assert!(bob.lock("file", LockMode::Exclusive, Some(Duration::from_millis(100))).is_err());
    assert!(counters().sleeps > sleeps, "who waits for a lock sleeps, too");
    drop(held);
    let joined_before_ns = seen().joined_ns;
    drop(bob);
    let bob = bus.attach("bob").unwrap();
    assert_eq!(counters(), CounterInfo::default(), "the next owner begins anew");
    assert!(seen().joined_ns > joined_before_ns, "and has come later");
    drop(bob);
}

#[test]
fn what_a_tap_shows_is_measured_as_well() {
    let bus = TestBus::new("measured-tap");
    let (viewer, alice, bob) =
        (bus.attach("viewer").unwrap(), bus.attach("alice").unwrap(), bus.attach("bob").unwrap());
    viewer.tap("bob").unwrap();
    for _ in 0..128 {
        alice.send("bob", b"", &at_once()).unwrap();
        bob.recv(None).unwrap().release().unwrap();
        viewer.recv(None).unwrap().release().unwrap();
    }
    let latencies = bus.observer().unwrap().latencies();
    let of = |agent: &str| latencies.members.iter().find(|member| member.agent.as_deref() == Some(agent)).unwrap();
    assert_eq!((of("bob").kinds.queueing.count, of("viewer").kinds.queueing.count), (2, 2));
}

#[test]
fn every_64th_message_and_every_call_is_measured() {
    let bus = TestBus::new("measures");
    let asker = bus.attach("asker").unwrap();
    let answerer = bus.attach("answerer").unwrap();
    let answering = std::thread::spawn(move || {
        for _ in 0..320 {
            let question = answerer.recv(None).unwrap();
            question.reply(&question, ContentType::Bytes).unwrap();
            question.release().unwrap();
        }
        answerer
    });
    for _ in 0..320 {
        asker.call("answerer", b"?", &SendOptions::default()).unwrap().release().unwrap();
    }
    let answerer = answering.join().unwrap();
    let latencies = bus.observer().unwrap().latencies();
    let of =
        |agent: &str| latencies.members.iter().find(|member| member.agent.as_deref() == Some(agent)).unwrap().kinds;
    let counts = |agent: &str| {
        let kinds = of(agent);
        [kinds.sending, kinds.queueing, kinds.handling, kinds.coordination].map(|info| info.count)
    };
    assert_eq!((counts("asker"), counts("answerer")), ([5, 5, 5, 320], [5, 5, 5, 0]));
    assert_eq!(latencies.all.queueing.count, 10);
    let trip = of("asker").coordination;
    assert!(0 < trip.p50_ns && trip.p50_ns <= trip.p90_ns && trip.p90_ns <= trip.p99_ns && trip.p99_ns <= trip.max_ns);
    drop((asker, answerer));
    assert!(bus.observer().unwrap().latencies().members.is_empty());
    let _again = [bus.attach("asker").unwrap(), bus.attach("answerer").unwrap()];
    assert!(bus.observer().unwrap().latencies().members.is_empty(), "the next owners begin anew");
}

#[test]
fn what_goes_elsewhere_takes_no_place_from_what_is_measured() {
    let bus = TestBus::new("elsewhere");
    let (sender, worker) = (bus.attach("sender").unwrap(), bus.attach("worker").unwrap());
    let other = bus.attach("other").unwrap();
    let mut held = None;
    for _ in 0..64 * 7 {
        sender.send("worker", b"", &at_once()).unwrap();
        let message = worker.recv(None).unwrap();
        let is_measured = message.id().0.is_multiple_of(64);
        match (is_measured, &held) {
            (false, _) => message.release().unwrap(),
            (true, None) => held = Some(message),
            (true, Some(_)) => message.forward("other", None).unwrap(),
        }
    }
    held.unwrap().release().unwrap();
    let latencies = bus.observer().unwrap().latencies();
    let worker = latencies.members.iter().find(|member| member.agent.as_deref() == Some("worker")).unwrap();
    assert_eq!((worker.kinds.queueing.count, worker.kinds.handling.count), (7, 1));
    drop(other);
}

#[test]
fn topics_are_counted_and_measured_as_queues_are() {
    let bus = TestBus::new("topics");
    bus.declare_topic("news", &TopicOptions { retain: 8, ..TopicOptions::default() }).unwrap();
    let (publisher, reader) = (bus.attach("publisher").unwrap(), bus.attach("reader").unwrap());
    for _ in 0..128 {
        publisher.publish("news", b"old", &PublishOptions::default()).unwrap();
    }
    let mut news = reader.subscribe("news", StartAt::Retained).unwrap();
    while news.try_recv().unwrap().is_some() {}
    for _ in 0..128 {
        publisher.publish("news", b"new!", &PublishOptions::default()).unwrap();
        assert_eq!(news.recv(None).unwrap().data(), b"new!");
    }
    let members = bus.observer().unwrap().members();
    let counters = |agent: &str| members.iter().find(|member| member.agent.as_deref() == Some(agent)).unwrap().counters;
    assert_eq!((counters("publisher").sent, counters("publisher").sent_bytes), (256, 128 * 3 + 128 * 4));
    assert_eq!((counters("reader").received, counters("reader").received_bytes), (136, 8 * 3 + 128 * 4));
    let all = bus.observer().unwrap().latencies().all;
    assert_eq!((all.sending.count, all.queueing.count), (4, 2), "what was retained has not waited in a queue");
}

#[test]
fn a_copied_segment_says_what_the_living_one_said() {
    let bus = TestBus::new("copied");
    let alice = bus.attach("alice").unwrap();
    alice.set_status(&working("count")).unwrap();
    for _ in 0..128 {
        alice.send("alice", b"x", &at_once()).unwrap();
        alice.recv(None).unwrap().release().unwrap();
    }
    let copy = tempfile::NamedTempFile::new().unwrap();
    std::fs::copy(format!("/dev/shm/swarmbus.{}", bus.name()), copy.path()).unwrap();
    let observer = Observer::open_file(copy.path()).unwrap();
    assert_eq!(observer.status("alice").unwrap(), alice.status().unwrap());
    assert_eq!(observer.latencies(), bus.observer().unwrap().latencies());
    assert_eq!(observer.statuses("*").len(), 1);
}

#[test]
fn any_bytes_on_a_board_harm_nobody() {
    let bus = TestBus::with("scribbled", CreateOptions { agents: 4, ..CreateOptions::default() });
    let alice = bus.attach("alice").unwrap();
    alice.set_status(&working("count")).unwrap();
    let file = File::options().read(true).write(true).open(format!("/dev/shm/swarmbus.{}", bus.name())).unwrap();
    let word = |at: u64| {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, at).unwrap();
        u64::from_ne_bytes(bytes)
    };
    let geometry = Geometry::new(word(80), word(88) as u32, word(104));
    let index = alice.index() as u64;
    let board = geometry.cells_at + index * geometry.cell_bytes + BOARD_IN_CELL;
    let mut dice = 88172645463325252u64;
    let mut next = || {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice
    };
    let (mut whole, mut refused) = (0, 0);
    for round in 0..3000 {
        for _ in 0..=next() % 3 {
            let at = match round % 4 {
                0 => 0,
                1 => 64 + next() % 40 * 8,
                2 => 64 + next() % (2 * STATUS_WORDS as u64) * 8,
                _ => next() % 512 * 8,
            };
            // Half of them so that stamps stay right.
            let value = if next() % 2 == 0 { next() } else { word(board + at) ^ next() >> 16 };
            file.write_all_at(&value.to_ne_bytes(), board + at).unwrap();
        }
        match bus.status_of("alice") {
            Ok(_) => whole += 1,
            Err(Error::Corrupt { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
        let observer = bus.observer().unwrap();
        let _ = (observer.statuses("*"), observer.latencies());
        if round % 5 == 0 {
            alice.beat().unwrap();
            alice.set_status(&working("mend")).unwrap();
            assert_eq!(bus.status_of("alice").unwrap().unwrap().task, "mend");
        }
    }
    println!("{whole} read, {refused} refused");
    assert!(whole > 100 && refused > 100);
}

/// The owners of one board change all the time, and those that have lost it do not know. (Threads, for real, on words of their own; among them are
/// some that are paused between any two instructions, since there are more of them than processors.)
#[test]
fn however_many_fight_for_a_board_it_is_whole() {
    let copy = || (0..STATUS_WORDS).map(|_| Word::new(0)).collect::<Vec<_>>();
    let (head, copies, owner) = (Word::new(0), [copy(), copy()], Word::new(0));
    let board = Board { head: &head, copies: [&copies[0], &copies[1]] };
    let stop = AtomicBool::new(false);
    let content = |number: u64| -> Vec<u8> {
        let length = 20 + (number % 12 * 60) as usize;
        let mut bytes: Vec<u8> = number.to_le_bytes().iter().copied().cycle().take(length).collect();
        bytes[..2].copy_from_slice(&(length as u16).to_le_bytes());
        bytes
    };
    let (published, lost) = std::thread::scope(|threads| {
        let write = |me: u16| {
            let (content, owner, stop) = (&content, &owner, &stop);
            threads.spawn(move || {
                let (name, mut published, mut lost) = (Name::new(me, 1), 0, 0);
                for round in 0..10_000u64 {
                    if round % 7 == 0 {
                        owner.store(name.bits(), Relaxed);
                    }
                    let content = content(round << 16 | me as u64);
                    match board.write(name, &content, || owner.load(Relaxed) == name.bits()) {
                        Written::Published => published += 1,
                        Written::HandedOver => lost += 1,
                        Written::Disturbed => panic!("nobody scribbles"),
                    };
                }
                stop.store(true, Relaxed);
                (published, lost)
            })
        };
        let writers: Vec<_> = (0..8).map(write).collect();
        for _ in 0..2 {
            threads.spawn(|| {
                let (mut buffer, mut reads) = ([0; CONTENT_MAX], 0u64);
                while !stop.load(Relaxed) {
                    match board.read(&mut buffer) {
                        Ok(None) => continue,
                        Ok(Some(read)) => {
                            let number = u64::from_le_bytes(read[8..16].try_into().unwrap());
                            assert_eq!(read, content(number), "torn");
                            reads += 1;
                        }
                        Err(why) => panic!("{why:?} at {:?}", BoardHead(head.load(Relaxed))),
                    }
                }
                println!("{reads} reads");
            });
        }
        let sums = writers.into_iter().map(|writer| writer.join().unwrap());
        sums.fold((0, 0), |(published, lost), one: (u32, u32)| (published + one.0, lost + one.1))
    });
    println!("{published} published, {lost} lost the board before");
}

#[derive(Clone, Debug)]
enum Operation {
    Attach(usize),
    Leave(usize),
    Set(usize, Status),
    Note(usize, String),
}

fn status() -> impl Strategy<Value = Status> {
    let state = prop_oneof![
        Just(AgentState::Idle),
        Just(AgentState::WaitingForDependencies),
        Just(AgentState::InProgress),
        Just(AgentState::Completed),
        Just(AgentState::Blocked)
    ];
    let texts = prop::collection::vec("\\PC{1,30}", 0..5);
    (state, any::<u32>(), any::<u32>(), "\\PC{0,200}", "\\PC{0,40}", texts).prop_map(
        |(state, done, total, task, note, blockers)| Status {
            state,
            done,
            total,
            task,
            note,
            blockers,
            ..Status::default()
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        2 => (0usize..3).prop_map(Operation::Attach),
        1 => (0usize..3).prop_map(Operation::Leave),
        4 => (0usize..3, status()).prop_map(|(who, status)| Operation::Set(who, status)),
        2 => (0usize..3, "\\PC{0,400}").prop_map(|(who, note)| Operation::Note(who, note)),
    ]
}

fn bytes_of(status: &Status) -> usize {
    let texts = [&status.task, &status.note].into_iter().chain(&status.blockers);
    24 + texts.filter(|text| !text.is_empty()).map(|text| 3 + text.len()).sum::<usize>()
}

proptest! {
    #![proptest_config(drawn(48))]

    /// The model: a name says what was said last.
    #[test]
    fn boards_answer_as_their_model(operations in prop::collection::vec(operation(), 1..60)) {
        let bus = TestBus::with("board-model", CreateOptions { agents: 8, heap: 4 << 20, ..CreateOptions::default() });
        let names = ["ann", "bea", "cid"];
        let mut agents = [None, None, None];
        let mut said = BTreeMap::<&str, Status>::new();
        for operation in operations {
            match operation {
                Operation::Attach(who) => match (bus.attach(names[who]), &agents[who]) {
                    (Ok(agent), None) => agents[who] = Some(agent),
                    (Err(Error::AgentBusy { .. }), Some(_)) => {}
                    (other, _) => prop_assert!(false, "{:?}", other.err()),
                },
                Operation::Leave(who) => drop(agents[who].take()),
                Operation::Set(who, status) => {
                    let Some(agent) = &agents[who] else { continue };
                    match agent.set_status(&status) {
                        Ok(()) => drop(said.insert(names[who], status)),
                        Err(error) => {
                            prop_assert!(matches!(error, Error::InvalidArgument { .. }), "{}", error);
                            prop_assert!(bytes_of(&status) > Status::BYTES_MAX);
                        }
                    }
                }
                Operation::Note(who, note) => {
                    let Some(agent) = &agents[who] else { continue };
                    if agent.update_status(|status| status.note.clone_from(&note)).is_ok() {
                        said.entry(names[who]).or_default().note = note;
                    }
                }
            }
            let observer = bus.observer().unwrap();
            prop_assert_eq!(observer.statuses("*").len(), said.len());
            for (at, name) in names.into_iter().enumerate() {
                let seen = observer.status(name).ok().flatten().map(|status| Status { since_ns: 0, ..status });
                prop_assert_eq!(seen.as_ref(), said.get(name));
                if let (Some(agent), true) = (&agents[at], seen.is_some()) {
                    let own = agent.status().unwrap().unwrap();
                    prop_assert!(own.since_ns > 0);
                }
            }
        }
    }
}
