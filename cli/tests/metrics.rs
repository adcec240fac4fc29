//! `metrics`: what is exported, over HTTP and as lines of JSON, and that it goes on whatever becomes of the bus and its supervisor.

mod common;

use common::run::Run;
use common::{TestBus, fails, json, lines, ok, wait_for};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

/// An exporter, ended with the test.
struct Exporter {
    child: Child,
    address: String,
}

impl Exporter {
    fn start(bus: &str, options: &[&str]) -> Exporter {
        let mut command = common::command(&["metrics", bus, "--listen", "127.0.0.1:0"]);
        let mut child = command.args(options).stdout(Stdio::piped()).spawn().expect("swarmbus starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the address is printed");
        Exporter { child, address: address_in(&line) }
    }

    /// The value of a sample, whose labels follow the bus in this order.
    fn value(&self, sample: &str) -> Option<f64> {
        value_in(&get(&self.address, "GET /metrics HTTP/1.1\r\n\r\n"), sample)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address_in(line: &str) -> String {
    let address = line.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix("/metrics"));
    address.unwrap_or_else(|| panic!("no address: {line:?}")).to_owned()
}

fn get(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the port is open");
    stream.write_all(request.as_bytes()).expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is text");
    answer
}

fn value_in(text: &str, sample: &str) -> Option<f64> {
    let (name, labels) =
        sample.split_once('{').map_or((sample, ""), |(name, labels)| (name, labels.trim_end_matches('}')));
    text.lines().find_map(|line| {
        let (own, rest) = line.split_once('{')?;
        let (own_labels, value) = rest.split_once("} ")?;
        let beside_bus = own_labels.split_once(',').map_or("", |(_, rest)| rest);
        (own == name && beside_bus == labels).then(|| value.parse().expect("a number"))
    })
}

#[test]
fn one_look_is_printed() {
    let bus = TestBus::new();
    bus.mailbox("jobs");
    ok(&["send", &bus.at("jobs"), "hello"]);
    let text = String::from_utf8(ok(&["metrics", &bus.name, "--once"])).expect("text");
    assert_eq!(value_in(&text, "swarmbus_queue_waiting_messages{queue=\"jobs\"}"), Some(1.0));
    assert!(
        text.contains("\n# TYPE swarmbus_queue_sent_messages_total counter\n") && !text.contains("# EOF"),
        "{text}"
    );
    let page = json(&["metrics", &bus.name, "--once", "-o", "json"]);
    assert_eq!(
        page["metrics"]["swarmbus_queue_sent_messages_total"],
        serde_json::json!([{"queue": "jobs", "value": 1}])
    );
    assert_eq!(page["bus"], bus.name.as_str());
    fails(&["metrics", "no-such-bus", "--once"], 68);
    fails(&["metrics", &bus.name, "--once", "--jsonl", "x"], 64);
    fails(&["metrics", &bus.name, "--jsonl", "/no/such/folder/x"], 74);
}

#[test]
fn the_port_answers_in_both_formats_and_says_what_else_it_has() {
    let bus = TestBus::new();
    let exporter = Exporter::start(&bus.name, &[]);
    let plain = get(&exporter.address, "GET /metrics HTTP/1.1\r\n\r\n");
    assert!(plain.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"), "{plain}");
    let open =
        get(&exporter.address, "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=1.0.0\r\n\r\n");
    assert!(open.contains("Content-Type: application/openmetrics-text") && open.ends_with("# EOF\n"), "{open}");
    assert!(get(&exporter.address, "GET / HTTP/1.1\r\n\r\n").contains("/metrics"));
    assert!(get(&exporter.address, "GET /x HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
    assert!(get(&exporter.address, "POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    assert!(get(&exporter.address, "HEAD /metrics HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
    let taken = fails(&["metrics", &bus.name, "--listen", &exporter.address], 69);
    assert!(taken.contains("--listen"), "{taken}");
}

#[test]
fn counters_outlive_those_who_counted() {
    let bus = TestBus::new();
    bus.mailbox("jobs");
    let exporter = Exporter::start(&bus.name, &["--agents"]);
    let mut taken_before = 0.0;
    for round in 1..=3 {
        // Each command is a member that comes, counts and goes.
        ok(&["send", &bus.at("jobs"), "work"]);
        ok(&["recv", &bus.at("jobs"), "--shared"]);
        let taken = exporter.value("swarmbus_queue_taken_messages_total{queue=\"jobs\"}").expect("a counter");
        assert_eq!(taken, f64::from(round));
        assert!(taken > taken_before);
        taken_before = taken;
    }
    bus.mailbox("boss");
    // One that stays is seen to the end, and what it did stays when it is gone.
    let follower = common::Running::start(&["recv", &bus.at("boss"), "--follow"]);
    let received = "swarmbus_received_messages_total{pool=\"(guests)\"}";
    for _ in 0..5 {
        ok(&["send", &bus.at("boss"), "news"]);
    }
    wait_for("five messages", || exporter.value(received) == Some(5.0));
    assert_eq!(exporter.value("swarmbus_agent_attached{agent=\"boss\",pool=\"(guests)\"}"), Some(1.0));
    drop(follower);
    ok(&["reap", &bus.name]);
    assert_eq!(exporter.value(received), Some(5.0));
    assert_eq!(exporter.value("swarmbus_agents{pool=\"(guests)\",state=\"gone\"}"), Some(1.0));
}

#[test]
fn an_exporter_waits_for_a_bus_that_is_made_anew_or_ends_with_it() {
    let bus = TestBus::new();
    let patient = Exporter::start(&bus.name, &[]);
    let mut bound = Exporter::start(&bus.name, &["--with-bus"]);
    assert_eq!(patient.value("swarmbus_bus_up"), Some(1.0));
    ok(&["destroy", &bus.name]);
    assert_eq!(patient.value("swarmbus_bus_up"), Some(0.0));
    wait_for("the other to end", || bound.child.try_wait().expect("a child").is_some_and(|status| status.success()));
    ok(&["create", &bus.name, "--heap", "64MiB"]);
    assert_eq!(patient.value("swarmbus_bus_up"), Some(1.0));
}

#[test]
fn lines_of_json_are_rotated() {
    let bus = TestBus::new();
    bus.mailbox("jobs");
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("metrics.jsonl");
    let path = file.to_str().expect("UTF-8");
    let writer = common::Running::start(&[
        "metrics", &bus.name, "--jsonl", path, "--every", "20ms", "--rotate", "20kB", "--keep", "2",
    ]);
    let older = |number: u32| dir.path().join(format!("metrics.jsonl.{number}"));
    wait_for("three files", || file.exists() && older(1).exists() && older(2).exists());
    drop(writer);
    // The last of them is there whenever the writer was killed: it is renamed over the one before.
    let text = std::fs::read(older(2)).expect("an older file");
    assert!(text.len() <= 20_000 && !older(3).exists());
    let times: Vec<f64> = lines(&text).iter().map(|line| line["time_unix_s"].as_f64().expect("a time")).collect();
    assert!(times.len() > 1 && times.is_sorted(), "{times:?}");
    assert!(lines(&text).iter().all(|line| line["metrics"]["swarmbus_queues"][0]["value"] == 1));
}

const SCRAPED: &str = r#"
[bus]
name = "<bus>"
heap = "32MiB"
queues = ["jobs"]
[metrics]
listen = "127.0.0.1:0"
[pool.worker]
command = ["<bin>", "recv", "--follow"]
size = 3
"#;

#[test]
fn the_supervisor_starts_an_exporter_that_outlives_it_until_the_next_one_comes() {
    let mut run = Run::up(&[], SCRAPED);
    let printed = run.folder().join("metrics.out");
    let read = || std::fs::read_to_string(&printed).unwrap_or_default();
    wait_for("the exporter", || read().contains('\n'));
    let address = address_in(&read());
    let page = || get(&address, "GET /metrics HTTP/1.1\r\n\r\n");
    wait_for("three agents", || value_in(&page(), "swarmbus_agents{pool=\"worker\",state=\"attached\"}") == Some(3.0));
    let text = page();
    assert_eq!(value_in(&text, "swarmbus_supervisor_up"), Some(1.0));
    assert_eq!(value_in(&text, "swarmbus_processes{pool=\"worker\"}"), Some(3.0));
    assert_eq!(value_in(&text, "swarmbus_spawn_seconds_count{pool=\"worker\"}"), Some(3.0));
    assert!(value_in(&text, "swarmbus_spawn_seconds_sum{pool=\"worker\"}").is_some_and(|s| s > 0.0 && s < 60.0));
    assert_eq!(value_in(&text, "swarmbus_queue_waiting_messages{queue=\"jobs\"}"), Some(0.0));
    assert!(!text.contains("queue=\"worker-1\""), "a mailbox counts as a work queue: {text}");
    run.kill();
    let text = page();
    assert_eq!(value_in(&text, "swarmbus_supervisor_up"), Some(0.0));
    assert_eq!(value_in(&text, "swarmbus_agents{pool=\"worker\",state=\"attached\"}"), Some(3.0));
    run.start(&[]);
    wait_for("an exporter of its own", || {
        let text = read();
        text.contains('\n') && address_in(&text) != address
    });
    assert!(TcpStream::connect(&address).is_err(), "two exporters of one run");
    let address = address_in(&read());
    let text = get(&address, "GET /metrics HTTP/1.1\r\n\r\n");
    assert_eq!(value_in(&text, "swarmbus_supervisor_up"), Some(1.0));
    run.ok(&["down"]);
    wait_for("the port to close", || TcpStream::connect(&address).is_err());
}

#[test]
fn what_is_exported_is_described() {
    let bus = TestBus::new();
    bus.mailbox("jobs");
    let page: Value = json(&["metrics", &bus.name, "--once", "--agents", "-o", "json"]);
    let reference = include_str!("../../docs/prometheus/README.md");
    for name in page["metrics"].as_object().expect("an object").keys() {
        assert!(reference.contains(&format!("`{name}`")), "docs/prometheus/README.md does not name {name}");
    }
}
