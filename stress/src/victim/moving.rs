//! Victims that move messages elsewhere: on, to the dead letters, back from there, or away.

use super::{LONG, Victim};
use crate::Result;
use crate::ledger::Mark::Expendable;
use crate::scene::patience;
use std::time::Duration;
use swarmbus_core::{Lane, Member, SendOptions};

/// The slots of a ring of the scene.
const SLOTS: usize = 16;

impl Victim {
    pub(super) fn forward(&mut self, member: &Member, to: &str) -> Result<()> {
        let Some((number, message)) = self.clerk.take(member, "q", LONG)? else { return Ok(()) };
        self.armed(|clerk| clerk.forward(number, message, to, Duration::ZERO).map(drop))
    }

    pub(super) fn forward_full(&mut self, member: &Member) -> Result<()> {
        while self.clerk.send(member, "crowded", 40, &patience(Lane::Normal, Duration::ZERO))? {}
        self.forward(member, "crowded")
    }

    /// A message that its queue will not deliver once more.
    fn wear_out(&mut self, member: &Member) -> Result<()> {
        let marks = self.orders.operation.marks();
        self.clerk.send_marked(marks, member, "mortal", &patience(Lane::Normal, Duration::ZERO))?;
        // Taken and dropped, it waits for redelivery.
        self.clerk.take(member, "mortal", Duration::ZERO)?;
        Ok(())
    }

    pub(super) fn dead_letter(&mut self, member: &Member) -> Result<()> {
        self.wear_out(member)?;
        self.armed(|clerk| clerk.take(member, "mortal", Duration::ZERO)).map(drop)
    }

    pub(super) fn dead_letter_full(&mut self, member: &Member) -> Result<()> {
        while self.clerk.send_marked(&[Expendable], member, "dead", &patience(Lane::Normal, Duration::ZERO))? {}
        self.dead_letter(member)
    }

    pub(super) fn expire(&mut self, member: &Member, queue: &str) -> Result<()> {
        let at_once = SendOptions { time_to_live: Some(Duration::ZERO), ..patience(Lane::High, Duration::ZERO) };
        self.clerk.send_marked(&[Expendable], member, queue, &at_once)?;
        self.armed(|clerk| clerk.take(member, queue, Duration::ZERO)).map(drop)
    }

    pub(super) fn make_room(&mut self, member: &Member) -> Result<()> {
        let options = patience(Lane::Normal, Duration::ZERO);
        // As many as fit, and one that has its first dead letter behind it.
        for _ in 0..5 {
            self.clerk.send_marked(&[Expendable], member, "roomy", &options)?;
        }
        self.armed(|clerk| clerk.send_marked(&[Expendable], member, "roomy", &options)).map(drop)
    }

    pub(super) fn purge(&mut self, member: &Member) -> Result<()> {
        // Somebody else fills the queue, and leaves: who purges has noted nothing of it.
        let other = self.bus.join()?;
        for lane in [Lane::Normal, Lane::Normal, Lane::Low] {
            self.clerk.send_marked(&[Expendable], &other, "crowded", &patience(lane, Duration::ZERO))?;
        }
        drop(self.clerk.take(&other, "crowded", Duration::ZERO)?);
        drop(other);
        self.armed(|clerk| clerk.purge(member, "crowded"))
    }

    pub(super) fn redrive(&mut self, member: &Member) -> Result<()> {
        for _ in 0..2 {
            self.wear_out(member)?;
        }
        // Nothing is delivered any more: both are dead letters now.
        self.clerk.take(member, "mortal", Duration::ZERO)?;
        self.armed(|_| Ok(member.redrive("dead", 10)?)).map(drop)
    }

    /// Takes what waits in the redelivery ring, so that what waits in limbo has room to come back, and takes that.
    pub(super) fn fetch(&mut self, member: &Member) -> Result<()> {
        for (operation, at) in self.orders.operation.corpses() {
            self.leave_corpse(operation, at)?;
        }
        member.reap()?;
        for _ in 0..SLOTS {
            let Some((number, message)) = self.clerk.take(member, "crowded", Duration::ZERO)? else { break };
            self.clerk.release(number, message)?;
        }
        self.armed(|clerk| clerk.take(member, "crowded", Duration::ZERO)).map(drop)
    }
}
