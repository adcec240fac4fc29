//! Drains of some agents: who asked is told what came of it.

use super::Run;
use crate::control::Follows;
use crate::pool::State;
use crate::protocol::Answer;
use crate::tally::Tally;

/// A drain of some agents.
pub(super) struct Part {
    /// Who asked for it.
    client: u32,
    slots: Vec<usize>,
    tally: Tally,
}

impl Run<'_> {
    /// A drain of some agents has begun.
    pub(super) fn part(&mut self, client: u32, slots: Vec<usize>) {
        let mut tally = Tally::begin(self.now());
        let queues = self.observer.queues();
        tally.found(queues.iter().filter(|queue| slots.iter().any(|at| self.fleet.slot(*at).name == queue.name)));
        self.control.follow(client, Follows::Part);
        self.parts.push(Part { client, slots, tally });
    }

    /// Tells those whose agents have all ended.
    pub(super) fn parts_on(&mut self) {
        if self.parts.is_empty() {
            return;
        }
        let is_over =
            |part: &Part| !part.slots.iter().any(|at| matches!(self.fleet.slot(*at).state, State::Stopping { .. }));
        let (over, rest): (Vec<Part>, Vec<Part>) = std::mem::take(&mut self.parts).into_iter().partition(is_over);
        self.parts = rest;
        for part in over {
            let mut queues = self.observer.queues();
            queues.retain(|queue| part.slots.iter().any(|at| self.fleet.slot(*at).name == queue.name));
            let unread = queues.iter().map(|queue| queue.queued).sum();
            let report = part.tally.report(self.now(), &queues, unread);
            self.control.follow(part.client, Follows::Nothing);
            self.control.answer(part.client, &Answer::Drained { report }, &self.watch);
        }
    }

    /// What an agent held has gone back.
    pub(super) fn part_handed_back(&mut self, at: usize, messages: u32) {
        for part in self.parts.iter_mut().filter(|part| part.slots.contains(&at)) {
            part.tally.handed_back += u64::from(messages);
        }
    }

    /// An agent did not end by itself.
    pub(super) fn part_forced(&mut self, at: usize) {
        let name = self.fleet.slot(at).name.clone();
        for part in self.parts.iter_mut().filter(|part| part.slots.contains(&at)) {
            part.tally.force(std::slice::from_ref(&name));
        }
    }
}
