//! Sleeping on words of shared memory.
#![allow(clippy::disallowed_types, reason = "the kernel compares the word itself; only the sync door calls this")]

use crate::sync::Woken;
use nix::errno::Errno;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Most words of [`wait_any`].
pub const WAIT_ANY_MAX: usize = libc::FUTEX_WAITV_MAX as usize;
/// How often several words are looked at where the kernel cannot wait for them.
const LOOK_EVERY: Duration = Duration::from_millis(5);

fn woken(result: libc::c_long) -> Woken {
    match if result == -1 { Errno::last() } else { Errno::UnknownErrno } {
        Errno::ETIMEDOUT => Woken::TimedOut,
        Errno::EINTR => Woken::Interrupted,
        _ => Woken::Look,
    }
}

/// Sleeps while `word` is `expected`, for `timeout` at most. Returns early for any reason.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Duration) -> Woken {
    let limit = libc::timespec {
        tv_sec: timeout.as_secs().min(i32::MAX as u64) as libc::time_t,
        tv_nsec: timeout.subsec_nanos() as libc::c_long,
    };
    // SAFETY: the word lives as long as the borrow (I11), the kernel only reads it and the timespec.
    woken(unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, expected, &limit) })
}

/// Sleeps while every word is what is expected of it, for `timeout` at most. Returns early for any reason.
pub fn wait_any(words: &[(&AtomicU32, u32)], timeout: Duration) -> Woken {
    let waiters: Vec<libc::futex_waitv> = words
        .iter()
        .map(|(word, expected)| {
            // SAFETY: an all-zero futex_waitv is a valid value of that plain struct.
            let mut waiter: libc::futex_waitv = unsafe { std::mem::zeroed() };
            waiter.val = *expected as u64;
            waiter.uaddr = word.as_ptr().addr() as u64;
            waiter.flags = libc::FUTEX2_SIZE_U32 as u32;
            waiter
        })
        .collect();
    // This call wants the time at which to give up.
    let until_ns = super::clock::monotonic_ns().saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
    let until = libc::timespec {
        tv_sec: (until_ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (until_ns % 1_000_000_000) as libc::c_long,
    };
    // SAFETY: the words live as long as their borrows (I11); the kernel only reads them, the array and the timespec.
    let result = unsafe {
        libc::syscall(libc::SYS_futex_waitv, waiters.as_ptr(), waiters.len(), 0, &until, libc::CLOCK_MONOTONIC)
    };
    if result == -1 && matches!(Errno::last(), Errno::ENOSYS | Errno::EPERM) {
        // A kernel before 5.16, or a filter: look at all of them now and then.
        return words.first().map_or(Woken::Look, |(word, expected)| wait(word, *expected, timeout.min(LOOK_EVERY)));
    }
    woken(result)
}

/// Wakes at most `count` sleepers; returns how many there were.
pub fn wake(word: &AtomicU32, count: u32) -> u32 {
    let count = count.min(i32::MAX as u32);
    // SAFETY: the kernel uses the address as a key and does not touch the word.
    let woken = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) };
    u32::try_from(woken).unwrap_or(0)
}
