//! The verbs that steer a run: each does over the control socket what its name says, and says what it did.

mod common;

use common::{BIN, PATIENCE, unique};
use serde_json::Value;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

struct Run {
    bus: String,
    dir: TempDir,
    up: Child,
}

impl Run {
    /// A pool of agents that write a line and sleep, and one that fails until it is mended.
    fn up() -> Run {
        let (bus, dir) = (unique("cli-steer"), tempfile::tempdir().unwrap());
        let text = format!(
            "[bus]\nname = \"{bus}\"\nheap = \"32MiB\"\n[pool.w]\ncommand = [\"sh\", \"-c\", \"echo I am $SWARMBUS_AGENT; exec sleep 600\"]\n\
             size = 2\n[pool.bad]\ncommand = [\"sh\", \"-c\", \"[ -e mended ] && exec sleep 600; [ $SWARMBUS_INDEX = 2 ] && exit 125; exec sleep 600\"]\nsize = 2\n"
        );
        std::fs::write(dir.path().join("swarm.toml"), text).unwrap();
        let mut command = Command::new(BIN);
        command
            .args(["up", "--quiet"])
            .current_dir(dir.path())
            .env("XDG_RUNTIME_DIR", dir.path())
            .env_remove("SWARMBUS");
        let up = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let run = Run { bus, dir, up };
        run.until("all is up", || {
            let agents = run.agents();
            agents.len() == 4
                && agents
                    .iter()
                    .all(|agent| agent["state"] == if agent["name"] == "bad-2" { "failed" } else { "running" })
        });
        run
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(BIN);
        command.args(args).current_dir(self.dir.path()).env("XDG_RUNTIME_DIR", self.dir.path());
        command.env("SWARMBUS", &self.bus).output().unwrap()
    }

    fn told(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn agents(&self) -> Vec<Value> {
        let ps: Value = serde_json::from_slice(&self.run(&["ps", &self.bus, "-o", "json"]).stdout).unwrap_or_default();
        ps["agents"].as_array().cloned().unwrap_or_default()
    }

    fn agent(&self, name: &str) -> Value {
        self.agents().into_iter().find(|agent| agent["name"] == name).unwrap_or_default()
    }

    fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.run(&["down", &self.bus]);
        let _ = self.up.kill();
        let _ = self.up.wait();
        let _ = std::fs::remove_file(format!("/dev/shm/swarmbus.{}", self.bus));
    }
}

#[test]
fn agents_are_steered_by_name() {
    let run = Run::up();
    let first = run.agent("w-1")["pid"].clone();
    assert_eq!(run.told(&["restart", "w-1"]), "restarted: w-1\n");
    assert_ne!(run.agent("w-1")["pid"], first);
    assert_eq!(run.told(&["stop", "w"]), "stopped: w-1, w-2\n");
    assert_eq!(run.agent("w-2")["state"], "stopped");
    assert_eq!(run.told(&["start", "w-2"]), "started: w-2\n");
    assert_eq!(run.agent("w-2")["state"], "running");
    let told = run.told(&["drain", &run.bus, "w-2"]);
    assert!(told.starts_with("w-2 is drained, in "), "{told}");
    std::fs::write(run.dir.path().join("mended"), "").unwrap();
    assert_eq!(run.told(&["reset-failed"]), "started: bad-2\n");
    assert_eq!(run.told(&["scale", "w", "4"]), "now 4 agents in w; changed: w-3, w-4\n");
    assert_eq!(run.agent("w-4")["state"], "running");
    let scaled: Value = serde_json::from_str(&run.told(&["scale", "w", "1", "-o", "json"])).unwrap();
    assert_eq!(scaled["agents"], serde_json::json!(["w-2", "w-3", "w-4"]));
    assert_eq!(run.agents().len(), 3);
}

#[test]
fn refusals_have_their_codes() {
    let run = Run::up();
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
    let run = Run::up();
    assert_eq!(run.told(&["reload"]), "nothing has changed\n");
    let file = run.dir.path().join("swarm.toml");
    let text = std::fs::read_to_string(&file).unwrap().replacen("size = 2", "size = 3", 1);
    std::fs::write(&file, &text).unwrap();
    assert_eq!(run.told(&["reload", "--dry-run"]), "~ pool.w.size: 2 -> 3\nwould change: w-3\n");
    assert_eq!(run.told(&["reload"]), "~ pool.w.size: 2 -> 3\nchanged: w-3\n");
    std::fs::write(&file, text.replace("size = 3", "sise = 3")).unwrap();
    let refused = run.run(&["reload"]);
    let err = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(64) && err.contains("did you mean `size`?"), "{err}");
}

#[test]
fn logs_are_shown_and_followed_also_without_a_supervisor() {
    let mut run = Run::up();
    run.until("both have written", || run.told(&["logs", "w"]).lines().count() == 2);
    assert_eq!(run.told(&["logs", "w-2", "-n", "1"]), "w-2 | I am w-2\n");
    let mut command = Command::new(BIN);
    command.args(["logs", "w-1", "-f", "-n", "0"]).env("XDG_RUNTIME_DIR", run.dir.path()).env("SWARMBUS", &run.bus);
    let followed = run.dir.path().join("followed");
    let mut follower = command.stdout(std::fs::File::create(&followed).unwrap()).spawn().unwrap();
    run.until("the next life is followed", || {
        run.told(&["restart", "w-1"]);
        std::fs::read_to_string(&followed).unwrap().contains("w-1 | I am w-1")
    });
    run.up.kill().unwrap();
    run.up.wait().unwrap();
    assert!(run.told(&["logs", "w-2"]).contains("w-2 | I am w-2"));
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn events_end_with_the_run() {
    let run = Run::up();
    let mut command = Command::new(BIN);
    command.args(["events", &run.bus, "-f", "-o", "jsonl"]).env("XDG_RUNTIME_DIR", run.dir.path());
    let heard = run.dir.path().join("heard");
    let mut follower = command.stdout(std::fs::File::create(&heard).unwrap()).spawn().unwrap();
    let text = || std::fs::read_to_string(&heard).unwrap();
    run.until("it is heard", || {
        run.told(&["restart", "w-1"]);
        text().contains("\"event\":\"asked\"")
    });
    run.told(&["down", &run.bus]);
    assert!(follower.wait().unwrap().success());
    assert!(text().lines().last().unwrap().contains("\"event\":\"down\""), "{}", text());
}
