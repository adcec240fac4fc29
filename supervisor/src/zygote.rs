//! The supervisor's side of a zygote: a Python process that has imported what a pool needs, and forks its agents on request.

use crate::config::Launch;
use crate::process::Asked;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// The program that a zygote runs.
const PROGRAM: &str = include_str!("zygote.py");

/// A Python command taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonCommand {
    /// Options of the interpreter.
    pub options: Vec<String>,
    /// `script` or `module`, and which.
    pub target: (&'static str, String),
    /// What the program itself is given.
    pub args: Vec<String>,
}

impl PythonCommand {
    /// Takes the arguments of an interpreter apart. `None`: there is neither a script nor a module.
    pub fn parse(args: &[String]) -> Option<PythonCommand> {
        let mut options = Vec::new();
        let mut rest = args.iter();
        while let Some(word) = rest.next() {
            let (target, args) = match word.as_str() {
                "-m" => (("module", rest.next()?.clone()), rest.cloned().collect()),
                "-X" | "-W" => {
                    options.extend([word.clone(), rest.next()?.clone()]);
                    continue;
                }
                "-" | "-c" => return None,
                option if option.starts_with('-') => {
                    options.push(word.clone());
                    continue;
                }
                _ => (("script", word.clone()), rest.cloned().collect()),
            };
            return Some(PythonCommand { options, target, args });
        }
        None
    }
}

/// Whether a program is a Python interpreter, by its name.
pub fn is_python(program: &str) -> bool {
    program.rsplit('/').next().is_some_and(|name| name.starts_with("python") || name.starts_with("pypy"))
}

/// An agent that is asked for.
#[derive(Debug, Serialize)]
pub struct Wanted {
    /// Its slot.
    pub slot: usize,
    /// What its program is given.
    pub args: Vec<String>,
    /// Variables to set or to take away.
    pub env: Vec<(String, Option<String>)>,
    /// Where its output goes.
    pub log: PathBuf,
}

/// What a zygote says.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Report {
    /// An agent was forked.
    Forked {
        /// Its slot.
        slot: usize,
        /// Its process.
        pid: u32,
    },
    /// An agent could not be forked.
    Refused {
        /// Its slot.
        slot: usize,
        /// Why.
        error: String,
    },
    /// Everything is imported.
    Ready {
        /// How many threads it has; what others than the first did is lost in agents.
        threads: usize,
    },
}

impl Report {
    /// The slot that it is about.
    pub fn slot(&self) -> Option<usize> {
        match self {
            Report::Forked { slot, .. } | Report::Refused { slot, .. } => Some(*slot),
            Report::Ready { .. } => None,
        }
    }
}

/// A zygote.
#[derive(Debug)]
pub struct Zygote {
    child: Child,
    stream: UnixStream,
    heard: Vec<u8>,
    to_say: Vec<u8>,
    /// Slots that were asked for and not yet reported, and when.
    pub asked: BTreeMap<usize, Asked>,
}

impl Zygote {
    /// Starts one: `launch` is that of an agent of the pool, of which only what they have in common is used. `at` is the folder for the
    /// program that it runs.
    pub fn start(
        launch: &Launch,
        pool: &str,
        preload: &[String],
        (dir, at, log): (&Path, &Path, &Path),
    ) -> io::Result<Zygote> {
        let python = PythonCommand::parse(&launch.args)
            .ok_or_else(|| io::Error::other("the command names neither a script nor a module"))?;
        let program = at.join("zygote.py");
        std::fs::write(&program, PROGRAM)?;
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(log)?;
        let mut command = Launch { args: Vec::new(), ..launch.clone() }.command(dir);
        command.args(&python.options).arg(program).args([python.target.0, &python.target.1]).args(preload);
        for own in ["SWARMBUS_AGENT", "SWARMBUS_INDEX"] {
            command.env_remove(own);
        }
        command.env("SWARMBUS_ZYGOTE", pool);
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn()?;
        Ok(Zygote { child, stream: ours, heard: Vec::new(), to_say: Vec::new(), asked: BTreeMap::new() })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What is to be watched.
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Whether there is something left to say.
    pub fn has_more_to_say(&self) -> bool {
        !self.to_say.is_empty()
    }

    /// Asks for agents now.
    pub fn ask(&mut self, wanted: &[Wanted], asked: &[Asked]) -> io::Result<()> {
        serde_json::to_writer(&mut self.to_say, wanted)?;
        self.to_say.push(b'\n');
        self.asked.extend(wanted.iter().map(|agent| agent.slot).zip(asked.iter().copied()));
        self.say()
    }

    /// Says what there is room for.
    pub fn say(&mut self) -> io::Result<()> {
        while !self.to_say.is_empty() {
            match self.stream.write(&self.to_say) {
                Ok(written) => drop(self.to_say.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What it has reported by now, and whether it is still there.
    pub fn hear(&mut self) -> (Vec<Report>, bool) {
        let mut bytes = [0; 16 << 10];
        let alive = loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => break false,
                Ok(read) => self.heard.extend_from_slice(&bytes[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
        };
        let mut reports = Vec::new();
        while let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            reports.extend(serde_json::from_slice::<Report>(&line).ok());
        }
        (reports, alive)
    }
}

impl Drop for Zygote {
    /// Its agents are not its children, and go on.
    fn drop(&mut self) {
        crate::process::signal_group(self.child.id(), Signal::KILL);
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Option<PythonCommand> {
        PythonCommand::parse(&words.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn interpreters_and_programs_have_options_of_their_own() {
        let script = parse("-u -X dev worker.py -v 3").unwrap();
        assert_eq!(script.options, ["-u", "-X", "dev"]);
        assert_eq!((script.target, script.args.join(" ")), (("script", "worker.py".into()), "-v 3".into()));
        let module = parse("-m pkg.worker -m x").unwrap();
        assert_eq!((module.target, module.args.join(" ")), (("module", "pkg.worker".into()), "-m x".into()));
        for none in ["-c pass", "-", "-u", "-m", "-X"] {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    #[test]
    fn interpreters_are_known_by_name() {
        assert!(is_python("python3") && is_python("/opt/venv/bin/python3.12"));
        assert!(!is_python("sh") && !is_python("/opt/python/run"));
    }
}
