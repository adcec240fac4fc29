//! Agents that a zygote forks: asked for, reported, and then children as any other.

use super::Run;
use crate::event::Event;
use crate::exit::Exit;
use crate::pool::State;
use crate::process::{Asked, Spawned, pidfd, signal_group};
use crate::strays;
use crate::zygote::{PythonCommand, Report, Wanted, Zygote};
use rustix::process::Signal;
use std::collections::BTreeMap;
use swarmbus_core::Reaped;

impl Run<'_> {
    /// Asks zygotes for those of `due` whose pools have one; the others are given back.
    pub(super) fn fork_due(&mut self, due: Vec<usize>) -> Vec<usize> {
        let preloads =
            |at: &usize| self.fleet.slot(*at).pool.filter(|pool| !self.topology.pools[*pool].preload.is_empty());
        let mut by_pool: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut others = Vec::new();
        for at in due {
            match preloads(&at) {
                Some(pool) => by_pool.entry(pool).or_default().push(at),
                None => others.push(at),
            }
        }
        for (pool, slots) in by_pool {
            if let Err(error) = self.ask_zygote(pool, &slots) {
                self.zygotes.remove(&pool);
                for at in slots {
                    self.not_forked(at, &error);
                }
            }
        }
        others
    }

    fn ask_zygote(&mut self, pool: usize, slots: &[usize]) -> Result<(), String> {
        let mut launches = Vec::new();
        for at in slots {
            self.open_again(*at);
            let launch =
                self.plan_of(*at).launch(&self.topology.dir, &self.identity(*at)).map_err(|fault| fault.to_string())?;
            launches.push((*at, launch, self.log_of(*at)));
        }
        let Some((_, first, _)) = launches.first() else { return Ok(()) };
        if !self.zygotes.contains_key(&pool) {
            let plan = &self.topology.pools[pool];
            let log = self.logs.join(format!("{}.zygote.log", plan.name));
            self.rotator.watch(&log);
            let zygote =
                Zygote::start(first, &plan.name, &plan.preload, (&self.topology.dir, self.rundir.path(), &log));
            let zygote = zygote.map_err(|error| format!("no zygote for {}: {error}", plan.name))?;
            self.watch.zygote(pool, zygote.stream()).map_err(|error| error.to_string())?;
            self.zygotes.insert(pool, zygote);
        }
        let args = |args: &[String]| PythonCommand::parse(args).map(|python| python.args).unwrap_or_default();
        let wanted: Vec<Wanted> = launches
            .into_iter()
            .map(|(slot, launch, log)| Wanted { slot, args: args(&launch.args), env: launch.env, log })
            .collect();
        let asked: Vec<Asked> = slots.iter().map(|at| self.about_to_ask(*at)).collect();
        let Some(zygote) = self.zygotes.get_mut(&pool) else { return Ok(()) };
        zygote.ask(&wanted, &asked).map_err(|error| format!("the zygote of the pool has ended: {error}"))?;
        let _ = self.watch.zygote_waits(pool, zygote.stream(), zygote.has_more_to_say());
        for at in slots {
            self.fleet.forking(*at);
        }
        Ok(())
    }

    /// A zygote has something to say, or can be told more.
    pub(super) fn zygote_speaks(&mut self, pool: usize) {
        let Some(zygote) = self.zygotes.get_mut(&pool) else { return };
        let (reports, alive) = zygote.hear();
        let alive = alive && zygote.say().is_ok();
        let _ = self.watch.zygote_waits(pool, zygote.stream(), zygote.has_more_to_say());
        let asked: Vec<_> =
            reports.iter().map(|report| report.slot().and_then(|slot| zygote.asked.remove(&slot))).collect();
        for report in reports.into_iter().zip(asked) {
            match report {
                (Report::Forked { slot, pid }, Some(asked)) => self.forked(slot, pid, asked),
                (Report::Forked { pid, .. }, None) => signal_group(pid, Signal::KILL),
                (Report::Refused { slot, error }, _) => self.not_forked(slot, &error),
                (Report::Ready { threads }, _) if threads > 1 => {
                    let name = &self.topology.pools[pool].name;
                    let text = format!("preload of pool {name} started threads; they are not there in its agents");
                    self.warn(text);
                }
                (Report::Ready { .. }, _) => {}
            }
        }
        // All at once: they had been there for a while before they were reported, and nobody had noted them.
        self.note_agents();
        self.tell_starts();
        if !alive && let Some(zygote) = self.zygotes.remove(&pool) {
            self.watch.forget(zygote.stream());
            let asked: Vec<usize> = zygote.asked.keys().copied().collect();
            drop(zygote);
            let name = self.topology.pools[pool].name.clone();
            let log = self.logs.join(format!("{name}.zygote.log"));
            let tail = crate::log::tail(&log, 0);
            let error = format!(
                "the zygote of pool {name} has ended; it wrote: {}",
                tail.last().map_or("nothing", String::as_str)
            );
            for at in asked {
                self.not_forked(at, &error);
            }
        }
    }

    fn forked(&mut self, at: usize, pid: u32, asked: Asked) {
        // It is our child by now and has not been waited for, so its number cannot mean another process.
        let Ok(pidfd) = pidfd(pid) else {
            signal_group(pid, Signal::KILL);
            return self.not_forked(at, "its process cannot be held");
        };
        let is_wanted = matches!(self.fleet.slot(at).state, State::Forking { .. });
        if !is_wanted || self.drain.as_ref().is_some_and(|drain| !drain.lets_pools_finish()) {
            signal_group(pid, Signal::KILL);
        }
        if is_wanted {
            self.began(at, Spawned { pid, pidfd }, asked);
        }
    }

    fn not_forked(&mut self, at: usize, error: &str) {
        if matches!(self.fleet.slot(at).state, State::Forking { .. } | State::Waiting { .. }) {
            self.settle(at, None, Exit::NotStarted, Some(error.to_owned()), Reaped::default(), Vec::new());
        }
    }

    /// Kills what a zygote forked and could not report before it died.
    pub(super) fn end_unreported(&self, strays: &[u32]) {
        for pid in strays.iter().filter(|pid| strays::is_of_zygote(**pid, &self.topology.bus.name)) {
            strays::kill(*pid);
        }
    }

    /// Lets a zygote go whose pool is to be started in another way.
    pub(super) fn end_zygote(&mut self, pool: usize) {
        if let Some(zygote) = self.zygotes.get(&pool).filter(|zygote| zygote.asked.is_empty()) {
            self.watch.forget(zygote.stream());
            self.zygotes.remove(&pool);
        }
    }

    /// Nobody is forked any more.
    pub(super) fn end_zygotes(&mut self) {
        for (_, zygote) in std::mem::take(&mut self.zygotes) {
            self.watch.forget(zygote.stream());
            let asked: Vec<usize> = zygote.asked.keys().copied().collect();
            drop(zygote);
            for at in asked {
                self.not_forked(at, "the run is ending");
            }
        }
    }

    /// Tells how far the starts are.
    pub(super) fn tell_starts(&mut self) {
        if self.announced {
            return;
        }
        let (bus, total) = (self.topology.bus.name.clone(), self.present().count());
        let begun = self.fleet.running().count();
        self.say(Event::Starting { bus: bus.clone(), begun, total });
        if self.fleet.all_begun() {
            self.announced = true;
            let coordinator = self.topology.coordinator.is_some();
            let (agents, seconds) = (total - usize::from(coordinator), self.now().as_secs_f64());
            self.say(Event::Up { bus, agents, coordinator, seconds });
        }
    }
}
