//! What a member sends: a loan, written in place, published; the commit point is in [`crate::queue::publish`].

use super::dead_letters::ROUNDS;
use super::taps::Copies;
use super::waiting::Source;
use super::{Known, Member};
use crate::bus::QueueOptions;
use crate::error::{Error, Result};
use crate::layout::PAYLOAD_MAX;
use crate::memory::Memory;
use crate::message::{BatchError, ContentType, Lane, Loan, MessageId, Meta, TraceContext};
use crate::name::check_name;
use crate::platform::clock;
use crate::queue::{self, BATCH_MAX, Queue, Refusal, Route};
use crate::registry;
use crate::segment::Chunk;
use crate::sync::window;
use crate::word::{ChunkWord, Name};
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
    /// What names the message, for who may send it again not knowing whether it was sent before: of all messages with one key the queue accepts the first,
    /// as long as the key is among the last 960 that it accepted. Of the others `send` returns [`MessageId::DUPLICATE`]. A batch has one key.
    /// See [`crate::key_of`].
    pub key: Option<u64>,
    /// The trace that the message belongs to: who gets it finds it in [`Message::trace`](crate::Message::trace). It takes 26 bytes behind the payload; a loan
    /// whose memory has no room for them is copied into a larger one.
    pub trace: Option<TraceContext>,
}

impl Member {
    /// Copies `payload` into a message and queues it for `to`. When it returns, the message survives this process.
    ///
    /// # Errors
    /// `Full` (at once with a zero timeout), `Timeout`, `Closed`, `UnknownAgent`, `TooLarge`, `OutOfMemory`, `HandedOver`; nothing was sent then. With a key, `Timeout`
    /// (at once with a zero timeout) also while another message of its stripe, one 64th of all keys, is being sent.
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
        match self.send_at_once(to, payload, options) {
            Some(id) => Ok(id),
            None => self.send_patiently(to, payload, options, interrupted),
        }
    }

    /// What nearly every send is, by itself, so that its values stay in registers; `None`: nothing was sent, and [`Member::send_patiently`] is to do it, or say why not.
    #[inline(always)]
    fn send_at_once(&self, to: &str, payload: &[u8], options: &SendOptions) -> Option<MessageId> {
        let queue = self.open_road(to, options)?;
        let (chunk, word) = self.heap.borrow_mut().allocate_kept(self.segment(), payload.len() as u64)?;
        // SAFETY: the chunk is ours and holds as many bytes, of which nobody has a view.
        unsafe { chunk.data().copy_from_nonoverlapping(payload.as_ptr(), payload.len()) };
        let sent = self.publish_at_once(queue, payload.len(), (chunk, word), options);
        sent.inspect_err(|word| self.give_back(chunk, *word)).ok()
    }

    #[cold]
    fn send_patiently(
        &self,
        to: &str,
        payload: &[u8],
        options: &SendOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<MessageId> {
        if options.trace.is_some() {
            return self.send_traced(to, payload, options, interrupted);
        }
        let mut loan = self.loan_of(payload, false)?;
        // Refused, it is dropped, and so given back.
        let id = self.publish_chunk(to, payload.len(), loan.chunk, &mut loan.word, options, interrupted)?;
        std::mem::forget(loan);
        Ok(id)
    }

    #[cold]
    fn send_traced(
        &self,
        to: &str,
        payload: &[u8],
        options: &SendOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<MessageId> {
        let loan = self.loan_of(payload, true)?;
        loan.publish_until(to, payload.len(), options, interrupted).map_err(|refused| refused.error)
    }

    /// A loan with a copy of `payload`, and with room for a trace behind that, if there is to be one and there are such chunks.
    pub(crate) fn loan_of(&self, payload: &[u8], is_traced: bool) -> Result<Loan<'_>> {
        let mut loan = if is_traced { self.loan_with_room(payload.len()) } else { self.loan(payload.len()) }?;
        loan.copy_from_slice(payload);
        Ok(loan)
    }

    #[cold]
    fn loan_with_room(&self, length: usize) -> Result<Loan<'_>> {
        let all = (length + TraceContext::BYTES).min(length.max(PAYLOAD_MAX as usize));
        let mut loan = self.loan(all)?;
        loan.cut(length);
        Ok(loan)
    }

    /// A chunk of at least `length` bytes to write in place.
    ///
    /// # Errors
    /// `TooLarge`, `OutOfMemory`, `Closed`.
    #[inline(always)]
    pub fn loan(&self, length: usize) -> Result<Loan<'_>> {
        self.check()?;
        let kept = self.heap.borrow_mut().allocate_kept(self.segment(), length as u64);
        let (chunk, word) = match kept {
            Some(kept) => kept,
            None => self.allocate(length as u64)?,
        };
        Ok(Loan::new(self, chunk, word, length))
    }

    #[cold]
    fn allocate(&self, length: u64) -> Result<(Chunk<'_>, ChunkWord)> {
        let allocate = || self.heap.borrow_mut().allocate(self.segment(), length);
        match allocate() {
            Err(Error::OutOfMemory { .. }) if self.look_for_dead() | self.trim_topics()? => allocate(),
            result => result,
        }
    }

    /// Copies `payloads` into messages and queues them for `to` as one batch: all of them or none, one after the other. A batch counts as one message
    /// towards the limit of its lane, and goes to one consumer.
    ///
    /// # Errors
    /// As [`Member::send`]; `InvalidArgument` for more than 1024 messages.
    pub fn send_batch(&self, to: &str, payloads: &[&[u8]], options: &SendOptions) -> Result<Vec<MessageId>> {
        if payloads.len() > BATCH_MAX {
            return Err(too_many(payloads.len()));
        }
        let mut loans = Vec::with_capacity(payloads.len());
        for payload in payloads {
            loans.push(self.loan_of(payload, options.trace.is_some())?);
        }
        self.publish_batch(to, loans, options).map_err(|refused| refused.error)
    }

    /// Sends loans, each as long as it was asked for, as one batch: see [`Member::send_batch`].
    ///
    /// # Errors
    /// As [`Member::send_batch`], and `Released` for a loan of another member; the loans come back with them.
    pub fn publish_batch<'a>(
        &'a self,
        to: &str,
        loans: Vec<Loan<'a>>,
        options: &SendOptions,
    ) -> std::result::Result<Vec<MessageId>, BatchError<'a>> {
        self.publish_batch_until(to, loans, options, &mut || false)
    }

    /// [`Member::publish_batch`] with a hook that may end the wait for room: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Member::publish_batch`], and [`Error::Interrupted`] when the hook says so.
    pub fn publish_batch_until<'a>(
        &'a self,
        to: &str,
        mut loans: Vec<Loan<'a>>,
        options: &SendOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> std::result::Result<Vec<MessageId>, BatchError<'a>> {
        if loans.iter().any(|loan| !loan.is_of(self)) {
            return Err(BatchError { error: Error::Released, loans });
        }
        let originals = match options.trace.map(|_| make_room_for_traces(&mut loans)).transpose() {
            Ok(originals) => originals.unwrap_or_default(),
            Err(error) => return Err(BatchError { error, loans }),
        };
        match self.publish_all(to, &mut loans, options, interrupted) {
            Ok(ids) => {
                loans.into_iter().for_each(std::mem::forget);
                Ok(ids)
            }
            Err(error) => {
                for (at, original) in originals {
                    loans[at] = original;
                }
                Err(BatchError { error, loans })
            }
        }
    }

    fn publish_all(
        &self,
        to: &str,
        loans: &mut [Loan<'_>],
        options: &SendOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<MessageId>> {
        if loans.len() > BATCH_MAX {
            return Err(too_many(loans.len()));
        }
        self.check_sending(options)?;
        let queue = self.queue_called(to)?;
        let ids: Vec<_> = loans.iter().map(|loan| self.write_header(loan.chunk, loan.len(), options)).collect();
        let mut rest: Vec<_> = loans.iter().skip(1).map(|loan| (loan.chunk.number(), loan.word)).collect();
        let Some(first) = loans.first_mut() else { return Ok(ids) };
        let route = Route::send(options.lane.ring());
        let sent = match options.key {
            Some(key) => {
                let first = (first.chunk, &mut first.word);
                self.enqueue_keyed(queue, key, route, first, &mut rest, options.timeout, interrupted)
            }
            None => self
                .enqueue(queue, route, (first.chunk, &mut first.word), &mut rest, options.timeout, interrupted)
                .map(|()| true),
        };
        for (loan, (_, word)) in loans.iter_mut().skip(1).zip(rest) {
            loan.word = word;
        }
        if sent.inspect_err(|_| self.counted_refused())? {
            let bytes = loans.iter().map(|loan| loan.len()).sum();
            self.counted_sent(ids.len(), bytes, ids[ids.len() - 1]);
            return Ok(ids);
        }
        for loan in loans.iter() {
            self.give_back(loan.chunk, loan.word);
        }
        Ok(vec![MessageId::DUPLICATE; ids.len()])
    }

    #[inline(always)]
    fn check_sending(&self, options: &SendOptions) -> Result<()> {
        self.check()?;
        self.check_not_deposed()?;
        if options.lane == Lane::Reply {
            let what = "lane = reply; that lane is for answers: answer a message with its `reply`".into();
            return Err(Error::InvalidArgument { what });
        }
        Ok(())
    }

    /// The queue of this name, if a message may be sent there with these options as it is, and there is room for it.
    #[inline(always)]
    pub(crate) fn open_road(&self, to: &str, options: &SendOptions) -> Option<&Known<'_>> {
        let is_plain = options.key.is_none() && options.time_to_live.is_none() && options.trace.is_none();
        if !is_plain || options.lane == Lane::Reply || !self.is_able() || self.is_deposed() {
            return None;
        }
        let (queue, ring) = (self.at_hand.called(to)?, options.lane.ring());
        (!queue.is_tapped() && queue.rings[ring].seems_to_have_room(queue.limit, queue.head(ring))).then_some(queue)
    }

    /// Publishes a chunk of this member's in a queue to which the road is open; if somebody was faster than this, its word comes back.
    #[inline(always)]
    pub(crate) fn publish_at_once(
        &self,
        queue: &Known<'_>,
        length: usize,
        (chunk, word): (Chunk<'_>, ChunkWord),
        options: &SendOptions,
    ) -> std::result::Result<MessageId, ChunkWord> {
        let (route, notes) = (Route::send(options.lane.ring()), &self.entry().notes);
        let id = self.write_fields(chunk, length, (options.lane, options.content), options.correlation, 0);
        let head = queue.head(route.ring());
        queue::publish(self.segment(), notes, queue, route, (chunk, word), &mut [], head)
            .map_err(|refused| refused.word)?;
        queue.ring_items(1);
        self.counted_sent(1, length, id);
        Ok(id)
    }

    /// Publishes a chunk that this member holds; `word` follows what becomes of it.
    pub(crate) fn publish_chunk(
        &self,
        to: &str,
        length: usize,
        chunk: Chunk<'_>,
        word: &mut ChunkWord,
        options: &SendOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<MessageId> {
        self.check_sending(options)?;
        let queue = self.queue_called(to)?;
        let route = Route::send(options.lane.ring());
        if options.timeout == Some(Duration::ZERO) && options.key.is_none() {
            self.check_room(queue, route.ring())?;
        }
        let id = self.write_header(chunk, length, options);
        let Some(key) = options.key else {
            self.enqueue(queue, route, (chunk, word), &mut [], options.timeout, interrupted)
                .inspect_err(|_| self.counted_refused())?;
            self.counted_sent(1, length, id);
            return Ok(id);
        };
        if self
            .enqueue_keyed(queue, key, route, (chunk, word), &mut [], options.timeout, interrupted)
            .inspect_err(|_| self.counted_refused())?
        {
            self.counted_sent(1, length, id);
            return Ok(id);
        }
        // What it was sent as before nobody remembers; the caller is done with it.
        self.give_back(chunk, *word);
        Ok(MessageId::DUPLICATE)
    }

    /// `Full` if the message would be refused. Looked at before anything is written: who asks again and again does not keep the lines of the ring from who takes.
    #[inline]
    fn check_room(&self, queue: &Known<'_>, ring: usize) -> Result<()> {
        let chunk_word = |chunk| self.segment().chunk_in_slot(chunk);
        // Before it is committed nothing is in it.
        let Some(lane) = queue.ring(ring) else { return Ok(()) };
        if lane.is_full(queue.limit, queue.name, queue.head(ring), chunk_word)?
            && queue.is_open()
            && !self.make_room(queue, ring)?
        {
            self.counted_refused();
            return Err(self.full(queue));
        }
        Ok(())
    }

    /// Queues a chunk of this member's, waiting for room as long as `timeout` says; `word` follows what becomes of it.
    pub(crate) fn enqueue(
        &self,
        queue: &Known<'_>,
        route: Route,
        (chunk, word): (Chunk<'_>, &mut ChunkWord),
        rest: &mut [(u32, ChunkWord)],
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<()> {
        let mut copies = None;
        if self.try_enqueue(queue, route, (chunk, word), rest, &mut copies)? {
            self.sent(queue, copies);
            return Ok(());
        }
        if timeout == Some(Duration::ZERO) {
            return Err(self.full(queue));
        }
        let room = queue.ring_for_sending(self.segment(), route.ring())?.room();
        let source = Source { word: room, queue: queue.name, by_time: false };
        self.wait_on(&[source], timeout, interrupted, || {
            self.check_before_retry(route)?;
            Ok(self.try_enqueue(queue, route, (chunk, word), rest, &mut copies)?.then_some(()))
        })?;
        self.sent(queue, copies);
        Ok(())
    }

    /// Queues a chunk of this member's; `false`: there is no room.
    fn try_enqueue<'a>(
        &'a self,
        queue: &Known<'_>,
        route: Route,
        (chunk, word): (Chunk<'_>, &mut ChunkWord),
        rest: &mut [(u32, ChunkWord)],
        copies: &mut Option<Copies<'a>>,
    ) -> Result<bool> {
        let (segment, notes, head) = (self.segment(), &self.entry().notes, queue.head(route.ring()));
        for _ in 0..ROUNDS {
            if copies.is_none() {
                *copies = self.copy_for_tap(queue, chunk, rest);
            }
            match queue::publish(segment, notes, queue, route, (chunk, *word), rest, head) {
                Ok(()) => return Ok(true),
                Err(refused) => {
                    *word = refused.word;
                    if !self.has_made_room(queue, route, refused.why)? {
                        return Ok(false);
                    }
                }
            }
        }
        Err(Error::corrupt(format!("queue '{}'", self.spoken_name(queue.name)), "I3"))
    }

    /// Whether it is worth another attempt at once, after `why` came of one.
    #[cold]
    fn has_made_room(&self, queue: &Known<'_>, route: Route, why: Refusal) -> Result<bool> {
        match why {
            Refusal::Full => {}
            Refusal::Closed => return Err(self.closed(queue.name)),
            Refusal::Failed(error) => return Err(error),
        }
        if route.is_part {
            return self.check_asker(queue.name).map(|()| false);
        }
        self.make_room(queue, route.ring())
    }

    /// It may have slept for room: what it sends by then it sends as who it is by then. What finishes a message that is in flight is not refused.
    pub(super) fn check_before_retry(&self, route: Route) -> Result<()> {
        if route.is_fresh() {
            return self.check_not_deposed();
        }
        self.give_up_rests_if_deposed();
        Ok(())
    }

    /// A message was published: wakes who waits for it, and sees to its copies.
    #[inline]
    pub(super) fn sent(&self, queue: &Queue<'_>, copies: Option<Copies<'_>>) {
        queue.ring_items(1);
        if let Some(copies) = copies {
            window(84);
            self.publish_copies(copies);
        }
    }

    pub(super) fn closed(&self, queue: Name) -> Error {
        Error::Closed { what: format!("queue '{}'", self.spoken_name(queue)) }
    }

    #[cold]
    pub(super) fn full(&self, queue: &Queue<'_>) -> Error {
        Error::Full { queue: self.spoken_name(queue.name), limit: queue.limit as u32 }
    }

    /// For who did not want to wait it is not time that has run out.
    pub(super) fn full_if_at_once(&self, error: Error, queue: &Queue<'_>, timeout: Option<Duration>) -> Error {
        match error {
            Error::Timeout if timeout == Some(Duration::ZERO) => self.full(queue),
            error => error,
        }
    }

    #[inline]
    pub(super) fn write_header(&self, chunk: Chunk<'_>, length: usize, options: &SendOptions) -> MessageId {
        let expires_ns = options.time_to_live.map_or(0, from_now_ns);
        let id = self.write_fields(chunk, length, (options.lane, options.content), options.correlation, expires_ns);
        if let Some(trace) = &options.trace {
            self.write_trace(chunk, length, trace);
        }
        id
    }

    /// Writes a trace behind a payload, where there is room for it, and into the header, which is written, that it is there.
    #[cold]
    pub(super) fn write_trace(&self, chunk: Chunk<'_>, length: usize, trace: &TraceContext) {
        if length + TraceContext::BYTES > chunk.capacity() {
            return;
        }
        // SAFETY: inside the chunk.
        let behind = unsafe { chunk.data().add(length) };
        // SAFETY: the chunk is ours (I7) and has as many bytes there, of which nobody has a view.
        unsafe { behind.copy_from_nonoverlapping(trace.to_bytes().as_ptr(), TraceContext::BYTES) };
        let meta = &chunk.header().meta;
        // Relaxed: our own chunk (I7), published by S1.
        meta.store(Meta(meta.load(Relaxed)).traced().0, Relaxed);
    }

    #[inline]
    pub(super) fn write_fields(
        &self,
        chunk: Chunk<'_>,
        length: usize,
        (lane, content): (Lane, ContentType),
        correlation: u64,
        expires_ns: u64,
    ) -> MessageId {
        let header = chunk.header();
        self.sent.set(self.sent.get().wrapping_add(1));
        // The count is never 0, nor is the id.
        let id = MessageId(self.name.bits() << 38 | (self.sent.get() & ((1 << 38) - 1)).max(1));
        // Relaxed, all of it: our own chunk (I7), published by S1. `sender` is written by this member alone.
        let sender = self.entry().sender.load(Relaxed);
        header.meta.store(Meta::new(length, lane, content).0, Relaxed);
        header.home.store(sender << 32, Relaxed);
        header.id.store(id.0, Relaxed);
        header.correlation.store(correlation, Relaxed);
        header.sent_ns.store(self.sent_ns(id), Relaxed);
        header.next.store(0, Relaxed);
        header.expires_ns.store(expires_ns, Relaxed);
        header.deliveries.store(0, Relaxed);
        id
    }

    /// Says in an answer that was just written which part it is.
    pub(super) fn flag(&self, chunk: Chunk<'_>, flags: u16) {
        let meta = &chunk.header().meta;
        // Relaxed: our own chunk (I7).
        meta.store(Meta(meta.load(Relaxed)).with_flags(flags).0, Relaxed);
    }

    /// Whom its messages say they are from; declares that mailbox if need be.
    ///
    /// # Errors
    /// `InvalidName`, `TooManyAgents`, `OutOfMemory`.
    pub fn set_sender(&self, name: &str) -> Result<()> {
        self.check()?;
        check_name(name)?;
        let mailbox = registry::declare(self.segment(), self.name, name, &QueueOptions::default())?;
        // Relaxed: only this member reads it; others read the copy in its messages.
        self.entry().sender.store(mailbox.bits() + 1, Relaxed);
        Ok(())
    }
}

/// Exchanges the loans of a batch behind which there is no room for a trace, and says which they were.
#[cold]
fn make_room_for_traces<'a>(loans: &mut [Loan<'a>]) -> Result<Vec<(usize, Loan<'a>)>> {
    let mut larger = Vec::new();
    for (at, loan) in loans.iter().enumerate().filter(|(_, loan)| !loan.fits_trace(loan.len())) {
        larger.push((at, loan.larger(loan.len())?));
    }
    Ok(larger.into_iter().map(|(at, larger)| (at, std::mem::replace(&mut loans[at], larger))).collect())
}

fn too_many(messages: usize) -> Error {
    Error::InvalidArgument { what: format!("a batch of {messages} messages; the most is {BATCH_MAX}: send several") }
}

/// The time so long from now, ns of `CLOCK_MONOTONIC`; 584 years are for ever.
pub(super) fn from_now_ns(time: Duration) -> u64 {
    clock::monotonic_ns().saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}
