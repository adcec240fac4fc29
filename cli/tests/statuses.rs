//! 'status' and 'beat'.

mod common;

use common::{TestBus, command, fails, json, lines, ok};

#[test]
fn a_status_is_said_piece_by_piece_and_stays() {
    let bus = TestBus::new();
    let bob = bus.at("bob");
    ok(&[
        "status",
        "set",
        "in_progress",
        "--agent",
        &bob,
        "--task",
        "parse",
        "--done",
        "3",
        "--total",
        "10",
        "--tag",
        "gpu",
    ]);
    ok(&["status", "set", "--agent", &bob, "--note", "half way", "--done", "4"]);
    let said = json(&["status", "get", &bob, "-o", "json"]);
    assert_eq!(
        (&said["state"], &said["task"], &said["note"]),
        (&"in_progress".into(), &"parse".into(), &"half way".into())
    );
    assert_eq!((&said["done"], &said["total"], &said["tags"][0]), (&4.into(), &10.into(), &"gpu".into()));
    ok(&["status", "set", "blocked", "--agent", &bob, "--blocker", "no key", "--blocker", "no time"]);
    assert_eq!(json(&["status", "get", &bob, "-o", "json"])["blockers"][1], "no time");
    let said = json(&["status", "set", "waiting-for-dependencies", "--agent", &bob, "-o", "json"]);
    assert_eq!((&said["state"], &said["blockers"]), (&"waiting_for_dependencies".into(), &serde_json::json!([])));

    let text = String::from_utf8(ok(&["status", "get", &bob])).expect("text");
    assert!(text.contains("half way") && text.contains("4/10"), "{text}");
    ok(&["status", "set", "idle", "--agent", &bus.at("alice")]);
    let listed = lines(&ok(&["status", "ls", &bus.name, "-o", "jsonl"]));
    let agents: Vec<&str> = listed.iter().filter_map(|one| one["agent"].as_str()).collect();
    assert_eq!(agents, ["alice", "bob"]);
    assert_eq!(lines(&ok(&["status", "ls", &bus.name, "b*", "-o", "jsonl"])).len(), 1);
}

#[test]
fn a_beat_is_seen_and_changes_nothing_else() {
    let bus = TestBus::new();
    let bob = bus.at("bob");
    ok(&["status", "set", "in_progress", "--agent", &bob, "--tag", "gpu"]);
    let args = ["beat"];
    let output = command(&args).env("SWARMBUS", &bus.name).env("SWARMBUS_AGENT", "bob").output();
    assert!(output.expect("swarmbus runs").status.success());
    let said = json(&["status", "get", &bob, "-o", "json"]);
    assert_eq!((&said["state"], &said["tags"][0]), (&"in_progress".into(), &"gpu".into()));
    assert!(said["beat_age_ns"].is_number());
}

#[test]
fn who_has_said_nothing_and_who_is_unknown_differ() {
    let bus = TestBus::new();
    let bob = bus.mailbox("bob");
    assert!(json(&["status", "get", &bob, "-o", "json"]).is_null());
    fails(&["status", "get", &bus.at("nobody")], 68);
    fails(&["status", "set", "asleep", "--agent", &bob], 64);
    fails(&["status", "set", "idle", "--agent", &bob, "--note", &"x".repeat(5000)], 64);
    fails(&["status", "set", "idle"], 64);
    fails(&["beat"], 64);
    let _owner = swarmbus_core::Bus::open(&bus.name).and_then(|bus| bus.attach("bob")).expect("it is free");
    let said = fails(&["status", "set", "idle", "--agent", &bob], 75);
    assert!(said.contains("only that process"), "{said}");
    fails(&["beat", &bob], 75);
}
