//! Work queues: messages handed to commands, dead letters, and what else 'queue' does.

mod common;

use common::{Running, TestBus, command, fails, json, lines, ok, ok_with_input, run, wait_for};
use nix::sys::signal::Signal;

#[test]
fn a_command_gets_the_message_and_its_success_releases_it() {
    let bus = TestBus::new();
    let jobs = bus.mailbox("jobs");
    ok(&["send", &jobs, "build it", "--from", "alice", "--correlation", "7"]);
    let script = "echo \"$(cat) of $SWARMBUS_SENDER in $SWARMBUS_QUEUE $SWARMBUS_DELIVERIES $SWARMBUS_CORRELATION\"";
    let said = ok(&["recv", &jobs, "--shared", "--", "sh", "-c", script]);
    assert_eq!(String::from_utf8_lossy(&said), "build it of alice in jobs 1 7\n");
    assert_eq!(bus.queue("jobs")["queued"], 0);
}

#[test]
fn a_payload_of_any_size_reaches_a_command_that_reads_it_or_not() {
    let bus = TestBus::new();
    let jobs = bus.mailbox("jobs");
    let large = vec![b'x'; 5_000_000];
    ok_with_input(&["send", &jobs], &large);
    ok_with_input(&["send", &jobs], &large);
    assert_eq!(ok(&["recv", &jobs, "--", "wc", "-c"]).trim_ascii(), b"5000000");
    ok(&["recv", &jobs, "--", "true"]);
}

#[test]
fn what_fails_too_often_becomes_a_dead_letter_and_can_be_sent_again() {
    let bus = TestBus::new();
    let jobs = bus.at("jobs");
    ok(&["queue", "declare", &jobs, "--max-deliveries", "1", "--dead-letters", "failed"]);
    ok_with_input(&["send", &jobs, "--lines"], b"1\n2\n3\n");
    let output = run(&["recv", &jobs, "--shared", "-n", "3", "--", "false"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr).matches("exit code 1").count(), 3);
    // It is found to have been delivered too often by who would take it next, after the pause.
    wait_for("dead letters", || {
        fails(&["recv", &jobs, "--shared", "-t", "0"], 75);
        bus.queue("failed")["queued"] == 3
    });
    let letters = lines(&ok(&["dead-letter", "show", &bus.at("failed"), "-o", "jsonl"]));
    assert!(letters.iter().all(|letter| letter["origin"] == "jobs" && letter["deliveries"] == 1), "{letters:?}");
    let listed = json(&["dead-letter", "ls", &bus.name, "-o", "json"]);
    assert_eq!((&listed[0]["name"], &listed[0]["queued"]), (&"failed".into(), &3.into()));
    assert_eq!(listed[0]["from"][0], "jobs");

    let redriven = json(&["dead-letter", "redrive", &bus.at("failed"), "-n", "1", "-o", "json"]);
    assert_eq!((&redriven["redriven"], &redriven["left"]), (&1.into(), &2.into()));
    let again = json(&["recv", &jobs, "--shared", "-o", "json"]);
    assert_eq!((&again["data"], &again["deliveries"]), (&"1".into(), &1.into()));
    assert_eq!(json(&["dead-letter", "drop", &bus.at("failed"), "-n", "1", "-o", "json"])["dropped"], 1);
    assert_eq!(json(&["dead-letter", "drop", &bus.at("failed"), "-o", "json"])["dropped"], 1);
    fails(&["dead-letter", "redrive", &bus.at("nobody")], 68);
    fails(&["dead-letter", "drop", &bus.at("nobody")], 68);
    fails(&["dead-letter", "show", &bus.at("nobody")], 68);
}

#[test]
fn a_message_whose_time_is_over_is_a_dead_letter() {
    let bus = TestBus::new();
    let jobs = bus.at("jobs");
    ok(&["declare", &jobs, "--dead-letters", "late"]);
    ok(&["send", &jobs, "soon", "--ttl", "1ms"]);
    wait_for("its time to be over", || {
        fails(&["recv", &jobs, "--shared", "-t", "0"], 75);
        bus.queue("late")["queued"] == 1
    });
}

#[test]
fn of_messages_with_one_key_the_first_is_accepted() {
    let bus = TestBus::new();
    let jobs = bus.mailbox("jobs");
    assert_eq!(json(&["send", &jobs, "a", "-k", "deploy-42", "-o", "json"])["duplicate"], false);
    assert_eq!(json(&["send", &jobs, "b", "-k", "deploy-42", "-o", "json"])["duplicate"], true);
    assert_eq!(ok(&["send", &jobs, "b", "--key", "deploy-42", "-v"]), b"duplicate\n");
    assert_eq!(bus.queue("jobs")["queued"], 1);
    fails(&["send", &jobs, "--lines", "--key", "x"], 64);
}

#[test]
fn a_queue_that_makes_room_keeps_the_newest() {
    let bus = TestBus::new();
    let jobs = bus.at("jobs");
    ok(&["declare", &jobs, "--limit", "2", "--makes-room"]);
    ok_with_input(&["send", &jobs, "--lines"], b"1\n2\n3\n4\n");
    assert_eq!(ok(&["recv", &jobs, "-n", "2"]), b"3\n4\n");
}

#[test]
fn a_queue_is_closed_opened_moved_and_emptied() {
    let bus = TestBus::new();
    let (jobs, later) = (bus.at("jobs"), bus.at("later"));
    ok(&["queue", "declare", &jobs]);
    ok(&["queue", "declare", &later]);
    ok_with_input(&["send", &jobs, "--lines"], b"1\n2\n3\n");
    assert_eq!(json(&["queue", "close", &jobs, "-o", "json"])["closed"], true);
    fails(&["send", &jobs, "4"], 69);
    ok(&["queue", "reopen", &jobs]);
    ok(&["send", &jobs, "4"]);

    assert_eq!(json(&["queue", "move", &jobs, "later", "-n", "1", "-o", "json"])["moved"], 1);
    assert_eq!(json(&["queue", "move", &jobs, "later", "-o", "json"])["moved"], 3);
    assert_eq!(ok(&["recv", &later, "--shared", "-n", "2"]), b"1\n2\n");
    fails(&["queue", "move", &later, "nobody"], 68);
    fails(&["queue", "move", &bus.at("nobody"), "later"], 68);
    fails(&["queue", "move", &later, "later"], 64);
    assert_eq!(bus.queue("later")["queued"], 2);
    assert_eq!(json(&["queue", "purge", &later, "-o", "json"])["purged"], 2);
    assert_eq!(bus.queue("later")["queued"], 0);

    let listed = json(&["queue", "ls", &bus.name, "-o", "json"]);
    let names: Vec<&str> = listed.as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["jobs", "later"]);
    let owner = swarmbus_core::Bus::open(&bus.name).and_then(|bus| bus.attach("owned")).expect("it is free");
    let said = fails(&["queue", "purge", &bus.at("owned")], 75);
    assert!(said.contains(&std::process::id().to_string()), "{said}");
    drop(owner);
}

#[test]
fn roles_are_taken_from_beside_the_mailbox() {
    let bus = TestBus::new();
    ok(&["declare", &bus.at("@tester")]);
    ok(&["send", &bus.at("@tester"), "test it"]);
    let bob = bus.mailbox("bob");
    ok(&["send", &bob, "for you"]);
    let got = lines(&ok(&["recv", &bob, "--role", "tester", "-n", "2", "-o", "jsonl"]));
    let mut queues: Vec<&str> = got.iter().filter_map(|one| one["queue"].as_str()).collect();
    queues.sort_unstable();
    assert_eq!(queues, ["@tester", "bob"]);
}

#[test]
fn a_stand_by_receives_when_the_owner_is_gone() {
    let bus = TestBus::new();
    let leader = bus.at("leader");
    let mut owner = Running::start(&["recv", &leader, "-f"]);
    wait_for("the owner", || json(&["ls", &bus.name, "-o", "json"])[0]["owner"].is_number());
    let mut next = Running::start(&["recv", &leader, "--stand-by"]);
    owner.0.kill().expect("it can be killed");
    owner.0.wait().expect("it ends");
    ok(&["send", &leader, "hello"]);
    assert_eq!(next.code(), Some(0));
    // And one that waits for its turn can be interrupted.
    let _owner = Running::start(&["recv", &leader, "-f"]);
    wait_for("the owner", || bus.queue("leader")["owner"].is_number());
    let before = bus.members();
    let mut waiting = Running::start(&["recv", &leader, "--stand-by"]);
    wait_for("somebody to stand by", || bus.members() > before && waiting.sleeps());
    waiting.signal(Signal::SIGTERM);
    assert_eq!(waiting.code(), Some(143));
}

#[test]
fn a_signal_reaches_the_command_and_its_message_comes_back() {
    let bus = TestBus::new();
    let jobs = bus.mailbox("jobs");
    ok(&["send", &jobs, "long"]);
    let folder = tempfile::tempdir().expect("a folder");
    let (begun, told) = (folder.path().join("begun"), folder.path().join("told"));
    let script = format!("trap 'touch {}; exit 3' TERM; touch {}; sleep 60 & wait", told.display(), begun.display());
    let mut taker = Running::start(&["recv", &jobs, "--shared", "-f", "--", "sh", "-c", &script]);
    wait_for("the command", || begun.exists());
    taker.signal(Signal::SIGTERM);
    assert_eq!(taker.code(), Some(143));
    assert!(told.exists());
    let again = json(&["recv", &jobs, "--shared", "-o", "json", "-t", "60s"]);
    assert_eq!(again["deliveries"], 2);
}

#[test]
fn a_command_does_not_outlive_its_taker() {
    let bus = TestBus::new();
    let jobs = bus.mailbox("jobs");
    ok(&["send", &jobs, "x"]);
    let folder = tempfile::tempdir().expect("a folder");
    let pid_file = folder.path().join("pid");
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 60", pid_file.display());
    let mut taker = Running::start(&["recv", &jobs, "--shared", "--", "sh", "-c", &script]);
    wait_for("the command", || pid_file.exists());
    let pid = std::fs::read_to_string(&pid_file).expect("a number").trim().to_owned();
    taker.0.kill().expect("it can be killed");
    taker.0.wait().expect("it ends");
    wait_for("the command to end", || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    });
    assert_eq!(json(&["recv", &jobs, "--shared", "-o", "json", "-t", "60s"])["deliveries"], 2);
}

#[test]
fn lists_repeat_with_watch_until_interrupted() {
    let bus = TestBus::new();
    bus.mailbox("jobs");
    for args in [
        &["ls", &bus.name, "--watch=20ms"][..],
        &["queue", "ls", &bus.name, "-w=20ms"],
        &["dead-letter", "ls", &bus.name, "--watch=20ms"],
        &["lock", "ls", &bus.name, "--watch=20ms"],
        &["status", "ls", &bus.name, "--watch=20ms"],
        &["topic", "ls", &bus.name, "--watch=20ms"],
        &["ps", &bus.name, "--watch=20ms"],
    ] {
        let mut watching = Running::start(args);
        let output = watching.0.stdout.take().expect("it is piped");
        let lines = std::io::BufRead::lines(std::io::BufReader::new(output));
        // Plain, since it is no terminal: a list, an empty line, the next list.
        let blank = lines.map_while(Result::ok).filter(|line| line.is_empty()).take(2).count();
        assert_eq!(blank, 2, "{args:?}");
        watching.signal(Signal::SIGINT);
        // 141 if it noticed first that nobody reads any more.
        assert!(matches!(watching.code(), Some(130 | 141)), "{args:?}");
    }
    let gone = command(&["ls", "no-such-bus-here", "--watch"]).output().expect("swarmbus runs");
    assert_eq!(gone.status.code(), Some(68));
}
