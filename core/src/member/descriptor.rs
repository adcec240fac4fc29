//! A descriptor for event loops: readable when a queue may have something to take.

use super::{Agent, Member};
use crate::error::{Error, Result};
use crate::layout::WAITS_ANYWHERE;
use crate::message::Message;
use crate::sync::{S8, window};
use crate::watcher::{Watched, watch};
use crate::word::Name;
use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Weak};

/// A descriptor for event loops (epoll, `poll`, asyncio …) that becomes readable when one of its queues may have something to take, or when
/// they are closed or the bus is destroyed.
///
/// Whenever it is readable, call [`Descriptor::try_next`] until that returns `None`: only then is it unreadable again, and whatever comes
/// after that look makes it readable. Nothing else is to be done with it; do not read from it. It may be readable without a message, e.g. when
/// another consumer was faster, or about once a second when nobody else looks for dead processes. After an error it stays readable.
///
/// ```
/// # use swarmbus_core::{Bus, CreateOptions, SendOptions};
/// # let bus = Bus::create(&format!("doc-descriptor-{}", std::process::id()), &CreateOptions::default())?;
/// let bob = bus.attach("bob")?;
/// let descriptor = bob.descriptor()?;
/// // … the event loop says that `descriptor.as_fd()` is readable:
/// while let Some(message) = descriptor.try_next()? {
///     message.release()?;
/// }
/// # bus.destroy()?;
/// # Ok::<(), swarmbus_core::Error>(())
/// ```
pub struct Descriptor<'m> {
    member: &'m Member,
    raw: RawDescriptor,
}

/// A descriptor without its member: what a binding keeps. It and the member may be dropped in any order; when the member is gone, it is
/// readable for good and [`RawDescriptor::try_next`] has no member to be called with.
pub struct RawDescriptor {
    watched: Arc<Watched>,
    next: Cell<usize>,
}

impl Member {
    /// A descriptor that becomes readable when one of these queues may have something to take.
    ///
    /// # Errors
    /// `InvalidArgument` for no queue at all; `UnknownAgent`, `AgentBusy` (a mailbox that somebody else owns), `Closed`; `System` when there
    /// are no descriptors left, or no threads.
    pub fn descriptor_for(&self, queues: &[&str]) -> Result<Descriptor<'_>> {
        self.descriptor_of(self.names_of(queues)?)
    }

    fn descriptor_of(&self, queues: Vec<Name>) -> Result<Descriptor<'_>> {
        self.check()?;
        // S8: noted before the watcher announces itself: it may swallow a wake of any queue. It stays so, since the watcher may be at work
        // after the descriptor has gone.
        self.entry().notes.waits_on.store(WAITS_ANYWHERE, S8.release());
        window(75);
        let watched = Arc::new(watch(self.bus(), self.name, self.owned.get(), queues)?);
        let mut known = self.watched.borrow_mut();
        known.retain(|other| other.strong_count() > 0);
        known.push(Arc::downgrade(&watched));
        Ok(Descriptor { member: self, raw: RawDescriptor { watched, next: Cell::new(0) } })
    }
}

impl Agent {
    /// A descriptor that becomes readable when its mailbox, or a role that it has, may have something to take. Roles that it takes later are not watched: make
    /// another descriptor then.
    ///
    /// # Errors
    /// Those of [`Member::descriptor_for`].
    pub fn descriptor(&self) -> Result<Descriptor<'_>> {
        self.member.descriptor_of(self.queues())
    }
}

impl<'m> Descriptor<'m> {
    /// Takes a message if there is one, of each queue in its turn. `None`: the descriptor is not readable until there is something again.
    ///
    /// # Errors
    /// `Closed` (all queues closed and empty, or the bus destroyed), `AgentBusy` (a mailbox has got another owner), `HandedOver` (one that was this
    /// member's), `Forked`.
    pub fn try_next(&self) -> Result<Option<Message<'m>>> {
        self.raw.try_next(self.member)
    }

    /// Lets go of the member: for bindings that keep the descriptor in an object of their own.
    pub fn into_raw(self) -> RawDescriptor {
        self.raw
    }
}

impl RawDescriptor {
    /// [`Descriptor::try_next`] with the member that made the descriptor.
    ///
    /// # Errors
    /// As there; `InvalidArgument` for another member.
    pub fn try_next<'m>(&self, member: &'m Member) -> Result<Option<Message<'m>>> {
        member.check()?;
        self.check_member(member)?;
        let queues = self.watched.queues().iter().map(|name| member.queue(*name)).collect::<Result<Vec<_>>>()?;
        loop {
            match member.take_any(&queues, &self.next) {
                Ok(None) => {}
                taken => return taken.inspect_err(|_| self.watched.remind()),
            }
            if !member.look_for_dead() {
                self.watched.rearm();
                return Ok(None);
            }
        }
    }
}

impl RawDescriptor {
    /// Says that its owner has looked, without taking anything: it is unreadable until one of its queues may have something to take, which may be at once.
    /// For who waits for something else that comes the same way, such as the answer to a question.
    ///
    /// # Errors
    /// As [`RawDescriptor::try_next`] for a member that is not its own, `Closed`, `Forked`.
    pub fn rearm(&self, member: &Member) -> Result<()> {
        member.check()?;
        self.check_member(member)?;
        member.look_for_dead();
        self.watched.rearm();
        Ok(())
    }

    fn check_member(&self, member: &Member) -> Result<()> {
        if self.watched.is_of(member.bus(), member.name) {
            return Ok(());
        }
        let what = "this descriptor was made by another handle: use it with its own".into();
        Err(Error::InvalidArgument { what })
    }
}

impl AsFd for RawDescriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched.as_fd()
    }
}

impl AsRawFd for RawDescriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl AsFd for Descriptor<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.raw.as_fd()
    }
}

impl AsRawFd for Descriptor<'_> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

const _: fn(RawDescriptor, Weak<Watched>) = |raw, watched| {
    fn sendable<T: Send>(_: T) {}
    sendable(raw);
    sendable(watched);
};
