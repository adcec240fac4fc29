//! Victims that wait for many queues, ring for those who do, or have a descriptor.

use super::{LONG, Victim};
use crate::Result;
use crate::killer::PATIENCE;
use crate::scene::patience;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use swarmbus_core::{Lane, Member};

impl Victim {
    pub(super) fn send_group(&mut self, member: &Member) -> Result<()> {
        // The lane is there, and a chunk.
        self.clerk.send(member, "quiet", 40, &patience(Lane::Normal, LONG))?;
        // Its own sleep leaves the bit of the group set: in builds with crash points, a sleep on two queues is one on groups.
        while let Some((number, message)) =
            self.clerk.take_any(member, &["quiet", "crowded"], Duration::from_millis(1))?
        {
            self.clerk.release(number, message)?;
        }
        self.armed(|clerk| clerk.send(member, "quiet", 40, &patience(Lane::Normal, LONG)).map(|_| ()))
    }

    pub(super) fn watch(&mut self, member: &Member) -> Result<()> {
        self.armed(|clerk| {
            let descriptor = member.descriptor_for(&["q"])?;
            poll(&mut [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)], PollTimeout::try_from(LONG)?)?;
            if let Some((number, message)) = clerk.next(&descriptor)? {
                clerk.release(number, message)?;
            }
            drop(descriptor);
            // The thread that watched dies in our stead, if that is where we are to die.
            let start = Instant::now();
            while std::fs::read_dir("/proc/self/task")?.count() > 1 {
                if start.elapsed() > PATIENCE {
                    return Err("the watcher does not end".into());
                }
                std::thread::sleep(Duration::from_micros(100));
            }
            Ok(())
        })
    }
}
