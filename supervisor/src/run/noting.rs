//! What a successor has to know is noted: the run before something is done to all, an agent when its state has changed.

use super::Run;
use crate::config::Topology;
use crate::note::{Beginning, Entry, RunNote};
use crate::process::{boot_id, start_ticks};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The note of a run that begins.
pub(super) fn first(topology: &Topology, begun: Beginning) -> RunNote {
    RunNote {
        bus: topology.bus.name.clone(),
        keep: topology.bus.keep,
        boot: boot_id(),
        begun,
        file: file_of(topology),
        dir: topology.dir.clone(),
        overrides: topology.overrides.clone(),
        text: topology.text.clone(),
        sizes: sizes(topology),
        shed: BTreeMap::new(),
        announced: false,
        redelivered: 0,
        ending: None,
        drain: None,
        tally: None,
    }
}

/// The file of a topology, from wherever it was named.
pub(super) fn file_of(topology: &Topology) -> PathBuf {
    topology.path.file_name().map_or_else(|| topology.path.clone(), |name| topology.dir.join(name))
}

fn sizes(topology: &Topology) -> BTreeMap<String, u32> {
    topology.pools.iter().map(|pool| (pool.name.clone(), pool.size)).collect()
}

impl Run<'_> {
    /// Notes what has changed since it was noted last.
    pub(super) fn note(&mut self) {
        self.note_agents();
        self.note_run();
    }

    pub(super) fn note_agents(&mut self) {
        let entries: Vec<Entry> = self.fleet.take_changed().into_iter().map(|at| self.entry(at)).collect();
        if let Err(error) = self.rundir.notes.agents(entries) {
            self.warn(format!("cannot note what has become of agents in the run directory: {error}"));
        }
    }

    pub(super) fn note_run(&mut self) {
        let note = RunNote {
            sizes: sizes(&self.topology),
            shed: self.shed_names(),
            announced: self.announced,
            redelivered: self.redelivered,
            ending: self.ending.clone(),
            drain: self.drain.clone(),
            tally: self.tally.clone(),
            ..first(&self.loaded, self.beginning)
        };
        if let Err(error) = self.rundir.notes.run(note) {
            self.warn(format!("cannot note the run in the run directory: {error}"));
        }
    }

    fn entry(&self, at: usize) -> Entry {
        let slot = self.fleet.slot(at);
        let pid = slot.state.pid().unwrap_or(0);
        Entry {
            agent: slot.name.clone(),
            pool: slot.pool.map(|pool| self.topology.pools[pool].name.clone()),
            index: slot.index,
            pid,
            start: if pid == 0 { 0 } else { start_ticks(pid).unwrap_or(0) },
            boot: boot_id(),
            restarts: slot.restarts,
            log: slot.pool.map(|_| self.log_of(at)),
            log_from: self.children[at].as_ref().map_or(0, |child| child.log_from),
            state: slot.state.clone(),
            history: slot.history.clone(),
            last: slot.last,
            closed: self.closed.contains(&at),
            stop: self.stops.get(&at).copied(),
        }
    }
}
