//! Sleeping on a word of shared memory.
#![allow(clippy::disallowed_types, reason = "the kernel compares the word itself; only the sync door calls this")]

use crate::sync::Woken;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Sleeps while `word` is `expected`, for `timeout` at most. Returns early for any reason.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Duration) -> Woken {
    let limit = libc::timespec {
        tv_sec: timeout.as_secs().min(i32::MAX as u64) as libc::time_t,
        tv_nsec: timeout.subsec_nanos() as libc::c_long,
    };
    // SAFETY: the word lives as long as the borrow (I11), the kernel only reads it and the timespec.
    let result = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, expected, &limit) };
    match if result == -1 { nix::errno::Errno::last_raw() } else { 0 } {
        libc::ETIMEDOUT => Woken::TimedOut,
        libc::EINTR => Woken::Interrupted,
        _ => Woken::Look,
    }
}

/// Wakes at most `count` sleepers; returns how many there were.
pub fn wake(word: &AtomicU32, count: u32) -> u32 {
    let count = count.min(i32::MAX as u32);
    // SAFETY: the kernel uses the address as a key and does not touch the word.
    let woken = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) };
    u32::try_from(woken).unwrap_or(0)
}
