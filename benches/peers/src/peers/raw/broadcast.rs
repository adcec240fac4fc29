//! One payload for all, and two futexes: one for its arrival, one for the last answer.

use super::shared::{self, Shared, Word};
use anyhow::Result;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

#[repr(C)]
struct Header {
    round: Word,
    awaited: Word,
}

/// The broadcast, as the lead or a follower sees it.
pub struct Broadcast {
    header: &'static Header,
    payload: *mut u8,
    length: usize,
    round: u32,
}

impl Broadcast {
    /// Bytes of it, with a payload of `length` bytes.
    pub fn bytes(length: usize) -> usize {
        size_of::<Header>() + length
    }

    /// It takes all of the shared memory.
    pub fn open(shared: &Shared, length: usize) -> Result<Broadcast> {
        let base = shared.at(0, Broadcast::bytes(length))?;
        // SAFETY: in bounds and aligned (`Shared::at`), mapped for the process' life, made of atomics that begin as zero.
        let header = unsafe { &*base.cast::<Header>() };
        // SAFETY: the payload follows the header within the bytes that `Shared::at` has checked.
        let payload = unsafe { base.add(size_of::<Header>()) };
        Ok(Broadcast { header, payload, length, round: 0 })
    }

    /// Writes the payload and wakes all followers.
    pub fn send(&self, followers: u32, mut write: impl FnMut(&mut [u8])) {
        // SAFETY: every follower has answered the last round, so nobody reads until the round moves on.
        write(unsafe { std::slice::from_raw_parts_mut(self.payload, self.length) });
        self.header.awaited.0.store(followers, Release);
        self.header.round.0.fetch_add(1, Release);
        shared::wake(&self.header.round.0, i32::MAX);
    }

    /// Waits for the last answer.
    pub fn gather(&self) {
        loop {
            match self.header.awaited.0.load(Acquire) {
                0 => return,
                awaited => shared::sleep(&self.header.awaited.0, awaited),
            }
        }
    }

    /// Waits for the next payload and shows it.
    pub fn receive(&mut self, mut read: impl FnMut(&[u8])) {
        loop {
            let round = self.header.round.0.load(Acquire);
            if round != self.round {
                self.round = round;
                break;
            }
            shared::sleep(&self.header.round.0, round);
        }
        // SAFETY: the lead writes again only after this follower's answer.
        read(unsafe { std::slice::from_raw_parts(self.payload, self.length) });
    }

    /// Answers; the last one wakes the lead.
    pub fn answer(&self) {
        if self.header.awaited.0.fetch_sub(1, AcqRel) == 1 {
            shared::wake(&self.header.awaited.0, 1);
        }
    }
}
