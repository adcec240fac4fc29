//! A process that becomes another program by `execve` keeps pid and start time; what it had comes back all the same.
#[path = "common/actor.rs"]
mod actor;
mod common;

use common::TestBus;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;
use swarmbus_core::{Bus, SendOptions};

/// The other process of these tests; does nothing when run as a test.
#[test]
fn actor() {
    let Some((act, name)) = actor::role() else { return };
    let bus = Bus::open(&name).unwrap();
    let agent = bus.attach("ghost").unwrap();
    if act == "again" {
        let message = agent.recv(Some(Duration::ZERO)).unwrap();
        assert_eq!((message.data(), message.deliveries()), (&b"task"[..], 2));
        message.release().unwrap();
        print!("READY");
        return;
    }
    let held = agent.recv(None).unwrap();
    match act.as_str() {
        "exec" => {
            let error = Command::new("sh").args(["-c", "printf READY; read line"]).exec();
            panic!("{error}");
        }
        "reap without descriptors" => {
            for descriptor in 3..100 {
                // SAFETY: closes what may not even be open; that is what this test is about.
                unsafe { libc::close(descriptor) };
            }
            // Others get the numbers.
            let _files: Vec<_> =
                (0..50).map(|_| std::mem::ManuallyDrop::new(std::fs::File::open("/dev/null").unwrap())).collect();
            assert_eq!(agent.reap().unwrap(), Default::default());
            actor::ready();
            std::process::exit(0);
        }
        "exec again" => {
            let error = actor::command("again", &name).exec();
            panic!("{error}");
        }
        _ => {
            for descriptor in 3..100 {
                // SAFETY: closes what may not even be open; that is what this test is about.
                unsafe { libc::close(descriptor) };
            }
            actor::ready();
            held.release().unwrap();
            // Not by dropping: the standard library aborts when it finds its descriptors closed.
            std::process::exit(0);
        }
    }
}

fn bus_with_a_task(test: &str) -> TestBus {
    let bus = TestBus::new(test);
    let member = bus.join().unwrap();
    bus.declare("ghost", &Default::default()).unwrap();
    member.send("ghost", b"task", &SendOptions::default()).unwrap();
    bus
}

#[test]
fn a_peer_reaps_the_ghost_of_an_exec() {
    let bus = bus_with_a_task("exec");
    let mut child = actor::spawn("exec", bus.name());
    let peer = bus.join().unwrap();
    let reaped = peer.reap().unwrap();
    assert_eq!((reaped.members, reaped.redelivered), (1, 1), "the process lives on, as another program");
    assert!(child.try_wait().unwrap().is_none());
    let message = bus.attach("ghost").unwrap();
    assert_eq!(message.recv(Some(Duration::ZERO)).unwrap().deliveries(), 2);
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn a_process_that_execs_itself_takes_its_own_mailbox_again() {
    let bus = bus_with_a_task("exec-again");
    let mut child = actor::spawn("exec again", bus.name());
    assert!(child.wait().unwrap().success());
}

#[test]
fn who_closes_all_descriptors_is_not_taken_for_dead() {
    let bus = bus_with_a_task("closed-fds");
    let mut child = actor::spawn("close descriptors", bus.name());
    let peer = bus.join().unwrap();
    assert_eq!(peer.reap().unwrap(), Default::default());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    peer.reap().unwrap();
    assert_eq!(bus.observer().unwrap().queues()[0].queued, 0, "it released its message itself");
}

#[test]
fn who_has_lost_its_descriptors_takes_nobody_for_dead() {
    let bus = bus_with_a_task("lost-fds");
    let _alive = bus.attach("alive").unwrap();
    let mut child = actor::spawn("reap without descriptors", bus.name());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(bus.observer().unwrap().members().iter().filter(|member| member.pid == std::process::id()).count(), 1);
}
