//! Victims that ask or answer.

use super::{LONG, Victim};
use crate::Result;
use crate::killer::PATIENCE;
use crate::ledger::Event;
use crate::scene::{Clerk, patience, payload};
use nix::unistd::gettid;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use swarmbus_core::{Bus, Error, Lane};

impl Victim {
    /// With so many answers to the same question before.
    pub(super) fn answer(&mut self, before: usize) -> Result<()> {
        let (bus, member) = (self.bus.clone(), self.bus.join()?);
        member.set_sender("victim-0")?;
        self.clerk.send(&member, "questions", 40, &patience(Lane::Normal, Duration::ZERO))?;
        let asker = bus.join()?;
        let Some((number, question)) = self.clerk.take(&asker, "questions", LONG)? else { return Ok(()) };
        for _ in 0..before {
            self.clerk.reply(&question)?;
        }
        self.armed(|clerk| clerk.reply(&question))?;
        self.clerk.release(number, question)
    }

    pub(super) fn answer_parts(&mut self) -> Result<()> {
        let member = self.bus.join()?;
        member.set_sender("victim-0")?;
        self.clerk.send(&member, "questions", 40, &patience(Lane::Normal, Duration::ZERO))?;
        let asker = self.bus.join()?;
        let Some((number, question)) = self.clerk.take(&asker, "questions", LONG)? else { return Ok(()) };
        self.armed(|clerk| {
            clerk.reply_part(&question)?;
            clerk.reply(&question)
        })?;
        self.clerk.release(number, question)
    }

    /// It answers itself first: then the parts are there.
    pub(super) fn read_parts(&mut self) -> Result<()> {
        let agent = match self.bus.attach("caller") {
            Ok(agent) => agent,
            Err(Error::AgentBusy { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let (number, answering) = (self.clerk.reserve(1), self.bus.join()?);
        self.clerk.say(Event::Trying(number));
        let mut answers = match agent.call_stream("questions", &payload(number, 40), &patience(Lane::Normal, LONG)) {
            Ok(answers) => answers,
            Err(Error::Timeout) => {
                self.clerk.say(Event::Refused(number));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.clerk.say(Event::Sent(number));
        if let Some((number, question)) = self.clerk.take(&answering, "questions", LONG)? {
            for _ in 0..2 {
                self.clerk.reply_part(&question)?;
            }
            self.clerk.reply(&question)?;
            self.clerk.release(number, question)?;
        }
        self.armed(|clerk| {
            while clerk.read_part(&mut answers, LONG)? {}
            Ok(())
        })
    }

    /// A thread of its own answers; it is asleep when the question comes, and answers when who asked is asleep, so that all goes the same way
    /// every time.
    pub(super) fn call(&mut self) -> Result<()> {
        let agent = match self.bus.attach("caller") {
            Ok(agent) => agent,
            Err(Error::AgentBusy { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let (bus, first, caller) = (self.bus.clone(), self.clerk.reserve(10), gettid().as_raw());
        // Next to a peer, who may be faster to ask or to answer, neither waits for long.
        let patience = if self.orders.times == 1 { PATIENCE } else { LONG };
        let thread = AtomicI32::new(0);
        std::thread::scope(|threads| {
            let answering = threads.spawn(|| answer_sleeper(&bus, first, caller, &thread, patience));
            let started = Instant::now();
            while !is_asleep(thread.load(Relaxed)) && !answering.is_finished() && started.elapsed() < patience {
                std::thread::yield_now();
            }
            let called = self.armed(|clerk| clerk.call(&agent, "questions", patience));
            answering.join().map_err(|_| "the answering thread panicked")??;
            called.map(drop)
        })
    }
}

fn answer_sleeper(bus: &Bus, first: u64, caller: i32, thread: &AtomicI32, patience: Duration) -> Result<()> {
    let (member, mut clerk) = (bus.join()?, Clerk::new(first, false));
    thread.store(gettid().as_raw(), Relaxed);
    let Some((number, question)) = clerk.take(&member, "questions", patience)? else { return Ok(()) };
    let started = Instant::now();
    while !is_asleep(caller) && started.elapsed() < patience {
        std::thread::yield_now();
    }
    clerk.reply(&question)?;
    clerk.release(number, question)
}

/// Whether the kernel has put a thread of this process to sleep.
pub(super) fn is_asleep(thread: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('S'))
}
