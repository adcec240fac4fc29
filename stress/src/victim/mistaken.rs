//! Victims that do wrong: what they do and what they write down are not one after the other.

use super::{LONG, Victim};
use crate::Result;
use crate::ledger::Event;
use crate::mistake::Mistake;
use crate::scene::{patience, payload};
use swarmbus_core::Lane;

impl Victim {
    /// Makes a mistake in its operation. Those of others it has no part in.
    pub(super) fn err(&mut self, mistake: Mistake) -> Result<()> {
        let member = self.bus.join()?;
        let options = patience(Lane::Normal, LONG);
        match mistake {
            Mistake::SayBeforeSending => self.armed(|clerk| {
                let number = clerk.reserve(1);
                clerk.say(Event::Trying(number));
                clerk.say(Event::Sent(number));
                Ok(member.send("q", &payload(number, 40), &options).map(drop)?)
            }),
            Mistake::SayBeforeReleasing => {
                let Some((number, message)) = self.clerk.take(&member, "q", LONG)? else { return Ok(()) };
                self.armed(|clerk| {
                    clerk.say(Event::Releasing(number));
                    clerk.say(Event::Released(number));
                    Ok(message.release()?)
                })
            }
            Mistake::CloseMeanwhile => self.armed(|_| {
                member.close_queue("q")?;
                Ok(member.reopen_queue("q")?)
            }),
            Mistake::BuryNobody | Mistake::KillThePaused => self.once(),
        }
    }
}
