//! A bus: create, open, join, destroy.

use crate::error::{Error, Result};
use crate::layout::{STATE_DESTROYING, STATE_READY};
use crate::member::{Agent, Member};
use crate::observe::Observer;
use crate::platform::file;
use crate::registry;
use crate::segment::{self, CreateOptions, Segment};
use crate::sync::{S10, window};
use crate::topic::Policy;
use crate::wait;
use std::sync::Arc;
use std::time::Duration;

/// How a queue is declared. A queue that exists keeps what it has.
#[derive(Clone, Debug, Default)]
pub struct QueueOptions {
    /// Most messages per lane; the bus' default if `None`.
    pub limit: Option<u32>,
    /// How often a message is delivered at most; without end if `None`. Afterwards it is a dead letter.
    pub max_deliveries: Option<u32>,
    /// The queue, declared if need be, to which dead letters go: messages delivered too often, expired, or pushed out of a full
    /// lane. If `None` they are dropped and counted. A full queue of dead letters drops its oldest.
    pub dead_letters: Option<String>,
    /// Whether a message for a full lane pushes out the oldest instead of being refused.
    pub makes_room: bool,
}

/// How a topic is declared. A topic that exists keeps what it has.
#[derive(Clone, Debug, Default)]
pub struct TopicOptions {
    /// What happens to a message for which a subscriber leaves no room.
    pub policy: Policy,
    /// How many messages a subscriber may be behind: 1 to as many as a lane of this bus may hold; 64 if `None`. The topic keeps up to twice as many in memory, rounded
    /// up to a power of two.
    pub capacity: Option<u32>,
    /// How many of the last messages a subscriber can have that came before it: 0 to `capacity`.
    pub retain: u32,
}

/// A bus that this process has mapped. Cheap to clone; may be used from any thread.
#[derive(Clone)]
pub struct Bus(Arc<Segment>);

impl Bus {
    /// Makes a new bus.
    ///
    /// # Errors
    /// `BusExists`, `InvalidName`, `InvalidArgument`, `OutOfMemory` (/dev/shm is full).
    pub fn create(name: &str, options: &CreateOptions) -> Result<Bus> {
        Ok(Bus(Arc::new(Segment::create(name, options)?)))
    }

    /// Opens a bus of this host.
    ///
    /// # Errors
    /// `UnknownBus`, `NotReady`, `WrongVersion`, `WrongBoot`, `ForeignNamespace`, `Permission`, `Corrupt`.
    pub fn open(name: &str) -> Result<Bus> {
        Ok(Bus(Arc::new(Segment::open(name)?)))
    }

    /// Opens a bus, or makes it if there is none.
    ///
    /// # Errors
    /// Those of [`Bus::open`] and [`Bus::create`], without `UnknownBus` and `BusExists`.
    pub fn open_or_create(name: &str, options: &CreateOptions) -> Result<Bus> {
        let mut result = Bus::open(name);
        // Somebody may make or destroy it between the two looks; not for ever.
        for _ in 0..100 {
            result = match result {
                Err(Error::UnknownBus { .. }) => Bus::create(name, options),
                Err(Error::BusExists { .. }) => Bus::open(name),
                result => return result,
            };
        }
        result
    }

    /// The buses of this host, sorted.
    ///
    /// # Errors
    /// `System` when /dev/shm cannot be listed.
    pub fn list() -> Result<Vec<String>> {
        file::list()
    }

    /// Removes the file of a bus that cannot be opened (made before the last boot, of another version, damaged).
    ///
    /// # Errors
    /// `UnknownBus`, `Permission`, `System`.
    pub fn remove(name: &str) -> Result<()> {
        crate::name::check_name(name)?;
        segment::unlink(name, None)
    }

    pub(crate) fn of(segment: Segment) -> Bus {
        Bus(Arc::new(segment))
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.0
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Makes a mailbox or queue of this name unless there is one. It keeps messages while nobody owns it.
    ///
    /// # Errors
    /// `InvalidName`, `InvalidArgument`, `WrongKind` (a topic has the name), `TooManyAgents`, `OutOfMemory`, `Closed`.
    pub fn declare(&self, name: &str, options: &QueueOptions) -> Result<()> {
        if let Some(found) = registry::look_up(self.segment(), name) {
            registry::check_kind(name, found, false)?;
            return self.segment().check_open();
        }
        let member = self.join()?;
        registry::declare(self.segment(), member.name(), name, options).map(|_| ())
    }

    /// Makes a topic of this name unless there is one. What is published there reaches everybody who subscribes.
    ///
    /// # Errors
    /// `InvalidName`, `InvalidArgument` (also when all 256 topics of the bus are taken), `WrongKind` (a mailbox or queue has the name), `TooManyAgents`,
    /// `OutOfMemory`, `Closed`.
    pub fn declare_topic(&self, name: &str, options: &TopicOptions) -> Result<()> {
        if let Some(found) = registry::look_up(self.segment(), name) {
            registry::check_kind(name, found, true)?;
            return self.segment().check_open();
        }
        let member = self.join()?;
        registry::declare_topic(self.segment(), member.name(), name, options).map(|_| ())
    }

    /// Takes the mailbox `name` (made if need be) as its one owner.
    ///
    /// # Errors
    /// `AgentBusy` (a living process owns it), `InvalidName`, `TooManyAgents`, `OutOfMemory`, `Closed`.
    pub fn attach(&self, name: &str) -> Result<Agent> {
        Agent::attach(self, name)
    }

    /// Takes the mailbox `name` (made if need be) from whoever owns it, also from a living or paused process: see [`Member::take_over`].
    ///
    /// ```
    /// # use swarmbus_core::{Bus, CreateOptions, Error};
    /// # let bus = Bus::create(&format!("doc-take-over-{}", std::process::id()), &CreateOptions::default())?;
    /// let old = bus.attach("leader")?;
    /// let new = bus.take_over("leader")?;
    /// assert!(matches!(old.try_recv(), Err(Error::HandedOver { .. })));
    /// assert!(new.epoch() > old.epoch());
    /// # bus.destroy()?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidName`, `TooManyAgents`, `OutOfMemory`, `Closed`.
    pub fn take_over(&self, name: &str) -> Result<Agent> {
        Agent::take_over(self, name)
    }

    /// Waits until nobody alive owns the mailbox `name`, then takes it: see [`Member::stand_by`].
    ///
    /// # Errors
    /// `Timeout`, `InvalidName`, `TooManyAgents`, `OutOfMemory`, `Closed`.
    pub fn stand_by(&self, name: &str, timeout: Option<Duration>) -> Result<Agent> {
        Agent::stand_by(self, name, timeout, &mut || false)
    }

    /// [`Bus::stand_by`] with a hook that may end the wait: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Bus::stand_by`], and [`Error::Interrupted`] when the hook says so.
    pub fn stand_by_until(
        &self,
        name: &str,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Agent> {
        Agent::stand_by(self, name, timeout, interrupted)
    }

    /// A handle without a mailbox: for tools, and for consumers of work queues.
    ///
    /// # Errors
    /// `TooManyAgents`, `OutOfMemory`, `Closed`.
    pub fn join(&self) -> Result<Member> {
        Member::claim(self, None)
    }

    /// A read-only view.
    ///
    /// # Errors
    /// Those of [`Observer::open`].
    pub fn observer(&self) -> Result<Observer> {
        Observer::open(self.name())
    }

    /// Ends the bus: its name goes, everybody who waits is woken, and every use is `Closed` from now on. Memory goes when the last
    /// process has let go of it. Destroying twice does no harm.
    ///
    /// # Errors
    /// `System` when the file cannot be removed.
    pub fn destroy(&self) -> Result<()> {
        let segment = self.segment();
        let _ = segment.header().state.compare_exchange(STATE_READY, STATE_DESTROYING, S10.acquire_then(S10));
        window(48);
        let removed = segment.unlink();
        window(49);
        for queue in segment.queues() {
            queue.wake_all(u32::MAX);
            if let Some(control) = segment.queue_control(queue.name.index()) {
                // Who stands by sleeps on a word of its own.
                wait::ring(&control.later.vacant, u32::MAX);
            }
        }
        segment.locks().committed().iter().for_each(|entry| wait::ring(&entry.gone, u32::MAX));
        segment.living_topics().for_each(|topic| topic.wake_all());
        match removed {
            Err(Error::UnknownBus { .. }) => Ok(()),
            result => result,
        }
    }

    /// When all indices are taken: reaps the dead from the index that is kept for this. `true` if that buried somebody.
    #[cold]
    #[inline(never)]
    pub(crate) fn reap_from_reserve(&self) -> Result<bool> {
        let seat = registry::claim_reserve(self.segment())?;
        Ok(Member::new(self, seat)?.reap()?.members > 0)
    }
}

/// Attaches the agent that the environment names: `SWARMBUS` the bus, `SWARMBUS_AGENT` the agent. A supervisor sets both.
///
/// # Errors
/// `InvalidArgument` when a variable is missing; else those of [`Bus::open`] and [`Bus::attach`].
pub fn connect() -> Result<Agent> {
    let variable = |name: &str| {
        std::env::var(name).map_err(|_| Error::InvalidArgument {
            what: format!("the environment has no {name}; a supervisor sets it, or set it yourself"),
        })
    };
    Bus::open(&variable("SWARMBUS")?)?.attach(&variable("SWARMBUS_AGENT")?)
}

/// A bus of a test, gone when the test is, also when it fails.
#[cfg(test)]
pub(crate) struct Removed(pub Bus);

#[cfg(test)]
impl Drop for Removed {
    fn drop(&mut self) {
        let _ = self.0.destroy();
    }
}
