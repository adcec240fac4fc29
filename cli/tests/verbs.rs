//! The verbs around the messages: create, declare, ls, inspect, reap, destroy; their effects and their JSON.

mod common;

use std::os::unix::fs::MetadataExt;

use common::{TestBus, command, fails, json, lines, ok, unique};

#[test]
fn a_created_bus_is_listed_until_it_is_destroyed() {
    let bus = TestBus::with(&["--agents", "32", "--heap", "32MiB", "--limit", "7", "--mode", "0600"]);
    let listed = |buses: &serde_json::Value| {
        buses.as_array().expect("a list").iter().find(|one| one["name"] == bus.name.as_str()).cloned()
    };
    let one = listed(&json(&["ls", "-o", "json"])).expect("the bus is listed");
    assert_eq!(one["agents_max"], 32);
    assert_eq!(one["queues"], 0);
    assert!(one["committed_bytes"].as_u64().expect("a number") > 0);
    assert_eq!(bus.file().metadata().expect("the segment is there").mode() & 0o777, 0o600);

    ok(&["destroy", &bus.name]);
    assert!(!bus.file().exists());
    assert!(listed(&json(&["ls", "-o", "json"])).is_none());
}

#[test]
fn the_mode_is_the_one_asked_for() {
    let bus = TestBus::with(&["--agents", "16", "--heap", "16MiB", "--mode", "660"]);
    assert_eq!(bus.file().metadata().expect("the segment is there").mode() & 0o777, 0o660);
}

#[test]
fn creating_twice_is_an_error_unless_allowed() {
    let bus = TestBus::new();
    let said = fails(&["create", &bus.name], 73);
    assert!(said.contains(&bus.name), "{said}");
    ok(&["create", &bus.name, "--if-not-exists"]);
    assert_eq!(json(&["create", &bus.name, "--if-not-exists", "-o", "json"])["created"], false);
}

#[test]
fn destroying_nothing_is_an_error_unless_allowed() {
    let name = unique("cli-none");
    fails(&["destroy", &name], 68);
    assert_eq!(json(&["destroy", &name, "--if-exists", "-o", "json"])["destroyed"], false);
}

#[test]
fn a_queue_has_the_limit_it_was_declared_with() {
    let bus = TestBus::with(&["--agents", "16", "--heap", "16MiB", "--limit", "50"]);
    ok(&["declare", &bus.at("small"), "--limit", "3"]);
    ok(&["declare", &bus.at("usual")]);
    ok(&["declare", &bus.at("usual")]);
    assert_eq!(bus.queue("small")["limit"], 3);
    assert_eq!(bus.queue("usual")["limit"], 50);
}

#[test]
fn ls_of_a_bus_lists_its_queues_in_every_format() {
    let bus = TestBus::new();
    let jobs = bus.mailbox("jobs");
    bus.mailbox("idle");
    ok(&["send", &jobs, "one"]);
    ok(&["send", &jobs, "two", "--lane", "low"]);

    let queues = json(&["ls", &bus.name, "-o", "json"]);
    let find = |name: &str| queues.as_array().expect("a list").iter().find(|one| one["name"] == name).cloned();
    assert_eq!(find("jobs").expect("jobs is listed")["queued"], 2);
    assert_eq!(find("idle").expect("idle is listed")["queued"], 0);

    let per_line = lines(&ok(&["ls", "--bus", &bus.name, "-o", "jsonl"]));
    assert_eq!(per_line.len(), queues.as_array().expect("a list").len());

    let table = String::from_utf8(ok(&["ls", &bus.name])).expect("a table is text");
    assert!(table.starts_with("NAME"), "{table}");
    assert!(table.contains("jobs"), "{table}");
    assert!(!table.contains('\x1b'), "colours in a pipe: {table}");
}

#[test]
fn inspect_shows_bus_members_and_queues() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    ok(&["send", &bob, "hello", "--lane", "high"]);
    let handle = swarmbus_core::Bus::open(&bus.name).expect("the bus is there");
    let _alice = handle.attach("alice").expect("alice is free");

    let whole = json(&["inspect", &bus.name, "-o", "json"]);
    assert_eq!(whole["bus"]["name"], bus.name.as_str());
    assert_eq!(whole["bus"]["heap"]["chunks"]["queued"], 1);
    let members = whole["members"].as_array().expect("a list");
    let alice = members.iter().find(|member| member["agent"] == "alice").expect("alice is a member");
    assert_eq!(alice["pid"], std::process::id());
    assert_eq!(alice["state"], "live");

    let one = json(&["inspect", &bus.name, "bob", "-o", "json"]);
    assert_eq!(one["queue"]["queued"], 1);
    assert!(one["owner"].is_null());
    let lanes = one["queue"]["lanes"].as_array().expect("a list");
    assert!(lanes.iter().any(|lane| lane["lane"] == "high" && lane["depth"] == 1), "{lanes:?}");
    assert_eq!(json(&["inspect", &bus.at("alice"), "-o", "json"])["owner"]["pid"], std::process::id());

    let text = String::from_utf8(ok(&["inspect", &bus.name])).expect("text");
    assert!(text.contains("Queues:") && text.contains("bob") && text.contains("alice"), "{text}");
    let text = String::from_utf8(ok(&["inspect", &bob])).expect("text");
    assert!(text.contains("nobody") && text.contains("high"), "{text}");
}

#[test]
fn inspect_reads_the_copy_of_a_segment_after_the_bus_is_gone() {
    let bus = TestBus::with(&["--agents", "16", "--heap", "16MiB"]);
    let bob = bus.mailbox("bob");
    ok(&["send", &bob, "hello"]);
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("post-mortem");
    let copied = std::process::Command::new("cp").arg("--sparse=always").arg(bus.file()).arg(&copy).status();
    assert!(copied.expect("cp runs").success());
    ok(&["destroy", &bus.name]);

    let copy = copy.to_str().expect("a path in UTF-8");
    assert_eq!(json(&["inspect", "--file", copy, "-o", "json"])["bus"]["name"], bus.name.as_str());
    assert_eq!(json(&["inspect", "--file", copy, "bob", "-o", "json"])["queue"]["queued"], 1);
    let said = fails(&["inspect", "--file", copy, "nobody"], 68);
    assert!(said.contains("nobody"), "{said}");

    let said = fails(&["inspect", "--file", "/no/such/copy"], 66);
    assert!(said.contains("/no/such/copy"), "{said}");
    std::fs::write(folder.path().join("nonsense"), b"x".repeat(100_000)).expect("the file is written");
    fails(&["inspect", "--file", folder.path().join("nonsense").to_str().expect("a path in UTF-8")], 65);
}

#[test]
fn a_reap_with_nothing_to_do_says_so() {
    let bus = TestBus::new();
    let report = json(&["reap", &bus.name, "-o", "json"]);
    assert_eq!(report["members"], 0);
    assert_eq!(report["redelivered"], 0);
}

#[test]
fn the_environment_names_the_bus_and_the_option_overrides_it() {
    let bus = TestBus::new();
    bus.mailbox("bob");
    let with_env = |value: &str, args: &[&str]| {
        let output = command(args).env("SWARMBUS", value).output().expect("swarmbus runs");
        output.status.code()
    };
    assert_eq!(with_env(&bus.name, &["send", "bob", "hello"]), Some(0));
    assert_eq!(with_env("cli-no-such-bus", &["send", "bob", "hello"]), Some(68));
    assert_eq!(with_env("cli-no-such-bus", &["--bus", &bus.name, "send", "bob", "hello"]), Some(0));
    assert_eq!(with_env("cli-no-such-bus", &["send", &bus.at("bob"), "hello"]), Some(0));
    assert_eq!(bus.queue("bob")["queued"], 3);
    let said = fails(&["send", "bob", "hello"], 64);
    assert!(said.contains("--bus") && said.contains("SWARMBUS"), "{said}");
}
