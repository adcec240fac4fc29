//! The carrier of production: the standard atomics and the kernel's futex.
#![allow(clippy::disallowed_types, reason = "this is the door")]

use super::Woken;
#[cfg(crash)]
use super::site::{self, Change, Operation};
use crate::platform::{cache, futex};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// A shared 64-bit word.
#[repr(transparent)]
#[derive(Debug)]
pub struct Word(AtomicU64);

/// Before a shared write: a crash point, and what a mutant does instead of the write.
#[cfg(crash)]
#[track_caller]
fn step(operation: Operation, order: Ordering) -> Option<Change> {
    let place = std::panic::Location::caller();
    super::crash::before_write(place);
    site::pass(place, operation, order)
}

/// What a compare-exchange says that a mutant skips: that it has written, if it would have.
#[cfg(crash)]
fn believed<T: PartialEq>(found: T, seen: T) -> Result<T, T> {
    if found == seen { Ok(found) } else { Err(found) }
}

impl Word {
    /// A word outside shared memory, for tests and tables.
    pub const fn new(value: u64) -> Self {
        Word(AtomicU64::new(value))
    }

    /// Reads.
    #[inline(always)]
    pub fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    /// Says that it will be written soon (a hint).
    #[inline(always)]
    pub fn expect_write(&self) {
        cache::expect_write(self);
    }

    /// Writes.
    #[inline(always)]
    #[cfg_attr(crash, track_caller)]
    pub fn store(&self, value: u64, order: Ordering) {
        #[cfg(crash)]
        if step(Operation::Store, order) == Some(Change::Skip) {
            return;
        }
        self.0.store(value, order);
    }

    /// Writes `new` if the word is exactly `seen`.
    #[inline(always)]
    #[cfg_attr(crash, track_caller)]
    pub fn compare_exchange(&self, seen: u64, new: u64, order: Ordering) -> Result<u64, u64> {
        #[cfg(crash)]
        match step(Operation::CompareExchange, order) {
            Some(Change::Skip) => return believed(self.load(Ordering::Acquire), seen),
            Some(Change::Blind) => {
                self.0.swap(new, order);
                return Ok(seen);
            }
            _ => {}
        }
        self.0.compare_exchange(seen, new, order, Ordering::Relaxed)
    }

    /// Sets bits; returns the word before.
    #[inline(always)]
    #[cfg_attr(crash, track_caller)]
    pub fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        #[cfg(crash)]
        if step(Operation::Fetch, order) == Some(Change::Skip) {
            return self.load(Ordering::Acquire);
        }
        self.0.fetch_or(bits, order)
    }

    /// Keeps only `bits`; returns the word before.
    #[inline(always)]
    #[cfg_attr(crash, track_caller)]
    pub fn fetch_and(&self, bits: u64, order: Ordering) -> u64 {
        #[cfg(crash)]
        if step(Operation::Fetch, order) == Some(Change::Skip) {
            return self.load(Ordering::Acquire);
        }
        self.0.fetch_and(bits, order)
    }

    /// Adds to a plain counter; returns the word before.
    #[inline(always)]
    #[cfg_attr(crash, track_caller)]
    pub fn fetch_add(&self, count: u64, order: Ordering) -> u64 {
        #[cfg(crash)]
        if step(Operation::Fetch, order) == Some(Change::Skip) {
            return self.load(Ordering::Acquire);
        }
        self.0.fetch_add(count, order)
    }
}

/// A shared 32-bit word on which processes sleep.
#[repr(transparent)]
#[derive(Debug)]
pub struct WakeWord(AtomicU32);

impl WakeWord {
    /// A word outside shared memory, for tests.
    pub const fn new(value: u32) -> Self {
        WakeWord(AtomicU32::new(value))
    }

    /// Reads.
    #[inline(always)]
    pub fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }

    /// Writes `new` if the word is exactly `seen`.
    #[inline(always)]
    #[cfg_attr(crash, track_caller)]
    pub fn compare_exchange(&self, seen: u32, new: u32, order: Ordering) -> Result<u32, u32> {
        #[cfg(crash)]
        match step(Operation::WakeExchange, order) {
            Some(Change::Skip) => return believed(self.load(Ordering::Acquire), seen),
            Some(Change::Blind) => {
                self.0.swap(new, order);
                return Ok(seen);
            }
            _ => {}
        }
        self.0.compare_exchange(seen, new, order, Ordering::Relaxed)
    }

    /// Sleeps while the word is `expected`, for `timeout` at most.
    pub fn sleep(&self, expected: u32, timeout: Duration) -> Woken {
        futex::wait(&self.0, expected, timeout)
    }

    /// Sleeps while every word is what is expected of it, for `timeout` at most. At most `futex::WAIT_ANY_MAX` words.
    pub fn sleep_any(words: &[(&WakeWord, u32)], timeout: Duration) -> Woken {
        match words {
            [(word, expected)] => word.sleep(*expected, timeout),
            _ => {
                futex::wait_any(&words.iter().map(|(word, expected)| (&word.0, *expected)).collect::<Vec<_>>(), timeout)
            }
        }
    }

    /// Wakes at most `count` sleepers; returns how many there were.
    #[cfg_attr(crash, track_caller)]
    pub fn wake(&self, count: u32) -> u32 {
        #[cfg(crash)]
        if site::pass(std::panic::Location::caller(), Operation::Wake, Ordering::SeqCst) == Some(Change::Skip) {
            return 0;
        }
        futex::wake(&self.0, count)
    }
}

/// Orders every earlier access of this thread before every later one, straight after a read-modify-write. On x86-64 that
/// instruction was the fence already (a locked instruction drains the store buffer), so only the compiler has to be told.
#[inline(always)]
pub fn fence_after_rmw() {
    #[cfg(target_arch = "x86_64")]
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
    #[cfg(not(target_arch = "x86_64"))]
    std::sync::atomic::fence(Ordering::SeqCst);
}

/// Orders every earlier access of this thread before every later one, whatever stands before it.
#[inline(always)]
pub fn full_fence() {
    std::sync::atomic::fence(Ordering::SeqCst);
}
