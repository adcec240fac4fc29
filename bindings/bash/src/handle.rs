//! A handle of this shell's on a bus: an agent with its mailbox, or a member without; and what it has in its hands.

use std::mem;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use swarmbus_core::{Agent, Error, Member, Message, MessageId, RawLock, RawMessage, Result, Subscription};

use crate::failure::Failure;

/// Forks of which this process is the child.
static FORKS: AtomicUsize = AtomicUsize::new(0);

/// Counts forks from now on.
pub fn watch_forks() {
    static WATCHING: Once = Once::new();
    extern "C" fn count() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: `count` stays mapped until the process ends (see build.rs) and only adds to an atomic.
    WATCHING.call_once(|| assert_eq!(unsafe { libc::pthread_atfork(None, None, Some(count)) }, 0));
}

/// A value that stays where it is, so that others may borrow from it beside it.
struct Pinned<T>(NonNull<T>);

impl<T> Pinned<T> {
    fn new(value: T) -> Pinned<T> {
        Pinned(NonNull::from(Box::leak(Box::new(value))))
    }
}

impl<T> Deref for Pinned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: it was leaked when this was made, and is freed when this is dropped.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Drop for Pinned<T> {
    fn drop(&mut self) {
        // SAFETY: it was leaked when this was made.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

enum Seat {
    Agent(Pinned<Agent>),
    Member(Pinned<Member>),
}

/// A message in flight with this shell.
#[derive(Clone, Copy)]
struct Held {
    id: MessageId,
    raw: RawMessage,
}

/// What is to become of messages.
#[derive(Clone, Copy, PartialEq)]
pub enum Fate {
    Release,
    GiveBack,
}

pub struct Handle {
    /// They borrow from the seat, so they come before it and are dropped first.
    subscriptions: Vec<(String, Subscription<'static>)>,
    seat: Seat,
    bus: String,
    forks: usize,
    held: Vec<Held>,
    /// Whether the script has what was taken last: if not, the next take gives it back instead of releasing it.
    seen: bool,
    /// Locks by name.
    pub locks: Vec<(String, RawLock)>,
    /// The question whose answer comes in parts.
    pub question: Option<MessageId>,
}

// SAFETY: what is not `Send` are subscriptions, which refer to the member that is beside them: they go where it goes. (And a builtin is
// called by bash's one thread.)
unsafe impl Send for Handle {}

impl Handle {
    pub fn of_agent(agent: Agent) -> Handle {
        let bus = agent.bus().name().to_owned();
        Handle::new(Seat::Agent(Pinned::new(agent)), bus)
    }

    pub fn of_member(member: Member) -> Handle {
        let bus = member.bus().name().to_owned();
        Handle::new(Seat::Member(Pinned::new(member)), bus)
    }

    fn new(seat: Seat, bus: String) -> Handle {
        Handle {
            subscriptions: Vec::new(),
            seat,
            bus,
            forks: FORKS.load(Ordering::Relaxed),
            held: Vec::new(),
            seen: true,
            locks: Vec::new(),
            question: None,
        }
    }

    pub fn bus(&self) -> &str {
        &self.bus
    }

    /// The name of its mailbox, if it has one.
    pub fn name(&self) -> Option<&str> {
        match &self.seat {
            Seat::Agent(agent) => Some(agent.name()),
            Seat::Member(_) => None,
        }
    }

    /// Whether it was opened by a shell of which this one is a child.
    pub fn is_forked(&self) -> bool {
        self.forks != FORKS.load(Ordering::Relaxed)
    }

    pub fn check_fork(&self) -> Result<()> {
        if self.is_forked() { Err(Error::Forked) } else { Ok(()) }
    }

    pub fn member(&self) -> &Member {
        match &self.seat {
            Seat::Agent(agent) => agent,
            Seat::Member(member) => member,
        }
    }

    /// For what only an agent can do.
    pub fn agent(&self) -> std::result::Result<&Agent, Failure> {
        match &self.seat {
            Seat::Agent(agent) => Ok(agent),
            Seat::Member(_) => {
                let bus = &self.bus;
                Err(Failure::usage(format!("this shell has no mailbox on bus '{bus}': swarmbus open {bus}/NAME first")))
            }
        }
    }

    /// Keeps messages that this handle's member has just taken and let go of; the script has not got them yet.
    pub fn keep(&mut self, taken: impl IntoIterator<Item = (MessageId, RawMessage)>) {
        self.seen = false;
        self.held.extend(taken.into_iter().map(|(id, raw)| Held { id, raw }));
    }

    /// The ids of what is held.
    pub fn ids(&self) -> Vec<MessageId> {
        self.held.iter().map(|held| held.id).collect()
    }

    /// The script has got what was taken last.
    pub fn mark_seen(&mut self) {
        self.seen = true;
    }

    /// Ends what was taken before, as the next take does.
    pub fn settle(&mut self) -> Result<()> {
        let fate = if self.seen { Fate::Release } else { Fate::GiveBack };
        self.end(|_| true, fate).map(drop)
    }

    /// Ends the messages with these ids; returns how many. Of several failures the first is told, and all are ended.
    pub fn end(&mut self, ids: impl Fn(MessageId) -> bool, fate: Fate) -> Result<usize> {
        let mut failed = Ok(());
        let mut ended = 0;
        let mut held = mem::take(&mut self.held);
        // In order, so that what is given back keeps it.
        held.retain(|held| {
            if !ids(held.id) {
                return true;
            }
            // SAFETY: it was let go of when it was kept, and is kept no longer.
            let message = unsafe { Message::from_raw(self.member(), held.raw) };
            let result = message.and_then(|message| match fate {
                Fate::Release => message.release(),
                Fate::GiveBack => message.nack(),
            });
            ended += 1;
            if failed.is_ok() {
                failed = result;
            }
            false
        });
        self.held = held;
        failed.map(|()| ended)
    }

    /// Does something with the message of this id, or with the one that was taken last; it is kept on.
    pub fn with_message<T>(
        &self,
        id: Option<MessageId>,
        what: impl FnOnce(&Message<'_>) -> std::result::Result<T, Failure>,
    ) -> std::result::Result<T, Failure> {
        self.lend(self.held[self.find(id)?].raw, what)
    }

    /// Does something with every message that is held, in order, until it fails; they are kept on.
    pub fn with_each(
        &self,
        mut what: impl FnMut(&Message<'_>) -> std::result::Result<(), Failure>,
    ) -> std::result::Result<(), Failure> {
        self.held.iter().try_for_each(|held| self.lend(held.raw, &mut what))
    }

    fn lend<T>(
        &self,
        raw: RawMessage,
        what: impl FnOnce(&Message<'_>) -> std::result::Result<T, Failure>,
    ) -> std::result::Result<T, Failure> {
        // SAFETY: it was let go of when it was kept, and is a raw message again afterwards.
        let message = unsafe { Message::from_raw(self.member(), raw) }?;
        let value = what(&message);
        message.into_raw();
        value
    }

    /// Does something that may end the message; what it gives back is kept on.
    pub fn give_away(
        &mut self,
        id: Option<MessageId>,
        what: impl for<'m> FnOnce(Message<'m>) -> std::result::Result<(), (Error, Message<'m>)>,
    ) -> std::result::Result<(), Failure> {
        let at = self.find(id)?;
        let held = self.held.remove(at);
        // SAFETY: it was let go of when it was kept, and is kept no longer.
        let message = unsafe { Message::from_raw(self.member(), held.raw) }?;
        let (error, raw) = match what(message) {
            Ok(()) => return Ok(()),
            Err((error, message)) => (error, message.into_raw()),
        };
        self.held.insert(at, Held { raw, ..held });
        Err(error.into())
    }

    fn find(&self, id: Option<MessageId>) -> std::result::Result<usize, Failure> {
        let found = match id {
            None => self.held.len().checked_sub(1),
            Some(id) => self.held.iter().position(|held| held.id == id),
        };
        found.ok_or_else(|| match id {
            None => Failure::usage("this shell holds no message: take one first (swarmbus recv)"),
            Some(id) => Failure::usage(format!("this shell holds no message {}", id.0)),
        })
    }

    /// Keeps a subscription of this handle's own.
    pub fn subscribe(&mut self, topic: &str, from: swarmbus_core::StartAt) -> Result<()> {
        let member: *const Member = self.member();
        // SAFETY: the member is pinned, and outlives the subscription, which is dropped before it.
        let member: &'static Member = unsafe { &*member };
        let subscription = member.subscribe(topic, from)?;
        self.subscriptions.push((topic.to_owned(), subscription));
        Ok(())
    }

    pub fn subscription(&mut self, topic: &str) -> Option<&mut Subscription<'static>> {
        self.subscriptions.iter_mut().find(|(name, _)| name == topic).map(|(_, subscription)| subscription)
    }

    /// Ends a subscription; `false`: there is none.
    pub fn unsubscribe(&mut self, topic: &str) -> bool {
        let before = self.subscriptions.len();
        self.subscriptions.retain(|(name, _)| name != topic);
        self.subscriptions.len() < before
    }
}
