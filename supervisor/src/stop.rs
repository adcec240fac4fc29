//! How one agent is stopped while the others go on. Pure: it is told the time and whether the agent is busy.
//!
//! A gentle stop lets it finish first: its mailbox is closed, and it is asked to end (TERM) when it has nothing left, at the latest when
//! its time is over. A plain one asks at once. Who has not ended by its deadline is killed.

use crate::drain::Plan;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the supervisor is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the agent's group to end.
    Terminate,
    /// Kill the group.
    Kill,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Phase {
    /// Until then at the latest; how often in a row it was seen idle.
    Finishing(Duration, u32),
    Terminating(Duration),
    Killing,
}

/// The stop of one agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    plan: Plan,
    phase: Phase,
}

/// How often an agent that finishes is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Seen idle so many times in a row it is taken at its word: one that was woken by the closing of its mailbox has ended by then.
const IDLE_LOOKS: u32 = 4;

impl Stop {
    /// Begins at `now`; the first action, if any, is to be taken at once.
    pub fn begin(plan: Plan, gently: bool, now: Duration) -> (Stop, Option<Action>) {
        if gently {
            (Stop { plan, phase: Phase::Finishing(now + plan.grace, 0) }, None)
        } else {
            (Stop { plan, phase: Phase::Terminating(now + plan.kill_after) }, Some(Action::Terminate))
        }
    }

    /// What a successor does again at first, since nobody knows whether it was done.
    pub fn resume(&self) -> Option<Action> {
        match self.phase {
            Phase::Finishing(..) => None,
            Phase::Terminating(_) => Some(Action::Terminate),
            Phase::Killing => Some(Action::Kill),
        }
    }

    /// Whether it matters if the agent is busy.
    pub fn lets_finish(&self) -> bool {
        matches!(self.phase, Phase::Finishing(..))
    }

    /// When to look again.
    pub fn deadline(&self, now: Duration) -> Option<Duration> {
        match self.phase {
            Phase::Finishing(until, _) => Some(until.min(now + LOOK_EVERY)),
            Phase::Terminating(until) => Some(until),
            Phase::Killing => None,
        }
    }

    /// What to do now.
    pub fn step(&mut self, now: Duration, busy: bool) -> Option<Action> {
        match self.phase {
            Phase::Finishing(until, looks) => {
                let looks = if busy { 0 } else { looks + 1 };
                if now < until && looks < IDLE_LOOKS {
                    self.phase = Phase::Finishing(until, looks);
                    return None;
                }
                self.phase = Phase::Terminating(now + self.plan.kill_after);
                Some(Action::Terminate)
            }
            Phase::Terminating(until) if now >= until => {
                self.phase = Phase::Killing;
                Some(Action::Kill)
            }
            Phase::Terminating(_) | Phase::Killing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { grace: Duration::from_secs(10), kill_after: Duration::from_secs(5) };

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_plain_stop_asks_and_then_kills() {
        let (mut stop, first) = Stop::begin(PLAN, false, s(0));
        assert_eq!(first, Some(Action::Terminate));
        assert_eq!((stop.step(s(4), true), stop.deadline(s(4))), (None, Some(s(5))));
        assert_eq!(stop.step(s(5), true), Some(Action::Kill));
        assert_eq!((stop.step(s(9), true), stop.deadline(s(9))), (None, None));
    }

    #[test]
    fn a_gentle_stop_waits_for_the_busy_but_not_for_ever() {
        let (mut stop, first) = Stop::begin(PLAN, true, s(0));
        assert!(first.is_none() && stop.lets_finish());
        assert_eq!(stop.step(s(1), false), None);
        assert_eq!(stop.step(s(2), true), None);
        assert_eq!(stop.step(s(9), true), None);
        assert_eq!(stop.step(s(10), true), Some(Action::Terminate));
        assert_eq!(stop.step(s(15), true), Some(Action::Kill));
    }

    #[test]
    fn the_idle_are_asked_to_end_soon() {
        let (mut stop, _) = Stop::begin(PLAN, true, s(0));
        let asked = (0..9).position(|_| stop.step(s(1), false) == Some(Action::Terminate));
        assert_eq!(asked, Some(IDLE_LOOKS as usize - 1));
    }
}
