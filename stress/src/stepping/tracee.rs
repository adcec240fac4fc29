//! A process whose operation goes on one machine instruction at a time.
//!
//! Only the thread that does the operation is stepped; others of its process (they ask, answer or hold a lock for it, or watch for its descriptor) run freely,
//! and whatever befalls the thread befalls the process.

use super::course::{Map, Place, Spot};
use crate::crash::{ASIDE, BORDER};
use crate::killer::Process;
use crate::{Failure, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use std::mem::offset_of;

/// This thread and another on one processor, where they take turns: that costs a fraction of what it costs across two. Ends when it is dropped.
struct Together(CpuSet);

impl Together {
    fn with(pid: Pid) -> Result<Together> {
        let before = sched_getaffinity(MYSELF)?;
        let mut here = CpuSet::new();
        here.set(sched_getcpu()?)?;
        sched_setaffinity(MYSELF, &here)?;
        sched_setaffinity(pid, &here)?;
        Ok(Together(before))
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        let _ = sched_setaffinity(MYSELF, &self.0);
    }
}

const MYSELF: Pid = Pid::from_raw(0);

/// A process that stands still in its operation. Dropped, it dies.
pub struct Tracee {
    pid: Pid,
    together: Together,
    map: Map,
    steps: u64,
    is_held: bool,
}

impl Tracee {
    /// Waits until a process comes to its operation. `None`: it ended before.
    ///
    /// # Errors
    /// When it stops elsewhere.
    pub fn at_operation(process: &Process) -> Result<Option<Tracee>> {
        let pid = Pid::from_raw(process.pid() as i32);
        let either = WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT;
        if matches!(waitid(Id::Pid(pid), either)?, WaitStatus::Exited(..) | WaitStatus::Signaled(..)) {
            return Ok(None);
        }
        let tracee = Tracee { pid, together: Together::with(pid)?, map: Map::of(pid)?, steps: 0, is_held: true };
        match waitpid(pid, None)? {
            WaitStatus::Stopped(_, BORDER) => {}
            other => return Err(odd(other)),
        }
        ptrace::setoptions(pid, ptrace::Options::PTRACE_O_EXITKILL)?;
        Ok(Some(tracee))
    }

    /// How many instructions it has done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Does one instruction. `false`: its operation has ended.
    ///
    /// # Errors
    /// When it dies of it, or hangs.
    pub fn step(&mut self) -> Result<bool> {
        let mut signal = None;
        loop {
            ptrace::step(self.pid, signal.take())?;
            match waitpid(self.pid, None)? {
                WaitStatus::Stopped(_, Signal::SIGTRAP) => {
                    self.steps += 1;
                    return Ok(true);
                }
                WaitStatus::Stopped(_, BORDER) => return Ok(false),
                WaitStatus::Stopped(_, ASIDE) => self.pass_aside()?,
                WaitStatus::Stopped(_, Signal::SIGALRM) => return Err("it hangs in its operation".into()),
                WaitStatus::Stopped(_, other) => signal = Some(other),
                other => return Err(self.lost(other)),
            }
        }
    }

    /// What is no part of its operation it does at full speed.
    fn pass_aside(&mut self) -> Result<()> {
        ptrace::cont(self.pid, None)?;
        match waitpid(self.pid, None)? {
            WaitStatus::Stopped(_, ASIDE) => Ok(()),
            other => Err(self.lost(other)),
        }
    }

    fn lost(&mut self, status: WaitStatus) -> Failure {
        self.is_held = !matches!(status, WaitStatus::Exited(..) | WaitStatus::Signaled(..));
        odd(status)
    }

    /// Goes on at full speed to a place in its course, by a breakpoint of the processor that no other thread sees. `false`: its operation ended before.
    ///
    /// # Errors
    /// As [`Tracee::step`].
    pub fn run_to(&mut self, place: &Place) -> Result<bool> {
        let Some(address) = self.map.address(&place.spot) else { return Ok(false) };
        let mut left = place.after + u64::from(self.instruction()? != address);
        while left > 0 {
            if !self.run_to_address(address)? {
                return Ok(false);
            }
            left -= 1;
        }
        for _ in 0..place.further {
            if !self.step()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn run_to_address(&mut self, address: u64) -> Result<bool> {
        let mut signal = None;
        self.set_breakpoint(Some(address))?;
        let reached = loop {
            ptrace::cont(self.pid, signal.take())?;
            match waitpid(self.pid, None)? {
                WaitStatus::Stopped(_, Signal::SIGTRAP) => break true,
                WaitStatus::Stopped(_, BORDER) => break false,
                WaitStatus::Stopped(_, ASIDE) => {
                    self.set_breakpoint(None)?;
                    self.pass_aside()?;
                    self.set_breakpoint(Some(address))?;
                }
                WaitStatus::Stopped(_, Signal::SIGALRM) => return Err("it hangs in its operation".into()),
                WaitStatus::Stopped(_, other) => signal = Some(other),
                other => return Err(self.lost(other)),
            }
        };
        self.set_breakpoint(None)?;
        Ok(reached)
    }

    fn set_breakpoint(&self, address: Option<u64>) -> Result<()> {
        let register = |number: usize| {
            (offset_of!(nix::libc::user, u_debugreg) + number * size_of::<u64>()) as ptrace::AddressType
        };
        // The seventh switches: its lowest bit is the first breakpoint, for whoever executes there.
        ptrace::write_user(self.pid, register(7), 0)?;
        if let Some(address) = address {
            ptrace::write_user(self.pid, register(0), address as i64)?;
            ptrace::write_user(self.pid, register(7), 1)?;
        }
        Ok(())
    }

    /// The address of its next instruction.
    fn instruction(&self) -> Result<u64> {
        Ok(ptrace::getregs(self.pid)?.rip)
    }

    /// Its next instruction.
    ///
    /// # Errors
    /// When that is nowhere.
    pub fn spot(&self) -> Result<Spot> {
        self.map.spot(self.instruction()?)
    }

    /// Whether its next instruction is a system call.
    ///
    /// # Errors
    /// When its registers or its code cannot be read.
    pub fn is_before_a_system_call(&self) -> Result<bool> {
        let code = ptrace::read(self.pid, self.instruction()? as ptrace::AddressType)?;
        Ok(code & 0xffff == 0x050f)
    }

    /// `kill -9`; returns when it is dead, and leaves its status to its parent.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> Result<()> {
        kill(self.pid, Signal::SIGKILL)?;
        waitid(Id::Pid(self.pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)?;
        self.is_held = false;
        Ok(())
    }

    /// Lets it run on by itself, with a signal.
    ///
    /// # Errors
    /// When it is not there any more.
    pub fn let_go(mut self, signal: Option<Signal>) -> Result<()> {
        sched_setaffinity(self.pid, &self.together.0)?;
        ptrace::detach(self.pid, signal)?;
        self.is_held = false;
        Ok(())
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        if self.is_held {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = waitid(Id::Pid(self.pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        }
    }
}

fn odd(status: WaitStatus) -> Failure {
    format!("a process that is stepped through its operation: {status:?}").into()
}
