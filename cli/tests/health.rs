//! `health`, `check` and `doctor`, as a person and as a monitoring system use them.

mod common;

use common::{Running, TestBus, command, json, ok, unique, wait_for};

fn check(args: &[&str]) -> (i32, String) {
    let output = command(&[&["check"], args].concat()).output().expect("swarmbus runs");
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stdout).expect("it is text"))
}

/// The host's own memory is none of the bus' business here.
const PATIENT: [&str; 4] = ["--watch", "0s", "--memory", "100%"];

#[test]
fn a_check_tells_by_its_exit_code() {
    let bus = TestBus::with(&["--agents", "64", "--heap", "64MiB", "--limit", "10"]);
    let queue = bus.mailbox("work");
    let of = |format: &str| check(&[&[bus.name.as_str(), "--format", format], PATIENT.as_slice()].concat());
    assert_eq!(of("text").0, 0);
    for _ in 0..8 {
        ok(&["send", &queue, "x"]);
    }
    let (code, text) = of("nagios");
    assert_eq!(code, 1);
    assert!(text.starts_with(&format!("SWARMBUS WARNING - {}: overflow work: 8 of 10", bus.name)), "{text}");
    assert_eq!((text.lines().count(), text.matches('|').count()), (1, 1), "{text}");
    for _ in 0..2 {
        ok(&["send", &queue, "x"]);
    }
    let (code, text) = of("json");
    assert_eq!(code, 2);
    let told: serde_json::Value = serde_json::from_str(&text).expect("one line of JSON");
    assert_eq!((&told["verdict"], &told["alerts"][0]["kind"]), (&"critical".into(), &"overflow".into()));
    let (_, text) = of("prometheus");
    let sample = format!("swarmbus_health_queue_fullest_ratio{{bus=\"{}\",queue=\"work\"}} 1", bus.name);
    assert!(text.lines().any(|line| line == sample), "{text}");
    let typed = text.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!(typed, text.lines().filter(|line| line.starts_with("# HELP")).count());
    assert_eq!(check(&[&unique("none")]).0, 3);
}

#[test]
fn health_shows_who_waits() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    let _running = Running::start(&["recv", &bob]);
    wait_for("bob waits", || {
        let told = json(&["health", &bus.name, "--watch", "0s", "-o", "json"]);
        told["counts"]["waiting"] == 1 && told["agents"][0]["name"] == "bob"
    });
    let text = String::from_utf8(ok(&["health", &bus.name, "--all", "--watch", "0s"])).expect("it is text");
    assert!(text.lines().any(|line| line.starts_with("bob ") && line.contains("waiting")), "{text}");
}

#[test]
fn the_doctor_removes_what_the_dead_have_left_and_no_messages() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    let mut running = Running::start(&["recv", &bob]);
    wait_for("bob waits", || json(&["inspect", &bob, "-o", "json"])["owner"]["pid"].is_u64());
    let is_told = || {
        let output = command(&["doctor", "-o", "json"]).output().expect("swarmbus runs").stdout;
        String::from_utf8(output).expect("it is text").contains(&format!("leftover {}", bus.name))
    };
    let fix = || command(&["doctor", "--fix", &bus.name]).output().expect("swarmbus runs");
    assert!(!is_told(), "somebody lives");
    running.0.kill().expect("it can be killed");
    running.0.wait().expect("it can be waited for");
    assert!(is_told());
    // The sender leaves in peace, and reaps nobody it does not stumble upon.
    ok(&["send", &bus.mailbox("other"), "x"]);
    fix();
    assert!(bus.file().exists(), "a message waits");
    ok(&["recv", &bus.at("other")]);
    if is_told() {
        fix();
        assert!(!bus.file().exists());
    }
}
