//! An agent: a member with a mailbox.

use super::Member;
use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::name::check_name;
use crate::registry;
use crate::word::Name;
use std::cell::{Cell, RefCell};
use std::time::Duration;
/// A named user of the bus: a member that owns the mailbox of its name.
pub struct Agent {
    pub(super) member: Member,
    pub(super) mailbox: Name,
    name: String,
    /// The queues of the roles that it has.
    pub(super) roles: RefCell<Vec<Name>>,
    pub(super) tags: RefCell<Vec<String>>,
    /// Whose turn it is of mailbox and roles.
    pub(super) turn: Cell<usize>,
}

impl Agent {
    pub(crate) fn attach(bus: &Bus, name: &str) -> Result<Agent> {
        Agent::who(bus, name, |member| member.own_mailbox(name))
    }

    pub(crate) fn take_over(bus: &Bus, name: &str) -> Result<Agent> {
        Agent::who(bus, name, |member| member.take_mailbox(name))
    }

    pub(crate) fn stand_by(
        bus: &Bus,
        name: &str,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Agent> {
        Agent::who(bus, name, |member| member.succeed(name, timeout, interrupted))
    }

    /// A member that gets the mailbox in some way.
    fn who(bus: &Bus, name: &str, gets: impl FnOnce(&Member) -> Result<Name>) -> Result<Agent> {
        check_name(name)?;
        let preferred = registry::look_up(bus.segment(), name).map(Name::index);
        let member = Member::claim(bus, preferred)?;
        let mailbox = gets(&member)?;
        Ok(Agent {
            member,
            mailbox,
            name: name.into(),
            roles: RefCell::default(),
            tags: RefCell::default(),
            turn: Cell::new(0),
        })
    }

    /// Its name, and its mailbox's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes the most urgent message of its mailbox; waits for one until `timeout` (`None`: for ever). An agent with roles ([`Agent::take_role`]) takes from its
    /// mailbox and theirs, each in its turn; [`Message::queue`] tells which it was.
    ///
    /// # Errors
    /// `Timeout`, `Closed` (closed and empty, or the bus destroyed), `HandedOver` (another has taken the mailbox over).
    #[inline(always)]
    pub fn recv(&self, timeout: Option<Duration>) -> Result<Message<'_>> {
        self.recv_until(timeout, &mut || false)
    }

    /// [`Agent::recv`] with a hook that may end the wait: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Agent::recv`], and [`Error::Interrupted`] when the hook says so.
    #[inline(always)]
    pub fn recv_until(&self, timeout: Option<Duration>, interrupted: &mut dyn FnMut() -> bool) -> Result<Message<'_>> {
        if self.roles.borrow().is_empty() {
            return self.member.take_until(self.mailbox, timeout, interrupted);
        }
        self.take_with_roles(timeout, interrupted)
    }

    /// Takes a message if there is one.
    ///
    /// # Errors
    /// `Closed`.
    #[inline(always)]
    pub fn try_recv(&self) -> Result<Option<Message<'_>>> {
        if self.roles.borrow().is_empty() {
            return self.member.try_take(self.mailbox);
        }
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
