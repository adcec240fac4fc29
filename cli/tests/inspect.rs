//! `swarmbus inspect` shows what agents share, of a bus that lives and of a copy of its file.

mod common;

use std::time::Duration;

use common::{TestBus, json, ok};
use serde_json::Value;
use swarmbus_core::{
    AgentState, Bus, ContentType, LockMode, Policy, PublishOptions, SendOptions, StartAt, Status, TopicOptions,
};

const PATIENCE: Option<Duration> = Some(Duration::from_secs(60));

/// A topic with a subscriber who is behind, a lock with somebody who waits, a status, a role, a call.
fn with_all_of_it(look: impl FnOnce(&TestBus)) {
    let scratch = TestBus::new();
    let bus = Bus::open(&scratch.name).unwrap();
    let (boss, worker) = (bus.attach("boss").unwrap(), bus.attach("worker").unwrap());

    let options = TopicOptions { policy: Policy::DropNew, capacity: Some(4), retain: 2 };
    bus.declare_topic("news", &options).unwrap();
    let mut reader = worker.subscribe("news", StartAt::Now).unwrap();
    for number in 0..6u8 {
        boss.publish("news", &[number], &PublishOptions::default()).unwrap();
    }
    assert_eq!(reader.try_recv().unwrap().unwrap().data(), [0]);

    boss.set_status(&Status {
        state: AgentState::Blocked,
        done: 3,
        total: 7,
        task: "bind the book".into(),
        note: "glue is out\x1b[31m".into(),
        blockers: vec!["glue".into(), "a\nb\u{9b}c".into()],
        ..Status::default()
    })
    .unwrap();
    boss.set_tags(&["gpu"]).unwrap();
    boss.beat().unwrap();
    worker.take_role("binder").unwrap();

    std::thread::scope(|scope| {
        let oracle = bus.attach("oracle").unwrap();
        scope.spawn(move || {
            let question = oracle.recv(PATIENCE).unwrap();
            question.reply(b"42", ContentType::Bytes).unwrap();
            question.release().unwrap();
        });
        let asked =
            boss.call("oracle", b"6 * 7", &SendOptions { timeout: PATIENCE, ..SendOptions::default() }).unwrap();
        asked.release().unwrap();
    });

    let held = boss.lock("src/operators/*.rs", LockMode::Exclusive, None).unwrap();
    std::thread::scope(|scope| {
        let late = bus.join().unwrap();
        scope.spawn(move || late.lock("src/operators/add.rs", LockMode::Shared, PATIENCE).unwrap().release().unwrap());
        common::wait_for("somebody to wait for the lock", || {
            bus.observer().unwrap().locks().iter().any(|lock| lock.state == "waiting")
        });
        look(&scratch);
        held.release().unwrap();
    });
}

fn check(seen: &Value) {
    let topic = &seen["topics"][0];
    assert_eq!((&topic["name"], &topic["policy"]), (&"news".into(), &"drop-new".into()));
    assert_eq!((&topic["published"], &topic["dropped"]), (&4.into(), &2.into()), "{topic}");
    let subscriber = &topic["subscribers"][0];
    assert_eq!((&subscriber["agent"], &subscriber["behind"]), (&"worker".into(), &3.into()), "{subscriber}");

    let (held, waiting) = (&seen["locks"][0], &seen["locks"][1]);
    assert_eq!((&held["name"], &held["agent"]), (&"src/operators/*.rs".into(), &"boss".into()), "{held}");
    assert!(held["token"].as_u64().unwrap() > 0 && waiting["token"].is_null(), "{held} {waiting}");
    assert_eq!((&waiting["mode"], &waiting["waits_behind"]), (&"shared".into(), &1.into()), "{waiting}");

    let status = |agent: &str| seen["statuses"].as_array().unwrap().iter().find(|one| one["agent"] == agent).unwrap();
    let boss = status("boss");
    assert_eq!((&boss["state"], &boss["done"], &boss["total"]), (&"blocked".into(), &3.into(), &7.into()), "{boss}");
    assert_eq!((&boss["blockers"][0], &boss["tags"][0]), (&"glue".into(), &"gpu".into()), "{boss}");
    assert_eq!(status("worker")["roles"][0], "binder");
    assert_eq!(seen["latencies"]["all"]["coordination"]["count"], 1, "{}", seen["latencies"]);
}

#[test]
fn all_that_agents_share_is_shown_live_and_from_a_copy() {
    with_all_of_it(|bus| {
        check(&json(&["inspect", &bus.name, "-o", "json"]));
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy");
        let copied =
            std::process::Command::new("cp").arg("--sparse=always").arg(bus.file()).arg(&copy).status().unwrap();
        assert!(copied.success());
        check(&json(&["inspect", "--file", copy.to_str().unwrap(), "-o", "json"]));
    });
}

#[test]
fn people_see_it_in_tables() {
    with_all_of_it(|bus| {
        let text = |args: &[&str]| String::from_utf8(ok(args)).unwrap();
        let whole = text(&["inspect", &bus.name]);
        for section in ["Topics:", "Locks:", "Agents:", "Latencies:"] {
            assert!(whole.contains(section), "{whole}");
        }
        let row = |start: &str| whole.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{whole}"));
        assert!(row("news").contains("drop-new"), "{whole}");
        assert!(row("src/operators/*.rs").contains("held"), "{whole}");
        assert!(row("src/operators/add.rs").contains("waiting"), "{whole}");
        assert!(whole.contains("bind the book"), "{whole}");

        let topic = text(&["inspect", &bus.name, "news"]);
        assert!(topic.contains("Subscribers:") && topic.contains("worker"), "{topic}");
        let boss = text(&["inspect", &bus.at("boss")]);
        assert!(boss.contains("glue is out\\u{1b}[31m") && boss.contains("src/operators/*.rs"), "{boss}");
        for shown in [&whole, &boss] {
            assert!(shown.contains("glue, a\\nb\\u{9b}c") && !shown.contains(['\x1b', '\u{9b}']), "{shown:?}");
        }
        for role in [&["inspect", &bus.name, "@binder"][..], &["inspect", &bus.at("@binder")]] {
            let role = text(role);
            assert!(role.contains("@binder") && role.contains("waiting"), "{role}");
        }
        common::fails(&["inspect", &bus.name, "@nobody"], 68);
        common::fails(&["inspect", &bus.name, "@@binder"], 64);
    });
}
