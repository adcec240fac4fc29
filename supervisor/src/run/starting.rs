//! Starts: those that are due, a few at a time.

use super::{Run, STARTS_PER_TURN};
use crate::config::Identity;
use crate::event::Event;
use crate::exit::Exit;
use crate::pool::State;
use crate::process::Output;
use crate::ready::{Probe, Ready};
use crate::rundir::Start;
use swarmbus_core::Reaped;

impl Run<'_> {
    pub(super) fn start_due(&mut self) {
        let due = self.fleet.due(self.now(), STARTS_PER_TURN);
        if due.is_empty() {
            return;
        }
        for slot in due {
            // One that cannot be started may have ended the run.
            if matches!(self.fleet.slot(slot).state, State::Waiting { .. }) {
                self.start(slot);
            }
        }
        if !self.announced {
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

    fn start(&mut self, at: usize) {
        self.open_again(at);
        let slot = self.fleet.slot(at);
        let (name, restarts) = (slot.name.clone(), slot.restarts);
        let pool = slot.pool.map(|pool| &self.topology.pools[pool]);
        let log = self.logs.join(format!("{name}.log"));
        let (plan, output) = match (pool, &self.topology.coordinator) {
            (Some(pool), _) => (&pool.run, Output::File(&log)),
            (None, Some(plan)) => (plan, Output::Inherit),
            (None, None) => return,
        };
        let from = std::fs::metadata(&log).map_or(0, |meta| meta.len());
        let mut unheard = None;
        let mut launch = plan.launch(&self.topology.dir, &self.identity(at)).map_err(|fault| fault.to_string());
        if let (Ok(launch), true) = (&mut launch, plan.ready == Ready::Notify) {
            let path = self.rundir.path().join(format!("{name}.notify"));
            launch.env.push(("NOTIFY_SOCKET".into(), Some(path.display().to_string())));
            match Probe::notify(path) {
                Ok(probe) => drop(self.probes.insert(at, probe)),
                Err(error) => unheard = Some(format!("it could not say that it is ready: {error}")),
            }
        }
        let spawned = match unheard.map_or(launch, Err) {
            Ok(launch) => self.spawner.spawn(&launch, &self.topology.dir, output).map_err(|error| error.to_string()),
            Err(fault) => Err(fault),
        };
        match spawned {
            Ok(child) => {
                let pool = pool.map(|pool| pool.name.as_str());
                let log = pool.map(|_| log.as_path());
                let note = Start { agent: &name, pool, pid: child.pid, restarts, log };
                if let Err(error) = self.rundir.note(note) {
                    self.warn(format!("cannot note {name} in the run directory: {error}"));
                }
                if let Err(error) = self.watch.child(at, &child.pidfd) {
                    self.warn(format!("cannot watch {name}: {error}"));
                }
                self.fleet.started(at, child.pid, self.now());
                self.children[at] = Some((child.pidfd, from));
            }
            Err(error) => self.settle(at, None, Exit::NotStarted, Some(error), Reaped::default(), Vec::new()),
        }
    }

    pub(super) fn identity(&self, at: usize) -> Identity {
        let slot = self.fleet.slot(at);
        let pools = &self.topology.pools;
        let mut filled = pools.iter().filter(|pool| pool.size > 0);
        let only = filled.next().filter(|_| filled.next().is_none());
        let pool = slot.pool.map(|pool| &pools[pool]).or(only);
        Identity {
            bus: self.topology.bus.name.clone(),
            agent: slot.name.clone(),
            pool: pool.map(|pool| (pool.name.clone(), pool.size)),
            pools: pools
                .iter()
                .filter(|pool| pool.size > 0)
                .map(|pool| format!("{}={}", pool.name, pool.size))
                .collect::<Vec<_>>()
                .join(" "),
            index: slot.pool.map(|_| slot.index),
        }
    }
}
