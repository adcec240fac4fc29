//! Questions and answers: a call waits for the one answer that names its question.
//!
//! An answer goes to the reply lane of the asker's mailbox, which only a call reads. It carries the question's id as its
//! correlation. One that comes when nobody waits for it any more is dropped and counted; a full lane drops its oldest, so that who answers
//! never waits for who asked.

use super::waiting::Source;
use super::{Agent, Member, SendOptions};
use crate::error::{Error, Result};
use crate::layout::REPLY;
use crate::message::{ContentType, Lane, Message, MessageId};
use crate::platform::clock;
use crate::queue::{Route, take_from};
use crate::word::Name;
use std::time::Duration;

impl Agent {
    /// Sends a question and waits for its answer; `options.timeout` covers both.
    ///
    /// # Errors
    /// Those of [`Member::send`]; `Timeout` also when nobody answered in time (the question may be answered later: that answer is dropped).
    pub fn call(&self, to: &str, question: &[u8], options: &SendOptions) -> Result<Message<'_>> {
        self.call_until(to, question, options, &mut || false)
    }

    /// [`Agent::call`] with a hook that may end the wait: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Agent::call`], and [`Error::Interrupted`] when the hook says so.
    pub fn call_until(
        &self,
        to: &str,
        question: &[u8],
        options: &SendOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Message<'_>> {
        let started_ns = clock::monotonic_ns();
        let id = self.send_until(to, question, options, interrupted)?;
        let spent = Duration::from_nanos(clock::monotonic_ns().saturating_sub(started_ns));
        let left = options.timeout.map(|timeout| timeout.saturating_sub(spent));
        self.answer_to(id, left, interrupted)
    }

    fn answer_to(
        &self,
        question: MessageId,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Message<'_>> {
        let queue = self.member.queue(self.mailbox)?;
        let source = Source { word: queue.items, queue: self.mailbox };
        self.member.wait_on(&[source], timeout, interrupted, || {
            let Some(ring) = queue.ring(REPLY) else { return Ok(None) };
            while let Some(claimed) = take_from(self.member.segment(), &queue, REPLY, ring, self.member.name())? {
                match self.member.open(&queue, claimed)? {
                    Some(answer) if answer.correlation() == question.0 => return Ok(Some(answer)),
                    Some(late) => {
                        late.into_raw();
                        self.member.drop_letter(self.mailbox, claimed);
                    }
                    None => {}
                }
            }
            Ok(None)
        })
    }
}

impl Member {
    /// Answers a question that came from mailbox `to`. Never waits.
    pub(crate) fn answer(
        &self,
        to: Name,
        question: MessageId,
        payload: &[u8],
        content: ContentType,
    ) -> Result<MessageId> {
        let mut loan = self.loan(payload.len())?;
        loan.copy_from_slice(payload);
        let raw = loan.into_raw();
        let options = SendOptions { lane: Lane::Reply, correlation: question.0, content, ..SendOptions::default() };
        let mut word = raw.word;
        let sent = self.write_header(raw.chunk, payload.len(), &options).and_then(|id| {
            self.enqueue(to, Route::send(REPLY), (raw.chunk, &mut word), &mut [], Some(Duration::ZERO), &mut || false)
                .map(|()| id)
        });
        sent.inspect_err(|_: &Error| self.give_back(raw.chunk, word, crate::word::ChunkState::Held))
    }
}
