//! Starts: those that are due, a few at a time.

use super::{Child, Run, STARTS_PER_TURN};
use crate::config::Identity;
use crate::exit::Exit;
use crate::pool::State;
use crate::process::{Asked, Output, Spawned};
use crate::ready::{Probe, Ready};
use std::path::PathBuf;
use swarmbus_core::Reaped;

impl Run<'_> {
    pub(super) fn start_due(&mut self) {
        let due = self.fleet.due(self.now(), STARTS_PER_TURN);
        if due.is_empty() {
            return;
        }
        for slot in self.fork_due(due) {
            // One that cannot be started may have ended the run.
            if matches!(self.fleet.slot(slot).state, State::Waiting { .. }) {
                self.start(slot);
            }
        }
        self.tell_starts();
    }

    fn start(&mut self, at: usize) {
        self.open_again(at);
        let slot = self.fleet.slot(at);
        let name = slot.name.clone();
        let pool = slot.pool.map(|pool| &self.topology.pools[pool]);
        let log = self.log_of(at);
        let (plan, output) = match (pool, &self.topology.coordinator) {
            (Some(pool), _) => (&pool.run, Output::File(&log)),
            (None, Some(plan)) => (plan, Output::Inherit),
            (None, None) => return,
        };
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
        let asked = self.about_to_ask(at);
        let spawned = match unheard.map_or(launch, Err) {
            Ok(launch) => self.spawner.spawn(&launch, &self.topology.dir, output).map_err(|error| error.to_string()),
            Err(fault) => Err(fault),
        };
        match spawned {
            Ok(child) => {
                self.began(at, child, asked);
                self.note_agents();
            }
            Err(error) => self.settle(at, None, Exit::NotStarted, Some(error), Reaped::default(), Vec::new()),
        }
    }

    /// Where an agent of a pool writes.
    pub(super) fn log_of(&self, at: usize) -> PathBuf {
        self.logs.join(format!("{}.log", self.fleet.slot(at).name))
    }

    pub(super) fn about_to_ask(&self, at: usize) -> Asked {
        Asked { when: self.now(), log_from: std::fs::metadata(self.log_of(at)).map_or(0, |meta| meta.len()) }
    }

    /// A process is there that was asked for then: it is watched and counted. Whoever calls sees to it that it is noted before anything else is done.
    pub(super) fn began(&mut self, at: usize, child: Spawned, asked: Asked) {
        let name = self.fleet.slot(at).name.clone();
        if self.fleet.slot(at).pool.is_some() {
            self.rotator.watch(&self.log_of(at));
        }
        if let Err(error) = self.watch.child(at, &child.pidfd) {
            self.warn(format!("cannot watch {name}: {error}"));
        }
        self.fleet.started(at, child.pid, asked.when);
        self.children[at] = Some(Child { pidfd: child.pidfd, log_from: asked.log_from, adopted: false });
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
