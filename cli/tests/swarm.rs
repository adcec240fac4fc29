//! `up`, `ps`, `drain` and `down` with agents that are shell scripts using the command itself.

mod common;

use common::{BIN, PATIENCE, unique};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;
use tempfile::TempDir;

struct Swarm {
    bus: String,
    dir: TempDir,
    up: Option<Child>,
}

impl Swarm {
    fn new(topology: &str) -> Swarm {
        let bus = unique("cli-up");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("swarm.toml"), topology.replace("<bus>", &bus).replace("<bin>", BIN)).unwrap();
        Swarm { bus, dir, up: None }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BIN);
        command.args(args).current_dir(self.dir.path()).env("XDG_RUNTIME_DIR", self.dir.path()).env_remove("SWARMBUS");
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn start(&mut self, args: &[&str]) {
        let file = |name: &str| std::fs::File::create(self.dir.path().join(name)).unwrap();
        self.up = Some(self.command(args).stdout(file("out")).stderr(file("err")).spawn().unwrap());
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    fn wait(&mut self) -> i32 {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.up.as_mut().unwrap().try_wait().unwrap() {
                self.up = None;
                return status.code().unwrap();
            }
            assert!(begun.elapsed() < PATIENCE, "up does not end; it wrote:\n{}", self.file("err"));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}; up wrote:\n{}", self.file("err"));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn segment(&self) -> PathBuf {
        PathBuf::from(format!("/dev/shm/swarmbus.{}", self.bus))
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        if let Some(mut child) = self.up.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if self.segment().exists() || self.dir.path().join("swarmbus").exists() {
            let _ = self.run(&["down", &self.bus]);
            let _ = std::fs::remove_file(self.segment());
        }
    }
}

const SHELL_SWARM: &str = r#"
[bus]
name = "<bus>"
queues = ["work"]
heap = "32MiB"
[env]
SB = "<bin>"
[coordinator]
command = ["sh", "-c", "for n in 1 2 3 4 5 6; do $SB send work task-$n --from coordinator; done; $SB recv -n 6"]
[pool.worker]
command = ["sh", "-c", "while task=$($SB recv work); do $SB send coordinator \"$task done\"; done"]
size = 3
"#;

#[test]
fn shell_scripts_make_a_swarm() {
    let mut swarm = Swarm::new(SHELL_SWARM);
    swarm.start(&["up"]);
    assert_eq!(swarm.wait(), 0, "{}", swarm.file("err"));
    let mut lines: Vec<String> =
        swarm.file("out").lines().filter(|line| line.ends_with("done")).map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, (1..=6).map(|n| format!("task-{n} done")).collect::<Vec<_>>());
    assert!(!swarm.segment().exists());
    assert!(!swarm.dir.path().join("swarmbus").exists());
}

const SLEEPERS: &str =
    "[bus]\nname = \"<bus>\"\nheap = \"32MiB\"\n[pool.idle]\ncommand = [\"<bin>\", \"recv\"]\nsize = 40\n";

fn ps(swarm: &Swarm) -> Value {
    serde_json::from_slice(&swarm.run(&["ps", &swarm.bus, "-o", "json"]).stdout).unwrap_or_default()
}

fn all_attached(status: &Value) -> bool {
    status["state"] == "running" && status["agents"].as_array().unwrap().iter().all(|agent| agent["attached"] == true)
}

#[test]
fn a_running_swarm_is_shown_and_drained() {
    let mut swarm = Swarm::new(SLEEPERS);
    swarm.start(&["up", "swarm.toml", "--size", "idle=3", "-o", "json"]);
    swarm.until("all are there", || all_attached(&ps(&swarm)));
    let status = ps(&swarm);
    assert_eq!(status["agents"].as_array().unwrap().len(), 3);
    assert_eq!(status["supervisor_pid"], swarm.up.as_ref().unwrap().id());
    let table = String::from_utf8(swarm.run(&["ps", "--bus", &swarm.bus]).stdout).unwrap();
    for word in ["running, supervisor", "NAME", "MAILBOX", "idle-1", "idle-3"] {
        assert!(table.contains(word), "{word} is missing in\n{table}");
    }
    let drained = swarm.run(&["drain", &swarm.bus, "-o", "json"]);
    assert!(drained.status.success(), "{drained:?}");
    let drained: Value = serde_json::from_slice(&drained.stdout).unwrap();
    assert_eq!((&drained["code"], &drained["unread"]), (&Value::from(0), &Value::from(0)));
    assert_eq!(swarm.wait(), 0);
    for line in swarm.file("err").lines() {
        let event: Value = serde_json::from_str(line).expect("each line is an event");
        assert!(event["event"].is_string());
    }
    assert!(!swarm.segment().exists());
    let gone = swarm.run(&["ps", &swarm.bus]);
    assert_eq!(gone.status.code(), Some(68), "{gone:?}");
    assert_eq!(swarm.run(&["drain", &swarm.bus]).status.code(), Some(68));
    assert_eq!(swarm.run(&["down", &swarm.bus]).status.code(), Some(68));
}

#[test]
fn down_ends_a_swarm_with_and_without_its_supervisor() {
    let mut swarm = Swarm::new(SLEEPERS);
    for kill in [false, true] {
        swarm.start(&["up", "--size", "2", "--quiet"]);
        swarm.until("all are there", || all_attached(&ps(&swarm)));
        if kill {
            let child = swarm.up.as_mut().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(swarm.run(&["drain", &swarm.bus]).status.code(), Some(69));
        }
        let down = swarm.run(&["down", &swarm.bus]);
        assert!(down.status.success(), "{down:?}");
        let told = String::from_utf8(down.stdout).unwrap();
        assert_eq!(told.contains("there was no supervisor, agents ended here: 2"), kill, "{told}");
        if !kill {
            assert_eq!(swarm.wait(), 143);
        }
        assert_eq!(swarm.file("err"), "");
        assert!(!swarm.segment().exists());
    }
}

#[test]
fn mistakes_have_their_exit_codes() {
    let swarm = Swarm::new("[bus]\nname = \"<bus>\"\n[pool.w]\ncomand = [\"sh\"]\nsize = 1\n");
    let answer = swarm.run(&["up"]);
    assert_eq!(answer.status.code(), Some(78));
    let told = String::from_utf8(answer.stderr).unwrap();
    assert!(
        told.contains("swarm.toml:4:1")
            && told.contains("unknown key `comand`")
            && told.contains("did you mean `command`?"),
        "{told}"
    );
    assert_eq!(swarm.run(&["up", "none.toml"]).status.code(), Some(66));
    let swarm = Swarm::new(SLEEPERS);
    assert_eq!(swarm.run(&["up", "--size", "none=3"]).status.code(), Some(64));
    assert_eq!(swarm.run(&["up", "--size", "many"]).status.code(), Some(64));
    assert!(!swarm.segment().exists());
    assert!(swarm.run(&["create", &swarm.bus, "--agents", "64", "--heap", "32MiB"]).status.success());
    assert_eq!(swarm.run(&["up"]).status.code(), Some(73));
    assert!(swarm.segment().exists());
    assert!(swarm.run(&["destroy", &swarm.bus]).status.success());
}
