//! Every verb that speaks to a bus, used wrongly: an exit code and one line that says what to do; never a crash, a hang or a loss.

mod common;

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use common::{Running, TestBus, command, fails, failure, ok, ok_with_input, run, unique, wait_for};

/// Each verb with an address, in front of what else it needs.
fn with_address(address: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["declare", address],
        vec!["send", address, "x"],
        vec!["recv", address, "-t", "0"],
        vec!["recv", address, "-t", "0", "--", "true"],
        vec!["call", address, "x", "-t", "0"],
        vec!["reply", address, "x", "-t", "0"],
        vec!["pub", address, "x"],
        vec!["sub", address, "-t", "0"],
        vec!["peek", address],
        vec!["tail", address, "-t", "0"],
        vec!["queue", "declare", address],
        vec!["queue", "close", address],
        vec!["queue", "reopen", address],
        vec!["queue", "purge", address],
        vec!["queue", "move", address, "other"],
        vec!["queue", "tap", address, "-t", "0"],
        vec!["topic", "declare", address],
        vec!["topic", "trim", address],
        vec!["dead-letter", "show", address],
        vec!["dead-letter", "redrive", address],
        vec!["dead-letter", "drop", address],
        vec!["status", "set", "idle", "--agent", address],
        vec!["status", "get", address],
        vec!["beat", address],
    ]
}

/// Each verb with a bus.
fn with_bus(bus: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["ls", bus],
        vec!["queue", "ls", bus],
        vec!["topic", "ls", bus],
        vec!["dead-letter", "ls", bus],
        vec!["lock", "ls", bus],
        vec!["lock", "run", "-b", bus, "x", "--", "true"],
        vec!["status", "ls", bus],
    ]
}

#[test]
fn names_that_are_none_are_64() {
    let bus = TestBus::new();
    let long = "x".repeat(64);
    let wrong = ["a/b", "", "..", "with space", "line\nbreak", "umläut", "@", &long];
    for (index, name) in wrong.into_iter().enumerate() {
        let address = bus.at(name);
        // All verbs ask the same function, so each name but the first is tried with some of them.
        for args in with_address(&address).into_iter().skip(index % 5).step_by(if index == 0 { 1 } else { 5 }) {
            let said = fails(&args, 64);
            assert!(said.contains("name"), "{args:?}: {said}");
        }
    }
    for args in with_bus("no/slash") {
        fails(&args, 64);
    }
}

#[test]
fn an_unknown_bus_is_68() {
    let none = unique("cli-none");
    let address = format!("{none}/bob");
    for args in with_address(&address).into_iter().chain(with_bus(&none)) {
        let said = fails(&args, 68);
        assert!(said.contains(&none) && said.contains("swarmbus create"), "{args:?}: {said}");
    }
}

#[test]
fn a_bus_of_another_user_is_77() {
    let bus = TestBus::new();
    ok(&["declare", &bus.at("bob")]);
    // The superuser may do all, so it becomes somebody else; others lose the permission for their own.
    let is_superuser = nix::unistd::geteuid().is_root();
    if !is_superuser {
        std::fs::set_permissions(bus.file(), std::fs::Permissions::from_mode(0o000)).expect("it is ours");
    }
    let address = bus.at("bob");
    for args in with_address(&address).into_iter().chain(with_bus(&bus.name)) {
        let mut command = command(&args);
        if is_superuser {
            command.uid(65534).gid(65534);
        }
        match command.output() {
            Ok(output) => drop(failure(&args, &output, 77)),
            // The program lies where others cannot run it.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return,
            Err(error) => panic!("{args:?}: {error}"),
        }
    }
}

#[test]
fn a_bus_that_is_destroyed_ends_every_wait_with_69() {
    let bus = TestBus::new();
    let (bob, news) = (bus.mailbox("bob"), bus.at("news"));
    ok(&["topic", "declare", &news]);
    ok(&["declare", &bus.at("full"), "--limit", "1"]);
    ok(&["send", &bus.at("full"), "1"]);
    let (alice, full) = (bus.at("alice"), bus.at("full"));
    let mut waiting = [
        Running::start(&["recv", &bob]),
        Running::start(&["reply", &alice, "--", "true"]),
        Running::start(&["sub", &news, "-f"]),
        Running::start(&["tail", &full]),
        Running::start(&["call", &full, "x"]),
        Running::start(&["send", &full, "2"]),
    ];
    wait_for("them to wait", || bus.members() == waiting.len() && waiting.iter().all(Running::sleeps));
    ok(&["destroy", &bus.name]);
    for one in &mut waiting {
        assert_eq!(one.code(), Some(69));
    }
}

#[test]
fn a_payload_that_is_too_large_is_refused_by_every_verb_that_sends() {
    let bus = TestBus::with(&["--agents", "16", "--heap", "16MiB"]);
    let (bob, news) = (bus.mailbox("bob"), bus.at("news"));
    ok(&["topic", "declare", &news]);
    let endless = || Stdio::from(std::fs::File::open("/dev/zero").expect("zeros"));
    for args in [["send", bob.as_str()], ["pub", &news], ["call", &bob]] {
        let output = command(&args).stdin(endless()).output().expect("swarmbus runs");
        let code = output.status.code().expect("no signal");
        assert!([65, 75].contains(&code), "{args:?}: {code}");
        failure(&args, &output, code);
    }
    ok(&["send", &bob, "x", "--from", "alice"]);
    let args = ["reply", bob.as_str(), "-n", "1", "--", "cat", "/dev/zero"];
    let output = run(&args);
    assert!([Some(65), Some(75)].contains(&output.status.code()), "{output:?}");
    assert_eq!(bus.queue("bob")["queued"], 1, "the question stays");
}

#[test]
fn a_reader_that_leaves_is_141_and_nothing_is_lost() {
    let bus = TestBus::new();
    let (bob, news) = (bus.mailbox("bob"), bus.at("news"));
    ok(&["topic", "declare", &news, "--retain", "50"]);
    ok_with_input(&["pub", &news, "--lines"], &b"line\n".repeat(50));
    ok_with_input(&["send", &bob, "--lines"], &b"line\n".repeat(50));
    for args in [&["sub", &news, "--retained", "-f"][..], &["ls", &bus.name, "--watch=10ms"], &["recv", &bob, "-f"]] {
        let mut reader = Running::start(args);
        let mut output = reader.0.stdout.take().expect("it is piped");
        output.read_exact(&mut [0; 4]).expect("something comes");
        drop(output);
        // More than once: a child that another test is about to start has a copy of the pipe's other end until its `exec`.
        wait_for("it to notice", || {
            ok(&["pub", &news, "one more"]);
            ok(&["send", &bob, "one more"]);
            reader.0.try_wait().expect("the child can be waited for").is_some()
        });
        assert_eq!(reader.code(), Some(141), "{args:?}");
    }
}

#[test]
fn colours_and_lines_of_a_terminal_are_for_terminals() {
    let bus = TestBus::new();
    bus.mailbox("bob");
    for args in [vec!["queue", "ls", &bus.name], vec!["lock", "ls", &bus.name], vec!["cheat"], vec!["--help"]] {
        assert!(!ok(&args).contains(&0x1b), "{args:?}");
    }
}
