//! Recovery at the edges: all indices taken by the dead, more messages in flight than fit, forks, orphans.
#[path = "common/actor.rs"]
mod actor;
mod common;
#[path = "common/words.rs"]
mod words;

use common::{TestBus, at_once};
use std::mem::offset_of;
use std::time::Duration;
use swarmbus_core::layout::Header;
use swarmbus_core::{Bus, CreateOptions, Error, QueueOptions};
use words::Words;

#[test]
fn actor() {
    let Some((act, name)) = actor::role() else { return };
    let bus = Bus::open(&name).unwrap();
    let agent = bus.attach("victim").unwrap();
    match act.as_str() {
        "hold everything" => {
            while let Some(message) = agent.try_recv().unwrap() {
                message.into_raw();
            }
        }
        "supervise" => agent.supervise().unwrap(),
        _ => {
            let others: Vec<_> = std::iter::from_fn(|| bus.join().ok()).collect();
            std::mem::forget(others);
        }
    }
    actor::ready();
}

fn killed(act: &str, bus: &TestBus) {
    let mut child = actor::spawn(act, bus.name());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_bus_whose_indices_all_belong_to_the_dead_lets_new_agents_in() {
    let bus = TestBus::with("all-dead", CreateOptions { agents: 5, ..CreateOptions::default() });
    for _ in 0..3 {
        killed("take all indices", &bus);
        let agent = bus.attach("newcomer").unwrap();
        assert_eq!(bus.observer().unwrap().members().len(), 1);
        drop(agent);
    }
}

#[test]
fn a_dead_supervisor_supervises_no_more() {
    let bus = TestBus::new("unsupervised");
    let supervisor = offset_of!(Header, supervisor) as u64;
    let words = Words::of(&bus);
    killed("supervise", &bus);
    assert_ne!(words.read(supervisor), 0);
    bus.join().unwrap().reap().unwrap();
    assert_eq!(words.read(supervisor), 0, "the others have to look for the dead themselves");
}

#[test]
fn more_messages_than_the_redelivery_ring_holds_all_come_back() {
    let bus = TestBus::with("overflow", CreateOptions { agents: 1, limit: 16, ..CreateOptions::default() });
    bus.declare("victim", &QueueOptions::default()).unwrap();
    let mut sent = 0u32;
    // In flight is not bounded by the queue: fill it, have it emptied, three times over.
    let agent = bus.attach("victim").unwrap();
    for _ in 0..3 {
        while agent.send("victim", &sent.to_le_bytes(), &at_once()).is_ok() {
            sent += 1;
        }
        while let Some(message) = agent.try_recv().unwrap() {
            message.into_raw();
        }
    }
    agent.close();
    assert!(sent >= 48, "{sent}");
    killed("hold everything", &bus);
    let agent = bus.attach("victim").unwrap();
    let mut seen: Vec<(u32, u32)> = std::iter::from_fn(|| {
        let message = agent.try_recv().unwrap()?;
        let number = u32::from_le_bytes(message.data().try_into().unwrap());
        let seen = (number, message.deliveries());
        message.release().unwrap();
        Some(seen)
    })
    .collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..sent).map(|number| (number, 3)).collect::<Vec<_>>(), "each once, taken twice before");
    let info = bus.observer().unwrap().bus().heap.chunks;
    assert_eq!((info.queued, info.in_flight), (0, 0));
}

#[test]
fn messages_that_find_no_room_when_given_back_come_again() {
    let bus = TestBus::with("nacked", CreateOptions { agents: 4, limit: 16, ..CreateOptions::default() });
    let agent = bus.attach("box").unwrap();
    let mut held = Vec::new();
    for number in 0..40u32 {
        agent.send("box", &number.to_le_bytes(), &at_once()).unwrap();
        held.push(agent.recv(None).unwrap());
    }
    held.into_iter().for_each(|message| message.nack().unwrap());
    let again = std::iter::from_fn(|| agent.try_recv().unwrap().map(|message| message.release().unwrap())).count();
    assert_eq!(again, 40);
}

#[test]
fn a_forked_child_can_use_nothing_of_its_parents() {
    let bus = TestBus::new("forked");
    bus.declare("next", &QueueOptions::default()).unwrap();
    let agent = bus.attach("parent").unwrap();
    agent.send("parent", b"once", &at_once()).unwrap();
    let message = agent.recv(None).unwrap();
    // SAFETY: the child makes a few library calls that neither allocate under a foreign lock nor unwind, and leaves by _exit.
    match unsafe { libc::fork() } {
        0 => {
            let refused = matches!(message.forward("next", None), Err(refused) if refused.error == Error::Forked)
                && agent.send("next", b"", &at_once()) == Err(Error::Forked);
            // The parent's bus may be used: the child takes a handle of its own.
            let own = bus.attach("child").is_ok_and(|child| child.send("next", b"from the child", &at_once()).is_ok());
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
    message.forward("next", None).unwrap();
    agent.reap().unwrap();
    let texts: Vec<_> =
        std::iter::from_fn(|| agent.try_receive("next").unwrap().map(|message| message.to_vec())).take(2).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
}

#[test]
fn an_orphan_that_keeps_a_dead_parents_descriptors_blocks_nobody() {
    let bus = TestBus::with("orphan", CreateOptions { agents: 3, ..CreateOptions::default() });
    let (orphan_waits, mut orphan_goes) = std::io::pipe().unwrap();
    // SAFETY: the child leaves by _exit and does little before.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let agent = bus.attach("parent").ok();
        std::mem::forget(agent);
        drop(orphan_goes);
        // SAFETY: the grandchild only waits until the test is over; it has its parent's descriptors.
        if unsafe { libc::fork() } == 0 {
            let _ = std::io::Read::read(&mut &orphan_waits, &mut [0]);
        }
        // SAFETY: leaves at once.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for our own child; the status is ours.
    unsafe { libc::waitpid(child, &mut status, 0) };
    let agents: Vec<_> = ["parent", "b", "c"].into_iter().map(|name| bus.attach(name).unwrap()).collect();
    assert_eq!(agents.len(), 3);
    std::io::Write::write_all(&mut orphan_goes, b"!").unwrap();
}

#[test]
fn a_stranger_does_not_take_from_a_mailbox_that_has_got_an_owner() {
    let bus = TestBus::new("stranger");
    bus.declare("alice", &QueueOptions::default()).unwrap();
    let stranger = bus.join().unwrap();
    let waiting = std::thread::spawn(move || stranger.receive("alice", None).map(|_| ()));
    std::thread::sleep(Duration::from_millis(20));
    let alice = bus.attach("alice").unwrap();
    assert!(matches!(waiting.join().unwrap(), Err(Error::AgentBusy { .. })));
    alice.send("alice", b"mine", &at_once()).unwrap();
    assert_eq!(alice.recv(None).unwrap().data(), b"mine");
    assert!(matches!(alice.own("second"), Err(Error::InvalidArgument { .. })), "one mailbox a handle");
}

#[test]
fn ids_do_not_come_round_with_incarnations() {
    let bus = TestBus::with("ids", CreateOptions { agents: 2, ..CreateOptions::default() });
    bus.declare("sink", &QueueOptions { limit: Some(16), ..QueueOptions::default() }).unwrap();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3000 {
        let member = bus.join().unwrap();
        assert!(seen.insert(member.send("sink", b"", &at_once()).unwrap()));
        member.purge("sink").unwrap();
    }
}
