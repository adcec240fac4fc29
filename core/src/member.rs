//! A member: one handle of one process, and what it does with messages.

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::layout::{PAYLOAD_MAX, QUEUE_CLOSED, REDELIVERY};
use crate::memory::Memory;
use crate::message::{ContentType, Lane, Loan, Message, MessageId, Meta, RawLoan, RawMessage};
use crate::name::check_name;
use crate::platform::{clock, fork};
use crate::queue::{self, Claimed, Queue, Route};
use crate::reap::{give_back_chunks, reap};
use crate::recover::{Reaped, Reaper};
use crate::registry;
use crate::ring::Front;
use crate::segment::Segment;
use crate::sync::{S8, S9, S10, WakeWord, Woken, window};
use crate::wait;
use crate::word::{ChunkState, ChunkWord, ClaimState, ClaimWord, IntentKind, Name};
use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A sleep ends after this long at the latest, to see whether a peer has died: without a supervisor the bus heals too.
const NAP: Duration = Duration::from_secs(1);
/// The same while a supervisor reaps.
const NAP_SUPERVISED: Duration = Duration::from_secs(5);
/// Recently used rings whose heads a member remembers.
const KNOWN_HEADS: usize = 16;

/// How a message is sent.
#[derive(Clone, Debug, Default)]
pub struct SendOptions {
    /// Its priority.
    pub lane: Lane,
    /// How long to wait for room: `None` for ever, zero not at all.
    pub timeout: Option<Duration>,
    /// A number for the receiver, e.g. to tie an answer to its question.
    pub correlation: u64,
    /// What the payload is.
    pub content: ContentType,
}

/// One handle of one process: `Send`, not `Sync`. Cheap to make; a thread that wants to talk takes its own.
///
/// A crash at any instruction costs nothing: what the member had is given back by whoever reaps it. Dropped, it gives
/// everything back itself; messages in flight are queued again. After `fork`, the child's use of it is [`Error::Forked`].
pub struct Member {
    bus: Bus,
    name: Name,
    fork: u32,
    heap: RefCell<Heap>,
    sent: Cell<u64>,
    known_heads: [(Cell<u64>, Cell<u64>); KNOWN_HEADS],
    adopted: RefCell<Vec<(u32, ChunkWord)>>,
}

impl Member {
    pub(crate) fn claim(bus: &Bus, preferred: Option<u16>) -> Result<Member> {
        match Member::claim_index(bus, preferred, false) {
            Err(Error::TooManyAgents { .. }) if bus.reap_from_reserve()? => Member::claim_index(bus, preferred, false),
            result => result,
        }
    }

    pub(crate) fn claim_index(bus: &Bus, preferred: Option<u16>, reserve: bool) -> Result<Member> {
        fork::watch();
        let segment = bus.segment();
        segment.check_open()?;
        let name = registry::claim_member(segment, preferred, reserve)?;
        let member = Member {
            bus: bus.clone(),
            name,
            fork: fork::generation(),
            heap: RefCell::new(Heap::new(name)),
            sent: Cell::new(0),
            known_heads: std::array::from_fn(|_| (Cell::new(u64::MAX), Cell::new(0))),
            adopted: RefCell::default(),
        };
        // Whoever destroys the bus after this look finds the claim.
        segment.check_open()?;
        Ok(member)
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

    fn check(&self) -> Result<()> {
        self.check_fork()?;
        self.segment().check_open()
    }

    fn entry(&self) -> Result<&crate::layout::MemberEntry> {
        self.segment().member(self.name.index()).ok_or_else(|| Error::corrupt("the roster", "I12"))
    }

    fn find(&self, name: &str) -> Result<Name> {
        if let Some(found) = registry::look_up(self.segment(), name) {
            return Ok(found);
        }
        check_name(name)?;
        Err(Error::UnknownAgent { name: name.into(), bus: self.bus.name().into() })
    }

    fn queue(&self, name: Name) -> Result<Queue<'_>> {
        self.segment().queue(name).ok_or_else(|| Error::corrupt(format!("queue {}", name.index()), "I17"))
    }

    fn spoken_name(&self, queue: Name) -> String {
        self.segment().queue_name(queue).unwrap_or_default()
    }

    // ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────────

    /// Copies `payload` into a message and queues it for `to`. When it returns, the message survives this process.
    ///
    /// # Errors
    /// `Full` (at once with a zero timeout), `Timeout`, `Closed`, `UnknownAgent`, `TooLarge`, `OutOfMemory`; nothing was sent then.
    pub fn send(&self, to: &str, payload: &[u8], options: &SendOptions) -> Result<MessageId> {
        self.send_until(to, payload, options, &mut || false)
    }

    /// [`Member::send`] with a hook that may end the wait for room: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Member::send`], and [`Error::Interrupted`] when the hook says so.
    pub fn send_until(
        &self,
        to: &str,
        payload: &[u8],
        options: &SendOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<MessageId> {
        let mut loan = self.loan(payload.len())?;
        loan.copy_from_slice(payload);
        loan.publish_until(to, payload.len(), options, interrupted).map_err(|refused| refused.error)
    }

    /// A chunk of at least `length` bytes to write in place.
    ///
    /// # Errors
    /// `TooLarge`, `OutOfMemory`, `Closed`.
    pub fn loan(&self, length: usize) -> Result<Loan<'_>> {
        self.check()?;
        let segment = self.segment();
        let allocate = || self.heap.borrow_mut().allocate(segment, length as u64);
        let (chunk, word) = match allocate() {
            Err(Error::OutOfMemory { .. }) if self.look_for_dead() => allocate()?,
            result => result?,
        };
        let Some((data, capacity)) = segment.payload(chunk) else {
            return Err(Error::corrupt(format!("chunk {chunk}"), "I14"));
        };
        debug_assert!(capacity >= length && capacity as u64 <= PAYLOAD_MAX);
        Ok(Loan::new(self, RawLoan { data, capacity: length, chunk, word }))
    }

    /// Publishes a chunk that this member holds; `word` follows what becomes of it.
    pub(crate) fn publish_chunk(
        &self,
        to: &str,
        length: usize,
        chunk: u32,
        word: &mut ChunkWord,
        options: &SendOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<MessageId> {
        self.check()?;
        let queue = self.queue(self.find(to)?)?;
        let id = self.write_header(chunk, length, options)?;
        let route = Route { ring: options.lane.ring(), kind: IntentKind::Send };
        let room = queue.ring_for_sending(self.segment(), route.ring)?.room();
        let known_head = self.known_head(queue.name, route.ring);
        let notes = &self.entry()?.notes;
        let sent = self.wait_on(room, queue.name, options.timeout, interrupted, || {
            if queue.flags.load(S10.acquire()) & QUEUE_CLOSED != 0 {
                return Err(Error::Closed { what: format!("queue '{to}'") });
            }
            match queue::publish(self.segment(), notes, &queue, route, (chunk, *word), known_head) {
                Ok(()) => Ok(Some(())),
                Err(queue::NotPublished { word: back, error }) => {
                    *word = back;
                    error.map_or(Ok(None), Err)
                }
            }
        });
        match sent {
            Ok(()) => {
                wait::ring(queue.items, 1);
                Ok(id)
            }
            Err(Error::Timeout) if options.timeout == Some(Duration::ZERO) => {
                Err(Error::Full { queue: to.into(), limit: queue.limit as u32 })
            }
            Err(error) => Err(error),
        }
    }

    fn write_header(&self, chunk: u32, length: usize, options: &SendOptions) -> Result<MessageId> {
        let Some(header) = self.segment().chunk_header(chunk) else {
            return Err(Error::corrupt(format!("chunk {chunk}"), "I14"));
        };
        self.sent.set(self.sent.get() + 1);
        let id = MessageId(self.name.bits() << 38 | self.sent.get() & ((1 << 38) - 1));
        // Relaxed, all of it: our own chunk (I7), published by S1. `sender` is written by this member alone.
        let sender = self.entry()?.sender.load(Relaxed);
        header.meta.store(Meta::new(length, options.lane, options.content).0, Relaxed);
        header.home.store(sender << 32, Relaxed);
        header.id.store(id.0, Relaxed);
        header.correlation.store(options.correlation, Relaxed);
        header.sent_ns.store(0, Relaxed);
        header.next.store(0, Relaxed);
        header.expires_ns.store(0, Relaxed);
        header.deliveries.store(0, Relaxed);
        Ok(id)
    }

    fn known_head(&self, queue: Name, ring: usize) -> &Cell<u64> {
        let key = queue.bits() << 3 | ring as u64;
        let (known, head) = &self.known_heads[(queue.index() as usize + ring) % KNOWN_HEADS];
        if known.replace(key) != key {
            // Of another ring: begin with a head that cannot be too large.
            head.set(0);
        }
        head
    }

    /// Whom its messages say they are from; declares that mailbox if need be.
    ///
    /// # Errors
    /// `InvalidName`, `TooManyAgents`, `OutOfMemory`.
    pub fn set_sender(&self, name: &str) -> Result<()> {
        self.check()?;
        let mailbox = registry::declare(self.segment(), self.name, name, None)?;
        // Relaxed: only this member reads it; others read the copy in its messages.
        self.entry()?.sender.store(mailbox.bits() + 1, Relaxed);
        Ok(())
    }

    // ── receiving ────────────────────────────────────────────────────────────────────────────────────────────────────

    /// Takes the most urgent message of a queue, as one of any number of consumers; waits for one until `timeout` (`None`: for ever).
    ///
    /// # Errors
    /// `Timeout`, `Closed` (closed and empty), `UnknownAgent`, `AgentBusy` (a mailbox that somebody else owns).
    pub fn receive(&self, queue: &str, timeout: Option<Duration>) -> Result<Message<'_>> {
        self.receive_until(queue, timeout, &mut || false)
    }

    /// [`Member::receive`] with a hook that may end the wait: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Member::receive`], and [`Error::Interrupted`] when the hook says so.
    pub fn receive_until(
        &self,
        queue: &str,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Message<'_>> {
        self.check()?;
        let name = self.find(queue)?;
        self.check_owner(name)?;
        self.take_until(name, timeout, interrupted)
    }

    /// Takes a message if there is one.
    ///
    /// # Errors
    /// As [`Member::receive`], without `Timeout`.
    pub fn try_receive(&self, queue: &str) -> Result<Option<Message<'_>>> {
        match self.receive(queue, Some(Duration::ZERO)) {
            Ok(message) => Ok(Some(message)),
            Err(Error::Timeout) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn check_owner(&self, queue: Name) -> Result<()> {
        match registry::owner_of(self.segment(), queue) {
            Some(owner) if owner != self.name && !registry::is_gone(self.segment(), owner) => Err(Error::AgentBusy {
                name: self.spoken_name(queue),
                pid: registry::pid_of(self.segment(), owner).unwrap_or(0),
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn take_until(
        &self,
        name: Name,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Message<'_>> {
        self.check()?;
        let queue = self.queue(name)?;
        let notes = &self.entry()?.notes;
        self.wait_on(queue.items, name, timeout, interrupted, || {
            let closed = queue.flags.load(S10.acquire()) & QUEUE_CLOSED != 0;
            while let Some(claimed) = queue::take(self.segment(), notes, &queue, self.name)? {
                if let Some(ring) = queue.ring(claimed.ring) {
                    wait::ring(ring.room(), 1);
                }
                if let Some(message) = self.open(claimed) {
                    return Ok(Some(message));
                }
            }
            if closed { Err(Error::Closed { what: format!("queue '{}'", self.spoken_name(name)) }) } else { Ok(None) }
        })
    }

    /// Makes a message of a claimed chunk; one whose header makes no sense is dropped and counted.
    fn open(&self, claimed: Claimed) -> Option<Message<'_>> {
        let segment = self.segment();
        let opened = segment.chunk_header(claimed.chunk).zip(segment.payload(claimed.chunk)).and_then(
            |(header, (data, capacity))| {
                // Relaxed: our chunk now (I7), seen by S1.
                let length = Meta(header.meta.load(Relaxed)).length();
                let deliveries = header.deliveries.load(Relaxed);
                header.deliveries.store(deliveries + 1, Relaxed);
                window(9);
                (length <= capacity).then_some(RawMessage { data, length, chunk: claimed.chunk, word: claimed.word })
            },
        );
        if opened.is_none() {
            segment.header().corrupt.fetch_add(1, Relaxed);
            self.give_back(claimed.chunk, claimed.word, ChunkState::InFlight);
        }
        opened.map(|raw| Message::new(self, raw))
    }

    /// Gives up a chunk that is this member's in `state`; does nothing if it is not (recovered, or after a fork).
    pub(crate) fn give_back(&self, chunk: u32, word: ChunkWord, state: ChunkState) {
        if self.check_mine(chunk, word, state).is_ok() {
            self.heap.borrow_mut().give_back(self.segment(), chunk, word);
        }
    }

    /// Queues a message that is in flight with this member for redelivery.
    pub(crate) fn redeliver(&self, chunk: u32, word: ChunkWord) -> Result<()> {
        self.check_mine(chunk, word, ChunkState::InFlight)?;
        let segment = self.segment();
        // Relaxed: our chunk's header (I7).
        let home = Name::from_bits(segment.home(chunk).map_or(0, |home| home.load(Relaxed)));
        let queue = self.queue(home)?;
        let route = Route { ring: REDELIVERY, kind: IntentKind::Move };
        match queue::publish(
            segment,
            &self.entry()?.notes,
            &queue,
            route,
            (chunk, word),
            self.known_head(home, REDELIVERY),
        ) {
            Ok(()) => {
                wait::ring(queue.items, 1);
                Ok(())
            }
            Err(queue::NotPublished { word, error }) => {
                self.adopted.borrow_mut().push((chunk, word));
                Err(error.unwrap_or_else(|| Error::Full { queue: self.spoken_name(home), limit: 1 << queue.shift }))
            }
        }
    }

    // ── waiting ──────────────────────────────────────────────────────────────────────────────────────────────────────

    /// Tries until `attempt` succeeds, sleeping on `word` in between. `Timeout` after the last attempt failed.
    fn wait_on<T>(
        &self,
        word: &WakeWord,
        queue: Name,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
        mut attempt: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        if let Some(value) = attempt()? {
            return Ok(value);
        }
        if timeout == Some(Duration::ZERO) {
            return Err(Error::Timeout);
        }
        let waits_on = &self.entry()?.notes.waits_on;
        // S8: noted before the announcement, so a reaper knows whose wake we may have swallowed.
        waits_on.store(queue.bits() + 1, S8.release());
        let result = self.sleep_until(word, timeout, interrupted, &mut attempt);
        if !matches!(result, Err(Error::Timeout)) {
            // I10: others may wait for what is left of what woke us.
            self.pass_on(word, queue);
        }
        waits_on.store(0, S8.release());
        result
    }

    fn sleep_until<T>(
        &self,
        word: &WakeWord,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
        attempt: &mut impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = timeout
            .map(|timeout| clock::monotonic_ns().saturating_add(timeout.as_nanos().min(u64::MAX as u128) as u64));
        loop {
            let ticket = wait::announce(word);
            window(29);
            if let Some(value) = attempt()? {
                return Ok(value);
            }
            self.segment().check_open()?;
            let left = deadline.map(|deadline| deadline.saturating_sub(clock::monotonic_ns()));
            if left == Some(0) {
                return Err(Error::Timeout);
            }
            let nap = self.nap();
            let woken = wait::sleep(word, ticket, left.map_or(nap, |left| nap.min(Duration::from_nanos(left))));
            window(30);
            if woken != Woken::Look && interrupted() {
                return Err(Error::Interrupted);
            }
            if woken == Woken::TimedOut {
                self.look_for_dead();
            }
        }
    }

    /// Wakes one more if there still is something to take; a mailbox has no one else to wake, and pays a look.
    fn pass_on(&self, word: &WakeWord, queue: Name) {
        let Some(queue) = self.segment().queue(queue) else { return };
        let waiting = |front| matches!(front, Ok(Front::Message { .. }));
        let more = !std::ptr::eq(word, queue.items)
            || queue.active().any(|(_, ring)| waiting(ring.front(queue.name, |chunk| self.segment().chunk(chunk))));
        if more {
            wait::ring(word, 1);
        }
    }

    fn nap(&self) -> Duration {
        // Relaxed: a hint about how soon somebody else will look.
        if self.segment().header().supervisor.load(Relaxed) == 0 { NAP } else { NAP_SUPERVISED }
    }

    /// Reaps if nobody has looked for the dead lately. `true` if something was given back.
    fn look_for_dead(&self) -> bool {
        let looked = &self.segment().header().looked_ns;
        // Relaxed: only keeps the looks of a thousand sleepers apart.
        let (now, last) = (clock::monotonic_ns(), looked.load(Relaxed));
        if now.saturating_sub(last) < self.nap().as_nanos() as u64 * 9 / 10
            || looked.compare_exchange(last, now, Relaxed).is_err()
        {
            return false;
        }
        self.reap_if(None) != Reaped::default()
    }

    // ── queues, ownership, recovery ──────────────────────────────────────────────────────────────────────────────────

    /// Makes this member the owner of a mailbox, which is declared if need be. A dead owner is reaped first.
    ///
    /// # Errors
    /// `AgentBusy`, `InvalidName`, `TooManyAgents`, `OutOfMemory`.
    pub fn own(&self, name: &str) -> Result<()> {
        self.own_mailbox(name).map(|_| ())
    }

    pub(crate) fn own_mailbox(&self, name: &str) -> Result<Name> {
        self.check()?;
        let mailbox = registry::declare(self.segment(), self.name, name, None)?;
        while let Err(owner) = registry::own(self.segment(), self.name, mailbox) {
            if !registry::is_gone(self.segment(), owner) {
                let pid = registry::pid_of(self.segment(), owner).unwrap_or(0);
                return Err(Error::AgentBusy { name: name.into(), pid });
            }
            self.reap_if(None);
            registry::disown(self.segment(), owner, mailbox);
        }
        self.entry()?.sender.store(mailbox.bits() + 1, Relaxed);
        Ok(mailbox)
    }

    /// Stops intake: senders get `Closed`; receivers get what is queued, then `Closed`.
    ///
    /// # Errors
    /// `UnknownAgent`.
    pub fn close_queue(&self, name: &str) -> Result<()> {
        self.check()?;
        let queue = self.queue(self.find(name)?)?;
        queue.flags.fetch_or(QUEUE_CLOSED, S10.release());
        wait::ring(queue.items, u32::MAX);
        for (_, ring) in queue.active() {
            wait::ring(ring.room(), u32::MAX);
        }
        Ok(())
    }

    /// Lets messages in again.
    ///
    /// # Errors
    /// `UnknownAgent`.
    pub fn reopen_queue(&self, name: &str) -> Result<()> {
        self.check()?;
        self.queue(self.find(name)?)?.flags.fetch_and(!QUEUE_CLOSED, S10.release());
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
        reap(self.segment(), self.name, only, &mut self.adopted.borrow_mut())
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
        let Ok(entry) = self.entry() else { return };
        let mut reaper = Reaper::new(segment, self.name, &entry.notes);
        self.adopted.borrow_mut().clear();
        // What is ours is given back as a reaper would, by a reaper who is us: chunks kept are freed, messages in flight queued again.
        let unfinished = give_back_chunks(segment, &mut reaper, std::iter::once(entry), |member| member == self.name);
        if let Some(mailbox) = entry.mailbox.load(Relaxed).checked_sub(1) {
            registry::disown(segment, self.name, Name::from_bits(mailbox));
        }
        let supervisor = &segment.header().supervisor;
        let _ = supervisor.compare_exchange(self.name.bits() + 1, 0, Relaxed);
        let claim = &segment.roster()[self.name.index() as usize].claim;
        let seen = ClaimWord(claim.load(S9.acquire()));
        let finished = unfinished.is_empty() && reaper.adopted.is_empty();
        let last = if finished { seen.freed() } else { seen.with_state(ClaimState::Dead) };
        if seen.state() == ClaimState::Live && seen.incarnation() == self.name.incarnation() {
            // S9: everything above is done when the index is seen free, or dead and left to a reaper.
            let _ = claim.compare_exchange(seen.0, last.0, S9.acquire_then(S9));
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.check_fork().is_ok() {
            self.leave();
        }
    }
}

/// A named user of the bus: a member that owns the mailbox of its name.
pub struct Agent {
    member: Member,
    mailbox: Name,
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

const _: fn(Member) = |member| {
    fn sendable<T: Send>(_: T) {}
    sendable(member);
};
