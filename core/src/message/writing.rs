//! A payload whose length shows when it is written: straight into a loan, which is exchanged for a larger one when it is full.

use super::loan::Loan;
use super::typed::{ID_BYTES, Refusal, Schema};
use crate::error::{Error, Result};
use crate::layout::PAYLOAD_MAX;
use crate::member::Member;
use rkyv::api::serialize_using;
use rkyv::ser::{Positional, Serializer, Writer};
use rkyv::util::with_arena;
use std::cell::Cell;

/// A payload under construction.
pub struct Writing<'m> {
    loan: Loan<'m>,
    length: usize,
    /// Of whom a larger loan can be had; `None`: the loan is what there is.
    member: Option<&'m Member>,
    /// Why it came to an end.
    failed: Option<Error>,
}

impl<'m> Writing<'m> {
    /// Into a loan that need not do: at first one for `guess` bytes.
    pub(crate) fn growing(member: &'m Member, guess: usize) -> Result<Writing<'m>> {
        let mut loan = member.loan(guess.min(PAYLOAD_MAX as usize))?;
        loan.widen();
        Ok(Writing { loan, length: 0, member: Some(member), failed: None })
    }

    /// Into this loan alone.
    pub(super) fn within(loan: Loan<'m>) -> Writing<'m> {
        Writing { loan, length: 0, member: None, failed: None }
    }

    /// `false` if it has failed, and [`Writing::failed`] says why. That is apart, since pieces are a few bytes and come by the thousand.
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> bool {
        let end = self.length + bytes.len();
        if end > self.loan.len() && !self.has_grown(end) {
            return false;
        }
        self.loan[self.length..end].copy_from_slice(bytes);
        self.length = end;
        true
    }

    #[cold]
    fn has_grown(&mut self, end: usize) -> bool {
        self.failed = self.grow(end).err();
        self.failed.is_none()
    }

    /// Why nothing more could be put.
    #[cold]
    fn failure(&self) -> Error {
        self.failed.clone().unwrap_or(Error::Released)
    }

    fn grow(&mut self, end: usize) -> Result<()> {
        let Some(member) = self.member else {
            return Err(Error::TooLarge { length: end as u64, limit: self.loan.len() as u64 });
        };
        // Doubled at least: so what is copied in all is less than what is written.
        let wanted = end.max((self.loan.len() * 2).min(PAYLOAD_MAX as usize));
        let mut larger = member.loan(wanted)?;
        larger.widen();
        larger[..self.length].copy_from_slice(&self.loan[..self.length]);
        self.loan = larger;
        Ok(())
    }

    /// Writes an archive of `value` and the id of its schema.
    fn archive<T: Schema>(self, value: &T) -> std::result::Result<Writing<'m>, (Error, Loan<'m>)> {
        let (mut writing, written) = with_arena(|arena| {
            let mut serializer = Serializer::new(self, arena.acquire(), ());
            let written = serialize_using::<_, Refusal>(value, &mut serializer);
            (serializer.into_writer(), written)
        });
        let written = match written {
            Ok(_) if writing.put(&T::ID.to_ne_bytes()) => Ok(()),
            Ok(_) => Err(writing.failure()),
            Err(error) => Err(writing.failed.take().unwrap_or_else(|| unarchivable::<T>(&error))),
        };
        match written {
            Ok(()) => Ok(writing),
            Err(error) => Err((error, writing.loan)),
        }
    }

    /// The loan, as long as what was written. One much too large is exchanged, so that a queue of small messages is no hoard of large chunks.
    pub(crate) fn finish(self) -> Loan<'m> {
        let Writing { mut loan, length, member, .. } = self;
        let smaller = member.filter(|_| length.max(64) <= loan.len() / 4).and_then(|member| member.loan(length).ok());
        if let Some(mut smaller) = smaller {
            smaller.copy_from_slice(&loan[..length]);
            return smaller;
        }
        loan.cut(length);
        loan
    }
}

/// A loan with an archive of `value`, of the archive's length.
pub(crate) fn archive<'m, T: Schema>(member: &'m Member, value: &T) -> Result<Loan<'m>> {
    let remembered = member.length_of_last(T::ID);
    let guess = remembered.get().max(size_of::<T::Archived>() + ID_BYTES);
    let written = Writing::growing(member, guess)?.archive(value).map_err(|(error, _)| error)?;
    remembered.set(written.length);
    Ok(written.finish())
}

/// The same in a loan that is there; it comes back with an error. Returns the length.
pub(super) fn archive_within<'m, T: Schema>(
    loan: Loan<'m>,
    value: &T,
) -> std::result::Result<(Loan<'m>, usize), (Error, Loan<'m>)> {
    let written = Writing::within(loan).archive(value)?;
    Ok((written.loan, written.length))
}

/// The lengths of the last archives that a member wrote, by schema: the next ones will be about as long.
pub(crate) struct Lengths([(Cell<u64>, Cell<usize>); 16]);

impl Default for Lengths {
    fn default() -> Self {
        Lengths(std::array::from_fn(|_| (Cell::new(0), Cell::new(0))))
    }
}

impl Lengths {
    /// Of this schema; 0 if it is not known.
    pub fn of(&self, schema: u64) -> &Cell<usize> {
        let (known, length) = &self.0[schema as usize % self.0.len()];
        if known.replace(schema) != schema {
            length.set(0);
        }
        length
    }
}

impl Positional for Writing<'_> {
    fn pos(&self) -> usize {
        self.length
    }
}

impl Writer<Refusal> for Writing<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> std::result::Result<(), Refusal> {
        if self.put(bytes) { Ok(()) } else { Err(rkyv::rancor::Source::new(self.failure())) }
    }
}

#[cfg(feature = "serde")]
mod json {
    use super::{Error, Loan, Member, Result, Writing};
    use std::io;

    impl io::Write for Writing<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.put(bytes) { Ok(bytes.len()) } else { Err(io::Error::other(self.failure())) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A loan with `value` as JSON, of its length.
    pub(crate) fn json<'m, T: serde::Serialize + ?Sized>(member: &'m Member, value: &T) -> Result<Loan<'m>> {
        let mut writing = Writing::growing(member, 256)?;
        match serde_json::to_writer(&mut writing, value) {
            Ok(()) => Ok(writing.finish()),
            Err(error) => Err(writing.failed.take().unwrap_or_else(|| Error::InvalidArgument {
                what: format!("this value cannot be written as JSON: {error}"),
            })),
        }
    }
}
#[cfg(feature = "serde")]
pub(crate) use json::json;

#[cold]
fn unarchivable<T: Schema>(error: &Refusal) -> Error {
    Error::InvalidArgument { what: format!("this '{}' cannot be archived: {error}", T::NAME) }
}
