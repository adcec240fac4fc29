//! The rows of what agents share besides queues: topics, locks; and the rows of problems.

use serde::Serialize;

use super::cell::Cell;
use super::rows::{Alarm, Column, Row, number, words};

/// A topic.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TopicRow {
    /// Its name.
    pub name: String,
    /// What happens to a message for which a subscriber leaves no room.
    pub policy: &'static str,
    /// Who subscribes.
    pub subscribers: usize,
    /// How many messages the slowest of them has not read.
    pub behind: u64,
    /// How many it may be behind.
    pub capacity: u64,
    /// Messages that subscribers missed.
    pub missed: u64,
    /// Messages dropped.
    pub dropped: u64,
    /// Messages published so far.
    pub published: u64,
    /// Messages published a second.
    pub rate: Option<f64>,
    /// Memory of those that it keeps.
    pub bytes: u64,
    /// How urgent it is.
    pub alarm: Alarm,
}

/// The columns of topics.
pub const TOPIC_COLUMNS: &[Column] = &[
    words("!", 2, 0),
    words("name", 20, 0),
    words("policy", 13, 3),
    number("pub/s", 6, 0),
    number("subs", 5, 1),
    number("behind", 6, 1),
    number("room", 6, 6),
    number("missed", 6, 2),
    number("dropped", 7, 2),
    number("published", 9, 4),
    number("memory", 10, 5),
];

impl Row for TopicRow {
    fn cell(&self, column: usize) -> Cell<'_> {
        match column {
            0 => Cell::Text(self.alarm.sign()),
            1 => Cell::Text(&self.name),
            2 => Cell::Text(self.policy),
            3 => self.rate.map_or(Cell::Absent, Cell::Rate),
            4 => Cell::Count(self.subscribers as u64),
            5 => Cell::Count(self.behind),
            6 => Cell::Count(self.capacity),
            7 => Cell::Count(self.missed),
            8 => Cell::Count(self.dropped),
            9 => Cell::Count(self.published),
            _ => Cell::Bytes(self.bytes),
        }
    }

    fn key(&self) -> &str {
        &self.name
    }

    fn alarm(&self) -> Alarm {
        self.alarm
    }
}

/// Somebody who has a lock or waits for it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LockRow {
    /// Its name, or a pattern.
    pub name: String,
    /// `shared` or `exclusive`.
    pub mode: &'static str,
    /// `held` or `waiting`.
    pub state: &'static str,
    /// Who.
    pub agent: String,
    /// Its process.
    pub pid: u32,
    /// For how long, since it was asked for, ns.
    pub since_ns: Option<u64>,
    /// Who conflicts with it and came before.
    pub behind: u32,
    /// Who waits for it.
    pub waiters: u32,
    /// The lock and who wants it.
    #[serde(skip)]
    pub key: String,
    /// How urgent it is.
    pub alarm: Alarm,
}

/// The columns of locks.
pub const LOCK_COLUMNS: &[Column] = &[
    words("!", 2, 0),
    words("name", 20, 0),
    words("mode", 9, 4),
    words("state", 7, 0),
    words("agent", 16, 1),
    number("pid", 7, 5),
    number("since", 7, 2),
    number("behind", 6, 3),
    number("waiters", 7, 2),
];

impl Row for LockRow {
    fn cell(&self, column: usize) -> Cell<'_> {
        match column {
            0 => Cell::Text(self.alarm.sign()),
            1 => Cell::Text(&self.name),
            2 => Cell::Text(self.mode),
            3 => Cell::Text(self.state),
            4 => Cell::Text(&self.agent),
            5 => Cell::Count(self.pid.into()),
            6 => self.since_ns.map_or(Cell::Absent, |ns| Cell::Age(ns, false)),
            7 => Cell::Count(self.behind.into()),
            _ => Cell::Count(self.waiters.into()),
        }
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn alarm(&self) -> Alarm {
        self.alarm
    }
}

/// What somebody may want to see in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "name")]
pub enum Target {
    /// An agent.
    Agent(String),
    /// A mailbox or queue.
    Queue(String),
    /// A topic.
    Topic(String),
    /// A lock.
    Lock(String),
    /// The bus.
    Bus,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// How urgent it is.
    pub alarm: Alarm,
    /// In a word.
    pub what: &'static str,
    /// Of whom.
    pub of: String,
    /// In a sentence, with what to do.
    pub text: String,
    /// For how long, ns, if that is known.
    pub age_ns: Option<u64>,
    /// Where to look.
    pub target: Target,
    /// What it is known by.
    #[serde(skip)]
    pub key: String,
}

/// The columns of problems.
pub const PROBLEM_COLUMNS: &[Column] = &[
    words("!", 2, 0),
    words("problem", 11, 0),
    words("of", 16, 0),
    number("age", 7, 1),
    words("what it means", 40, 0),
];

impl Row for Problem {
    fn cell(&self, column: usize) -> Cell<'_> {
        match column {
            0 => Cell::Text(self.alarm.sign()),
            1 => Cell::Text(self.what),
            2 => Cell::Text(&self.of),
            3 => self.age_ns.map_or(Cell::Absent, |ns| Cell::Age(ns, false)),
            _ => Cell::Text(&self.text),
        }
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn alarm(&self) -> Alarm {
        self.alarm
    }
}
