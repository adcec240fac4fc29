//! The carrier of the models: the atomics of their engine, an emulated futex, and an op budget that kills its thread.

use super::engine::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use super::engine::{self, Order, Sleeper};
use super::site::{self, Change, Operation};
use super::{Woken, mutant};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What a write does to a word.
#[derive(Clone, Copy)]
enum Write {
    Store(u64),
    CompareExchange { seen: u64, new: u64 },
    Or(u64),
    And(u64),
    Add(u64),
}

/// A shared 64-bit word.
#[derive(Clone, Debug)]
pub struct Word {
    // Shared with a mutant that comes to write it late.
    value: Arc<AtomicU64>,
    order: Order,
}

impl Word {
    /// A word of the model.
    pub fn new(value: u64) -> Self {
        Word { value: Arc::new(AtomicU64::new(value)), order: Order::new() }
    }

    /// A word that nobody writes while threads run: the order of its readers does not matter.
    pub fn constant(value: u64) -> Self {
        Word { value: Arc::new(AtomicU64::new(value)), order: Order::of_a_constant() }
    }

    /// Nothing.
    pub fn expect_write(&self) {}

    /// Reads.
    #[track_caller]
    pub fn load(&self, order: Ordering) -> u64 {
        self.order.matters();
        self.value.load(ordered(site::pass(Location::caller(), Operation::Load, order), order))
    }

    /// Writes.
    #[track_caller]
    pub fn store(&self, value: u64, order: Ordering) {
        self.write(Location::caller(), Operation::Store, Write::Store(value), order);
    }

    /// Writes `new` if the word is exactly `seen`.
    #[track_caller]
    pub fn compare_exchange(&self, seen: u64, new: u64, order: Ordering) -> Result<u64, u64> {
        let write = Write::CompareExchange { seen, new };
        let before = self.write(Location::caller(), Operation::CompareExchange, write, order);
        if before == seen { Ok(before) } else { Err(before) }
    }

    /// Sets bits; returns the word before.
    #[track_caller]
    pub fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        self.write(Location::caller(), Operation::Fetch, Write::Or(bits), order)
    }

    /// Keeps only `bits`; returns the word before.
    #[track_caller]
    pub fn fetch_and(&self, bits: u64, order: Ordering) -> u64 {
        self.write(Location::caller(), Operation::Fetch, Write::And(bits), order)
    }

    /// Adds to a plain counter; returns the word before.
    #[track_caller]
    pub fn fetch_add(&self, count: u64, order: Ordering) -> u64 {
        self.write(Location::caller(), Operation::Fetch, Write::Add(count), order)
    }

    /// Writes, or does what the mutant does instead; returns the word before.
    fn write(&self, place: &'static Location<'static>, operation: Operation, write: Write, order: Ordering) -> u64 {
        let change = site::pass(place, operation, order);
        if let Some(Change::Skip | Change::Late) = change {
            self.order.matters();
            let before = self.value.load(Ordering::Acquire);
            let fails = matches!(write, Write::CompareExchange { seen, .. } if seen != before);
            if change == Some(Change::Late) && !fails {
                self.write_later(write, order);
            }
            return before;
        }
        let before = self.write_now(write, ordered(change, order), change == Some(Change::Blind));
        write_what_is_late();
        if let Some(Change::Again) = change {
            self.write_later(write, order);
        }
        before
    }

    fn write_now(&self, write: Write, order: Ordering, blind: bool) -> u64 {
        mutant::spend();
        self.order.matters();
        match write {
            Write::Store(value) => {
                self.value.store(value, order);
                value
            }
            Write::CompareExchange { seen, new } if blind => {
                self.value.swap(new, order);
                seen
            }
            Write::CompareExchange { seen, new } => {
                self.value.compare_exchange(seen, new, order, Ordering::Relaxed).unwrap_or_else(|before| before)
            }
            Write::Or(bits) => self.value.fetch_or(bits, order),
            Write::And(bits) => self.value.fetch_and(bits, order),
            Write::Add(count) => self.value.fetch_add(count, order),
        }
    }

    fn write_later(&self, write: Write, order: Ordering) {
        write_what_is_late();
        LATE.with(|late| *late.borrow_mut() = Some((self.clone(), write, order)));
    }
}

engine::thread_local! {
    // What a mutant writes after the next shared write of this thread.
    static LATE: RefCell<Option<(Word, Write, Ordering)>> = RefCell::new(None);
}

fn write_what_is_late() {
    if site::is_a_run_of_mutants() {
        let late = LATE.with(|late| late.borrow_mut().take());
        if let Some((word, write, order)) = late {
            word.write_now(write, order, false);
        }
    }
}

/// Who dies writes no more.
pub(super) fn forget_what_is_late() {
    LATE.with(|late| late.borrow_mut().take());
}

fn ordered(change: Option<Change>, order: Ordering) -> Ordering {
    if change == Some(Change::Relaxed) { Ordering::Relaxed } else { order }
}

/// A shared 32-bit word on which threads sleep: the value, and the kernel's side of a futex.
#[derive(Debug)]
pub struct WakeWord {
    value: AtomicU32,
    order: Order,
    // The kernel's queue of sleepers is not shared memory, hence an ordinary mutex.
    sleepers: Mutex<VecDeque<Sleeper>>,
}

impl WakeWord {
    /// A word of the model.
    pub fn new(value: u32) -> Self {
        WakeWord { value: AtomicU32::new(value), order: Order::new(), sleepers: Mutex::default() }
    }

    /// Reads.
    #[track_caller]
    pub fn load(&self, order: Ordering) -> u32 {
        self.order.matters();
        self.value.load(ordered(site::pass(Location::caller(), Operation::Load, order), order))
    }

    /// Writes `new` if the word is exactly `seen`.
    #[track_caller]
    pub fn compare_exchange(&self, seen: u32, new: u32, order: Ordering) -> Result<u32, u32> {
        let change = site::pass(Location::caller(), Operation::WakeExchange, order);
        if change == Some(Change::Skip) {
            self.order.matters();
            let before = self.value.load(Ordering::Acquire);
            return if before == seen { Ok(before) } else { Err(before) };
        }
        mutant::spend();
        self.order.matters();
        let result = match change {
            Some(Change::Blind) => {
                self.value.swap(new, order);
                Ok(seen)
            }
            change => self.value.compare_exchange(seen, new, ordered(change, order), Ordering::Relaxed),
        };
        write_what_is_late();
        result
    }

    /// Sleeps while the word is `expected`. A model has no clock: a wait that nobody ends is a deadlock, which its engine reports.
    pub fn sleep(&self, expected: u32, _timeout: Duration) -> Woken {
        // The kernel compares the newest value and queues the sleeper in one step. So does this: a compare-exchange reads the
        // newest value, and threads change only before an operation of the engine.
        self.order.matters();
        if self.value.compare_exchange(expected, expected, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let me = Sleeper::me();
            self.sleepers().push_back(me.clone());
            me.sleep();
        }
        Woken::Look
    }

    /// Sleeps while every word is what is expected of it. As in the kernel, the words are looked at one after the other, and a sleeper
    /// may be woken by several of them, of which it is told one.
    pub fn sleep_any(words: &[(&WakeWord, u32)], _timeout: Duration) -> Woken {
        let me = Sleeper::me();
        let mut asleep = true;
        let mut entered = 0;
        for (word, expected) in words {
            word.order.matters();
            asleep = word.value.compare_exchange(*expected, *expected, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            if !asleep {
                break;
            }
            word.sleepers().push_back(me.clone());
            entered += 1;
        }
        if asleep {
            me.sleep();
        }
        for (word, _) in &words[..entered] {
            word.sleepers().retain(|sleeper| !sleeper.is(&me));
        }
        Woken::Look
    }

    /// Wakes at most `count` sleepers; returns how many there were.
    #[track_caller]
    pub fn wake(&self, count: u32) -> u32 {
        if site::pass(Location::caller(), Operation::Wake, Ordering::SeqCst) == Some(Change::Skip) {
            return 0;
        }
        // Others see a wake as they see a write, so one may die before it.
        mutant::spend();
        self.order.matters_to_kernel();
        let woken = {
            let mut sleepers = self.sleepers();
            let woken = sleepers.len().min(count as usize);
            sleepers.drain(..woken).collect::<Vec<_>>()
        };
        let count = woken.len() as u32;
        Sleeper::wake_all(woken.into_iter());
        count
    }

    fn sleepers(&self) -> MutexGuard<'_, VecDeque<Sleeper>> {
        self.sleepers.lock().unwrap()
    }
}

/// Orders every earlier access of this thread before every later one, straight after a read-modify-write.
#[track_caller]
pub fn fence_after_rmw() {
    if !super::mutated("fence-after-rmw") {
        full_fence();
    }
}

/// Orders every earlier access of this thread before every later one, whatever stands before it.
#[track_caller]
pub fn full_fence() {
    if site::pass(Location::caller(), Operation::Fence, Ordering::SeqCst) != Some(Change::Skip) {
        fence(Ordering::SeqCst);
    }
}
