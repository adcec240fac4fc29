//! What is noted in the run directory, for whoever looks when the supervisor is dead, and for its successor.
//!
//! `run.json` tells of the run as a whole: written beside and renamed, so that it is there as a whole or as it was before. `agents.jsonl`
//! has a line for each change of an agent; the last one counts. All times are counted from the beginning of the run, for successors
//! as well, so what was noted means the same to them.

use crate::config::{LoadError, Overrides, Topology};
use crate::drain::Drain;
use crate::ending::Ending;
use crate::exit::Exit;
use crate::pool::State;
use crate::process::{boot_id, is_alive};
use crate::restart::History;
use crate::stop::Stop;
use crate::tally::Tally;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The run as a whole.
pub const RUN: &str = "run.json";

/// The agents.
pub const JOURNAL: &str = "agents.jsonl";

/// When a run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beginning {
    /// By the clock that counts from the boot.
    pub since_boot: Duration,
    /// In seconds since 1970, to tell the bus of this run from an older one.
    pub unix_s: u64,
}

impl Beginning {
    /// Now.
    pub fn now() -> Beginning {
        let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Beginning { since_boot: since_boot(), unix_s }
    }

    /// As this process counts.
    pub fn instant(&self) -> Instant {
        let now = Instant::now();
        now.checked_sub(since_boot().saturating_sub(self.since_boot)).unwrap_or(now)
    }
}

fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// The run as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunNote {
    /// The bus.
    pub bus: String,
    /// Whether the bus is to stay when the run ends.
    pub keep: bool,
    /// The boot.
    pub boot: String,
    /// When it began.
    pub begun: Beginning,
    /// The file it was started from.
    pub file: PathBuf,
    /// The folder in which commands run.
    pub dir: PathBuf,
    /// What the command line said.
    pub overrides: Overrides,
    /// The text of the file when it was last read.
    pub text: String,
    /// How many agents each pool is to have now; not as the file says after a `scale`.
    pub sizes: BTreeMap<String, u32>,
    /// Agents that were stopped under pressure, by pool.
    pub shed: BTreeMap<String, Vec<String>>,
    /// Whether all agents were there once.
    pub announced: bool,
    /// Messages that went back to their queues because their holder died.
    pub redelivered: u64,
    /// Why it ends, if it does.
    pub ending: Option<Ending>,
    /// How far its end is.
    pub drain: Option<Drain>,
    /// What the end has done so far.
    pub tally: Option<Tally>,
}

impl RunNote {
    /// What a supervisor of this boot has noted in a run directory.
    pub fn read(dir: &Path) -> Option<RunNote> {
        let text = fs::read_to_string(dir.join(RUN)).ok()?;
        serde_json::from_str(&text).ok().filter(|note: &RunNote| note.boot == boot_id())
    }

    /// The topology as the dead supervisor had read it.
    pub fn loaded(&self) -> Result<Topology, LoadError> {
        Topology::of_text(&self.file, &self.dir, &self.text, &self.overrides)
    }
}

/// An agent, as its last line in the journal has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The agent.
    pub agent: String,
    /// Its pool; the coordinator has none.
    pub pool: Option<String>,
    /// Its number in the pool.
    pub index: u32,
    /// Its process, which leads a group; 0 when there is none.
    pub pid: u32,
    /// When the process started, in ticks since the boot.
    pub start: u64,
    /// The boot.
    pub boot: String,
    /// How often it was started again.
    pub restarts: u32,
    /// Where its output goes, if not where the supervisor's went.
    pub log: Option<PathBuf>,
    /// Where the output of this process begins in there.
    pub log_from: u64,
    /// Where it stands.
    pub state: State,
    /// What it went through.
    pub history: History,
    /// How it ended last.
    pub last: Option<Exit>,
    /// Whether its mailbox was closed, to be opened again when it starts.
    pub closed: bool,
    /// How far its end is, if it is being stopped.
    pub stop: Option<Stop>,
}

impl Entry {
    /// Whether the process is still there.
    pub fn is_alive(&self) -> bool {
        self.pid != 0 && self.boot == boot_id() && is_alive(self.pid, self.start)
    }
}

/// The agents that have not gone, as the journal of a run directory has them.
pub fn journal(dir: &Path) -> Vec<Entry> {
    let text = fs::read_to_string(dir.join(JOURNAL)).unwrap_or_default();
    let mut last: Vec<Entry> = Vec::new();
    let mut places = HashMap::new();
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
    last.retain(|entry| entry.state != State::Gone);
    last
}

/// The side that writes.
#[derive(Debug)]
pub struct Notes {
    dir: PathBuf,
    journal: File,
    /// Lines in the journal, so that it can be written anew before it grows without bound.
    lines: usize,
    entries: BTreeMap<String, Entry>,
    run: Option<RunNote>,
}

impl Notes {
    /// Goes on with the agents given, and with nothing else.
    pub fn begin(dir: &Path, entries: Vec<Entry>) -> io::Result<Notes> {
        let entries = entries.into_iter().map(|entry| (entry.agent.clone(), entry)).collect();
        let journal = write_journal(dir, &entries)?;
        Ok(Notes { dir: dir.to_owned(), journal, lines: entries.len(), entries, run: None })
    }

    /// Notes changes of agents, in one piece.
    pub fn agents(&mut self, entries: Vec<Entry>) -> io::Result<()> {
        let mut lines = String::new();
        for entry in entries {
            lines.push_str(&serde_json::to_string(&entry)?);
            lines.push('\n');
            self.lines += 1;
            self.entries.insert(entry.agent.clone(), entry);
        }
        if self.lines > 4 * self.entries.len() + 1000 {
            self.entries.retain(|_, entry| entry.state != State::Gone);
            self.journal = write_journal(&self.dir, &self.entries)?;
            self.lines = self.entries.len();
            return Ok(());
        }
        self.journal.write_all(lines.as_bytes())
    }

    /// Notes the run, if it has changed.
    pub fn run(&mut self, note: RunNote) -> io::Result<()> {
        if self.run.as_ref() != Some(&note) {
            replace(&self.dir, RUN, &(serde_json::to_string_pretty(&note)? + "\n"))?;
            self.run = Some(note);
        }
        Ok(())
    }
}

fn write_journal(dir: &Path, entries: &BTreeMap<String, Entry>) -> io::Result<File> {
    let mut text = String::new();
    for entry in entries.values() {
        text.push_str(&serde_json::to_string(entry)?);
        text.push('\n');
    }
    replace(dir, JOURNAL, &text)
}

/// Writes a file beside the old one and puts it in its place. The answer is the new one, to append to.
fn replace(dir: &Path, name: &str, text: &str) -> io::Result<File> {
    let fresh = dir.join(format!("{name}.new"));
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&fresh, dir.join(name))?;
    Ok(file)
}
