//! The agents of a run and the state each is in. Pure: time and chance are handed in, processes are only numbers here.

use crate::config::Topology;
use crate::drain::Left;
use crate::exit::Exit;
use crate::note::Entry;
use crate::restart::{History, Plan, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// Where one agent stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// To be started at this time; `first` tells a start from a restart.
    Waiting {
        /// When.
        due: Duration,
        /// Never started before.
        first: bool,
    },
    /// A zygote was asked for its process.
    Forking {
        /// Never started before.
        first: bool,
    },
    /// Its process is there.
    Running {
        /// The process, which leads a group of its own.
        pid: u32,
        /// When it was asked for.
        since: Duration,
    },
    /// Its process was told to end.
    Stopping {
        /// The process.
        pid: u32,
        /// Since when it is there.
        since: Duration,
        /// What comes then.
        after: After,
    },
    /// It ended and need not come back.
    Finished,
    /// It failed and is left alone.
    Failed,
    /// Somebody stopped it; it may be started again.
    Stopped,
    /// Its pool has become smaller.
    Gone,
}

/// What follows when a process ends that was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum After {
    /// It starts again, at this time or as soon as it has ended.
    Again(Duration),
    /// It stays away until somebody starts it.
    Stay,
    /// It is no longer of its pool.
    Leave,
}

impl State {
    /// The word `ps` shows.
    pub fn word(&self) -> &'static str {
        match self {
            State::Waiting { first: true, .. } | State::Forking { .. } => "starting",
            State::Waiting { .. } => "backoff",
            State::Running { .. } => "running",
            State::Stopping { .. } => "stopping",
            State::Finished => "finished",
            State::Failed => "failed",
            State::Stopped => "stopped",
            State::Gone => "gone",
        }
    }

    /// The process, if there is one.
    pub fn pid(&self) -> Option<u32> {
        match self {
            State::Running { pid, .. } | State::Stopping { pid, .. } => Some(*pid),
            _ => None,
        }
    }

    /// Since when its process is there.
    pub fn since(&self) -> Option<Duration> {
        match self {
            State::Running { since, .. } | State::Stopping { since, .. } => Some(*since),
            _ => None,
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
    /// It depends on somebody who is not ready.
    pub blocked: bool,
    plan: Plan,
    /// What it went through.
    pub history: History,
}

/// All agents of a run; a slot's index is its place here for good.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    slots: Vec<Slot>,
    /// No more starts: a drain is under way.
    stopping: bool,
    /// Slots that are not as they were noted last.
    changed: BTreeSet<usize>,
}

impl Fleet {
    /// The agents of a topology, all due at once, the coordinator first.
    pub fn new(topology: &Topology) -> Fleet {
        let mut fleet = Fleet::default();
        if let Some(coordinator) = &topology.coordinator {
            fleet.add(coordinator.name.clone(), None, 0, coordinator.restart, Duration::ZERO);
        }
        let mut pools: Vec<_> = topology.pools.iter().enumerate().collect();
        // Who comes first here starts first; pools of one priority keep the order of the file.
        pools.sort_by_key(|(_, pool)| std::cmp::Reverse(pool.priority));
        for (number, pool) in pools {
            for index in 1..=pool.size {
                let name = Topology::agent_name(&pool.name, index);
                fleet.add(name, Some(number), index, pool.run.restart, Duration::ZERO);
            }
        }
        // One that nothing is noted of is one that was never started.
        fleet.changed.clear();
        fleet
    }

    /// One more agent, due at `now`. The place of one that has gone is taken again.
    pub fn add(&mut self, name: String, pool: Option<usize>, index: u32, plan: Plan, now: Duration) -> usize {
        let fresh = Slot {
            name,
            pool,
            index,
            state: State::Waiting { due: now, first: true },
            restarts: 0,
            last: None,
            blocked: false,
            plan,
            history: History::default(),
        };
        let at = match self.slots.iter().position(|slot| slot.state == State::Gone && slot.name == fresh.name) {
            Some(at) => {
                self.slots[at] = fresh;
                at
            }
            None => {
                self.slots.push(fresh);
                self.slots.len() - 1
            }
        };
        self.changed.insert(at);
        at
    }

    /// Puts a slot back to where a supervisor before us had it.
    pub fn restore(&mut self, at: usize, noted: &Entry) {
        let slot = &mut self.slots[at];
        slot.restarts = noted.restarts;
        slot.last = noted.last;
        slot.history = noted.history.clone();
        slot.state = match &noted.state {
            // Whoever was asked for it has ended with the one who asked.
            State::Forking { first } => State::Waiting { due: Duration::ZERO, first: *first },
            state => state.clone(),
        };
    }

    /// Goes on with an end that a supervisor before us began.
    pub fn go_on_ending(&mut self) {
        self.stopping = true;
        for slot in &mut self.slots {
            if matches!(slot.state, State::Waiting { first: true, .. }) {
                slot.state = State::Finished;
            }
        }
    }

    /// Says that a slot is not as it was noted last.
    pub fn touch(&mut self, at: usize) {
        self.changed.insert(at);
    }

    /// The slots that are not as they were noted last.
    pub fn take_changed(&mut self) -> BTreeSet<usize> {
        std::mem::take(&mut self.changed)
    }

    /// The agents of a pool that have not gone, by their numbers.
    pub fn of_pool(&self, pool: usize) -> Vec<usize> {
        let is_of = |slot: &Slot| slot.pool == Some(pool) && slot.state != State::Gone;
        let mut found: Vec<usize> = (0..self.slots.len()).filter(|at| is_of(&self.slots[*at])).collect();
        found.sort_by_key(|at| self.slots[*at].index);
        found
    }

    /// Tells an agent to end. The answer is the process that is to be ended; without one, what comes after has come already.
    pub fn stop(&mut self, at: usize, after: After, now: Duration) -> Option<u32> {
        self.changed.insert(at);
        let slot = &mut self.slots[at];
        match slot.state {
            State::Running { pid, since } | State::Stopping { pid, since, .. } => {
                slot.state = State::Stopping { pid, since, after };
                Some(pid)
            }
            _ => {
                slot.state = came(after, now);
                None
            }
        }
    }

    /// Starts one that is not there; its failures are forgotten. Whether there was anything to do.
    pub fn start(&mut self, at: usize, now: Duration) -> bool {
        self.changed.insert(at);
        let slot = &mut self.slots[at];
        match slot.state {
            State::Stopped | State::Finished | State::Failed | State::Waiting { .. } => {
                slot.history = History::default();
                slot.state = State::Waiting { due: now, first: true };
                true
            }
            State::Stopping { pid, since, .. } => {
                slot.state = State::Stopping { pid, since, after: After::Again(now) };
                true
            }
            State::Running { .. } | State::Forking { .. } | State::Gone => false,
        }
    }

    /// Holds a start back, or no longer.
    pub fn block(&mut self, at: usize, blocked: bool) {
        self.slots[at].blocked = blocked;
    }

    /// Gives an agent another policy.
    pub fn set_plan(&mut self, at: usize, plan: Plan) {
        self.slots[at].plan = plan;
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
        let due = |slot: &Slot| !slot.blocked && matches!(slot.state, State::Waiting { due, .. } if due <= now);
        let places = self.slots.iter().enumerate().filter(|(_, slot)| due(slot)).map(|(at, _)| at);
        places.take(most).collect()
    }

    /// When the next slot is due.
    pub fn next_due(&self) -> Option<Duration> {
        let due = |slot: &Slot| match slot.state {
            State::Waiting { due, .. } if !slot.blocked => Some(due),
            _ => None,
        };
        self.slots.iter().filter_map(due).min()
    }

    /// A zygote was asked for it.
    pub fn forking(&mut self, at: usize) {
        self.changed.insert(at);
        let slot = &mut self.slots[at];
        slot.state = State::Forking { first: matches!(slot.state, State::Waiting { first: true, .. }) };
    }

    /// A process was started, which was asked for then.
    pub fn started(&mut self, at: usize, pid: u32, asked: Duration) {
        self.changed.insert(at);
        let slot = &mut self.slots[at];
        if !matches!(slot.state, State::Waiting { first: true, .. } | State::Forking { first: true }) {
            slot.restarts += 1;
        }
        slot.state = State::Running { pid, since: asked };
    }

    /// A process ended, or could not be started. The verdict says what happens to the slot. While a drain is under way
    /// only one that has something to come back for (`unfinished`) may come back.
    pub fn ended(&mut self, at: usize, exit: Exit, unfinished: bool, now: Duration, chance: f64) -> Verdict {
        self.changed.insert(at);
        let slot = &mut self.slots[at];
        let lived = slot.state.since().map_or(Duration::ZERO, |since| now.saturating_sub(since));
        slot.last = Some(exit);
        if let (State::Stopping { after, .. }, false) = (&slot.state, self.stopping) {
            slot.state = came(*after, now);
            return match slot.state {
                State::Waiting { .. } => Verdict::Retry { after: Duration::ZERO },
                _ => Verdict::Finished,
            };
        }
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
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if matches!(slot.state, State::Waiting { .. }) {
                slot.state = State::Finished;
                self.changed.insert(at);
            }
        }
    }

    /// The processes that are there: slot and process.
    pub fn running(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        self.slots.iter().enumerate().filter_map(|(at, slot)| slot.state.pid().map(|pid| (at, pid)))
    }

    /// Who is left, for a drain: those that run and those that will.
    pub fn left(&self) -> Left {
        let is_left = |slot: &&Slot| {
            slot.state.pid().is_some() || matches!(slot.state, State::Waiting { .. } | State::Forking { .. })
        };
        let pools = self.slots.iter().filter(|slot| slot.pool.is_some()).filter(is_left).count();
        let coordinator = self.slots.iter().filter(|slot| slot.pool.is_none()).any(|slot| is_left(&slot));
        Left { pools, coordinator }
    }

    /// Whether every agent of this pool has failed for good.
    pub fn pool_has_failed(&self, pool: usize) -> bool {
        let mut of_pool = self.of_pool(pool).into_iter().peekable();
        of_pool.peek().is_some() && of_pool.all(|at| self.slots[at].state == State::Failed)
    }

    /// Whether nothing runs and nothing will. One that somebody stopped may be started again, and a pool that was made empty
    /// may grow again: then it is not over.
    pub fn is_over(&self) -> bool {
        let has_ended = |slot: &Slot| matches!(slot.state, State::Finished | State::Failed);
        let mut rest = self.slots.iter().filter(|slot| slot.state != State::Gone).peekable();
        rest.peek().is_some() && rest.all(has_ended)
    }

    /// Whether some agent was given up.
    pub fn any_failed(&self) -> bool {
        self.slots.iter().any(|slot| slot.state == State::Failed)
    }

    /// Whether every slot has been started at least once.
    pub fn all_begun(&self) -> bool {
        !self
            .slots
            .iter()
            .any(|slot| matches!(slot.state, State::Waiting { first: true, .. } | State::Forking { first: true }))
    }

    /// Restarts in all.
    pub fn restarts(&self) -> u32 {
        self.slots.iter().map(|slot| slot.restarts).sum()
    }
}

fn came(after: After, now: Duration) -> State {
    match after {
        After::Again(due) => State::Waiting { due: due.max(now), first: false },
        After::Stay => State::Stopped,
        After::Leave => State::Gone,
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
    fn what_was_told_to_end_is_no_failure() {
        let mut fleet = fleet(3);
        for (at, pid) in [(1, 7), (2, 8), (3, 9)] {
            fleet.started(at, pid, s(0));
        }
        for (at, after) in [(1, After::Again(s(0))), (2, After::Stay), (3, After::Leave)] {
            for _ in 0..2 {
                assert_eq!(fleet.stop(at, after, s(1)), Some(6 + at as u32));
            }
            assert_eq!(fleet.slot(at).state.word(), "stopping");
            fleet.ended(at, Exit::Signal(15), false, s(2), 0.5);
        }
        let words: Vec<_> = fleet.slots()[1..].iter().map(|slot| slot.state.word()).collect();
        assert_eq!(words, ["backoff", "stopped", "gone"]);
        assert!(fleet.due(s(2), 9).contains(&1) && !fleet.any_failed());
        assert!(fleet.start(2, s(3)) && !fleet.start(3, s(3)));
        assert_eq!(fleet.of_pool(0), [1, 2]);
        assert_eq!(fleet.add("worker-3".into(), Some(0), 3, Plan::for_agents(), s(4)), 3);
        assert_eq!(fleet.of_pool(0), [1, 2, 3]);
    }

    #[test]
    fn a_start_forgets_failures() {
        let mut fleet = fleet(1);
        for n in 0..5 {
            fleet.started(1, 7, s(n));
            fleet.ended(1, Exit::Code(1), false, s(n), 0.5);
        }
        assert_eq!(fleet.slot(1).state, State::Failed);
        assert!(fleet.start(1, s(5)));
        fleet.started(1, 7, s(5));
        assert!(matches!(fleet.ended(1, Exit::Code(1), false, s(5), 0.5), Verdict::Retry { .. }));
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
