//! What the kernel is to be told of agents: found out, before they start, whether it will listen.

use super::{Run, UpError};
use crate::cgroup::Home;
use crate::config::Topology;
use crate::priority::rehearse;

/// Fills in what children of a pool are to set, as far as the system allows it. The answers are what it does not allow.
pub(super) fn prepare_pool(topology: &mut Topology, pool: usize) -> Vec<String> {
    let (bus, name) = (topology.bus.name.clone(), topology.pools[pool].name.clone());
    let run = &mut topology.pools[pool].run;
    let mut missing = Vec::new();
    let procs = if run.process.cgroup.is_empty() {
        None
    } else {
        let (procs, lacks) = match Home::find() {
            Ok(home) => home.make(&bus, &name, &run.process.cgroup),
            Err(lack) => (None, vec![lack]),
        };
        missing.extend(lacks.into_iter().map(|lack| format!("cgroup: {lack}")));
        procs
    };
    run.settings = run.process.settings(procs);
    for (refused, why) in rehearse(&run.settings) {
        run.settings.retain(|setting| *setting != refused);
        missing.push(why);
    }
    missing.into_iter().map(|text| format!("pool {name}: {text}")).collect()
}

/// Before anything starts: what a pool requires and does not get is an error.
pub(super) fn check_required(topology: &Topology) -> Result<(), UpError> {
    let mut tried = topology.clone();
    for pool in (0..tried.pools.len()).filter(|pool| topology.pools[*pool].run.process.required) {
        let missing = prepare_pool(&mut tried, pool);
        if !missing.is_empty() {
            remove_cgroups(topology);
            return Err(UpError::NotAllowed { missing: missing.join("; ") });
        }
    }
    Ok(())
}

/// At the end: cgroups that were made here.
pub(super) fn remove_cgroups(topology: &Topology) {
    let limited = || topology.pools.iter().filter(|pool| !pool.run.process.cgroup.is_empty());
    if let (Some(_), Ok(home)) = (limited().next(), Home::find()) {
        limited().for_each(|pool| home.remove(&topology.bus.name, &pool.name));
    }
}

impl Run<'_> {
    /// A pool is there, or is another one: what its agents set is found out anew.
    pub(super) fn prepare_settings(&mut self, pool: usize) {
        for text in prepare_pool(&mut self.topology, pool) {
            self.warn(text);
        }
    }
}
