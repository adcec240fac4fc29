//! The run directory of a bus: lock, control socket, journal of agents, logs. It outlives the supervisor.

use crate::process::{boot_id, is_alive, start_ticks};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";
const SOCKET: &str = "control.sock";
const JOURNAL: &str = "agents.jsonl";
const EVENTS: &str = "events.jsonl";

/// Where run directories may be: `$XDG_RUNTIME_DIR/swarmbus` first, then `/tmp/swarmbus-<uid>`.
fn bases() -> Vec<PathBuf> {
    let mut bases = Vec::new();
    if let Some(base) = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|base| base.is_absolute()) {
        bases.push(base.join("swarmbus"));
    }
    bases.push(PathBuf::from(format!("/tmp/swarmbus-{}", rustix::process::getuid().as_raw())));
    bases
}

/// The run directory of a bus, if there is one.
pub fn find(bus: &str) -> Option<PathBuf> {
    bases().into_iter().map(|base| base.join(bus)).find(|dir| dir.join(LOCK).exists() && is_private(dir).is_ok())
}

/// The control socket in a run directory.
pub fn socket(dir: &Path) -> PathBuf {
    dir.join(SOCKET)
}

/// What happened, in a run directory.
pub fn events(dir: &Path) -> PathBuf {
    dir.join(EVENTS)
}

/// The run directory of a bus with what happened, if there is one; also after a run that left its logs.
pub fn find_with_events(bus: &str) -> Option<PathBuf> {
    bases().into_iter().map(|base| base.join(bus)).find(|dir| events(dir).exists() && is_private(dir).is_ok())
}

/// Whose lock is held: the supervisor's number, as long as it lives.
pub fn supervisor(dir: &Path) -> Option<u32> {
    let file = File::open(dir.join(LOCK)).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => None,
        Err(_) => read_pid(&file),
    }
}

fn read_pid(mut file: &File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// One start of an agent, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The agent.
    pub agent: String,
    /// Its pool; the coordinator has none.
    pub pool: Option<String>,
    /// Its process, which leads a group.
    pub pid: u32,
    /// When the process started, in ticks since the boot.
    pub start: u64,
    /// The boot.
    pub boot: String,
    /// How often it had been started before.
    pub restarts: u32,
    /// Where its output goes, if not where the supervisor's went.
    pub log: Option<PathBuf>,
}

impl Entry {
    /// Whether the process is still there.
    pub fn is_alive(&self) -> bool {
        self.boot == boot_id() && is_alive(self.pid, self.start)
    }
}

/// The last start of each agent, as the journal of a run directory has it.
pub fn journal(dir: &Path) -> Vec<Entry> {
    let text = fs::read_to_string(dir.join(JOURNAL)).unwrap_or_default();
    let mut last: Vec<Entry> = Vec::new();
    let mut places = std::collections::HashMap::new();
    // A line that a killed supervisor left half-written is no entry.
    for entry in text.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok()) {
        match places.get(&entry.agent) {
            Some(&at) => last[at] = entry,
            None => {
                places.insert(entry.agent.clone(), last.len());
                last.push(entry);
            }
        }
    }
    last
}

/// Removes a run directory whose supervisor is dead.
pub fn remove(dir: &Path) -> io::Result<()> {
    fs::remove_dir_all(dir)?;
    if let Some(base) = dir.parent() {
        let _ = fs::remove_dir(base);
    }
    Ok(())
}

/// Why a run directory could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunDirError {
    /// Another supervisor has it.
    #[error("the bus {bus} has a supervisor (pid {pid}): stop it first with `swarmbus down {bus}`")]
    Supervised {
        /// The bus.
        bus: String,
        /// The supervisor.
        pid: u32,
    },
    /// Agents of a supervisor that was killed are alive.
    #[error("{count} agents of an earlier run are alive on {bus} ({some}): stop them with `swarmbus down {bus}`")]
    LeftOver {
        /// The bus.
        bus: String,
        /// How many.
        count: usize,
        /// A few of them.
        some: String,
    },
    /// It is not safe to use.
    #[error("{path}: {reason}", path = path.display())]
    Unsafe {
        /// The folder.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The system refused.
    #[error("{path}: {error}", path = path.display())]
    System {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// A start that is to be noted.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The agent.
    pub agent: &'a str,
    /// Its pool.
    pub pool: Option<&'a str>,
    /// Its process.
    pub pid: u32,
    /// How often it had been started before.
    pub restarts: u32,
    /// Where its output goes.
    pub log: Option<&'a Path>,
}

/// A run directory that this supervisor holds.
#[derive(Debug)]
pub struct RunDir {
    dir: PathBuf,
    journal: File,
    /// Lines in the journal, so that it can be written anew before it grows without bound.
    lines: usize,
    entries: Vec<Entry>,
    boot: String,
    _lock: File,
}

impl RunDir {
    /// Makes and locks the run directory of a bus, and removes what a dead supervisor left in it.
    pub fn claim(bus: &str) -> Result<RunDir, RunDirError> {
        let base = bases().swap_remove(0);
        make_private(&base)?;
        let dir = base.join(bus);
        let lock = loop {
            make_private(&dir)?;
            let path = dir.join(LOCK);
            let system = |error: io::Error| RunDirError::System { path: path.clone(), error };
            let lock = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)
                .map_err(system)?;
            if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
                let pid = read_pid(&lock).unwrap_or(0);
                return Err(RunDirError::Supervised { bus: bus.to_owned(), pid });
            }
            // The one who held it before may have removed the folder between our open and our lock.
            let same = fs::metadata(&path).is_ok_and(|now| lock.metadata().is_ok_and(|ours| now.ino() == ours.ino()));
            if same {
                break lock;
            }
        };
        let alive: Vec<String> =
            journal(&dir).iter().filter(|entry| entry.is_alive()).map(|e| e.agent.clone()).collect();
        if !alive.is_empty() {
            let mut some = alive[..alive.len().min(3)].join(", ");
            if alive.len() > 3 {
                some.push_str(", …");
            }
            return Err(RunDirError::LeftOver { bus: bus.to_owned(), count: alive.len(), some });
        }
        RunDir::begin(dir.clone(), lock).map_err(|error| RunDirError::System { path: dir, error })
    }

    fn begin(dir: PathBuf, mut lock: File) -> io::Result<RunDir> {
        for entry in fs::read_dir(&dir)?.flatten() {
            if entry.file_name() != LOCK {
                fs::remove_file(entry.path())?;
            }
        }
        lock.set_len(0)?;
        writeln!(lock, "{}", std::process::id())?;
        let journal = OpenOptions::new().append(true).create(true).mode(0o600).open(dir.join(JOURNAL))?;
        Ok(RunDir { dir, journal, lines: 0, entries: Vec::new(), boot: boot_id(), _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Where the control socket is to be.
    pub fn socket(&self) -> PathBuf {
        socket(&self.dir)
    }

    /// Notes a start, so that `ps` and `down` can find the process when the supervisor is dead.
    pub fn note(&mut self, start: Start<'_>) -> io::Result<()> {
        let Start { agent, pool, pid, restarts, log } = start;
        let entry = Entry {
            agent: agent.to_owned(),
            pool: pool.map(str::to_owned),
            pid,
            start: start_ticks(pid).unwrap_or(0),
            boot: self.boot.clone(),
            restarts,
            log: log.map(Path::to_owned),
        };
        let line = serde_json::to_string(&entry)? + "\n";
        match self.entries.iter_mut().find(|known| known.agent == entry.agent) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
        if self.lines > 4 * self.entries.len() + 1000 {
            return self.rewrite();
        }
        self.lines += 1;
        self.journal.write_all(line.as_bytes())
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let fresh = self.dir.join("agents.jsonl.new");
        let mut text = String::new();
        for entry in &self.entries {
            text.push_str(&serde_json::to_string(entry)?);
            text.push('\n');
        }
        fs::write(&fresh, text)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
        fs::rename(&fresh, self.dir.join(JOURNAL))?;
        self.journal = OpenOptions::new().append(true).open(self.dir.join(JOURNAL))?;
        self.lines = self.entries.len();
        Ok(())
    }

    /// Removes the folder, or all of it but the logs.
    pub fn finish(self, keep_logs: bool) {
        if keep_logs {
            for name in [SOCKET, JOURNAL, LOCK] {
                let _ = fs::remove_file(self.dir.join(name));
            }
        } else {
            let _ = remove(&self.dir);
        }
    }
}

/// Makes a folder that only we can use, and refuses one that somebody else prepared.
fn make_private(dir: &Path) -> Result<(), RunDirError> {
    match DirBuilder::new().mode(0o700).recursive(true).create(dir) {
        Ok(()) => is_private(dir),
        Err(error) => Err(RunDirError::System { path: dir.to_owned(), error }),
    }
}

fn is_private(dir: &Path) -> Result<(), RunDirError> {
    let meta = fs::symlink_metadata(dir).map_err(|error| RunDirError::System { path: dir.to_owned(), error })?;
    let refuse = |reason: &str| Err(RunDirError::Unsafe { path: dir.to_owned(), reason: reason.to_owned() });
    if !meta.is_dir() {
        return refuse("is not a folder: remove it");
    }
    if meta.uid() != rustix::process::getuid().as_raw() {
        return refuse("belongs to somebody else: set XDG_RUNTIME_DIR to a folder of yours");
    }
    if meta.permissions().mode() & 0o022 != 0 {
        return refuse("can be written by others: chmod 700 it");
    }
    Ok(())
}
