//! Reading a file that grows, across its rotations: each line once, in order.

use std::fs::{File, Metadata, metadata};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use swarmbus_supervisor::rotate::{archive, end_of};

/// Looked at from the end of a file for its last lines.
const LAST_BYTES: u64 = 256 << 10;

/// Looks at a file that has become shorter without a new archive, before it counts as begun anew.
const PATIENCE: u32 = 5;

/// What tells an archive from the one that has its name later.
type Key = (u64, i64, i64);

/// A file, how far it was read, and what of its last line is there.
pub struct Tail {
    path: PathBuf,
    at: u64,
    rest: Vec<u8>,
    /// The first archive at the last look.
    archive: Option<Key>,
    /// The file as it was last seen, for when its name is gone.
    file: Option<File>,
    waited: u32,
}

impl Tail {
    /// A file that is read from the start of its oldest archive.
    pub fn from_the_start(path: PathBuf) -> Tail {
        Tail { path, at: 0, rest: Vec::new(), archive: None, file: None, waited: 0 }
    }

    /// A file of which `count` lines are wanted that are there, and all that come. The answer are these lines.
    pub fn from_the_end(path: PathBuf, count: usize) -> (Tail, Vec<String>) {
        let mut tail = Tail::from_the_start(path);
        // A rotation in between would count lines twice, or not at all.
        let mut bytes = Vec::new();
        for _ in 0..PATIENCE {
            tail.archive = tail.keys().first().copied();
            bytes = end_of(&tail.path, LAST_BYTES).unwrap_or_default();
            tail.at = metadata(&tail.path).map_or(0, |meta| meta.len());
            if tail.archive == tail.keys().first().copied() {
                break;
            }
        }
        let all = bytes.len() as u64 >= LAST_BYTES;
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        tail.rest = bytes.split_off(end);
        let lines = clean(&bytes);
        // The first one may be a part.
        let lines = if all && !lines.is_empty() { &lines[1..] } else { &lines };
        (tail, lines[lines.len().saturating_sub(count)..].to_vec())
    }

    /// The lines that have been completed since the last look.
    pub fn more(&mut self) -> Vec<String> {
        let keys = self.keys();
        let known = self.archive.and_then(|key| keys.iter().position(|one| *one == key));
        // Archives that were made since; without one that is known all of them.
        let fresh = known.unwrap_or(keys.len());
        // One that was known and is there no more was followed by others: what is there is all new. Where none is there, the folder has gone.
        let is_lost = self.archive.is_some() && known.is_none() && !keys.is_empty();
        let (mut at, mut bytes) = (if is_lost { 0 } else { self.at }, Vec::new());
        for number in (1..=fresh as u32).rev() {
            at = read(File::open(archive(&self.path, number)).ok().as_mut(), at, &mut bytes);
        }
        if let Ok(file) = File::open(&self.path) {
            self.file = Some(file);
        }
        let length = self.file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |meta| meta.len());
        if length < at {
            // Either a rotation is under way, and its archive has no name yet, or somebody has emptied the file.
            self.waited += 1;
            if self.waited < PATIENCE {
                return Vec::new();
            }
            at = 0;
        }
        let begin = at;
        let mut live = Vec::new();
        read(self.file.as_mut(), at, &mut live);
        // What was read while archives were moved about may be anything: it is read again.
        if self.keys() != keys {
            return Vec::new();
        }
        self.waited = 0;
        self.at = begin + live.len() as u64;
        self.archive = keys.first().copied();
        self.rest.append(&mut bytes);
        self.rest.append(&mut live);
        let end = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let whole: Vec<u8> = self.rest.drain(..end).collect();
        clean(&whole)
    }

    /// The archives that there are, the youngest first.
    fn keys(&self) -> Vec<Key> {
        let key = |meta: Metadata| (meta.ino(), meta.mtime(), meta.mtime_nsec());
        (1..).map_while(|number| metadata(archive(&self.path, number)).ok().map(key)).collect()
    }
}

/// Reads from `at` on; the answer is where that is in what follows this file.
fn read(file: Option<&mut File>, at: u64, bytes: &mut Vec<u8>) -> u64 {
    let Some(file) = file else { return at };
    let length = file.metadata().map_or(0, |meta| meta.len());
    if at >= length {
        return at - length;
    }
    let _ = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_to_end(bytes));
    0
}

/// Lines without control characters, which would play with the terminal.
fn clean(bytes: &[u8]) -> Vec<String> {
    let printable = |line: &str| line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
    String::from_utf8_lossy(bytes).lines().map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use swarmbus_supervisor::rotate::rotate;

    fn follows_across_rotations(dir: &std::path::Path) {
        let log = dir.join("a-1.log");
        let mut agent = std::fs::OpenOptions::new().append(true).create(true).open(&log).unwrap();
        let mut tail = Tail::from_the_start(log.clone());
        let (mut said, mut heard) = (Vec::new(), Vec::new());
        for turn in 0..60 {
            for number in 0..turn * 7 {
                let line = format!("turn {turn}, line {number} of them, with more words to fill it");
                writeln!(agent, "{line}").unwrap();
                said.push(line);
            }
            // Every third one twice between two looks.
            if turn % 4 == 1 || turn % 3 == 0 {
                rotate(&log, 4).unwrap();
            }
            if turn % 3 != 2 {
                heard.extend(tail.more());
            }
        }
        heard.extend(tail.more());
        assert!(heard == said, "{} lines of {}", heard.len(), said.len());
    }

    #[test]
    fn each_line_is_read_once_across_rotations() {
        follows_across_rotations(tempfile::tempdir().unwrap().path());
        follows_across_rotations(tempfile::tempdir_in("/dev/shm").unwrap().path());
    }

    #[test]
    fn the_last_lines_come_from_the_archive_too() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("a-1.log");
        std::fs::write(archive(&log, 1), "one\ntwo\n").unwrap();
        std::fs::write(&log, "three\nfo").unwrap();
        let (mut tail, lines) = Tail::from_the_end(log.clone(), 2);
        assert_eq!(lines, ["two", "three"]);
        let mut agent = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
        writeln!(agent, "ur\x1b[2J").unwrap();
        assert_eq!(tail.more(), ["four[2J"]);
    }

    #[test]
    fn a_file_that_somebody_emptied_is_read_from_its_start() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("a-1.log");
        std::fs::write(&log, "one\ntwo\n").unwrap();
        let mut tail = Tail::from_the_start(log.clone());
        assert_eq!(tail.more(), ["one", "two"]);
        std::fs::write(&log, "new\n").unwrap();
        let lines: Vec<String> = (0..PATIENCE).flat_map(|_| tail.more()).collect();
        assert_eq!(lines, ["new"]);
    }

    #[test]
    fn what_was_written_before_a_file_was_removed_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("events.jsonl");
        std::fs::write(&log, "one\n").unwrap();
        let mut tail = Tail::from_the_start(log.clone());
        assert_eq!(tail.more(), ["one"]);
        let mut writer = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
        writeln!(writer, "two").unwrap();
        std::fs::remove_file(&log).unwrap();
        assert_eq!(tail.more(), ["two"]);
    }
}
