//! Questions and answers: 'call' and 'reply', in every form.

mod common;

use std::io::Write;
use std::process::Stdio;

use common::{Running, TestBus, command, fails, failure, json, lines, ok, ok_with_input, run, wait_for};
use nix::sys::signal::Signal;

/// Waits until somebody owns the mailbox.
fn served(bus: &TestBus, name: &str) {
    wait_for("somebody who answers", || {
        let listed = json(&["ls", &bus.name, "-o", "json"]);
        listed.as_array().expect("a list").iter().any(|queue| queue["name"] == name && !queue["owner"].is_null())
    });
}

#[test]
fn a_command_answers_question_after_question() {
    let bus = TestBus::new();
    let shouter = bus.at("shouter");
    let mut server = Running::start(&["reply", &shouter, "--", "tr", "a-z", "A-Z"]);
    served(&bus, "shouter");
    assert_eq!(ok(&["call", &shouter, "hello"]), b"HELLO\n");
    assert_eq!(ok_with_input(&["call", &shouter, "--raw"], b"two\nlines\n"), b"TWO\nLINES");
    let answer = json(&["call", &shouter, "again", "-o", "json"]);
    assert_eq!((&answer["data"], &answer["more_follows"]), (&"AGAIN".into(), &false.into()));
    assert_eq!(answer["sender"], "shouter");
    server.signal(Signal::SIGINT);
    assert_eq!(server.code(), Some(130));
    // The callers' mailboxes were used again.
    let names = json(&["ls", &bus.name, "-o", "json"]);
    let callers = names.as_array().expect("a list").iter().filter(|one| one["name"].as_str() > Some("call.")).count();
    assert!(callers <= 2, "{names}");
}

#[test]
fn binary_answers_come_as_they_are() {
    let bus = TestBus::new();
    let echo = bus.at("echo");
    let _server = Running::start(&["reply", &echo, "--raw", "--", "cat"]);
    served(&bus, "echo");
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).chain(*b"\n").collect();
    assert_eq!(ok_with_input(&["call", &echo, "--raw"], &bytes), bytes);
}

#[test]
fn an_answer_in_lines_is_printed_part_by_part() {
    let bus = TestBus::new();
    let lister = bus.at("lister");
    // It does not end before we have seen its first part.
    let folder = tempfile::tempdir().expect("a folder");
    let go = folder.path().join("go");
    let script = format!("echo first; until [ -e {} ]; do sleep 0.05; done; echo second; printf rest", go.display());
    let _server = Running::start(&["reply", &lister, "--lines", "-n", "1", "--", "sh", "-c", &script]);
    served(&bus, "lister");
    let mut asker = Running::start(&["call", &lister, "", "-o", "jsonl"]);
    let mut output = std::io::BufReader::new(asker.0.stdout.take().expect("it is piped"));
    let mut first = String::new();
    std::io::BufRead::read_line(&mut output, &mut first).expect("a line comes");
    assert!(first.contains("\"more_follows\":true") && first.contains("\"data\":\"first\""), "{first}");
    std::fs::write(&go, b"").expect("the file is made");
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut output, &mut rest).expect("the rest comes");
    let rest = lines(&rest);
    assert_eq!((&rest[0]["data"], &rest[1]["data"]), (&"second".into(), &"rest".into()));
    assert_eq!(rest[1]["more_follows"], false);
    assert_eq!(asker.code(), Some(0));
}

#[test]
fn one_question_is_printed_and_answered() {
    let bus = TestBus::new();
    let bob = bus.at("bob");
    let server = Running::start(&["reply", &bob, "pong"]);
    served(&bus, "bob");
    assert_eq!(ok(&["call", &bob, "ping"]), b"pong\n");
    assert_eq!(server_output(server), b"ping\n");

    // Or by who has seen it, on standard input.
    let mut server = command(&["reply", &bob]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    served(&bus, "bob");
    let asker = Running::start(&["call", &bob, "your name?"]);
    let mut question = [0; 11];
    let output = server.stdout.as_mut().expect("it is piped");
    std::io::Read::read_exact(output, &mut question).expect("the question is printed");
    assert_eq!(&question, b"your name?\n");
    server.stdin.take().expect("it is piped").write_all(b"bob").expect("it reads");
    assert_eq!(server_output(asker), b"bob\n");
    assert!(server.wait().expect("it ends").success());
}

fn server_output(mut running: Running) -> Vec<u8> {
    assert_eq!(running.code(), Some(0));
    let mut said = Vec::new();
    std::io::Read::read_to_end(running.0.stdout.as_mut().expect("it is piped"), &mut said).expect("it is read");
    said
}

#[test]
fn a_question_whose_command_fails_comes_again() {
    let bus = TestBus::new();
    let flaky = bus.at("flaky");
    // The first delivery fails.
    let script = "[ $SWARMBUS_DELIVERIES -gt 1 ] && echo \"$SWARMBUS_QUEUE $SWARMBUS_DELIVERIES\"";
    let mut server = Running::start(&["reply", &flaky, "-n", "2", "--", "sh", "-c", script]);
    served(&bus, "flaky");
    assert_eq!(ok(&["call", &flaky, "x"]), b"flaky 2\n");
    assert_eq!(server.code(), Some(0));
    let mut said = String::new();
    std::io::Read::read_to_string(server.0.stderr.as_mut().expect("it is piped"), &mut said).expect("text");
    assert!(said.contains("exit code 1") && said.contains("goes back"), "{said}");
}

#[test]
fn a_question_that_nobody_answers_is_75() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    let said = fails(&["call", &bob, "hello", "-t", "50ms"], 75);
    assert!(said.contains("no answer") && said.contains("50ms"), "{said}");
    // The answer that comes late is not taken for that of the next question.
    let question = json(&["recv", &bob, "-o", "json"]);
    assert_eq!(question["sender"], "call.1");
}

#[test]
fn an_answer_in_parts_of_a_dead_server_is_told() {
    let bus = TestBus::new();
    let half = bus.at("half");
    let mut server = Running::start(&["reply", &half, "--lines", "--", "sh", "-c", "echo one; exec sleep 60"]);
    served(&bus, "half");
    let mut asker = Running::start(&["call", &half, ""]);
    let mut first = [0; 4];
    std::io::Read::read_exact(asker.0.stdout.as_mut().expect("it is piped"), &mut first).expect("a part comes");
    server.0.kill().expect("it can be killed");
    server.0.wait().expect("it ends");
    let _second = Running::start(&["reply", &half, "two"]);
    assert_eq!(asker.code(), Some(75));
}

#[test]
fn a_message_from_nobody_is_handled_and_not_answered() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    ok(&["send", &bob, "hello"]);
    let output = run(&["reply", &bob, "-n", "1", "--", "cat"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nobody"));
    assert_eq!(bus.queue("bob")["queued"], 0);
}

#[test]
fn a_command_that_is_not_there_is_127_and_the_question_stays() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    ok(&["send", &bob, "precious"]);
    let said = fails(&["reply", &bob, "--", "no-such-command-here"], 127);
    assert!(said.contains("no-such-command-here"), "{said}");
    fails(&["recv", &bob, "--", "/etc/passwd"], 126);
    assert_eq!(ok(&["recv", &bob, "-t", "60s"]), b"precious\n");
}

#[test]
fn answers_are_checked() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    ok(&["send", &bob, "x", "--from", "alice"]);
    let args = ["reply", bob.as_str(), "-n", "1", "-c", "json", "--", "echo", "{"];
    failure(&args, &run(&args), 65);
    fails(&["call", &bob, "{", "-c", "json"], 65);
    assert_eq!(bus.queue("bob")["queued"], 1);
}
