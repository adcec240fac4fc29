//! The processes that are there while something is measured.

use super::dweller::{Burden, REPORT};
use crate::Result;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::io::{PipeReader, PipeWriter, Read};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;
use swarmbus_core::CreateOptions;

/// Of a bus with so many agents: a few more, and little heap.
pub fn options(agents: u32) -> CreateOptions {
    CreateOptions { agents: agents + 16, heap: 256 << 20, ..CreateOptions::default() }
}

/// A burden as the command line says it.
fn word_of(burden: Burden) -> String {
    clap::ValueEnum::to_possible_value(&burden).map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Processes that are started and wait for the word to attach; killed with this.
pub struct Company {
    children: Vec<Child>,
    pids: Vec<u32>,
    /// Closed: they attach.
    go: Option<PipeWriter>,
    reports: PipeReader,
}

impl Company {
    /// Starts so many, `agent-0` and so on, and waits until each is there.
    ///
    /// # Errors
    /// When one of them cannot be started, or ends.
    pub fn gather(program: &Path, bus: &str, count: u32, burden: Burden) -> Result<Company> {
        let names = (0..count).map(|number| format!("agent-{number}"));
        Company::of(program, bus, names, burden)
    }

    /// The same with these names.
    ///
    /// # Errors
    /// As [`Company::gather`].
    pub fn of(program: &Path, bus: &str, names: impl Iterator<Item = String>, burden: Burden) -> Result<Company> {
        let names: Vec<String> = names.collect();
        Company::start(program, names.len(), &names, |name| ["dwell", bus, name, &word_of(burden)].map(str::to_owned))
    }

    /// The same, forked from one process that was started.
    ///
    /// # Errors
    /// As [`Company::gather`].
    pub fn forked(program: &Path, bus: &str, count: u32, burden: Burden) -> Result<Company> {
        let parent = [count.to_string()];
        Company::start(program, count as usize, &parent, |count| {
            ["dwell-forked", bus, count, &word_of(burden)].map(str::to_owned)
        })
    }

    fn start(program: &Path, count: usize, all: &[String], words: impl Fn(&str) -> [String; 4]) -> Result<Company> {
        let ((word, go), (reports, say)) = (std::io::pipe()?, std::io::pipe()?);
        let mut company = Company { children: Vec::new(), pids: Vec::new(), go: Some(go), reports };
        for each in all {
            let mut command = Command::new(program);
            command.args(words(each)).stdin(word.try_clone()?).stdout(say.try_clone()?);
            company.children.push(command.spawn()?);
        }
        drop(say);
        company.pids = company.hear(count)?.into_iter().map(|report| report[2] as u32).collect();
        Ok(company)
    }

    /// What each says, once.
    fn hear(&mut self, count: usize) -> Result<Vec<[u64; 3]>> {
        let mut reports = Vec::with_capacity(count);
        let mut report = [0; REPORT];
        while reports.len() < count {
            // Ends early when all of them have ended: one alone would not be noticed, the others have the pipe as well.
            self.reports.read_exact(&mut report).map_err(|_| "the processes have ended early")?;
            let at = |place: usize| report[place * 8..][..8].try_into().map(u64::from_le_bytes);
            reports.push([at(0)?, at(1)?, at(2)?]);
        }
        Ok(reports)
    }

    /// Lets all of them attach; when each began and when it had finished.
    ///
    /// # Errors
    /// When one cannot.
    pub fn attach(&mut self) -> Result<Vec<(Duration, Duration)>> {
        self.go = None;
        let reports = self.hear(self.pids.len())?.into_iter();
        Ok(reports.map(|[begun, ended, _]| (Duration::from_nanos(begun), Duration::from_nanos(ended))).collect())
    }

    /// Their processes.
    #[must_use]
    pub fn pids(&self) -> &[u32] {
        &self.pids
    }

    /// Kills all of them and returns when the last is dead, but not waited for: each is a zombie.
    ///
    /// # Errors
    /// When the system does not say so.
    pub fn kill(&mut self) -> Result<()> {
        for child in &mut self.children {
            child.kill()?;
        }
        for child in &self.children {
            waitid(Id::Pid(Pid::from_raw(child.id() as i32)), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)?;
        }
        Ok(())
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
        }
        for child in &mut self.children {
            let _ = child.wait();
        }
    }
}
