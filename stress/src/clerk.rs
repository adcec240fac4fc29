//! Who does things with messages, and writes them down.

use crate::Result;
use crate::crash;
use crate::ledger::{Event, Mark};
use crate::scene::{number_of, patience, payload};
use std::time::Duration;
use swarmbus_core::{
    Agent, Answers, ContentType, Descriptor, Error, Lane, Member, Message, PublishOptions, SendOptions,
};

/// Who does things with messages, and writes them down.
pub struct Clerk {
    next: u64,
    quiet: bool,
    forgets: bool,
    /// What was written down.
    pub events: Vec<Event>,
}

impl Clerk {
    /// Whose numbers start at `first`. `quiet`: the ledger stays in memory instead of going to standard output.
    pub fn new(first: u64, quiet: bool) -> Clerk {
        Clerk { next: first, quiet, forgets: false, events: Vec::new() }
    }

    /// One who writes nothing down: for work without an end.
    pub fn forgetful(first: u64) -> Clerk {
        Clerk { forgets: true, ..Clerk::new(first, true) }
    }

    /// Writes down.
    pub fn say(&mut self, event: Event) {
        if self.forgets {
            return;
        }
        if self.quiet {
            self.events.push(event);
        } else {
            crash::aside(|| event.say());
        }
    }

    /// Takes `count` numbers for somebody else.
    pub fn reserve(&mut self, count: u64) -> u64 {
        self.next += count;
        self.next - count
    }

    /// Sends the next number. `false`: refused for want of room.
    ///
    /// # Errors
    /// Any but `Full`, `Timeout` and `OutOfMemory`.
    pub fn send(&mut self, member: &Member, to: &str, length: usize, options: &SendOptions) -> Result<bool> {
        let number = self.reserve(1);
        let payload = crash::aside(|| payload(number, length));
        self.say(Event::Trying(number));
        match member.send(to, &payload, options) {
            Ok(_) => {
                self.say(Event::Sent(number));
                Ok(true)
            }
            Err(Error::Full { .. } | Error::Timeout | Error::OutOfMemory { .. }) => {
                self.say(Event::Refused(number));
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Publishes the next number. `false`: refused for want of room.
    ///
    /// # Errors
    /// As [`Clerk::send`].
    pub fn publish_in(&mut self, member: &Member, topic: &str, timeout: Duration) -> Result<bool> {
        let number = self.reserve(1);
        self.say(Event::Trying(number));
        let options = PublishOptions { timeout: Some(timeout), ..PublishOptions::default() };
        match member.publish(topic, &payload(number, 40), &options) {
            Ok(published) if published.position.is_some() => {
                self.say(Event::Sent(number));
                Ok(true)
            }
            Ok(_) | Err(Error::Full { .. } | Error::Timeout | Error::OutOfMemory { .. }) => {
                self.say(Event::Refused(number));
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends the next `count` numbers as one batch. `false`: refused for want of room.
    ///
    /// # Errors
    /// As [`Clerk::send`].
    pub fn send_batch(&mut self, member: &Member, to: &str, count: u64, options: &SendOptions) -> Result<bool> {
        let first = self.reserve(count);
        let numbers = first..first + count;
        numbers.clone().for_each(|number| self.say(Event::Trying(number)));
        self.say(Event::Batch(first, count));
        let payloads: Vec<_> = numbers.clone().map(|number| payload(number, 40)).collect();
        let payloads: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
        let said = match member.send_batch(to, &payloads, options) {
            Ok(_) => Event::Sent,
            Err(Error::Full { .. } | Error::Timeout | Error::OutOfMemory { .. }) => Event::Refused,
            Err(error) => return Err(error.into()),
        };
        numbers.for_each(|number| self.say(said(number)));
        Ok(said(0) == Event::Sent(0))
    }

    /// Sends the next number in a loan of so many bytes, of which some are written in place and published.
    ///
    /// # Errors
    /// Any.
    pub fn publish(
        &mut self,
        member: &Member,
        to: &str,
        (room, length): (usize, usize),
        options: &SendOptions,
    ) -> Result<()> {
        let mut loan = member.loan(room)?;
        let number = self.reserve(1);
        crash::aside(|| loan[..length].copy_from_slice(&payload(number, length)));
        self.say(Event::Trying(number));
        loan.publish(to, length, options).map_err(|refused| refused.error)?;
        self.say(Event::Sent(number));
        Ok(())
    }

    /// Takes a message.
    ///
    /// # Errors
    /// Any but `Timeout`; a torn payload.
    pub fn take<'m>(
        &mut self,
        member: &'m Member,
        from: &str,
        timeout: Duration,
    ) -> Result<Option<(u64, Message<'m>)>> {
        self.say(Event::Taking);
        self.got(member.receive(from, Some(timeout)))
    }

    /// Takes a message of any of several queues.
    ///
    /// # Errors
    /// As [`Clerk::take`].
    pub fn take_any<'m>(
        &mut self,
        member: &'m Member,
        from: &[&str],
        timeout: Duration,
    ) -> Result<Option<(u64, Message<'m>)>> {
        self.say(Event::Taking);
        self.got(member.receive_any(from, Some(timeout)))
    }

    /// Takes a message by a descriptor.
    ///
    /// # Errors
    /// As [`Clerk::take`].
    pub fn next<'m>(&mut self, descriptor: &Descriptor<'m>) -> Result<Option<(u64, Message<'m>)>> {
        self.say(Event::Taking);
        let taken = descriptor.try_next().transpose();
        self.got(taken.unwrap_or(Err(Error::Timeout)))
    }

    fn got<'m>(&mut self, taken: swarmbus_core::Result<Message<'m>>) -> Result<Option<(u64, Message<'m>)>> {
        match taken {
            Ok(message) => {
                let number = crash::aside(|| number_of(&message))?;
                self.say(Event::Got(number, message.deliveries()));
                Ok(Some((number, message)))
            }
            Err(Error::Timeout) => {
                self.say(Event::Nothing);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Releases one.
    ///
    /// # Errors
    /// Those of [`Message::release`].
    pub fn release(&mut self, number: u64, message: Message<'_>) -> Result<()> {
        self.say(Event::Releasing(number));
        message.release()?;
        self.say(Event::Released(number));
        Ok(())
    }

    /// [`Clerk::send`], having written down first what may happen to the message.
    ///
    /// # Errors
    /// As [`Clerk::send`].
    pub fn send_marked(&mut self, marks: &[Mark], member: &Member, to: &str, options: &SendOptions) -> Result<bool> {
        marks.iter().for_each(|mark| self.say(Event::Marked(self.next, *mark)));
        self.send(member, to, 40, options)
    }

    /// Passes a message on. `false`: refused for want of room, and released.
    ///
    /// # Errors
    /// Any but `Full` and `Timeout`.
    pub fn forward(&mut self, number: u64, message: Message<'_>, to: &str, timeout: Duration) -> Result<bool> {
        self.say(Event::Forwarding(number));
        match message.forward(to, Some(timeout)) {
            Ok(()) => {
                self.say(Event::Forwarded(number));
                Ok(true)
            }
            Err(refused) if matches!(refused.error, Error::Full { .. } | Error::Timeout) => {
                self.say(Event::Kept(number));
                self.release(number, refused.message)?;
                Ok(false)
            }
            Err(refused) => Err(refused.error.into()),
        }
    }

    /// Answers a question, if it has a sender. The answer is dropped if nobody waits for it.
    ///
    /// # Errors
    /// Any but `InvalidArgument`.
    pub fn reply(&mut self, question: &Message<'_>) -> Result<()> {
        let number = self.reserve(1);
        self.say(Event::Marked(number, Mark::Expendable));
        self.say(Event::Trying(number));
        match question.reply(&payload(number, 40), ContentType::Bytes) {
            Ok(_) => self.say(Event::Sent(number)),
            Err(Error::InvalidArgument { .. }) => self.say(Event::Refused(number)),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Answers a question in part, if there is room. More is to follow. The part is dropped if nobody waits for it.
    ///
    /// # Errors
    /// Any but `InvalidArgument`, `Full` and `Closed`.
    pub fn reply_part(&mut self, question: &Message<'_>) -> Result<()> {
        let number = self.reserve(1);
        self.say(Event::Marked(number, Mark::Expendable));
        self.say(Event::Trying(number));
        match question.reply_part(&payload(number, 40), ContentType::Bytes, Some(Duration::ZERO)) {
            Ok(_) => self.say(Event::Sent(number)),
            Err(Error::InvalidArgument { .. } | Error::Full { .. } | Error::Closed { .. }) => {
                self.say(Event::Refused(number));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Takes the next part of an answer and releases it. `false`: there are no more, none in time, or one is missing.
    ///
    /// # Errors
    /// Any but `Timeout` and `BrokenAnswer`.
    pub fn read_part(&mut self, answers: &mut Answers<'_>, timeout: Duration) -> Result<bool> {
        self.say(Event::Taking);
        let part = match answers.next(Some(timeout)) {
            // Of two who ask and answer, one may take the place of the other's part.
            Ok(None) | Err(Error::BrokenAnswer { .. }) => Err(Error::Timeout),
            Ok(Some(part)) => Ok(part),
            Err(error) => Err(error),
        };
        let Some((number, part)) = self.got(part)? else { return Ok(false) };
        self.release(number, part)?;
        Ok(true)
    }

    /// Asks a question and releases the answer. `false`: none came in time, and who knows whether the question was sent.
    ///
    /// # Errors
    /// Any but `Timeout`; a torn answer.
    pub fn call(&mut self, agent: &Agent, to: &str, timeout: Duration) -> Result<bool> {
        let question = self.reserve(1);
        self.say(Event::Trying(question));
        self.say(Event::Taking);
        match agent.call(to, &payload(question, 40), &patience(Lane::Normal, timeout)) {
            Ok(answer) => {
                let number = number_of(&answer)?;
                self.say(Event::Sent(question));
                self.say(Event::Got(number, answer.deliveries()));
                self.release(number, answer)?;
                Ok(true)
            }
            // Broken: somebody answers in parts, of which a call takes none.
            Err(Error::Timeout | Error::BrokenAnswer { .. }) => {
                self.say(Event::Nothing);
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a message out of the bus' care, as an acknowledgement does; then gives up its memory.
    ///
    /// # Errors
    /// Those of [`Message::detach`].
    pub fn detach(&mut self, number: u64, message: Message<'_>) -> Result<()> {
        self.say(Event::Releasing(number));
        let loan = message.detach()?;
        self.say(Event::Released(number));
        drop(loan);
        Ok(())
    }

    /// Drops what waits in a queue.
    ///
    /// # Errors
    /// Those of [`Member::purge`].
    pub fn purge(&mut self, member: &Member, queue: &str) -> Result<()> {
        self.say(Event::Purging);
        let purged = member.purge(queue)?;
        self.say(Event::Purged(purged));
        Ok(())
    }
}
