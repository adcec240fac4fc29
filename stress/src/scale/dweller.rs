//! A process that is there, and has something.

use super::footprint::walk;
use crate::Result;
use clap::ValueEnum;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::wait;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::fork;
use std::fs::File;
use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd};
use std::time::Duration;
use swarmbus_core::{Agent, Bus, LockMode, SendOptions, StartAt};

/// What a process has while it lies idle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Burden {
    /// Its mailbox.
    Nothing,
    /// A message in flight.
    Message,
    /// A lock of its own.
    Lock,
    /// A subscription to the topic of all.
    Subscription,
    /// All of these.
    All,
    /// Its mailbox, and it has once looked whether others are dead, as the idle do by turns where no supervisor does.
    Looked,
}

impl Burden {
    /// Whether it has this.
    pub fn has(self, what: Burden) -> bool {
        self == what || self == Burden::All
    }
}

/// The topic to which everybody subscribes who does.
pub const TOPIC: &str = "news";
/// A mailbox that gives back what comes.
pub const ECHO: &str = "echo";
/// Bytes of what a dweller says: two times and its process.
pub const REPORT: usize = 24;

/// Nanoseconds of the clock that all processes share.
fn now() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_MONOTONIC)?.into())
}

/// What a dweller is called with, if these are its arguments. Not by the parser of the others: what that leaves in the heap would count as the
/// agent's.
#[must_use]
pub fn orders() -> Option<Orders> {
    let mut words = std::env::args().skip(1);
    let mut next = || words.next();
    Some(match next()?.as_str() {
        "dwell" => Orders::Dwell { bus: next()?, name: next()?, burden: next()? },
        "dwell-forked" => Orders::Fork { bus: next()?, count: next()?, burden: next()? },
        "walk" => Orders::Walk { bus: next()?, name: next()? },
        _ => return None,
    })
}

/// What a dweller is to do.
pub enum Orders {
    /// Dwell.
    Dwell {
        /// On which bus.
        bus: String,
        /// As whom.
        name: String,
        /// With what.
        burden: String,
    },
    /// Fork so many who do.
    Fork {
        /// On which bus they dwell.
        bus: String,
        /// How many.
        count: String,
        /// With what.
        burden: String,
    },
    /// Go step by step, see [`super::footprint`].
    Walk {
        /// On which bus.
        bus: String,
        /// As whom.
        name: String,
    },
}

/// Does what it is told.
///
/// # Errors
/// Those of attaching; when the system forks no more.
pub fn obey(orders: Orders) -> Result<()> {
    let (bus, count, burden) = match &orders {
        Orders::Dwell { bus, name, burden } => return dwell(bus, name, burden),
        Orders::Walk { bus, name } => return walk(bus, name),
        Orders::Fork { bus, count, burden } => (bus, count, burden),
    };
    set_pdeathsig(Signal::SIGKILL)?;
    for number in 0..count.parse::<u32>()? {
        // SAFETY: this process has one thread.
        if unsafe { fork() }?.is_child() {
            return dwell(bus, &format!("agent-{number}"), burden);
        }
    }
    loop {
        wait()?;
    }
}

/// Says that it is there, waits until standard input ends, attaches, says when it began and when it had finished, and stays until it is killed.
///
/// # Errors
/// Those of attaching.
fn dwell(bus: &str, name: &str, burden: &str) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    let burden = Burden::from_str(burden, false)?;
    // Without buffers, which would be the agent's, too.
    let (mut word, mut out) = (bare(&std::io::stdin()), bare(&std::io::stdout()));
    let report = |begun: Duration, ended: Duration| {
        let words = [begun.as_nanos() as u64, ended.as_nanos() as u64, std::process::id().into()];
        let mut report = [0; REPORT];
        report.chunks_exact_mut(8).zip(words).for_each(|(place, word)| place.copy_from_slice(&word.to_le_bytes()));
        report
    };
    out.write_all(&report(Duration::ZERO, Duration::ZERO))?;
    while word.read(&mut [0; 1])? > 0 {}

    let begun = now()?;
    let bus = Bus::open(bus)?;
    let agent = bus.attach(name)?;
    let ended = now()?;

    let has = |what| burden.has(what);
    let lock = if has(Burden::Lock) { Some(agent.lock(name, LockMode::Exclusive, None)?) } else { None };
    let subscription = if has(Burden::Subscription) { Some(agent.subscribe(TOPIC, StartAt::Now)?) } else { None };
    if has(Burden::Message) {
        agent.send(name, b"a task", &SendOptions::default())?;
        std::mem::forget(agent.recv(None)?);
    }
    if burden == Burden::Looked {
        agent.reap()?;
    }
    out.write_all(&report(begun, ended))?;
    stay(&agent)?;
    drop((lock, subscription));
    Ok(())
}

/// A file of the process, left open.
pub(super) fn bare(file: &impl AsRawFd) -> ManuallyDrop<File> {
    // SAFETY: open for as long as the process lives, and not closed by this either.
    ManuallyDrop::new(unsafe { File::from_raw_fd(file.as_raw_fd()) })
}

/// Waits for messages, as an idle agent does. What comes goes back.
fn stay(agent: &Agent) -> Result<()> {
    loop {
        let message = agent.recv(None)?;
        let asker = message.sender();
        message.release()?;
        if let Some(asker) = asker.filter(|_| agent.name() == ECHO) {
            agent.send(&asker, b"echo", &SendOptions::default())?;
        }
    }
}
