//! Who waits for whom, who starts anew with whom, and what agents leave behind.

use super::Run;
use crate::config::CommandPlan;
use crate::event::Event;
use crate::pool::{After, State};
use crate::ready::{LOOK_EVERY, Probe, Ready};
use crate::restart::Strategy;
use crate::strays;
use crate::zygote::Zygote;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

impl Run<'_> {
    /// Holds back those that depend on somebody who is not ready, and looks whether he is by now.
    pub(super) fn look_for_the_ready(&mut self) {
        let waiting: Vec<usize> = (0..self.fleet.slots().len()).filter(|at| self.waits(*at)).collect();
        if waiting.is_empty() || (self.now() < self.next_look && waiting.iter().all(|at| self.fleet.slot(*at).blocked))
        {
            return;
        }
        self.next_look = self.now() + LOOK_EVERY;
        let wanted: BTreeSet<String> = waiting.iter().flat_map(|at| self.plan_of(*at).depends_on.clone()).collect();
        let unready: BTreeSet<String> = wanted.into_iter().filter(|name| !self.is_ready_by_name(name)).collect();
        for at in waiting {
            let blocked = self.plan_of(at).depends_on.iter().any(|name| unready.contains(name));
            self.fleet.block(at, blocked);
        }
    }

    fn waits(&self, at: usize) -> bool {
        matches!(self.fleet.slot(at).state, State::Waiting { .. }) && !self.plan_of(at).depends_on.is_empty()
    }

    /// What a slot runs.
    pub(super) fn plan_of(&self, at: usize) -> &CommandPlan {
        match (self.fleet.slot(at).pool, &self.topology.coordinator) {
            (None, Some(coordinator)) => coordinator,
            (pool, _) => &self.topology.pools[pool.unwrap_or(0)].run,
        }
    }

    /// Whether all agents of a pool are ready, or have done what they were for.
    fn is_ready_by_name(&mut self, name: &str) -> bool {
        let pool = self.topology.pools.iter().position(|pool| pool.name == name);
        let slots = match pool {
            Some(pool) => self.fleet.of_pool(pool),
            None => (0..self.fleet.slots().len()).filter(|at| self.fleet.slot(*at).pool.is_none()).collect(),
        };
        let asked: Vec<usize> = slots.iter().copied().filter(|at| !self.ready.contains(at)).collect();
        let on_bus = if asked.is_empty() { BTreeSet::new() } else { self.on_bus() };
        for at in asked {
            if self.has_become_ready(at, &on_bus) {
                self.probes.remove(&at);
                self.ready.insert(at);
            }
        }
        slots.iter().all(|at| self.ready.contains(at) || self.fleet.slot(*at).state == State::Finished)
    }

    fn on_bus(&self) -> BTreeSet<String> {
        self.observer
            .members()
            .into_iter()
            .filter(|member| member.state == "live")
            .filter_map(|member| member.agent)
            .collect()
    }

    fn has_become_ready(&mut self, at: usize, on_bus: &BTreeSet<String>) -> bool {
        if !matches!(self.fleet.slot(at).state, State::Running { .. }) {
            return false;
        }
        let (now, name) = (self.now(), self.fleet.slot(at).name.clone());
        match self.plan_of(at).ready.clone() {
            Ready::Start => true,
            Ready::Bus => on_bus.contains(&name),
            Ready::Notify => self.probes.get(&at).is_some_and(Probe::is_notified),
            Ready::Log(text) => {
                let log = self.logs.join(format!("{name}.log"));
                let from = self.children[at].as_ref().map_or(0, |child| child.log_from);
                self.probes.entry(at).or_insert_with(|| Probe::Log(from, Vec::new())).is_written(&log, &text)
            }
            Ready::Exec(words) => {
                let plan = CommandPlan { words, ..self.plan_of(at).clone() };
                let (launch, dir) = (plan.launch(&self.topology.dir, &self.identity(at)), self.topology.dir.clone());
                let probe = self.probes.entry(at).or_insert(Probe::Exec(None, Duration::ZERO));
                probe.has_succeeded(now, || launch.ok().map(|launch| launch.command(&dir)))
            }
        }
    }

    /// When an agent of a group starts again, those that its strategy names start anew, not before it.
    pub(super) fn restart_group(&mut self, failed: usize, pool: &str, after: Duration) {
        let Some(group) =
            self.topology.groups.iter().find(|group| group.pools.iter().any(|name| name == pool)).cloned()
        else {
            return;
        };
        let place = |run: &Self, at: usize| {
            let slot = run.fleet.slot(at);
            let pool = slot.pool.map(|pool| run.topology.pools[pool].name.as_str())?;
            Some((group.pools.iter().position(|name| name == pool)?, slot.index))
        };
        let Some(own) = place(self, failed) else { return };
        let is_meant = |at: &usize| {
            let other = place(self, *at).filter(|_| matches!(self.fleet.slot(*at).state, State::Running { .. }));
            other.is_some_and(|other| match group.strategy {
                Strategy::OneForOne => false,
                Strategy::OneForAll => other != own,
                Strategy::RestForOne => other > own,
            })
        };
        let meant: Vec<usize> = (0..self.fleet.slots().len()).filter(is_meant).collect();
        let due = self.now() + after;
        let agents: Vec<String> = meant.iter().map(|at| self.fleet.slot(*at).name.clone()).collect();
        for at in meant {
            self.stop(at, After::Again(due), false);
        }
        if !agents.is_empty() {
            let verb = if group.strategy == Strategy::OneForAll { "one-for-all" } else { "rest-for-one" };
            self.say(Event::Asked { verb, agents });
        }
    }

    /// Our children that are no agents.
    fn strays(&self) -> Vec<u32> {
        // What a zygote has forked and not yet reported is no stray.
        if self.zygotes.values().any(|zygote| !zygote.asked.is_empty()) {
            return Vec::new();
        }
        let zygotes = self.zygotes.values().map(Zygote::pid);
        let ours: HashSet<u32> =
            self.fleet.running().map(|(_, pid)| pid).chain(self.others.iter().copied()).chain(zygotes).collect();
        let probing = |pid: u32| {
            self.probes.values().any(|probe| matches!(probe, Probe::Exec(Some(child), _) if child.id() == pid))
        };
        strays::children()
            .into_iter()
            .filter(|pid| !ours.contains(pid) && !probing(*pid) && !self.guard.runs(*pid))
            .collect()
    }

    /// Kills what agents that have just ended left behind outside their groups. Before any of them starts again, and once for all: the kernel takes a
    /// while to list thousands of children.
    pub(super) fn end_strays_of_ended(&mut self) {
        let ended = std::mem::take(&mut self.just_ended);
        if ended.is_empty() {
            return;
        }
        let names: BTreeSet<&str> = ended.iter().map(|at| self.fleet.slot(*at).name.as_str()).collect();
        for pid in self.strays() {
            let agent = if strays::collect(pid) { None } else { strays::agent_of(pid, &self.topology.bus.name) };
            if agent.is_some_and(|agent| names.contains(agent.as_str())) {
                strays::kill(pid);
            }
        }
    }

    /// Collects those that have ended, and kills those whose agent is not there.
    pub(super) fn look_after_strays(&self) {
        let strays = self.strays();
        if strays.is_empty() {
            return;
        }
        self.end_unreported(&strays);
        let alive: BTreeSet<&str> = self.fleet.running().map(|(at, _)| self.fleet.slot(at).name.as_str()).collect();
        for pid in strays {
            let agent = if strays::collect(pid) { None } else { strays::agent_of(pid, &self.topology.bus.name) };
            if agent.is_some_and(|agent| !alive.contains(agent.as_str())) {
                strays::kill(pid);
            }
        }
    }

    /// At the end nothing stays that an agent started.
    pub(super) fn end_all_strays(&self) {
        if self.took_over {
            self.end_all_of_before();
        }
        let mut left = self.strays();
        for _ in 0..STRAY_LOOKS {
            left.retain(|pid| !strays::collect(*pid));
            if left.is_empty() {
                return;
            }
            left.iter().for_each(|pid| strays::kill(*pid));
            std::thread::sleep(Duration::from_millis(5));
            // What they had started themselves is ours now.
            left = self.strays();
        }
    }
}

/// How often it is looked, at the end, whether those that were killed are gone.
const STRAY_LOOKS: u32 = 400;
