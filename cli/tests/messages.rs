//! Sending, receiving and peeking: what goes in comes out, in order, as text, bytes or JSON.

mod common;

use std::io::Read;

use common::{TestBus, command, fails, json, lines, ok, ok_with_input, run};

#[test]
fn a_payload_comes_out_as_it_went_in() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    ok(&["send", &bob, "hello"]);
    assert_eq!(ok(&["recv", &bob, "-n", "1", "--timeout", "60s"]), b"hello\n");
    ok(&["send", &bob, "no newline"]);
    assert_eq!(ok(&["recv", &bob, "--raw"]), b"no newline");
    ok(&["send", &bob, ""]);
    assert_eq!(ok(&["recv", &bob]), b"\n");
    ok(&["send", &bob, "--", "--dashes"]);
    assert_eq!(ok(&["recv", &bob]), b"--dashes\n");
}

#[test]
fn standard_input_is_sent_as_one_message() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    ok_with_input(&["send", &bob], b"two\nlines\n");
    ok_with_input(&["send", &bob, "-"], b"dash");
    assert_eq!(ok(&["recv", &bob, "--raw"]), b"two\nlines\n");
    assert_eq!(ok(&["recv", &bob, "--raw"]), b"dash");
}

#[test]
fn bytes_survive_a_file_and_back() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("payload");
    let payload: Vec<u8> = (0..1_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(&path, &payload).expect("the file is written");
    ok(&["send", &bob, "--file", path.to_str().expect("a path in UTF-8")]);
    assert!(ok(&["recv", &bob, "--raw"]) == payload, "the payload changed");

    let empty = folder.path().join("empty");
    std::fs::write(&empty, b"").expect("the file is written");
    ok(&["send", &bob, "--file", empty.to_str().expect("a path in UTF-8")]);
    assert_eq!(ok(&["recv", &bob, "--raw"]), b"");
}

#[test]
fn json_has_every_field_of_a_message() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    let sent = json(&["send", &bob, "hello", "--lane", "high", "--from", "alice", "--correlation", "7", "-o", "json"]);
    assert_eq!(sent["to"], "bob");
    assert_eq!(sent["bytes"], 5);
    let got = json(&["recv", &bob, "-o", "json"]);
    assert_eq!(got["id"], sent["id"]);
    assert_eq!(got["sender"], "alice");
    assert_eq!(got["lane"], "high");
    assert_eq!(got["deliveries"], 1);
    assert_eq!(got["correlation"], 7);
    assert_eq!(got["content"], "bytes");
    assert_eq!(got["data"], "hello");
    assert!(got.get("data_base64").is_none());
}

#[test]
fn json_of_bytes_that_are_no_text_is_base64() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    ok_with_input(&["send", &bob], &[0xff, 0x00, 0x10]);
    let got = json(&["recv", &bob, "-o", "json"]);
    assert_eq!(got["data_base64"], "/wAQ");
    assert_eq!(got["content"], "bytes");
    assert!(got.get("data").is_none() && got.get("schema").is_none());
}

#[test]
fn what_is_said_to_be_json_is_json() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    let payload = "{\"b\":1.0,\"a\":[]}";
    ok(&["send", &bob, payload, "--content", "json"]);
    ok_with_input(&["send", &bob, "--content", "json", "--lines"], b"1\n[2]\n");
    let said = fails(&["send", &bob, "{\"b\":", "--content", "json"], 65);
    assert!(said.contains("no JSON") && said.contains("column"), "{said}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("payload");
    std::fs::write(&path, b"[1, 2").expect("the file is written");
    fails(&["send", &bob, "--content", "json", "--file", path.to_str().expect("a path in UTF-8")], 65);
    let got = json(&["recv", &bob, "-o", "json"]);
    assert_eq!((&got["content"], &got["data"]), (&"json".into(), &payload.into()));
    assert_eq!(ok(&["recv", &bob, "-n", "2"]), b"1\n[2]\n");
    assert_eq!(bus.queue("bob")["queued"], 0);
}

#[derive(rkyv::Archive, rkyv::Serialize)]
struct Task {
    path: String,
}
swarmbus_core::schema!(Task = "cli.task/1");

#[test]
fn archives_are_told_by_their_schema_and_passed_on_as_they_are() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    let member = swarmbus_core::Bus::open(&bus.name).expect("the bus is there").join().expect("there is room");
    let task = Task { path: "the path of a file".into() };
    for _ in 0..2 {
        member.send_typed("bob", &task, &Default::default()).expect("it is sent");
    }
    let schema = format!("{:016x}", <Task as swarmbus_core::Schema>::ID);
    let peeked = json(&["peek", &bob, "-o", "json"]);
    assert_eq!((&peeked[0]["content"], &peeked[0]["schema"]), (&"rkyv".into(), &schema.clone().into()));
    assert!(peeked[0].get("data").is_none() && peeked[0]["data_base64"].is_string());
    let table = String::from_utf8(ok(&["peek", &bob])).expect("a table is text");
    assert!(table.contains(&format!("rkyv {schema}, ")), "{table}");

    let raw = ok(&["recv", &bob, "--raw"]);
    ok_with_input(&["send", &bob, "--content", "rkyv"], &raw);
    ok(&["recv", &bob, "--raw"]);
    let again = member.try_receive("bob").expect("the queue is open").expect("it was sent again");
    assert_eq!(again.view::<Task>().expect("it is a task").path, "the path of a file");
    again.release().expect("it is mine");
    fails(&["send", &bob, "short", "--content", "rkyv"], 65);
}

/// What the command prints on a terminal.
fn on_terminal(args: &[&str]) -> String {
    let terminal = nix::pty::openpty(None, None).expect("a terminal");
    let mut child = command(args).stdout(terminal.slave).spawn().expect("swarmbus runs");
    let mut printed = Vec::new();
    // The other end of a terminal that nobody has open any more says so by an error.
    let _ = std::fs::File::from(terminal.master).read_to_end(&mut printed);
    assert!(child.wait().expect("it ends").success());
    String::from_utf8(printed).expect("text").replace("\r\n", "\n")
}

#[test]
fn a_terminal_gets_what_people_can_read() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    let member = swarmbus_core::Bus::open(&bus.name).expect("the bus is there").join().expect("there is room");
    ok(&["send", &bob, "{\"b\":[1,2]}", "--content", "json"]);
    ok(&["send", &bob, "{\"b\":[1,2]}"]);
    member.send_typed("bob", &Task { path: "x".into() }, &Default::default()).expect("it is sent");
    let schema = format!("{:016x}", <Task as swarmbus_core::Schema>::ID);
    let expected = format!("{{\n  \"b\": [\n    1,\n    2\n  ]\n}}\n{{\"b\":[1,2]}}\nrkyv {schema}, 16 bytes\n");
    assert_eq!(on_terminal(&["recv", &bob, "-n", "3"]), expected);
    ok(&["send", &bob, "[1,2]", "--content", "json"]);
    assert_eq!(on_terminal(&["recv", &bob, "--raw"]), "[1,2]");
}

#[test]
fn each_line_is_a_message_and_they_keep_their_order() {
    let bus = TestBus::new();
    let jobs = bus.mailbox("jobs");
    let numbers: String = (1..=500).map(|n| format!("{n}\n")).collect();
    let totals = ok_with_input(&["send", &jobs, "--lines", "-o", "json"], numbers.as_bytes());
    let totals: serde_json::Value = serde_json::from_slice(&totals).expect("a JSON document");
    assert_eq!(totals["sent"], 500);
    assert_eq!(ok(&["recv", &jobs, "-n", "500", "--timeout", "60s"]), numbers.as_bytes());
}

#[test]
fn lines_may_be_empty_long_or_without_an_end() {
    let bus = TestBus::new();
    let jobs = bus.mailbox("jobs");
    // Longer than what is read at once, so that it comes in pieces.
    let long = "x".repeat(300_000);
    let input = format!("first\n\n{long}\nlast");
    let sent = ok_with_input(&["send", &jobs, "--lines", "-o", "jsonl"], input.as_bytes());
    let bytes: Vec<u64> = lines(&sent).iter().map(|one| one["bytes"].as_u64().expect("a number")).collect();
    assert_eq!(bytes, [5, 0, 300_000, 4]);
    let got = lines(&ok(&["recv", &jobs, "-n", "4", "-o", "jsonl"]));
    let data: Vec<&str> = got.iter().map(|one| one["data"].as_str().expect("text")).collect();
    assert!(data == ["first", "", &long, "last"]);
}

#[test]
fn verbose_prints_the_id_that_the_receiver_sees() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    let mut ids = String::from_utf8(ok(&["send", &bob, "one", "-v"])).expect("text");
    ids.push_str(&String::from_utf8(ok_with_input(&["send", &bob, "--lines", "-v"], b"two\nthree\n")).expect("text"));
    let got = lines(&ok(&["recv", &bob, "-n", "3", "-o", "jsonl"]));
    let received: Vec<String> = got.iter().map(|one| one["id"].to_string()).collect();
    assert_eq!(ids.lines().collect::<Vec<_>>(), received);
}

#[test]
fn lanes_are_taken_in_the_order_of_their_urgency() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    for lane in ["low", "normal", "high", "urgent"] {
        ok(&["send", &bob, lane, "--lane", lane]);
    }
    assert_eq!(ok(&["recv", &bob, "-n", "4"]), b"urgent\nhigh\nnormal\nlow\n");
}

#[test]
fn peek_shows_and_takes_nothing() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    ok(&["send", &bob, "later", "--lane", "low"]);
    ok(&["send", &bob, "now\x1b", "--from", "alice"]);
    let first = json(&["peek", &bob, "-n", "0", "-o", "json"]);
    assert_eq!(first[0]["data"], "now\x1b");
    assert_eq!(first[0]["sender"], "alice");
    assert_eq!(first[1]["lane"], "low");
    assert_eq!(lines(&ok(&["peek", &bob, "-n", "1", "-o", "jsonl"])).len(), 1);
    let table = String::from_utf8(ok(&["peek", &bob])).expect("a table is text");
    assert!(table.contains("later") && !table.contains('\x1b'), "{table}");
    assert_eq!(json(&["peek", &bob, "-o", "json"]), first, "peek changed something");
    let got = lines(&ok(&["recv", &bob, "-n", "2", "-o", "jsonl"]));
    assert!(got.iter().all(|one| one["deliveries"] == 1), "peek counted as a delivery: {got:?}");
}

#[test]
fn a_mailbox_has_one_owner_but_a_queue_may_be_shared() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    let jobs = bus.mailbox("jobs");
    let handle = swarmbus_core::Bus::open(&bus.name).expect("the bus is there");
    let owner = handle.attach("bob").expect("bob is free");
    let said = fails(&["recv", &bob, "--timeout", "0"], 75);
    assert!(said.contains(&std::process::id().to_string()), "the owner is not named: {said}");
    fails(&["recv", &bob, "--shared", "--timeout", "0"], 75);
    drop(owner);
    ok(&["send", &bob, "free"]);
    assert_eq!(ok(&["recv", &bob]), b"free\n");

    let member = handle.join().expect("there is room");
    ok_with_input(&["send", &jobs, "--lines"], b"1\n2\n3\n");
    let mine = member.try_receive("jobs").expect("the queue is open").expect("there are three");
    assert_eq!(&*mine, b"1");
    assert_eq!(ok(&["recv", &jobs, "--shared", "-n", "2"]), b"2\n3\n");
    mine.release().expect("it is mine");
}

#[test]
fn an_agent_of_a_swarm_needs_no_address_and_no_name() {
    let bus = TestBus::new();
    bus.mailbox("boss");
    let as_agent = |args: &[&str]| {
        let mut command = command(args);
        let output = command.env("SWARMBUS", &bus.name).env("SWARMBUS_AGENT", "worker").output();
        output.expect("swarmbus runs")
    };
    assert!(as_agent(&["send", "boss", "ready"]).status.success());
    assert_eq!(json(&["recv", &bus.at("boss"), "-o", "json"])["sender"], "worker");
    ok(&["send", &bus.at("worker"), "a job"]);
    assert_eq!(as_agent(&["recv"]).stdout, b"a job\n");
}

#[test]
fn a_full_queue_and_an_empty_one_are_temporary_failures() {
    let bus = TestBus::with(&["--agents", "16", "--heap", "16MiB", "--limit", "2"]);
    let bob = bus.mailbox("bob");
    ok_with_input(&["send", &bob, "--lines"], b"1\n2\n");
    let said = fails(&["send", &bob, "3", "--timeout", "0"], 75);
    assert!(said.contains("full"), "{said}");
    let said = fails(&["send", &bob, "3", "--timeout", "20ms"], 75);
    assert!(said.contains("20ms") && said.contains("normal"), "{said}");
    ok(&["send", &bob, "urgent", "--lane", "urgent", "--timeout", "0"]);
    assert_eq!(ok(&["recv", &bob, "-n", "3"]), b"urgent\n1\n2\n");
    let said = fails(&["recv", &bob, "--timeout", "20ms"], 75);
    assert!(said.contains("20ms"), "{said}");
}

#[test]
fn what_came_before_a_time_out_is_printed() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    ok(&["send", &bob, "only one"]);
    let output = run(&["recv", &bob, "-n", "2", "--timeout", "20ms"]);
    assert_eq!(output.status.code(), Some(75));
    assert_eq!(output.stdout, b"only one\n");
    assert_eq!(bus.queue("bob")["queued"], 0);
}
