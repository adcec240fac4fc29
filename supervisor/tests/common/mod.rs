//! A supervisor as a process of its own, on a bus of its own, cleaned up whatever happens.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod ledger;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use swarmbus_supervisor::Status;
use swarmbus_supervisor::process::{Stranger, start_ticks};
use tempfile::TempDir;

/// Guards against hangs only; nothing here is about speed.
pub const PATIENCE: Duration = Duration::from_secs(120);

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// Two agents that wait for messages.
pub const LISTENERS: &str = "[bus]\nname = \"<bus>\"\n[pool.w]\ncommand = [\"<agent>\", \"listen\"]\nsize = 2\n";

pub struct Swarm {
    pub bus: String,
    pub dir: TempDir,
    pub supervisor: Option<Child>,
}

/// A program that `cargo test` builds beside the tests; `cargo test --test NAME` does not.
pub fn example(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let path = path.join("examples").join(name);
    let profile = if cfg!(debug_assertions) { "" } else { " --release" };
    assert!(path.exists(), "{} is missing: cargo build{profile} -p swarmbus-supervisor --examples", path.display());
    path
}

impl Swarm {
    /// Writes a topology; `<bus>` and `<agent>` in the text become the bus and the helper program.
    pub fn new(topology: &str) -> Swarm {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let bus = format!("sv-{}-{number}", std::process::id());
        let dir = tempfile::Builder::new().prefix("swarmbus-sv").tempdir().unwrap();
        let text = topology.replace("<bus>", &bus).replace("<agent>", example("agent").to_str().unwrap());
        std::fs::write(dir.path().join("swarm.toml"), text).unwrap();
        Swarm { bus, dir, supervisor: None }
    }

    pub fn up(topology: &str) -> Swarm {
        let mut swarm = Swarm::new(topology);
        swarm.start();
        swarm
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(example("supervise"));
        command.args(words).current_dir(self.dir.path()).env("XDG_RUNTIME_DIR", self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Starts the supervisor in a group of its own, as a shell does: a signal to that group is what Ctrl-C is. Signals that whoever runs the
    /// tests ignores are not ignored there.
    pub fn start(&mut self) {
        self.start_by(&["env", "--default-signal"]);
    }

    /// The same under `nohup`.
    pub fn start_under_nohup(&mut self) {
        self.start_by(&["nohup"]);
    }

    /// A process beside the supervisor that waits for its death.
    pub fn standby(&self, name: &str) -> Standby {
        let file = File::options().append(true).create(true).open(self.dir.path().join(name)).unwrap();
        let mut command = self.command(&["standby", "swarm.toml"]);
        Standby(command.process_group(0).stdout(Stdio::null()).stderr(file).spawn().unwrap())
    }

    fn start_by(&mut self, starter: &[&str]) {
        let mut command = Command::new(starter[0]);
        command.args(&starter[1..]).arg(example("supervise")).args(["up", "swarm.toml"]).stdin(Stdio::null());
        command.current_dir(self.dir.path()).env("XDG_RUNTIME_DIR", self.dir.path());
        self.spawn(command);
    }

    fn spawn(&mut self, mut command: Command) {
        let file = |name: &str| File::options().append(true).create(true).open(self.dir.path().join(name)).unwrap();
        command.process_group(0).stdout(file("out")).stderr(file("err"));
        self.supervisor = Some(command.spawn().unwrap());
    }

    pub fn pid(&self) -> u32 {
        self.supervisor.as_ref().expect("the supervisor runs").id()
    }

    pub fn verb(&self, verb: &str) -> Output {
        self.run_with(&[verb, &self.bus])
    }

    pub fn run_with(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Says something over the control socket and hears one answer.
    pub fn ask(&self, request: serde_json::Value) -> serde_json::Value {
        use std::io::{BufRead, BufReader, Write};
        let mut stream = std::os::unix::net::UnixStream::connect(self.run_dir().join("control.sock")).unwrap();
        stream.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The agents by name: process, state and restarts.
    pub fn agents(&self) -> std::collections::BTreeMap<String, swarmbus_supervisor::status::AgentStatus> {
        let agents = self.ps().map(|status| status.agents).unwrap_or_default();
        agents.into_iter().map(|agent| (agent.name.clone(), agent)).collect()
    }

    pub fn ps(&self) -> Option<Status> {
        serde_json::from_slice(&self.verb("ps").stdout).ok()
    }

    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    /// What the supervisor wrote for people.
    pub fn err(&self) -> String {
        self.file("err")
    }

    /// What the coordinator wrote.
    pub fn out(&self) -> String {
        self.file("out")
    }

    pub fn segment(&self) -> PathBuf {
        Path::new("/dev/shm").join(format!("swarmbus.{}", self.bus))
    }

    /// Waits until the supervisor has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let mut child = self.supervisor.take().expect("the supervisor runs");
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            if begun.elapsed() > PATIENCE {
                self.supervisor = Some(child);
                panic!("the supervisor does not end; it wrote:\n{}", self.err());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until all processes are there, and says who they are.
    pub fn wait_until_up(&self) -> Status {
        let mut found = None;
        self.until("everything is up", || {
            found = self.ps().filter(|status| status.state == "running");
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits until all agents are on the bus, and says who they are.
    pub fn wait_until_attached(&self) -> Status {
        let mut found = None;
        self.until("all agents are on the bus", || {
            let attached = |status: &Status| status.agents.iter().all(|agent| agent.attached);
            found = self.ps().filter(|status| status.state == "running" && attached(status));
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits until there is the number of a process in a file: in `held` that of the agent that holds the message it is told to hold.
    pub fn wait_for_pid(&self, file: &str) -> u32 {
        let mut pid = 0;
        self.until(&format!("{file} tells of a process"), || {
            pid = self.file(file).trim().parse().unwrap_or(0);
            pid != 0
        });
        pid
    }

    pub fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !done() {
            let (err, ps) = (self.err(), self.ps());
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}; the supervisor wrote:\n{err}\n{ps:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the supervisor.
    pub fn kill(&mut self) {
        signal(self.pid(), Signal::KILL);
        assert_eq!(code(self.wait()), 137, "{}", self.err());
    }

    /// Ends the run; nothing may be left of it.
    pub fn down(mut self) {
        assert!(self.verb("down").status.success());
        assert_eq!(code(self.wait()), 143);
        self.assert_nothing_left();
    }

    pub fn assert_nothing_left(&self) {
        assert!(!self.segment().exists(), "the segment is still there; the supervisor wrote:\n{}", self.err());
        assert!(!self.run_dir().exists(), "the run directory is still there; the supervisor wrote:\n{}", self.err());
    }

    pub fn run_dir(&self) -> PathBuf {
        self.dir.path().join("swarmbus").join(&self.bus)
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        if let Some(mut child) = self.supervisor.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if self.run_dir().exists() || self.segment().exists() {
            let _ = self.verb("down");
            let _ = std::fs::remove_file(self.segment());
        }
    }
}

/// Killed with the test.
pub struct Standby(Child);

impl Standby {
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The exit code, once it has ended.
    pub fn exit(&mut self) -> Option<i32> {
        self.0.try_wait().unwrap().map(code)
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Signals one process that this test started.
pub fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// Signals a group, as a terminal does.
pub fn signal_group(pid: u32, signal: Signal) {
    kill_process_group(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// Whether a process is there and no zombie.
pub fn is_alive(pid: u32) -> bool {
    start_ticks(pid).is_some() && Stranger::hold(pid, false, || true).is_some_and(|process| process.is_alive())
}

/// Whether a process waits for something.
pub fn is_asleep(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('S'))
}

/// The exit code, as a shell tells it.
pub fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Memory of its own, KiB: the pages of the bus that it has looked at are everybody's.
pub fn own_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
