//! A process that becomes another program by `execve` keeps pid and start time; what it had comes back all the same.
mod common;

use common::TestBus;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use swarmbus_core::{Bus, SendOptions};

/// Runs this test program again as `act` on the bus; it says a line when it is ready.
fn spawn(act: &str, bus: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "actor", "--nocapture", "--test-threads=1"])
        .env("SWARMBUS_TEST_ACT", act)
        .env("SWARMBUS_TEST_BUS", bus)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = Vec::new();
    let output = child.stdout.as_mut().unwrap();
    while !seen.ends_with(b"READY") {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    child
}

/// The other process of these tests; does nothing when run as a test.
#[test]
fn actor() {
    let Ok(act) = std::env::var("SWARMBUS_TEST_ACT") else { return };
    let name = std::env::var("SWARMBUS_TEST_BUS").unwrap();
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
        "exec again" => {
            let error = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "actor", "--nocapture", "--test-threads=1"])
                .env("SWARMBUS_TEST_ACT", "again")
                .exec();
            panic!("{error}");
        }
        _ => {
            for descriptor in 3..100 {
                // SAFETY: closes what may not even be open; that is what this test is about.
                unsafe { libc::close(descriptor) };
            }
            print!("READY");
            std::io::Write::flush(&mut std::io::stdout()).unwrap();
            let _ = std::io::stdin().read_line(&mut String::new());
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
    let mut child = spawn("exec", bus.name());
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
    let mut child = spawn("exec again", bus.name());
    assert!(child.wait().unwrap().success());
}

#[test]
fn who_closes_all_descriptors_is_not_taken_for_dead() {
    let bus = bus_with_a_task("closed-fds");
    let mut child = spawn("close descriptors", bus.name());
    let peer = bus.join().unwrap();
    assert_eq!(peer.reap().unwrap(), Default::default());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    peer.reap().unwrap();
    assert_eq!(bus.observer().unwrap().queues()[0].queued, 0, "it released its message itself");
}
