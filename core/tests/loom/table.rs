//! A table of locks on the heap, and what one of them guards.

use crate::cell::UnsafeCell;
use crate::tiny::member;
use std::sync::Arc;
use std::time::Duration;
use swarmbus_core::layout::{LockClock, LockEntry};
use swarmbus_core::lock::{Label, LockMode, Locks, Place};
use swarmbus_core::sync::{S7, S14, Word};

use LockMode::{Exclusive, Shared};

/// Two names that have nothing in common.
pub const FILE: u64 = 2;
pub const OTHER: u64 = 4;

pub struct Table {
    pub entries: Vec<LockEntry>,
    pub clock: LockClock,
    /// What the lock of `FILE` guards: the token of who was there last. Watched: it is one writer's or many readers'.
    pub guarded: UnsafeCell<u64>,
}

impl Table {
    pub fn new(committed: u64, entries: usize) -> Arc<Table> {
        let entries = (0..entries).map(|_| LockEntry::blank()).collect();
        let clock = LockClock { drawn: Word::new(0), committed: Word::new(committed) };
        Arc::new(Table { entries, clock, guarded: UnsafeCell::new(0) })
    }

    pub fn locks(&self) -> Locks<'_> {
        Locks { entries: &self.entries, clock: &self.clock }
    }

    /// Asks, and waits for at most so many changes of who is ahead (a model has no clock).
    pub fn ask(&self, me: u16, mode: LockMode, name: u64, patience: u32) -> Option<(Place<'_>, u64)> {
        let mut place = loop {
            if let Some(place) = self.locks().claim(member(me), mode, 0) {
                break place;
            }
            let committed = self.clock.committed.load(S7.acquire());
            assert!(committed < self.entries.len() as u64, "an entry for each");
            self.locks().say_committed(committed, 1);
        };
        place.enter(&Label { hash: name, length: 0, words: [] }, 0).unwrap();
        let mut ahead = place.look(|entry| entry.hash.load(S14.acquire()) == name);
        let mut waits = 0;
        while let Some(nearest) = place.nearest(&ahead) {
            if waits == patience {
                place.give_up().unwrap();
                return None;
            }
            waits += 1;
            place.sleep_behind(&nearest, Duration::MAX, || true);
            ahead.retain(|claim| place.is_behind(claim));
        }
        let token = place.hold().unwrap();
        Some((place, token))
    }

    /// What is done under the lock of `FILE`.
    pub fn work(&self, mode: LockMode, token: u64) {
        let check = |before: u64| assert!(before < token, "the token {token} came after {before}");
        match mode {
            Exclusive => self.guarded.with_mut(|guarded| {
                // SAFETY: loom watches that nobody else is here.
                let guarded = unsafe { &mut *guarded };
                check(*guarded);
                *guarded = token;
            }),
            // SAFETY: loom watches that nobody writes.
            Shared => self.guarded.with(|guarded| check(unsafe { *guarded })),
        }
    }

    pub fn lock_and_work(&self, me: u16, mode: LockMode, patience: u32) -> bool {
        let Some((place, token)) = self.ask(me, mode, FILE, patience) else { return false };
        self.work(mode, token);
        place.give_up().unwrap();
        true
    }

    pub fn assert_empty(&self) {
        for entry in &self.entries {
            assert!(!swarmbus_core::lock::LockWord(entry.word.load(S14.acquire())).is_there());
        }
    }
}
