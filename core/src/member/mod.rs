//! A member: one handle of one process. Here who it is, what it owns and how it leaves; what it does with messages is in
//! `sending`, `receiving`, `opening`, `returning` and `waiting`.

mod agent;
mod at_hand;
mod calls;
mod dead_letters;
mod descriptor;
mod keyed;
pub(crate) mod locks;
mod metrics;
mod opening;
mod owning;
mod publishing;
mod receiving;
mod returning;
mod roles;
mod sending;
mod sources;
pub(crate) mod status;
mod subscribing;
mod taps;
mod thread;
mod typed;
pub(crate) mod waiting;

pub use agent::Agent;
pub use calls::Answers;
pub use descriptor::{Descriptor, RawDescriptor};
pub use keyed::key_of;
pub use locks::{LockGuard, RawLock};
pub use publishing::{PublishOptions, Published};
pub use sending::SendOptions;
pub use sources::Sources;
pub use subscribing::{Sample, StartAt, Subscription};

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::keys::KeyNotes;
use crate::layout::MemberEntry;
use crate::message::Lengths;
use crate::name::check_queue_name;
use crate::platform::file::random;
use crate::platform::fork;
use crate::queue::Claimed;
use crate::reap::{end_subscriptions, give_back_chunks, reap};
use crate::recover::{Reaped, Reaper};
use crate::registry::{self, Seat};
use crate::segment::Segment;
use crate::sync::window;
use crate::watcher::Watched;
use crate::word::{ClaimState, ClaimWord, Name, RecordWord, ThreadWord};
use at_hand::AtHand;
pub(crate) use at_hand::Known;
use std::cell::{Cell, RefCell};
use std::sync::Weak;
use std::sync::atomic::Ordering::Relaxed;

/// One handle of one process: `Send`, not `Sync`. Cheap to make; a thread that wants to talk takes its own.
///
/// A crash at any instruction costs nothing: what the member had is given back by whoever reaps it. Dropped, it gives
/// everything back itself; messages in flight are queued again. After `fork`, the child's use of it is [`Error::Forked`].
pub struct Member {
    bus: Bus,
    /// What it has found there.
    at_hand: Box<AtHand>,
    name: Name,
    seat: Seat,
    /// The thread to which it is bound.
    thread: Cell<Option<ThreadWord>>,
    fork: u32,
    heap: RefCell<Heap>,
    /// The mailbox that it owns or has owned, and the word that said so.
    owned: Cell<Option<(Name, RecordWord)>>,
    sent: Cell<u64>,
    taken: Cell<u32>,
    /// How many it had taken when it last slept for one.
    taken_before_sleep: Cell<u32>,
    /// When it last took a message while senders slept, ns.
    room_ns: Cell<u64>,
    /// What it has begun to take of batches, by queue: see `receiving`.
    rests: RefCell<Vec<(Name, Claimed)>>,
    /// What it asked and waits for, see `calls`.
    questions: RefCell<Vec<calls::Question>>,
    /// How long the archives were that it wrote.
    lengths: Lengths,
    /// The entry of the lock table that it used last.
    last_lock: Cell<u32>,
    metrics: metrics::Metrics,
    /// When it last asked the kernel about a slow subscriber, ns.
    asked_ns: Cell<u64>,
    /// What event loops watch for it.
    watched: RefCell<Vec<Weak<Watched>>>,
}

impl Member {
    pub(crate) fn claim(bus: &Bus, preferred: Option<u16>) -> Result<Member> {
        fork::watch();
        let segment = bus.segment();
        segment.check_open()?;
        let seat = match registry::claim_member(segment, preferred) {
            Err(Error::TooManyAgents { .. }) if bus.reap_from_reserve()? => registry::claim_member(segment, preferred)?,
            result => result?,
        };
        let member =
            Member::new(bus, seat).inspect_err(|_| registry::give_up_claim(segment, &seat, ClaimWord::freed))?;
        // Whoever destroys the bus after this look finds the claim.
        segment.check_open()?;
        Ok(member)
    }

    /// The handle of an index that was just claimed.
    pub(crate) fn new(bus: &Bus, seat: Seat) -> Result<Member> {
        let name = seat.member;
        Ok(Member {
            // SAFETY: it is kept beside it.
            at_hand: unsafe { AtHand::of(bus, name) }?,
            bus: bus.clone(),
            name,
            seat,
            thread: Cell::new(None),
            fork: fork::generation(),
            heap: RefCell::new(Heap::new(name)),
            owned: Cell::new(None),
            // Incarnations come round again, so counts do not begin at the same number.
            sent: Cell::new(random()),
            taken: Cell::new(0),
            taken_before_sleep: Cell::new(0),
            room_ns: Cell::new(0),
            rests: RefCell::default(),
            questions: RefCell::default(),
            metrics: metrics::Metrics::default(),
            lengths: Lengths::default(),
            last_lock: Cell::new(0),
            asked_ns: Cell::new(0),
            watched: RefCell::default(),
        })
    }

    pub(crate) fn segment(&self) -> &Segment {
        self.bus.segment()
    }

    pub(crate) fn name(&self) -> Name {
        self.name
    }

    /// The bus.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The index of this member in the roster.
    pub fn index(&self) -> u16 {
        self.name.index()
    }

    pub(crate) fn check_fork(&self) -> Result<()> {
        if self.fork == fork::generation() { Ok(()) } else { Err(Error::Forked) }
    }

    /// Whether it may do anything: it is this process', and its bus is not being destroyed.
    #[inline(always)]
    fn is_able(&self) -> bool {
        self.fork == fork::generation() && self.segment().is_open()
    }

    #[inline(always)]
    fn check(&self) -> Result<()> {
        if self.is_able() { Ok(()) } else { self.say_why_not() }
    }

    #[cold]
    fn say_why_not(&self) -> Result<()> {
        self.check_fork()?;
        self.segment().check_open()
    }

    #[inline(always)]
    fn entry(&self) -> &MemberEntry {
        self.at_hand.entry()
    }

    /// The name of a queue.
    #[inline(always)]
    pub(crate) fn find(&self, name: &str) -> Result<Name> {
        Ok(self.queue_called(name)?.name)
    }

    /// The queue of this name.
    #[inline(always)]
    pub(crate) fn queue_called(&self, name: &str) -> Result<&Known<'_>> {
        match self.at_hand.called(name) {
            Some(found) => Ok(found),
            None => self.look_up_queue(name),
        }
    }

    #[cold]
    fn look_up_queue(&self, name: &str) -> Result<&Known<'_>> {
        let found = self.look_up(name, false)?;
        self.at_hand.queue_called(&self.bus, name, found).ok_or_else(|| no_queue(found))
    }

    /// The topic of this name.
    fn find_topic(&self, name: &str) -> Result<Name> {
        if let Some(found) = self.at_hand.topic(name) {
            return Ok(found);
        }
        let found = self.look_up(name, true)?;
        self.at_hand.keep_topic(name, found);
        Ok(found)
    }

    #[cold]
    fn look_up(&self, name: &str, topic: bool) -> Result<Name> {
        if let Some(found) = registry::look_up(self.segment(), name) {
            return registry::check_kind(name, found, topic);
        }
        check_queue_name(name)?;
        Err(Error::UnknownAgent { name: name.into(), bus: self.bus.name().into() })
    }

    pub(crate) fn queue(&self, name: Name) -> Result<&Known<'_>> {
        self.at_hand.queue(&self.bus, name).ok_or_else(|| no_queue(name))
    }

    fn spoken_name(&self, queue: Name) -> String {
        self.segment().queue_name(queue).unwrap_or_default()
    }

    /// Stops intake: senders get `Closed`; receivers get what is queued, then `Closed`.
    ///
    /// # Errors
    /// `UnknownAgent`.
    pub fn close_queue(&self, name: &str) -> Result<()> {
        self.check()?;
        let queue = self.queue_called(name)?;
        queue.set_closed(true);
        window(36);
        // Who waits for messages is to find out that none will come. Who finds the queue empty seals it: a slot burnt now, behind messages,
        // would be one less for others if the queue is opened again.
        queue.wake_all(u32::MAX);
        Ok(())
    }

    /// Lets messages in again.
    ///
    /// # Errors
    /// `UnknownAgent`.
    pub fn reopen_queue(&self, name: &str) -> Result<()> {
        self.check()?;
        self.queue_called(name)?.set_closed(false);
        Ok(())
    }

    /// Looks for dead members and gives back all they had. Any number of members may do so at once, and may die doing it.
    ///
    /// # Errors
    /// `Closed`, `Forked`.
    pub fn reap(&self) -> Result<Reaped> {
        self.check()?;
        Ok(self.reap_if(None))
    }

    /// [`Member::reap`] for one process that the caller believes dead (the kernel is asked).
    ///
    /// # Errors
    /// `Closed`, `Forked`.
    pub fn reap_process(&self, pid: u32) -> Result<Reaped> {
        self.check()?;
        Ok(self.reap_if(Some(pid)))
    }

    fn reap_if(&self, only: Option<u32>) -> Reaped {
        reap(self.segment(), self.name, only)
    }

    /// Says in the segment that this member reaps the dead at once; its peers then look less often themselves.
    ///
    /// # Errors
    /// `Closed`, `Forked`.
    pub fn supervise(&self) -> Result<()> {
        self.check()?;
        // Relaxed: a hint.
        self.segment().header().supervisor.store(self.name.bits() + 1, Relaxed);
        Ok(())
    }

    /// Leaves: gives everything back. Dropping does the same.
    pub fn close(self) {}

    fn leave(&self) {
        let segment = self.segment();
        for watched in self.watched.take().iter().filter_map(Weak::upgrade) {
            // Readable for good: who is told finds out.
            watched.end();
            watched.remind();
        }
        let entry = self.entry();
        let mut reaper = Reaper::new(segment, self.name, &entry.notes);
        // What is ours is given back as a reaper would, by a reaper who is us: chunks kept are freed, messages in flight queued again. (A stripe
        // only after a panic in the midst of a send.)
        if entry.keyed_in.load(Relaxed) != 0 {
            reaper.stripe(self.name, &entry.notes, KeyNotes { key: &entry.key, keyed_in: &entry.keyed_in }, || true);
        }
        let unfinished = give_back_chunks(segment, &mut reaper, std::iter::once(entry), |member| member == self.name);
        window(37);
        end_subscriptions(segment, self.name, entry, || true);
        let _ = self.end_tap();
        // Relaxed: our own note.
        if entry.locks.load(Relaxed) != 0 {
            segment.locks().reap(|member| member == self.name);
        }
        if let Some(mailbox) = entry.mailbox.load(Relaxed).checked_sub(1) {
            registry::disown(segment, self.name, Name::from_bits(mailbox), || true);
            window(38);
        }
        let supervisor = &segment.header().supervisor;
        let _ = supervisor.compare_exchange(self.name.bits() + 1, 0, Relaxed);
        let finished = unfinished.is_empty();
        let last = |seen: ClaimWord| if finished { seen.freed() } else { seen.with_state(ClaimState::Dead) };
        registry::give_up_claim(segment, &self.seat, last);
    }
}

#[cold]
fn no_queue(name: Name) -> Error {
    Error::corrupt(format!("queue {}", name.index()), "I17")
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.check_fork().is_err() {
            return;
        }
        if self.unbind_to_drop() {
            self.leave();
        } else {
            registry::forget_claim(self.segment(), &self.seat);
        }
    }
}

const _: fn(Member) = |member| {
    fn sendable<T: Send>(_: T) {}
    sendable(member);
};
