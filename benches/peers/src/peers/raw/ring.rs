//! A ring for one sender and one receiver, messages of one length written and read in place.

use super::shared::{self, Shared, Word};
use crate::trial::depth;
use anyhow::Result;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, fence};

#[repr(C)]
struct Header {
    tail: Word,
    receiver_sleeps: Word,
    head: Word,
    sender_sleeps: Word,
}

/// One side of a ring.
pub struct Ring {
    header: &'static Header,
    slots: *mut u8,
    length: usize,
    slot_bytes: usize,
    capacity: u32,
    /// What this side has done, and what it last saw the other do.
    mine: u32,
    theirs: u32,
    blocks: bool,
}

impl Ring {
    /// Bytes of a ring with messages of `length` bytes.
    pub fn bytes(length: usize) -> usize {
        size_of::<Header>() + (length.next_multiple_of(64) * depth(length)).next_multiple_of(128)
    }

    /// The ring at `offset`; it sleeps when it has to wait if it `blocks`.
    pub fn at(shared: &Shared, offset: usize, length: usize, blocks: bool) -> Result<Ring> {
        let base = shared.at(offset, Ring::bytes(length))?;
        // SAFETY: in bounds and aligned (`Shared::at`), mapped for the process' life, made of atomics that begin as zero.
        let header = unsafe { &*base.cast::<Header>() };
        // SAFETY: the slots follow the header within the bytes that `Shared::at` has checked.
        let slots = unsafe { base.add(size_of::<Header>()) };
        let capacity = depth(length);
        debug_assert!(capacity.is_power_of_two());
        let slot_bytes = length.next_multiple_of(64);
        Ok(Ring { header, slots, length, slot_bytes, capacity: capacity as u32, mine: 0, theirs: 0, blocks })
    }

    #[inline]
    fn slot(&self, number: u32) -> *mut u8 {
        // SAFETY: the number is taken modulo the capacity, so the slot lies among the slots.
        unsafe { self.slots.add((number & (self.capacity - 1)) as usize * self.slot_bytes) }
    }

    /// Writes a message in place, when there is room.
    #[inline]
    pub fn send(&mut self, write: impl FnMut(&mut [u8]), idle: impl Fn()) {
        self.put(write, idle);
        self.show();
    }

    /// Writes a message in place, when there is room; the receiver sees it when it is shown.
    #[inline]
    pub fn put(&mut self, mut write: impl FnMut(&mut [u8]), idle: impl Fn()) {
        if self.mine.wrapping_sub(self.theirs) == self.capacity {
            // Room comes only of what is seen.
            self.show();
        }
        while self.mine.wrapping_sub(self.theirs) == self.capacity {
            let head = self.header.head.0.load(Acquire);
            if head != self.theirs {
                self.theirs = head;
            } else if self.blocks {
                sleep_while(&self.header.head.0, &self.header.sender_sleeps.0, head);
            } else {
                idle();
            }
        }
        // SAFETY: the slot has `length` bytes and is ours alone until the tail says that it is written.
        write(unsafe { std::slice::from_raw_parts_mut(self.slot(self.mine), self.length) });
        self.mine = self.mine.wrapping_add(1);
    }

    /// Shows the receiver all that was written.
    #[inline]
    pub fn show(&self) {
        self.header.tail.0.store(self.mine, Release);
        if self.blocks {
            wake_if(&self.header.tail.0, &self.header.receiver_sleeps.0);
        }
    }

    /// Reads in place what is there, half a ring of it at most, so that the sender can go on meanwhile.
    #[inline]
    pub fn receive(&mut self, mut read: impl FnMut(&[u8])) -> usize {
        let mut tail = self.header.tail.0.load(Acquire);
        while tail == self.mine {
            if !self.blocks {
                return 0;
            }
            sleep_while(&self.header.tail.0, &self.header.receiver_sleeps.0, tail);
            tail = self.header.tail.0.load(Acquire);
        }
        let count = tail.wrapping_sub(self.mine).min(self.capacity / 2);
        for _ in 0..count {
            // SAFETY: the tail says that the slot is written, and it stays so until the head says that we are done with it.
            read(unsafe { std::slice::from_raw_parts(self.slot(self.mine), self.length) });
            self.mine = self.mine.wrapping_add(1);
        }
        self.header.head.0.store(self.mine, Release);
        if self.blocks {
            wake_if(&self.header.head.0, &self.header.sender_sleeps.0);
        }
        count as usize
    }
}

/// Sleeps on `word`, which the other side moves, unless it has moved on from `seen`.
fn sleep_while(word: &AtomicU32, sleeps: &AtomicU32, seen: u32) {
    sleeps.store(1, Relaxed);
    // Either we see the other's move below, or the other sees that we sleep.
    fence(SeqCst);
    if word.load(Acquire) == seen {
        shared::sleep(word, seen);
    }
    sleeps.store(0, Relaxed);
}

fn wake_if(word: &AtomicU32, sleeps: &AtomicU32) {
    fence(SeqCst);
    if sleeps.load(Relaxed) != 0 {
        shared::wake(word, 1);
    }
}
