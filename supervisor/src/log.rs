//! The end of an agent's log, for a report of its failure.

use crate::rotate::end_of;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Lines shown.
const LINES_MAX: usize = 8;

/// Bytes looked at.
const BYTES_MAX: u64 = 4096;

/// Characters shown of one line.
const LINE_MAX: usize = 200;

/// The last lines written since `from`, with control characters taken out, since they go to a terminal.
pub fn tail(path: &Path, from: u64) -> Vec<String> {
    read(path, from).map(|bytes| lines(&bytes)).unwrap_or_default()
}

fn read(path: &Path, from: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let end = file.metadata()?.len();
    if end < from {
        // Rotated since.
        return end_of(path, BYTES_MAX);
    }
    file.seek(SeekFrom::Start(from.max(end.saturating_sub(BYTES_MAX))))?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let printable = |line: &str| {
        let line = line.replace('\t', "    ");
        line.chars().filter(|c| !c.is_control()).take(LINE_MAX).collect::<String>().trim_end().to_owned()
    };
    let all: Vec<String> = text.lines().map(printable).filter(|line| !line.is_empty()).collect();
    all[all.len().saturating_sub(LINES_MAX)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_of_this_life_are_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let old = "an earlier life\n";
        let new: String = (0..20).map(|n| format!("line {n}\n")).collect();
        std::fs::write(&path, format!("{old}{new}")).unwrap();
        let shown = tail(&path, old.len() as u64);
        assert_eq!(shown.len(), LINES_MAX);
        assert_eq!(shown.last().map(String::as_str), Some("line 19"));
        std::fs::write(&path, format!("{old}only\n")).unwrap();
        assert_eq!(tail(&path, old.len() as u64), ["only"]);
    }

    #[test]
    fn a_terminal_is_not_played_with() {
        assert_eq!(lines(b"\x1b[31mred\x07\r\n\xff\n\n"), ["[31mred", "\u{fffd}"]);
    }

    #[test]
    fn a_missing_log_has_no_lines() {
        assert!(tail(Path::new("/no/such/log"), 0).is_empty());
    }
}
