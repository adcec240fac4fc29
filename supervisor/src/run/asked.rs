//! What is asked over the control socket.

use super::Run;
use crate::config::{AGENTS_MAX, Topology, suggest};
use crate::control::Follows;
use crate::drain::Mode;
use crate::ending::Ending;
use crate::event::Event;
use crate::pool::{After, State};
use crate::protocol::{Answer, LogFile, Request};
use swarmbus_core::QueueOptions;

/// An answer, or why it cannot be done.
type Answered = Result<Answer, String>;

impl Run<'_> {
    pub(super) fn asked(&mut self, id: u32) {
        for request in self.control.client(id, &self.watch) {
            let answered = match request {
                Request::Health => Ok(Answer::Health { plan: self.topology.health.clone(), facts: self.facts() }),
                Request::Ps => Ok(Answer::Status(self.status())),
                Request::Drain { names } if names.is_empty() => {
                    self.follow_to_the_end(id);
                    self.end(Ending::Drain, Mode::Gently);
                    continue;
                }
                Request::Down => {
                    self.follow_to_the_end(id);
                    self.end(Ending::Down, Mode::Quickly);
                    continue;
                }
                Request::Events => {
                    self.control.follow(id, Follows::Events);
                    continue;
                }
                Request::Logs { names } => self.logs(&names),
                Request::Reload { dry_run } => self.reload(dry_run),
                _ if self.ending.is_some() => Err("the run is ending".to_owned()),
                Request::Drain { names } => {
                    let answered = self.each("drain", &names, |run, at| {
                        run.stop(at, After::Stay, true);
                        true
                    });
                    if answered.is_ok() {
                        let slots = self.meant(&names).unwrap_or_default();
                        self.part(id, slots);
                    }
                    answered
                }
                Request::Stop { names } => self.each("stop", &names, |run, at| {
                    run.stop(at, After::Stay, false);
                    true
                }),
                Request::Restart { names } => self.each("restart", &names, |run, at| {
                    run.stop(at, After::Again(std::time::Duration::ZERO), false);
                    true
                }),
                Request::Start { names } => self.each("start", &names, |run, at| run.fleet.start(at, run.now())),
                Request::ResetFailed { names } => self.reset_failed(names),
                Request::Scale { pool, size } => self.scale_by_name(&pool, size),
            };
            let answer = answered.unwrap_or_else(|message| Answer::Error { message });
            self.control.answer(id, &answer, &self.watch);
        }
    }

    fn follow_to_the_end(&mut self, id: u32) {
        self.control.follow(id, Follows::Drain);
        self.told_left = usize::MAX;
    }

    /// Does something to each of the agents named; told are those to which there was something to do.
    fn each(
        &mut self,
        verb: &'static str,
        names: &[String],
        mut act: impl FnMut(&mut Self, usize) -> bool,
    ) -> Answered {
        let mut agents = Vec::new();
        for at in self.meant(names)? {
            let name = self.fleet.slot(at).name.clone();
            if act(self, at) {
                agents.push(name);
            }
        }
        if !agents.is_empty() {
            self.say(Event::Asked { verb, agents: agents.clone() });
        }
        Ok(Answer::Accepted { agents })
    }

    fn reset_failed(&mut self, mut names: Vec<String>) -> Answered {
        if names.is_empty() {
            names = self.present().map(|slot| slot.name.clone()).collect();
        }
        self.each("reset-failed", &names, |run, at| {
            run.fleet.slot(at).state == State::Failed && run.fleet.start(at, run.now())
        })
    }

    /// The slots that names of agents or pools stand for, in order and each once.
    fn meant(&self, names: &[String]) -> Result<Vec<usize>, String> {
        if names.is_empty() {
            return Err("name agents or pools".to_owned());
        }
        let mut found = Vec::new();
        for name in names {
            let pool = self.topology.pools.iter().position(|pool| pool.name == *name && pool.size > 0);
            let of_name: Vec<usize> = match pool {
                Some(pool) => self.fleet.of_pool(pool),
                None => (0..self.fleet.slots().len()).filter(|at| self.is_named(*at, name)).collect(),
            };
            if of_name.is_empty() {
                let pools = self.topology.pools.iter().filter(|pool| pool.size > 0).map(|pool| pool.name.as_str());
                let known: Vec<&str> = pools.chain(self.present().map(|slot| slot.name.as_str())).collect();
                let hint = suggest(name, &known[..known.len().min(20)]);
                return Err(format!("there is no agent or pool `{name}`; {hint}"));
            }
            found.extend(of_name);
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn is_named(&self, at: usize, name: &str) -> bool {
        let slot = self.fleet.slot(at);
        slot.name == name && slot.state != State::Gone
    }

    fn logs(&self, names: &[String]) -> Answered {
        let meant = if names.is_empty() { (0..self.fleet.slots().len()).collect() } else { self.meant(names)? };
        let slots = meant.into_iter().map(|at| self.fleet.slot(at)).filter(|slot| slot.pool.is_some());
        let file = |name: &String| LogFile { agent: name.clone(), path: self.logs.join(format!("{name}.log")) };
        Ok(Answer::Logs { files: slots.map(|slot| file(&slot.name)).collect() })
    }

    fn scale_by_name(&mut self, name: &str, size: u32) -> Answered {
        let known: Vec<&str> = self.topology.pools.iter().map(|pool| pool.name.as_str()).collect();
        let pool = known.iter().position(|pool| *pool == name);
        let pool = pool.ok_or_else(|| format!("there is no pool `{name}`; {}", suggest(name, &known)))?;
        let agents = self.scale(pool, size)?;
        if !agents.is_empty() {
            self.say(Event::Asked { verb: "scale", agents: agents.clone() });
        }
        Ok(Answer::Accepted { agents })
    }

    /// Makes a pool larger or smaller. The highest numbers leave, after they have finished. The answer are the agents concerned.
    pub(super) fn scale(&mut self, pool: usize, size: u32) -> Result<Vec<String>, String> {
        if size > AGENTS_MAX {
            return Err(format!("a pool has at most {AGENTS_MAX} agents, not {size}"));
        }
        let (plan, now) = (self.topology.pools[pool].clone(), self.now());
        let present = self.fleet.of_pool(pool);
        let mut agents = Vec::new();
        for at in present.iter().copied() {
            if self.fleet.slot(at).index > size {
                agents.push(self.fleet.slot(at).name.clone());
                self.stop(at, After::Leave, true);
            }
        }
        let names: Vec<(u32, String)> =
            (1..=size).map(|index| (index, Topology::agent_name(&plan.name, index))).collect();
        let is_there = |index: u32| present.iter().any(|at| self.fleet.slot(*at).index == index);
        let missing: Vec<_> = names.into_iter().filter(|(index, _)| !is_there(*index)).collect();
        self.make_room(missing.len() as u32)?;
        for (_, name) in &missing {
            self.bus.declare(name, &QueueOptions::default()).map_err(|error| format!("{name}: {error}"))?;
        }
        for (index, name) in missing {
            let at = self.fleet.add(name.clone(), Some(pool), index, plan.run.restart, now);
            self.children.resize_with(self.fleet.slots().len(), || None);
            agents.push(name);
            self.closed.insert(at);
        }
        // One that was about to leave stays, anew.
        for at in present {
            let slot = self.fleet.slot(at);
            if slot.index <= size && matches!(slot.state, State::Stopping { after: After::Leave, .. }) {
                self.fleet.start(at, now);
            }
        }
        self.topology.pools[pool].size = size;
        Ok(agents)
    }

    /// Descriptors for more children, and entries on the bus.
    fn make_room(&mut self, more: u32) -> Result<(), String> {
        let (agents, bus) = (self.present().count() as u32 + more, self.observer.bus());
        if bus.queues + more > bus.agents_max {
            return Err(format!(
                "the bus has {} entries, too few for {more} more agents: give it more with agents = … in [bus], and start anew",
                bus.agents_max
            ));
        }
        self.spawner.make_room(agents).map_err(|most| {
            format!("{agents} processes need a descriptor each, and the limit of open files allows {most}: raise it (ulimit -n)")
        })
    }
}
