//! The agents of a run and the state each is in. Pure: time and chance are handed in, processes are only numbers here.

use crate::config::Topology;
use crate::drain::Left;
use crate::exit::Exit;
use crate::restart::{History, Plan, Verdict};
use std::time::Duration;

/// Where one agent stands.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// To be started at this time; `first` tells a start from a restart.
    Waiting {
        /// When.
        due: Duration,
        /// Never started before.
        first: bool,
    },
    /// Its process is there.
    Running {
        /// The process, which leads a group of its own.
        pid: u32,
        /// Since when.
        since: Duration,
    },
    /// It ended and need not come back.
    Finished,
    /// It failed and is left alone.
    Failed,
}

impl State {
    /// The word `ps` shows.
    pub fn word(&self) -> &'static str {
        match self {
            State::Waiting { first: true, .. } => "starting",
            State::Waiting { .. } => "backoff",
            State::Running { .. } => "running",
            State::Finished => "finished",
            State::Failed => "failed",
        }
    }
}

/// One agent: a name that is filled by one process after another.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The agent's name.
    pub name: String,
    /// Which pool of the topology, or none for the coordinator.
    pub pool: Option<usize>,
    /// Its number in the pool, from 1; 0 for the coordinator.
    pub index: u32,
    /// Where it stands.
    pub state: State,
    /// How often it was started again.
    pub restarts: u32,
    /// How it ended last.
    pub last: Option<Exit>,
    plan: Plan,
    history: History,
}

/// All agents of a run; a slot's index is its place here for good.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    slots: Vec<Slot>,
    /// No more starts: a drain is under way.
    stopping: bool,
}

impl Fleet {
    /// The agents of a topology, all due at once, the coordinator first.
    pub fn new(topology: &Topology) -> Fleet {
        let slot = |name, pool, index, plan| Slot {
            name,
            pool,
            index,
            state: State::Waiting { due: Duration::ZERO, first: true },
            restarts: 0,
            last: None,
            plan,
            history: History::default(),
        };
        let mut slots = Vec::new();
        if let Some(coordinator) = &topology.coordinator {
            slots.push(slot(coordinator.name.clone(), None, 0, coordinator.restart));
        }
        for (number, pool) in topology.pools.iter().enumerate() {
            for index in 1..=pool.size {
                slots.push(slot(Topology::agent_name(&pool.name, index), Some(number), index, pool.run.restart));
            }
        }
        Fleet { slots, stopping: false }
    }

    /// All slots.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// One slot.
    pub fn slot(&self, at: usize) -> &Slot {
        &self.slots[at]
    }

    /// The slots that are due at `now`, at most `most`.
    pub fn due(&self, now: Duration, most: usize) -> Vec<usize> {
        let due = |slot: &Slot| matches!(slot.state, State::Waiting { due, .. } if due <= now);
        let places = self.slots.iter().enumerate().filter(|(_, slot)| due(slot)).map(|(at, _)| at);
        places.take(most).collect()
    }

    /// When the next slot is due.
    pub fn next_due(&self) -> Option<Duration> {
        let due = |slot: &Slot| match slot.state {
            State::Waiting { due, .. } => Some(due),
            _ => None,
        };
        self.slots.iter().filter_map(due).min()
    }

    /// A process was started.
    pub fn started(&mut self, at: usize, pid: u32, now: Duration) {
        let slot = &mut self.slots[at];
        if !matches!(slot.state, State::Waiting { first: true, .. }) {
            slot.restarts += 1;
        }
        slot.state = State::Running { pid, since: now };
    }

    /// A process ended, or could not be started. The verdict says what happens to the slot. While a drain is under way
    /// only one that has something to come back for (`unfinished`) may come back.
    pub fn ended(&mut self, at: usize, exit: Exit, unfinished: bool, now: Duration, chance: f64) -> Verdict {
        let slot = &mut self.slots[at];
        let lived = match slot.state {
            State::Running { since, .. } => now.saturating_sub(since),
            _ => Duration::ZERO,
        };
        slot.last = Some(exit);
        let verdict = if self.stopping && !unfinished {
            Verdict::Finished
        } else {
            slot.history.judge(&slot.plan, now, lived, &exit, chance)
        };
        slot.state = match &verdict {
            Verdict::Retry { after } => State::Waiting { due: now + *after, first: false },
            Verdict::Finished => State::Finished,
            Verdict::Failed(_) => State::Failed,
        };
        verdict
    }

    /// From now on nothing is started any more, but what has something to come back for.
    pub fn stop_starting(&mut self) {
        self.stopping = true;
        for slot in &mut self.slots {
            if matches!(slot.state, State::Waiting { .. }) {
                slot.state = State::Finished;
            }
        }
    }

    /// The processes that are there: slot and process.
    pub fn running(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        self.slots.iter().enumerate().filter_map(|(at, slot)| match slot.state {
            State::Running { pid, .. } => Some((at, pid)),
            _ => None,
        })
    }

    /// Who is left, for a drain: those that run and those that will.
    pub fn left(&self) -> Left {
        let is_left = |slot: &&Slot| matches!(slot.state, State::Running { .. } | State::Waiting { .. });
        let pools = self.slots.iter().filter(|slot| slot.pool.is_some()).filter(is_left).count();
        let coordinator = self.slots.iter().filter(|slot| slot.pool.is_none()).any(|slot| is_left(&slot));
        Left { pools, coordinator }
    }

    /// Whether every agent of this pool has failed for good.
    pub fn pool_has_failed(&self, pool: usize) -> bool {
        let mut of_pool = self.slots.iter().filter(|slot| slot.pool == Some(pool)).peekable();
        of_pool.peek().is_some() && of_pool.all(|slot| slot.state == State::Failed)
    }

    /// Whether nothing runs and nothing will.
    pub fn is_over(&self) -> bool {
        self.slots.iter().all(|slot| matches!(slot.state, State::Finished | State::Failed))
    }

    /// Whether some agent was given up.
    pub fn any_failed(&self) -> bool {
        self.slots.iter().any(|slot| slot.state == State::Failed)
    }

    /// Whether every slot has been started at least once.
    pub fn all_begun(&self) -> bool {
        !self.slots.iter().any(|slot| matches!(slot.state, State::Waiting { first: true, .. }))
    }

    /// Restarts in all.
    pub fn restarts(&self) -> u32 {
        self.slots.iter().map(|slot| slot.restarts).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn fleet(size: u32) -> Fleet {
        let text = format!(
            "[bus]\nname = \"b\"\n[coordinator]\ncommand = [\"sh\"]\n[pool.worker]\ncommand = [\"sh\"]\nsize = {size}\n"
        );
        Fleet::new(&Topology::parse(Path::new("t.toml"), Path::new("/"), &text).unwrap())
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_coordinator_comes_first_and_names_are_numbered() {
        let names: Vec<String> = fleet(3).slots().iter().map(|slot| slot.name.clone()).collect();
        assert_eq!(names, ["coordinator", "worker-1", "worker-2", "worker-3"]);
    }

    #[test]
    fn starts_come_in_batches_until_all_are_there() {
        let mut fleet = fleet(5);
        let mut pid = 100;
        while !fleet.all_begun() {
            for at in fleet.due(s(0), 4) {
                pid += 1;
                fleet.started(at, pid, s(0));
            }
        }
        assert_eq!(fleet.running().count(), 6);
        assert_eq!(fleet.left(), Left { pools: 5, coordinator: true });
        assert_eq!(fleet.restarts(), 0);
        assert_eq!(fleet.next_due(), None);
    }

    #[test]
    fn a_failure_waits_and_comes_back() {
        let mut fleet = fleet(1);
        fleet.started(1, 7, s(0));
        let verdict = fleet.ended(1, Exit::Signal(9), false, s(5), 0.5);
        assert_eq!(verdict, Verdict::Retry { after: Duration::from_millis(100) });
        assert_eq!(fleet.slot(1).state.word(), "backoff");
        assert!(!fleet.due(s(5), 9).contains(&1));
        assert!(fleet.due(s(6), 9).contains(&1));
        fleet.started(1, 8, s(6));
        assert_eq!(fleet.slot(1).restarts, 1);
    }

    #[test]
    fn a_clean_exit_stays_away() {
        let mut fleet = fleet(1);
        fleet.started(1, 7, s(0));
        assert_eq!(fleet.ended(1, Exit::Code(0), false, s(5), 0.5), Verdict::Finished);
        assert!(!fleet.pool_has_failed(0));
    }

    #[test]
    fn a_pool_has_failed_when_all_its_agents_have() {
        let mut fleet = fleet(2);
        for at in [1, 2] {
            assert!(!fleet.pool_has_failed(0));
            for n in 0..5 {
                fleet.started(at, 7, s(n));
                fleet.ended(at, Exit::Code(1), false, s(n), 0.5);
            }
        }
        assert!(fleet.pool_has_failed(0));
        assert!(fleet.any_failed());
        assert!(!fleet.is_over());
    }

    #[test]
    fn a_start_that_fails_counts_as_a_failure() {
        let mut fleet = fleet(1);
        assert!(matches!(fleet.ended(1, Exit::NotStarted, false, s(0), 0.5), Verdict::Retry { .. }));
    }

    #[test]
    fn nothing_starts_while_stopping() {
        let mut fleet = fleet(2);
        fleet.started(0, 6, s(0));
        fleet.started(1, 7, s(0));
        fleet.stop_starting();
        assert!(fleet.due(s(9), 9).is_empty());
        assert_eq!(fleet.ended(1, Exit::Signal(9), false, s(1), 0.5), Verdict::Finished);
        assert_eq!(fleet.left(), Left { pools: 0, coordinator: true });
        fleet.ended(0, Exit::Code(0), false, s(1), 0.5);
        assert!(fleet.is_over());
    }

    #[test]
    fn one_that_left_something_comes_back_even_while_stopping() {
        let mut fleet = fleet(1);
        fleet.started(0, 6, s(0));
        fleet.started(1, 7, s(0));
        fleet.stop_starting();
        assert!(matches!(fleet.ended(1, Exit::Signal(9), true, s(1), 0.5), Verdict::Retry { .. }));
        assert_eq!(fleet.left(), Left { pools: 1, coordinator: true });
        fleet.stop_starting();
        assert_eq!(fleet.left(), Left { pools: 0, coordinator: true });
    }
}
