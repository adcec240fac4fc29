//! Victims that take messages, release them or give them back.

use super::{LONG, Victim};
use crate::Result;
use crate::scene::patience;
use std::time::Duration;
use swarmbus_core::{Lane, Member};

impl Victim {
    pub(super) fn release(&mut self, member: &Member) -> Result<()> {
        let Some((number, message)) = self.clerk.take(member, "q", LONG)? else { return Ok(()) };
        self.armed(|clerk| clerk.release(number, message))
    }

    pub(super) fn nack_full(&mut self, member: &Member) -> Result<()> {
        while let Some((number, message)) = self.clerk.take(member, "crowded", Duration::ZERO)? {
            self.clerk.release(number, message)?;
        }
        // One message more than a ring has slots, all of them in flight.
        let mut messages = Vec::new();
        for _ in 0..17 {
            self.clerk.send(member, "crowded", 40, &patience(Lane::Normal, Duration::ZERO))?;
            messages.extend(self.clerk.take(member, "crowded", Duration::ZERO)?);
        }
        let Some((_, last)) = messages.pop() else { return Ok(()) };
        for (_, message) in messages {
            message.nack()?;
        }
        self.armed(|_| Ok(last.nack()?))
    }
}
