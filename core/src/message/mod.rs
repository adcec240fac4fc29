//! What a member has in its hands: a loan to write, a message to read.

mod checking;
mod header;
mod heading;
mod loan;
mod trace;
mod typed;
mod writing;

pub use checking::{Checking, NESTING_MAX};
pub use header::{ContentType, Lane, MessageId};
pub(crate) use header::{Meta, Part, RING_NAMES};
pub use heading::Heading;
pub use loan::{BatchError, Loan, PublishError, RawLoan};
pub use trace::TraceContext;
pub use typed::{Archiver, Checker, Refusal, Schema, Unarchiver, schema_id, schema_of};
pub(crate) use writing::Lengths;
pub use writing::Writing;
pub(crate) use writing::archive;
#[cfg(feature = "serde")]
pub(crate) use writing::json;

use crate::error::{Error, Result};
use crate::member::Member;
use crate::queue::{Route, release};
use crate::segment::Chunk;
use crate::sync::S3;
use crate::word::{ChunkState, ChunkWord, Name};
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A message that could not be forwarded: why, and the message.
pub struct ForwardError<'a> {
    /// Why.
    pub error: Error,
    /// The message, still in flight with this member.
    pub message: Message<'a>,
}

impl fmt::Debug for ForwardError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// A message without its member: what a binding keeps. See [`Message::into_raw`].
#[derive(Clone, Copy, Debug)]
pub struct RawMessage {
    /// The payload; readable while the message is in flight with its member.
    pub data: *const u8,
    /// Its length, bytes.
    pub length: usize,
    pub(crate) chunk: u32,
    pub(crate) word: ChunkWord,
}

impl RawMessage {
    /// The message as plain numbers, for handles that cannot hold a Rust struct.
    pub fn token(&self) -> [u64; 2] {
        [self.chunk as u64, self.word.0]
    }

    /// The reverse of [`RawMessage::token`]. Any numbers will do: [`Message::from_raw`] checks them and finds the payload anew.
    pub fn from_token([chunk, word]: [u64; 2]) -> RawMessage {
        let chunk = u32::try_from(chunk).unwrap_or(u32::MAX);
        RawMessage { data: std::ptr::null(), length: 0, chunk, word: ChunkWord(word) }
    }
}

/// A message in flight with this member, read in place.
///
/// [`Message::release`] acknowledges it. Dropped without that, it goes back to its queue as by [`Message::nack`].
pub struct Message<'a> {
    member: &'a Member,
    chunk: Chunk<'a>,
    word: ChunkWord,
    length: usize,
}

impl<'a> Message<'a> {
    /// A chunk in flight with `member`, as `word` says, of which the first `length` bytes are the payload: they fit.
    #[inline]
    pub(crate) fn new(member: &'a Member, chunk: Chunk<'a>, word: ChunkWord, length: usize) -> Message<'a> {
        Message { member, chunk, word, length }
    }

    /// The chunk, and its word, which are the caller's to see to.
    pub(crate) fn into_parts(self) -> (Chunk<'a>, ChunkWord) {
        let parts = (self.chunk, self.word);
        std::mem::forget(self);
        parts
    }

    /// The payload, in place, 64-byte aligned.
    pub fn data(&self) -> &[u8] {
        // SAFETY: the chunk is in flight with this member: nobody writes its payload (I7) or gives it away; the length was checked against
        // the chunk's capacity when it was taken.
        unsafe { std::slice::from_raw_parts(self.chunk.data(), self.length) }
    }

    /// Its identity, as `send` returned it.
    pub fn id(&self) -> MessageId {
        self.heading().id()
    }

    /// The mailbox of its sender; `None` if the sender has none.
    pub fn sender(&self) -> Option<String> {
        self.heading().sender(self.member.bus())
    }

    /// The queue it was taken from.
    pub fn queue(&self) -> String {
        self.heading().queue(self.member.bus())
    }

    pub(crate) fn home(&self) -> Name {
        self.heading().home()
    }

    /// The lane in which it was sent.
    pub fn lane(&self) -> Lane {
        self.heading().lane()
    }

    /// What the payload is.
    pub fn content(&self) -> ContentType {
        self.heading().content()
    }

    /// The id of its schema if it is an archive: `message.schema() == Some(Task::ID)` tells what to ask [`Message::view`] for.
    pub fn schema(&self) -> Option<u64> {
        schema_of(self.content(), self.data())
    }

    /// The value in it, in place, once it is checked to be one: as long as the archive, bytes, a check takes. Keep the reference rather than ask twice.
    ///
    /// This trusts the sender not to write to the message any more (it can only if it breaks the rules: see `docs/trust.md`). If you do not, use
    /// [`Message::read`].
    ///
    /// # Errors
    /// `WrongType`: it is something else, or its bytes are no such value, or nested deeper than [`NESTING_MAX`], or there is a hash table in it.
    pub fn view<T: Schema>(&self) -> Result<&T::Archived> {
        typed::view::<T>(self.content(), self.data())
    }

    /// The value in it, copied out first, then checked: whatever its sender does meanwhile, what comes back is a value that was checked.
    ///
    /// # Errors
    /// As [`Message::view`], but hash tables may be in it.
    pub fn read<T: Schema>(&self) -> Result<T>
    where
        T::Archived: rkyv::Deserialize<T, Unarchiver>,
    {
        // SAFETY: as in `data`, but that its sender may write to it.
        unsafe { typed::read::<T>(self.content(), self.chunk.data(), self.length) }
    }

    /// The value in it, which came as JSON. Text and lists may be borrowed from the payload. Messages of plain bytes are read as well: who sends from a
    /// shell need not say what it is.
    ///
    /// # Errors
    /// `WrongType`: it is an archive, or its bytes are no JSON, or not of such a value.
    #[cfg(feature = "serde")]
    pub fn json<'m, T: serde::Deserialize<'m>>(&'m self) -> Result<T> {
        typed::from_json(self.content(), self.data())
    }

    /// How often it was taken, this time included: 1 at first.
    pub fn deliveries(&self) -> u32 {
        self.heading().deliveries()
    }

    /// If it is a copy of a message that a tap made ([`Agent::tap`](crate::Agent::tap)): the queue to which that was sent. It cannot be answered.
    pub fn tapped(&self) -> Option<String> {
        self.heading().tapped(self.member.bus())
    }

    /// The trace that it belongs to, if its sender said so ([`SendOptions::trace`](crate::SendOptions::trace)).
    pub fn trace(&self) -> Option<TraceContext> {
        // SAFETY: as in `data`, of the whole chunk.
        let chunk = unsafe { std::slice::from_raw_parts(self.chunk.data(), self.chunk.capacity()) };
        TraceContext::behind(self.meta(), chunk)
    }

    fn meta(&self) -> Meta {
        self.heading().meta()
    }

    /// The number that the sender gave it.
    pub fn correlation(&self) -> u64 {
        self.heading().correlation()
    }

    /// Acknowledges: the message is done with and its memory free.
    ///
    /// # Errors
    /// [`Error::Forked`] in a child of the process that took it.
    #[inline]
    pub fn release(self) -> Result<()> {
        self.member.check_fork()?;
        self.member.counted_released(self.chunk.number(), self.word);
        self.member.give_back_unforked(self.chunk, self.word);
        self.member.give_up_rests_if_deposed();
        std::mem::forget(self);
        Ok(())
    }

    /// Gives it back to its queue, to be taken before the lanes; `deliveries` rises then.
    ///
    /// # Errors
    /// [`Error::Forked`] in a child of the process that took it; `Released`, `Corrupt`.
    pub fn nack(self) -> Result<()> {
        self.member.out_of_hand(self.chunk.number(), self.word);
        let result = self.member.redeliver(self.chunk.number(), self.word);
        self.member.counted(|counters| &counters.given_back, result.is_ok() as u64);
        self.member.give_up_rests_if_deposed();
        std::mem::forget(self);
        result
    }

    /// Gives it back to its queue, to be taken after `delay` (milliseconds count; 30 days at most); `deliveries` rises then. A delay of zero is [`Message::nack`].
    ///
    /// # Errors
    /// `Full`: as many messages of its queue are parked as a lane may hold; `InvalidArgument`; the message comes back with them.
    pub fn nack_after(mut self, delay: Duration) -> std::result::Result<(), ForwardError<'a>> {
        let word = self.word;
        let parked = match delay {
            Duration::ZERO => self.member.redeliver(self.chunk.number(), self.word),
            _ => self.member.park(self.chunk.number(), &mut self.word, delay),
        };
        self.member.give_up_rests_if_deposed();
        match parked {
            Ok(()) => {
                self.member.out_of_hand(self.chunk.number(), word);
                self.member.counted(|counters| &counters.given_back, 1);
                std::mem::forget(self);
                Ok(())
            }
            Err(error) => Err(ForwardError { error, message: self }),
        }
    }

    /// Answers it: the answer reaches who asked by [`Agent::call`](crate::Agent::call), or is dropped there if nobody waits any more. After
    /// [`Message::reply_part`] it is the last part. Never waits: in a full lane it takes the place of the oldest answer, which is lost.
    /// The message stays in flight: release it after the answer. The answer belongs to the trace of the message.
    ///
    /// # Errors
    /// `InvalidArgument` if its sender has no mailbox; `TooLarge`, `OutOfMemory`, `Closed`.
    pub fn reply(&self, answer: &[u8], content: ContentType) -> Result<MessageId> {
        self.reply_loan(content, |member| member.loan_of(answer, self.meta().is_traced()))
    }

    /// [`Message::reply`] with an archive of `answer`.
    ///
    /// # Errors
    /// As [`Message::reply`]; `InvalidArgument` if it cannot be archived.
    pub fn reply_typed<T: Schema>(&self, answer: &T) -> Result<MessageId> {
        self.reply_loan(ContentType::Rkyv, |member| archive(member, answer))
    }

    /// [`Message::reply`] with `answer` as JSON.
    ///
    /// # Errors
    /// As [`Message::reply`]; `InvalidArgument` if it cannot be written as JSON.
    #[cfg(feature = "serde")]
    pub fn reply_json<T: serde::Serialize + ?Sized>(&self, answer: &T) -> Result<MessageId> {
        self.reply_loan(ContentType::Json, |member| json(member, answer))
    }

    fn reply_loan(
        &self,
        content: ContentType,
        answer: impl FnOnce(&'a Member) -> Result<Loan<'a>>,
    ) -> Result<MessageId> {
        let asker = self.asker()?;
        // An answer that is answered has a part's number of its own, which is not ours.
        let part = if self.lane() == Lane::Reply { Part::FIRST } else { self.part() };
        self.member.answer(asker, self.id(), part, answer(self.member)?, (content, self.trace()))
    }

    /// Answers it in part; more parts follow, and [`Message::reply`] at last. The parts reach who asked by
    /// [`Agent::call_stream`](crate::Agent::call_stream). Waits while parts fill half of the asker's lane of answers, until `timeout` (`None`: as long as
    /// the asker lives): who streams is slowed down by who reads.
    ///
    /// If the message is delivered again, because this process died, the answer begins anew, and who asked is told that it is broken. If the
    /// message is forwarded, the answer goes on there.
    ///
    /// # Errors
    /// As [`Message::reply`]; `Full` (at once with a zero timeout), `Timeout`; `Closed` if there is no room and the asker is gone.
    pub fn reply_part(&self, part: &[u8], content: ContentType, timeout: Option<Duration>) -> Result<MessageId> {
        self.reply_part_until(part, content, timeout, &mut || false)
    }

    /// [`Message::reply_part`] with a hook that may end the wait for room: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Message::reply_part`], and [`Error::Interrupted`] when the hook says so.
    pub fn reply_part_until(
        &self,
        part: &[u8],
        content: ContentType,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<MessageId> {
        self.reply_part_loan(content, timeout, interrupted, |member| member.loan_of(part, self.meta().is_traced()))
    }

    /// [`Message::reply_part`] with an archive of `part`.
    ///
    /// # Errors
    /// As [`Message::reply_part`]; `InvalidArgument` if it cannot be archived.
    pub fn reply_part_typed<T: Schema>(&self, part: &T, timeout: Option<Duration>) -> Result<MessageId> {
        self.reply_part_loan(ContentType::Rkyv, timeout, &mut || false, |member| archive(member, part))
    }

    fn reply_part_loan(
        &self,
        content: ContentType,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
        part: impl FnOnce(&'a Member) -> Result<Loan<'a>>,
    ) -> Result<MessageId> {
        let asker = self.asker()?;
        if self.lane() == Lane::Reply {
            return Err(Error::InvalidArgument { what: "an answer cannot be answered in parts".into() });
        }
        let number = self.part();
        let (question, belongs) = ((self.id(), number), (content, self.trace()));
        let id = self.member.answer_part(asker, question, part(self.member)?, belongs, timeout, interrupted)?;
        // Relaxed: our own header (I7). The count is void when the message is delivered again.
        self.chunk.header().meta.store(self.meta().with_flags(number.next().flags(false)).0, Relaxed);
        Ok(id)
    }

    fn asker(&self) -> Result<Name> {
        if self.meta().is_copy() {
            let what = "this is a copy that a tap made: its original is answered".into();
            return Err(Error::InvalidArgument { what });
        }
        self.heading().sender_name().ok_or_else(|| Error::InvalidArgument {
            what: "this message cannot be answered: its sender has no mailbox".into(),
        })
    }

    /// Of an answer: whether it is a part and more of them follow.
    pub fn more_follows(&self) -> bool {
        self.heading().more_follows()
    }

    /// Of an answer: which part it is. Of any other message: which part the next answer to it is.
    pub(crate) fn part(&self) -> Part {
        Part::of(self.meta().flags())
    }

    /// Takes it out of the bus' care: it will not come back if this process dies (at most once). Its payload is a loan now; its trace is not in that.
    ///
    /// # Errors
    /// [`Error::Forked`] in a child of the process that took it.
    pub fn detach(self) -> Result<Loan<'a>> {
        let (member, length) = (self.member, self.length);
        let chunk = member.check_mine(self.chunk.number(), self.word, ChunkState::InFlight)?;
        let (_, word) = self.into_parts();
        member.counted_released(chunk.number(), word);
        let word = release(member.segment(), (chunk.number(), chunk.word), word, Some(member.name()));
        member.give_up_rests_if_deposed();
        Ok(Loan::new(member, chunk, word, length))
    }

    /// Passes it on to another queue without a copy, as it is: same id, sender, lane; deliveries are counted anew. A crash leaves it
    /// in exactly one of the two queues.
    ///
    /// # Errors
    /// Those of [`Member::send`]; the message comes back with them.
    pub fn forward(self, to: &str, timeout: Option<Duration>) -> std::result::Result<(), ForwardError<'a>> {
        self.forward_until(to, timeout, &mut || false)
    }

    /// [`Message::forward`] with a hook that may end the wait for room: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Message::forward`], and [`Error::Interrupted`] when the hook says so.
    pub fn forward_until(
        mut self,
        to: &str,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> std::result::Result<(), ForwardError<'a>> {
        let word = self.word;
        let forwarded = self.member.find(to).and_then(|queue| self.move_to(queue, timeout, interrupted));
        self.member.give_up_rests_if_deposed();
        match forwarded {
            Ok(()) => {
                self.member.out_of_hand(self.chunk.number(), word);
                self.member.counted_forwarded(self.length);
                std::mem::forget(self);
                Ok(())
            }
            Err(error) => Err(ForwardError { error, message: self }),
        }
    }

    /// The queue to which a dead letter was sent before it died.
    pub(crate) fn origin(&self) -> Option<Name> {
        self.heading().sent_to().filter(|_| !self.meta().is_copy())
    }

    /// Sends a dead letter to `origin` again, at once or not at all. Done with it then: forget it.
    pub(crate) fn send_back(&mut self, origin: Name) -> Result<()> {
        self.move_to(origin, Some(Duration::ZERO), &mut || false)
    }

    fn move_to(&mut self, queue: Name, timeout: Option<Duration>, interrupted: &mut dyn FnMut() -> bool) -> Result<()> {
        let member = self.member;
        let chunk = member.check_mine(self.chunk.number(), self.word, ChunkState::InFlight)?;
        let header = chunk.header();
        // Relaxed: our own header (I7), published by S1. A dead letter's origin stays in it.
        let deliveries = header.deliveries.load(Relaxed);
        header.deliveries.store(deliveries & !0xffff_ffff, Relaxed);
        let route = Route::forward(self.lane().ring());
        let word = &mut self.word;
        member
            .queue(queue)
            .and_then(|queue| member.enqueue(queue, route, (chunk, word), &mut [], timeout, interrupted))
            .inspect_err(|_| header.deliveries.store(deliveries, Relaxed))
    }

    /// Lets go of the member: for bindings that keep the message in an object of their own. It stays in flight with the member.
    pub fn into_raw(self) -> RawMessage {
        let (data, length) = (self.chunk.data().cast_const(), self.length);
        let (chunk, word) = self.into_parts();
        RawMessage { data, length, chunk: chunk.number(), word }
    }

    /// The reverse of [`Message::into_raw`].
    ///
    /// # Errors
    /// [`Error::Released`] if it is no longer in flight with this member, [`Error::Forked`].
    ///
    /// # Safety
    /// At most one `Message` of a raw message may exist at a time: releasing the one would leave the other with a view of freed bytes.
    pub unsafe fn from_raw(member: &'a Member, raw: RawMessage) -> Result<Message<'a>> {
        // SAFETY: by the caller's word.
        unsafe { Message::again(member, raw.chunk, raw.word) }
    }

    /// A message that was let go of.
    ///
    /// # Safety
    /// As for [`Message::from_raw`].
    pub(crate) unsafe fn again(member: &'a Member, chunk: u32, word: ChunkWord) -> Result<Message<'a>> {
        let chunk = member.check_mine(chunk, word, ChunkState::InFlight)?;
        // Relaxed: our chunk's header (I7). The length was checked when the message was taken; a scribbled one is cut.
        let length = Meta(chunk.header().meta.load(Relaxed)).length().min(chunk.capacity());
        Ok(Message::new(member, chunk, word, length))
    }
}

impl Deref for Message<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.data()
    }
}

impl Drop for Message<'_> {
    fn drop(&mut self) {
        self.member.out_of_hand(self.chunk.number(), self.word);
        // A full redelivery ring keeps the message with the member, which tries again; after a fork it is the parent's.
        if self.member.redeliver(self.chunk.number(), self.word).is_ok() {
            self.member.counted(|counters| &counters.given_back, 1);
        }
        self.member.give_up_rests_if_deposed();
    }
}

impl Member {
    /// The handle's own check that a chunk is what a raw handle says.
    pub(crate) fn check_mine(&self, chunk: u32, word: ChunkWord, state: ChunkState) -> Result<Chunk<'_>> {
        self.check_fork()?;
        match self.if_mine(chunk, word, state) {
            Some(chunk) => Ok(chunk),
            None => Err(Error::Released),
        }
    }

    /// The chunk, if it is in `state` with this member and `word` says so; not for a child of the process.
    #[inline]
    pub(crate) fn if_mine(&self, chunk: u32, word: ChunkWord, state: ChunkState) -> Option<Chunk<'_>> {
        let found = self.segment().chunk_of_mine(chunk)?;
        (word.is(state, self.name()) && found.word.load(S3.acquire()) == word.0).then_some(found)
    }
}
