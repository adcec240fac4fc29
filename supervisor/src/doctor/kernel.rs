//! What the kernel can do.

use super::{Finding, State};
use crate::process;
use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, memfd_create, openat};
use std::fs;

pub fn findings() -> Vec<Finding> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned();
    vec![Finding::ok("kernel", release), pidfd(), many_futexes(), unnamed_files(), memfd(), huge_pages()]
}

fn has(check: &str, there: bool) -> Finding {
    Finding::ok(check, if there { "there" } else { "missing" })
}

fn pidfd() -> Finding {
    let there = process::pidfd(std::process::id()).is_ok();
    let finding = has("pidfd_open", there);
    if there {
        return finding;
    }
    let means = "the supervisor cannot watch agents, and nobody can be told dead from alive";
    finding.but(State::Bad, means, "Linux 5.3 or newer; in a container, a seccomp profile that allows pidfd_open")
}

/// One call waits for many words: with no words at all the kernel that has it says that the argument is wrong.
fn many_futexes() -> Finding {
    let nowhere = std::ptr::null::<libc::c_void>();
    // SAFETY: a list of no words is not read, and no time-out is given.
    let result = unsafe { libc::syscall(libc::SYS_futex_waitv, nowhere, 0, 0, nowhere, 0) };
    let error = std::io::Error::last_os_error().raw_os_error();
    let there = result == 0 || error == Some(libc::EINVAL);
    let finding = has("futex_waitv", there);
    if there {
        return finding;
    }
    let means =
        "who waits for several queues at once looks now and then instead of being woken: slower, nothing is lost";
    finding.but(State::Warn, means, "Linux 5.16 or newer; in a container, a seccomp profile that allows futex_waitv")
}

/// A segment is made without a name and gets one when it is ready.
fn unnamed_files() -> Finding {
    let made = openat(CWD, "/dev/shm", OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::from_raw_mode(0o600));
    let finding = has("unnamed files on /dev/shm", made.is_ok());
    match made {
        Ok(_) => finding,
        Err(error) => {
            let fix = "chmod 1777 /dev/shm; a tmpfs, and not a file system that lies over it";
            finding.but(State::Bad, format!("no bus can be made: {error}"), fix)
        }
    }
}

fn memfd() -> Finding {
    let there = memfd_create("swarmbus-doctor", MemfdFlags::CLOEXEC).is_ok();
    let finding = has("memfd_create", there);
    if there {
        return finding;
    }
    finding.but(State::Warn, "hooks cannot be told of events", "a seccomp profile that allows memfd_create")
}

fn huge_pages() -> Finding {
    let modes = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/shmem_enabled").unwrap_or_default();
    let mode = modes.split_whitespace().find_map(|mode| mode.strip_prefix('[')?.strip_suffix(']'));
    // None of them is wrong: they save page faults where messages are large.
    Finding::ok("huge pages for shared memory", mode.unwrap_or("not offered by the kernel"))
}
