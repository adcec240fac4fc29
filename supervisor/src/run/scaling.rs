//! Pools that grow and shrink with their queues.

use super::Run;
use crate::event::Event;
use crate::pool::{After, State};
use crate::scale::{LOOK_EVERY, Sight};

impl Run<'_> {
    /// Whether some pool is looked after.
    pub(super) fn scales(&self) -> bool {
        self.announced
            && self.ending.is_none()
            && self.topology.pools.iter().any(|pool| pool.scale.is_some() && pool.size > 0)
    }

    pub(super) fn scale_pools(&mut self) {
        if !self.scales() || self.now() < self.next_scale {
            return;
        }
        let now = self.now();
        self.next_scale = now + LOOK_EVERY;
        let queues = self.observer.queues();
        for pool in 0..self.topology.pools.len() {
            let is_there = self.topology.pools[pool].size > 0 && !self.guard.has_shed(pool);
            let Some(plan) = self.topology.pools[pool].scale.clone().filter(|_| is_there) else {
                continue;
            };
            let Some(queue) = queues.iter().find(|queue| queue.name == plan.queue) else { continue };
            let agents = self.topology.pools[pool].size;
            let sight = Sight {
                agents,
                queued: queue.queued,
                in_flight: queue.in_flight,
                sent: queue.sent,
                taken: queue.taken,
            };
            let wanted = self.scalers.entry(pool).or_default().look(&plan, now, sight);
            if let Some(size) = wanted.filter(|size| *size < agents || !self.is_leaving(pool)) {
                match self.scale(pool, size) {
                    Ok(agents) => self.say(Event::Asked { verb: "scale", agents }),
                    Err(error) => self.warn(format!("pool {}: {error}", self.topology.pools[pool].name)),
                }
            }
        }
    }

    /// Whether some of a pool are still on their way out: before they are gone nobody takes their names.
    fn is_leaving(&self, pool: usize) -> bool {
        let leaves = |at: &usize| matches!(self.fleet.slot(*at).state, State::Stopping { after: After::Leave, .. });
        self.fleet.of_pool(pool).iter().any(leaves)
    }
}
