//! The carrier of the models: loom's atomics, an emulated futex, and an op budget that kills its thread.

use super::{Woken, mutant};
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use loom::sync::{Condvar, Mutex};
use std::time::Duration;

/// A shared 64-bit word.
#[derive(Debug)]
pub struct Word(AtomicU64);

impl Word {
    /// A word of the model.
    pub fn new(value: u64) -> Self {
        Word(AtomicU64::new(value))
    }

    /// Reads.
    pub fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    /// Writes.
    pub fn store(&self, value: u64, order: Ordering) {
        mutant::spend();
        self.0.store(value, order);
    }

    /// Writes `new` if the word is exactly `seen`.
    pub fn compare_exchange(&self, seen: u64, new: u64, order: Ordering) -> Result<u64, u64> {
        mutant::spend();
        self.0.compare_exchange(seen, new, order, Ordering::Relaxed)
    }

    /// Sets bits; returns the word before.
    pub fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        mutant::spend();
        self.0.fetch_or(bits, order)
    }

    /// Keeps only `bits`; returns the word before.
    pub fn fetch_and(&self, bits: u64, order: Ordering) -> u64 {
        mutant::spend();
        self.0.fetch_and(bits, order)
    }

    /// Adds to a plain counter; returns the word before.
    pub fn fetch_add(&self, count: u64, order: Ordering) -> u64 {
        mutant::spend();
        self.0.fetch_add(count, order)
    }
}

/// A shared 32-bit word on which threads sleep: the value, and the kernel's side of a futex.
#[derive(Debug)]
pub struct WakeWord {
    value: AtomicU32,
    sleepers: Mutex<u32>,
    bell: Condvar,
}

impl WakeWord {
    /// A word of the model.
    pub fn new(value: u32) -> Self {
        WakeWord { value: AtomicU32::new(value), sleepers: Mutex::new(0), bell: Condvar::new() }
    }

    /// Reads.
    pub fn load(&self, order: Ordering) -> u32 {
        self.value.load(order)
    }

    /// Writes `new` if the word is exactly `seen`.
    pub fn compare_exchange(&self, seen: u32, new: u32, order: Ordering) -> Result<u32, u32> {
        mutant::spend();
        self.value.compare_exchange(seen, new, order, Ordering::Relaxed)
    }

    /// Sleeps while the word is `expected`. A model has no clock: a wait that nobody ends is a deadlock, which loom reports.
    pub fn sleep(&self, expected: u32, _timeout: Duration) -> Woken {
        let mut sleepers = self.sleepers.lock().unwrap();
        if self.value.load(Ordering::Relaxed) != expected {
            return Woken::Look;
        }
        *sleepers += 1;
        drop(self.bell.wait(sleepers).unwrap());
        Woken::Look
    }

    /// Wakes at most `count` sleepers; returns how many there were.
    pub fn wake(&self, count: u32) -> u32 {
        let mut sleepers = self.sleepers.lock().unwrap();
        let woken = count.min(*sleepers);
        *sleepers -= woken;
        for _ in 0..woken {
            self.bell.notify_one();
        }
        woken
    }
}

/// Orders every earlier access of this thread before every later one.
pub fn fence_full() {
    if !super::mutated("fence") {
        fence(Ordering::SeqCst);
    }
}

/// [`fence_full`] straight after a read-modify-write.
pub fn fence_after_rmw() {
    if !super::mutated("fence-after-rmw") {
        fence(Ordering::SeqCst);
    }
}
