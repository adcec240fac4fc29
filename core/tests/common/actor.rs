//! Another process for a test: this test program, run again as an actor.

use std::io::Read;
use std::process::{Child, Command, Stdio};

/// Runs the test named `actor` of this program in a process of its own, to play `act` on a bus; returns when it says `READY`. It goes on when its
/// standard input is closed.
pub fn spawn(act: &str, bus: &str) -> Child {
    let mut child = command(act, bus).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut seen = Vec::new();
    let output = child.stdout.as_mut().unwrap();
    while !seen.ends_with(b"READY") {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    child
}

/// The command line of [`spawn`].
pub fn command(act: &str, bus: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "actor", "--nocapture", "--test-threads=1"]);
    command.env("SWARMBUS_TEST_ACT", act).env("SWARMBUS_TEST_BUS", bus);
    command
}

/// In the actor: what to play and where. `None` in the test program itself.
pub fn role() -> Option<(String, String)> {
    Some((std::env::var("SWARMBUS_TEST_ACT").ok()?, std::env::var("SWARMBUS_TEST_BUS").ok()?))
}

/// In the actor: says that it is ready.
#[allow(dead_code, reason = "each test file uses what it needs")]
pub fn say_ready() {
    print!("READY");
    std::io::Write::flush(&mut std::io::stdout()).unwrap();
}

/// In the actor: says that it is ready, and waits until the test goes on.
#[allow(dead_code, reason = "each test file uses what it needs")]
pub fn ready() {
    say_ready();
    let _ = std::io::stdin().read_line(&mut String::new());
}
