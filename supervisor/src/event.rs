//! What happens during a run, for whoever shows or records it.

use crate::exit::Exit;
use crate::restart::Why;
use crate::tally::Report;
use serde::Serialize;
use std::path::PathBuf;

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// Processes are being started.
    Starting {
        /// The bus.
        bus: String,
        /// Started so far.
        begun: usize,
        /// In all.
        total: usize,
    },
    /// All processes are there.
    Up {
        /// The bus.
        bus: String,
        /// Agents of pools.
        agents: usize,
        /// Whether there is a coordinator.
        coordinator: bool,
        /// How long it took.
        seconds: f64,
    },
    /// A run whose supervisor was dead goes on with this one.
    TookOver {
        /// The bus.
        bus: String,
        /// Processes that go on.
        adopted: usize,
        /// Those that ended while nobody watched.
        lost: usize,
        /// Of those adopted: the dead supervisor had no time to note them.
        unnoted: usize,
        /// Why the run ends, if its end was under way.
        ending: Option<String>,
    },
    /// A standby waits for the end of the supervisor.
    StandingBy {
        /// The bus.
        bus: String,
        /// The supervisor.
        supervisor_pid: Option<u32>,
    },
    /// The run has ended as it should, and the standby with it.
    NotNeeded {
        /// The bus.
        bus: String,
    },
    /// What a dead run had left was removed.
    Swept {
        /// The bus of that run.
        bus: String,
        /// Messages that nobody read.
        unread: u64,
        /// Where its logs are.
        logs: Option<PathBuf>,
    },
    /// A process ended, or could not be started.
    Ended {
        /// The agent.
        agent: String,
        /// Its pool.
        pool: Option<String>,
        /// Its process.
        pid: Option<u32>,
        /// How it ended.
        exit: Exit,
        /// Why it could not be started.
        error: Option<String>,
        /// Messages it held, given back to their queues.
        redelivered: u32,
        /// What follows.
        next: Next,
        /// The last lines it wrote, if it failed.
        tail: Vec<String>,
    },
    /// Somebody asked for something, and these agents are concerned.
    Asked {
        /// What: `restart`, `stop`, `start`, `drain`, `scale`, `reload` or `reset-failed`.
        verb: &'static str,
        /// Who.
        agents: Vec<String>,
    },
    /// All agents of a pool have failed for good.
    PoolFailed {
        /// The pool.
        pool: String,
    },
    /// A drain begins, or goes over to a harder way.
    Draining {
        /// Why.
        reason: String,
        /// Whether agents may finish.
        gently: bool,
        /// Who is left.
        left: usize,
    },
    /// How a drain goes.
    DrainLeft {
        /// What it waits for.
        phase: &'static str,
        /// Who is left.
        left: usize,
    },
    /// Agents that did not end by themselves are signalled.
    Signalled {
        /// The signal.
        signal: &'static str,
        /// Who.
        agents: Vec<String>,
    },
    /// A drain is over.
    Drained {
        /// What it has done.
        report: Report,
    },
    /// Messages that nobody read.
    Unread {
        /// Where, and how many.
        queues: Vec<(String, u64)>,
    },
    /// An agent takes nothing although something waits.
    Stalled {
        /// The agent.
        agent: String,
        /// Its pool.
        pool: Option<String>,
        /// Its process.
        pid: Option<u32>,
        /// Where something waits that it could take.
        queue: String,
        /// For how long it has taken nothing.
        quiet_s: f64,
        /// Whether it is started anew for that.
        restarts: bool,
    },
    /// A queue is nearly full.
    Overflow {
        /// The mailbox or work queue.
        queue: String,
        /// Messages in its fullest lane.
        messages: u64,
        /// Most messages of a lane.
        limit: u64,
    },
    /// Memory is nearly full.
    Memory {
        /// `heap`, `tmpfs` or `host`.
        what: String,
        /// How full it is.
        percent: u32,
        /// Bytes in use.
        used: u64,
        /// Bytes in all.
        total: u64,
    },
    /// What was wrong is no longer so.
    Recovered {
        /// What it was: `stalled`, `overflow` or `memory`.
        from: &'static str,
        /// Of which agent, queue or memory.
        subject: String,
        /// For how long it was so.
        after_s: f64,
    },
    /// A pool of low priority stops, since memory or a queue is nearly full.
    Shed {
        /// The pool.
        pool: String,
        /// What is full.
        because: String,
        /// How full, in percent.
        percent: u32,
    },
    /// A pool that was stopped for that starts again.
    Restored {
        /// The pool.
        pool: String,
    },
    /// Something that is worth knowing and stops nothing.
    Warning {
        /// What.
        text: String,
    },
    /// The end.
    Down {
        /// The bus.
        bus: String,
        /// Why it ended.
        reason: String,
        /// The exit code.
        code: u8,
        /// How long the run took.
        seconds: f64,
        /// Starts after the first, of all agents.
        restarts: u32,
        /// Messages that went back to their queues because their holder died.
        redelivered: u64,
        /// Where logs were left.
        logs: Option<PathBuf>,
    },
}

/// The kinds of events, as they are written.
pub const KINDS: [&str; 22] = [
    "starting",
    "up",
    "took-over",
    "standing-by",
    "not-needed",
    "swept",
    "ended",
    "asked",
    "pool-failed",
    "draining",
    "drain-left",
    "signalled",
    "drained",
    "unread",
    "stalled",
    "overflow",
    "memory",
    "recovered",
    "shed",
    "restored",
    "warning",
    "down",
];

/// What follows an exit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Next {
    /// It starts again after so many seconds.
    Restart(f64),
    /// Nothing; all is well.
    Nothing,
    /// What somebody asked for: it was told to end.
    AsAsked,
    /// Nothing; it was given up.
    GivenUp(Why),
}
