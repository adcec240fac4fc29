//! The phases of a drain. Pure: it is told the time and who is left, and answers what to do.
//!
//! 1. Intake stops and the pools finish what they have; who waits for a message is told that none will come.
//! 2. Pool agents that are still there after `grace` are asked to end (TERM), after `kill_after` more they are killed.
//! 3. The coordinator comes last, since it collects what the pools still send: its mailbox closes, then the same
//!    deadlines hold for it.
//!
//! Each phase ends at once when those it waits for are gone.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long agents have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// To finish by themselves.
    pub grace: Duration,
    /// To end after TERM.
    pub kill_after: Duration,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { grace: Duration::from_secs(10), kill_after: Duration::from_secs(5) }
    }
}

/// Who is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// The agents of all pools.
    Pools,
    /// The coordinator.
    Coordinator,
}

/// What the supervisor is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Close what these read from: senders are refused, receivers end when it is empty.
    Close(Who),
    /// Ask their groups to end.
    Terminate(Who),
    /// Kill their groups.
    Kill(Who),
}

/// How hard to stop. A harder way may overtake a gentler one that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Let agents finish.
    Gently,
    /// TERM to all now, KILL after a short while.
    Quickly,
    /// KILL to all now.
    Forcibly,
}

/// Who is still alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Agents of pools.
    pub pools: usize,
    /// The coordinator.
    pub coordinator: bool,
}

impl Left {
    fn any(&self, who: Who) -> bool {
        match who {
            Who::Pools => self.pools > 0,
            Who::Coordinator => self.coordinator,
        }
    }

    fn nobody(&self) -> bool {
        self.pools == 0 && !self.coordinator
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Phase {
    Finishing(Who, Duration),
    Terminating(Who, Duration),
    Killing(Who),
    /// Quickly or forcibly: everybody at once, killed at the time given.
    All(Option<Duration>),
    Done,
}

/// A drain under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drain {
    plan: Plan,
    mode: Mode,
    phase: Phase,
}

/// How long `Quickly` waits between TERM and KILL, unless the plan says less.
const QUICK_GRACE: Duration = Duration::from_secs(2);

impl Drain {
    /// Begins at `now`.
    pub fn begin(plan: Plan, mode: Mode, now: Duration) -> (Drain, Vec<Action>) {
        let mut drain = Drain { plan, mode, phase: Phase::Finishing(Who::Pools, now + plan.grace) };
        let mut actions = vec![Action::Close(Who::Pools)];
        if mode > Mode::Gently {
            actions.extend(drain.everybody(mode, now));
        }
        (drain, actions)
    }

    /// What a successor does again at first, since nobody knows whether it was done: all of it does no harm twice.
    pub fn resume(&self) -> Vec<Action> {
        let close = |who| match who {
            Who::Pools => vec![Action::Close(Who::Pools)],
            Who::Coordinator => vec![Action::Close(Who::Pools), Action::Close(Who::Coordinator)],
        };
        let (mut actions, then) = match self.phase {
            Phase::Finishing(who, _) => (close(who), Vec::new()),
            Phase::Terminating(who, _) => (close(who), vec![Action::Terminate(who)]),
            Phase::Killing(who) => (close(who), vec![Action::Kill(who)]),
            Phase::All(Some(_)) => {
                (close(Who::Coordinator), vec![Action::Terminate(Who::Pools), Action::Terminate(Who::Coordinator)])
            }
            Phase::All(None) => {
                (close(Who::Coordinator), vec![Action::Kill(Who::Pools), Action::Kill(Who::Coordinator)])
            }
            Phase::Done => return Vec::new(),
        };
        actions.extend(then);
        actions
    }

    /// Goes over to a harder way; a gentler one changes nothing.
    pub fn harder(&mut self, mode: Mode, now: Duration) -> Vec<Action> {
        if mode <= self.mode || self.phase == Phase::Done {
            return Vec::new();
        }
        self.everybody(mode, now)
    }

    fn everybody(&mut self, mode: Mode, now: Duration) -> Vec<Action> {
        self.mode = mode;
        let close = Action::Close(Who::Coordinator);
        if mode == Mode::Quickly {
            self.phase = Phase::All(Some(now + QUICK_GRACE.min(self.plan.kill_after)));
            vec![close, Action::Terminate(Who::Pools), Action::Terminate(Who::Coordinator)]
        } else {
            self.phase = Phase::All(None);
            vec![close, Action::Kill(Who::Pools), Action::Kill(Who::Coordinator)]
        }
    }

    /// Looks at who is left; to be called after every exit and when `deadline` has come.
    pub fn step(&mut self, now: Duration, left: Left) -> Vec<Action> {
        let mut actions = Vec::new();
        loop {
            let phase = self.phase;
            match phase {
                Phase::Done => break,
                Phase::All(_) if left.nobody() => self.phase = Phase::Done,
                Phase::All(Some(until)) if now >= until => {
                    actions.extend([Action::Kill(Who::Pools), Action::Kill(Who::Coordinator)]);
                    self.phase = Phase::All(None);
                }
                Phase::Finishing(who, _) | Phase::Terminating(who, _) | Phase::Killing(who) if !left.any(who) => {
                    self.phase = match who {
                        Who::Pools => {
                            actions.push(Action::Close(Who::Coordinator));
                            Phase::Finishing(Who::Coordinator, now + self.plan.grace)
                        }
                        Who::Coordinator => Phase::Done,
                    };
                }
                Phase::Finishing(who, until) if now >= until => {
                    actions.push(Action::Terminate(who));
                    self.phase = Phase::Terminating(who, now + self.plan.kill_after);
                }
                Phase::Terminating(who, until) if now >= until => {
                    actions.push(Action::Kill(who));
                    self.phase = Phase::Killing(who);
                }
                _ => break,
            }
        }
        actions
    }

    /// When to look again, if nothing happens before.
    pub fn deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Finishing(_, until) | Phase::Terminating(_, until) | Phase::All(Some(until)) => Some(until),
            _ => None,
        }
    }

    /// Whether pool agents may still finish what they have. One that dies in this phase while it holds messages may come
    /// back for them: the others may have left already, since there was nothing more for them.
    pub fn lets_pools_finish(&self) -> bool {
        matches!(self.phase, Phase::Finishing(Who::Pools, _))
    }

    /// Whether nobody is left.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// How hard it stops.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What it waits for, in a word or two.
    pub fn phase(&self) -> &'static str {
        match self.phase {
            Phase::Finishing(Who::Pools, _) => "finishing",
            Phase::Finishing(Who::Coordinator, _) => "collecting",
            Phase::Terminating(..) | Phase::All(Some(_)) => "terminating",
            Phase::Killing(_) | Phase::All(None) => "killing",
            Phase::Done => "done",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn left(pools: usize, coordinator: bool) -> Left {
        Left { pools, coordinator }
    }

    fn gently() -> Drain {
        let (drain, actions) = Drain::begin(Plan::default(), Mode::Gently, s(100));
        assert_eq!(actions, [Action::Close(Who::Pools)]);
        drain
    }

    #[test]
    fn a_quiet_drain_signals_nobody() {
        let mut drain = gently();
        assert_eq!(drain.step(s(101), left(3, true)), []);
        assert_eq!(drain.step(s(102), left(0, true)), [Action::Close(Who::Coordinator)]);
        assert_eq!(drain.deadline(), Some(s(112)));
        assert_eq!(drain.step(s(103), left(0, false)), []);
        assert!(drain.is_done());
        assert_eq!(drain.deadline(), None);
    }

    #[test]
    fn when_the_coordinator_has_gone_the_pools_are_the_end() {
        let mut drain = gently();
        assert_eq!(drain.step(s(101), left(0, false)), [Action::Close(Who::Coordinator)]);
        assert!(drain.is_done());
    }

    #[test]
    fn those_who_stay_are_asked_and_then_killed() {
        let mut drain = gently();
        assert_eq!(drain.step(s(109), left(3, true)), []);
        assert_eq!(drain.step(s(110), left(3, true)), [Action::Terminate(Who::Pools)]);
        assert_eq!(drain.step(s(111), left(2, true)), []);
        assert_eq!(drain.step(s(115), left(2, true)), [Action::Kill(Who::Pools)]);
        assert_eq!(drain.deadline(), None);
        assert_eq!(drain.step(s(116), left(0, true)), [Action::Close(Who::Coordinator)]);
        assert_eq!(drain.step(s(126), left(0, true)), [Action::Terminate(Who::Coordinator)]);
        assert_eq!(drain.step(s(131), left(0, true)), [Action::Kill(Who::Coordinator)]);
        assert_eq!(drain.step(s(132), left(0, false)), []);
        assert!(drain.is_done());
    }

    #[test]
    fn force_overtakes_a_gentle_drain_once() {
        let mut drain = gently();
        let kill = [Action::Close(Who::Coordinator), Action::Kill(Who::Pools), Action::Kill(Who::Coordinator)];
        assert_eq!(drain.harder(Mode::Forcibly, s(101)), kill);
        assert_eq!(drain.harder(Mode::Forcibly, s(102)), []);
        assert_eq!(drain.harder(Mode::Quickly, s(102)), []);
        assert_eq!(drain.step(s(103), left(0, false)), []);
        assert!(drain.is_done());
    }

    #[test]
    fn quickly_terminates_all_and_kills_soon() {
        let (mut drain, actions) = Drain::begin(Plan::default(), Mode::Quickly, s(0));
        assert_eq!(
            actions,
            [
                Action::Close(Who::Pools),
                Action::Close(Who::Coordinator),
                Action::Terminate(Who::Pools),
                Action::Terminate(Who::Coordinator)
            ]
        );
        assert_eq!(drain.step(s(1), left(1, true)), []);
        assert_eq!(drain.step(s(2), left(1, true)), [Action::Kill(Who::Pools), Action::Kill(Who::Coordinator)]);
        assert_eq!(drain.step(s(3), left(0, false)), []);
        assert!(drain.is_done());
    }

    #[test]
    fn no_grace_means_no_wait() {
        let plan = Plan { grace: s(0), kill_after: s(0) };
        let (mut drain, _) = Drain::begin(plan, Mode::Gently, s(5));
        assert_eq!(drain.step(s(5), left(1, true)), [Action::Terminate(Who::Pools), Action::Kill(Who::Pools)]);
    }

    #[test]
    fn every_phase_has_a_deadline_or_ends_by_a_death() {
        for mode in [Mode::Gently, Mode::Quickly, Mode::Forcibly] {
            let (mut drain, mut actions) = Drain::begin(Plan::default(), mode, s(0));
            let mut now = s(0);
            let mut alive = left(2, true);
            for _ in 0..20 {
                for action in &actions {
                    match action {
                        Action::Kill(Who::Pools) => alive.pools = 0,
                        Action::Kill(Who::Coordinator) => alive.coordinator = false,
                        _ => {}
                    }
                }
                now = drain.deadline().unwrap_or(now);
                actions = drain.step(now, alive);
            }
            assert!(drain.is_done(), "{mode:?}");
        }
    }
}
