//! Looks as lines of JSON in a file that is rotated.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// `FILE`, and the older `FILE.1`, `FILE.2`, … up to `FILE.<keep>`.
pub struct Lines {
    path: PathBuf,
    file: File,
    bytes: u64,
    rotate_at: u64,
    keep: u32,
}

impl Lines {
    /// Goes on with a file, or begins it.
    pub fn open(path: &Path, rotate_at: u64, keep: u32) -> io::Result<Lines> {
        let file = append(path)?;
        let bytes = file.metadata()?.len();
        Ok(Lines { path: path.to_owned(), file, bytes, rotate_at, keep })
    }

    /// Adds a line. One that would make the file too long begins the next; a line is never parted.
    pub fn add(&mut self, line: &str) -> io::Result<()> {
        let bytes = line.len() as u64 + 1;
        if self.bytes > 0 && self.bytes + bytes > self.rotate_at {
            self.rotate()?;
        }
        self.file.write_all(format!("{line}\n").as_bytes())?;
        self.bytes += bytes;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.keep == 0 {
            fs::remove_file(&self.path)?;
        }
        for number in (0..self.keep).rev() {
            match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = append(&self.path)?;
        self.bytes = 0;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        if number > 0 {
            path.push(format!(".{number}"));
        }
        path.into()
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_files_are_kept_for_a_while() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("metrics.jsonl");
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).ok();
        for line in ["first", "second", "third", "fourth"] {
            Lines::open(&path, 13, 1).and_then(|mut lines| lines.add(line)).expect("a line is written");
        }
        assert_eq!(read("metrics.jsonl").as_deref(), Some("third\nfourth\n"));
        assert_eq!(read("metrics.jsonl.1").as_deref(), Some("first\nsecond\n"));
        let mut lines = Lines::open(&path, 13, 1).expect("the file is there");
        lines.add("a line that is longer than a file may be").expect("a line is written");
        lines.add("next").expect("a line is written");
        assert_eq!(read("metrics.jsonl").as_deref(), Some("next\n"));
        assert_eq!((read("metrics.jsonl.1").map(|text| text.len()), read("metrics.jsonl.2")), (Some(41), None));
    }
}
