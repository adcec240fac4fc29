//! Victims that send and take batches, and messages that wait for their time.

use super::{LONG, Victim};
use crate::Result;
use crate::scene::patience;
use std::time::Duration;
use swarmbus_core::{Lane, Member};

const MOMENT: Duration = Duration::from_millis(1);

impl Victim {
    pub(super) fn send_batch(&mut self, member: &Member) -> Result<()> {
        self.armed(|clerk| clerk.send_batch(member, "q", 3, &patience(Lane::Normal, Duration::ZERO))).map(drop)
    }

    /// The first message is released before the second is taken.
    pub(super) fn receive_batch(&mut self, member: &Member) -> Result<()> {
        self.clerk.send_batch(member, "q", 3, &patience(Lane::Urgent, LONG))?;
        self.armed(|clerk| {
            for _ in 0..3 {
                let Some((number, message)) = clerk.take(member, "q", LONG)? else { break };
                clerk.release(number, message)?;
            }
            Ok(())
        })
    }

    pub(super) fn park(&mut self, member: &Member) -> Result<()> {
        let Some((_, message)) = self.clerk.take(member, "q", LONG)? else { return Ok(()) };
        self.armed(|_| message.nack_after(MOMENT).map_err(|refused| refused.error.into()))
    }

    pub(super) fn receive_parked(&mut self, member: &Member) -> Result<()> {
        let Some((_, message)) = self.clerk.take(member, "q", LONG)? else { return Ok(()) };
        message.nack_after(MOMENT).map_err(|refused| refused.error)?;
        std::thread::sleep(2 * MOMENT);
        self.armed(|clerk| clerk.take(member, "q", LONG)).map(drop)
    }
}
