//! 'lock': commands under locks, and who has which.

mod common;

use common::{Running, TestBus, fails, json, ok, run, wait_for};
use nix::sys::signal::Signal;

fn locks(bus: &TestBus) -> Vec<serde_json::Value> {
    json(&["lock", "ls", &bus.name, "-o", "json"]).as_array().expect("a list").clone()
}

#[test]
fn a_command_runs_under_the_lock_and_its_exit_code_is_ours() {
    let bus = TestBus::new();
    let script = "echo $SWARMBUS_LOCK $SWARMBUS_LOCK_TOKEN $SWARMBUS";
    let run_it =
        || String::from_utf8(ok(&["lock", "run", "-b", &bus.name, "a/b", "--", "sh", "-c", script])).expect("text");
    let token = |said: &str| said.split(' ').nth(1).and_then(|token| token.parse::<u64>().ok()).expect("a number");
    let (first, second) = (run_it(), run_it());
    assert!(first.starts_with("a/b ") && first.ends_with(&format!(" {}\n", bus.name)), "{first}");
    assert!(token(&second) > token(&first));
    let code = |words: &[&str]| {
        let args = [&["lock", "run", "-b", &bus.name, "x", "--"], words].concat();
        run(&args).status.code()
    };
    assert_eq!(code(&["sh", "-c", "exit 7"]), Some(7));
    assert_eq!(code(&["sh", "-c", "kill -9 $$"]), Some(137));
    assert_eq!(code(&["no-such-command-here"]), Some(127));
    assert_eq!(code(&["/etc/passwd"]), Some(126));
    assert!(locks(&bus).is_empty());
}

#[test]
fn locks_that_conflict_wait_and_shared_ones_do_not() {
    let bus = TestBus::new();
    let held = |name: &str, extra: &[&str]| {
        let args = [&["lock", "run", "-b", bus.name.as_str(), name], extra, &["--", "sleep", "60"]].concat();
        Running::start(&args)
    };
    let mut holder = held("src/**", &[]);
    wait_for("the lock", || locks(&bus).len() == 1);
    let said = fails(&["lock", "run", "-b", &bus.name, "src/a.rs", "-t", "0", "--", "true"], 75);
    assert!(said.contains("src/**") && said.contains("src/a.rs"), "{said}");
    fails(&["lock", "run", "-b", &bus.name, "src/a.rs", "-t", "50ms", "--shared", "--", "true"], 75);
    ok(&["lock", "run", "-b", &bus.name, "docs/a.md", "-t", "0", "--", "true"]);
    // A signal goes to the command, and ends the wait of who waits.
    let mut waiting = held("src/a.rs", &[]);
    wait_for("somebody who waits", || locks(&bus).iter().any(|lock| lock["state"] == "waiting"));
    waiting.signal(Signal::SIGINT);
    assert_eq!(waiting.code(), Some(130));
    holder.signal(Signal::SIGTERM);
    assert_eq!(holder.code(), Some(143));
    let _readers = [held("db", &["-s"]), held("db", &["-s"])];
    wait_for("two readers", || locks(&bus).iter().filter(|lock| lock["state"] == "held").count() == 2);
}

#[test]
fn a_killed_holder_lets_go_and_its_command_ends() {
    let bus = TestBus::new();
    let mut holder = Running::start(&["lock", "run", "-b", &bus.name, "x", "--", "sleep", "60"]);
    wait_for("the lock", || locks(&bus).len() == 1);
    holder.0.kill().expect("it can be killed");
    holder.0.wait().expect("it ends");
    ok(&["lock", "run", "-b", &bus.name, "x", "-t", "50s", "--", "true"]);
}

#[test]
fn a_lock_that_is_lost_is_69() {
    let bus = TestBus::new();
    let script = format!("{} destroy {}", common::BIN, bus.name);
    let said = fails(&["lock", "run", "-b", &bus.name, "x", "--", "sh", "-c", &script], 69);
    assert!(said.contains("lost"), "{said}");
}

#[test]
fn wrong_names_and_missing_commands_are_64() {
    let bus = TestBus::new();
    fails(&["lock", "run", "-b", &bus.name, "", "--", "true"], 64);
    fails(&["lock", "run", "-b", &bus.name, &"x".repeat(256), "--", "true"], 64);
    fails(&["lock", "run", "-b", &bus.name, "x"], 64);
    fails(&["lock", "run", "x", "--", "true"], 64);
    fails(&["lock", "run", "-b", "no-such-bus-here", "x", "--", "true"], 68);
    fails(&["lock", "ls"], 64);
}
