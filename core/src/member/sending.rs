//! What a member sends: a loan, written in place, published; the commit point is in [`crate::queue::publish`].

use super::dead_letters::ROUNDS;
use super::waiting::Source;
use super::{KNOWN_HEADS, Member};
use crate::bus::QueueOptions;
use crate::error::{Error, Result};
use crate::layout::{QUEUE_CLOSED, REPLY};
use crate::message::{ContentType, Lane, Loan, MessageId, Meta, RawLoan};
use crate::platform::clock;
use crate::queue::{self, Route};
use crate::registry;
use crate::sync::S10;
use crate::wait;
use crate::word::{ChunkWord, IntentKind, Name};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
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
    /// How long the message matters; for ever if `None`. Who would take it later moves it to the dead letters instead.
    pub time_to_live: Option<Duration>,
}

impl Member {
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
        if capacity < length {
            return Err(Error::corrupt(format!("chunk {chunk}"), "I14"));
        }
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
        if options.lane == Lane::Reply {
            let what = "lane = reply; that lane is for answers: answer a message with its `reply`".into();
            return Err(Error::InvalidArgument { what });
        }
        let queue = self.find(to)?;
        let id = self.write_header(chunk, length, options)?;
        let route = Route { ring: options.lane.ring(), kind: IntentKind::Send };
        self.enqueue(queue, route, chunk, word, options.timeout, interrupted).map(|()| id)
    }

    /// Queues a chunk of this member's, waiting for room as long as `timeout` says; `word` follows what becomes of it.
    pub(crate) fn enqueue(
        &self,
        to: Name,
        route: Route,
        chunk: u32,
        word: &mut ChunkWord,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<()> {
        let queue = self.queue(to)?;
        let room = queue.ring_for_sending(self.segment(), route.ring)?.room();
        let notes = &self.entry()?.notes;
        let sent = self.wait_on(&[Source { word: room, queue: queue.name }], timeout, interrupted, || {
            for _ in 0..ROUNDS {
                // An answer belongs to work that is under way: a closed queue lets it in.
                if route.ring != REPLY && queue.flags.load(S10.acquire()) & QUEUE_CLOSED != 0 {
                    return Err(Error::Closed { what: format!("queue '{}'", self.spoken_name(to)) });
                }
                let known_head = self.known_head(queue.name, route.ring);
                match queue::publish(self.segment(), notes, &queue, route, (chunk, *word), known_head) {
                    Ok(()) => return Ok(Some(())),
                    Err(queue::NotPublished { word: back, error }) => {
                        *word = back;
                        if let Some(error) = error {
                            return Err(error);
                        }
                    }
                }
                if !self.make_room(&queue, route.ring)? {
                    return Ok(None);
                }
            }
            Err(Error::corrupt(format!("queue '{}'", self.spoken_name(to)), "I3"))
        });
        match sent {
            Ok(()) => {
                wait::ring(queue.items, 1);
                Ok(())
            }
            Err(Error::Timeout) if timeout == Some(Duration::ZERO) => {
                Err(Error::Full { queue: self.spoken_name(to), limit: queue.limit as u32 })
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn write_header(&self, chunk: u32, length: usize, options: &SendOptions) -> Result<MessageId> {
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
        let expires_ns = options.time_to_live.map_or(0, |time| clock::monotonic_ns().saturating_add(nanoseconds(time)));
        header.expires_ns.store(expires_ns, Relaxed);
        header.deliveries.store(0, Relaxed);
        Ok(id)
    }

    pub(super) fn known_head(&self, queue: Name, ring: usize) -> &Cell<u64> {
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
        let mailbox = registry::declare(self.segment(), self.name, name, &QueueOptions::default())?;
        // Relaxed: only this member reads it; others read the copy in its messages.
        self.entry()?.sender.store(mailbox.bits() + 1, Relaxed);
        Ok(())
    }
}

/// A duration as the segment keeps it; 584 years are for ever.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
