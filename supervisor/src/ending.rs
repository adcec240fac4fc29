//! Why a run ends, and with what exit code.

use crate::exit::Exit;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

/// Why a run ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The coordinator has finished, or failed for good.
    Coordinator(Exit),
    /// There is no coordinator, and all agents have ended.
    AllEnded,
    /// All agents of a pool have failed for good.
    PoolFailed(String),
    /// A signal.
    Signal(i32),
    /// `swarmbus drain`
    Drain,
    /// `swarmbus down`
    Down,
    /// Somebody destroyed the bus.
    BusGone,
}

impl Ending {
    /// The exit code of `swarmbus up`.
    pub fn code(&self, any_failed: bool) -> u8 {
        match self {
            Ending::Coordinator(exit) => exit.code(),
            Ending::AllEnded if any_failed => 1,
            Ending::AllEnded | Ending::Drain => 0,
            Ending::PoolFailed(_) | Ending::BusGone => 1,
            Ending::Signal(signal) => Exit::Signal(*signal).code(),
            Ending::Down => Exit::Signal(Signal::TERM.as_raw()).code(),
        }
    }

    /// What people are told.
    pub fn reason(&self) -> String {
        match self {
            Ending::Coordinator(Exit::Code(0)) => "the coordinator has finished".into(),
            Ending::Coordinator(exit) => format!("the coordinator {exit}"),
            Ending::AllEnded => "all agents have ended".into(),
            Ending::PoolFailed(pool) => format!("pool {pool} has failed"),
            Ending::Signal(signal) => signal_hook::low_level::signal_name(*signal).unwrap_or("signal").into(),
            Ending::Drain => "drained on request".into(),
            Ending::Down => "stopped on request".into(),
            Ending::BusGone => "the bus was destroyed by somebody else".into(),
        }
    }
}
