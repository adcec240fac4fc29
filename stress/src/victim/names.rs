//! Victims that join, own, leave, bury the dead, or make and destroy a bus.

use super::{LONG, Operation, Orders, Victim};
use crate::Result;
use crate::crash::Point;
use crate::scene::second_of;
use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;
use swarmbus_core::{Bus, CreateOptions, Error, Member, QueueOptions};

impl Victim {
    pub(super) fn attach(&mut self, name: &str) -> Result<()> {
        let bus = self.bus.clone();
        match self.armed(|_| Ok(bus.attach(name)))? {
            // Released outside the crash points; that is `Close`'s business.
            Ok(agent) => drop(agent),
            Err(Error::AgentBusy { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    pub(super) fn close(&mut self) -> Result<()> {
        let agent = match self.bus.attach(&format!("victim-{}", self.round % 20)) {
            Ok(agent) => agent,
            Err(Error::AgentBusy { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let member: &Member = &agent;
        member.supervise()?;
        // Kept alive by number alone, as a binding does: closing gives it back.
        let _held = self.clerk.take(member, "q", LONG)?.map(|(_, message)| message.into_raw());
        let _loan = member.loan(40)?.into_raw();
        self.armed(|_| {
            agent.close();
            Ok(())
        })
    }

    /// Lets a child die of `operation`. Its ledger is ours: the same open file.
    pub(super) fn leave_corpse(&mut self, operation: Operation, at: Point) -> Result<()> {
        if self.orders.at == Point::Stepped {
            // It was left before: who is stepped through its operation has no crash points to leave one at.
            return Ok(());
        }
        let (first, times) = (self.clerk.reserve(1000), self.orders.times.min(2));
        let arguments = Orders { bus: self.orders.bus.clone(), operation, at, times, first, mistake: None }.arguments();
        let status = Command::new("/proc/self/exe").args(arguments).status()?;
        // A peer may have been there before it: then there is nothing to die of.
        let alone = self.orders.times == 1;
        if !status.success() && status.signal() != Some(Signal::SIGKILL as i32) || alone && status.success() {
            return Err(format!("the corpse of {operation:?} at {at} ended with {status}").into());
        }
        Ok(())
    }

    pub(super) fn reap(&mut self, member: &Member) -> Result<()> {
        for (operation, at) in self.orders.operation.corpses() {
            self.leave_corpse(operation, at)?;
        }
        self.armed(|_| {
            member.reap()?;
            Ok(())
        })
    }
}

/// The second bus, made anew if a dead victim or a peer left it in whatever state.
///
/// # Errors
/// Those of [`Bus::open_or_create`].
pub fn make_second(bus: &str) -> swarmbus_core::Result<Bus> {
    let options = CreateOptions { agents: 4, heap: 4 << 20, limit: 16, ..CreateOptions::default() };
    Bus::open_or_create(&second_of(bus), &options)
}

/// The second bus with a queue in which a bit says that somebody sleeps, so that its destroyer rings.
pub(super) fn rehearse_second(bus: &str) -> swarmbus_core::Result<Bus> {
    let second = make_second(bus)?;
    second.declare("sleepers", &QueueOptions::default())?;
    match second.join()?.receive("sleepers", Some(Duration::from_millis(1))) {
        Ok(_) | Err(Error::Timeout) => Ok(second),
        Err(error) => Err(error),
    }
}
