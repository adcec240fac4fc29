//! What a drain has done: to the messages that were there when intake stopped, and to the agents.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use swarmbus_core::QueueInfo;

/// What is counted while a drain is under way. Noted, so that a successor goes on counting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// When it began.
    begun: Duration,
    /// By queue, from the moment when it was closed.
    queues: BTreeMap<String, Found>,
    /// Messages that went back to their queues because who held them had ended.
    pub handed_back: u64,
    /// Agents that were told to end by a signal, or killed.
    forced: Vec<String>,
}

/// A queue as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Found {
    /// Messages that waited or were being worked on.
    messages: u64,
    /// Those that had become dead letters before.
    undelivered: u64,
}

/// The report of a drain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Messages that were there when intake stopped, and were finished.
    pub finished: u64,
    /// Messages that went back to their queues because who held them had ended; whoever took them then counts for the others.
    pub handed_back: u64,
    /// Messages that became dead letters.
    pub dead_lettered: u64,
    /// Messages that nobody read.
    pub unread: u64,
    /// Agents that did not end by themselves.
    pub forced: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

impl Tally {
    /// Begins to count.
    pub fn begin(now: Duration) -> Tally {
        Tally { begun: now, ..Tally::default() }
    }

    /// Queues were closed: what is in them now is what there is to finish. One that is known already is left as it was found.
    pub fn found<'a>(&mut self, queues: impl Iterator<Item = &'a QueueInfo>) {
        for queue in queues {
            let found = Found { messages: queue.queued + queue.in_flight, undelivered: queue.undelivered };
            if found.messages > 0 {
                self.queues.entry(queue.name.clone()).or_insert(found);
            }
        }
    }

    /// Agents are signalled.
    pub fn force(&mut self, agents: &[String]) {
        for agent in agents {
            if !self.forced.contains(agent) {
                self.forced.push(agent.clone());
            }
        }
    }

    /// The report, from what the queues hold at the end.
    pub fn report(&self, now: Duration, queues: &[QueueInfo], unread: u64) -> Report {
        let mut report = Report {
            handed_back: self.handed_back,
            unread,
            forced: self.forced.clone(),
            seconds: now.saturating_sub(self.begun).as_secs_f64(),
            ..Report::default()
        };
        for (name, found) in &self.queues {
            let now = queues.iter().find(|queue| queue.name == *name);
            let (left, undelivered) =
                now.map_or((0, found.undelivered), |queue| (queue.queued + queue.in_flight, queue.undelivered));
            let dead = undelivered.saturating_sub(found.undelivered);
            report.dead_lettered += dead;
            report.finished += found.messages.saturating_sub(left + dead);
        }
        report
    }
}
