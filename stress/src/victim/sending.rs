//! Victims that send.

use super::{LONG, Victim};
use crate::Result;
use crate::killer::PATIENCE;
use crate::scene::patience;
use std::time::Duration;
use swarmbus_core::{Error, Lane, Member};

impl Victim {
    pub(super) fn send(&mut self, to: &str, length: usize, lane: Lane, timeout: Duration, warm: bool) -> Result<()> {
        let member = self.bus.join()?;
        if warm {
            self.clerk.send(&member, to, length, &patience(Lane::Normal, timeout))?;
        }
        self.armed(|clerk| clerk.send(&member, to, length, &patience(lane, timeout)).map(|_| ()))
    }

    /// To a queue whose lane is there, and empty again.
    pub(super) fn send_empty(&mut self, member: &Member) -> Result<()> {
        self.clerk.send(member, "quiet", 40, &patience(Lane::Normal, LONG))?;
        if let Some((number, message)) = self.clerk.take(member, "quiet", LONG)? {
            self.clerk.release(number, message)?;
        }
        self.armed(|clerk| clerk.send(member, "quiet", 40, &patience(Lane::Normal, LONG)).map(drop))
    }

    /// What is done to send 5 MiB, but for the copy: that is millions of instructions that nobody else sees the work of.
    pub(super) fn publish_large(&mut self, member: &Member) -> Result<()> {
        self.armed(|clerk| match clerk.publish(member, "q", (5 << 20, 40), &patience(Lane::Normal, PATIENCE)) {
            // Next to a peer the heap may be full.
            Err(error) if matches!(error.downcast_ref(), Some(Error::OutOfMemory { .. })) => Ok(()),
            result => result,
        })
    }

    pub(super) fn send_starved(&mut self, member: &Member) -> Result<()> {
        let mut loans = Vec::new();
        for length in [5 << 20, 2 << 20] {
            while let Ok(loan) = member.loan(length) {
                loans.push(loan);
            }
        }
        // Next to a peer there may be nothing to drop; then there is nothing to take, either.
        drop((!loans.is_empty()).then(|| loans.swap_remove(0)));
        self.armed(|clerk| clerk.send(member, "q", 3000, &patience(Lane::Normal, LONG)).map(|_| ()))
    }

    pub(super) fn send_waking(&mut self, member: &Member) -> Result<()> {
        // Its own sleep leaves the sleepers' bit set, as that of anybody who was not found asleep.
        if let Some((number, message)) = self.clerk.take(member, "quiet", Duration::from_millis(1))? {
            self.clerk.release(number, message)?;
        }
        self.armed(|clerk| clerk.send(member, "quiet", 40, &patience(Lane::Normal, LONG)).map(|_| ()))
    }
}
