//! What is said over the control socket: a request is one line of JSON, the answer one line or, while something goes on, several.

use crate::config::Change;
use crate::health;
use crate::status::Status;
use crate::tally::Report;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What can be asked for. `names` are agents or pools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How everybody is.
    Health,
    /// The status; one answer.
    Ps,
    /// Without names a drain of everything: answers tell how it goes, the last one is `done`. With names these agents finish and
    /// stop: `accepted` at once, `drained` when they have.
    Drain {
        /// Who is meant.
        #[serde(default)]
        names: Vec<String>,
    },
    /// An end within seconds; answers as for a drain of everything.
    Down,
    /// Ends these agents and starts them again.
    Restart {
        /// Who is meant.
        names: Vec<String>,
    },
    /// Ends these agents; they stay away until somebody starts them.
    Stop {
        /// Who is meant.
        names: Vec<String>,
    },
    /// Starts those of these agents that are not there.
    Start {
        /// Who is meant.
        names: Vec<String>,
    },
    /// Forgets the failures of those that were given up, all if none is named, and starts them.
    ResetFailed {
        /// Who is meant.
        #[serde(default)]
        names: Vec<String>,
    },
    /// Makes a pool larger or smaller.
    Scale {
        /// The pool.
        pool: String,
        /// How many agents it is to have.
        size: u32,
    },
    /// Reads the file again; what has changed takes effect.
    Reload {
        /// Say what would change, and change nothing.
        #[serde(default)]
        dry_run: bool,
    },
    /// Where the output of these agents goes, of all if none is named.
    Logs {
        /// Who is meant.
        #[serde(default)]
        names: Vec<String>,
    },
    /// What happens, as it happens: one answer for each event, until the client hangs up.
    Events,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// How everybody is.
    Health {
        /// What counts as trouble.
        plan: health::Plan,
        /// What is seen, and remembered.
        facts: health::Facts,
    },
    /// The status.
    Status(Status),
    /// It will be done to these agents; `ps` tells how far it is.
    Accepted {
        /// Who.
        agents: Vec<String>,
    },
    /// What a reload changes, or would change.
    Reloaded {
        /// Key by key.
        changes: Vec<Change>,
        /// Agents that start anew, that are new, and that leave.
        agents: Vec<String>,
    },
    /// Where output goes.
    Logs {
        /// One for each agent that has a file of its own.
        files: Vec<LogFile>,
    },
    /// Something happened.
    Event {
        /// As `swarmbus up -o json` tells it.
        event: serde_json::Value,
    },
    /// A drain is under way.
    Draining {
        /// What it waits for.
        phase: String,
        /// How many are left.
        left: usize,
        /// Some of them.
        agents: Vec<String>,
        /// Messages that wait in queues.
        queued: u64,
    },
    /// The run is over and the bus is gone.
    Done {
        /// The exit code of `swarmbus up`.
        code: u8,
        /// Messages that nobody read.
        unread: u64,
        /// What the drain has done.
        #[serde(default)]
        report: Report,
    },
    /// A drain of some agents is over.
    Drained {
        /// What it has done.
        report: Report,
    },
    /// The request was not understood, or cannot be done.
    Error {
        /// Why.
        message: String,
    },
}

/// The file that an agent writes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    /// The agent.
    pub agent: String,
    /// The file.
    pub path: PathBuf,
}
