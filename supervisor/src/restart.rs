//! What follows an exit: the restart policy, the back-off and when to give up. Pure: time and chance are handed in.

use crate::exit::Exit;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// The exit code by which a program asks never to be restarted.
pub const EXIT_NEVER_AGAIN: i32 = 125;

/// After which exits a process is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// After every exit.
    Always,
    /// After every exit but 0.
    OnFailure,
    /// After death by a signal only.
    OnAbnormal,
    /// Never.
    Never,
}

/// Who else of a group starts anew when one of its agents does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Nobody.
    OneForOne,
    /// Everybody.
    OneForAll,
    /// Those that come after it: later pools, and higher numbers of its own.
    RestForOne,
}

/// The policy with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// After which exits.
    pub policy: Policy,
    /// The delay after the first failure; it doubles with each further one.
    pub first: Duration,
    /// The longest delay.
    pub most: Duration,
    /// Give up at this many failures …
    pub failures: u32,
    /// … within this time.
    pub within: Duration,
    /// A process that lived this long was healthy: the delay starts from `first` again.
    pub healthy: Duration,
}

impl Plan {
    /// The usual plan of a pool's agents.
    pub fn for_agents() -> Plan {
        Plan {
            policy: Policy::OnFailure,
            first: Duration::from_millis(100),
            most: Duration::from_secs(30),
            failures: 5,
            within: Duration::from_secs(60),
            healthy: Duration::from_secs(30),
        }
    }

    /// The usual plan of a coordinator: its exit code is the job's verdict, so only a death by signal is mended.
    pub fn for_coordinator() -> Plan {
        Plan { policy: Policy::OnAbnormal, ..Plan::for_agents() }
    }
}

/// What one process went through so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When it failed, oldest first, within the plan's window.
    recent: VecDeque<Duration>,
    /// Failures since it was last healthy.
    streak: u32,
}

/// What to do after an exit.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Start again after this delay.
    Retry {
        /// The delay.
        after: Duration,
    },
    /// It has done what it was for.
    Finished,
    /// It failed and is left alone.
    Failed(Why),
}

/// Why a failed process is not started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The policy says so.
    Policy,
    /// It asked for it by its exit code.
    Asked,
    /// Too many failures in a short time.
    TooMany {
        /// How many.
        failures: u32,
        /// Within how many seconds.
        within_s: u64,
    },
}

impl History {
    /// Judges an exit at `now` of a process that lived for `lived`. `chance` in 0..1 spreads the delay by a quarter each
    /// way, so that a hundred agents that fail together do not come back together.
    pub fn judge(&mut self, plan: &Plan, now: Duration, lived: Duration, exit: &Exit, chance: f64) -> Verdict {
        if lived >= plan.healthy {
            self.streak = 0;
        }
        if *exit == Exit::Code(EXIT_NEVER_AGAIN) {
            return Verdict::Failed(Why::Asked);
        }
        let again = match plan.policy {
            Policy::Always => true,
            Policy::OnFailure => !exit.is_success(),
            Policy::OnAbnormal => exit.is_abnormal(),
            Policy::Never => false,
        };
        if !again {
            return if exit.is_success() { Verdict::Finished } else { Verdict::Failed(Why::Policy) };
        }
        if !exit.is_success() {
            self.recent.push_back(now);
            while self.recent.front().is_some_and(|at| now.saturating_sub(*at) > plan.within) {
                self.recent.pop_front();
            }
            if self.recent.len() >= plan.failures as usize {
                let failures = self.recent.len() as u32;
                return Verdict::Failed(Why::TooMany { failures, within_s: plan.within.as_secs() });
            }
        }
        let doubled = plan.first.saturating_mul(1 << self.streak.min(20)).min(plan.most);
        self.streak = self.streak.saturating_add(1);
        Verdict::Retry { after: doubled.mul_f64(0.75 + 0.5 * chance.clamp(0.0, 1.0)) }
    }
}

/// Chance for the delays: a small generator, since nothing here needs more.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// The next number in 0..1.
    pub fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: f64 = 0.5;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn policies_judge_each_kind_of_exit() {
        let cases = [
            (Policy::Always, Exit::Code(0), true),
            (Policy::Always, Exit::Code(1), true),
            (Policy::OnFailure, Exit::Code(0), false),
            (Policy::OnFailure, Exit::Code(1), true),
            (Policy::OnFailure, Exit::Signal(9), true),
            (Policy::OnFailure, Exit::NotStarted, true),
            (Policy::OnAbnormal, Exit::Code(0), false),
            (Policy::OnAbnormal, Exit::Code(1), false),
            (Policy::OnAbnormal, Exit::Signal(9), true),
            (Policy::Never, Exit::Code(0), false),
            (Policy::Never, Exit::Signal(9), false),
        ];
        for (policy, exit, again) in cases {
            let plan = Plan { policy, ..Plan::for_agents() };
            let verdict = History::default().judge(&plan, s(1), s(1), &exit, MIDDLE);
            assert_eq!(matches!(verdict, Verdict::Retry { .. }), again, "{policy:?} {exit:?}");
            if !again {
                let expected = if exit.is_success() { Verdict::Finished } else { Verdict::Failed(Why::Policy) };
                assert_eq!(verdict, expected, "{policy:?} {exit:?}");
            }
        }
    }

    #[test]
    fn the_delay_doubles_up_to_the_most() {
        let plan = Plan { failures: 100, most: s(1), ..Plan::for_agents() };
        let mut history = History::default();
        let delays: Vec<Duration> = (0..6)
            .map(|n| match history.judge(&plan, s(n), ms(10), &Exit::Code(1), MIDDLE) {
                Verdict::Retry { after } => after,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(delays, [ms(100), ms(200), ms(400), ms(800), s(1), s(1)]);
    }

    #[test]
    fn the_delay_starts_again_after_a_healthy_life() {
        let plan = Plan { failures: 100, ..Plan::for_agents() };
        let mut history = History::default();
        for n in 0..4 {
            history.judge(&plan, s(n), ms(10), &Exit::Code(1), MIDDLE);
        }
        let verdict = history.judge(&plan, s(40), s(31), &Exit::Code(1), MIDDLE);
        assert_eq!(verdict, Verdict::Retry { after: ms(100) });
    }

    #[test]
    fn chance_spreads_the_delay_by_a_quarter() {
        let plan = Plan::for_agents();
        let after = |chance| match History::default().judge(&plan, s(0), s(0), &Exit::Code(1), chance) {
            Verdict::Retry { after } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after(0.0), ms(75));
        assert_eq!(after(1.0), ms(125));
        let mut chance = Chance::new(7);
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&chance.draw()));
        }
    }

    #[test]
    fn five_failures_within_a_minute_are_too_many() {
        let plan = Plan::for_agents();
        let mut history = History::default();
        for n in 0..4 {
            let verdict = history.judge(&plan, s(n * 15), s(1), &Exit::Signal(9), MIDDLE);
            assert!(matches!(verdict, Verdict::Retry { .. }));
        }
        let verdict = history.judge(&plan, s(60), s(1), &Exit::Signal(9), MIDDLE);
        assert_eq!(verdict, Verdict::Failed(Why::TooMany { failures: 5, within_s: 60 }));
    }

    #[test]
    fn failures_that_are_long_ago_do_not_count() {
        let plan = Plan::for_agents();
        let mut history = History::default();
        for n in 0..50 {
            let verdict = history.judge(&plan, s(n * 16), s(1), &Exit::Code(1), MIDDLE);
            assert!(matches!(verdict, Verdict::Retry { .. }), "failure {n}");
        }
    }

    #[test]
    fn exit_125_is_final_under_every_policy() {
        for policy in [Policy::Always, Policy::OnFailure, Policy::OnAbnormal, Policy::Never] {
            let plan = Plan { policy, ..Plan::for_agents() };
            let verdict = History::default().judge(&plan, s(0), s(0), &Exit::Code(125), MIDDLE);
            assert_eq!(verdict, Verdict::Failed(Why::Asked));
        }
    }

    #[test]
    fn always_does_not_give_up_on_clean_exits() {
        let plan = Plan { policy: Policy::Always, most: s(1), ..Plan::for_agents() };
        let mut history = History::default();
        for n in 0..50 {
            assert!(matches!(history.judge(&plan, s(n), ms(1), &Exit::Code(0), MIDDLE), Verdict::Retry { .. }));
        }
    }
}
