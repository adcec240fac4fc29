//! Traces: by option, by environment, and on into what a command sends.

mod common;

use common::{BIN, Running, TestBus, command, fails, json, lines, ok, wait_for};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// Runs it in the trace of this variable.
fn ok_in(trace: &str, args: &[&str]) {
    assert!(command(args).env("TRACEPARENT", trace).status().expect("swarmbus runs").success(), "{args:?}");
}

#[test]
fn a_trace_is_given_by_option_or_by_the_environment() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    ok_in(OTHER, &["send", &bob, "by option", "--traceparent", TRACE]);
    ok_in(OTHER, &["send", &bob, "by environment"]);
    // A variable that holds no trace is no reason not to send.
    ok_in("nonsense", &["send", &bob, "neither"]);
    ok(&["send", &bob, "nothing"]);
    let expected = [TRACE.into(), OTHER.into(), serde_json::Value::Null, serde_json::Value::Null];
    let peeked = json(&["peek", &bob, "-o", "json"]);
    let traces = peeked.as_array().expect("a list").iter().map(|message| message["traceparent"].clone());
    assert_eq!(traces.collect::<Vec<_>>(), expected);
    let got = lines(&ok(&["recv", &bob, "-n", "4", "-o", "jsonl"]));
    let traces = got.iter().map(|message| message["traceparent"].clone());
    assert_eq!(traces.collect::<Vec<_>>(), expected);
    let said = fails(&["send", &bob, "x", "--traceparent", "00-1234"], 64);
    assert!(said.contains("the trace id is not 32 of the digits 0-9 and a-f"), "{said}");
}

#[test]
fn what_a_command_sends_belongs_to_the_trace_of_its_message() {
    let bus = TestBus::new();
    let (jobs, done) = (bus.mailbox("jobs"), bus.mailbox("done"));
    ok(&["send", &jobs, "one", "--traceparent", TRACE]);
    ok(&["send", &jobs, "two"]);
    // Not to the one in which we run.
    ok_in(OTHER, &["recv", &jobs, "-n", "2", "--", BIN, "send", &done]);
    let got = lines(&ok(&["recv", &done, "-n", "2", "-o", "jsonl"]));
    assert_eq!((&got[0]["data"], &got[0]["traceparent"]), (&"one".into(), &TRACE.into()));
    assert_eq!((&got[1]["data"], got[1].get("traceparent")), (&"two".into(), None));
}

#[test]
fn an_answer_and_what_is_published_have_their_trace() {
    let bus = TestBus::new();
    let _server = Running::start(&["reply", &bus.mailbox("shouter"), "--", "tr", "a-z", "A-Z"]);
    let answer = json(&["call", &bus.at("shouter"), "hello", "--traceparent", TRACE, "-o", "json"]);
    assert_eq!((&answer["data"], &answer["traceparent"]), (&"HELLO".into(), &TRACE.into()));
    let news = bus.at("news");
    ok(&["topic", "declare", &news, "--retain", "2"]);
    ok(&["pub", &news, "traced", "--traceparent", TRACE]);
    ok(&["pub", &news, "plain"]);
    let got = lines(&ok(&["sub", &news, "--retained", "-n", "2", "-o", "jsonl"]));
    assert_eq!((&got[0]["traceparent"], got[1].get("traceparent")), (&TRACE.into(), None));
    let mut tail = Running::start(&["tail", &bus.mailbox("bob"), "-n", "1", "-o", "jsonl"]);
    wait_for("the copy", || {
        ok(&["send", &bus.at("bob"), "x", "--traceparent", TRACE]);
        tail.0.try_wait().expect("it is ours").is_some()
    });
    let mut seen = Vec::new();
    std::io::Read::read_to_end(&mut tail.0.stdout.take().expect("it is piped"), &mut seen).expect("it is read");
    assert_eq!(lines(&seen)[0]["traceparent"], TRACE);
}
