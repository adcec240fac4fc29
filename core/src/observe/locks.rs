//! Who has and who wants locks.

use super::Observer;
use crate::glob::intersects;
use crate::layout::LockEntry;
use crate::lock::{LockMode, LockState, LockWord};
use crate::member::locks::{agent_of, name_of};
use crate::registry;
use crate::sync::S14;

/// A lock that somebody has or waits for.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LockInfo {
    /// As it was asked for; may be a pattern.
    pub name: String,
    /// Who else may have it.
    pub mode: LockMode,
    /// `held` or `waiting`.
    pub state: &'static str,
    /// The agent that has or wants it, if it is one.
    pub agent: Option<String>,
    /// Its member index.
    pub member: u16,
    /// Its process; 0 if that is gone and nobody has reaped it.
    pub pid: u32,
    /// The fencing token, of one that is held.
    pub token: Option<u64>,
    /// When it was asked for, ns of `CLOCK_MONOTONIC`, to a few ms.
    pub since_ns: u64,
    /// How many that conflict with it were asked for before.
    pub waits_behind: u32,
}

/// What is read of an entry.
struct Row {
    word: LockWord,
    ticket: u64,
    token: u64,
    since_ns: u64,
    name: String,
}

impl Row {
    /// `None`: nobody's, moved on meanwhile, or without sense.
    fn of(entry: &LockEntry) -> Option<Row> {
        // A claim takes three steps from the doorway to the lock; one that moves on is another's.
        for _ in 0..4 {
            let word = LockWord(entry.word.load(S14.acquire()));
            if !word.is_there() {
                return None;
            }
            let in_doorway = word.state() == LockState::Choosing;
            let ticket = if in_doorway { u64::MAX } else { entry.ticket.load(S14.acquire()) };
            let (token, since_ns) = (entry.token.load(S14.acquire()), entry.since_ns.load(S14.acquire()));
            let name = name_of(entry);
            if entry.word.load(S14.acquire()) == word.0 {
                let name = name?;
                return Some(Row { word, ticket, token, since_ns, name });
            }
        }
        None
    }

    fn is_behind(&self, other: &Row) -> bool {
        let exclusive = [self, other].iter().any(|row| row.word.mode() == LockMode::Exclusive);
        other.ticket < self.ticket && exclusive && intersects(&self.name, &other.name)
    }
}

impl Observer {
    /// All locks that are held or waited for, in the order in which they were asked for.
    pub fn locks(&self) -> Vec<LockInfo> {
        self.locks_on("**")
    }

    /// Those that have a name in common with `pattern`: see [`Member::lock`](crate::Member::lock).
    pub fn locks_on(&self, pattern: &str) -> Vec<LockInfo> {
        let mut rows: Vec<Row> = self.0.locks().committed().iter().filter_map(Row::of).collect();
        rows.sort_by_key(|row| row.ticket);
        let shown = rows.iter().filter(|row| intersects(pattern, &row.name));
        shown.map(|row| self.lock_info(row, &rows)).collect()
    }

    fn lock_info(&self, row: &Row, rows: &[Row]) -> LockInfo {
        let (member, held) = (row.word.member(), row.word.state() == LockState::Held);
        let waits_behind = if held { 0 } else { rows.iter().filter(|other| row.is_behind(other)).count() as u32 };
        LockInfo {
            name: row.name.clone(),
            mode: row.word.mode(),
            state: if held { "held" } else { "waiting" },
            agent: agent_of(&self.0, member),
            member: member.index(),
            pid: registry::pid_of(&self.0, member).unwrap_or(0),
            token: held.then_some(row.token),
            since_ns: row.since_ns,
            waits_behind,
        }
    }
}
