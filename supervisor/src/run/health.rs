//! The supervisor's own look at everybody, on a slow timer: what it tells, whom it starts anew, which pools it stops under pressure; and hooks.

use super::Run;
use crate::event::Event;
use crate::health::judge::{judge, next_stall};
use crate::health::looks::{Known, Looks, Scene};
use crate::health::{Condition, Facts, Health, gauges};
use crate::hooks::{Place, Runner, log_in};
use crate::pool::{After, State};
use crate::shed::{Action, Pool, Shedder};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use swarmbus_core::{ContentType, Policy, PublishOptions, TopicOptions};

/// What is remembered from look to look.
#[derive(Debug, Default)]
pub(super) struct Guard {
    looks: Looks,
    next: Duration,
    /// What is wrong, by kind and subject, and since when.
    troubles: BTreeMap<(&'static str, String), Duration>,
    shedder: Shedder,
    /// By pool: the slots that were stopped under pressure.
    shed: BTreeMap<usize, Vec<usize>>,
    runner: Runner,
    /// Topics of hooks that could not be had: told once.
    mute: BTreeSet<String>,
}

impl Guard {
    /// Whether a pool was stopped under pressure.
    pub(super) fn has_shed(&self, pool: usize) -> bool {
        self.shed.contains_key(&pool)
    }

    /// Whether this is the process of a hook.
    pub(super) fn runs(&self, pid: u32) -> bool {
        self.runner.has(pid)
    }

    /// When it is time to look again.
    pub(super) fn deadline(&self, now: Duration) -> Option<Duration> {
        [Some(self.next), self.runner.deadline(now)].into_iter().flatten().min()
    }

    /// Looks again sooner than usual if something is to be seen `after` a time.
    fn look_by(&mut self, now: Duration, after: Option<Duration>) {
        let after = after.map_or(self.next, |after| now + after.max(LOOKS_APART));
        self.next = self.next.min(after);
    }

    /// Notes that something is wrong. Whether that is news.
    fn note(&mut self, kind: &'static str, subject: &str, now: Duration) -> bool {
        let key = (kind, subject.to_owned());
        let is_new = !self.troubles.contains_key(&key);
        self.troubles.entry(key).or_insert(now);
        is_new
    }
}

/// Between two looks there is so long, whatever is about to be seen.
const LOOKS_APART: Duration = Duration::from_millis(50);

/// How long hooks have at the end of a run.
const LAST_HOOKS: Duration = Duration::from_secs(5);

/// What was wrong counts as mended only this far, in percent, below the threshold.
const SLACK: u32 = 10;

impl Run<'_> {
    pub(super) fn look_after_health(&mut self) {
        let now = self.now();
        if now >= self.guard.next {
            self.guard.next = now + self.topology.health.every;
            // While a run ends, queues are closed and agents go: nothing of that is trouble.
            if self.ending.is_none() {
                let health = judge(self.facts(), &self.topology.health);
                self.guard.look_by(now, next_stall(&health, &self.topology.health));
                self.tell_stalls(&health);
                self.tell_overflows(&health);
                self.tell_memory(&health);
                self.tell_what_is_mended(&health);
                self.shed_or_restore(&health);
            }
        }
        for text in self.guard.runner.go_on(&self.hook_place(), now) {
            self.warn_of_hook(text);
        }
    }

    /// What is seen of the bus now, for whoever asks.
    pub(super) fn facts(&mut self) -> Facts {
        let pulse = self.observer.pulse();
        let gauges = gauges::gauges(&self.observer, &pulse, self.topology.health.memory);
        let pools = &self.topology.pools;
        let known: Vec<Known<'_>> = self
            .fleet
            .slots()
            .iter()
            .filter(|slot| slot.state != State::Gone)
            .map(|slot| Known {
                name: &slot.name,
                pool: slot.pool.map(|pool| pools[pool].name.as_str()),
                pid: slot.state.pid(),
                state: slot.state.word(),
            })
            .collect();
        let (bus, us) = (&self.topology.bus.name, Some(std::process::id()));
        let scene = Scene { bus, supervisor_pid: us, known: &known, gauges: &gauges };
        // Who dies among ours is reaped at once, and guests once a second: the kernel is not asked again here.
        self.guard.looks.look(&pulse, &scene, |_| false)
    }

    fn tell_stalls(&mut self, health: &Health) {
        let now = self.now();
        for agent in health.agents.iter().filter(|agent| agent.condition == Condition::Stalled) {
            let (name, facts) = (&agent.facts.name, &agent.facts);
            let at = self.fleet.slots().iter().position(|slot| slot.name == *name);
            let is_running = |at: usize| matches!(self.fleet.slot(at).state, State::Running { .. });
            if at.is_some_and(|at| !is_running(at)) || !self.guard.note("stalled", name, now) {
                continue;
            }
            let pool = at.and_then(|at| self.fleet.slot(at).pool);
            let restarts = pool.is_some_and(|pool| self.topology.pools[pool].health.restart);
            let (pool, queue) = (facts.pool.clone(), facts.pressed_by.clone().unwrap_or_default());
            let (agent, pid, quiet_s) = (name.clone(), facts.pid, facts.quiet_s);
            self.say(Event::Stalled { agent, pool, pid, queue, quiet_s, restarts });
            if let Some(at) = at.filter(|_| restarts) {
                self.stop(at, After::Again(Duration::ZERO), false);
            }
        }
    }

    fn tell_overflows(&mut self, health: &Health) {
        let now = self.now();
        let full: Vec<(String, u64, u64)> = fills(health)
            .filter(|(_, messages, limit)| percent(*messages, *limit) >= self.topology.health.overflow)
            .map(|(name, messages, limit)| (name.to_owned(), messages, limit))
            .collect();
        for (queue, messages, limit) in full {
            if self.guard.note("overflow", &queue, now) {
                self.say(Event::Overflow { queue, messages, limit });
            }
        }
    }

    fn tell_memory(&mut self, health: &Health) {
        let (now, most) = (self.now(), self.topology.health.memory);
        for gauge in health.gauges.iter().filter(|gauge| gauge.percent() >= most) {
            if self.guard.note("memory", &gauge.what, now) {
                let (what, percent) = (gauge.what.clone(), gauge.percent());
                self.say(Event::Memory { what, percent, used: gauge.used, total: gauge.total });
            }
        }
    }

    fn tell_what_is_mended(&mut self, health: &Health) {
        if self.guard.troubles.is_empty() {
            return;
        }
        let plan = &self.topology.health;
        let stalled: BTreeSet<&str> = health
            .agents
            .iter()
            .filter(|agent| agent.condition == Condition::Stalled)
            .map(|agent| agent.facts.name.as_str())
            .collect();
        let full: BTreeSet<&str> = fills(health)
            .filter(|(_, messages, limit)| percent(*messages, *limit) + SLACK > plan.overflow)
            .map(|(name, ..)| name)
            .collect();
        let short: BTreeSet<&str> = health
            .gauges
            .iter()
            .filter(|gauge| gauge.percent() + SLACK > plan.memory)
            .map(|gauge| gauge.what.as_str())
            .collect();
        let still = |(kind, subject): &(&'static str, String)| match *kind {
            "stalled" => stalled.contains(subject.as_str()),
            "overflow" => full.contains(subject.as_str()),
            _ => short.contains(subject.as_str()),
        };
        let now = self.now();
        let mended: Vec<_> = self
            .guard
            .troubles
            .iter()
            .filter(|(key, _)| !still(key))
            .map(|(key, since)| (key.clone(), *since))
            .collect();
        for ((from, subject), since) in mended {
            self.guard.troubles.remove(&(from, subject.clone()));
            self.say(Event::Recovered { from, subject, after_s: now.saturating_sub(since).as_secs_f64() });
        }
    }

    fn shed_or_restore(&mut self, health: &Health) {
        let Some(plan) = self.topology.shed.clone() else { return };
        let queues = health.queues.iter().map(|queue| (percent(queue.fullest, queue.limit), queue.name.as_str()));
        let memory = health.gauges.iter().map(|gauge| (gauge.percent(), gauge.what.as_str()));
        let Some((percent, because)) = queues.chain(memory).max() else { return };
        let because = because.to_owned();
        let helps = |pool: usize| {
            let name = self.topology.pools[pool].name.as_str();
            let of_pool = health.agents.iter().filter(|agent| agent.facts.pool.as_deref() == Some(name));
            of_pool.filter_map(|agent| agent.facts.pressed_by.as_deref()).any(|queue| queue == because)
        };
        let pools: Vec<Pool> = (0..self.topology.pools.len())
            .filter(|at| self.topology.pools[*at].size > 0)
            .map(|at| Pool {
                at,
                priority: self.topology.pools[at].priority,
                is_shed: self.guard.has_shed(at),
                helps: helps(at),
            })
            .collect();
        let now = self.now();
        match self.guard.shedder.look(&plan, now, percent, &pools) {
            Some(Action::Stop(at)) => self.shed(at, because, percent),
            Some(Action::Start(at)) => self.restore(at),
            None => {}
        }
    }

    fn shed(&mut self, pool: usize, because: String, percent: u32) {
        let is_there =
            |at: &usize| !matches!(self.fleet.slot(*at).state, State::Stopped | State::Finished | State::Failed);
        let slots: Vec<usize> = self.fleet.of_pool(pool).into_iter().filter(is_there).collect();
        self.say(Event::Shed { pool: self.topology.pools[pool].name.clone(), because, percent });
        for at in &slots {
            self.stop(*at, After::Stay, true);
        }
        self.guard.shed.insert(pool, slots);
    }

    fn restore(&mut self, pool: usize) {
        let now = self.now();
        for at in self.guard.shed.remove(&pool).unwrap_or_default() {
            // One that somebody has started meanwhile, or that has left its pool, is none of ours.
            if matches!(self.fleet.slot(at).state, State::Stopped | State::Stopping { after: After::Stay, .. }) {
                self.fleet.start(at, now);
            }
        }
        self.say(Event::Restored { pool: self.topology.pools[pool].name.clone() });
    }

    /// Agents that were stopped under pressure, by pool.
    pub(super) fn shed_names(&self) -> BTreeMap<String, Vec<String>> {
        let names = |slots: &Vec<usize>| slots.iter().map(|at| self.fleet.slot(*at).name.clone()).collect();
        let shed = self.guard.shed.iter();
        shed.map(|(pool, slots)| (self.topology.pools[*pool].name.clone(), names(slots))).collect()
    }

    /// Takes over what a dead supervisor had stopped: it comes back when there is room.
    pub(super) fn go_on_shedding(&mut self, shed: &BTreeMap<String, Vec<String>>) {
        for (at, pool) in self.topology.pools.iter().enumerate() {
            if let Some(names) = shed.get(&pool.name) {
                let mut slots = self.fleet.of_pool(at);
                slots.retain(|slot| names.contains(&self.fleet.slot(*slot).name));
                self.guard.shed.insert(at, slots);
            }
        }
    }

    /// Hooks of an event.
    pub(super) fn hook(&mut self, event: &Event) {
        if self.topology.hooks.is_empty() {
            return;
        }
        let event = serde_json::to_value(event).unwrap_or_default();
        let kind = event["event"].as_str().unwrap_or_default();
        let Some(hook) = self.topology.hooks.get(kind) else { return };
        self.guard.runner.add(hook, &event);
        if let Some(topic) = hook.topic.clone() {
            self.publish(&topic, &event);
        }
    }

    fn publish(&mut self, topic: &str, event: &serde_json::Value) {
        // Whoever does not listen must not hold the supervisor up.
        let options = TopicOptions { policy: Policy::Lossy, ..TopicOptions::default() };
        let text = event.to_string();
        let how =
            PublishOptions { timeout: Some(Duration::ZERO), content: ContentType::Json, ..PublishOptions::default() };
        let published = self
            .bus
            .declare_topic(topic, &options)
            .and_then(|()| self.member.publish(topic, text.as_bytes(), &how).map(drop));
        if let Err(error) = published
            && self.guard.mute.insert(topic.to_owned())
        {
            self.warn_of_hook(format!("the topic {topic} of a hook: {error}"));
        }
    }

    /// A warning that has no hooks itself: a hook for warnings that fails would go on for ever.
    fn warn_of_hook(&mut self, text: String) {
        let event = Event::Warning { text };
        self.show.show(&event);
        self.control.tell_event(&event, &self.watch);
    }

    fn hook_place(&self) -> Place {
        Place { bus: self.topology.bus.name.clone(), dir: self.topology.dir.clone(), log: log_in(&self.logs) }
    }

    /// The last hooks have a little time.
    pub(super) fn finish_hooks(&mut self) {
        let place = self.hook_place();
        self.guard.runner.finish(&place, LAST_HOOKS);
    }
}

fn percent(messages: u64, limit: u64) -> u32 {
    (messages * 100 / limit.max(1)) as u32
}

/// Mailboxes and queues, with the messages in their fullest lanes and the most that may be there.
fn fills(health: &Health) -> impl Iterator<Item = (&str, u64, u64)> {
    let mailboxes = health.agents.iter().map(|agent| &agent.facts).filter(|facts| facts.limit > 0);
    let mailboxes = mailboxes.map(|facts| (facts.name.as_str(), facts.fullest, facts.limit));
    mailboxes.chain(health.queues.iter().map(|queue| (queue.name.as_str(), queue.fullest, queue.limit)))
}
