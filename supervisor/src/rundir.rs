//! The run directory of a bus: lock, control socket, notes, logs. It outlives the supervisor.

use crate::note::{Entry, Notes};
use crate::process::{is_alive, start_ticks};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LOCK: &str = "lock";
const SOCKET: &str = "control.sock";
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
        // One that is taking over has it, and has not said so yet.
        Err(_) => read_holder(&file).filter(Holder::is_alive).map(|holder| holder.pid),
    }
}

/// Whether nobody has a run directory.
pub fn is_free(dir: &Path) -> bool {
    File::open(dir.join(LOCK)).is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockShared).is_ok())
}

/// Who holds a lock, as it has written there.
struct Holder {
    pid: u32,
    start: u64,
}

impl Holder {
    fn is_alive(&self) -> bool {
        is_alive(self.pid, self.start)
    }
}

fn read_holder(mut file: &File) -> Option<Holder> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let (pid, start) = text.lines().next()?.split_once(' ')?;
    Some(Holder { pid: pid.parse().ok()?, start: start.parse().ok()? })
}

/// All run directories that are not in somebody else's hands.
pub fn all() -> Vec<PathBuf> {
    let dirs = bases().into_iter().filter_map(|base| fs::read_dir(base).ok()).flatten().flatten();
    dirs.map(|entry| entry.path()).filter(|dir| dir.join(LOCK).exists() && is_private(dir).is_ok()).collect()
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
    #[error(
        "the bus {bus} has a supervisor (pid {pid}): stop it first with `swarmbus down {bus}`, or wait for its end with --standby"
    )]
    Supervised {
        /// The bus.
        bus: String,
        /// The supervisor.
        pid: u32,
    },
    /// The lock is held, and not by a supervisor that lives.
    #[error("{path} is locked, and not by a supervisor that lives: look who has it open (fuser -v {path})", path = path.display())]
    Held {
        /// The bus.
        bus: String,
        /// The lock.
        path: PathBuf,
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

/// The lock of a run directory. The kernel lets go of it when its holder dies, wherever that was: so one alone has it, and whoever is
/// killed while taking over leaves it free for the next.
#[derive(Debug)]
pub struct Claim {
    dir: PathBuf,
    lock: File,
}

/// For how long somebody may have the lock who is no supervisor: one who only looks, or a child on its way to its program.
const LOOK_WITHIN: Duration = Duration::from_secs(5);

impl Claim {
    /// Makes and locks the run directory of a bus.
    pub fn take(bus: &str) -> Result<Claim, RunDirError> {
        let base = bases().swap_remove(0);
        make_private(&base)?;
        let dir = base.join(bus);
        let begun = Instant::now();
        loop {
            make_private(&dir)?;
            let path = dir.join(LOCK);
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let lock = options.open(&path).map_err(|error| RunDirError::System { path: path.clone(), error })?;
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => match Claim::of(&dir, lock)? {
                    Some(claim) => return Ok(claim),
                    // The one who held it before has removed the folder between our open and our lock.
                    None => continue,
                },
                Err(_) => match read_holder(&lock).filter(Holder::is_alive) {
                    Some(holder) => return Err(RunDirError::Supervised { bus: bus.to_owned(), pid: holder.pid }),
                    None if begun.elapsed() < LOOK_WITHIN => std::thread::sleep(Duration::from_millis(2)),
                    None => return Err(RunDirError::Held { bus: bus.to_owned(), path }),
                },
            }
        }
    }

    /// Locks a run directory that is there, if nobody has it.
    pub fn try_take(dir: &Path) -> Result<Option<Claim>, RunDirError> {
        let path = dir.join(LOCK);
        let Ok(lock) = OpenOptions::new().read(true).write(true).open(&path) else { return Ok(None) };
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Claim::of(dir, lock),
            Err(_) => Ok(None),
        }
    }

    /// Waits until the supervisor of a bus is gone and locks its run directory. `None`: it has ended as it should, and nothing
    /// is left. Of several who wait one gets it; the others go on waiting for that one.
    pub fn wait(dir: &Path) -> Result<Option<Claim>, RunDirError> {
        let path = dir.join(LOCK);
        let lock = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RunDirError::System { path, error }),
        };
        loop {
            match flock(&lock, FlockOperation::LockExclusive) {
                Ok(()) => return Claim::of(dir, lock),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(RunDirError::System { path, error: error.into() }),
            }
        }
    }

    /// Whether the file that was locked is the one that has the name.
    fn of(dir: &Path, lock: File) -> Result<Option<Claim>, RunDirError> {
        let same = |named: fs::Metadata| lock.metadata().is_ok_and(|ours| named.ino() == ours.ino());
        if !fs::metadata(dir.join(LOCK)).is_ok_and(same) {
            return Ok(None);
        }
        is_private(dir)?;
        Ok(Some(Claim { dir: dir.to_owned(), lock }))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Begins a run: what an earlier one has left is removed.
    pub fn begin(self) -> io::Result<RunDir> {
        for entry in fs::read_dir(&self.dir)?.flatten() {
            if entry.file_name() != LOCK {
                fs::remove_file(entry.path())?;
            }
        }
        self.go_on(Vec::new())
    }

    /// Goes on with a run of which these agents are known. From here on others are told that it is ours.
    pub fn go_on(self, entries: Vec<Entry>) -> io::Result<RunDir> {
        let pid = std::process::id();
        let line = format!("{pid} {}\n", start_ticks(pid).unwrap_or(0));
        // The line is there as a whole before what was behind it goes.
        self.lock.write_all_at(line.as_bytes(), 0)?;
        self.lock.set_len(line.len() as u64)?;
        let notes = Notes::begin(&self.dir, entries)?;
        Ok(RunDir { dir: self.dir, notes, _lock: self.lock })
    }

    /// Removes what a run has left that nobody goes on with.
    pub fn clear(self, keep_logs: bool) {
        clear(&self.dir, keep_logs);
    }
}

/// A run directory that this supervisor holds.
#[derive(Debug)]
pub struct RunDir {
    dir: PathBuf,
    /// What others and a successor are to know.
    pub notes: Notes,
    _lock: File,
}

impl RunDir {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Where the control socket is to be.
    pub fn socket(&self) -> PathBuf {
        socket(&self.dir)
    }

    /// Removes the folder, or all of it but the logs.
    pub fn finish(self, keep_logs: bool) {
        clear(&self.dir, keep_logs);
    }
}

/// The lock goes last but for the folder: as long as it is there, whoever comes finds a run that is to be cleared away.
fn clear(dir: &Path, keep_logs: bool) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let stays = path.ends_with(LOCK) || keep_logs && is_told(&path);
        if !stays {
            let _ = fs::remove_file(path);
        }
    }
    let _ = fs::remove_file(dir.join(LOCK));
    if !keep_logs {
        let _ = remove(dir);
    }
}

/// Whether a file tells what happened: an agent's log, what was rotated of it, or the events.
fn is_told(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".log") || name.contains(".log.") || name.starts_with(EVENTS)
}

/// Whether somebody wrote something that is worth keeping.
pub fn has_logs(dir: &Path) -> bool {
    let is_log = |path: PathBuf| path.extension().is_some_and(|ext| ext == "log");
    fs::read_dir(dir).is_ok_and(|entries| {
        entries.flatten().any(|entry| is_log(entry.path()) && entry.metadata().is_ok_and(|meta| meta.len() > 0))
    })
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
