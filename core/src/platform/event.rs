//! A descriptor for event loops, and the thread that makes it readable.

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use std::os::fd::{AsFd, BorrowedFd};

/// A thread that only waits needs little.
const STACK_BYTES: usize = 128 * 1024;

/// A descriptor that is readable while it is set.
pub struct Event(EventFd);

impl Event {
    /// Not set; not inherited by other programs.
    pub fn new() -> nix::Result<Event> {
        EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).map(Event)
    }

    /// Makes it readable.
    pub fn set(&self) {
        // It cannot be refused but when it was set 2⁶⁴ - 2 times.
        while self.0.write(1) == Err(Errno::EINTR) {}
    }

    /// Makes it unreadable.
    pub fn clear(&self) {
        // Refused when it is not set.
        while self.0.read() == Err(Errno::EINTR) {}
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Starts a thread in which no signal handler runs: they are the business of the program's own threads.
pub fn start_thread(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let mut before = SigSet::empty();
    // The new thread begins with the mask of the one that starts it.
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
    let started = std::thread::Builder::new().name(name.into()).stack_size(STACK_BYTES).spawn(body);
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    started.map(drop)
}
