//! How a run ends: why, with what exit code, who is told, signalled and waited for, and what is removed.

use super::{Run, UpError};
use crate::control::Follows;
use crate::drain::{Action, Drain, Mode, Who};
use crate::ending::Ending;
use crate::event::Event;
use crate::process::collect;
use crate::protocol::Answer;
use crate::rundir::has_logs;
use crate::tally::Tally;
use rustix::process::Signal;
use std::time::Duration;
use swarmbus_core::Error;

impl Run<'_> {
    /// The first reason given decides the exit code; a harder mode later only hurries.
    pub(super) fn end(&mut self, ending: Ending, mode: Mode) {
        let now = self.now();
        let left = self.fleet.left();
        let left = left.pools + usize::from(left.coordinator);
        let (reason, gently) = (ending.reason(), mode == Mode::Gently);
        if self.ending.is_none() {
            self.ending = Some(ending);
            self.fleet.stop_starting();
            self.stops.clear();
            self.probes.clear();
            self.say(Event::Draining { reason, gently, left });
            let (drain, actions) = Drain::begin(self.topology.drain, mode, now);
            self.drain = Some(drain);
            self.tally = Some(Tally::begin(now));
            // Whoever goes on from here has to know that this is the end.
            self.note_run();
            self.act(&actions);
        } else if let Some(drain) = &mut self.drain {
            let actions = drain.harder(mode, now);
            if !actions.is_empty() {
                self.say(Event::Draining { reason, gently, left });
                self.act(&actions);
            }
        }
    }

    pub(super) fn drain_on(&mut self) {
        let (now, left) = (self.now(), self.fleet.left());
        let Some(drain) = &mut self.drain else { return };
        let actions = drain.step(now, left);
        let phase = drain.phase();
        if !actions.is_empty() {
            self.note_run();
        }
        let Some(drain) = &self.drain else { return };
        if !drain.lets_pools_finish() {
            self.fleet.stop_starting();
            self.end_zygotes();
        }
        self.act(&actions);
        let left = left.pools + usize::from(left.coordinator);
        if left != self.told_left || !actions.is_empty() {
            self.told_left = left;
            self.say(Event::DrainLeft { phase, left });
            if self.control.has_followers(Follows::Drain) {
                let agents = self.fleet.running().take(10).map(|(at, _)| self.fleet.slot(at).name.clone()).collect();
                let queued = self.observer.queues().iter().map(|queue| queue.queued).sum();
                let answer = Answer::Draining { phase: phase.to_owned(), left, agents, queued };
                self.control.tell(&answer, &self.watch);
            }
        }
    }

    /// Until when the end has to wait for somebody who wants to hear of it, if it has to.
    pub(super) fn asker_until(&self) -> Option<Duration> {
        let is_heard = self.control.has_followers(Follows::Drain);
        Some(self.asker_until).filter(|until| !is_heard && self.now() < *until)
    }

    pub(super) fn act(&mut self, actions: &[Action]) {
        for action in actions {
            match *action {
                Action::Close(who) => self.close(who),
                Action::Terminate(who) => self.signal(who, Signal::TERM, "SIGTERM"),
                Action::Kill(who) => self.signal(who, Signal::KILL, "SIGKILL"),
            }
        }
    }

    fn signal(&mut self, who: Who, signal: Signal, name: &'static str) {
        let meant = |at: usize| (who == Who::Pools) == self.fleet.slot(at).pool.is_some();
        let mut agents = Vec::new();
        for (at, _) in self.fleet.running().filter(|(at, _)| meant(*at)) {
            self.signal_agent(at, signal);
            agents.push(self.fleet.slot(at).name.clone());
        }
        if let Some(tally) = &mut self.tally {
            tally.force(&agents);
        }
        if !agents.is_empty() && self.drain.as_ref().is_some_and(|drain| drain.mode() == Mode::Gently) {
            self.say(Event::Signalled { signal: name, agents });
        }
    }

    /// Closes what the pools, or the coordinator, read from.
    ///
    /// A bus that goes with the run has all its queues closed, also those that agents made on the way; mailboxes of
    /// guests stay open until the bus goes. A bus that stays has only those closed that the topology names.
    fn close(&mut self, who: Who) {
        let coordinator = self.topology.coordinator.as_ref().map(|plan| plan.name.as_str());
        let mut names: Vec<String> = match who {
            Who::Coordinator => coordinator.map(str::to_owned).into_iter().collect(),
            Who::Pools => {
                let of_pools =
                    self.fleet.slots().iter().filter(|slot| slot.pool.is_some()).map(|slot| slot.name.clone());
                self.topology.bus.queues.iter().cloned().chain(of_pools).collect()
            }
        };
        if !self.topology.bus.keep {
            let pids: Vec<u32> = self.fleet.running().map(|(_, pid)| pid).collect();
            for queue in self.observer.queues() {
                let guest = queue.owner.is_some_and(|pid| !pids.contains(&pid));
                if !guest && !queue.closed && Some(queue.name.as_str()) != coordinator && !names.contains(&queue.name) {
                    names.push(queue.name);
                }
            }
        }
        for name in &names {
            match self.member.close_queue(name) {
                Ok(()) | Err(Error::Closed { .. } | Error::UnknownAgent { .. }) => {}
                Err(error) => self.warn(format!("closing {name}: {error}")),
            }
        }
        if let Some(tally) = &mut self.tally {
            let queues = self.observer.queues();
            tally.found(queues.iter().filter(|queue| names.contains(&queue.name)));
            self.note_run();
        }
    }

    /// Cleans up after the loop. Should the loop have broken off, agents are killed first: nobody would be left to end them.
    pub(super) fn finish(mut self, result: Result<(), UpError>) -> Result<u8, UpError> {
        if result.is_err() {
            for (at, _) in self.fleet.running() {
                self.signal_agent(at, Signal::KILL);
            }
            for (at, pid) in self.fleet.running().collect::<Vec<_>>() {
                if let Some(child) = &self.children[at] {
                    let _ = collect(pid, &child.pidfd);
                }
            }
        }
        self.zygotes.clear();
        self.end_exporter();
        self.end_all_strays();
        let _ = self.member.reap();
        let mut unread: Vec<(String, u64)> =
            self.observer.queues().into_iter().filter(|q| q.queued > 0).map(|q| (q.name, q.queued)).collect();
        unread.sort();
        let unread_sum = unread.iter().map(|(_, count)| count).sum();
        let queues = self.observer.queues();
        let report = self.tally.take().map(|tally| tally.report(self.now(), &queues, unread_sum)).unwrap_or_default();
        self.say(Event::Drained { report: report.clone() });
        if !unread.is_empty() {
            self.say(Event::Unread { queues: unread });
        }
        if self.topology.bus.keep {
            let names = self.topology.bus.queues.iter().chain(self.fleet.slots().iter().map(|slot| &slot.name));
            for name in names {
                let _ = self.member.reopen_queue(name);
            }
        }
        let ending = self.ending.clone().unwrap_or(Ending::BusGone);
        let any_failed = self.fleet.any_failed();
        let code = ending.code(any_failed);
        let forced = self.drain.as_ref().is_some_and(|drain| drain.mode() == Mode::Forcibly);
        let asked = matches!(ending, Ending::Signal(_) | Ending::Down | Ending::Drain);
        let clean = !any_failed && !forced && (code == 0 || asked);
        let keep_logs = !clean && self.topology.logs.is_none() && has_logs(&self.logs);
        let logs = (keep_logs || self.topology.logs.is_some()).then(|| self.logs.clone());
        let down = Event::Down {
            bus: self.topology.bus.name.clone(),
            reason: ending.reason(),
            code,
            seconds: self.begun.elapsed().as_secs_f64(),
            restarts: self.fleet.restarts(),
            redelivered: self.redelivered,
            logs,
        };
        self.tell(&down);
        self.finish_hooks();
        super::settings::remove_cgroups(&self.topology);
        self.member.close();
        let destroyed = if self.topology.bus.keep { Ok(()) } else { self.bus.destroy() };
        self.control.tell(&Answer::Done { code, unread: unread_sum, report }, &self.watch);
        self.control.finish();
        self.rundir.finish(keep_logs);
        self.show.show(&down);
        result?;
        match destroyed {
            Ok(()) | Err(Error::UnknownBus { .. } | Error::Closed { .. }) => Ok(code),
            Err(error) => Err(error.into()),
        }
    }
}
