//! Where 'recv' and 'reply' take messages from.

use std::time::Duration;

use swarmbus_core::{Agent, Bus, Error, Member, Message};

use crate::exit::{self, Failure};
use crate::interrupt::Interrupt;
use crate::output::{Output, variable};
use crate::units;

/// Which messages, how many, and how long to wait for them.
#[derive(clap::Args)]
pub struct Taking {
    /// Where to take from: [BUS/]NAME [default: $SWARMBUS_AGENT]
    pub address: Option<String>,

    /// How many messages to take, 0 for no end [default: 1; of 'reply -- CMD': 0]
    #[arg(short = 'n', long = "count", value_name = "N")]
    pub count: Option<u64>,

    /// Go on until interrupted, as -n 0
    #[arg(short, long, conflicts_with = "count")]
    pub follow: bool,

    /// Longest wait for a message, such as 250ms or 5s; 0 only looks [default: no limit]
    #[arg(short, long, value_name = "TIME", value_parser = units::duration)]
    pub timeout: Option<Duration>,

    /// Take as one of several consumers of a work queue, without owning it
    #[arg(long)]
    pub shared: bool,

    /// Take what is sent to this role as well; may be given again
    #[arg(long, value_name = "ROLE", conflicts_with = "shared")]
    pub role: Vec<String>,

    /// If somebody owns the mailbox, wait until nobody alive does
    #[arg(long, conflicts_with = "shared")]
    pub stand_by: bool,
}

/// A mailbox of ours, or a queue shared with others.
pub enum Source {
    Mailbox(Agent),
    Queue(Member, String),
}

/// A source that is open, and what is to be said of it.
pub struct Taker {
    pub source: Source,
    pub bus: Bus,
    pub interrupt: Interrupt,
    address: String,
    timeout: Option<Duration>,
}

impl Taking {
    /// How many messages: `unsaid` if the command line does not say.
    pub fn count(&self, unsaid: u64) -> u64 {
        match self.count.unwrap_or(if self.follow { 0 } else { unsaid }) {
            0 => u64::MAX,
            count => count,
        }
    }

    /// Asks for signals, and takes the mailbox.
    pub fn open(self, output: &Output) -> Result<Taker, Failure> {
        let address = self.address.or_else(|| variable("SWARMBUS_AGENT")).ok_or_else(|| {
            Failure::usage("no mailbox is named: give it as [BUS/]NAME or in the environment variable SWARMBUS_AGENT")
        })?;
        let (bus, name) = output.address(&address)?;
        let interrupt = Interrupt::install()?;
        let bus = Bus::open(&bus)?;
        let source = match (self.shared, self.stand_by) {
            (true, _) => Source::Queue(bus.join()?, name),
            (false, true) => {
                let standing_by = bus.stand_by_until(&name, None, &mut || interrupt.pending().is_some());
                Source::Mailbox(standing_by.map_err(|error| interrupted(error, &interrupt))?)
            }
            (false, false) => Source::Mailbox(bus.attach(&name)?),
        };
        if let Source::Mailbox(agent) = &source {
            self.role.iter().try_for_each(|role| agent.take_role(role))?;
        }
        Ok(Taker { source, bus, interrupt, address, timeout: self.timeout })
    }
}

impl Taker {
    /// The next message.
    pub fn wait(&self) -> Result<Message<'_>, Failure> {
        // Who was told to end takes nothing more.
        self.interrupt.check()?;
        let mut interrupted_now = || self.interrupt.pending().is_some();
        let taken = match &self.source {
            Source::Mailbox(agent) => agent.recv_until(self.timeout, &mut interrupted_now),
            Source::Queue(member, queue) => member.receive_until(queue, self.timeout, &mut interrupted_now),
        };
        taken.map_err(|error| match error {
            Error::Timeout => self.timed_out(),
            error => interrupted(error, &self.interrupt),
        })
    }

    /// The handle that takes.
    pub fn member(&self) -> &Member {
        match &self.source {
            Source::Mailbox(agent) => agent,
            Source::Queue(member, _) => member,
        }
    }

    /// A message if there is one.
    pub fn look(&self) -> Result<Option<Message<'_>>, Error> {
        match &self.source {
            Source::Mailbox(agent) => agent.try_recv(),
            Source::Queue(member, queue) => member.try_receive(queue),
        }
    }

    fn timed_out(&self) -> Failure {
        let waited = self.timeout.unwrap_or_default();
        let message = match waited {
            Duration::ZERO => format!("no message in {}", self.address),
            _ => format!("no message in {} within {}", self.address, humantime::format_duration(waited)),
        };
        Failure::new(exit::TEMPORARY, message)
    }
}

/// The failure behind an error of a wait that a signal may have ended.
pub fn interrupted(error: Error, interrupt: &Interrupt) -> Failure {
    match (error, interrupt.pending()) {
        (Error::Interrupted, Some(signal)) => Failure::signal(signal),
        (error, _) => error.into(),
    }
}

/// An agent for one question or one look: the first that is free of `call.1`, `call.2`, …, so that mailboxes are used again.
pub fn passing_agent(bus: &Bus, prefix: &str) -> Result<Agent, Failure> {
    let mut number = 1_u32;
    loop {
        match bus.attach(&format!("{prefix}.{number}")) {
            Err(Error::AgentBusy { .. }) => number += 1,
            attached => return Ok(attached?),
        }
    }
}
