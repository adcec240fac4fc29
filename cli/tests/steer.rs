//! The verbs that steer a run: each does over the control socket what its name says, and says what it did.

mod common;

use common::run::Run;
use common::wait_for;
use serde_json::{Value, json};

/// A pool of agents that write a line and sleep, and one that fails until it is mended.
const TOPOLOGY: &str = r#"
[bus]
name = "<bus>"
heap = "32MiB"
[pool.w]
command = ["sh", "-c", "echo I am $SWARMBUS_AGENT; exec sleep 600"]
size = 2
[pool.bad]
command = ["sh", "-c", "[ -e mended ] && exec sleep 600; [ $SWARMBUS_INDEX = 2 ] && exit 125; exec sleep 600"]
size = 2
"#;

fn up() -> Run {
    let run = Run::up(&["--quiet"], TOPOLOGY);
    let is_settled = |agent: &Value| agent["state"] == if agent["name"] == "bad-2" { "failed" } else { "running" };
    wait_for("all is up", || {
        let agents = run.agents();
        agents.len() == 4 && agents.iter().all(is_settled)
    });
    run
}

fn agent(run: &Run, name: &str) -> Value {
    run.agents().into_iter().find(|agent| agent["name"] == name).unwrap_or_default()
}

#[test]
fn agents_are_steered_by_name() {
    let run = up();
    let first = agent(&run, "w-1")["pid"].clone();
    assert_eq!(run.ok(&["restart", "w-1"]), "restarted: w-1\n");
    assert_ne!(agent(&run, "w-1")["pid"], first);
    assert_eq!(run.ok(&["stop", "w"]), "stopped: w-1, w-2\n");
    assert_eq!(agent(&run, "w-2")["state"], "stopped");
    assert_eq!(run.ok(&["start", "w-2"]), "started: w-2\n");
    assert_eq!(agent(&run, "w-2")["state"], "running");
    let told = run.ok(&["drain", &run.bus, "w-2"]);
    assert!(told.starts_with("w-2 is drained, in "), "{told}");
    std::fs::write(run.dir.path().join("mended"), "").unwrap();
    assert_eq!(run.ok(&["reset-failed"]), "started: bad-2\n");
    assert_eq!(run.ok(&["scale", "w", "4"]), "now 4 agents in w; changed: w-3, w-4\n");
    assert_eq!(agent(&run, "w-4")["state"], "running");
    let scaled = run.json(&["scale", "w", "1", "-o", "json"]);
    assert_eq!(scaled["agents"], json!(["w-2", "w-3", "w-4"]));
    assert_eq!(run.agents().len(), 3);
}

#[test]
fn refusals_have_their_codes() {
    let run = up();
    for (args, code, told) in [
        (["restart", "w-7"].as_slice(), 64, "no agent or pool `w-7`"),
        (&["scale", "x", "3"], 64, "no pool `x`"),
        (&["logs", "x"], 64, "no agent or pool `x`"),
        (&["stop", "w-1", "--bus", "no-such-bus"], 68, "no-such-bus"),
        (&["events", "no-such-bus"], 68, "no-such-bus"),
    ] {
        let output = run.run(args);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), err.contains(told)), (Some(code), true), "{args:?}: {err}");
    }
}

#[test]
fn a_reload_shows_what_differs() {
    let run = up();
    assert_eq!(run.ok(&["reload"]), "nothing has changed\n");
    let file = run.dir.path().join("swarm.toml");
    let text = std::fs::read_to_string(&file).unwrap().replacen("size = 2", "size = 3", 1);
    std::fs::write(&file, &text).unwrap();
    assert_eq!(run.ok(&["reload", "--dry-run"]), "~ pool.w.size: 2 -> 3\nwould change: w-3\n");
    assert_eq!(run.ok(&["reload"]), "~ pool.w.size: 2 -> 3\nchanged: w-3\n");
    std::fs::write(&file, text.replace("size = 3", "sise = 3")).unwrap();
    let refused = run.run(&["reload"]);
    let err = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(64) && err.contains("did you mean `size`?"), "{err}");
}

#[test]
fn logs_are_shown_and_followed_also_without_a_supervisor() {
    let mut run = up();
    wait_for("both have written", || run.ok(&["logs", "w"]).lines().count() == 2);
    assert_eq!(run.ok(&["logs", "w-2", "-n", "1"]), "w-2 | I am w-2\n");
    let follower = run.follow(&["logs", "w-1", "-f", "-n", "0"]);
    wait_for("the next life is followed", || {
        run.ok(&["restart", "w-1"]);
        follower.heard().contains("w-1 | I am w-1")
    });
    run.kill();
    assert!(run.ok(&["logs", "w-2"]).contains("w-2 | I am w-2"));
}

#[test]
fn events_end_with_the_run() {
    let run = up();
    let mut follower = run.follow(&["events", &run.bus, "-f", "-o", "jsonl"]);
    wait_for("it is heard", || {
        run.ok(&["restart", "w-1"]);
        follower.heard().contains("\"event\":\"asked\"")
    });
    run.ok(&["down", &run.bus]);
    assert_eq!(follower.running.code(), Some(0));
    let heard = follower.heard();
    assert!(heard.lines().last().unwrap().contains("\"event\":\"down\""), "{heard}");
}
