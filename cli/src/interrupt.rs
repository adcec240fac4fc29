//! SIGINT, SIGTERM and SIGHUP as something a verb asks for, so that it leaves between two messages and not within one.
//!
//! The handler sets a flag and writes to a pipe: waits on the bus look at the flag, waits for input and output poll the
//! pipe, so that a signal between the look and the wait is not missed. A second signal of the same kind ends the process as if
//! nobody had asked for the first.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, PipeReader, Write};
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::exit::Failure;

static PENDING: AtomicI32 = AtomicI32::new(0);
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// Signals asked for, from `install` on until the process ends.
pub struct Interrupt {
    reader: PipeReader,
}

impl Interrupt {
    /// Asks for the signals. Those that the process was told to ignore, as `nohup` does, stay ignored.
    pub fn install() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::system(format!("cannot make a pipe for signals: {error}"));
        let (reader, writer) = std::io::pipe().map_err(failed)?;
        // The handler may run until the process ends, so its end of the pipe is never closed.
        PIPE.store(writer.into_raw_fd(), Ordering::SeqCst);
        // No SA_RESTART: a wait on the bus or for input has to return. SA_RESETHAND: the second signal ends the process.
        let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::SA_RESETHAND, SigSet::empty());
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            let refused = |errno: Errno| Failure::system(format!("cannot handle {signal}: {errno}"));
            // SAFETY: `on_signal` calls only what is async-signal-safe.
            let before = unsafe { sigaction(signal, &action) }.map_err(refused)?;
            if matches!(before.handler(), SigHandler::SigIgn) {
                // SAFETY: restores the disposition that was there before; it has no handler.
                unsafe { sigaction(signal, &before) }.map_err(refused)?;
            }
        }
        Ok(Self { reader })
    }

    /// The signal that came first, if one came.
    pub fn pending(&self) -> Option<i32> {
        match PENDING.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal),
        }
    }

    /// Fails with 128 + the signal's number if one came.
    pub fn check(&self) -> Result<(), Failure> {
        self.pending().map_or(Ok(()), |signal| Err(Failure::signal(signal)))
    }

    /// Waits until `input` can be read (data, or its end); fails as `check` does if a signal comes first.
    pub fn wait_readable(&self, input: BorrowedFd<'_>) -> Result<(), Failure> {
        let waited = self.wait(input, PollFlags::POLLIN);
        self.check()?;
        waited.map_err(|errno| Failure::system(format!("cannot wait for input: {errno}")))
    }

    /// Waits until the terminal may have something to read, at most so long; fails as `check` does if a signal comes first, and as for
    /// SIGHUP if the terminal has gone.
    pub fn wait_terminal(&self, terminal: BorrowedFd<'_>, patience: Duration) -> Result<(), Failure> {
        let mut fds = [PollFd::new(terminal, PollFlags::POLLIN), PollFd::new(self.reader.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(patience + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        // Other signals end it early: its size has changed, for example.
        let _ = poll(&mut fds, patience);
        self.check()?;
        let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        match fds[0].revents().is_some_and(|events| events.intersects(gone)) {
            true => Err(Failure::signal(Signal::SIGHUP as i32)),
            false => Ok(()),
        }
    }

    /// Sleeps; fails as `check` does if a signal comes first.
    pub fn sleep(&self, time: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + time;
        while self.pending().is_none() && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            // Rounded up: a wait of 0 ms would be a busy one.
            let left = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
            let _ = poll(&mut [PollFd::new(self.reader.as_fd(), PollFlags::POLLIN)], left);
        }
        self.check()
    }

    /// A writer to `file` for many small pieces: nothing is out before it is flushed, a flush is checked, and a signal
    /// ends one that waits for a slow reader.
    pub fn writer(&self, file: File) -> BufWriter<Interruptible<'_>> {
        BufWriter::with_capacity(1 << 16, Interruptible { file, interrupt: self })
    }

    /// Waits until the descriptor is ready or a signal has come.
    fn wait(&self, fd: BorrowedFd<'_>, ready: PollFlags) -> nix::Result<()> {
        let mut fds = [PollFd::new(fd, ready), PollFd::new(self.reader.as_fd(), PollFlags::POLLIN)];
        while self.pending().is_none() {
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                result => return result.map(|_| ()),
            }
        }
        Ok(())
    }
}

/// Output that a signal interrupts; the error is no `Interrupted`, which would be tried again.
pub struct Interruptible<'a> {
    file: File,
    interrupt: &'a Interrupt,
}

impl Write for Interruptible<'_> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        loop {
            self.interrupt.wait(self.file.as_fd(), PollFlags::POLLOUT)?;
            if self.interrupt.pending().is_some() {
                return Err(std::io::Error::other("interrupted by a signal"));
            }
            match self.file.write(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

extern "C" fn on_signal(signal: i32) {
    if PENDING.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
        let errno = Errno::last_raw();
        // SAFETY: stored before the handler was installed, and never closed.
        let pipe = unsafe { BorrowedFd::borrow_raw(PIPE.load(Ordering::SeqCst)) };
        let _ = nix::unistd::write(pipe, b"!");
        Errno::set_raw(errno);
    }
}
