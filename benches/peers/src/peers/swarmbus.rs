//! Ourselves: the core's own interface, messages written in a loan and read in place.

use super::net::version_of;
use crate::peer::{End, Peer};
use crate::trial::{Kind, Manner, TAKEN_AT_ONCE, Trial, Work, depth};
use anyhow::{Context, Result, bail};
use std::any::Any;
use std::time::Duration;
use swarmbus_core::{
    Agent, Bus, ContentType, CreateOptions, Error, Message, PublishOptions, QueueOptions, SendOptions, StartAt,
    Subscription, TopicOptions,
};

const LEAD: &str = "lead";
/// The queue that workers compete for.
const JOBS: &str = "jobs";
/// The topic of a fan-out.
const TOPIC: &str = "all";

/// Ourselves.
pub struct Swarmbus;

/// A queue's limit; a batch counts once towards it.
fn limit(bytes: usize, batch: u32) -> u32 {
    (depth(bytes) as u32 / batch).max(4)
}

fn follower_name(index: u32) -> String {
    format!("follower-{index}")
}

/// What an end is to a topic.
enum Part {
    None,
    Publishes,
    Reads(Subscription<'static>),
    Works,
}

/// An end: an agent, and the mailboxes it sends to; or its part in a topic.
pub struct SwarmbusEnd {
    agent: &'static Agent,
    part: Part,
    to: Vec<String>,
    options: SendOptions,
    buffer: Vec<u8>,
    /// What was received last and is kept.
    answered: Option<Message<'static>>,
    trial: Trial,
}

impl SwarmbusEnd {
    fn attach(trial: &Trial, name: &str, to: Vec<String>) -> Result<SwarmbusEnd> {
        // A subscription borrows it; the process ends with its trial.
        let agent: &Agent = Box::leak(Box::new(Bus::open(&trial.tag)?.attach(name)?));
        let part = match (trial.kind, name) {
            (Kind::FanOut, LEAD) => Part::Publishes,
            (Kind::FanOut, _) => Part::Reads(agent.subscribe(TOPIC, StartAt::Now)?),
            (Kind::WorkQueue, _) if name != LEAD => Part::Works,
            _ => Part::None,
        };
        // Blocking, a send waits for room for as long as it takes; polling, it looks once.
        let options = SendOptions { timeout: trial.polls().then_some(Duration::ZERO), ..SendOptions::default() };
        // Only questions and answers go through it.
        let buffer = if trial.kind == Kind::Calls { vec![0; trial.bytes] } else { Vec::new() };
        Ok(SwarmbusEnd { agent, part, to, options, buffer, answered: None, trial: trial.clone() })
    }

    /// A message of the mailbox, or of the queue of jobs.
    #[inline]
    fn take(&self, timeout: Option<Duration>) -> Result<Option<Message<'static>>> {
        let taken = match self.part {
            Part::Works => self.agent.receive(JOBS, timeout),
            _ => self.agent.recv(timeout),
        };
        match taken {
            Ok(message) => Ok(Some(message)),
            Err(Error::Timeout) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets go of the message before, which is answered by now, and keeps the next one until that is.
    #[inline]
    fn receive_and_keep(&mut self, mut read: impl FnMut(&[u8])) -> Result<usize> {
        if let Some(answered) = self.answered.take() {
            answered.release()?;
        }
        let message = if self.trial.polls() { self.agent.try_recv()? } else { self.take(None)? };
        let Some(message) = message else { return Ok(0) };
        read(&message);
        self.answered = Some(message);
        Ok(1)
    }

    /// How long one look for a message takes: none if the trial polls, else for ever.
    fn look(&self) -> Option<Duration> {
        self.trial.polls().then_some(Duration::ZERO)
    }
}

impl End for SwarmbusEnd {
    #[inline]
    fn send(&mut self, length: usize, mut write: impl FnMut(&mut [u8])) -> Result<()> {
        match self.part {
            Part::None | Part::Works => {}
            Part::Publishes => {
                let mut loan = self.agent.loan(length)?;
                write(&mut loan);
                // Waits until all have read the one before: that is their answer.
                loan.publish_to(TOPIC, length, &PublishOptions::default()).map_err(|refused| refused.error)?;
                return Ok(());
            }
            Part::Reads(_) => return Ok(()),
        }
        for to in &self.to {
            let mut loan = self.agent.loan(length)?;
            write(&mut loan);
            while let Err(refused) = loan.publish(to, length, &self.options) {
                if !matches!(refused.error, Error::Full { .. }) {
                    return Err(refused.error.into());
                }
                loan = refused.loan;
                self.trial.idle();
            }
        }
        Ok(())
    }

    #[inline]
    fn receive(&mut self, mut read: impl FnMut(&[u8])) -> Result<usize> {
        match &mut self.part {
            Part::None | Part::Works => {}
            Part::Publishes => return Ok(self.trial.followers as usize),
            Part::Reads(subscription) => {
                read(&subscription.recv(None)?);
                return Ok(1);
            }
        }
        if self.trial.kind == Kind::Batch {
            let most = self.trial.batch as usize;
            let messages = match self.agent.receive_batch(LEAD, most, self.look()) {
                Err(Error::Timeout) => return Ok(0),
                messages => messages?,
            };
            let count = messages.len();
            for message in messages {
                read(&message);
                message.release()?;
            }
            return Ok(count);
        }
        if self.trial.keeps_until_answered() {
            return self.receive_and_keep(read);
        }
        if !self.trial.polls() || matches!(self.part, Part::Works) {
            let Some(message) = self.take(self.look())? else { return Ok(0) };
            read(&message);
            message.release()?;
            return Ok(1);
        }
        let most = self.trial.taken_at_once();
        for taken in 0..most {
            let Some(message) = self.agent.try_recv()? else { return Ok(taken) };
            read(&message);
            message.release()?;
        }
        Ok(most)
    }

    fn send_batch(&mut self, count: usize, length: usize, mut write: impl FnMut(&mut [u8])) -> Result<()> {
        let mut loans = Vec::with_capacity(count);
        for _ in 0..count {
            let mut loan = self.agent.loan(length)?;
            write(&mut loan);
            loans.push(loan);
        }
        while let Err(refused) = self.agent.publish_batch(LEAD, loans, &self.options) {
            if !matches!(refused.error, Error::Full { .. }) {
                return Err(refused.error.into());
            }
            loans = refused.loans;
            self.trial.idle();
        }
        Ok(())
    }

    fn call(&mut self, length: usize, mut write: impl FnMut(&mut [u8]), mut read: impl FnMut(&[u8])) -> Result<()> {
        let Some(question) = self.buffer.get_mut(..length) else { bail!("a question longer than the work's") };
        write(question);
        if !self.trial.polls() {
            let answer = self.agent.call(LEAD, question, &self.options)?;
            read(&answer);
            answer.release()?;
            return Ok(());
        }
        let mut answers = self.agent.call_stream(LEAD, question, &self.options)?;
        loop {
            match answers.next(Some(Duration::ZERO)) {
                Ok(Some(answer)) => {
                    read(&answer);
                    answer.release()?;
                    return Ok(());
                }
                Ok(None) => bail!("the answer has ended before it began"),
                Err(Error::Timeout) => self.trial.idle(),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn answer(&mut self, length: usize, mut reply: impl FnMut(&[u8], &mut [u8])) -> Result<usize> {
        let Some(question) = self.take(self.look())? else { return Ok(0) };
        let Some(answer) = self.buffer.get_mut(..length) else { bail!("an answer longer than the work's") };
        reply(&question, answer);
        question.reply(answer, ContentType::Bytes)?;
        question.release()?;
        Ok(1)
    }
}

/// Destroys the bus when the trial is over.
struct Made(Bus);

impl Drop for Made {
    fn drop(&mut self) {
        if let Err(error) = self.0.destroy() {
            eprintln!("bus '{}' stays in /dev/shm: {error}", self.0.name());
        }
    }
}

impl Peer for Swarmbus {
    type End = SwarmbusEnd;

    fn name(&self) -> &'static str {
        "swarmbus"
    }

    fn version(&self) -> String {
        let described = version_of("git", &["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"]);
        format!("swarmbus-core of this tree, commit {described}")
    }

    fn manners(&self) -> &'static [Manner] {
        Manner::ALL
    }

    fn settings(&self, work: &Work, manner: Manner) -> String {
        let limit = limit(work.bytes, work.batch);
        match work.kind {
            Kind::Calls if manner == Manner::Polling => {
                return "call_stream and looks for its answer, try_recv and reply; question and answer copied in, read in place".into();
            }
            Kind::Calls => return "call, recv and reply; question and answer copied in, read in place".into(),
            Kind::Batch => {
                return format!(
                    "queue limit {limit} batches; loans written in place, publish_batch; receive_batch of up to {}, released one by one",
                    work.batch
                );
            }
            _ => {}
        }
        let how = match manner {
            Manner::Polling => format!(
                "try_recv, up to {TAKEN_AT_ONCE} in a row (one where each is answered, let go of after that); publish that does not wait"
            ),
            _ => "recv and publish that wait for as long as it takes".into(),
        };
        let shape = if work.kind == Kind::FanOut {
            "; a topic with room for one message: a round is over when all have read, so that the next is published"
        } else if work.kind == Kind::WorkQueue {
            "; one queue for all workers; what a worker has taken and not released goes to another when it dies"
        } else {
            ""
        };
        format!("queue limit {limit}; loan, write in place, publish, one by one; {how}{shape}")
    }

    fn refuses(&self, work: &Work, manner: Manner) -> Option<String> {
        (work.kind == Kind::FanOut && manner == Manner::Polling)
            .then(|| "more processes than cores: nobody would be served by asking".into())
    }

    fn prepare(&self, trial: &Trial) -> Result<Box<dyn Any>> {
        let made = Made(Bus::create(&trial.tag, &CreateOptions::default())?);
        let declare = |name: &str, bytes: usize| {
            let options = QueueOptions { limit: Some(limit(bytes, trial.batch)), ..QueueOptions::default() };
            made.0.declare(name, &options).with_context(|| format!("mailbox '{name}'"))
        };
        declare(LEAD, trial.up_bytes())?;
        if trial.kind == Kind::FanOut {
            let one = TopicOptions { capacity: Some(1), ..TopicOptions::default() };
            made.0.declare_topic(TOPIC, &one).context("the topic")?;
        }
        if trial.kind == Kind::WorkQueue {
            declare(JOBS, trial.down_bytes())?;
        }
        for index in 0..trial.followers {
            declare(&follower_name(index), trial.down_bytes())?;
        }
        Ok(Box::new(made))
    }

    fn lead(&self, trial: &Trial) -> Result<SwarmbusEnd> {
        let to = match trial.kind {
            Kind::WorkQueue => vec![JOBS.into()],
            _ => (0..trial.followers).map(follower_name).collect(),
        };
        SwarmbusEnd::attach(trial, LEAD, to)
    }

    fn follower(&self, trial: &Trial, index: u32) -> Result<SwarmbusEnd> {
        SwarmbusEnd::attach(trial, &follower_name(index), vec![LEAD.into()])
    }
}
