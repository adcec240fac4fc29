//! Runs trials: makes what they need, starts their processes, and takes all of it away again, whatever happens.

pub mod children;
mod cores;
mod memory;

use crate::peer::Rival;
use crate::trial::{Kind, Manner, Outcome, Trial, Work};
use anyhow::{Context, Result, bail};
use children::{Children, INTERRUPTED, Server};
use cores::Cores;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// What every name in shared memory and among temporary files begins with; then come the harness' process id and the trial's number.
const PREFIX: &str = "swarmbus-peers-";
const SHARED_MEMORY: &str = "/dev/shm";

/// How often a trial is run, at most, until the cores are whole before and after it; and how long to wait when they are not.
const TRIES: u32 = 2000;
const PAUSE: Duration = Duration::from_millis(100);

/// How trials are run.
pub struct Harness {
    folder: TempDir,
    cores: Vec<usize>,
    /// The first two, if trials are only to be run while they are whole.
    whole: Option<Cores>,
    count: u64,
    /// What is measured takes this long.
    pub measured: Duration,
    /// What comes before it.
    pub warm_up: Duration,
    /// See [`Trial::pauses`].
    pub pauses: u32,
}

impl Harness {
    /// Looks at the machine, and sweeps up after harnesses that were killed.
    pub fn new(measured: Duration, warm_up: Duration, pauses: u32, whole: bool) -> Result<Harness> {
        let allowed = sched_getaffinity(Pid::from_raw(0)).context("asking which cores there are")?;
        let cores: Vec<usize> = (0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap_or(false)).collect();
        let whole = match cores[..] {
            [first, second, ..] if whole => Some(Cores::new((first, second))),
            _ if whole => bail!("--whole-cores compares two cores, and there is one: leave it out"),
            _ => None,
        };
        let is_left = |rest: &str| {
            let pid = rest.split('-').next().unwrap_or_default();
            !pid.is_empty() && !Path::new("/proc").join(pid).exists()
        };
        sweep(Path::new(SHARED_MEMORY), is_left);
        sweep(&std::env::temp_dir(), is_left);
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .tempdir()
            .context("cannot make a temporary folder")?;
        Ok(Harness { folder, cores, whole, count: 0, measured, warm_up, pauses })
    }

    fn trial(&mut self, rival: &dyn Rival, work: &Work, manner: Manner) -> Result<Trial> {
        self.count += 1;
        let tag = format!("{PREFIX}{}-{}", std::process::id(), self.count);
        let folder = self.folder.path().join(self.count.to_string());
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let cores = match (self.cores.as_slice(), manner) {
            _ if work.followers > 1 || !rival.is_alone() => None,
            ([first, ..], Manner::OneCore) => Some((*first, *first)),
            ([first, second, ..], _) => Some((*first, *second)),
            _ => None,
        };
        // Free at this moment; whoever takes it meanwhile fails the trial, not the run.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        Ok(Trial {
            peer: rival.name().into(),
            work: work.name.into(),
            kind: work.kind,
            bytes: work.bytes,
            followers: work.followers,
            batch: work.batch,
            manner,
            measured: self.measured,
            warm_up: self.warm_up,
            pauses: self.pauses,
            pace: Default::default(),
            yields: work.followers as usize + 1 > self.cores.len(),
            cores,
            tag,
            folder,
            port: port.context("cannot find a free port on loopback")?.port(),
        })
    }

    /// One run; if cores are to be whole, one before and after which they were.
    pub fn run(&mut self, rival: &dyn Rival, work: &Work, manner: Manner) -> Result<Outcome> {
        let mut cores = self.whole.take();
        let outcome = match &mut cores {
            Some(cores) => self.run_on_whole(cores, rival, work, manner),
            None => self.run_now(rival, work, manner),
        };
        self.whole = cores;
        outcome
    }

    fn run_on_whole(&mut self, cores: &mut Cores, rival: &dyn Rival, work: &Work, manner: Manner) -> Result<Outcome> {
        for _ in 0..TRIES {
            if INTERRUPTED.load(Relaxed) {
                break;
            }
            if !cores.are_whole() {
                thread::sleep(PAUSE);
                continue;
            }
            let outcome = self.run_now(rival, work, manner);
            if outcome.is_err() || cores.are_whole() {
                return outcome;
            }
        }
        bail!("the cores were not whole for long enough; run it without --whole-cores, or when the machine is quiet")
    }

    fn run_now(&mut self, rival: &dyn Rival, work: &Work, manner: Manner) -> Result<Outcome> {
        let trial = self.trial(rival, work, manner)?;
        let outcome = run(rival, &trial);
        let _ = fs::remove_dir_all(&trial.folder);
        let mine = format!("{}-{}", std::process::id(), self.count);
        sweep(Path::new(SHARED_MEMORY), |rest| {
            rest.strip_prefix(&mine).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
        });
        outcome
    }
}

fn run(rival: &dyn Rival, trial: &Trial) -> Result<Outcome> {
    let patience =
        trial.warm_up + trial.measured + Duration::from_secs(20) + trial.followers * Duration::from_millis(40);
    // In the order in which they are dropped: processes, then the server, then what they used.
    let _made = rival.prepare(trial)?;
    let server = if rival.has_server() { Some(Server::start(trial, || rival.serves(trial))?) } else { None };
    let mut children = Children::start(trial, patience)?;
    children.all_up()?;
    let mut pids = children.pids();
    pids.extend(server.as_ref().map(Server::pid));
    let measures_memory = trial.kind == Kind::FanOut;
    let before = if measures_memory { memory::of_all(&pids) } else { 0 };
    children.all_ready()?;
    let mut outcome = children.all_done()?;
    if measures_memory {
        let grown = memory::of_all(&pids).saturating_sub(before);
        outcome.memory = Some(grown as f64 / f64::from(trial.followers));
    }
    drop(children);
    drop(server);
    Ok(outcome)
}

/// Removes what bears our prefix and then a rest as `chosen` from a folder.
fn sweep(folder: &Path, chosen: impl Fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        // A bus has the tag for its name, and its file a prefix of its own.
        let name = name.strip_prefix("swarmbus.").unwrap_or(name);
        if name.strip_prefix(PREFIX).is_some_and(&chosen) {
            // A folder or a file; what cannot be removed is another user's.
            let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
        }
    }
}
