//! Stops of single agents while the others go on.

use super::Run;
use crate::event::Event;
use crate::pool::{After, State};
use crate::stop::{Action, Stop};
use rustix::process::Signal;
use swarmbus_core::Error;

impl Run<'_> {
    /// Tells an agent to end. A gentle stop closes its mailbox and lets it finish.
    pub(super) fn stop(&mut self, at: usize, after: After, gently: bool) {
        let now = self.now();
        if self.fleet.stop(at, after, now).is_none() {
            return;
        }
        if gently && self.closed.insert(at) {
            // A mailbox that is closed and not noted as such would never be opened again by a successor.
            self.note_agents();
            self.close_mailbox(at);
        }
        // One that is being stopped already is only hurried.
        if self.stops.get(&at).is_none_or(|stop| stop.lets_finish() && !gently) {
            let (stop, action) = Stop::begin(self.topology.drain, gently, now);
            self.stops.insert(at, stop);
            self.fleet.touch(at);
            self.take(at, action);
        }
    }

    pub(super) fn close_mailbox(&mut self, at: usize) {
        let name = self.fleet.slot(at).name.clone();
        match self.member.close_queue(&name) {
            Ok(()) | Err(Error::Closed { .. } | Error::UnknownAgent { .. }) => {}
            Err(error) => self.warn(format!("closing {name}: {error}")),
        }
    }

    /// Looks after those that are being stopped.
    pub(super) fn stop_on(&mut self) {
        if self.stops.is_empty() {
            return;
        }
        let busy = self.busy();
        let now = self.now();
        for at in self.stops.keys().copied().collect::<Vec<_>>() {
            let is_busy = busy.contains(&at);
            let action = self.stops.get_mut(&at).and_then(|stop| stop.step(now, is_busy));
            if action == Some(Action::Kill) || is_busy && action.is_some() {
                self.part_forced(at);
            }
            self.take(at, action);
        }
    }

    pub(super) fn take(&mut self, at: usize, action: Option<Action>) {
        let Some(action) = action else { return };
        // How far its end is has to be known to a successor.
        self.fleet.touch(at);
        match action {
            Action::Terminate => self.signal_agent(at, Signal::TERM),
            Action::Kill => self.signal_agent(at, Signal::KILL),
        }
    }

    /// Of those that may finish, the ones that hold messages or have some waiting.
    fn busy(&self) -> Vec<usize> {
        let finishing: Vec<usize> =
            self.stops.iter().filter(|(_, stop)| stop.lets_finish()).map(|(at, _)| *at).collect();
        if finishing.is_empty() {
            return finishing;
        }
        let (members, queues) = (self.observer.members(), self.observer.queues());
        let is_busy = |at: &usize| {
            let slot = self.fleet.slot(*at);
            let holds = members.iter().any(|member| Some(member.pid) == slot.state.pid() && member.in_flight > 0);
            holds || queues.iter().any(|queue| queue.name == slot.name && queue.queued + queue.in_flight > 0)
        };
        finishing.into_iter().filter(is_busy).collect()
    }

    /// Messages in the closed mailbox of one that stays away: nobody reads them until it is started again.
    pub(super) fn tell_what_waits(&mut self, at: usize) {
        let slot = self.fleet.slot(at);
        if !self.closed.contains(&at) || !matches!(slot.state, State::Stopped | State::Gone) {
            return;
        }
        let waiting = self.observer.queues().into_iter().find(|queue| queue.name == slot.name && queue.queued > 0);
        if let Some(queue) = waiting {
            self.say(Event::Unread { queues: vec![(queue.name, queue.queued)] });
        }
    }

    /// Before it starts again: its mailbox takes messages again.
    pub(super) fn open_again(&mut self, at: usize) {
        if self.closed.remove(&at) {
            self.fleet.touch(at);
            let name = self.fleet.slot(at).name.clone();
            if let Err(error) = self.member.reopen_queue(&name) {
                self.warn(format!("opening {name} again: {error}"));
            }
        }
    }
}
