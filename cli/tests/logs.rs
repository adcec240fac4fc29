//! What agents wrote and what happened, as people ask for it: across rotations, on the bus, and after the end.

mod common;

use common::run::Run;
use common::{PATIENCE, wait_for};
use serde_json::Value;
use swarmbus_core::{Bus, StartAt};

/// A run that is up, whose supervisor tells what happens as JSON.
fn up(rest: &str) -> Run {
    let run = Run::up(&["-o", "json"], &format!("[bus]\nname = \"<bus>\"\nheap = \"32MiB\"\n{rest}"));
    wait_for("all is up", || run.file("err").contains("\"event\":\"up\""));
    run
}

#[test]
fn logs_are_rotated_under_the_agent_and_followed_across_it() {
    let rest = "[log]\nsize = \"64KiB\"\ncount = 9\n[pool.w]\nsize = 1\ncommand = [\"sh\", \"-c\", '''\ni=0; \
                while [ $i -lt 5000 ]; do i=$((i + 1)); echo \"line $i of a log that is filled with words up to seventy bytes\"; \
                [ $((i % 1000)) = 0 ] && sleep 1; done; exec sleep 600''']\n";
    let run = up(rest);
    let follower = run.follow(&["logs", "w", "-f", "-n", "9999"]);
    wait_for("the last line", || follower.heard().contains("line 5000 "));
    let heard = follower.heard();
    let numbers: Vec<usize> =
        heard.lines().map(|line| line.split(' ').nth(3).and_then(|number| number.parse().ok()).expect(line)).collect();
    assert!(numbers == (1..=5000).collect::<Vec<_>>(), "{} lines, not each once and in order", numbers.len());
    wait_for("a rotation", || run.folder().join("w-1.log.1").exists());
    let last = run.ok(&["logs", "w-1", "-n", "3"]);
    assert_eq!(last.lines().count(), 3);
    assert!(last.lines().last().unwrap().contains("line 5000 "), "{last}");
}

#[test]
fn events_are_on_the_bus_and_in_a_file() {
    let run = up("[pool.w]\nsize = 2\ncommand = [\"sleep\", \"600\"]\n");
    let bus = Bus::open(&run.bus).unwrap();
    let me = bus.attach("listener").unwrap();
    let mut events = me.subscribe("swarmbus.events", StartAt::Now).unwrap();
    let follower = run.follow(&["events", "-f"]);
    run.ok(&["restart", "w-1"]);
    // The host may be told of as well: that its memory is nearly full.
    let event = loop {
        let heard = events.recv(Some(PATIENCE)).unwrap();
        let event: Value = serde_json::from_slice(heard.data()).unwrap();
        if event["event"] == "asked" {
            break event;
        }
    };
    assert_eq!((&event["level"], &event["verb"]), (&"info".into(), &"restart".into()));
    assert!(event["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{event}");
    wait_for("it is followed", || follower.heard().contains("agents w-1, verb restart"));

    let all = run.ok(&["events", "-o", "jsonl"]);
    assert!(all.lines().next().unwrap().contains("\"event\":\"up\""), "{all}");
    let list = run.json(&["events", "--since", "1h", "-o", "json"]);
    assert!(
        list.as_array()
            .unwrap()
            .iter()
            .any(|event| event["event"] == "ended" && event["agent"] == "w-1" && event["pool"] == "w")
    );
    assert_eq!(run.ok(&["events", "--since", "2100-01-01T00:00:00Z"]), "");
    assert_eq!(run.run(&["events", "--since", "yesterday"]).status.code(), Some(64));
}

#[test]
fn what_happened_can_be_read_after_a_run_that_failed() {
    let mut run = up("[pool.w]\nsize = 1\ncommand = [\"sh\", \"-c\", \"echo no such table; sleep 1; exit 125\"]\n");
    assert_eq!(run.wait(), Some(1));
    let text = run.ok(&["events"]);
    let given_up = text.lines().find(|line| line.contains("given up")).expect(&text);
    assert!(given_up.contains("error") && given_up.contains("w-1") && given_up.contains("code 125"), "{given_up}");
    assert!(text.lines().last().unwrap().contains("down"), "{text}");
    // To follow what is over is to read it.
    assert_eq!(run.ok(&["events", "-f"]), text);
    // What the supervisor says is the same, a JSON object to a line.
    let told = run.file("err");
    let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["code"]), (&"down".into(), &1.into()));
    assert!(last["time"].is_string() && last["level"].is_string(), "{last}");
}
