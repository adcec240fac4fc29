//! `swarmbus bench`: every measurement runs, says what it measured, and leaves nothing behind. How fast it was is nobody's business here.

mod common;

use common::{Running, command, fails, json, ok, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;

/// The bus that a run of the command makes; removed if a test fails and the run is killed.
struct BusOf(std::path::PathBuf);

impl Drop for BusOf {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn streams_say_how_many_messages_came() {
    for work in [&["one-way"][..], &["fan-in", "-n", "3"], &["one-way", "--size", "1MiB", "--spin"]] {
        let said = json(&[&["bench"], work, &["--time", "50ms", "-o", "json"]].concat());
        let (messages, seconds) = (said["messages"].as_u64().unwrap(), said["seconds"].as_f64().unwrap());
        assert!(messages > 0 && seconds >= 0.05, "{said}");
        assert!((said["messages_per_second"].as_f64().unwrap() * seconds - messages as f64).abs() < 1.0, "{said}");
    }
}

#[test]
fn rounds_say_how_long_one_takes() {
    for work in [&["ping-pong"][..], &["fan-out", "-n", "5", "--size", "64KiB"]] {
        let said = json(&[&["bench"], work, &["--time", "50ms", "-o", "json"]].concat());
        let at = |key: &str| said[key].as_f64().unwrap();
        assert!(at("rounds") >= 1.0 && at("p50_us") > 0.0, "{said}");
        assert!(at("p50_us") <= at("p99_us") && at("p99_us") <= at("max_us"), "{said}");
    }
}

#[test]
fn every_agent_of_a_swarm_answers() {
    let said = json(&["bench", "swarm", "--agents", "20", "--kind", "native", "-o", "json"]);
    assert_eq!((&said["agents"], &said["answered"]), (&20.into(), &20.into()));
    assert_eq!(said["delivery"], 1.0);
    let text = String::from_utf8(ok(&["bench", "swarm", "--agents", "2"])).unwrap();
    assert!(text.contains("2 answered"), "{text}");
}

#[test]
fn an_agent_that_cannot_run_is_named() {
    let said = fails(&["bench", "swarm", "--kind", "python", "--python", "/no/such/python"], 71);
    assert!(said.contains("cannot start agent 0"), "{said}");
    let said = fails(&["bench", "swarm", "--kind", "python", "--python", "/bin/false"], 71);
    assert!(said.contains("ended early"), "{said}");
}

/// The child of a process that runs an agent of a measurement.
fn agent_of(run: u32) -> Option<Pid> {
    let children = std::fs::read_to_string(format!("/proc/{run}/task/{run}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok().map(Pid::from_raw)
}

#[test]
fn a_run_whose_agent_dies_ends() {
    for work in
        [&["one-way"][..], &["fan-in", "-n", "2"], &["ping-pong"], &["fan-out", "-n", "2"], &["one-way", "--spin"]]
    {
        let mut run = Running::start(&[&["bench"], work, &["--time", "1h"]].concat());
        let bus = BusOf(format!("/dev/shm/swarmbus.bench-{}", run.0.id()).into());
        // Not before the measurement: a death while agents are gathered is found there.
        wait_for("the agents to be there", || agent_of(run.0.id()).is_some());
        std::thread::sleep(Duration::from_millis(500));
        kill(agent_of(run.0.id()).unwrap(), Signal::SIGKILL).unwrap();
        assert_eq!(run.code(), Some(71), "{work:?}");
        assert!(!bus.0.exists());
    }
}

#[test]
fn a_message_has_a_length_that_the_bus_can_carry() {
    json(&["bench", "ping-pong", "--size", "16MiB", "--time", "1ms", "-o", "json"]);
    for size in ["16777217", "4EiB"] {
        let said = fails(&["bench", "one-way", "--size", size], 64);
        assert!(said.contains("at most 16"), "{said}");
    }
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    let mut run = Running::start(&["bench", "fan-in", "--time", "1h"]);
    let bus = BusOf(format!("/dev/shm/swarmbus.bench-{}", run.0.id()).into());
    wait_for("the bus of the run", || bus.0.exists());
    run.signal(Signal::SIGTERM);
    assert_eq!(run.code(), Some(143));
    assert!(!bus.0.exists());
    let help = command(&["bench", "--help"]).output().unwrap();
    assert!(help.status.success());
}
