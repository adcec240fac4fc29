//! What a member reads of a topic: in place, or, where publishers wait for nobody, a copy.

use super::Member;
use super::waiting::Source;
use crate::error::{Error, Result};
use crate::latency::Latency;
use crate::layout::{CHUNK_HEADER, ChunkHeader, CursorEntry, class_payload};
use crate::message::{ContentType, MessageId, Meta, TraceContext};
use crate::platform::clock;
use crate::sync::window;
use crate::topic::{Found, Topic, note};
use crate::word::{ChunkWord, Name, SlotWord};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem::offset_of;
use std::ops::Deref;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Looks of a reader whose messages are pushed out while it reads them, before it gives up and comes again.
const TRIES: u32 = 1 << 10;
/// After so many looks it asks for half as many old messages, and so on.
const EAGER_TRIES: u32 = 4;

/// With which message a subscription begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StartAt {
    /// The first that is published from now on.
    #[default]
    Now,
    /// The oldest that the topic retains for late joiners.
    Retained,
    /// The last so many, as far as the topic retains them.
    Last(u32),
}

/// A member's subscription to a topic: from the moment of subscribing it gets every message once and in order, unless the topic is lossy.
///
/// Dropped, it ends. If the process dies, whoever reaps it ends it; messages that it has not read are kept for nobody.
pub struct Subscription<'m> {
    member: &'m Member,
    topic: Topic<'m>,
    cursor: &'m CursorEntry,
    /// The position of the next message.
    next: Cell<u64>,
    missed: Cell<u64>,
    buffer: RefCell<Vec<u8>>,
    /// When it began, ns of `CLOCK_MONOTONIC`.
    since_ns: u64,
}

impl Member {
    /// Subscribes to a topic. A handle subscribes to a topic once at a time.
    ///
    /// From here on, publishers wait for this subscriber, or drop their messages, as the topic's policy is: who subscribes has to read.
    ///
    /// # Errors
    /// `UnknownAgent` (no such topic), `WrongKind`, `InvalidArgument` (subscribed already), `OutOfMemory`, `Closed`.
    pub fn subscribe(&self, topic: &str, from: StartAt) -> Result<Subscription<'_>> {
        self.check()?;
        let topic = self.topic_of(self.find_topic(topic)?)?;
        let (segment, entry) = (self.segment(), self.entry());
        segment.commit_cursor(topic.name, self.index())?;
        let (Some(number), Some(cursor)) = (topic.name.topic(), topic.cursor(self.index())) else {
            return Err(Error::corrupt("a topic's cursors", "I12"));
        };
        // Relaxed: set before the topic is named (S6).
        let retain =
            segment.topic_control(topic.name).map_or(0, |control| control.retain.load(Relaxed)).min(topic.limit);
        let history = match from {
            StartAt::Now => 0,
            StartAt::Retained => retain,
            StartAt::Last(count) => retain.min(count as u64),
        };
        note(&entry.topics, number, true);
        window(101);
        let joined = topic.join(self.name(), history).inspect_err(|_| topic.leave(self.name(), || true))?;
        let Some(next) = joined else {
            let what = format!("this handle subscribes to '{}' already", self.spoken_name(topic.name));
            return Err(Error::InvalidArgument { what });
        };
        // Relaxed: a figure for people.
        cursor.missed.store(0, Relaxed);
        let (next, missed) = (Cell::new(next), Cell::new(0));
        let since_ns = clock::monotonic_ns();
        Ok(Subscription { member: self, topic, cursor, next, missed, buffer: RefCell::default(), since_ns })
    }
}

impl<'m> Subscription<'m> {
    /// The next message; waits for it until `timeout` (`None`: for ever). It is done with when the sample is dropped.
    ///
    /// # Errors
    /// `Timeout`, `Closed` (the bus is destroyed), `Forked`.
    pub fn recv(&mut self, timeout: Option<Duration>) -> Result<Sample<'_>> {
        self.recv_until(timeout, &mut || false)
    }

    /// [`Subscription::recv`] with a hook that may end the wait: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Subscription::recv`], and [`Error::Interrupted`] when the hook says so.
    pub fn recv_until(
        &mut self,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Sample<'_>> {
        self.member.check()?;
        let source = Source { word: self.topic.items, queue: self.topic.name, by_time: true };
        let read = self.member.wait_on(&[source], timeout, interrupted, || self.read())?;
        Ok(self.sample(read))
    }

    /// The next message, if there is one.
    ///
    /// # Errors
    /// `Closed`, `Forked`.
    pub fn try_recv(&mut self) -> Result<Option<Sample<'_>>> {
        self.member.check()?;
        let read = self.read()?;
        Ok(read.map(|read| self.sample(read)))
    }

    fn sample(&self, read: Read) -> Sample<'_> {
        self.member.counted_received(read.length);
        // A retained one has waited for its subscriber, not the other way round.
        if read.about.sent_ns != 0 && read.about.sent_ns >= self.since_ns {
            self.member.measured_since(Latency::Queueing, read.about.sent_ns);
        }
        Sample { subscription: self, read }
    }

    /// The topic.
    pub fn topic(&self) -> String {
        self.member.spoken_name(self.topic.name)
    }

    /// The position of the next message, counted from 0.
    pub fn position(&self) -> u64 {
        self.next.get()
    }

    /// How many messages this subscription has missed so far, all in all.
    pub fn missed(&self) -> u64 {
        self.missed.get()
    }

    /// Ends it. Dropping does the same.
    pub fn close(self) {}

    fn read(&self) -> Result<Option<Read>> {
        let before = self.missed.get();
        for attempt in 0..TRIES {
            let position = self.next.get();
            let (slot, word) = match self.topic.at(self.member.segment(), position) {
                Found::Message { slot, word } => (slot, word),
                Found::Nothing => return Ok(None),
                Found::Gone => {
                    self.skip(attempt)?;
                    continue;
                }
            };
            let read = match self.topic.is_lossy() {
                true => self.copy(position, slot, word),
                false => self.view(position, slot.chunk()),
            };
            match read {
                Some(read) => return Ok(Some(Read { missed: self.missed.get() - before, ..read })),
                // Pushed out while it was read: the next look says so. Only of a lossy topic.
                None if self.topic.is_lossy() => {}
                None => {
                    // Relaxed: a counter for people.
                    self.member.segment().header().corrupt.fetch_add(1, Relaxed);
                    self.move_on(position + 1);
                }
            }
        }
        // Publishers are that fast. Others are to have the processor.
        Ok(None)
    }

    /// The message at the cursor is there no more: goes on with the oldest that surely is.
    fn skip(&self, attempt: u32) -> Result<()> {
        let (position, end) = (self.next.get(), self.topic.end()?);
        let behind = end.wrapping_sub(position);
        if behind as i64 <= 0 {
            return Err(Error::corrupt("a topic's slots", "I30"));
        }
        let keep = self.topic.limit >> (attempt / EAGER_TRIES).min(63);
        self.move_on(end - keep.min(behind - 1));
        Ok(())
    }

    /// Moves the cursor, whose message was missed.
    fn move_on(&self, next: u64) {
        let missed = self.missed.get() + next.wrapping_sub(self.next.get());
        self.missed.set(missed);
        // Relaxed: a figure for people.
        self.cursor.missed.store(missed, Relaxed);
        window(107);
        self.next.set(next);
        self.topic.advance(self.member.name(), next);
    }

    /// The message in place: nobody pushes it out before the cursor moves on (I31).
    fn view(&self, position: u64, chunk: u32) -> Option<Read> {
        let segment = self.member.segment();
        let chunk = segment.chunk_of_mine(chunk)?;
        let header = chunk.header();
        // Relaxed, all of it: with the slot we have seen all that its publisher wrote (S1).
        let about = About {
            meta: Meta(header.meta.load(Relaxed)).within(chunk.capacity()).0,
            home: header.home.load(Relaxed),
            id: header.id.load(Relaxed),
            correlation: header.correlation.load(Relaxed),
            sent_ns: header.sent_ns.load(Relaxed),
        };
        let length = Some(Meta(about.meta).length()).filter(|length| *length <= chunk.capacity())?;
        Some(Read { data: chunk.data(), length, about, position, missed: 0 })
    }

    /// A copy of the message. `None`: it was pushed out meanwhile.
    fn copy(&self, position: u64, slot: SlotWord, word: ChunkWord) -> Option<Read> {
        let segment = self.member.segment();
        let mut header = [0; CHUNK_HEADER as usize];
        // From the file: in place it could be a hole by now (I20).
        segment.read_chunk(slot.chunk(), 0, &mut header)?;
        let field = |at: usize| u64::from_ne_bytes(header[at..][..8].try_into().unwrap_or_default());
        let capacity = class_payload(segment.chunk_class(slot.chunk())?) as usize;
        let about = About {
            meta: Meta(field(offset_of!(ChunkHeader, meta))).within(capacity).0,
            home: field(offset_of!(ChunkHeader, home)),
            id: field(offset_of!(ChunkHeader, id)),
            correlation: field(offset_of!(ChunkHeader, correlation)),
            sent_ns: field(offset_of!(ChunkHeader, sent_ns)),
        };
        let length = Some(Meta(about.meta).length()).filter(|length| *length <= capacity);
        let mut buffer = self.buffer.borrow_mut();
        let copied = length.and_then(|length| {
            let behind = if Meta(about.meta).is_traced() { TraceContext::BYTES } else { 0 };
            buffer.resize(length + behind, 0);
            segment.read_chunk(slot.chunk(), CHUNK_HEADER, &mut buffer)
        });
        if !self.topic.still_there(segment, position, slot, word) {
            return None;
        }
        let Some(length) = copied.and(length) else {
            // It is there and makes no sense.
            segment.header().corrupt.fetch_add(1, Relaxed);
            self.move_on(position + 1);
            return None;
        };
        Some(Read { data: buffer.as_ptr(), length, about, position, missed: 0 })
    }
}

impl Drop for Subscription<'_> {
    fn drop(&mut self) {
        if self.member.check_fork().is_err() {
            return;
        }
        let entry = self.member.entry();
        self.topic.leave(self.member.name(), || true);
        window(105);
        if let Some(number) = self.topic.name.topic() {
            note(&entry.topics, number, false);
        }
    }
}

impl fmt::Debug for Subscription<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("topic", &self.topic()).field("position", &self.position()).finish()
    }
}

/// What the header says.
#[derive(Clone, Copy)]
struct About {
    meta: u64,
    home: u64,
    id: u64,
    correlation: u64,
    sent_ns: u64,
}

/// A message that was read.
#[derive(Clone, Copy)]
struct Read {
    data: *const u8,
    length: usize,
    about: About,
    position: u64,
    missed: u64,
}

/// A message of a topic, which all of its subscribers read in one place (of a lossy topic, a copy of this subscription's own). Dropped, it is done with.
pub struct Sample<'s> {
    subscription: &'s Subscription<'s>,
    read: Read,
}

impl Sample<'_> {
    /// The payload; in place it is 64-byte aligned.
    pub fn data(&self) -> &[u8] {
        // SAFETY: in place: the chunk is QUEUED in the topic and stays so while the cursor stands here (I31), so nobody writes it, and its length was
        // checked against its capacity. A copy: the subscription's buffer, which is lent as long as the sample lives, holds as many bytes.
        unsafe { std::slice::from_raw_parts(self.read.data, self.read.length) }
    }

    /// Its identity, as `publish` returned it.
    pub fn id(&self) -> MessageId {
        MessageId(self.read.about.id)
    }

    /// The mailbox of its publisher; `None` if that has none.
    pub fn sender(&self) -> Option<String> {
        let sender = (self.read.about.home >> 32).checked_sub(1).map(Name::from_bits)?;
        self.subscription.member.segment().queue_name(sender)
    }

    /// What the payload is.
    pub fn content(&self) -> ContentType {
        Meta(self.read.about.meta).content()
    }

    /// The number that the publisher gave it.
    pub fn correlation(&self) -> u64 {
        self.read.about.correlation
    }

    /// The trace that it belongs to, if its publisher said so.
    pub fn trace(&self) -> Option<TraceContext> {
        let meta = Some(Meta(self.read.about.meta)).filter(|meta| meta.is_traced())?;
        // SAFETY: as in `data`: what its header promises behind the payload there is room for, by `Meta::within`.
        let all = unsafe { std::slice::from_raw_parts(self.read.data, self.read.length + TraceContext::BYTES) };
        TraceContext::behind(meta, all)
    }

    /// When it was published, ns of `CLOCK_MONOTONIC`, if it is stamped.
    pub fn sent_ns(&self) -> Option<u64> {
        Some(self.read.about.sent_ns).filter(|sent| *sent != 0)
    }

    /// Its place in the order of its topic, counted from 0.
    pub fn position(&self) -> u64 {
        self.read.position
    }

    /// How many messages this subscriber has missed just before this one. Only of a lossy topic is it ever more than 0.
    pub fn missed(&self) -> u64 {
        self.read.missed
    }
}

impl Deref for Sample<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.data()
    }
}

impl fmt::Debug for Sample<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample").field("position", &self.position()).field("bytes", &self.len()).finish()
    }
}

impl Drop for Sample<'_> {
    fn drop(&mut self) {
        let Subscription { member, topic, next, .. } = self.subscription;
        // In a child of the process that subscribed the cursor is the parent's.
        if member.check_fork().is_ok() {
            next.set(self.read.position + 1);
            topic.advance(member.name(), self.read.position + 1);
        }
    }
}
