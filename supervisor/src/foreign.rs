//! How a process ended that is not our child: the supervisor that started it is dead, and its parent is now another.

use crate::exit::Exit;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};

/// `struct pidfd_info` of Linux, in its first size.
#[derive(Default)]
#[repr(C)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    pids: [u32; 3],
    users: [u32; 8],
    exit_code: i32,
}

const _: () = assert!(size_of::<PidfdInfo>() == 64);

const PIDFD_GET_INFO: Opcode = opcode::read_write::<PidfdInfo>(0xFF, 11);

const PIDFD_INFO_EXIT: u64 = 1 << 3;

/// How a process ended that has ended. Its descriptor tells after its parent has collected it (since Linux 6.15), `/proc` before
/// that; in between both are asked again.
pub fn exit_of(pid: u32, pidfd: &OwnedFd) -> Exit {
    let told = by_descriptor(pidfd).or_else(|| by_proc(pid)).or_else(|| by_descriptor(pidfd));
    told.map_or(Exit::Unknown, of_wait_status)
}

fn by_descriptor(pidfd: &OwnedFd) -> Option<i32> {
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the number is that of PIDFD_GET_INFO for a structure of this size, which the kernel fills and does not go beyond; the
    // structure holds plain numbers only, so whatever is written there is one.
    let request = unsafe { Updater::<PIDFD_GET_INFO, PidfdInfo>::new(&mut info) };
    // SAFETY: as above; a kernel that knows nothing of it answers with an error.
    unsafe { ioctl(pidfd.as_fd(), request) }.ok()?;
    (info.mask & PIDFD_INFO_EXIT != 0).then_some(info.exit_code)
}

/// The last field of a zombie's `stat`.
fn by_proc(pid: u32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    (fields.next()? == "Z").then(|| fields.nth(48)?.parse().ok())?
}

/// As `wait` gives it: the signal in the low bits, the code above.
fn of_wait_status(status: i32) -> Exit {
    match status & 0x7f {
        0 => Exit::Code(status >> 8 & 0xff),
        signal => Exit::Signal(signal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Stranger, pidfd};
    use std::process::Command;
    use std::time::{Duration, Instant};

    fn told_of(script: &str) -> (Exit, Exit) {
        let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let pidfd = pidfd(child.id()).unwrap();
        let held = Stranger::hold(child.id(), false, || true).unwrap();
        held.wait(Instant::now() + Duration::from_secs(60));
        let before = exit_of(child.id(), &pidfd);
        child.wait().unwrap();
        (before, exit_of(child.id(), &pidfd))
    }

    #[test]
    fn the_kernel_tells_of_a_process_that_is_not_waited_for() {
        for (script, exit) in [("exit 3", Exit::Code(3)), ("exit 0", Exit::Code(0)), ("kill -9 $$", Exit::Signal(9))] {
            let (before, after) = told_of(script);
            assert_eq!(before, exit, "{script}");
            assert!(after == exit || after == Exit::Unknown, "{script}: {after:?} after it was collected");
        }
    }
}
