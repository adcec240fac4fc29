//! Who is dead: the kernel's word about processes.
//!
//! A pid alone does not name a process, so a claim holds a stamp as well: the inode of the process' pidfd where the kernel gives
//! every process one of its own (pidfs, since 6.9), else its start time. A process is dead when there is none with that pid, when
//! that pid has another stamp, or when its pidfd is readable (at once on exit, also for a zombie that nobody has waited for).
//! `kill(pid, 0)` and the letter in `/proc/PID/stat` are not asked: the first takes a zombie for alive, the second takes a process
//! whose first thread has ended for a zombie. Of a thread of a living process they are all there is, and enough.

use super::sign;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;

const PIDFS_MAGIC: i64 = 0x5049_4446;
const STAMP_MASK: u64 = (1 << 30) - 1;
const THREAD_STAMP_MASK: u64 = (1 << 31) - 1;

/// A descriptor of a process; `None` if there is none with this pid.
pub fn pidfd(pid: u32) -> Option<OwnedFd> {
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
    // SAFETY: a non-negative result is a new descriptor that nobody else owns.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

/// Whether this kernel's pidfds have inodes of their own.
pub fn stamps_are_inodes() -> bool {
    let Some(fd) = pidfd(std::process::id()) else { return false };
    // SAFETY: an all-zero statfs is a valid value of that plain struct.
    let mut about: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open, the struct is ours.
    let result = unsafe { libc::fstatfs(fd.as_raw_fd(), &mut about) };
    result == 0 && about.f_type as i64 == PIDFS_MAGIC
}

fn stamp_of(fd: &OwnedFd, pid: u32, is_inode: bool) -> Option<u64> {
    let stamp = if is_inode { nix::sys::stat::fstat(fd).ok()?.st_ino } else { start_time(pid)? };
    Some(stamp & STAMP_MASK)
}

/// State and start time (fields 3 and 22, the latter in clock ticks since boot) of a `stat` file under /proc; the command's name before them
/// may hold anything, also brackets.
fn stat(path: &str) -> Option<(char, u64)> {
    let stat = std::fs::read_to_string(path).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.nth(18)?.parse().ok()?))
}

fn start_time(pid: u32) -> Option<u64> {
    stat(&format!("/proc/{pid}/stat")).map(|(_, start)| start)
}

/// The stamp of this process.
pub fn own_stamp(is_inode: bool) -> Option<u64> {
    let stamp = if is_inode { sign::own_inode()? } else { start_time(std::process::id())? };
    Some(stamp & STAMP_MASK)
}

/// What the kernel says of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Life {
    /// Nobody has that pid, or another has it.
    Dead,
    /// It lives, or the kernel does not tell.
    Alive,
    /// It lives, and still is the program that gave a sign.
    Signed,
}

/// Looks at the process that claimed with this pid and stamp. `has_signed` is asked about one that lives, by its descriptor if there is one.
pub fn look(pid: u32, stamp: u64, is_inode: bool, has_signed: impl FnOnce(Option<&OwnedFd>) -> bool) -> Life {
    let fd = pidfd(pid);
    let is_dead = match &fd {
        _ if pid == 0 => true,
        Some(fd) => has_ended(fd, pid, stamp, is_inode),
        None => match nix::errno::Errno::last() {
            // None with that pid; or the number is a thread's by now, which is no process.
            Errno::ESRCH | Errno::ENOENT | Errno::EINVAL => true,
            // No pidfds here (an old kernel, a filter, an emulator): a zombie counts as alive until it is waited for.
            Errno::ENOSYS | Errno::EPERM => {
                !is_inode && start_time(pid).is_none_or(|start| start & STAMP_MASK != stamp)
            }
            _ => false,
        },
    };
    match is_dead {
        true => Life::Dead,
        false if has_signed(fd.as_ref()) => Life::Signed,
        false => Life::Alive,
    }
}

/// Whether the process of this descriptor has ended, or is not the one with this stamp.
fn has_ended(fd: &OwnedFd, pid: u32, stamp: u64, is_inode: bool) -> bool {
    let mut exited = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    if poll(&mut exited, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
        return true;
    }
    match stamp_of(fd, pid, is_inode) {
        Some(found) => found != stamp,
        // No start time although the descriptor was open: it ended in between, or /proc is not mounted. Ask the descriptor again.
        None => poll(&mut exited, PollTimeout::ZERO).is_ok_and(|ready| ready > 0),
    }
}

/// Number and stamp (0: not known) of the calling thread.
pub fn this_thread() -> (u32, u64) {
    let start = stat("/proc/thread-self/stat").map_or(0, |(_, start)| start);
    (nix::unistd::gettid().as_raw() as u32, start & THREAD_STAMP_MASK)
}

/// Whether a thread of a living process has ended. When the kernel does not tell, it lives.
///
/// The first thread of a process stays as a zombie while others live, and so does one that a debugger watches; a number that is taken again by a
/// later thread of the same process has another start time.
pub fn has_thread_ended(pid: u32, tid: u32, stamp: u64) -> bool {
    // SAFETY: takes numbers only; signal 0 is none.
    if unsafe { libc::syscall(libc::SYS_tgkill, pid as libc::pid_t, tid as libc::pid_t, 0) } != 0 {
        return Errno::last() == Errno::ESRCH;
    }
    match stat(&format!("/proc/{pid}/task/{tid}/stat")) {
        Some(('Z' | 'X' | 'x', _)) => true,
        Some((_, start)) => stamp != 0 && start & THREAD_STAMP_MASK != stamp && has_our_clock(pid),
        None => false,
    }
}

/// Whether times since boot mean the same to that process: time namespaces shift them.
fn has_our_clock(pid: u32) -> bool {
    let clock_of = |process: &str| nix::sys::stat::stat(format!("/proc/{process}/ns/time").as_str());
    match (clock_of("thread-self"), clock_of(&pid.to_string())) {
        (Ok(ours), Ok(theirs)) => ours.st_ino == theirs.st_ino,
        // A kernel without such namespaces.
        (Err(Errno::ENOENT), Err(Errno::ENOENT)) => true,
        _ => false,
    }
}

/// Whether a process has a file mapped, by the file's inode. When the kernel does not tell, it has.
pub fn has_mapped(pid: u32, inode: u64) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/maps")) {
        // Its first thread has ended and shows nothing; all of them share what is mapped.
        Ok(maps) if maps.is_empty() => true,
        Ok(maps) => {
            maps.lines().any(|line| line.split_whitespace().nth(4).and_then(|word| word.parse().ok()) == Some(inode))
        }
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// On how many cores this process may run, as it was when this was first asked.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_dead(pid: u32, stamp: u64, is_inode: bool) -> bool {
        look(pid, stamp, is_inode, |_| false) == Life::Dead
    }

    #[test]
    fn this_process_lives_and_others_are_told_from_it() {
        for is_inode in [stamps_are_inodes(), false] {
            let stamp = own_stamp(is_inode).unwrap();
            assert!(!is_dead(std::process::id(), stamp, is_inode));
            assert!(is_dead(std::process::id(), stamp ^ 1, is_inode), "same pid, another process");
        }
    }

    #[test]
    fn a_thread_has_ended_only_when_it_has() {
        let pid = std::process::id();
        let (tell, told) = std::sync::mpsc::channel();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            tell.send(this_thread()).unwrap();
            let _ = wait.recv();
        });
        let (tid, stamp) = told.recv().unwrap();
        assert!(stamp != 0 && !has_thread_ended(pid, tid, stamp) && !has_thread_ended(pid, tid, 0));
        assert!(has_thread_ended(pid, tid, stamp ^ 1), "same number, another thread");
        assert!(has_thread_ended(1, tid, stamp) || Errno::last() == Errno::EPERM, "a thread of another process");
        drop(go);
        thread.join().unwrap();
        while !has_thread_ended(pid, tid, stamp) {
            // Joined as soon as it has let go of its stack, which is a moment before its end.
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_zombie_is_dead_at_once() {
        let is_inode = stamps_are_inodes();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let stamp = stamp_of(&pidfd(child.id()).unwrap(), child.id(), is_inode).unwrap();
        assert!(!is_dead(child.id(), stamp, is_inode));
        child.kill().unwrap();
        let fd = pidfd(child.id()).unwrap();
        poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
        assert!(is_dead(child.id(), stamp, is_inode), "not waited for, yet dead");
        child.wait().unwrap();
        assert!(is_dead(child.id(), stamp, is_inode));
    }
}
