//! Which pools stop under pressure, and when they come back. Pure: it is told the time, how full memory and queues are, and which pools there are.
//!
//! The pool of the lowest priority goes first, and one at a time, since what it frees takes a while to show. It comes back when there has been room
//! for a while: between the two thresholds nothing happens. Pools of the highest priority never stop.

use std::time::Duration;

/// `[health.shed]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// From so full on, in percent, pools stop.
    pub from: u32,
    /// When it is less than so full they come back.
    pub until: u32,
    /// So long after one pool the next may follow.
    pub pause: Duration,
}

/// A pool, as far as it matters.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Its place in the topology.
    pub at: usize,
    /// Its priority.
    pub priority: i32,
    /// Whether it was stopped here.
    pub is_shed: bool,
    /// Whether it takes from a queue that is full: without it things would get worse.
    pub helps: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// This pool stops.
    Stop(usize),
    /// This pool comes back.
    Start(usize),
}

/// When something was done last, and since when there is room.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shedder {
    acted: Option<Duration>,
    room_since: Option<Duration>,
}

impl Shedder {
    /// Looks: how full the fullest is, in percent.
    pub fn look(&mut self, plan: &Plan, now: Duration, percent: u32, pools: &[Pool]) -> Option<Action> {
        if percent >= plan.until {
            self.room_since = None;
        }
        let has_paused = self.acted.is_none_or(|acted| now >= acted + plan.pause);
        let action = if percent >= plan.from && has_paused {
            let highest = pools.iter().map(|pool| pool.priority).max()?;
            let may_stop = |pool: &&Pool| !pool.is_shed && !pool.helps && pool.priority < highest;
            pools.iter().filter(may_stop).min_by_key(|pool| pool.priority).map(|pool| Action::Stop(pool.at))
        } else if percent < plan.until {
            let room_since = *self.room_since.get_or_insert(now);
            let back = pools.iter().filter(|pool| pool.is_shed).max_by_key(|pool| pool.priority);
            let is_time = has_paused && now >= room_since + plan.pause;
            back.filter(|_| is_time).map(|pool| Action::Start(pool.at))
        } else {
            None
        };
        if action.is_some() {
            self.acted = Some(now);
        }
        action
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { from: 90, until: 70, pause: Duration::from_secs(10) };

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn pools(shed: &[usize]) -> Vec<Pool> {
        let pool = |(at, priority)| Pool { at, priority, is_shed: shed.contains(&at), helps: false };
        [(0, 10), (1, -5), (2, 0)].into_iter().map(pool).collect()
    }

    #[test]
    fn the_lowest_goes_first_and_the_highest_never() {
        let mut shedder = Shedder::default();
        assert_eq!(shedder.look(&PLAN, s(0), 89, &pools(&[])), None);
        assert_eq!(shedder.look(&PLAN, s(1), 95, &pools(&[])), Some(Action::Stop(1)));
        assert_eq!(shedder.look(&PLAN, s(2), 95, &pools(&[1])), None, "what the first frees takes a while to show");
        assert_eq!(shedder.look(&PLAN, s(11), 95, &pools(&[1])), Some(Action::Stop(2)));
        assert_eq!(shedder.look(&PLAN, s(21), 99, &pools(&[1, 2])), None);
    }

    #[test]
    fn they_come_back_when_there_has_been_room_for_a_while() {
        let mut shedder = Shedder::default();
        shedder.look(&PLAN, s(0), 95, &pools(&[]));
        for (now, percent) in [(20, 75), (21, 69), (30, 69), (31, 71), (32, 69), (41, 69)] {
            assert_eq!(shedder.look(&PLAN, s(now), percent, &pools(&[1, 2])), None, "{now}");
        }
        assert_eq!(shedder.look(&PLAN, s(42), 69, &pools(&[1, 2])), Some(Action::Start(2)), "the higher first");
        assert_eq!(shedder.look(&PLAN, s(43), 10, &pools(&[1])), None);
        assert_eq!(shedder.look(&PLAN, s(52), 10, &pools(&[1])), Some(Action::Start(1)));
    }

    #[test]
    fn who_empties_what_is_full_stays() {
        let mut pools = pools(&[]);
        pools[1].helps = true;
        assert_eq!(Shedder::default().look(&PLAN, s(0), 100, &pools), Some(Action::Stop(2)));
        let equal: Vec<Pool> = pools.iter().map(|pool| Pool { priority: 0, ..*pool }).collect();
        assert_eq!(Shedder::default().look(&PLAN, s(0), 100, &equal), None, "nobody is less important");
    }
}
