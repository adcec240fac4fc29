//! Rotation of the files that agents write to, under their open descriptors.
//!
//! An agent keeps the descriptor that it was started with, so its file stays what it is: what stands in it is copied to `NAME.log.1` (what was there
//! becomes `NAME.log.2`, and so on) and taken out at the front. File systems that can cut off a beginning (ext4, XFS) lose nothing by that. On others
//! the file is cut to nothing once all of it has been copied; what is written between the last look at its length and the cut, a few microseconds, is
//! lost. Descriptors append (`O_APPEND`), so the next line stands at the new end.
//!
//! The copy is complete before anything is cut, and gets its name afterwards: a supervisor that is killed in between leaves lines twice, and loses none.

use rustix::fs::{FallocateFlags, fallocate, ftruncate};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// `[log]`: when files are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// A file that is as long is rotated; 0: none ever is.
    pub size: u64,
    /// How many earlier files are kept.
    pub count: u32,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { size: 4 << 20, count: 1 }
    }
}

/// How often lengths are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(4);

/// The earlier files of a log: `1` is the youngest.
pub fn archive(log: &Path, number: u32) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Moves what stands in a log into its first archive. The answer is how many bytes that were.
///
/// # Errors
/// The log is as it was if it could not be copied.
pub fn rotate(log: &Path, count: u32) -> io::Result<u64> {
    let file = OpenOptions::new().read(true).write(true).open(log)?;
    let next = {
        let mut name = log.as_os_str().to_owned();
        name.push(".next");
        PathBuf::from(name)
    };
    // A rotation that broke off: what it copied may be gone from the log.
    if next.exists() {
        shift(log, count)?;
        fs::rename(&next, archive(log, 1))?;
    }
    if count == 0 {
        let length = file.metadata()?.len();
        ftruncate(&file, 0)?;
        return Ok(length);
    }
    let moved = match cut_front(&file, &next) {
        Ok(moved) => moved,
        Err(error) => {
            let _ = fs::remove_file(&next);
            return Err(error);
        }
    };
    shift(log, count)?;
    fs::rename(&next, archive(log, 1))?;
    Ok(moved)
}

/// Copies a log to `next` and takes out of it what was copied.
fn cut_front(file: &File, next: &Path) -> io::Result<u64> {
    let mut copy = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(next)?;
    let meta = file.metadata()?;
    let block = meta.blksize().max(1);
    // A file may lose whole blocks at its front, and not its last one.
    let front = meta.len().saturating_sub(1) / block * block;
    let mut reader = file;
    reader.seek(SeekFrom::Start(0))?;
    let mut copied = io::copy(&mut reader.take(front), &mut copy)?;
    if copied == front && front > 0 && fallocate(file, FallocateFlags::COLLAPSE_RANGE, 0, front).is_ok() {
        return Ok(front);
    }
    loop {
        copied += io::copy(&mut reader, &mut copy)?;
        if file.metadata()?.len() <= copied {
            ftruncate(file, 0)?;
            return Ok(copied);
        }
    }
}

/// Makes room for another first archive; the last one goes.
fn shift(log: &Path, count: u32) -> io::Result<()> {
    for number in (1..count.max(1)).rev() {
        match fs::rename(archive(log, number), archive(log, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[derive(Debug)]
struct Shared {
    plan: Plan,
    logs: BTreeSet<PathBuf>,
    /// Logs that could not be rotated, each told once.
    failing: BTreeSet<PathBuf>,
    untold: Vec<String>,
    over: bool,
}

/// Rotates logs in a thread of its own, so that nobody waits for a copy.
#[derive(Debug)]
pub struct Rotator {
    shared: Arc<(Mutex<Shared>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rotator {
    /// Begins, with nothing to look after.
    ///
    /// # Errors
    /// There can be no further thread.
    pub fn start(plan: Plan) -> io::Result<Rotator> {
        let (logs, failing, untold) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        let shared = Arc::new((Mutex::new(Shared { plan, logs, failing, untold, over: false }), Condvar::new()));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("logs".into()).spawn(move || look_after(&theirs))?;
        Ok(Rotator { shared, thread: Some(thread) })
    }

    /// Looks after this log as well.
    pub fn watch(&self, log: &Path) {
        let mut shared = lock(&self.shared.0);
        if !shared.logs.contains(log) {
            shared.logs.insert(log.to_owned());
        }
    }

    /// From now on as this plan says.
    pub fn set(&self, plan: Plan) {
        lock(&self.shared.0).plan = plan;
    }

    /// What went wrong since somebody asked.
    pub fn complaints(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.shared.0).untold)
    }
}

impl Drop for Rotator {
    fn drop(&mut self) {
        lock(&self.shared.0).over = true;
        self.shared.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn look_after((shared, woken): &(Mutex<Shared>, Condvar)) {
    let mut state = lock(shared);
    while !state.over {
        let (plan, logs) = (state.plan, state.logs.clone());
        drop(state);
        for log in logs.iter().filter(|_| plan.size > 0) {
            let is_long = fs::metadata(log).is_ok_and(|meta| meta.len() >= plan.size);
            let rotated = if is_long { rotate(log, plan.count).map(drop) } else { continue };
            let mut state = lock(shared);
            match rotated {
                Ok(()) => drop(state.failing.remove(log)),
                Err(error) if state.failing.insert(log.clone()) => {
                    let text = format!("{} grows on: it cannot be rotated: {error}", log.display());
                    state.untold.push(text);
                }
                Err(_) => {}
            }
            if state.over {
                return;
            }
        }
        state = lock(shared);
        if !state.over {
            state = woken.wait_timeout(state, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Reads the end of a log, at most so many bytes, and of its first archive what is missing to as many.
pub fn end_of(log: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut left = bytes_max;
    for path in [log.to_owned(), archive(log, 1)] {
        let Ok(mut file) = File::open(&path) else { break };
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(left)))?;
        let mut part = Vec::new();
        file.take(left).read_to_end(&mut part)?;
        left -= part.len() as u64;
        parts.push(part);
    }
    Ok(parts.into_iter().rev().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn appender(log: &Path) -> File {
        OpenOptions::new().append(true).create(true).open(log).unwrap()
    }

    /// All that is there of a log, oldest first.
    fn all(log: &Path) -> String {
        let archives = (1..=9).rev().map(|number| archive(log, number));
        archives.chain([log.to_owned()]).filter_map(|path| fs::read_to_string(path).ok()).collect()
    }

    fn rotates_under_an_open_descriptor(dir: &Path) {
        let log = dir.join("a-1.log");
        let mut agent = appender(&log);
        let mut said = String::new();
        for turn in 0..4 {
            for number in 0..2000 {
                let line = format!("turn {turn}, line {number}\n");
                agent.write_all(line.as_bytes()).unwrap();
                said.push_str(&line);
            }
            let before = fs::metadata(&log).unwrap().len();
            let moved = rotate(&log, 9).unwrap();
            assert!(moved > 0 && fs::metadata(&log).unwrap().len() == before - moved);
            assert!(all(&log) == said, "something is lost or twice after turn {turn}");
        }
        assert!(fs::metadata(&log).unwrap().len() < 10_000, "the descriptor writes where the file ended before");
    }

    #[test]
    fn nothing_is_lost_while_nobody_writes() {
        rotates_under_an_open_descriptor(tempfile::tempdir().unwrap().path());
        // Another kind of file system, where a beginning cannot be cut off.
        rotates_under_an_open_descriptor(tempfile::tempdir_in("/dev/shm").unwrap().path());
    }

    #[test]
    fn the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("a-1.log");
        for number in 0..5 {
            // Longer than a block, so that something is moved on every file system.
            fs::write(&log, format!("{number}").repeat(10_000)).unwrap();
            rotate(&log, 2).unwrap();
        }
        assert!(archive(&log, 2).exists() && !archive(&log, 3).exists());
        assert!(fs::read_to_string(archive(&log, 1)).unwrap().starts_with('4'));
        rotate(&log, 0).unwrap();
        assert_eq!(fs::metadata(&log).unwrap().len(), 0);
    }

    #[test]
    fn what_a_killed_supervisor_had_copied_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("a-1.log");
        fs::write(dir.path().join("a-1.log.next"), "copied and cut\n").unwrap();
        fs::write(&log, "written since\n".repeat(1000)).unwrap();
        rotate(&log, 3).unwrap();
        assert_eq!(all(&log), format!("copied and cut\n{}", "written since\n".repeat(1000)));
    }

    #[test]
    fn a_log_that_cannot_be_rotated_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("a-1.log");
        fs::write(&log, "x".repeat(100)).unwrap();
        // The name of its archive is taken by a folder with something in it.
        fs::create_dir_all(archive(&log, 1).join("full")).unwrap();
        let rotator = Rotator::start(Plan { size: 10, count: 1 }).unwrap();
        rotator.watch(&log);
        rotator.shared.1.notify_all();
        let mut told = Vec::new();
        while told.is_empty() {
            std::thread::sleep(Duration::from_millis(20));
            rotator.shared.1.notify_all();
            told = rotator.complaints();
        }
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("a-1.log"), "{told:?}");
    }

    #[test]
    fn the_end_goes_back_into_the_archive() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("a-1.log");
        fs::write(archive(&log, 1), "one\ntwo\n").unwrap();
        fs::write(&log, "three\n").unwrap();
        assert_eq!(end_of(&log, 10).unwrap(), b"two\nthree\n");
        assert_eq!(end_of(&log, 100).unwrap(), b"one\ntwo\nthree\n");
    }
}
