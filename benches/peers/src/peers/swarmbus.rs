//! Ourselves: the core's own interface, messages written in a loan and read in place.

use super::net::version_of;
use crate::peer::{End, Peer};
use crate::trial::{Kind, Manner, Trial, Work, depth};
use anyhow::{Context, Result};
use std::any::Any;
use std::time::Duration;
use swarmbus_core::{
    Agent, Bus, CreateOptions, Error, PublishOptions, QueueOptions, SendOptions, StartAt, Subscription, TopicOptions,
};

const LEAD: &str = "lead";
/// The topic of a fan-out.
const TOPIC: &str = "all";
/// Messages that a poller takes before it lets the work look around.
const TAKEN_AT_ONCE: usize = 64;

/// Ourselves.
pub struct Swarmbus;

fn follower_name(index: u32) -> String {
    format!("follower-{index}")
}

/// What an end is to a topic.
enum Part {
    None,
    Publishes,
    Reads(Subscription<'static>),
}

/// An end: an agent, and the mailboxes it sends to; or its part in a topic.
pub struct SwarmbusEnd {
    agent: &'static Agent,
    part: Part,
    to: Vec<String>,
    options: SendOptions,
    trial: Trial,
}

impl SwarmbusEnd {
    fn attach(trial: &Trial, name: &str, to: Vec<String>) -> Result<SwarmbusEnd> {
        // A subscription borrows it; the process ends with its trial.
        let agent: &Agent = Box::leak(Box::new(Bus::open(&trial.tag)?.attach(name)?));
        let part = match (trial.kind, name) {
            (Kind::FanOut, LEAD) => Part::Publishes,
            (Kind::FanOut, _) => Part::Reads(agent.subscribe(TOPIC, StartAt::Now)?),
            _ => Part::None,
        };
        // Blocking, a send waits for room for as long as it takes; polling, it looks once.
        let options = SendOptions { timeout: trial.polls().then_some(Duration::ZERO), ..SendOptions::default() };
        Ok(SwarmbusEnd { agent, part, to, options, trial: trial.clone() })
    }
}

impl End for SwarmbusEnd {
    #[inline]
    fn send(&mut self, length: usize, mut write: impl FnMut(&mut [u8])) -> Result<()> {
        match self.part {
            Part::None => {}
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
            Part::None => {}
            Part::Publishes => return Ok(self.trial.followers as usize),
            Part::Reads(subscription) => {
                read(&subscription.recv(None)?);
                return Ok(1);
            }
        }
        if !self.trial.polls() {
            let message = self.agent.recv(None)?;
            read(&message);
            message.release()?;
            return Ok(1);
        }
        for taken in 0..TAKEN_AT_ONCE {
            let Some(message) = self.agent.try_recv()? else { return Ok(taken) };
            read(&message);
            message.release()?;
        }
        Ok(TAKEN_AT_ONCE)
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
        super::OURS
    }

    fn version(&self) -> String {
        let described = version_of("git", &["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"]);
        format!("swarmbus-core of this tree, commit {described}")
    }

    fn manners(&self) -> &'static [Manner] {
        Manner::ALL
    }

    fn settings(&self, work: &Work, manner: Manner) -> String {
        let limit = depth(work.bytes);
        let how = match manner {
            Manner::Polling => format!("try_recv, up to {TAKEN_AT_ONCE} in a row; publish that does not wait"),
            _ => "recv and publish that wait for as long as it takes".into(),
        };
        let shape = if work.kind == Kind::FanOut {
            "; a topic with room for one message: a round is over when all have read, so that the next is published"
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
            let options = QueueOptions { limit: Some(depth(bytes) as u32), ..QueueOptions::default() };
            made.0.declare(name, &options).with_context(|| format!("mailbox '{name}'"))
        };
        declare(LEAD, trial.up_bytes())?;
        if trial.kind == Kind::FanOut {
            let one = TopicOptions { capacity: Some(1), ..TopicOptions::default() };
            made.0.declare_topic(TOPIC, &one).context("the topic")?;
        }
        for index in 0..trial.followers {
            declare(&follower_name(index), trial.down_bytes())?;
        }
        Ok(Box::new(made))
    }

    fn lead(&self, trial: &Trial) -> Result<SwarmbusEnd> {
        SwarmbusEnd::attach(trial, LEAD, (0..trial.followers).map(follower_name).collect())
    }

    fn follower(&self, trial: &Trial, index: u32) -> Result<SwarmbusEnd> {
        SwarmbusEnd::attach(trial, &follower_name(index), vec![LEAD.into()])
    }
}
