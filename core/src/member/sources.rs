//! Receiving from any number of queues with one sleep.

use super::waiting::Source;
use super::{Known, Member};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::word::Name;
use std::cell::Cell;
use std::collections::HashSet;
use std::time::Duration;

/// Queues from any of which a member receives: looked up and checked once, for many receives.
pub struct Sources<'m> {
    member: &'m Member,
    queues: Vec<&'m Known<'m>>,
    words: Vec<Source<'m>>,
    next: Cell<usize>,
}

impl Member {
    /// Several queues to receive from, each once, in one object.
    ///
    /// # Errors
    /// `InvalidArgument` for no queue at all; `UnknownAgent`, `AgentBusy` (a mailbox that somebody else owns), `Closed`.
    pub fn sources(&self, queues: &[&str]) -> Result<Sources<'_>> {
        let queues: Vec<_> =
            self.names_of(queues)?.into_iter().map(|name| self.queue(name)).collect::<Result<Vec<_>>>()?;
        let words = queues.iter().map(|queue| Source { word: queue.items, queue: queue.name, by_time: true }).collect();
        Ok(Sources { member: self, queues, words, next: Cell::new(self.taken.get() as usize) })
    }

    /// Checks the queues that somebody wants to receive from; each once.
    pub(super) fn names_of(&self, queues: &[&str]) -> Result<Vec<Name>> {
        self.check()?;
        if queues.is_empty() {
            return Err(Error::InvalidArgument { what: "no queue to receive from; name one or more".into() });
        }
        let mut names = Vec::with_capacity(queues.len());
        let mut seen = HashSet::with_capacity(queues.len());
        for queue in queues {
            let name = self.find(queue)?;
            self.check_owner(name)?;
            if seen.insert(name) {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Takes a message of any of several queues, with one sleep; which queue it was, [`Message::queue`] tells. Of queues that all have
    /// messages, each gets its turn. [`Member::sources`] spares who does this often the look-ups.
    ///
    /// # Errors
    /// As [`Member::receive`]; `Closed` when all of them are closed and empty; `InvalidArgument` for no queue at all.
    pub fn receive_any(&self, queues: &[&str], timeout: Option<Duration>) -> Result<Message<'_>> {
        self.receive_any_until(queues, timeout, &mut || false)
    }

    /// [`Member::receive_any`] with a hook that may end the wait: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Member::receive_any`], and [`Error::Interrupted`] when the hook says so.
    pub fn receive_any_until(
        &self,
        queues: &[&str],
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Message<'_>> {
        self.sources(queues)?.receive_until(timeout, interrupted)
    }
}

impl<'m> Sources<'m> {
    /// Takes a message of any of the queues, each in its turn; waits for one until `timeout` (`None`: for ever). Which queue it was,
    /// [`Message::queue`] tells.
    ///
    /// # Errors
    /// `Timeout`, `Closed` (all closed and empty, or the bus destroyed), `AgentBusy` (a mailbox has got another owner), `HandedOver` (one that was this
    /// member's), `Forked`.
    pub fn receive(&self, timeout: Option<Duration>) -> Result<Message<'m>> {
        self.receive_until(timeout, &mut || false)
    }

    /// [`Sources::receive`] with a hook that may end the wait: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Sources::receive`], and [`Error::Interrupted`] when the hook says so.
    pub fn receive_until(
        &self,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Message<'m>> {
        self.member.check()?;
        self.member.take_among(&self.queues, &self.words, &self.next, timeout, interrupted)
    }

    /// Takes a message if there is one.
    ///
    /// # Errors
    /// As [`Sources::receive`], without `Timeout`.
    pub fn try_receive(&self) -> Result<Option<Message<'m>>> {
        match self.receive(Some(Duration::ZERO)) {
            Ok(message) => Ok(Some(message)),
            Err(Error::Timeout) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
