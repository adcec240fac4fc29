//! What storms did, for people and for programs.

use super::Aftermath;
use crate::killer::Process;
use crate::ledger::Event;
use crate::{Result, storm::Shape};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Of what may go wrong with a rival in many places, so many are told.
const TOLD: usize = 5;

/// What one storm did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Who was in it.
    pub contender: String,
    /// With this the same moments can be had again.
    pub seed: u64,
    /// Processes killed.
    pub kills: u32,
    /// Of them, in their first 50 ms.
    pub kills_in_50_ms: u32,
    /// In which step they were: how many.
    pub killed_in: BTreeMap<String, u32>,
    /// Members (a rival's: nodes) that nobody can bury.
    pub leaked_members: u64,
    /// Blocks of message memory that are lost. `None`: it cannot be told.
    pub leaked_chunks: Option<u64>,
    /// Files that nobody's ordinary means remove.
    pub leaked_files: u64,
    /// Processes that came to no end.
    pub hangs: Vec<String>,
    /// Processes that ended with an error before they were killed.
    pub ended_early: u32,
    /// Whether every message whose send returned was delivered, and none twice; `None` where nobody keeps books.
    pub books_balance: Option<bool>,
    /// Sends that returned; `None` where nobody keeps books.
    pub sent: Option<u64>,
    /// Of the sends whose process died in them: how many messages are there, how many are not.
    pub in_doubt: Option<[u64; 2]>,
    /// Messages that were delivered more than once.
    pub redelivered: Option<u64>,
    /// The longer time of two fresh processes, from inside: open, attach, send to itself, receive, ms.
    pub fresh_ms: Option<f64>,
    /// The same from outside: the process' start and end in it.
    pub fresh_process_ms: Option<f64>,
    /// How long it took to bury who was left when all were gone, ms.
    pub reap_ms: Option<f64>,
    /// How long the killing took.
    pub storm_s: f64,
    /// And all of it.
    pub seconds: f64,
    /// Everything that was wrong.
    pub failures: Vec<String>,
    #[serde(skip)]
    steps: &'static [&'static str],
}

impl Run {
    pub(super) fn new(contender: &str, seed: u64, steps: &'static [&'static str]) -> Run {
        Run {
            contender: contender.into(),
            seed,
            kills: 0,
            kills_in_50_ms: 0,
            killed_in: BTreeMap::new(),
            leaked_members: 0,
            leaked_chunks: None,
            leaked_files: 0,
            hangs: Vec::new(),
            ended_early: 0,
            books_balance: None,
            sent: None,
            in_doubt: None,
            redelivered: None,
            fresh_ms: None,
            fresh_process_ms: None,
            reap_ms: None,
            storm_s: 0.0,
            seconds: 0.0,
            failures: Vec::new(),
            steps,
        }
    }

    pub(super) fn count_kill(&mut self, lived: Duration, events: &[Event]) {
        self.kills += 1;
        self.kills_in_50_ms += (lived < Duration::from_millis(50)) as u32;
        let last =
            events.iter().rev().find_map(|event| if let Event::Doing(step) = event { Some(*step) } else { None });
        let step = last.map_or("start", |step| self.steps.get(step as usize).copied().unwrap_or("?"));
        *self.killed_in.entry(step.into()).or_default() += 1;
    }

    pub(super) fn ended_early(&mut self, why: impl fmt::Display, is_failure: bool) {
        self.ended_early += 1;
        if is_failure || self.failures.len() < TOLD {
            self.failures.push(why.to_string());
        }
    }

    /// Something hangs: says where.
    pub(super) fn hang(&mut self, what: &str, process: &Process) -> Result<()> {
        let of = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", process.pid())).unwrap_or_default();
        let last = process.events()?.last().map(ToString::to_string).unwrap_or_default();
        let (waits_in, call) = (of("wchan"), of("syscall"));
        self.hangs.push(format!("{what}, which last said '{last}'; it is in {waits_in}, system call {}", call.trim()));
        Ok(())
    }

    pub(super) fn newcomer(&mut self, inside_ms: f64, outside_ms: f64) {
        self.fresh_ms = Some(self.fresh_ms.unwrap_or(0.0).max(inside_ms));
        self.fresh_process_ms = Some(self.fresh_process_ms.unwrap_or(0.0).max(outside_ms));
    }

    pub(super) fn take(&mut self, aftermath: Aftermath) {
        self.leaked_members = aftermath.members_leaked;
        self.leaked_chunks = aftermath.chunks_leaked;
        self.leaked_files = aftermath.files_leaked;
        self.reap_ms = aftermath.reap_ms;
        self.hangs.extend(aftermath.hangs);
        self.failures.extend(aftermath.failures);
        self.books_balance = aftermath.books.as_ref().map(std::result::Result::is_ok);
        match aftermath.books {
            Some(Ok(balance)) => {
                self.sent = Some(balance.sent);
                self.in_doubt = Some([balance.committed_in_doubt, balance.vanished_in_doubt]);
                self.redelivered = Some(balance.redelivered);
            }
            Some(Err(why)) => self.failures.push(why),
            None => {}
        }
    }

    /// Whether nothing was wrong.
    pub fn is_clean(&self) -> bool {
        let leaked = self.leaked_members + self.leaked_chunks.unwrap_or(0) + self.leaked_files;
        leaked == 0 && self.hangs.is_empty() && self.failures.is_empty()
    }
}

/// What all storms did.
#[derive(Serialize, Deserialize)]
pub struct Report {
    /// Processes that lived at the same time, and were killed.
    pub at_once: usize,
    /// Each of them.
    pub storms: Vec<Run>,
    /// The long one under load.
    pub long: Option<Run>,
}

impl Report {
    /// For storms of this shape.
    pub fn new(shape: &Shape) -> Report {
        Report { at_once: shape.at_once, storms: Vec::new(), long: None }
    }

    fn all(&self) -> impl Iterator<Item = &Run> {
        self.storms.iter().chain(&self.long)
    }

    /// Whether nothing was wrong.
    pub fn is_clean(&self) -> bool {
        self.all().all(Run::is_clean)
    }
}

/// Writes a report where programs look for it.
///
/// # Errors
/// When the file cannot be written.
pub fn save<T: Serialize>(report: &T, path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, serde_json::to_vec_pretty(report)?)
        .map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

fn figure<T: fmt::Display>(figure: Option<T>) -> String {
    figure.map_or("-".into(), |figure| figure.to_string())
}

fn ms(time: Option<f64>) -> String {
    figure(time.map(|time| format!("{time:.1}")))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<5} {:<10} {:>20} {:>5} {:>6} {:>7} {:>7} {:>5} {:>5} {:>5} {:>8} {:>6} {:>8} {:>7} {:>6}",
            "storm",
            "contender",
            "seed",
            "kills",
            "<50ms",
            "members",
            "chunks",
            "files",
            "hangs",
            "early",
            "sent",
            "lost",
            "fresh ms",
            "reap ms",
            "s"
        )?;
        for (number, run) in self.all().enumerate() {
            let is_long = number >= self.storms.len();
            let lost = run.books_balance.map(|balance| if balance { "0" } else { "yes" });
            writeln!(
                f,
                "{:<5} {:<10} {:>20} {:>5} {:>6} {:>7} {:>7} {:>5} {:>5} {:>5} {:>8} {:>6} {:>8} {:>7} {:>6.1}",
                if is_long { "long".into() } else { (number + 1).to_string() },
                run.contender,
                run.seed,
                run.kills,
                run.kills_in_50_ms,
                run.leaked_members,
                figure(run.leaked_chunks),
                run.leaked_files,
                run.hangs.len(),
                run.ended_early,
                figure(run.sent),
                figure(lost),
                ms(run.fresh_ms),
                ms(run.reap_ms),
                run.seconds
            )?;
        }
        let mut killed_in = BTreeMap::<&str, u32>::new();
        for (step, count) in self.all().flat_map(|run| &run.killed_in) {
            *killed_in.entry(step).or_default() += count;
        }
        let steps: Vec<String> = killed_in.iter().map(|(step, count)| format!("{step} {count}")).collect();
        writeln!(f, "killed in: {}", steps.join(", "))?;
        for run in self.all() {
            for wrong in run.hangs.iter().map(|hang| format!("hangs: {hang}")).chain(run.failures.iter().cloned()) {
                writeln!(f, "seed {}: {wrong}", run.seed)?;
            }
        }
        Ok(())
    }
}
