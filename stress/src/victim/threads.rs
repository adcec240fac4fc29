//! Victims whose handles are bound to threads.

use super::{LONG, Victim};
use crate::Result;
use std::path::Path;
use std::time::Duration;
use swarmbus_core::Member;

impl Victim {
    /// A handle of a thread that has ended, with a message in flight and a loan.
    fn left_by_a_thread(&mut self) -> Result<Member> {
        let (bus, clerk) = (&self.bus, &mut self.clerk);
        let (member, tid) = std::thread::scope(|threads| {
            let thread = threads.spawn(move || -> Result<_> {
                let member = bus.join()?;
                // SAFETY: outside this thread it is dropped, nothing else.
                unsafe { member.bind_to_thread() }?;
                let _held = clerk.take(&member, "q", LONG)?.map(|(_, message)| message.into_raw());
                let _loan = member.loan(40)?.into_raw();
                Ok((member, nix::unistd::gettid()))
            });
            thread.join().map_err(|_| "the thread panicked")?
        })?;
        let task = format!("/proc/self/task/{tid}");
        while Path::new(&task).exists() {
            // It can be joined a moment before it is gone.
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(member)
    }

    pub(super) fn bind(&mut self) -> Result<()> {
        let member = self.bus.join()?;
        self.armed(|_| {
            // SAFETY: used and dropped by this thread.
            Ok(unsafe { member.bind_to_thread() }?)
        })
    }

    pub(super) fn close_late(&mut self) -> Result<()> {
        let member = self.left_by_a_thread()?;
        self.armed(|_| {
            drop(member);
            Ok(())
        })
    }

    pub(super) fn reap_threads(&mut self, member: &Member) -> Result<()> {
        let late = self.left_by_a_thread()?;
        self.armed(|_| {
            member.reap()?;
            Ok(())
        })?;
        drop(late);
        Ok(())
    }
}
