//! The carrier of the models: loom's atomics, an emulated futex, and an op budget that kills its thread.

use super::{Woken, mutant};
use loom::sync::Condvar;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use loom::thread::{self, Thread};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// Tells loom that the order of all accesses of a word matters.
///
/// Of an atomic, loom 0.7 remembers the last access alone to find out which orders are worth a try. A load is so forgotten as
/// soon as another thread loads the same word before it writes it, and the orders in which that write comes first are not
/// tried, which in code made of loads and compare-exchanges are most. Ringing a bell for which nobody waits is an access of which
/// none is forgotten, and does nothing else: it is no edge.
#[derive(Debug)]
struct Order(Option<Condvar>);

impl Order {
    fn new() -> Order {
        Order(Some(Condvar::new()))
    }

    fn matters(&self) {
        if let Some(bell) = &self.0 {
            bell.notify_one();
        }
    }
}

/// A shared 64-bit word.
#[derive(Debug)]
pub struct Word {
    value: AtomicU64,
    order: Order,
}

impl Word {
    /// A word of the model.
    pub fn new(value: u64) -> Self {
        Word { value: AtomicU64::new(value), order: Order::new() }
    }

    /// A word that nobody writes while threads run: the order of its readers does not matter.
    pub fn constant(value: u64) -> Self {
        Word { value: AtomicU64::new(value), order: Order(None) }
    }

    /// Nothing.
    pub fn expect_write(&self) {}

    /// Reads.
    pub fn load(&self, order: Ordering) -> u64 {
        self.order.matters();
        self.value.load(order)
    }

    /// Writes.
    pub fn store(&self, value: u64, order: Ordering) {
        self.to_write().store(value, order);
    }

    /// Writes `new` if the word is exactly `seen`.
    pub fn compare_exchange(&self, seen: u64, new: u64, order: Ordering) -> Result<u64, u64> {
        self.to_write().compare_exchange(seen, new, order, Ordering::Relaxed)
    }

    /// Sets bits; returns the word before.
    pub fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        self.to_write().fetch_or(bits, order)
    }

    /// Keeps only `bits`; returns the word before.
    pub fn fetch_and(&self, bits: u64, order: Ordering) -> u64 {
        self.to_write().fetch_and(bits, order)
    }

    /// Adds to a plain counter; returns the word before.
    pub fn fetch_add(&self, count: u64, order: Ordering) -> u64 {
        self.to_write().fetch_add(count, order)
    }

    fn to_write(&self) -> &AtomicU64 {
        mutant::spend();
        self.order.matters();
        &self.value
    }
}

/// A shared 32-bit word on which threads sleep: the value, and the kernel's side of a futex.
#[derive(Debug)]
pub struct WakeWord {
    value: AtomicU32,
    order: Order,
    // The kernel's queue of sleepers is not shared memory, hence an ordinary mutex.
    sleepers: Mutex<VecDeque<Thread>>,
}

impl WakeWord {
    /// A word of the model.
    pub fn new(value: u32) -> Self {
        WakeWord { value: AtomicU32::new(value), order: Order::new(), sleepers: Mutex::default() }
    }

    /// Reads.
    pub fn load(&self, order: Ordering) -> u32 {
        self.order.matters();
        self.value.load(order)
    }

    /// Writes `new` if the word is exactly `seen`.
    pub fn compare_exchange(&self, seen: u32, new: u32, order: Ordering) -> Result<u32, u32> {
        mutant::spend();
        self.order.matters();
        self.value.compare_exchange(seen, new, order, Ordering::Relaxed)
    }

    /// Sleeps while the word is `expected`. A model has no clock: a wait that nobody ends is a deadlock, which loom reports.
    pub fn sleep(&self, expected: u32, _timeout: Duration) -> Woken {
        // The kernel compares the newest value and queues the sleeper in one step. So does this: a compare-exchange reads the
        // newest value, and loom changes threads only before its own operations.
        self.order.matters();
        if self.value.compare_exchange(expected, expected, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.sleepers().push_back(thread::current());
            thread::park();
        }
        Woken::Look
    }

    /// Sleeps while every word is what is expected of it. As in the kernel, the words are looked at one after the other, and a sleeper
    /// may be woken by several of them, of which it is told one.
    pub fn sleep_any(words: &[(&WakeWord, u32)], _timeout: Duration) -> Woken {
        let me = thread::current().id();
        let mut asleep = true;
        let mut entered = 0;
        for (word, expected) in words {
            word.order.matters();
            asleep = word.value.compare_exchange(*expected, *expected, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            if !asleep {
                break;
            }
            word.sleepers().push_back(thread::current());
            entered += 1;
        }
        if asleep {
            thread::park();
        }
        for (word, _) in &words[..entered] {
            word.sleepers().retain(|sleeper| sleeper.id() != me);
        }
        Woken::Look
    }

    /// Wakes at most `count` sleepers; returns how many there were.
    pub fn wake(&self, count: u32) -> u32 {
        // Others see a wake as they see a write, so one may die before it.
        mutant::spend();
        self.order.matters();
        let mut sleepers = self.sleepers();
        let woken = sleepers.len().min(count as usize);
        for thread in sleepers.drain(..woken) {
            thread.unpark();
        }
        woken as u32
    }

    fn sleepers(&self) -> MutexGuard<'_, VecDeque<Thread>> {
        self.sleepers.lock().unwrap()
    }
}

/// Orders every earlier access of this thread before every later one, straight after a read-modify-write.
pub fn fence_after_rmw() {
    if !super::mutated("fence-after-rmw") {
        fence(Ordering::SeqCst);
    }
}

/// Orders every earlier access of this thread before every later one, whatever stands before it.
pub fn full_fence() {
    fence(Ordering::SeqCst);
}
