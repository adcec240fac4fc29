//! An agent: a member with a mailbox.

use super::Member;
use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::name::check_name;
use crate::registry;
use crate::word::Name;
use std::time::Duration;
/// A named user of the bus: a member that owns the mailbox of its name.
pub struct Agent {
    pub(super) member: Member,
    pub(super) mailbox: Name,
    name: String,
}

impl Agent {
    pub(crate) fn attach(bus: &Bus, name: &str) -> Result<Agent> {
        check_name(name)?;
        let preferred = registry::look_up(bus.segment(), name).map(Name::index);
        let member = Member::claim(bus, preferred)?;
        let mailbox = member.own_mailbox(name)?;
        Ok(Agent { member, mailbox, name: name.into() })
    }

    /// Its name, and its mailbox's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes the most urgent message of its mailbox; waits for one until `timeout` (`None`: for ever).
    ///
    /// # Errors
    /// `Timeout`, `Closed` (closed and empty, or the bus destroyed).
    pub fn recv(&self, timeout: Option<Duration>) -> Result<Message<'_>> {
        self.member.take_until(self.mailbox, timeout, &mut || false)
    }

    /// [`Agent::recv`] with a hook that may end the wait: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Agent::recv`], and [`Error::Interrupted`] when the hook says so.
    pub fn recv_until(&self, timeout: Option<Duration>, interrupted: &mut dyn FnMut() -> bool) -> Result<Message<'_>> {
        self.member.take_until(self.mailbox, timeout, interrupted)
    }

    /// Takes a message if there is one.
    ///
    /// # Errors
    /// `Closed`.
    pub fn try_recv(&self) -> Result<Option<Message<'_>>> {
        match self.recv(Some(Duration::ZERO)) {
            Ok(message) => Ok(Some(message)),
            Err(Error::Timeout) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Leaves: messages in flight are queued again, the mailbox stays and keeps what it has.
    pub fn close(self) {}
}

impl std::ops::Deref for Agent {
    type Target = Member;
    fn deref(&self) -> &Member {
        &self.member
    }
}
