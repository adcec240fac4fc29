//! Topics, and looking on: 'topic', 'pub', 'sub' and 'tail'.

mod common;

use std::io::{BufRead, BufReader};

use common::{Running, TestBus, fails, json, lines, ok, ok_with_input, wait_for};
use nix::sys::signal::Signal;

fn subscribers(bus: &TestBus, topic: &str) -> usize {
    let topic = json(&["inspect", &bus.at(topic), "-o", "json"])["topic"].clone();
    topic["subscribers"].as_array().expect("a list").len()
}

#[test]
fn what_is_published_reaches_every_subscriber() {
    let bus = TestBus::new();
    let news = bus.at("news");
    ok(&["topic", "declare", &news]);
    let readers: Vec<Running> = (0..3).map(|_| Running::start(&["sub", &news, "-n", "2"])).collect();
    wait_for("the subscribers", || subscribers(&bus, "news") == 3);
    ok(&["pub", &news, "hello", "--from", "alice"]);
    ok_with_input(&["pub", &news, "--lines"], b"again\n");
    for mut reader in readers {
        assert_eq!(reader.code(), Some(0));
        let output = BufReader::new(reader.0.stdout.take().expect("it is piped"));
        let said: Vec<String> = output.lines().map(|line| line.expect("text")).collect();
        assert_eq!(said, ["hello", "again"]);
    }
}

#[test]
fn who_comes_late_gets_what_is_retained() {
    let bus = TestBus::new();
    let news = bus.at("news");
    ok(&["topic", "declare", &news, "--retain", "3", "--capacity", "8"]);
    let totals = ok_with_input(&["pub", &news, "--lines", "-o", "json"], b"1\n2\n3\n4\n5\n");
    let totals: serde_json::Value = serde_json::from_slice(&totals).expect("JSON");
    assert_eq!((&totals["sent"], &totals["dropped"]), (&5.into(), &0.into()));
    assert_eq!(ok(&["sub", &news, "--retained", "-n", "3"]), b"3\n4\n5\n");
    let last = lines(&ok(&["sub", &news, "--last", "1", "-o", "jsonl"]));
    assert_eq!((&last[0]["data"], &last[0]["position"]), (&"5".into(), &4.into()));
    assert_eq!(json(&["pub", &news, "6", "-o", "json"])["position"], 5);
    fails(&["sub", &news, "-t", "20ms"], 75);
    let topics = json(&["topic", "ls", &bus.name, "-o", "json"]);
    assert_eq!((&topics[0]["name"], &topics[0]["published"]), (&"news".into(), &6.into()));
    ok(&["topic", "trim", &news]);
}

#[test]
fn policies_hold() {
    let bus = TestBus::new();
    let (slow, lossy, strict) = (bus.at("slow"), bus.at("lossy"), bus.at("strict"));
    ok(&["topic", "declare", &slow, "--policy", "drop-new", "--capacity", "1"]);
    ok(&["topic", "declare", &lossy, "--policy", "lossy", "--capacity", "1"]);
    ok(&["topic", "declare", &strict, "--capacity", "1"]);
    let handle = swarmbus_core::Bus::open(&bus.name).expect("the bus is there");
    let member = handle.join().expect("there is room");
    let topics = ["slow", "lossy", "strict"];
    let _reading = topics.map(|topic| member.subscribe(topic, Default::default()).expect("it is declared"));
    ok(&["pub", &slow, "1"]);
    assert!(json(&["pub", &slow, "2", "-o", "json"])["position"].is_null());
    assert_eq!(ok(&["pub", &slow, "3", "-v"]), b"dropped\n");
    ok(&["pub", &lossy, "1"]);
    assert_eq!(json(&["pub", &lossy, "2", "-o", "json"])["position"], 1);
    ok(&["pub", &strict, "1"]);
    let said = fails(&["pub", &strict, "2", "-t", "50ms"], 75);
    assert!(said.contains("subscriber"), "{said}");
    fails(&["pub", &strict, "2", "-t", "0"], 75);
}

#[test]
fn unknown_topics_and_wrong_kinds_say_what_to_do() {
    let bus = TestBus::new();
    let news = bus.at("news");
    for args in [&["pub", &news, "x"][..], &["sub", &news]] {
        let said = fails(args, 68);
        assert!(said.contains("swarmbus topic declare"), "{said}");
    }
    bus.mailbox("bob");
    fails(&["sub", &bus.at("bob")], 64);
    fails(&["pub", &bus.at("bob"), "x"], 64);
    ok(&["topic", "declare", &news]);
    fails(&["send", &news, "x"], 64);
    fails(&["recv", &news], 64);
    fails(&["topic", "declare", &bus.at("bob")], 64);
    fails(&["topic", "declare", &bus.at("t"), "--policy", "maybe"], 64);
    fails(&["topic", "declare", &bus.at("t"), "--capacity", "0"], 64);
}

#[test]
fn a_subscriber_leaves_on_a_signal_and_is_forgotten() {
    let bus = TestBus::new();
    let news = bus.at("news");
    ok(&["topic", "declare", &news]);
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mut reader = Running::start(&["sub", &news, "-f"]);
        wait_for("the subscriber", || subscribers(&bus, "news") == 1);
        reader.signal(signal);
        assert_eq!(reader.code(), Some(code));
        assert_eq!(subscribers(&bus, "news"), 0);
    }
}

#[test]
fn tail_sees_what_passes_and_takes_nothing() {
    let bus = TestBus::new();
    let jobs = bus.mailbox("jobs");
    let mut tail = Running::start(&["tail", &jobs, "-o", "jsonl"]);
    let mut seen = BufReader::new(tail.0.stdout.take().expect("it is piped"));
    // The tap is there once a copy comes.
    wait_for("the tap", || {
        ok(&["send", &jobs, "knock"]);
        json(&["ls", &bus.name, "-o", "json"])
            .as_array()
            .expect("a list")
            .iter()
            .any(|queue| queue["name"] == "tail.1" && queue["sent"] != 0)
    });
    ok(&["send", &jobs, "hello", "--from", "alice", "-p", "high"]);
    let mut line = String::new();
    while !line.contains("hello") {
        line.clear();
        seen.read_line(&mut line).expect("a copy comes");
    }
    let copy: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&copy["sender"], &copy["queue"], &copy["lane"]), (&"alice".into(), &"jobs".into(), &"high".into()));
    let said = fails(&["queue", "tap", &jobs], 75);
    assert!(said.contains("taken by process"), "{said}");
    tail.signal(Signal::SIGINT);
    assert_eq!(tail.code(), Some(130));
    assert_eq!(bus.queue("tail.1")["queued"], 0);
    assert_eq!(ok(&["recv", &jobs]), b"hello\n");
}

#[test]
fn tail_follows_a_topic_as_well() {
    let bus = TestBus::new();
    let news = bus.at("news");
    ok(&["topic", "declare", &news]);
    let mut tail = Running::start(&["tail", &news, "-n", "1"]);
    wait_for("the subscriber", || subscribers(&bus, "news") == 1);
    ok(&["pub", &news, "hello\x1b[31m", "--from", "alice"]);
    assert_eq!(tail.code(), Some(0));
    let mut line = String::new();
    BufReader::new(tail.0.stdout.take().expect("it is piped")).read_line(&mut line).expect("text");
    assert_eq!(line, "alice > news  hello\\u{1b}[31m\n");
}
