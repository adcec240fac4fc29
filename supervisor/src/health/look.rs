//! Looking without a supervisor: several looks at a bus, for as long as somebody wants.

use super::looks::{Looks, Scene};
use super::{Facts, Plan, gauges};
use std::time::{Duration, Instant};
use swarmbus_core::Observer;

/// Looks are this far apart.
const APART: Duration = Duration::from_millis(100);

/// Looks at a bus for a time, twice at least if that is not zero.
pub fn for_a_while(observer: &Observer, time: Duration, plan: &Plan) -> Facts {
    let (begun, mut looks) = (Instant::now(), Looks::default());
    loop {
        let left = time.saturating_sub(begun.elapsed());
        let facts = once(observer, &mut looks, plan, left.is_zero());
        if left.is_zero() {
            return facts;
        }
        std::thread::sleep(APART.min(left));
    }
}

/// One look. `asks`: whether the kernel is asked about each agent, which costs some µs of each.
pub fn once(observer: &Observer, looks: &mut Looks, plan: &Plan, asks: bool) -> Facts {
    let pulse = observer.pulse();
    let gauges = gauges::gauges(observer, &pulse, plan.memory);
    let bus = observer.name();
    let scene = Scene { bus: &bus, supervisor_pid: observer.supervisor_pid(), known: &[], gauges: &gauges };
    looks.look(&pulse, &scene, |member| asks && observer.has_died(member))
}
