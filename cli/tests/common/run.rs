//! A run of a topology in a folder of its own; ended with the test, also when the test fails.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::{BIN, Running, command, unique};

pub struct Run {
    pub bus: String,
    pub dir: TempDir,
    /// The supervisor, from `start` on until it has ended.
    pub supervisor: Option<Running>,
}

impl Run {
    /// A folder with a topology; `<bus>` and `<bin>` in it become the bus and the command.
    pub fn new(topology: &str) -> Run {
        let (bus, dir) = (unique("cli-run"), tempfile::tempdir().expect("a folder"));
        let text = topology.replace("<bus>", &bus).replace("<bin>", BIN);
        std::fs::write(dir.path().join("swarm.toml"), text).expect("the topology is written");
        Run { bus, dir, supervisor: None }
    }

    /// The same, and `up` with these options.
    pub fn up(options: &[&str], topology: &str) -> Run {
        let mut run = Run::new(topology);
        run.start(options);
        run
    }

    /// `up` with these options; what it writes is in the files `out` and `err`.
    pub fn start(&mut self, options: &[&str]) {
        let file = |name: &str| File::create(self.dir.path().join(name)).expect("a file");
        let mut up = self.command(&[&["up"], options].concat());
        let up = up.env_remove("SWARMBUS").stdout(file("out")).stderr(file("err")).spawn();
        self.supervisor = Some(Running(up.expect("swarmbus starts")));
    }

    /// Kills the supervisor.
    pub fn kill(&mut self) {
        self.supervisor = None;
    }

    /// The exit code of the supervisor, which ends by itself.
    pub fn wait(&mut self) -> Option<i32> {
        let code = self.supervisor.as_mut().expect("it was started").code();
        self.supervisor = None;
        code
    }

    /// A command of somebody who looks after the run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = command(args);
        command.current_dir(self.dir.path()).env("XDG_RUNTIME_DIR", self.dir.path());
        command.env("SWARMBUS", &self.bus).env_remove("SWARMBUS_ENV");
        command
    }

    /// Runs such a command to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("swarmbus runs")
    }

    /// Runs one that must succeed; gives what it prints.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("it is text")
    }

    /// Runs one that must succeed and prints a JSON document.
    pub fn json(&self, args: &[&str]) -> Value {
        let text = self.ok(args);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
    }

    /// What `ps` says; null if there is nothing to say yet.
    pub fn ps(&self) -> Value {
        serde_json::from_slice(&self.run(&["ps", "-o", "json"]).stdout).unwrap_or_default()
    }

    /// The agents of the run.
    pub fn agents(&self) -> Vec<Value> {
        self.ps()["agents"].as_array().cloned().unwrap_or_default()
    }

    /// A command that goes on writing while the test reads.
    pub fn follow(&self, args: &[&str]) -> Follower {
        let heard = self.dir.path().join("heard");
        let file = File::create(&heard).expect("a file");
        Follower { running: Running(self.command(args).stdout(file).spawn().expect("swarmbus starts")), heard }
    }

    /// A file of the folder; empty if it is not there.
    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    /// The run directory.
    pub fn folder(&self) -> PathBuf {
        self.dir.path().join("swarmbus").join(&self.bus)
    }

    /// Where the segment is.
    pub fn segment(&self) -> PathBuf {
        PathBuf::from(format!("/dev/shm/swarmbus.{}", self.bus))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("up wrote:\n{}", self.file("err"));
        }
        self.kill();
        if self.folder().exists() || self.segment().exists() {
            let _ = self.command(&["down"]).output();
            let _ = std::fs::remove_file(self.segment());
        }
    }
}

/// What a command writes as it goes on.
pub struct Follower {
    pub running: Running,
    heard: PathBuf,
}

impl Follower {
    pub fn heard(&self) -> String {
        std::fs::read_to_string(&self.heard).expect("the file is there")
    }
}
