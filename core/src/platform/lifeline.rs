//! Notices at once that a process ends: a thread that sleeps on its descriptor.

use super::event::{Event, start_thread};
use super::process::pidfd;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, channel};

/// Watches a process until this is dropped.
pub struct Lifeline {
    end: std::sync::Arc<Event>,
    /// Closed by the thread when it is done.
    done: Receiver<()>,
    fork: u32,
}

impl Lifeline {
    /// Calls `ended` when the process ends, from a thread of its own. `None`: the system does not let us.
    pub fn of(pid: u32, ended: impl FnOnce() + Send + 'static) -> Option<Lifeline> {
        let (process, end) = (pidfd(pid)?, std::sync::Arc::new(Event::new().ok()?));
        let (alive, done) = channel::<()>();
        let thread = end.clone();
        start_thread("swarmbus-standby", move || {
            if wait_for_end(&process, &thread) {
                ended();
            } else {
                drop(ended);
            }
            drop(alive);
        })
        .ok()?;
        Some(Lifeline { end, done, fork: super::fork::generation() })
    }
}

/// `true` when the process has ended, `false` when nobody wants to know any more.
fn wait_for_end(process: &OwnedFd, end: &Event) -> bool {
    loop {
        let mut ready = [PollFd::new(process.as_fd(), PollFlags::POLLIN), PollFd::new(end.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            Err(_) => return false,
            Ok(_) => return ready[1].any() != Some(true),
        }
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        if self.fork != super::fork::generation() {
            // The thread is the parent's.
            return;
        }
        self.end.set();
        // What `ended` holds is let go of before this returns.
        let _ = self.done.recv();
    }
}
