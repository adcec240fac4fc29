//! Commands that verbs run: under a lock, or for a message on their standard input.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, ExitCode, ExitStatus, Stdio};

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp, getpid, getppid, tcgetpgrp};
use swarmbus_core::Message;
use swarmbus_supervisor::process::pidfd;

use crate::exit::{self, Failure};
use crate::interrupt::Interrupt;
use crate::trace::VARIABLE;

/// What shells exit with if a command is not there, or is none.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// A command that runs. It does not outlive this process: what it does, it does under our lock or for our message.
pub struct Running {
    child: Child,
    ended: OwnedFd,
}

impl Running {
    /// Starts a command. If this process dies, it gets SIGTERM.
    pub fn start(mut command: Command) -> Result<Self, Failure> {
        let name = command.get_program().to_string_lossy().into_owned();
        let us = getpid();
        let die_with_us = move || {
            set_pdeathsig(Signal::SIGTERM)?;
            // If we are dead already, no signal will come.
            if getppid() == us { Ok(()) } else { Err(Errno::ESRCH.into()) }
        };
        // SAFETY: two system calls, in the child, which allocate nothing.
        unsafe {
            command.pre_exec(die_with_us);
        }
        let mut child = command.spawn().map_err(|error| {
            let code = if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE };
            Failure::new(code, format!("cannot run {name}: {error}"))
        })?;
        match pidfd(child.id()) {
            Ok(ended) => Ok(Self { child, ended }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(Failure::system(format!("cannot watch {name}: {error}")))
            }
        }
    }

    /// Waits until it ends. A signal that reaches us goes on to it; it decides what it does with that.
    pub fn wait(&mut self, interrupt: &Interrupt) -> Result<ExitStatus, Failure> {
        let asked_to_end = interrupt.wait_readable(self.ended.as_fd()).is_err();
        if asked_to_end {
            self.pass_on(interrupt);
        }
        self.child.wait().map_err(|error| Failure::system(format!("cannot wait for the command: {error}")))
    }

    /// What it writes on standard output, if that was piped: gives pieces as they come, to the end.
    pub fn read(
        &mut self,
        interrupt: &Interrupt,
        mut piece: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Some(mut output) = self.child.stdout.take() else { return Ok(()) };
        let mut block = vec![0; 1 << 16];
        while let count @ 1.. = read_some(&mut output, &mut block, interrupt)? {
            piece(&block[..count])?;
        }
        Ok(())
    }

    /// Ends it, after what it was for has failed.
    pub fn stop(&mut self, interrupt: &Interrupt) {
        match interrupt.pending() {
            Some(_) => self.pass_on(interrupt),
            None => self.signal(Signal::SIGTERM),
        }
        let _ = self.child.wait();
    }

    fn pass_on(&self, interrupt: &Interrupt) {
        let signal = interrupt.pending().and_then(|signal| Signal::try_from(signal).ok());
        // A terminal's Ctrl-C has reached it as well.
        if let Some(signal) = signal.filter(|signal| *signal != Signal::SIGINT || !is_in_foreground()) {
            self.signal(signal);
        }
    }

    /// It is our child and has not been waited for, so its number is nobody else's.
    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

fn read_some(output: &mut ChildStdout, block: &mut [u8], interrupt: &Interrupt) -> Result<usize, Failure> {
    loop {
        interrupt.wait_readable(output.as_fd())?;
        match output.read(block) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.map_err(|error| Failure::io("cannot read what the command says", &error)),
        }
    }
}

/// Whether Ctrl-C at the terminal reaches the commands that we start as it reaches us.
fn is_in_foreground() -> bool {
    File::open("/dev/tty").is_ok_and(|terminal| tcgetpgrp(terminal.as_fd()) == Ok(getpgrp()))
}

/// The command of these words.
pub fn command(words: &[OsString]) -> Result<Command, Failure> {
    let (program, arguments) =
        words.split_first().ok_or_else(|| Failure::usage("no command is named: write it after --"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// The command of these words, with a message on its standard input and about it in its environment.
pub fn command_for(words: &[OsString], message: &Message<'_>, bus: &str) -> Result<Command, Failure> {
    let mut command = command(words)?;
    command
        .env("SWARMBUS", bus)
        .env("SWARMBUS_QUEUE", message.queue())
        .env("SWARMBUS_SENDER", message.sender().unwrap_or_default())
        .env("SWARMBUS_MESSAGE_ID", message.id().0.to_string())
        .env("SWARMBUS_LANE", message.lane().to_string())
        .env("SWARMBUS_DELIVERIES", message.deliveries().to_string())
        .env("SWARMBUS_CORRELATION", message.correlation().to_string())
        .stdin(Stdio::from(as_file(message.data())?));
    // What the command sends belongs to the trace of the message, or to none: not to ours.
    match message.trace() {
        Some(trace) => command.env(VARIABLE, trace.to_string()),
        None => command.env_remove(VARIABLE),
    };
    Ok(command)
}

/// A payload as a file of memory: whoever reads it may do so at any pace, or not at all.
fn as_file(payload: &[u8]) -> Result<OwnedFd, Failure> {
    let failed = |error: std::io::Error| Failure::system(format!("cannot hand over the payload: {error}"));
    let memfd = memfd_create("payload", MFdFlags::MFD_CLOEXEC).map_err(|errno| failed(errno.into()))?;
    let mut file = File::from(memfd);
    file.write_all(payload).and_then(|()| file.rewind()).map_err(failed)?;
    Ok(file.into())
}

/// The exit code of a command as shells report it.
pub fn code_of(status: ExitStatus) -> ExitCode {
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitCode::from(u8::try_from(code).unwrap_or(exit::SOFTWARE)),
        (None, Some(signal)) => exit::by_signal(signal),
        (None, None) => ExitCode::from(exit::SOFTWARE),
    }
}

/// How a command ended, for people.
pub fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal().map(Signal::try_from)) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(Ok(signal))) => format!("was killed by {signal}"),
        (None, _) => "ended by a signal".to_owned(),
    }
}
