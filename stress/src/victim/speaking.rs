//! Victims that say what they do.

use super::Victim;
use crate::Result;
use crate::boards::{speaker, status_of};
use crate::ledger::Event;
use crate::scene::Clerk;
use swarmbus_core::{Agent, Bus, Error};

/// Attaches a speaker. `None`: a peer is it at the moment.
///
/// # Errors
/// Those of attaching, but `AgentBusy`.
pub fn attach(bus: &Bus, who: u64) -> Result<Option<Agent>> {
    match bus.attach(&speaker(who)) {
        Ok(agent) => Ok(Some(agent)),
        Err(Error::AgentBusy { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Sets the next status of a speaker.
///
/// # Errors
/// Those of setting it.
pub fn say(clerk: &mut Clerk, agent: &Agent, who: u64) -> Result<()> {
    let number = clerk.reserve(1);
    clerk.say(Event::Saying(who, number));
    agent.set_status(&status_of(number))?;
    clerk.say(Event::Said(who, number));
    Ok(())
}

impl Victim {
    /// The first status of a name.
    pub(super) fn speak(&mut self) -> Result<()> {
        let who = self.round % 20;
        let Some(agent) = attach(&self.bus, who)? else { return Ok(()) };
        self.armed(|clerk| say(clerk, &agent, who))
    }

    /// One more of the same owner.
    pub(super) fn speak_again(&mut self) -> Result<()> {
        let Some(agent) = attach(&self.bus, 0)? else { return Ok(()) };
        say(&mut self.clerk, &agent, 0)?;
        self.armed(|clerk| say(clerk, &agent, 0))
    }

    /// The first of another owner, who took the mailbox from one that lives.
    pub(super) fn speak_after(&mut self) -> Result<()> {
        let Some(before) = attach(&self.bus, 0)? else { return Ok(()) };
        say(&mut self.clerk, &before, 0)?;
        let agent = self.bus.take_over(&speaker(0))?;
        self.armed(|clerk| say(clerk, &agent, 0))
    }
}
