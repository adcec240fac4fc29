//! Questions and answers: a call waits for the one answer that names its question, a stream for one part of it after the other.
//!
//! An answer goes to the reply lane of the asker's mailbox, which only a call reads. It carries the question's id as its
//! correlation, and says which part of the answer it is and whether more follow ([`Part`]). One that comes when nobody waits for it any more is
//! dropped and counted. A plain answer is a stream of one part; when the lane is full it pushes out the oldest one there, so that who answers never
//! waits for who asked. A part waits for room, and leaves half of the lane to plain answers and last parts.
//!
//! Whoever reads the lane for one question meets answers to others. Those to questions that are open still are kept for them.

use super::waiting::Source;
use super::{Agent, Member, SendOptions};
use crate::error::{Error, Result};
use crate::latency::Latency;
use crate::layout::REPLY;
use crate::message::{ContentType, Lane, Loan, Message, MessageId, Part, Schema, TraceContext, archive};
use crate::platform::clock;
use crate::queue::{Claimed, Queue, Route, take_from};
use crate::registry;
use crate::word::Name;
use std::collections::VecDeque;
use std::time::Duration;

/// A question whose answer, or the rest of it, is waited for.
pub(super) struct Question {
    id: MessageId,
    /// The part that comes next.
    next: Part,
    /// Parts that were met while something else was looked for, oldest first.
    kept: VecDeque<Claimed>,
}

/// The answer to a question, part after part: see [`Agent::call_stream`]. Dropped before its end, the parts that come later are dropped and counted, as
/// late answers are.
pub struct Answers<'a> {
    agent: &'a Agent,
    question: MessageId,
}

impl Agent {
    /// Sends a question and waits for its answer; `options.timeout` covers both.
    ///
    /// # Errors
    /// Those of [`Member::send`]; `Timeout` also when nobody answered in time (the question may be answered later: that answer is dropped);
    /// `HandedOver` when the mailbox is taken over meanwhile, to which the answer goes;
    /// `BrokenAnswer` if the answer comes in parts: a part is not the answer, so ask with [`Agent::call_stream`] who may answer so.
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
        self.call_loan(to, |member| member.loan_of(question, options.trace.is_some()), options, interrupted)
    }

    /// [`Agent::call`] with an archive of `question`; `options.content` does not matter.
    ///
    /// # Errors
    /// As [`Agent::call`]; `InvalidArgument` if it cannot be archived.
    pub fn call_typed<T: Schema>(&self, to: &str, question: &T, options: &SendOptions) -> Result<Message<'_>> {
        let options = SendOptions { content: ContentType::Rkyv, ..options.clone() };
        self.call_loan(to, |member| archive(member, question), &options, &mut || false)
    }

    fn call_loan<'a>(
        &'a self,
        to: &str,
        question: impl FnOnce(&'a Member) -> Result<Loan<'a>>,
        options: &SendOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Message<'a>> {
        let started_ns = clock::monotonic_ns();
        let mut answers = self.ask(to, question, options, interrupted)?;
        let spent = Duration::from_nanos(clock::monotonic_ns().saturating_sub(started_ns));
        let left = options.timeout.map(|timeout| timeout.saturating_sub(spent));
        match answers.next_until(left, interrupted)? {
            Some(answer) if !answer.more_follows() => {
                self.member.measured_since(Latency::Coordination, started_ns);
                Ok(answer)
            }
            Some(part) => {
                self.member.drop_answer(part);
                Err(Error::BrokenAnswer {
                    what: "it comes in parts, of which a call takes none; ask with call_stream".into(),
                })
            }
            None => Err(Error::corrupt("an answer", "I7")),
        }
    }

    /// Sends a question whose answer may come in parts, one [`Message::reply_part`] each and a [`Message::reply`] at the end;
    /// `options.timeout` covers the sending. Any number of such answers and of calls may be under way at a time.
    ///
    /// What comes for this answer while the agent receives something else is kept for it, as many parts as a lane may hold; if there are more, the
    /// answer is broken.
    ///
    /// # Errors
    /// Those of [`Member::send`].
    pub fn call_stream(&self, to: &str, question: &[u8], options: &SendOptions) -> Result<Answers<'_>> {
        self.call_stream_until(to, question, options, &mut || false)
    }

    /// [`Agent::call_stream`] with a hook that may end the wait for room: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Agent::call_stream`], and [`Error::Interrupted`] when the hook says so.
    pub fn call_stream_until(
        &self,
        to: &str,
        question: &[u8],
        options: &SendOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Answers<'_>> {
        self.ask(to, |member| member.loan_of(question, options.trace.is_some()), options, interrupted)
    }

    fn ask<'a>(
        &'a self,
        to: &str,
        question: impl FnOnce(&'a Member) -> Result<Loan<'a>>,
        options: &SendOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Answers<'a>> {
        if options.key.is_some() {
            let what = "a question has no key: who asks again wants the answer again".into();
            return Err(Error::InvalidArgument { what });
        }
        let loan = question(&self.member)?;
        let length = loan.len();
        let id = loan.publish_until(to, length, options, interrupted).map_err(|refused| refused.error)?;
        self.member.questions.borrow_mut().push(Question { id, next: Part::FIRST, kept: VecDeque::new() });
        Ok(Answers { agent: self, question: id })
    }

    /// The reverse of [`Answers::into_raw`]. An answer that has ended, or that is none of this agent's, has no parts.
    pub fn answers_from_raw(&self, question: MessageId) -> Answers<'_> {
        Answers { agent: self, question }
    }
}

impl<'a> Answers<'a> {
    /// The id of the question.
    pub fn question(&self) -> MessageId {
        self.question
    }

    /// The next part; waits for it until `timeout` (`None`: for ever). `None` after the last one, and after the answer broke.
    ///
    /// # Errors
    /// `Timeout` (the answer goes on: ask again), `Closed`; `BrokenAnswer` if a part is missing, because a plain answer took its place in a full lane,
    /// or if the answer began anew, because who answered died and the question was delivered again. The answer has ended then.
    pub fn next(&mut self, timeout: Option<Duration>) -> Result<Option<Message<'a>>> {
        self.next_until(timeout, &mut || false)
    }

    /// [`Answers::next`] with a hook that may end the wait: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Answers::next`], and [`Error::Interrupted`] when the hook says so.
    pub fn next_until(
        &mut self,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Message<'a>>> {
        let Some(expected) = self.expected() else { return Ok(None) };
        let part = self.agent.answer_to(self.question, timeout, interrupted)?;
        self.agent.member.counted_received(part.len());
        let (found, more) = (part.part(), part.more_follows());
        if found != expected {
            self.agent.member.drop_answer(part);
            self.agent.member.forget(self.question);
            let what = match found {
                Part::FIRST => {
                    format!(
                        "it began anew where part {expected} was due: who answered is gone and the question was delivered again; ask again"
                    )
                }
                _ => {
                    format!(
                        "part {found} came where part {expected} was due: it lost its place in a full lane; read faster, or ask again"
                    )
                }
            };
            return Err(Error::BrokenAnswer { what });
        }
        if more {
            self.agent.member.asked(self.question, |question| question.next = expected.next());
        } else {
            self.agent.member.forget(self.question);
        }
        Ok(Some(part))
    }

    fn expected(&self) -> Option<Part> {
        self.agent.member.asked(self.question, |question| question.next)
    }

    /// Lets go of the agent: for bindings that keep the answer in an object of their own. It goes on until it has ended or was dropped after
    /// [`Agent::answers_from_raw`].
    pub fn into_raw(self) -> MessageId {
        let question = self.question;
        std::mem::forget(self);
        question
    }
}

impl Drop for Answers<'_> {
    fn drop(&mut self) {
        self.agent.member.forget(self.question);
    }
}

impl Agent {
    /// The next message of an answer.
    fn answer_to(
        &self,
        question: MessageId,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Message<'_>> {
        let queue = self.member.queue(self.mailbox)?;
        let source = Source { word: queue.items, queue: self.mailbox, by_time: false };
        self.member.wait_on(&[source], timeout, interrupted, || {
            if let Some(kept) = self.member.asked(question, |question| question.kept.pop_front()).flatten() {
                return self.member.answer_again(kept).map(Some);
            }
            self.member.check_not_deposed_from(queue)?;
            let Some(ring) = queue.ring(REPLY) else { return Ok(None) };
            while let Some((claimed, chunk)) =
                take_from(self.member.segment(), queue, REPLY, &ring, self.member.name())?
            {
                self.member.check_claim(queue, claimed)?;
                match self.member.open(queue, claimed, chunk)? {
                    Some((answer, _)) if answer.correlation() == question.0 => return Ok(Some(answer)),
                    Some((other, _)) => self.member.keep(queue, other, claimed),
                    None => {}
                }
            }
            Ok(None)
        })
    }
}

impl Member {
    /// Does something with a question that is open.
    fn asked<T>(&self, id: MessageId, what: impl FnOnce(&mut Question) -> T) -> Option<T> {
        self.questions.borrow_mut().iter_mut().find(|question| question.id == id).map(what)
    }

    /// Ends a question; what came for it is late.
    fn forget(&self, id: MessageId) {
        let kept = {
            let mut questions = self.questions.borrow_mut();
            let Some(at) = questions.iter().position(|question| question.id == id) else { return };
            questions.swap_remove(at).kept
        };
        for answer in kept {
            if let Ok(answer) = self.answer_again(answer) {
                self.drop_answer(answer);
            }
        }
    }

    /// Keeps an answer for the question that is open still, or drops it as late.
    #[cold]
    pub(super) fn keep(&self, queue: &Queue<'_>, answer: Message<'_>, claimed: Claimed) {
        let id = MessageId(answer.correlation());
        let room = |question: &mut Question| {
            let room = (question.kept.len() as u64) < queue.limit;
            if room {
                question.kept.push_back(claimed);
            }
            room
        };
        if claimed.ring() == REPLY && self.asked(id, room) == Some(true) {
            answer.into_raw();
        } else {
            self.drop_answer(answer);
        }
    }

    fn answer_again(&self, kept: Claimed) -> Result<Message<'_>> {
        // SAFETY: it was let go of when it was kept, and is taken from there once.
        unsafe { Message::again(self, kept.chunk(), kept.word) }
    }

    /// Releases an answer that nobody waits for, and counts it.
    pub(super) fn drop_answer(&self, answer: Message<'_>) {
        let mailbox = answer.home();
        let (chunk, word) = answer.into_parts();
        self.drop_letter(mailbox, chunk.number(), word);
    }

    /// Answers a question that came from mailbox `to`, with its only or last part; never waits.
    pub(crate) fn answer(
        &self,
        to: Name,
        question: MessageId,
        part: Part,
        answer: Loan<'_>,
        belongs: (ContentType, Option<TraceContext>),
    ) -> Result<MessageId> {
        self.send_answer(
            to,
            Route::send(REPLY),
            (question, part.flags(false)),
            answer,
            belongs,
            Some(Duration::ZERO),
            &mut || false,
        )
    }

    /// Answers with a part that others will follow; waits for room.
    pub(crate) fn answer_part(
        &self,
        to: Name,
        (question, part): (MessageId, Part),
        answer: Loan<'_>,
        belongs: (ContentType, Option<TraceContext>),
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<MessageId> {
        self.send_answer(to, Route::part(), (question, part.flags(true)), answer, belongs, timeout, interrupted)
    }

    #[allow(clippy::too_many_arguments, reason = "all that an answer is")]
    fn send_answer(
        &self,
        to: Name,
        route: Route,
        (question, flags): (MessageId, u16),
        answer: Loan<'_>,
        (content, trace): (ContentType, Option<TraceContext>),
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<MessageId> {
        let answer = match trace {
            // An answer is worth more than its trace: where there is no memory for both it goes without.
            Some(_) if !answer.fits_trace(answer.len()) => answer.larger(answer.len()).unwrap_or(answer),
            _ => answer,
        };
        let (length, (chunk, mut word)) = (answer.len(), answer.into_parts());
        let options =
            SendOptions { lane: Lane::Reply, correlation: question.0, content, trace, ..SendOptions::default() };
        let id = self.write_header(chunk, length, &options);
        self.flag(chunk, flags);
        let sent = self
            .queue(to)
            .and_then(|queue| self.enqueue(queue, route, (chunk, &mut word), &mut [], timeout, interrupted));
        match &sent {
            Ok(()) => self.counted_sent(1, length, id),
            Err(_) => self.counted_refused(),
        }
        self.give_up_rests_if_deposed();
        sent.map(|()| id).inspect_err(|_| self.give_back(chunk, word))
    }

    /// `Closed` if nobody will ever make room in a mailbox' lane of answers.
    pub(super) fn check_asker(&self, mailbox: Name) -> Result<()> {
        match registry::owner_of(self.segment(), mailbox) {
            Some(owner) if !registry::is_gone(self.segment(), owner) => Ok(()),
            _ => {
                let what = format!("mailbox '{}', whose owner asked and is gone,", self.spoken_name(mailbox));
                Err(Error::Closed { what })
            }
        }
    }
}
