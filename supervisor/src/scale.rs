//! How many agents a pool is to have, from what waits in its queue. Pure: it is told the time and what the segment shows.
//!
//! It grows at once, when too much waits for each agent or something waits too long, at most to twice its size in one look, and not again
//! before those it asked for had time to come. It shrinks only after it had more than it needs for a while, by half of what is too much.

use std::collections::VecDeque;
use std::time::Duration;

/// `scale` of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Never fewer.
    pub min: u32,
    /// Never more.
    pub max: u32,
    /// The work queue that is looked at.
    pub queue: String,
    /// So many messages may wait for each agent.
    pub depth: u32,
    /// So long a message may wait.
    pub age: Duration,
    /// After so long with more than it needs it shrinks.
    pub idle: Duration,
    /// So many idle agents are kept ready.
    pub spare: u32,
}

/// What the segment shows.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// Agents of the pool.
    pub agents: u32,
    /// Messages that wait.
    pub queued: u64,
    /// Messages that are being worked on.
    pub in_flight: u64,
    /// Messages put in so far.
    pub sent: u64,
    /// Messages taken so far.
    pub taken: u64,
}

/// How often is looked.
pub const LOOK_EVERY: Duration = Duration::from_millis(200);

/// After a growth nothing is asked for during this time.
const SETTLE: Duration = Duration::from_secs(1);

/// Looks that are remembered to tell how long messages wait: enough for a minute.
const LOOKS_MAX: usize = 300;

/// The decisions for one pool.
#[derive(Clone, Debug, Default)]
pub struct Scaler {
    /// When how many had been sent, for those that may still wait.
    looks: VecDeque<(Duration, u64)>,
    grown: Option<Duration>,
    too_many_since: Option<Duration>,
}

impl Scaler {
    /// How many agents there are to be, if it is another number.
    pub fn look(&mut self, plan: &Plan, now: Duration, sight: Sight) -> Option<u32> {
        let age = self.age(now, sight);
        let busy = u32::try_from(sight.in_flight).unwrap_or(u32::MAX).min(sight.agents);
        let idle = sight.agents - busy;
        let by_depth = u32::try_from(sight.queued.div_ceil(u64::from(plan.depth.max(1)))).unwrap_or(u32::MAX);
        let mut wanted = busy.saturating_add(plan.spare);
        if sight.queued > u64::from(plan.depth) * u64::from(sight.agents) {
            wanted = wanted.max(by_depth);
        }
        if age >= plan.age && idle == 0 {
            wanted = wanted.max(sight.agents + 1);
        }
        let wanted = wanted.clamp(plan.min, plan.max);
        if wanted > sight.agents {
            self.too_many_since = None;
            if self.grown.is_some_and(|at| now < at + SETTLE) {
                return None;
            }
            self.grown = Some(now);
            return Some(wanted.min(sight.agents.saturating_mul(2).max(plan.min).max(1)));
        }
        if wanted == sight.agents || sight.queued > 0 {
            self.too_many_since = None;
            return None;
        }
        let since = *self.too_many_since.get_or_insert(now);
        if now < since + plan.idle {
            return None;
        }
        self.too_many_since = Some(now);
        Some(sight.agents - (sight.agents - wanted).div_ceil(2))
    }

    /// How long the oldest message has waited at least: it is the next to be taken, and came before the first look at which it had been sent.
    fn age(&mut self, now: Duration, sight: Sight) -> Duration {
        self.looks.push_back((now, sight.sent));
        while self.looks.len() > LOOKS_MAX || self.looks.front().is_some_and(|(_, sent)| *sent <= sight.taken) {
            self.looks.pop_front();
        }
        match self.looks.front() {
            Some((since, _)) if sight.queued > 0 => now.saturating_sub(*since),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan { min: 1, max: 20, queue: "work".into(), depth: 10, age: s(3), idle: s(10), spare: 0 }
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn sight(agents: u32, queued: u64, in_flight: u64) -> Sight {
        Sight { agents, queued, in_flight, sent: queued + 5, taken: 5 }
    }

    #[test]
    fn it_grows_with_the_queue_but_not_by_leaps() {
        let mut scaler = Scaler::default();
        assert_eq!(scaler.look(&plan(), s(0), sight(2, 20, 2)), None, "ten for each may wait");
        assert_eq!(scaler.look(&plan(), s(1), sight(2, 500, 2)), Some(4));
        assert_eq!(scaler.look(&plan(), s(1), sight(4, 500, 4)), None, "those asked for get time to come");
        assert_eq!(scaler.look(&plan(), s(2), sight(4, 500, 4)), Some(8));
        assert_eq!(scaler.look(&plan(), s(3), sight(16, 500, 16)), Some(20));
        assert_eq!(scaler.look(&plan(), s(5), sight(20, 500, 20)), None);
    }

    #[test]
    fn a_message_that_waits_too_long_asks_for_one_more() {
        let mut scaler = Scaler::default();
        assert_eq!(scaler.look(&plan(), s(0), sight(2, 1, 2)), None);
        assert_eq!(scaler.look(&plan(), s(2), sight(2, 1, 2)), None);
        assert_eq!(scaler.look(&plan(), s(3), sight(2, 1, 2)), Some(3));
        let moved_on = Sight { sent: 10, taken: 9, ..sight(3, 1, 3) };
        assert_eq!(scaler.look(&plan(), s(9), moved_on), None, "it is another one that waits now");
    }

    #[test]
    fn it_shrinks_after_a_while_and_by_halves() {
        let mut scaler = Scaler::default();
        assert_eq!(scaler.look(&plan(), s(0), sight(9, 0, 1)), None);
        assert_eq!(scaler.look(&plan(), s(9), sight(9, 0, 1)), None);
        assert_eq!(scaler.look(&plan(), s(10), sight(9, 0, 1)), Some(5));
        assert_eq!(scaler.look(&plan(), s(11), sight(5, 0, 1)), None);
        assert_eq!(scaler.look(&plan(), s(12), sight(5, 3, 5)), None, "there is work again");
        assert_eq!(scaler.look(&plan(), s(21), sight(5, 0, 0)), None);
        assert_eq!(scaler.look(&plan(), s(31), sight(5, 0, 0)), Some(3));
        assert_eq!(scaler.look(&plan(), s(41), sight(1, 0, 0)), None, "never below the least");
    }

    #[test]
    fn spares_are_kept_ready() {
        let plan = Plan { spare: 2, ..plan() };
        let mut scaler = Scaler::default();
        assert_eq!(scaler.look(&plan, s(0), sight(4, 0, 3)), Some(5));
        assert_eq!(scaler.look(&plan, s(9), sight(5, 0, 3)), None);
    }
}
