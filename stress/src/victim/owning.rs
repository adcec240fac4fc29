//! Victims that take a mailbox over, lose one, stand by for one, or take a role.

use super::{LONG, Operation, Victim};
use crate::Result;
use crate::killer::PATIENCE;
use crate::ledger::Event;
use crate::scene::{Clerk, number_of, patience};
use crate::victim::asking::is_asleep;
use nix::unistd::gettid;
use std::time::{Duration, Instant};
use swarmbus_core::{Agent, Bus, Error, Lane, Message};

/// The mailboxes that change hands: each operation has its own, so that a corpse of one does not find what another left.
pub const MAILBOXES: [&str; 4] = ["led", "led-deposed", "led-succeeded", "led-employed"];

impl Operation {
    /// The mailbox that it is about.
    pub(crate) fn mailbox(self) -> &'static str {
        match self {
            Operation::Deposed => MAILBOXES[1],
            Operation::StandBy => MAILBOXES[2],
            Operation::TakeRole => MAILBOXES[3],
            _ => MAILBOXES[0],
        }
    }
}

impl Victim {
    /// Takes the mailbox over from an agent of its own that has a message in flight.
    pub(super) fn take_over(&mut self) -> Result<()> {
        let mailbox = self.orders.operation.mailbox();
        let (bus, old) = (self.bus.clone(), own(&self.bus, self.orders.operation)?);
        self.clerk.send(&self.bus.join()?, mailbox, 40, &patience(Lane::Normal, Duration::ZERO))?;
        let taken = take(&mut self.clerk, &old)?;
        let new = self.armed(|_| Ok(bus.take_over(mailbox)?))?;
        if let Some((number, message)) = taken {
            self.clerk.release(number, message)?;
        }
        drop(new);
        Ok(())
    }

    /// Finds that its mailbox was taken over, with the rest of a batch in its hands.
    pub(super) fn deposed(&mut self) -> Result<()> {
        let mailbox = self.orders.operation.mailbox();
        let old = own(&self.bus, self.orders.operation)?;
        while let Some((number, message)) = take(&mut self.clerk, &old)? {
            // What another death has left: it comes before the batch.
            self.clerk.release(number, message)?;
        }
        self.clerk.send_batch(&self.bus.join()?, mailbox, 3, &patience(Lane::Normal, Duration::ZERO))?;
        let first = take(&mut self.clerk, &old)?;
        let new = self.bus.take_over(mailbox)?;
        self.armed(|clerk| take(clerk, &old).map(drop))?;
        if let Some((number, message)) = first {
            self.clerk.release(number, message)?;
        }
        drop(new);
        Ok(())
    }

    /// Claims a message of a mailbox that was nobody's when it looked, and is another's by then.
    pub(super) fn receive_anothers(&mut self) -> Result<()> {
        let mailbox = self.orders.operation.mailbox();
        let stranger = self.bus.join()?;
        let sources = match stranger.sources(&[mailbox]) {
            Ok(sources) => sources,
            Err(Error::AgentBusy { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let _owner = own(&self.bus, self.orders.operation)?;
        self.clerk.send(&self.bus.join()?, mailbox, 40, &patience(Lane::Normal, Duration::ZERO))?;
        self.armed(|clerk| {
            clerk.say(Event::Taking);
            got(clerk, sources.try_receive()).map(drop)
        })
    }

    /// A thread of its own owns the mailbox, and leaves when this one is asleep.
    pub(super) fn stand_by(&mut self) -> Result<()> {
        let mailbox = self.orders.operation.mailbox();
        let (bus, old, waiting) = (self.bus.clone(), own(&self.bus, self.orders.operation)?, gettid().as_raw());
        let patience = if self.orders.times == 1 { PATIENCE } else { LONG };
        std::thread::scope(|threads| {
            threads.spawn(move || {
                let started = Instant::now();
                while !is_asleep(waiting) && started.elapsed() < patience {
                    std::thread::yield_now();
                }
                drop(old);
            });
            match self.armed(|_| Ok(bus.stand_by(mailbox, Some(patience)))) {
                Ok(Ok(agent)) => drop(agent),
                // Its peer was faster.
                Ok(Err(Error::Timeout)) => {}
                Ok(Err(error)) => return Err(error.into()),
                Err(error) => return Err(error),
            }
            Ok(())
        })
    }

    /// Takes a role, works for it, gives it up.
    pub(super) fn take_role(&mut self) -> Result<()> {
        let agent = own(&self.bus, self.orders.operation)?;
        let role = format!("role-{}", self.round % 20);
        let taken = self.armed(|_| Ok(agent.take_role(&role)))?;
        match taken {
            Err(Error::HandedOver { .. }) => return Ok(()),
            taken => taken?,
        }
        let sender = self.bus.join()?;
        self.clerk.send(&sender, &format!("@{role}"), 40, &patience(Lane::Normal, Duration::ZERO))?;
        if let Some((number, message)) = take(&mut self.clerk, &agent)? {
            self.clerk.release(number, message)?;
        }
        match agent.drop_role(&role) {
            Ok(_) | Err(Error::HandedOver { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The mailbox, from its peer if that has it.
pub(crate) fn own(bus: &Bus, operation: Operation) -> swarmbus_core::Result<Agent> {
    match bus.attach(operation.mailbox()) {
        Err(Error::AgentBusy { .. }) => bus.take_over(operation.mailbox()),
        result => result,
    }
}

/// Takes a message as the owner, if there is one and it still is the owner.
pub(crate) fn take<'a>(clerk: &mut Clerk, agent: &'a Agent) -> Result<Option<(u64, Message<'a>)>> {
    clerk.say(Event::Taking);
    got(clerk, agent.try_recv())
}

fn got<'a>(clerk: &mut Clerk, taken: swarmbus_core::Result<Option<Message<'a>>>) -> Result<Option<(u64, Message<'a>)>> {
    match taken {
        Ok(Some(message)) => {
            let number = number_of(&message)?;
            clerk.say(Event::Got(number, message.deliveries()));
            Ok(Some((number, message)))
        }
        Ok(None) | Err(Error::HandedOver { .. } | Error::AgentBusy { .. }) => {
            clerk.say(Event::Nothing);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
