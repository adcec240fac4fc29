//! Roles: work that any agent may do which has the role. A role is a work queue, `@role`; whoever has it consumes from that as well as from its mailbox.
//!
//! The queue is nobody's: it is there before the first holder and after the last one, and what a dead holder had in flight comes back to it. So
//! having a role is a matter of the agent alone, which asks for one message of mailbox and roles with one sleep. The board tells others who has what.

use super::Agent;
use super::waiting::Source;
use crate::bus::QueueOptions;
use crate::error::Result;
use crate::message::Message;
use crate::name::{check_name, queue_of_role};
use crate::registry;
use crate::word::Name;
use std::time::Duration;

impl Agent {
    /// Takes a role: from now on [`Agent::recv`] takes from the queue `@role` as well, which is declared if need be. Any number of agents may have a role, and an agent any
    /// number; each message goes to one. Everybody sends to the role by `send("@role", …)`.
    ///
    /// Nothing is lost when a holder dies: the queue stays. A role that only one may have at a time is a mailbox of that name instead: own it with
    /// [`Bus::stand_by`](crate::Bus::stand_by) or [`Bus::take_over`](crate::Bus::take_over).
    ///
    /// # Errors
    /// `InvalidName`, `InvalidArgument` (no room on its board: its status is too long), `TooManyAgents` (no room for another queue), `OutOfMemory`, `HandedOver`, `Closed`, `Forked`.
    pub fn take_role(&self, role: &str) -> Result<()> {
        self.member.check()?;
        self.member.check_not_deposed()?;
        let queue = queue_of_role(role)?;
        let queue = registry::declare(self.member.segment(), self.member.name(), &queue, &QueueOptions::default())?;
        if !self.roles.borrow().contains(&queue) {
            self.roles.borrow_mut().push(queue);
            self.publish_roles().inspect_err(|_| self.roles.borrow_mut().retain(|other| *other != queue))?;
        }
        Ok(())
    }

    /// Gives a role up. What it has taken for that role and not released stays its own. `false`: it did not have it.
    ///
    /// # Errors
    /// `InvalidName`, `HandedOver`, `Closed`, `Forked`.
    pub fn drop_role(&self, role: &str) -> Result<bool> {
        self.member.check()?;
        let Some(queue) = registry::look_up(self.member.segment(), &queue_of_role(role)?) else { return Ok(false) };
        let before = self.roles.borrow().len();
        self.roles.borrow_mut().retain(|other| *other != queue);
        if self.roles.borrow().len() == before {
            return Ok(false);
        }
        self.member.give_up_rests(|of| of == queue);
        self.publish_roles()?;
        Ok(true)
    }

    /// The roles that it has, without their `@`, in the order in which it took them.
    pub fn roles(&self) -> Vec<String> {
        let roles = self.roles.borrow();
        roles.iter().map(|role| self.member.spoken_name(*role).trim_start_matches('@').to_owned()).collect()
    }

    /// Says what this agent is or has, for who looks for such agents. Replaces what it said before.
    ///
    /// # Errors
    /// `InvalidName` (tags are written as names are), `InvalidArgument` (no room on its board), `OutOfMemory`, `HandedOver`, `Closed`, `Forked`.
    pub fn set_tags(&self, tags: &[&str]) -> Result<()> {
        self.member.check()?;
        tags.iter().try_for_each(|tag| check_name(tag))?;
        let mut unique: Vec<String> = Vec::with_capacity(tags.len());
        for tag in tags {
            if !unique.iter().any(|other| other == tag) {
                unique.push((*tag).to_owned());
            }
        }
        let before = self.tags.replace(unique);
        self.publish_roles().inspect_err(|_| drop(self.tags.replace(before)))
    }

    /// Its tags.
    pub fn tags(&self) -> Vec<String> {
        self.tags.borrow().clone()
    }

    /// Tells others about roles and tags: they stand on its board.
    fn publish_roles(&self) -> Result<()> {
        self.update_status(|_| ())
    }

    /// Its mailbox and the queues of its roles.
    pub(super) fn queues(&self) -> Vec<Name> {
        std::iter::once(self.mailbox).chain(self.roles.borrow().iter().copied()).collect()
    }

    pub(super) fn take_with_roles(
        &self,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Message<'_>> {
        let member = &self.member;
        member.check()?;
        let queues = self.queues().into_iter().map(|name| member.queue(name)).collect::<Result<Vec<_>>>()?;
        let sources: Vec<_> =
            queues.iter().map(|queue| Source { word: queue.items, queue: queue.name, by_time: true }).collect();
        member.wait_on(&sources, timeout, interrupted, || {
            // An agent whose mailbox is closed is told to finish: it takes on nothing more for its roles.
            let of = if queues[0].is_open() { &queues[..] } else { &queues[..1] };
            member.take_any(of, &self.turn)
        })
    }
}
