//! A reload: the file is read again, and what has changed takes effect; what has not changed is left alone.

use super::Run;
use crate::config::{Change, CommandPlan, Topology, changes};
use crate::event::Event;
use crate::pool::After;
use crate::protocol::Answer;
use swarmbus_core::QueueOptions;

impl Run<'_> {
    pub(super) fn reload(&mut self, dry_run: bool) -> Result<Answer, String> {
        let fresh = self.loaded.again().map_err(|error| error.to_string())?;
        let found = changes(&self.loaded, &fresh);
        if let Some(change) = found.iter().find(|change| is_fixed(change)) {
            return Err(format!(
                "{} cannot change while the bus is there ({change}); drain, and start anew",
                change.key
            ));
        }
        if self.loaded.coordinator.is_some() != fresh.coordinator.is_some() {
            return Err("a coordinator can neither come nor go while the run goes on; drain, and start anew".to_owned());
        }
        if self.ending.is_some() {
            return Err("the run is ending".to_owned());
        }
        let agents = if dry_run { self.concerned(&fresh) } else { self.apply(fresh)? };
        if !dry_run && !agents.is_empty() {
            self.say(Event::Asked { verb: "reload", agents: agents.clone() });
        }
        Ok(Answer::Reloaded { changes: found, agents })
    }

    /// Who a new topology would start, start anew or end.
    fn concerned(&self, fresh: &Topology) -> Vec<String> {
        let mut names = Vec::new();
        if let (Some(old), Some(new)) = (&self.topology.coordinator, &fresh.coordinator)
            && old.starts_differently(new)
        {
            names.push(old.name.clone());
        }
        for pool in &fresh.pools {
            let known = self.topology.pools.iter().find(|known| known.name == pool.name && known.size > 0);
            let resized = self
                .loaded
                .pools
                .iter()
                .find(|known| known.name == pool.name)
                .is_none_or(|known| known.size != pool.size);
            let (from, to) = match known {
                None => (0, pool.size),
                Some(known) => (known.size, if resized { pool.size } else { known.size }),
            };
            let anew = known.is_some_and(|known| known.starts_differently(pool));
            let stay = from.min(to);
            let first = if anew { 1 } else { stay + 1 };
            names.extend((first..=from.max(to)).map(|index| Topology::agent_name(&pool.name, index)));
        }
        for gone in self.topology.pools.iter().filter(|known| !fresh.pools.iter().any(|pool| pool.name == known.name)) {
            names.extend((1..=gone.size).map(|index| Topology::agent_name(&gone.name, index)));
        }
        names
    }

    fn apply(&mut self, fresh: Topology) -> Result<Vec<String>, String> {
        let agents = self.concerned(&fresh);
        for queue in fresh.bus.queues.iter().filter(|queue| !self.topology.bus.queues.contains(queue)) {
            self.bus.declare(queue, &QueueOptions::default()).map_err(|error| format!("{queue}: {error}"))?;
        }
        self.topology.bus.queues.clone_from(&fresh.bus.queues);
        self.topology.drain = fresh.drain;
        if self.topology.metrics != fresh.metrics {
            self.topology.metrics.clone_from(&fresh.metrics);
            self.end_exporter();
        }
        (self.topology.log, self.records.plan) = (fresh.log, fresh.log);
        self.rotator.set(fresh.log);
        self.topology.health = fresh.health.clone();
        self.topology.shed.clone_from(&fresh.shed);
        self.topology.hooks.clone_from(&fresh.hooks);
        if let Some(new) = &fresh.coordinator {
            self.replace_coordinator(new.clone());
        }
        for new in &fresh.pools {
            let was = self.loaded.pools.iter().find(|pool| pool.name == new.name).map(|pool| pool.size);
            let place = self.topology.pools.iter().position(|pool| pool.name == new.name);
            let place = place.unwrap_or_else(|| {
                self.topology.pools.push(crate::config::PoolPlan { size: 0, ..new.clone() });
                self.topology.pools.len() - 1
            });
            // A size that was changed by hand stays, unless the file now says another than before.
            let known = self.topology.pools[place].size;
            let size = if was == Some(new.size) { known } else { new.size };
            let anew = self.topology.pools[place].starts_differently(new);
            let settings = std::mem::take(&mut self.topology.pools[place].run.settings);
            self.topology.pools[place] = crate::config::PoolPlan { size: known, ..new.clone() };
            self.topology.pools[place].run.settings = settings;
            if anew || known == 0 {
                self.prepare_settings(place);
            }
            if anew {
                self.end_zygote(place);
            }
            self.scale(place, size)?;
            for at in self.fleet.of_pool(place) {
                self.fleet.set_plan(at, new.run.restart);
                if anew && self.fleet.slot(at).index <= known.min(size) {
                    self.stop(at, After::Again(std::time::Duration::ZERO), false);
                }
            }
        }
        for place in 0..self.topology.pools.len() {
            let name = &self.topology.pools[place].name;
            if !fresh.pools.iter().any(|pool| pool.name == *name) {
                self.scale(place, 0)?;
            }
        }
        self.loaded = fresh;
        Ok(agents)
    }

    fn replace_coordinator(&mut self, new: CommandPlan) {
        let Some(old) = self.topology.coordinator.replace(new.clone()) else { return };
        let Some(at) = self.fleet.slots().iter().position(|slot| slot.pool.is_none()) else { return };
        self.fleet.set_plan(at, new.restart);
        if old.starts_differently(&new) {
            self.stop(at, After::Again(std::time::Duration::ZERO), false);
        }
    }
}

/// What is settled with the bus, or with the run.
fn is_fixed(change: &Change) -> bool {
    let of_bus = change.key.starts_with("bus.") && change.key != "bus.queues" && change.key != "bus.agents";
    of_bus || change.key == "logs" || change.key == "coordinator.name"
}
