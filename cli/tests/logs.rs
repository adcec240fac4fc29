//! What agents wrote and what happened, as people ask for it: across rotations, on the bus, and after the end.

mod common;

use common::{BIN, PATIENCE, unique, wait_for};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use swarmbus_core::{Bus, StartAt};
use tempfile::TempDir;

struct Run {
    bus: String,
    dir: TempDir,
    up: Child,
}

impl Run {
    fn up(rest: &str) -> Run {
        let (bus, dir) = (unique("cli-logs"), tempfile::tempdir().unwrap());
        let text = format!("[bus]\nname = \"{bus}\"\nheap = \"32MiB\"\n{rest}");
        std::fs::write(dir.path().join("swarm.toml"), text).unwrap();
        let mut command = Command::new(BIN);
        command.args(["up", "-o", "json"]).current_dir(dir.path()).env("XDG_RUNTIME_DIR", dir.path());
        let told = File::create(dir.path().join("told")).unwrap();
        let up = command.env_remove("SWARMBUS").stdin(Stdio::null()).stderr(told).spawn().unwrap();
        let run = Run { bus, dir, up };
        wait_for("all is up", || run.told().contains("\"event\":\"up\""));
        run
    }

    fn told(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("told")).unwrap_or_default()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BIN);
        command.args(args).env("XDG_RUNTIME_DIR", self.dir.path()).env("SWARMBUS", &self.bus);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("swarmbus").join(&self.bus)
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

/// What a command writes to a file as it goes on.
struct Follower(Child, PathBuf);

impl Follower {
    fn start(mut command: Command, heard: &Path) -> Follower {
        Follower(command.stdout(File::create(heard).unwrap()).spawn().unwrap(), heard.to_owned())
    }

    fn heard(&self) -> String {
        std::fs::read_to_string(&self.1).unwrap()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn logs_are_rotated_under_the_agent_and_followed_across_it() {
    let rest = "[log]\nsize = \"64KiB\"\ncount = 9\n[pool.w]\nsize = 1\ncommand = [\"sh\", \"-c\", '''\ni=0; \
                while [ $i -lt 5000 ]; do i=$((i + 1)); echo \"line $i of a log that is filled with words up to seventy bytes\"; \
                [ $((i % 1000)) = 0 ] && sleep 1; done; exec sleep 600''']\n";
    let run = Run::up(rest);
    let follower = Follower::start(run.command(&["logs", "w", "-f", "-n", "9999"]), &run.dir.path().join("heard"));
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
    let run = Run::up("[pool.w]\nsize = 2\ncommand = [\"sleep\", \"600\"]\n");
    let bus = Bus::open(&run.bus).unwrap();
    let me = bus.attach("listener").unwrap();
    let mut events = me.subscribe("swarmbus.events", StartAt::Now).unwrap();
    let follower = Follower::start(run.command(&["events", "-f"]), &run.dir.path().join("heard"));
    run.ok(&["restart", "w-1"]);
    let heard = events.recv(Some(PATIENCE)).unwrap();
    let event: Value = serde_json::from_slice(heard.data()).unwrap();
    assert_eq!(
        (&event["event"], &event["level"], &event["verb"]),
        (&"asked".into(), &"info".into(), &"restart".into())
    );
    assert!(event["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{event}");
    wait_for("it is followed", || follower.heard().contains("agents w-1, verb restart"));

    let all = run.ok(&["events", "-o", "jsonl"]);
    assert!(all.lines().next().unwrap().contains("\"event\":\"up\""), "{all}");
    let list: Vec<Value> = serde_json::from_str(&run.ok(&["events", "--since", "1h", "-o", "json"])).unwrap();
    assert!(list.iter().any(|event| event["event"] == "ended" && event["agent"] == "w-1" && event["pool"] == "w"));
    assert_eq!(run.ok(&["events", "--since", "2100-01-01T00:00:00Z"]), "");
    assert_eq!(run.run(&["events", "--since", "yesterday"]).status.code(), Some(64));
}

#[test]
fn what_happened_can_be_read_after_a_run_that_failed() {
    let mut run =
        Run::up("[pool.w]\nsize = 1\ncommand = [\"sh\", \"-c\", \"echo no such table; sleep 1; exit 125\"]\n");
    let code = run.up.wait().unwrap().code();
    assert_eq!(code, Some(1));
    let text = run.ok(&["events"]);
    let given_up = text.lines().find(|line| line.contains("given up")).expect(&text);
    assert!(given_up.contains("error") && given_up.contains("w-1") && given_up.contains("code 125"), "{given_up}");
    assert!(text.lines().last().unwrap().contains("down"), "{text}");
    // To follow what is over is to read it.
    assert_eq!(run.ok(&["events", "-f"]), text);
    // What the supervisor says is the same, a JSON object to a line.
    let told = run.told();
    let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["code"]), (&"down".into(), &1.into()));
    assert!(last["time"].is_string() && last["level"].is_string(), "{last}");
}
