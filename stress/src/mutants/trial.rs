//! One mutant before the tests that pass its place.

use super::catalogue::Mutant;
use super::survey::{Schedules, Suite, Test, alone};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fmt;
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How a mutant fared.
#[derive(Debug)]
pub struct Outcome {
    /// In a word.
    pub verdict: Verdict,
    /// Tests that were run.
    pub runs: usize,
    /// How long that took.
    pub took: Duration,
}

/// In a word.
#[derive(Debug)]
pub enum Verdict {
    /// This test failed; or hung, if it runs processes.
    Killed(Suite, String),
    /// All passed.
    Survived,
    /// None failed, and this one was given up after a multiple of its usual time.
    Undecided(String),
    /// All tests that pass the place are longer than wanted.
    NotReached,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Killed(suite, by) => write!(f, "killed by {by} ({})", suite.name())?,
            Verdict::Survived => write!(f, "SURVIVED")?,
            Verdict::Undecided(by) => write!(f, "undecided: {by} did not end")?,
            Verdict::NotReached => write!(f, "not reached")?,
        }
        write!(f, " ({} runs, {:.1} s)", self.runs, self.took.as_secs_f64())
    }
}

/// Runs the tests, the quickest first, until one fails.
pub fn trial(mutant: &Mutant, tests: &[Test], longest: Duration, schedules: Schedules) -> Outcome {
    let (begun, mut runs) = (Instant::now(), 0);
    let mut endless = None;
    let mut verdict = None;
    for test in mutant.tests.iter().map(|test| &tests[*test]).filter(|test| test.takes <= longest) {
        runs += 1;
        match attempt(mutant, test, schedules) {
            Some(status) if status.success() => {}
            // A model may have much more to explore with a mistake; processes that do not end hang.
            None if !test.suite.runs_processes() => endless = Some(test.name.clone()),
            Some(_) | None => {
                verdict = Some(Verdict::Killed(test.suite, test.name.clone()));
                break;
            }
        }
    }
    let verdict = verdict.unwrap_or(match endless {
        Some(name) => Verdict::Undecided(name),
        None if runs == 0 => Verdict::NotReached,
        None => Verdict::Survived,
    });
    Outcome { verdict, runs, took: begun.elapsed() }
}

/// `None`: it did not end in a multiple of its usual time.
fn attempt(mutant: &Mutant, test: &Test, schedules: Schedules) -> Option<ExitStatus> {
    let mut child = alone(&test.program, &test.name, schedules)
        .env("SWARMBUS_MUTANT", &mutant.name)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a test that ran before runs again");
    let status = wait(&mut child, test.takes * 8 + Duration::from_secs(20));
    // Also of one that has failed: the processes that it started are in its group.
    let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
    let _ = child.wait();
    status
}

fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(2);
    while begun.elapsed() < patience {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return Some(status);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    None
}
