//! A loan: a chunk to write in place and then publish.

use super::typed::Schema;
use super::writing::archive_within;
use super::{ContentType, Member, MessageId, TraceContext};
use crate::error::{Error, Result};
use crate::member::{PublishOptions, Published, SendOptions};
use crate::segment::Chunk;
use crate::word::{ChunkState, ChunkWord};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A loan without its member: what a binding keeps. See [`Loan::into_raw`].
#[derive(Clone, Copy, Debug)]
pub struct RawLoan {
    /// The payload; 64-byte aligned. Yours to write while the loan stands.
    pub data: *mut u8,
    /// Bytes asked for.
    pub capacity: usize,
    pub(crate) chunk: u32,
    pub(crate) word: ChunkWord,
}

impl RawLoan {
    /// The loan as plain numbers, for handles that cannot hold a Rust struct.
    pub fn token(&self) -> [u64; 3] {
        [self.chunk as u64, self.word.0, self.capacity as u64]
    }

    /// The reverse of [`RawLoan::token`]. Any numbers will do: [`Loan::from_raw`] checks them and finds the payload anew.
    pub fn from_token([chunk, word, capacity]: [u64; 3]) -> RawLoan {
        let chunk = u32::try_from(chunk).unwrap_or(u32::MAX);
        RawLoan { data: std::ptr::null_mut(), capacity: capacity as usize, chunk, word: ChunkWord(word) }
    }
}

/// A chunk to write in place and then publish. Dropped, it is given back.
///
/// The payload is 64-byte aligned and not zeroed: it may show bytes of earlier messages of this bus.
pub struct Loan<'a> {
    member: &'a Member,
    pub(crate) chunk: Chunk<'a>,
    pub(crate) word: ChunkWord,
    length: usize,
}

/// A loan that could not be published: why, and the loan.
pub struct PublishError<'a> {
    /// Why.
    pub error: Error,
    /// The loan, to try again or to drop.
    pub loan: Loan<'a>,
}

impl fmt::Debug for PublishError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// A batch that could not be published: why, and its loans.
pub struct BatchError<'a> {
    /// Why.
    pub error: Error,
    /// The loans, to try again or to drop.
    pub loans: Vec<Loan<'a>>,
}

impl fmt::Debug for BatchError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<'a> Loan<'a> {
    /// A chunk of `member`'s, as `word` says, of which the first `length` bytes are to be written: they fit.
    pub(crate) fn new(member: &'a Member, chunk: Chunk<'a>, word: ChunkWord, length: usize) -> Loan<'a> {
        Loan { member, chunk, word, length }
    }

    /// The chunk, and its word, which are the caller's to see to.
    pub(crate) fn into_parts(self) -> (Chunk<'a>, ChunkWord) {
        let parts = (self.chunk, self.word);
        std::mem::forget(self);
        parts
    }

    /// As long as its chunk.
    pub(super) fn widen(&mut self) {
        self.length = self.chunk.capacity();
    }

    /// At most so long.
    pub(crate) fn cut(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Whether a trace context fits behind the first `length` bytes.
    #[inline]
    pub(crate) fn fits_trace(&self, length: usize) -> bool {
        length + TraceContext::BYTES <= self.chunk.capacity()
    }

    /// Another one of the same first `length` bytes behind which a trace context fits.
    #[cold]
    pub(crate) fn larger(&self, length: usize) -> Result<Loan<'a>> {
        let mut larger = self.member.loan(length + TraceContext::BYTES)?;
        larger.cut(length);
        larger.copy_from_slice(&self[..length]);
        Ok(larger)
    }

    /// Publishes a larger one in place of this one, which comes back if that fails.
    #[cold]
    fn publish_larger<T>(
        self,
        length: usize,
        publish: impl FnOnce(Loan<'a>) -> std::result::Result<T, PublishError<'a>>,
    ) -> std::result::Result<T, PublishError<'a>> {
        match self.larger(length).and_then(|larger| publish(larger).map_err(|refused| refused.error)) {
            Ok(sent) => Ok(sent),
            Err(error) => Err(PublishError { error, loan: self }),
        }
    }

    pub(crate) fn is_of(&self, member: &Member) -> bool {
        std::ptr::eq(self.member, member)
    }

    /// Sends the first `length` bytes to a queue. The caller's last touch: from the moment of publishing the payload is the
    /// receiver's to read and nobody's to write.
    ///
    /// # Errors
    /// Those of [`Member::send`]; the loan comes back with them.
    pub fn publish(
        self,
        to: &str,
        length: usize,
        options: &SendOptions,
    ) -> std::result::Result<MessageId, PublishError<'a>> {
        self.publish_until(to, length, options, &mut || false)
    }

    /// [`Loan::publish`] with a hook that may end the wait for room: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Loan::publish`], and [`Error::Interrupted`] when the hook says so.
    pub fn publish_until(
        mut self,
        to: &str,
        length: usize,
        options: &SendOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> std::result::Result<MessageId, PublishError<'a>> {
        if length > self.length {
            let error = Error::TooLarge { length: length as u64, limit: self.length as u64 };
            return Err(PublishError { error, loan: self });
        }
        if let Some(queue) = self.member.open_road(to, options) {
            match self.member.publish_at_once(queue, length, (self.chunk, self.word), options) {
                Ok(id) => {
                    std::mem::forget(self);
                    return Ok(id);
                }
                Err(word) => self.word = word,
            }
        }
        self.publish_patiently(to, length, options, interrupted)
    }

    #[cold]
    fn publish_patiently(
        mut self,
        to: &str,
        length: usize,
        options: &SendOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> std::result::Result<MessageId, PublishError<'a>> {
        if options.trace.is_some() && !self.fits_trace(length) {
            return self.publish_larger(length, |larger| larger.publish_until(to, length, options, interrupted));
        }
        match self.member.publish_chunk(to, length, self.chunk, &mut self.word, options, interrupted) {
            Ok(id) => {
                std::mem::forget(self);
                Ok(id)
            }
            Err(error) => Err(PublishError { error, loan: self }),
        }
    }

    /// Writes an archive of `value` and sends it: [`Member::send_typed`] for a loan that is there already.
    ///
    /// # Errors
    /// Those of [`Member::send_typed`]; `TooLarge` if the loan is too small. The loan comes back with them.
    pub fn publish_typed<T: Schema>(
        self,
        to: &str,
        value: &T,
        options: &SendOptions,
    ) -> std::result::Result<MessageId, PublishError<'a>> {
        let (loan, length) = archive_within(self, value).map_err(|(error, loan)| PublishError { error, loan })?;
        loan.publish(to, length, &SendOptions { content: ContentType::Rkyv, ..options.clone() })
    }

    /// Publishes the first `length` bytes in a topic: see [`Member::publish`]. The caller's last touch.
    ///
    /// # Errors
    /// Those of [`Member::publish`]; the loan comes back with them.
    pub fn publish_to(
        self,
        topic: &str,
        length: usize,
        options: &PublishOptions,
    ) -> std::result::Result<Published, PublishError<'a>> {
        self.publish_to_until(topic, length, options, &mut || false)
    }

    /// [`Loan::publish_to`] with a hook that may end the wait for room: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Loan::publish_to`], and [`Error::Interrupted`] when the hook says so.
    pub fn publish_to_until(
        mut self,
        topic: &str,
        length: usize,
        options: &PublishOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> std::result::Result<Published, PublishError<'a>> {
        if length > self.length {
            let error = Error::TooLarge { length: length as u64, limit: self.length as u64 };
            return Err(PublishError { error, loan: self });
        }
        if options.trace.is_some() && !self.fits_trace(length) {
            return self.publish_larger(length, |larger| larger.publish_to_until(topic, length, options, interrupted));
        }
        let chunk = (self.chunk, &mut self.word);
        match self.member.publish_in_topic(topic, length, chunk, options, interrupted) {
            Ok(published) => {
                std::mem::forget(self);
                Ok(published)
            }
            Err(error) => Err(PublishError { error, loan: self }),
        }
    }

    /// Lets go of the member: for bindings that keep the loan in an object of their own. It stays this member's until it is
    /// published, dropped after [`Loan::from_raw`], or the member is closed.
    pub fn into_raw(self) -> RawLoan {
        let (data, capacity) = (self.chunk.data(), self.length);
        let (chunk, word) = self.into_parts();
        RawLoan { data, capacity, chunk: chunk.number(), word }
    }

    /// The reverse of [`Loan::into_raw`].
    ///
    /// # Errors
    /// [`Error::Released`] if the chunk is no longer this member's loan, [`Error::Forked`].
    ///
    /// # Safety
    /// At most one `Loan` of a raw loan may exist at a time: two would be two mutable views of the same bytes.
    pub unsafe fn from_raw(member: &'a Member, raw: RawLoan) -> Result<Loan<'a>> {
        let chunk = member.check_mine(raw.chunk, raw.word, ChunkState::Held)?;
        Ok(Loan { member, chunk, word: raw.word, length: raw.capacity.min(chunk.capacity()) })
    }
}

impl Deref for Loan<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: the chunk is HELD by this member (I7), its payload has `length` bytes and stays mapped while the member lives.
        unsafe { std::slice::from_raw_parts(self.chunk.data(), self.length) }
    }
}

impl DerefMut for Loan<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in deref; `&mut self` makes us the only user.
        unsafe { std::slice::from_raw_parts_mut(self.chunk.data(), self.length) }
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.member.give_back(self.chunk, self.word);
    }
}
