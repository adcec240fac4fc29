//! Child processes: started, watched, killed and waited for by their own id; gone at the latest when the handle is.

use crate::Result;
use crate::ledger::Event;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Guards against a hang; nothing takes nearly as long.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How a sleeping process came to where it is. While the figures stay the same, it sleeps on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rest {
    /// How often its first thread went to sleep.
    pub sleeps: u64,
    /// The time that all of its threads have used, clock ticks.
    pub ticks: u64,
}

/// A child process with a ledger.
pub struct Process {
    child: Child,
    ledger: File,
    what: String,
}

impl Process {
    /// Starts `program` with `arguments`. Its standard output is its ledger; its standard input stays open until [`Process::stop`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start<S: AsRef<str>>(program: &Path, arguments: &[S]) -> Result<Process> {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        let ledger = File::from(memfd_create("ledger", MFdFlags::MFD_CLOEXEC)?);
        let child = Command::new(program)
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::from(OwnedFd::from(ledger.try_clone()?)))
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        Ok(Process { child, ledger, what: arguments.join(" ") })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written down so far.
    ///
    /// # Errors
    /// A line that is no event.
    pub fn events(&self) -> Result<Vec<Event>> {
        self.events_since(&mut 0)
    }

    /// What it has written down since the byte `seen`, which moves on.
    fn events_since(&self, seen: &mut u64) -> Result<Vec<Event>> {
        let mut text = vec![0; (self.written() - *seen) as usize];
        self.ledger.read_exact_at(&mut text, *seen)?;
        let text = String::from_utf8(text)?;
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        *seen += whole.len() as u64;
        let parse = |line| Event::parse(line).ok_or_else(|| format!("{}: odd line '{line}'", self.what).into());
        whole.lines().map(parse).collect()
    }

    /// The numbers that it has written down, 8 bytes each: what some write instead of events.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn words(&self) -> Result<Vec<u64>> {
        let mut bytes = vec![0; self.written() as usize / 8 * 8];
        self.ledger.read_exact_at(&mut bytes, 0)?;
        Ok(bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().expect("eight bytes"))).collect())
    }

    /// Waits until it has written down the right numbers.
    ///
    /// # Errors
    /// When it ends before, or takes too long.
    pub fn wait_for_words(&mut self, are_right: impl Fn(&[u64]) -> bool) -> Result<()> {
        let start = Instant::now();
        while !are_right(&self.words()?) {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("'{}' ended with {status}", self.what).into());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("'{}' hangs", self.what).into());
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }

    /// How many bytes its ledger has: who works writes.
    pub fn written(&self) -> u64 {
        self.ledger.metadata().map_or(0, |about| about.len())
    }

    /// Waits until its ledger holds an event that `is_it`.
    ///
    /// # Errors
    /// When it ends before, or takes too long.
    pub fn wait_for(&mut self, is_it: impl Fn(&Event) -> bool) -> Result<()> {
        let (start, mut seen) = (Instant::now(), 0);
        loop {
            let ended = self.child.try_wait()?;
            if self.events_since(&mut seen)?.iter().any(&is_it) {
                return Ok(());
            }
            if let Some(status) = ended {
                return Err(self.complain(status));
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("'{}' hangs", self.what).into());
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When it was not this kill that ended it.
    pub fn kill(&mut self) -> Result<()> {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL)?;
        self.expect_killed()
    }

    /// Sends any signal.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(self.child.id() as i32), signal)?)
    }

    /// Waits for its end, which must be by SIGKILL.
    ///
    /// # Errors
    /// Another end, or none.
    pub fn expect_killed(&mut self) -> Result<()> {
        let status = self.end()?;
        if status.signal() == Some(Signal::SIGKILL as i32) { Ok(()) } else { Err(self.complain(status)) }
    }

    /// Closes its standard input: what it waited for.
    pub fn let_go(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Closes its standard input, which asks it to end, and waits for a good end.
    ///
    /// # Errors
    /// A bad end, or none.
    pub fn stop(&mut self) -> Result<()> {
        self.let_go();
        let status = self.end()?;
        if status.success() { Ok(()) } else { Err(self.complain(status)) }
    }

    /// Whether it has ended.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// None within [`PATIENCE`].
    pub fn end(&mut self) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("'{}' hangs", self.what).into());
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Whether the kernel has put it to sleep (state `S`: it waits for something).
    pub fn is_asleep(&self) -> bool {
        self.stat().first().is_some_and(|state| state == "S")
    }

    /// Waits until a SIGSTOP has stopped it.
    ///
    /// # Errors
    /// When it takes too long.
    pub fn wait_until_stopped(&self) -> Result<()> {
        let start = Instant::now();
        while self.stat().first().is_none_or(|state| state != "T") {
            if start.elapsed() > PATIENCE {
                return Err(format!("'{}' does not stop", self.what).into());
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }

    /// What it rests in, if its first thread is asleep.
    pub fn rest(&self) -> Option<Rest> {
        let stat = self.stat();
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let sleeps =
            status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse().ok()?;
        // The 14th and 15th field of the line, of which the first two are left out.
        let ticks = stat.get(11)?.parse::<u64>().ok()? + stat.get(12)?.parse::<u64>().ok()?;
        (stat.first()? == "S").then_some(Rest { sleeps, ticks })
    }

    /// The fields of its `/proc/PID/stat` from the state on.
    fn stat(&self) -> Vec<String> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        fields.split_whitespace().map(str::to_owned).collect()
    }

    fn complain(&self, status: ExitStatus) -> crate::Failure {
        let events = self.events().unwrap_or_default();
        let last = events.last().map(ToString::to_string).unwrap_or_default();
        format!("'{}' ended with {status}; its last words: {last}", self.what).into()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
