//! A sign of life that ends with `execve`, which leaves pid and stamp as they are: a byte that a member has locked, on a descriptor that does not
//! outlive its program. A hint: locking may fail, and a forked child keeps it.
//!
//! The kernel keeps the locks of a file in one list and goes through it with every question. So a process locks bytes of a descriptor of *itself*
//! where the kernel gives every process' pidfd an inode of its own (pidfs, since 6.9): there are its own members, and whoever asks about it has
//! such a descriptor at hand. Elsewhere members lock bytes of the segment's file, far behind its end.

use super::file::File;
use super::fork;
use super::process::pidfd;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::stat::fstat;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

/// Where the bytes lie in a segment's file.
const IN_FILE_AT: libc::off_t = 1 << 48;

/// This process, as a descriptor.
struct Own {
    fd: OwnedFd,
    /// Its inode and that of its file system.
    inode: (u64, u64),
    pid: u32,
}

/// A forked child uses another than its parent: some other thread may have held the lock at the moment of the fork.
static OWN: [Mutex<Option<Own>>; 8] = [const { Mutex::new(None) }; 8];

/// Does something with the descriptor of this process, which stays open; its inode as well. `None`: the system gives us none.
fn with_own<T>(act: impl FnOnce(&OwnedFd, u64) -> T) -> Option<T> {
    let mut own = OWN[fork::generation() as usize % OWN.len()].lock().unwrap_or_else(PoisonError::into_inner);
    let (pid, inode_of) = (std::process::id(), |fd: &OwnedFd| fstat(fd).map(|about| (about.st_ino, about.st_dev)).ok());
    // Programs exist that close every descriptor, and then the number is nobody's or another file's.
    if !own.as_ref().is_some_and(|own| own.pid == pid && inode_of(&own.fd) == Some(own.inode)) {
        let fd = pidfd(pid)?;
        let inode = inode_of(&fd)?;
        if let Some(lost) = own.replace(Own { fd, inode, pid }) {
            let _ = lost.fd.into_raw_fd();
        }
    }
    own.as_ref().map(|own| act(&own.fd, own.inode.0))
}

/// The inode of this process' pidfd.
pub fn own_inode() -> Option<u64> {
    with_own(|_, inode| inode)
}

/// The byte of a member.
#[derive(Clone, Copy)]
pub struct Sign {
    on_process: bool,
    at: libc::off_t,
}

impl Sign {
    /// Of member `index` in the segment that was born with this number. `on_process`: pidfds have inodes of their own.
    pub fn of(birth: u64, index: u16, on_process: bool) -> Sign {
        // A process may be a member of several segments. 46 bits tell them apart: what is not so is a sign too many.
        let at = if on_process {
            (birth << 18 >> 2) as libc::off_t | index as libc::off_t
        } else {
            IN_FILE_AT + index as libc::off_t
        };
        Sign { on_process, at }
    }

    /// Locks it.
    pub fn give(self, file: &File) {
        self.set(file, libc::F_WRLCK);
    }

    /// Gives it up.
    pub fn withdraw(self, file: &File) {
        self.set(file, libc::F_UNLCK);
    }

    fn set(self, file: &File, kind: libc::c_int) {
        let lock = self.lock(kind);
        if self.on_process {
            with_own(|fd, _| fcntl(fd, FcntlArg::F_OFD_SETLK(&lock)).ok());
        } else {
            let _ = fcntl(file, FcntlArg::F_OFD_SETLK(&lock));
        }
    }

    /// Whether another open file has it: `process` is the one that is asked about, `file` the segment's, opened anew.
    pub fn is_given(self, process: Option<&OwnedFd>, file: &File) -> bool {
        let mut lock = self.lock(libc::F_WRLCK);
        let Some(fd) = (if self.on_process { process.map(AsFd::as_fd) } else { Some(file.as_fd()) }) else {
            return false;
        };
        fcntl(fd, FcntlArg::F_OFD_GETLK(&mut lock)).is_ok() && lock.l_type != libc::F_UNLCK as libc::c_short
    }

    fn lock(self, kind: libc::c_int) -> libc::flock {
        libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: self.at,
            l_len: 1,
            l_pid: 0,
        }
    }
}
