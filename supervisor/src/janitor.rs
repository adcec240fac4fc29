//! What dead runs have left, found and removed: at the next start, and by whoever asks.
//!
//! A run is dead when nobody of it lives: its supervisor, its agents, what they started, and whoever was on its bus. As long as somebody does,
//! a new supervisor can take it over.

use crate::note::{self, RunNote};
use crate::rundir::{self, Claim, RunDirError, has_logs};
use crate::strays;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use swarmbus_core::{Bus, Error, Observer};

/// What a dead run has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// The bus.
    pub bus: String,
    /// The run directory.
    pub run_dir: PathBuf,
    /// Memory that its segment holds; 0 when there is none, or when it is to stay.
    pub segment_bytes: u64,
    /// Messages in it that nobody read.
    pub unread: u64,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: a run of which nobody lives left {}", self.bus, self.run_dir.display())?;
        if self.segment_bytes > 0 {
            write!(f, " and {} in /dev/shm", bytesize::ByteSize(self.segment_bytes).display().iec())?;
        }
        match self.unread {
            0 => Ok(()),
            1 => write!(f, ", with a message that nobody read"),
            more => write!(f, ", with {more} messages that nobody read"),
        }
    }
}

/// Why something was left where it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JanitorError {
    /// Somebody has come, or was overlooked.
    #[error("{bus} is in use after all: `swarmbus ps {bus}` shows by whom")]
    InUse {
        /// The bus.
        bus: String,
    },
    /// The run directory cannot be had.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The bus cannot be removed.
    #[error(transparent)]
    Bus(#[from] Error),
}

/// The dead runs of this user. Touches nothing.
pub fn find() -> Vec<Leftover> {
    let dead: Vec<(String, PathBuf)> = rundir::all()
        .into_iter()
        .filter(|dir| rundir::is_free(dir) && !has_living_agents(dir))
        .filter_map(|dir| Some((dir.file_name()?.to_str()?.to_owned(), dir)))
        .collect();
    if dead.is_empty() {
        return Vec::new();
    }
    let alive: BTreeSet<String> = strays::buses();
    let dead = dead.into_iter().filter(|(bus, _)| !alive.contains(bus));
    dead.filter_map(|(bus, run_dir)| look(bus, run_dir)).collect()
}

/// Removes what a dead run has left; looks first whether it still is dead, with its lock in hand. The answer is the folder in
/// which its logs stay, if it has any.
pub fn mend(leftover: &Leftover) -> Result<Option<PathBuf>, JanitorError> {
    let in_use = || JanitorError::InUse { bus: leftover.bus.clone() };
    let claim = Claim::try_take(&leftover.run_dir)?.ok_or_else(in_use)?;
    if is_somebody_there(&leftover.bus, claim.path()) {
        return Err(in_use());
    }
    sweep(&leftover.bus, claim.path())?;
    let logs = has_logs(claim.path()).then(|| claim.path().to_owned());
    claim.clear(logs.is_some());
    Ok(logs)
}

/// Whether some process of a run lives, as far as its run directory and the processes' variables tell.
pub fn is_somebody_there(bus: &str, dir: &Path) -> bool {
    has_living_agents(dir) || strays::all_of(bus).into_iter().any(|pid| !strays::is_exporter(pid))
}

/// Removes the segment of a dead run, unless it is to stay or was there before.
pub fn sweep(bus: &str, dir: &Path) -> Result<(), JanitorError> {
    let Some(note) = RunNote::read(dir).filter(|note| !note.keep) else { return Ok(()) };
    match Bus::open(bus) {
        Ok(open) if !is_of(&open, &note) => Ok(()),
        Ok(open) if has_users(&open)? => Err(JanitorError::InUse { bus: bus.to_owned() }),
        Ok(open) => Ok(open.destroy()?),
        Err(Error::UnknownBus { .. }) => Ok(()),
        // Somebody was killed while he removed it.
        Err(Error::Closed { .. } | Error::Corrupt { .. }) => Ok(Bus::remove(bus)?),
        Err(error) => Err(error.into()),
    }
}

fn has_living_agents(dir: &Path) -> bool {
    note::journal(dir).iter().any(note::Entry::is_alive)
}

/// What there is to be told of a run that seems dead. `None`: somebody uses its bus.
fn look(bus: String, run_dir: PathBuf) -> Option<Leftover> {
    let mut leftover = Leftover { bus, run_dir, segment_bytes: 0, unread: 0 };
    if let (Some(note), Ok(open)) = (RunNote::read(&leftover.run_dir), Bus::open(&leftover.bus))
        && !note.keep
        && is_of(&open, &note)
    {
        if has_users(&open).unwrap_or(true) {
            return None;
        }
        let observer = open.observer().ok()?;
        leftover.segment_bytes = observer.bus().committed_bytes;
        leftover.unread = observer.queues().iter().map(|queue| queue.queued).sum();
    }
    Some(leftover)
}

/// Whether this is the bus that the run had made, and not one that was there before.
fn is_of(bus: &Bus, note: &RunNote) -> bool {
    bus.observer().is_ok_and(|observer| observer.bus().created_unix_s >= note.begun.unix_s)
}

/// Whether somebody lives on a bus. The dead are buried first, so that only the living are counted.
fn has_users(bus: &Bus) -> Result<bool, Error> {
    let member = bus.join()?;
    member.reap()?;
    drop(member);
    let observer: Observer = bus.observer()?;
    Ok(observer.members().iter().any(|member| member.state == "live"))
}
