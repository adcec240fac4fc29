//! A handle that is bound to a thread dies with it, in a process that lives on.
#[path = "common/actor.rs"]
mod actor;
mod common;

use common::TestBus;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use swarmbus_core::{Agent, Bus, CreateOptions, Error, Member, Reaped, SendOptions};

fn send(member: &Member, to: &str, text: &[u8]) {
    member.send(to, text, &SendOptions { timeout: Some(Duration::ZERO), ..SendOptions::default() }).unwrap();
}

/// The other process of these tests; does nothing when run as a test.
#[test]
fn actor() {
    let Some((_, name)) = actor::role() else { return };
    let bus = Bus::open(&name).unwrap();
    let (_other, leaked) = (bus.attach("other").unwrap(), left_by_a_thread(&bus, "worker"));
    actor::ready();
    drop(leaked);
    // Its index is claimed anew here, too: by whoever finds it free.
    let again: Vec<_> = std::iter::from_fn(|| bus.join().ok()).collect();
    assert_eq!(again.len(), 2, "four indices, of which the test has one");
    std::process::exit(0);
}

/// An agent whose thread has ended while it held a message, and a loan.
fn left_by_a_thread(bus: &Bus, name: &'static str) -> Agent {
    let bus = bus.clone();
    let thread: JoinHandle<(Agent, u32)> = std::thread::spawn(move || {
        let agent = bus.attach(name).unwrap();
        // SAFETY: the agent is only dropped from here on.
        unsafe { agent.bind_to_thread() }.unwrap();
        agent.recv(Some(Duration::ZERO)).unwrap().into_raw();
        agent.loan(100).unwrap().into_raw();
        (agent, nix::unistd::gettid().as_raw() as u32)
    });
    let (agent, tid) = thread.join().unwrap();
    // It is joined a moment before it is gone.
    while std::path::Path::new(&format!("/proc/self/task/{tid}")).exists() {
        std::thread::yield_now();
    }
    agent
}

fn with_a_task(test: &str) -> (TestBus, Member) {
    let bus = TestBus::with(test, CreateOptions { agents: 4, ..CreateOptions::default() });
    bus.declare("worker", &Default::default()).unwrap();
    let member = bus.join().unwrap();
    send(&member, "worker", b"task");
    (bus, member)
}

fn expect_task_again(agent: &Agent) {
    let message = agent.recv(Some(Duration::ZERO)).unwrap();
    assert_eq!((message.data(), message.deliveries()), (&b"task"[..], 2));
    message.release().unwrap();
}

#[test]
fn what_an_ended_thread_had_comes_back_before_its_handle_is_dropped() {
    let (bus, member) = with_a_task("thread-reaped");
    for only_ours in [false, true] {
        let late = left_by_a_thread(&bus, "worker");
        let reaped = if only_ours { member.reap_process(std::process::id()) } else { member.reap() }.unwrap();
        assert_eq!((reaped.members, reaped.redelivered), (1, 1));
        assert!(reaped.freed > 0, "its loan: {reaped:?}");
        // The index has a new owner, of the same process, before the old handle goes.
        let heirs: Vec<_> = (0..3).map(|number| bus.attach(["worker", "b", "c"][number]).unwrap()).collect();
        assert!(heirs.iter().any(|heir| heir.index() == late.index()), "the index is used again");
        expect_task_again(&heirs[0]);
        send(&heirs[0], "worker", b"task");
        drop(late);
        assert_eq!(member.reap().unwrap(), Reaped::default());
        assert_eq!(bus.observer().unwrap().members().len(), 4, "the late drop harmed none of them");
        assert!(matches!(bus.attach("b"), Err(Error::TooManyAgents { .. } | Error::AgentBusy { .. })));
        for heir in &heirs {
            send(heir, "b", b"x");
        }
        for _ in &heirs {
            heirs[1].recv(Some(Duration::ZERO)).unwrap().release().unwrap();
        }
    }
}

#[test]
fn a_handle_that_is_dropped_after_its_threads_end_gives_all_back_itself() {
    let (bus, member) = with_a_task("thread-dropped");
    drop(left_by_a_thread(&bus, "worker"));
    assert_eq!(member.reap().unwrap(), Reaped::default(), "nothing is left to reap");
    expect_task_again(&bus.attach("worker").unwrap());
    let chunks = bus.observer().unwrap().bus().heap.chunks;
    assert_eq!((chunks.queued, chunks.in_flight), (0, 0));
}

#[test]
fn a_new_owner_needs_no_reap_before() {
    let (bus, _member) = with_a_task("thread-heir");
    let _late = left_by_a_thread(&bus, "worker");
    expect_task_again(&bus.attach("worker").unwrap());
}

#[test]
fn a_full_bus_has_room_again_when_threads_have_ended() {
    let (bus, member) = with_a_task("thread-full");
    let _late = left_by_a_thread(&bus, "worker");
    let handles: Vec<_> = (0..3).map(|_| bus.join()).collect();
    assert!(handles.iter().all(Result::is_ok), "the third gets the ended thread's place");
    drop(member);
}

#[test]
fn who_is_idle_or_bound_to_no_thread_is_not_dead() {
    let (bus, member) = with_a_task("thread-idle");
    let unbound = std::thread::spawn({
        let bus = bus.clone();
        move || bus.attach("worker").unwrap()
    });
    let unbound = unbound.join().unwrap();
    let (go, wait) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let idle = std::thread::spawn({
        let bus = bus.clone();
        move || {
            let idle = bus.attach("idle").unwrap();
            // SAFETY: used and dropped here.
            unsafe { idle.bind_to_thread() }.unwrap();
            tell.send(()).unwrap();
            let _ = wait.recv();
            idle.recv(Some(Duration::ZERO)).unwrap().release().unwrap();
        }
    });
    told.recv().unwrap();
    assert_eq!(member.reap().unwrap(), Reaped::default());
    send(&member, "idle", b"still there?");
    drop(go);
    idle.join().unwrap();
    unbound.recv(Some(Duration::ZERO)).unwrap().release().unwrap();
    assert_eq!(member.reap().unwrap(), Reaped::default(), "a thread that closes its handle leaves nothing");
}

#[test]
fn views_keep_a_handle_alive_beyond_its_thread() {
    let (bus, member) = with_a_task("thread-views");
    let viewed = std::thread::spawn({
        let bus = bus.clone();
        move || {
            let agent = bus.attach("worker").unwrap();
            // SAFETY: used here; views are another thread's, and the handle is unbound for them.
            unsafe { agent.bind_to_thread() }.unwrap();
            agent.recv(Some(Duration::ZERO)).unwrap().into_raw();
            agent.unbind_from_thread();
            agent
        }
    });
    let viewed = viewed.join().unwrap();
    assert_eq!(member.reap().unwrap(), Reaped::default());
    // SAFETY: nobody looks any more.
    unsafe { viewed.bind_again() };
    while member.reap().unwrap().members == 0 {
        std::thread::yield_now();
    }
    expect_task_again(&bus.attach("worker").unwrap());
}

#[test]
fn another_process_gets_what_a_thread_left() {
    let (bus, member) = with_a_task("thread-elsewhere");
    let mut child = actor::spawn("leave by a thread", bus.name());
    let reaped = member.reap_process(child.id()).unwrap();
    assert_eq!((reaped.members, reaped.redelivered), (1, 1), "the process lives, and its other agent");
    assert!(matches!(bus.attach("other"), Err(Error::AgentBusy { .. })));
    let heir = bus.attach("worker").unwrap();
    expect_task_again(&heir);
    drop(heir);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
