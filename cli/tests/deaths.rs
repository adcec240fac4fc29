//! Ends that nobody planned: killed while holding a message, readers that leave early, signals. No message is lost.

mod common;

use std::io::{PipeReader, PipeWriter, Read};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use common::{BIN, Running, TestBus, command, fails, json, ok, ok_with_input, run, wait_for};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

/// More than a pipe takes, so that who prints it waits in the middle for a reader.
const LARGE: usize = 1 << 20;

/// Closes the reading end of a pipe and waits until nobody has one: a child that another test is about to start has a copy until its `exec`.
fn leave(reader: PipeReader, writer: &PipeWriter) {
    drop(reader);
    wait_for("the pipe to have no reader", || {
        let mut end = [PollFd::new(writer.as_fd(), PollFlags::POLLOUT)];
        poll(&mut end, PollTimeout::ZERO).expect("a pipe can be polled");
        end[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR))
    });
}

/// What a command writes to that nobody reads.
fn without_reader() -> PipeWriter {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    leave(reader, &writer);
    writer
}

#[test]
fn a_message_held_by_a_killed_recv_is_delivered_again() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    ok_with_input(&["send", &bob], &vec![b'x'; LARGE]);
    let mut victim = Running::start(&["recv", &bob]);
    // It is in flight a moment before its delivery is counted, and certainly counted when it is printed.
    victim.0.stdout.as_mut().expect("stdout is piped").read_exact(&mut [0]).expect("recv prints");
    assert_eq!(bus.queue("bob")["in_flight"], 1);
    drop(victim);

    json(&["reap", &bus.name, "-o", "json"]);
    assert_eq!(bus.queue("bob")["in_flight"], 0);
    let got = json(&["recv", &bob, "--timeout", "60s", "-o", "json"]);
    assert_eq!(got["deliveries"], 2);
    assert_eq!(got["data"].as_str().expect("text").len(), LARGE);
    fails(&["recv", &bob, "--timeout", "0"], 75);
}

#[test]
fn a_message_for_a_reader_who_left_goes_back() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut recv = command(&["recv", &bob, "--follow"]);
    recv.stdout(writer.try_clone().expect("a descriptor")).stderr(Stdio::piped());
    let mut recv = Running(recv.spawn().expect("swarmbus starts"));
    wait_for("recv to own the mailbox", || bus.queue("bob")["owner"] == recv.0.id());
    leave(reader, &writer);
    ok(&["send", &bob, "kept"]);
    assert_eq!(recv.code(), Some(141));
    let mut said = String::new();
    recv.0.stderr.take().expect("stderr is piped").read_to_string(&mut said).expect("stderr can be read");
    assert_eq!(said, "");
    let got = json(&["recv", &bob, "--timeout", "60s", "-o", "json"]);
    assert_eq!(got["data"], "kept");
    assert_eq!(got["deliveries"], 2);
}

#[test]
fn no_verb_panics_when_its_reader_leaves() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    ok(&["send", &bob, "hello"]);
    for args in [&["ls"][..], &["ls", &bus.name], &["inspect", &bus.name], &["peek", &bob, "-o", "json"], &["--help"]] {
        let output = command(args).stdout(without_reader()).stderr(Stdio::piped()).spawn().expect("swarmbus starts");
        let output = output.wait_with_output().expect("swarmbus ends");
        assert_eq!(output.status.code(), Some(141), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
    let output = command(&["ls", "no-such-bus"]).stderr(without_reader()).output().expect("swarmbus runs");
    assert_eq!(output.status.code(), Some(68), "a closed stderr changed the exit code");
}

#[test]
fn a_waiting_recv_leaves_cleanly_when_asked() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    for (signal, name, code) in
        [(Signal::SIGTERM, "TERM", 143), (Signal::SIGINT, "INT", 130), (Signal::SIGHUP, "HUP", 129)]
    {
        // The test itself may run where the signal is ignored, and then so would recv.
        let mut through_env = Command::new("env");
        through_env.arg(format!("--default-signal={name}")).args([BIN, "recv", &bob, "--follow"]);
        through_env.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut recv = Running(through_env.spawn().expect("swarmbus starts"));
        wait_for("recv to own the mailbox", || bus.queue("bob")["owner"] == recv.0.id());
        recv.signal(signal);
        assert_eq!(recv.code(), Some(code), "{signal}");
        assert!(bus.queue("bob")["owner"].is_null(), "the mailbox is not free after {signal}");
    }
    ok(&["send", &bob, "still here"]);
    assert_eq!(ok(&["recv", &bob]), b"still here\n");
}

#[test]
fn a_recv_that_waits_for_its_reader_leaves_when_asked() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    ok_with_input(&["send", &bob], &vec![b'x'; LARGE]);
    let mut recv = Running::start(&["recv", &bob]);
    wait_for("recv to hold the message", || bus.queue("bob")["in_flight"] == 1);
    recv.signal(Signal::SIGTERM);
    assert_eq!(recv.code(), Some(143));
    // It gave the message back itself: nobody had to be reaped.
    assert_eq!(bus.queue("bob")["in_flight"], 0);
    assert_eq!(json(&["recv", &bob, "-o", "json"])["deliveries"], 2);
}

#[test]
fn a_recv_that_was_told_to_ignore_a_signal_does() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    let mut through_env = Command::new("env");
    through_env.args(["--ignore-signal=HUP", BIN, "recv", &bob]).stdout(Stdio::piped());
    let mut recv = Running(through_env.spawn().expect("swarmbus starts"));
    wait_for("recv to own the mailbox", || bus.queue("bob")["owner"] == recv.0.id());
    recv.signal(Signal::SIGHUP);
    ok(&["send", &bob, "undisturbed"]);
    assert_eq!(recv.code(), Some(0));
}

#[test]
fn a_blocked_send_and_one_that_waits_for_input_leave_when_asked() {
    let bus = TestBus::with(&["--agents", "16", "--heap", "16MiB", "--limit", "1"]);
    let bob = bus.mailbox("bob");
    ok(&["send", &bob, "first"]);
    let before = bus.members();

    let mut blocked = Running::start(&["send", &bob, "second"]);
    wait_for("send to join", || bus.members() > before);
    blocked.signal(Signal::SIGTERM);
    assert_eq!(blocked.code(), Some(143));

    let mut reading = Running(
        command(&["send", &bob, "--lines"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("swarmbus starts"),
    );
    wait_for("send to join", || bus.members() > before);
    reading.signal(Signal::SIGTERM);
    assert_eq!(reading.code(), Some(143));
    assert_eq!(ok(&["recv", &bob]), b"first\n");
    fails(&["recv", &bob, "--timeout", "0"], 75);
}

#[test]
fn destroying_a_bus_ends_who_waits_on_it() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    let mut recv = Running::start(&["recv", &bob, "--follow"]);
    wait_for("recv to own the mailbox", || bus.queue("bob")["owner"] == recv.0.id());
    ok(&["destroy", &bus.name]);
    assert_eq!(recv.code(), Some(69));
}

#[test]
fn a_hundred_kills_lose_nothing() {
    let bus = TestBus::new();
    let jobs = bus.mailbox("jobs");
    let numbers: Vec<String> = (0..100).map(|n| format!("{n}-{}", "x".repeat(LARGE / 16))).collect();
    ok_with_input(&["send", &jobs, "--lines"], numbers.join("\n").as_bytes());
    for _ in 0..100 {
        let mut victim = Running::start(&["recv", &jobs, "-n", "2"]);
        // Somewhere between its start and its wait for a reader.
        let mut first = [0; 1];
        let _ = victim.0.stdout.as_mut().expect("stdout is piped").read(&mut first);
        drop(victim);
    }
    json(&["reap", &bus.name, "-o", "json"]);
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let output = run(&["recv", &jobs, "--timeout", "0"]);
        if output.status.code() != Some(0) {
            assert_eq!(output.status.code(), Some(75));
            break;
        }
        seen.insert(output.stdout);
    }
    let sent = numbers.iter().map(|line| format!("{line}\n").into_bytes()).collect();
    assert!(seen == sent, "{} of {} came out", seen.len(), numbers.len());
}
