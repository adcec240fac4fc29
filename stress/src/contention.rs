//! Processes that contend for locks and are killed while they do; a [`Referee`] outside the bus watches that nobody is where another is.

use crate::Result;
use crate::killer::{PATIENCE, Process};
use crate::kills::Dice;
use crate::peer::stop_flag;
use crate::referee::{Grants, Referee};
use crate::scene::{Scene, expect_bare};
use crate::sweep::reap_all;
use crate::victim::locking::probe_locks;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use swarmbus_core::{Bus, CreateOptions, Error, LockMode, Observer};

/// What is locked, and which of the things it stands for: `dir/file` is one of eight.
const LOCKS: [(&str, u64); 12] = [
    ("left/one", 0b0000_0001),
    ("left/two", 0b0000_0010),
    ("left/three", 0b0000_0100),
    ("left/four", 0b0000_1000),
    ("right/one", 0b0001_0000),
    ("right/two", 0b0010_0000),
    ("right/three", 0b0100_0000),
    ("right/four", 0b1000_0000),
    ("left/*", 0b0000_1111),
    ("right/t*", 0b0110_0000),
    ("*/one", 0b0001_0001),
    ("**", 0b1111_1111),
];

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    workers: usize,
    /// Processes that were killed.
    pub kills: u32,
    /// How many of them had, or waited for, a lock.
    pub kills_in_locks: u32,
    /// All grants.
    pub grants: Grants,
    /// How many workers, or their successors, got a lock alone.
    pub writers: usize,
    /// The longest reap.
    pub longest_reap: Duration,
    elapsed: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Grants { alone, shared, in_vain } = self.grants;
        write!(
            f,
            "{} processes contend for {:.1} s: {alone} locks had alone (by {} of them), {shared} shared, {in_vain} waits in vain; {} kills, {} of them in a lock or a \
             wait; the longest reap {:.2} ms; nobody was where another was, tokens rose",
            self.workers,
            self.elapsed.as_secs_f64(),
            self.writers,
            self.kills,
            self.kills_in_locks,
            self.longest_reap.as_secs_f64() * 1e3
        )
    }
}

/// The ledger's file, gone with the run.
struct Ledger(PathBuf);

impl Drop for Ledger {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Lets `workers` processes contend for `time`, and kills one after the other. `program`: the `swarmbus-stress` binary.
///
/// # Errors
/// Whatever the referee or the bus says that it should not, or what the dead leave.
pub fn contend(program: &Path, workers: usize, time: Duration) -> Result<Report> {
    let agents = workers as u32 + 16;
    let scene = Scene::new(&CreateOptions { agents, heap: 8 << 20, limit: 16, ..CreateOptions::default() })?;
    let ledger = Ledger(std::env::temp_dir().join(format!("swarmbus-ledger-{}", scene.name())));
    let (referee, member, observer) = (Referee::open(&ledger.0, workers)?, scene.join()?, scene.observer()?);
    let path = ledger.0.to_string_lossy();
    let start = |worker: usize| {
        let numbers = [worker.to_string(), workers.to_string()];
        let arguments = ["contend", "--bus", scene.name(), "--ledger", &path, "--worker", &numbers[0], "--workers"];
        Process::start(program, &[&arguments[..], &[&numbers[1]]].concat())
    };
    let mut processes = (0..workers).map(start).collect::<Result<Vec<_>>>()?;
    let mut dice = Dice::new();
    let (started, mut report) = (Instant::now(), Report { workers, ..Report::default() });
    let has_starved = || referee.grants().iter().any(|grants| grants.alone == 0);
    while started.elapsed() < time || has_starved() && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5 + dice.below(20)));
        let worker = dice.below(workers as u64) as usize;
        let process = &mut processes[worker];
        if process.has_ended()? {
            return Err(format!("worker {worker} has ended by itself").into());
        }
        let pid = process.pid();
        process.kill()?;
        report.kills += 1;
        report.kills_in_locks += !entries_of(&observer, pid).is_empty() as u32;
        // Half of them are left to those who wait.
        if dice.below(2) == 0 {
            let began = Instant::now();
            member.reap()?;
            report.longest_reap = report.longest_reap.max(began.elapsed());
            let left = entries_of(&observer, pid);
            if !left.is_empty() {
                return Err(format!("process {pid} is dead and reaped, and has {left:?}").into());
            }
        }
        *process = start(worker)?;
    }
    processes.iter_mut().for_each(Process::let_go);
    for process in &mut processes {
        process.stop()?;
    }
    report.elapsed = started.elapsed();
    for grants in referee.grants() {
        report.writers += (grants.alone > 0) as usize;
        report.grants.alone += grants.alone;
        report.grants.shared += grants.shared;
        report.grants.in_vain += grants.in_vain;
    }
    reap_all(&scene, &member)?;
    drop(member);
    probe_locks(&scene)?;
    expect_bare(&scene)?;
    Ok(report)
}

fn entries_of(observer: &Observer, pid: u32) -> Vec<String> {
    observer.locks().into_iter().filter(|lock| lock.pid == pid).map(|lock| lock.name).collect()
}

/// Takes locks until standard input ends.
///
/// # Errors
/// Whatever the referee says, or the bus that it should not.
pub fn work(bus: &str, ledger: &Path, worker: usize, workers: usize) -> Result<()> {
    let (bus, referee, stop) = (Bus::open(bus)?, Referee::open(ledger, workers)?, stop_flag());
    referee.begin(worker);
    let member = bus.join()?;
    let mut dice = Dice::new();
    while !stop.load(Relaxed) {
        // One thing as a rule; a pattern now and then, everything seldom.
        let which = match dice.below(64) {
            0 => 11,
            1..=8 => 8 + dice.below(3),
            _ => dice.below(8),
        };
        let ((name, things), alone) = (LOCKS[which as usize], dice.below(2) == 0);
        let mode = if alone { LockMode::Exclusive } else { LockMode::Shared };
        let patience = [0, 1, 5000, 5000][dice.below(4) as usize];
        match member.lock(name, mode, Some(Duration::from_millis(patience))) {
            Ok(guard) => {
                referee.enter(worker, things, alone, guard.token())?;
                match dice.below(16) {
                    0 => std::thread::sleep(Duration::from_micros(dice.below(500))),
                    1..4 => std::thread::yield_now(),
                    _ => {}
                }
                referee.leave(worker);
                guard.release()?;
            }
            Err(Error::Locked { .. }) => referee.in_vain(worker),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
