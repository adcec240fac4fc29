//! Taking over a run whose supervisor is dead: what it noted is read, the living are held, and the run goes on as if nothing had been.
//!
//! Until the control socket is there nothing is changed but the lock and its holder, so whoever is killed before leaves the run as it was for the
//! next. What is done after that is done again by the next, and does no harm twice.

use super::beginning::{Means, Parts};
use super::noting::file_of;
use super::{Child, Run, UpError, system};
use crate::config::{Change, Topology, changes};
use crate::ending::Ending;
use crate::event::Event;
use crate::exit::Exit;
use crate::janitor;
use crate::note::{Entry, RunNote, journal};
use crate::pool::{Fleet, State};
use crate::process::{Stranger, group_of, start_ticks};
use crate::ready::Ready;
use crate::rundir::Claim;
use crate::show::Show;
use crate::strays;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use swarmbus_core::{Bus, Error, QueueOptions};

/// How long a drain that is done at once waits for those who had asked the dead supervisor for it, and look for a successor twenty times a second.
const ASKER_WITHIN: Duration = Duration::from_millis(500);

/// A run as its dead supervisor has noted it.
pub(super) struct Found {
    note: RunNote,
    entries: Vec<Entry>,
    loaded: Topology,
    /// What differs from what is asked for now.
    differs: Vec<Change>,
    /// Whether some process of it lives.
    lives: bool,
}

impl Found {
    /// Reads what there is. An error: there is a run, and it is another than the one that is asked for.
    pub(super) fn look(claim: &Claim, wanted: &Topology) -> Result<Option<Found>, UpError> {
        let Some(note) = RunNote::read(claim.path()) else { return Ok(None) };
        let lives = janitor::is_somebody_there(&note.bus, claim.path());
        let is_gone = matches!(Bus::open(&note.bus), Err(Error::UnknownBus { .. } | Error::Closed { .. }));
        let is_other = file_of(wanted) != note.file;
        if (is_gone || is_other) && !lives {
            return Ok(None);
        }
        let refuse = |reason: String| UpError::TakeOver { bus: note.bus.clone(), reason };
        if is_other {
            return Err(refuse(format!("it was started from {}", note.file.display())));
        }
        let wrong = |error| refuse(format!("what it was started from is no longer right: {error}"));
        let loaded = note.loaded().map_err(wrong)?;
        let differs = changes(&loaded, wanted);
        Ok(Some(Found { entries: journal(claim.path()), note, loaded, differs, lives }))
    }

    /// Whether there is something to go on with: somebody lives, or an end that was begun is to be finished.
    pub(super) fn is_to_go_on(&self) -> bool {
        self.lives || self.note.ending.is_some()
    }

    pub(super) fn take_over(
        self,
        claim: Claim,
        means: Means,
        wanted: &Topology,
        show: &mut dyn Show,
    ) -> Result<u8, UpError> {
        let Found { note, entries, loaded, differs, .. } = self;
        let mut topology = loaded.clone();
        for pool in &mut topology.pools {
            pool.size = note.sizes.get(&pool.name).copied().unwrap_or(pool.size);
        }
        let bus = Bus::open(&note.bus)?;
        let member = bus.join()?;
        let mut fleet = Fleet::new(&topology);
        let places = restore(&mut fleet, &topology, &entries);
        for name in topology.bus.queues.iter().chain(fleet.slots().iter().map(|slot| &slot.name)) {
            bus.declare(name, &QueueOptions::default())?;
        }
        let rundir = claim.go_on(entries.clone()).map_err(system("cannot write to the run directory"))?;
        let parts = Parts { topology, loaded, fleet, begun: note.begun, bus: &bus, member, rundir };
        let mut run = parts.assemble(means, show)?;
        // Reloads read the file that is named now; it is the same one.
        run.loaded.path.clone_from(&wanted.path);
        run.go_on_with(note, &entries, &places);
        if !differs.is_empty() {
            let keys: Vec<&str> = differs.iter().map(|change| change.key.as_str()).collect();
            run.warn(format!(
                "the file or the options are not as the dead supervisor had them ({}); the run goes on as it was, `swarmbus reload` applies \
                 what the file says",
                keys.join(", ")
            ));
        }
        run.stay()
    }
}

/// Puts the slots back to where they were. The answer is the noted agent of each slot that one is noted of.
fn restore<'e>(fleet: &mut Fleet, topology: &Topology, entries: &'e [Entry]) -> BTreeMap<usize, &'e Entry> {
    let mut places = BTreeMap::new();
    for entry in entries {
        let pool = entry.pool.as_ref().map(|name| topology.pools.iter().position(|pool| pool.name == *name));
        // A pool that the file no longer has: its agents were on their way out.
        let Some(pool) = pool.map_or(Some(None), |found| found.map(Some)) else { continue };
        let known = fleet.slots().iter().position(|slot| slot.name == entry.agent);
        let plan = pool.map_or_else(
            || topology.coordinator.as_ref().map(|plan| plan.restart),
            |pool| Some(topology.pools[pool].run.restart),
        );
        let Some(plan) = plan else { continue };
        let at = known.unwrap_or_else(|| fleet.add(entry.agent.clone(), pool, entry.index, plan, Duration::ZERO));
        fleet.restore(at, entry);
        places.insert(at, entry);
    }
    places
}

impl Run<'_> {
    fn go_on_with(&mut self, note: RunNote, entries: &[Entry], places: &BTreeMap<usize, &Entry>) {
        self.took_over = true;
        self.announced = note.announced;
        self.redelivered = note.redelivered;
        self.go_on_shedding(&note.shed);
        self.end_old_zygotes();
        self.end_old_exporters();
        let mut lost = Vec::new();
        let mut held = BTreeSet::new();
        for (at, entry) in places {
            if entry.closed {
                self.closed.insert(*at);
            }
            // An end of all goes before the end of some.
            if let Some(stop) = entry.stop.filter(|_| note.ending.is_none()) {
                self.stops.insert(*at, stop);
            }
            if entry.state.pid().is_some() {
                held.insert(entry.pid);
                let process = Stranger::hold(entry.pid, true, || start_ticks(entry.pid) == Some(entry.start));
                match process {
                    Some(process) => self.adopt(*at, process, entry.log_from),
                    None => lost.push((*at, entry.pid, entry.log_from)),
                }
            }
        }
        let unnoted = self.adopt_unnoted(&held);
        let placed: BTreeSet<&str> = places.values().map(|entry| entry.agent.as_str()).collect();
        end_unplaced(entries.iter().filter(|entry| !placed.contains(entry.agent.as_str())));
        self.ending = note.ending;
        self.drain = note.drain;
        self.tally = note.tally;
        let adopted = self.fleet.running().count() - lost.len();
        self.say(Event::TookOver {
            bus: note.bus,
            adopted,
            lost: lost.len(),
            unnoted,
            ending: self.ending.as_ref().map(Ending::reason),
        });
        if self.ending.is_some() {
            self.fleet.go_on_ending();
        }
        if self.ending == Some(Ending::Drain) {
            self.asker_until = self.now() + ASKER_WITHIN;
        }
        for at in self.closed.iter().copied().collect::<Vec<_>>() {
            self.close_mailbox(at);
        }
        self.go_on_stopping();
        let again = self.drain.as_ref().map(crate::drain::Drain::resume).unwrap_or_default();
        self.act(&again);
        for (at, pid, log_from) in lost {
            self.gone(at, pid, Exit::Unknown, log_from, true);
        }
        // Its predecessor may have been killed with all there and nobody told.
        self.tell_starts();
        self.note();
    }

    /// Goes on with stops of single agents. One that was told of its end and of whose end nothing more is noted has it before it.
    fn go_on_stopping(&mut self) {
        if self.ending.is_some() {
            return;
        }
        for at in 0..self.fleet.slots().len() {
            let State::Stopping { after, .. } = self.fleet.slot(at).state else { continue };
            match self.stops.get(&at).copied() {
                Some(stop) => self.take(at, stop.resume()),
                None => self.stop(at, after, self.closed.contains(&at)),
            }
        }
    }

    /// Holds a process that somebody else has started.
    fn adopt(&mut self, at: usize, process: Stranger, log_from: u64) {
        let name = self.fleet.slot(at).name.clone();
        let child = Child { pidfd: process.into_pidfd(), log_from, adopted: true };
        if let Err(error) = self.watch.child(at, &child.pidfd) {
            self.warn(format!("cannot watch {name}: {error}"));
        }
        self.children[at] = Some(child);
        if self.fleet.slot(at).pool.is_some() {
            self.rotator.watch(&self.log_of(at));
        }
        // What it said while nobody listened is not said again.
        if self.plan_of(at).ready == Ready::Notify {
            self.ready.insert(at);
        }
    }

    /// Adopts what the dead supervisor had started and was killed before it could note it. How many there were.
    fn adopt_unnoted(&mut self, held: &BTreeSet<u32>) -> usize {
        let bus = self.topology.bus.name.clone();
        let mut found = 0;
        for pid in strays::all_of(&bus) {
            let leads = group_of(pid) == Some(pid);
            let Some(name) = strays::agent_of_any(pid, &bus).filter(|_| leads && !held.contains(&pid)) else {
                continue;
            };
            let waits = |at: &usize| {
                let slot = self.fleet.slot(*at);
                slot.name == name && matches!(slot.state, State::Waiting { .. })
            };
            let Some(at) = (0..self.fleet.slots().len()).find(waits) else { continue };
            if let Some(process) = Stranger::hold(pid, true, || strays::is_of_run(pid, &bus)) {
                self.fleet.started(at, pid, self.now());
                self.adopt(at, process, 0);
                found += 1;
            }
        }
        found
    }

    /// Old zygotes end when their socket does. What they still fork until then nobody would know of, so it is waited for.
    fn end_old_zygotes(&self) {
        if self.topology.pools.iter().all(|pool| pool.preload.is_empty()) {
            return;
        }
        let bus = &self.topology.bus.name;
        for _ in 0..ZYGOTE_LOOKS {
            let left = strays::zygotes_of(bus);
            if left.is_empty() {
                return;
            }
            for pid in left {
                if let Some(process) = Stranger::hold(pid, false, || strays::is_of_zygote(pid, bus)) {
                    process.signal(Signal::KILL);
                    process.wait(Instant::now() + Duration::from_secs(1));
                }
            }
        }
    }

    /// At the end nothing stays that agents have started who are not our children.
    pub(super) fn end_all_of_before(&self) {
        let bus = &self.topology.bus.name;
        for _ in 0..ZYGOTE_LOOKS {
            let left = strays::all_of(bus);
            if left.is_empty() {
                return;
            }
            end_for_good(left.into_iter(), bus);
        }
    }

    /// The exporter of a dead supervisor has gone on, at the address that ours is to have.
    fn end_old_exporters(&self) {
        let bus = &self.topology.bus.name;
        end_for_good(strays::all_of(bus).into_iter().filter(|pid| strays::is_exporter(*pid)), bus);
    }

    /// Kills what is left of an adopted agent's group. What it has elsewhere is looked for later, for all who have ended.
    pub(super) fn end_group(&mut self, group: u32) {
        self.may_be_left = true;
        let bus = &self.topology.bus.name;
        let of_group = strays::processes().filter(|pid| group_of(*pid) == Some(group));
        end_of_run(of_group.filter(|pid| strays::is_of_run(*pid, bus)), bus);
    }

    /// Kills what adopted agents that have ended left in sessions of their own: it is no child of ours, but has their names.
    pub(super) fn end_left_behind(&mut self) {
        if std::mem::take(&mut self.may_be_left) {
            let bus = &self.topology.bus.name;
            let alive: BTreeSet<&str> = self.fleet.running().map(|(at, _)| self.fleet.slot(at).name.as_str()).collect();
            let is_left = |pid: &u32| strays::agent_of(*pid, bus).is_some_and(|agent| !alive.contains(agent.as_str()));
            end_of_run(strays::all_of(bus).into_iter().filter(is_left), bus);
        }
    }
}

/// Kills processes of a run, each held before.
fn end_of_run(pids: impl Iterator<Item = u32>, bus: &str) {
    for pid in pids {
        if let Some(process) = Stranger::hold(pid, false, || strays::is_of_run(pid, bus)) {
            process.signal(Signal::KILL);
        }
    }
}

/// The same, and waits until they have ended.
fn end_for_good(pids: impl Iterator<Item = u32>, bus: &str) {
    for pid in pids {
        if let Some(process) = Stranger::hold(pid, false, || strays::is_of_run(pid, bus)) {
            process.signal(Signal::KILL);
            process.wait(Instant::now() + Duration::from_secs(1));
        }
    }
}

/// Ends agents of pools that the file no longer had: they were on their way out.
fn end_unplaced<'e>(entries: impl Iterator<Item = &'e Entry>) {
    for entry in entries {
        if let Some(process) = Stranger::hold(entry.pid, true, || entry.is_alive()) {
            process.signal(Signal::TERM);
        }
    }
}

/// How often it is looked whether old zygotes are gone.
const ZYGOTE_LOOKS: u32 = 100;
