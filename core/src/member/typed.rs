//! Sending what is not bytes: values as archives or as JSON, written straight into the memory that the receiver reads.

use super::{Member, SendOptions};
use crate::error::Result;
use crate::message::{ContentType, Loan, MessageId, Schema, archive};
use std::cell::Cell;

impl Member {
    /// Writes an archive of `value` into shared memory and queues it for `to`; the receiver reads it in place with [`Message::view`](crate::Message::view).
    /// `options.content` does not matter.
    ///
    /// ```
    /// use swarmbus_core::{Bus, CreateOptions, SendOptions, rkyv, schema};
    ///
    /// #[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
    /// #[rkyv(crate = swarmbus_core::rkyv)]
    /// struct Task { path: String, lines: Vec<u32> }
    /// schema!(Task = "doc.task/1");
    ///
    /// let bus = Bus::create(&format!("doc-typed-{}", std::process::id()), &CreateOptions::default())?;
    /// let alice = bus.attach("alice")?;
    /// alice.send_typed("alice", &Task { path: "a.rs".into(), lines: vec![1, 2] }, &SendOptions::default())?;
    /// let message = alice.recv(None)?;
    /// let task = message.view::<Task>()?;
    /// assert_eq!((task.path.as_str(), task.lines.len()), ("a.rs", 2));
    /// message.release()?;
    /// bus.destroy()?;
    /// # Ok::<(), swarmbus_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Member::send`]; `InvalidArgument` if it cannot be archived.
    pub fn send_typed<T: Schema>(&self, to: &str, value: &T, options: &SendOptions) -> Result<MessageId> {
        self.send_typed_until(to, value, options, &mut || false)
    }

    /// [`Member::send_typed`] with a hook that may end the wait for room: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Member::send_typed`], and [`Error::Interrupted`](crate::Error::Interrupted) when the hook says so.
    pub fn send_typed_until<T: Schema>(
        &self,
        to: &str,
        value: &T,
        options: &SendOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<MessageId> {
        self.send_loan(to, self.loan_typed(value)?, ContentType::Rkyv, options, interrupted)
    }

    /// A loan with an archive of `value`, as long as that: for a batch or to be published later, with [`ContentType::Rkyv`].
    ///
    /// # Errors
    /// Those of [`Member::loan`]; `InvalidArgument` if it cannot be archived.
    pub fn loan_typed<T: Schema>(&self, value: &T) -> Result<Loan<'_>> {
        archive(self, value)
    }

    /// Writes `value` as JSON into shared memory and queues it for `to`. `options.content` does not matter.
    ///
    /// # Errors
    /// Those of [`Member::send`]; `InvalidArgument` if it cannot be written as JSON.
    #[cfg(feature = "serde")]
    pub fn send_json<T: serde::Serialize + ?Sized>(
        &self,
        to: &str,
        value: &T,
        options: &SendOptions,
    ) -> Result<MessageId> {
        self.send_loan(to, crate::message::json(self, value)?, ContentType::Json, options, &mut || false)
    }

    fn send_loan(
        &self,
        to: &str,
        loan: Loan<'_>,
        content: ContentType,
        options: &SendOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<MessageId> {
        let (length, options) = (loan.len(), SendOptions { content, ..options.clone() });
        loan.publish_until(to, length, &options, interrupted).map_err(|refused| refused.error)
    }

    /// How long the last archive of a schema was, bytes; 0 if that is not known.
    pub(crate) fn length_of_last(&self, schema: u64) -> &Cell<usize> {
        self.lengths.of(schema)
    }
}
