//! When an agent counts as ready, for those that wait for it; looked at only while somebody waits.

use crate::config::Template;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// When an agent is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Its process, or a child of it, is on the bus under its name.
    Bus,
    /// As soon as it has been started.
    Start,
    /// It says `READY=1` on the socket that `NOTIFY_SOCKET` names, as systemd's services do.
    Notify,
    /// It has written this.
    Log(String),
    /// This command, run again and again, has exited with 0.
    Exec(Vec<Template>),
}

/// The ways that have no details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Plain {
    /// Its process, or a child of it, is on the bus under its name.
    Bus,
    /// As soon as it has been started.
    Start,
    /// It says `READY=1` on the socket that `NOTIFY_SOCKET` names.
    Notify,
}

/// How often is looked.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long after a failed command it is run again.
const EXEC_EVERY: Duration = Duration::from_millis(200);

/// What is known of one process that is not ready yet.
#[derive(Debug)]
pub enum Probe {
    /// The socket that it is to say it on.
    Notify(UnixDatagram, PathBuf),
    /// How far its output was read, and the end of that, in which the text may have begun.
    Log(u64, Vec<u8>),
    /// The command that runs, and when it is to run again.
    Exec(Option<Child>, Duration),
}

impl Probe {
    /// A socket for one agent.
    pub fn notify(path: PathBuf) -> io::Result<Probe> {
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path)?;
        socket.set_nonblocking(true)?;
        Ok(Probe::Notify(socket, path))
    }

    /// Whether it has said so by now.
    pub fn is_notified(&self) -> bool {
        let Probe::Notify(socket, _) = self else { return false };
        let mut bytes = [0; 4096];
        while let Ok(length) = socket.recv(&mut bytes) {
            if bytes[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                return true;
            }
        }
        false
    }

    /// Whether the text stands in what was written by now.
    pub fn is_written(&mut self, log: &Path, wanted: &str) -> bool {
        let Probe::Log(from, rest) = self else { return false };
        let mut bytes = Vec::new();
        let read = File::open(log).and_then(|mut file| {
            // A log that is shorter than before was rotated.
            if file.metadata()?.len() < *from {
                *from = 0;
            }
            file.seek(SeekFrom::Start(*from))?;
            file.take(1 << 20).read_to_end(&mut bytes)
        });
        *from += read.unwrap_or(0) as u64;
        rest.extend_from_slice(&bytes);
        let found = rest.windows(wanted.len()).any(|window| window == wanted.as_bytes());
        rest.drain(..rest.len().saturating_sub(wanted.len()));
        found
    }

    /// Whether the command has succeeded by now; runs it again if it has not.
    pub fn has_succeeded(&mut self, now: Duration, command: impl FnOnce() -> Option<Command>) -> bool {
        let Probe::Exec(child, again) = self else { return false };
        match child.as_mut().map(Child::try_wait) {
            Some(Ok(None)) => return false,
            Some(Ok(Some(status))) => {
                *child = None;
                *again = now + EXEC_EVERY;
                return status.success();
            }
            Some(Err(_)) | None => {}
        }
        if now >= *again {
            *again = now + EXEC_EVERY;
            *child = command().and_then(|mut command| {
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
            });
        }
        false
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        match self {
            Probe::Notify(_, path) => {
                let _ = std::fs::remove_file(path);
            }
            Probe::Exec(Some(child), _) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            Probe::Exec(None, _) | Probe::Log(..) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_comes_in_pieces_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("a.log");
        let mut probe = Probe::Log(4, Vec::new());
        std::fs::write(&log, "listening\nlist").unwrap();
        assert!(!probe.is_written(&log, "listening"));
        std::fs::write(&log, "listening\nlistening\n").unwrap();
        assert!(probe.is_written(&log, "listening"));
    }

    #[test]
    fn only_the_word_ready_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n.sock");
        let probe = Probe::notify(path.clone()).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"STATUS=READY=1 soon\nREADY=11", &path).unwrap();
        assert!(!probe.is_notified());
        sender.send_to(b"STATUS=here\nREADY=1", &path).unwrap();
        assert!(probe.is_notified());
        drop(probe);
        assert!(!path.exists());
    }
}
