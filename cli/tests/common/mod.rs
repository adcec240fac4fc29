//! What the tests of the command share: a bus that is gone afterwards, and runs of the command against it.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod run;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The command under test.
pub const BIN: &str = env!("CARGO_BIN_EXE_swarmbus");

/// A guard against hangs; no test depends on how long something takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

static BUSES: AtomicUsize = AtomicUsize::new(0);

/// A name that no other test and no other run uses.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{}-{}", std::process::id(), BUSES.fetch_add(1, Ordering::Relaxed))
}

/// A bus of its own for a test; destroyed and unlinked on drop, also when the test fails.
pub struct TestBus {
    pub name: String,
}

impl TestBus {
    /// A small bus.
    pub fn new() -> Self {
        Self::with(&["--agents", "64", "--heap", "64MiB"])
    }

    /// A bus created with these options.
    pub fn with(options: &[&str]) -> Self {
        let bus = Self { name: unique("cli") };
        let mut args = vec!["create", &bus.name];
        args.extend(options);
        ok(&args);
        bus
    }

    /// The address of a name on this bus.
    pub fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }

    /// A mailbox, declared; gives its address.
    pub fn mailbox(&self, name: &str) -> String {
        let address = self.at(name);
        ok(&["declare", &address]);
        address
    }

    /// What `inspect` says of a queue.
    pub fn queue(&self, name: &str) -> Value {
        json(&["inspect", &self.at(name), "-o", "json"])["queue"].clone()
    }

    /// How many members the bus has.
    pub fn members(&self) -> usize {
        json(&["inspect", &self.name, "-o", "json"])["members"].as_array().map_or(0, Vec::len)
    }

    /// Where the segment is.
    pub fn file(&self) -> PathBuf {
        PathBuf::from(format!("/dev/shm/swarmbus.{}", self.name))
    }
}

impl Drop for TestBus {
    fn drop(&mut self) {
        let _ = command(&["destroy", &self.name, "--if-exists"]).output();
        let _ = std::fs::remove_file(self.file());
    }
}

/// A child that is killed and waited for when the test is over.
pub struct Running(pub Child);

impl Running {
    /// Starts the command, its output piped to the test.
    pub fn start(args: &[&str]) -> Self {
        let child = command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self(child.expect("swarmbus starts"))
    }

    /// Waits until the child ends by itself and gives its exit code.
    pub fn code(&mut self) -> Option<i32> {
        let mut code = None;
        wait_for("the command to end", || {
            code = self.0.try_wait().expect("the child can be waited for").map(|status| status.code());
            code.is_some()
        });
        code.flatten()
    }

    /// Whether the child sleeps: it waits for somebody, or for time to pass.
    pub fn sleeps(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('S'))
    }

    /// Sends a signal to the child.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).expect("a pid"));
        nix::sys::signal::kill(pid, signal).expect("the child can be signalled");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whoever runs the tests in the background of a shell ignores interrupts; our children are to notice them.
fn notice_interrupts() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: no handler, so nothing runs in one.
        let _ = unsafe { signal(Signal::SIGINT, SigHandler::SigDfl) };
    });
}

/// The command with these arguments and an environment that names no bus.
pub fn command(args: &[&str]) -> Command {
    notice_interrupts();
    let mut command = Command::new(BIN);
    command
        .args(args)
        .env_remove("SWARMBUS")
        .env_remove("SWARMBUS_AGENT")
        .env_remove("TRACEPARENT")
        .stdin(Stdio::null());
    command
}

/// Runs the command to its end.
pub fn run(args: &[&str]) -> Output {
    command(args).output().expect("swarmbus runs")
}

/// Runs the command with this as its standard input.
pub fn run_with_input(args: &[&str], input: &[u8]) -> Output {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("swarmbus starts");
    child.stdin.take().expect("stdin is piped").write_all(input).expect("the input is read");
    child.wait_with_output().expect("swarmbus runs")
}

/// Runs the command, which must succeed; gives its standard output.
pub fn ok(args: &[&str]) -> Vec<u8> {
    success(args, run(args))
}

/// Runs the command with input; it must succeed; gives its standard output.
pub fn ok_with_input(args: &[&str], input: &[u8]) -> Vec<u8> {
    success(args, run_with_input(args, input))
}

fn success(args: &[&str], output: Output) -> Vec<u8> {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "swarmbus {args:?}: {} {said}", output.status);
    assert_eq!(said, "", "swarmbus {args:?} succeeded and yet complained");
    output.stdout
}

/// Runs the command, which must succeed, and reads its output as one JSON document.
pub fn json(args: &[&str]) -> Value {
    let stdout = ok(args);
    serde_json::from_slice(&stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&stdout)))
}

/// Reads output as a JSON document per line.
pub fn lines(stdout: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(stdout).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is a JSON document")).collect()
}

/// Runs the command, which must fail with this code and one line on stderr; gives the line.
pub fn fails(args: &[&str], code: i32) -> String {
    failure(args, &run(args), code)
}

/// Checks that a run failed with this code and one line on stderr; gives the line.
pub fn failure(args: &[&str], output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "swarmbus {args:?}: {said}");
    assert_eq!(said.matches('\n').count(), 1, "not one line: {said}");
    assert!(said.starts_with("swarmbus: "), "{said}");
    said
}

/// Looks again and again until it is so.
pub fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
