//! How often an agent that attaches asks the kernel for something.

use super::company::options;
use crate::Result;
use crate::scene::Scene;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::path::Path;
use std::process::Command;
use swarmbus_core::Bus;

/// System calls of a process that opens a bus and attaches.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    /// To open the bus.
    pub open: u32,
    /// To attach the first handle.
    pub attach: u32,
    /// To attach another.
    pub another: u32,
    /// To close that again.
    pub close: u32,
}

/// Counts them, on a bus of its own.
///
/// # Errors
/// When the process cannot be watched.
pub fn calls(program: &Path) -> Result<Calls> {
    let scene = Scene::new(&options(8))?;
    let mut child = Command::new(program).args(["counted", "--bus", scene.name()]).spawn()?;
    let pid = Pid::from_raw(child.id() as i32);
    let counts = (0..5).map(|_| count_to_stop(pid)).collect::<Result<Vec<_>>>();
    let _ = child.kill();
    child.wait()?;
    let [_, open, attach, another, close] = counts?[..] else { return Err("five counts".into()) };
    Ok(Calls { open, attach, another, close })
}

/// System calls until the process stops itself; that is one of them and not counted.
fn count_to_stop(pid: Pid) -> Result<u32> {
    let mut stops = 0;
    loop {
        match waitpid(pid, None)? {
            WaitStatus::PtraceSyscall(_) => stops += 1,
            WaitStatus::Stopped(_, Signal::SIGSTOP) => break,
            WaitStatus::Stopped(..) => {}
            status => return Err(format!("the process that was to be watched: {status:?}").into()),
        }
        ptrace::syscall(pid, None)?;
    }
    ptrace::setoptions(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD)?;
    ptrace::syscall(pid, None)?;
    // Each is seen as it begins and as it ends.
    Ok(stops / 2)
}

/// The process that is watched.
///
/// # Errors
/// Those of attaching.
pub fn counted(bus: &str) -> Result<()> {
    ptrace::traceme()?;
    let stop = || raise(Signal::SIGSTOP);
    stop()?;
    let bus = Bus::open(bus)?;
    stop()?;
    let first = bus.attach("first")?;
    stop()?;
    let another = bus.attach("another")?;
    stop()?;
    drop(another);
    stop()?;
    drop(first);
    Ok(())
}
