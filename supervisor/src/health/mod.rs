//! Who is well: a judgement over what an observer sees. It reads, takes no part, and needs no supervisor.
//!
//! [`looks`] remembers from look to look and tells facts, such as for how long an agent has taken nothing although something waited. [`judge`] is
//! pure: facts and a [`Plan`] in, a [`Health`] out. [`gauges`] says how full memory is. The supervisor looks on a timer, `swarmbus health` and
//! `check` ask it, or look themselves.

pub mod gauges;
pub mod judge;
pub mod look;
pub mod looks;

use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::time::Duration;
use swarmbus_core::AgentState;

/// What counts as trouble: `[health]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// How often the supervisor looks.
    #[serde(with = "seconds")]
    pub every: Duration,
    /// When an agent counts as stalled.
    pub stall: Stall,
    /// The same for agents of some pools.
    pub pools: BTreeMap<String, Stall>,
    /// A lane this full, in percent of its limit, overflows.
    pub overflow: u32,
    /// A message of a work queue may wait so long.
    #[serde(with = "seconds")]
    pub age: Duration,
    /// Memory this full, in percent, is worth a warning.
    pub memory: u32,
}

/// When an agent counts as stalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stall {
    /// It has taken nothing for so long although something waited.
    #[serde(with = "seconds")]
    pub after: Duration,
    /// The same for one that says it is at work on a task, and whose last sign of life is not fresh.
    #[serde(with = "seconds")]
    pub patience: Duration,
    /// A sign of life no older than this is fresh.
    #[serde(with = "seconds")]
    pub beat: Duration,
}

impl Default for Stall {
    fn default() -> Stall {
        Stall { after: Duration::from_secs(30), patience: Duration::from_secs(15 * 60), beat: Duration::from_secs(60) }
    }
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            every: Duration::from_millis(500),
            stall: Stall::default(),
            pools: BTreeMap::new(),
            overflow: 80,
            age: Duration::from_secs(60),
            memory: 85,
        }
    }
}

/// From how full on, in percent, memory is critical: halfway from the warning to the end.
pub fn critical_from(memory: u32) -> u32 {
    memory + (100 - memory.min(100)).div_ceil(2)
}

/// What is seen of a bus, and what is remembered of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The bus.
    pub bus: String,
    /// For how long somebody has looked: nothing can be known to last longer.
    pub watched_s: f64,
    /// The supervisor, if one reaps.
    pub supervisor_pid: Option<u32>,
    /// Agents, living and not yet reaped.
    pub agents: Vec<AgentFacts>,
    /// Work queues, and mailboxes of nobody.
    pub queues: Vec<QueueFacts>,
    /// Memory.
    pub gauges: Vec<Gauge>,
}

/// Whether an agent lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// It is to be started, or its process is there and not yet on the bus.
    Starting,
    /// It is on the bus.
    Alive,
    /// Its process is dead, and nobody has reaped it yet.
    Dead,
    /// The supervisor has given it up.
    GivenUp,
}

/// What is seen of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentFacts {
    /// Its name.
    pub name: String,
    /// Its pool, if a supervisor knows it.
    pub pool: Option<String>,
    /// Its process.
    pub pid: Option<u32>,
    /// Whether it lives.
    pub life: Life,
    /// Whether it sleeps on the bus.
    pub sleeps: bool,
    /// Messages in its mailbox.
    pub waiting: u64,
    /// Messages in the fullest lane of its mailbox.
    pub fullest: u64,
    /// Most messages of a lane.
    pub limit: u64,
    /// Where something waits that it could take: its mailbox, or a work queue that it takes from.
    pub pressed_by: Option<String>,
    /// For how long something has waited without a break while it took nothing.
    pub quiet_s: f64,
    /// What it says that it does, and for how long.
    pub says: Option<(AgentState, f64)>,
    /// Whether it names a task, or has a note.
    pub has_task: bool,
    /// How long ago it last gave a sign of life.
    pub beat_age_s: Option<f64>,
}

/// What is seen of a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueFacts {
    /// Its name.
    pub name: String,
    /// Whether it is a mailbox, whose owner is gone.
    pub is_mailbox: bool,
    /// Whether intake is stopped.
    pub closed: bool,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages in its fullest lane.
    pub fullest: u64,
    /// Most messages of a lane.
    pub limit: u64,
    /// Living agents that were seen taking from it.
    pub takers: u32,
    /// For how long its oldest message has waited, at least.
    pub age_s: f64,
}

/// How full some memory is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gauge {
    /// `heap` (of the bus), `tmpfs` (where the segment lies), `host`.
    pub what: String,
    /// Bytes in use.
    pub used: u64,
    /// Bytes in all.
    pub total: u64,
}

impl Gauge {
    /// How full, in percent.
    pub fn percent(&self) -> u32 {
        (u128::from(self.used) * 100 / u128::from(self.total.max(1))) as u32
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// All is well.
    Ok,
    /// Somebody should look.
    Warning,
    /// Somebody has to do something.
    Critical,
}

impl Severity {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Ok => "ok",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// How an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// Its process is dead and not yet reaped, or the supervisor has given it up.
    Dead,
    /// It lives, something waits for it, and it takes nothing.
    Stalled,
    /// Its mailbox is nearly full.
    Overflowing,
    /// It is not yet on the bus.
    Starting,
    /// It says that it is at work.
    Working,
    /// It sleeps until something comes, or says that it waits for others.
    Waiting,
    /// Nothing is wrong.
    Healthy,
}

impl Condition {
    /// All of them, the worst first.
    pub const ALL: [Condition; 7] = [
        Condition::Dead,
        Condition::Stalled,
        Condition::Overflowing,
        Condition::Starting,
        Condition::Working,
        Condition::Waiting,
        Condition::Healthy,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Condition::Dead => "dead",
            Condition::Stalled => "stalled",
            Condition::Overflowing => "overflowing",
            Condition::Starting => "starting",
            Condition::Working => "working",
            Condition::Waiting => "waiting",
            Condition::Healthy => "healthy",
        }
    }

    /// Whether somebody should look.
    pub fn is_trouble(self) -> bool {
        self <= Condition::Overflowing
    }
}

/// An agent, judged.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentHealth {
    /// What was seen.
    pub facts: AgentFacts,
    /// How it is.
    pub condition: Condition,
}

impl Serialize for AgentHealth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Told<'a> {
            #[serde(flatten)]
            facts: &'a AgentFacts,
            condition: Condition,
            why: String,
        }
        Told { facts: &self.facts, condition: self.condition, why: self.why() }.serialize(serializer)
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// How bad.
    pub severity: Severity,
    /// What kind: `dead`, `stalled`, `overflow`, `age`, `memory`.
    pub kind: &'static str,
    /// Of which agent, queue or memory.
    pub subject: String,
    /// What is wrong, for people.
    pub text: String,
}

/// A bus, judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    /// The bus.
    pub bus: String,
    /// The worst that is wrong.
    pub verdict: Severity,
    /// For how long somebody has looked.
    pub watched_s: f64,
    /// The supervisor, if one reaps.
    pub supervisor_pid: Option<u32>,
    /// How many agents are in which condition.
    pub counts: BTreeMap<&'static str, usize>,
    /// What is wrong, the worst first.
    pub alerts: Vec<Alert>,
    /// The agents, those in trouble first.
    pub agents: Vec<AgentHealth>,
    /// Work queues, and mailboxes of nobody.
    pub queues: Vec<QueueFacts>,
    /// Memory.
    pub gauges: Vec<Gauge>,
}

/// Durations as seconds, in JSON.
mod seconds {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
