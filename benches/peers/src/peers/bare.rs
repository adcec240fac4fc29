//! Our own limit: the words that make a message crash-safe, and nothing around them.
//!
//! What `swarmbus` writes to shared memory for a message is written here as well, by the same protocol and in the same order: a chunk claimed by its word, header,
//! payload, intent, `QUEUED`, the slot, `tail`, a full fence and a look at who sleeps; and `INFLIGHT`, the slot emptied, `head`, a look at who waits for room, the delivery
//! counted, `FREE`. No names, lanes, options, counters, checks of what was read, nor anybody who would recover it. Beside *raw* it shows what the protocol costs,
//! beside `swarmbus` what everything else does.

use super::raw::Shared;
use crate::peer::{End, Peer};
use crate::trial::{Kind, Manner, TAKEN_AT_ONCE, Trial, Work, depth};
use anyhow::{Context, Result, bail};
use std::any::Any;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU64, fence};

/// The protocol.
pub struct Bare;

/// Words on a line, and what lies between two uses of it.
const LINE: usize = 8;
/// Lines of a lane before its slots: `tail`, `head`, who sleeps, who waits for room, and an intent for each of a few senders.
const CONTROL_LINES: usize = 64;
const TAIL: usize = 0;
const HEAD: usize = 2 * LINE;
const ITEMS: usize = 4 * LINE;
const ROOM: usize = 6 * LINE;
const INTENTS: usize = 8 * LINE;
const HEADER_WORDS: usize = 8;
/// Chunks among which a sender stays, and how many it claims at once.
const GROUP: usize = 64;
const CLAIMS: usize = 8;

/// Generations, laps: bits above the name or chunk and the state.
const SHIFT: u32 = 28;
const FREE: u64 = 0;
const HELD: u64 = 1;
const QUEUED: u64 = 2;
const IN_FLIGHT: u64 = 3;
const READY: u64 = 1;

/// A ring with chunks of its own, as one process sees it.
struct Lane {
    words: &'static [AtomicU64],
    chunks: *mut u8,
    length: usize,
    stride: usize,
    slots: usize,
    /// Our name, shifted to its place.
    me: u64,
    intent: usize,
    next_chunk: usize,
    /// What was claimed, with its generation; the last one is used first.
    claimed: Vec<(usize, u64)>,
    known_head: u64,
    sent: u64,
    /// The word of what was received last and is kept, and what it is to be: free.
    answered: Option<(&'static AtomicU64, u64)>,
    keeps_until_answered: bool,
}

fn words_of(length: usize) -> usize {
    CONTROL_LINES * LINE + 3 * depth(length)
}

fn stride_of(length: usize) -> usize {
    HEADER_WORDS * 8 + length.next_multiple_of(64)
}

/// Bytes of a lane for messages of `length` bytes: a chunk in each place, and as many on their way.
fn bytes_of(length: usize) -> usize {
    ((words_of(length) * 8).next_multiple_of(128) + 2 * depth(length) * stride_of(length)).next_multiple_of(128)
}

impl Lane {
    fn at(shared: &Shared, number: usize, trial: &Trial, sender: u32) -> Result<Lane> {
        let length = trial.bytes;
        let base = shared.at(number * bytes_of(length), bytes_of(length))?;
        // SAFETY: in bounds and aligned (`Shared::at`), mapped for the process' life, made of atomics that begin as zero.
        let words = unsafe { std::slice::from_raw_parts(base.cast::<AtomicU64>(), words_of(length)) };
        // SAFETY: the chunks follow the words within the bytes that `Shared::at` has checked.
        let chunks = unsafe { base.add((words_of(length) * 8).next_multiple_of(128)) };
        let senders = (CONTROL_LINES * LINE - INTENTS) / LINE;
        let (slots, intent) = (depth(length), INTENTS + sender as usize % senders * LINE);
        let next_chunk = sender as usize * slots / 4;
        let me = (u64::from(sender) + 1) << 2;
        Ok(Lane {
            words,
            chunks,
            length,
            stride: stride_of(length),
            slots,
            me,
            intent,
            next_chunk,
            claimed: Vec::with_capacity(CLAIMS),
            known_head: 0,
            sent: 0,
            answered: None,
            keeps_until_answered: trial.keeps_until_answered(),
        })
    }

    #[inline(always)]
    fn slot(&self, position: u64) -> &'static AtomicU64 {
        &self.words[CONTROL_LINES * LINE + (position as usize & (self.slots - 1))]
    }

    #[inline(always)]
    fn word(&self, chunk: usize) -> &'static AtomicU64 {
        &self.words[CONTROL_LINES * LINE + self.slots + (chunk & (2 * self.slots - 1))]
    }

    #[inline(always)]
    fn chunk(&self, chunk: usize) -> (&'static [AtomicU64; HEADER_WORDS], *mut u8) {
        // SAFETY: the number is taken modulo the number of chunks, so it lies among them.
        let at = unsafe { self.chunks.add((chunk & (2 * self.slots - 1)) * self.stride) };
        // SAFETY: a chunk begins with its header, of atomics, aligned to 64 bytes.
        let header = unsafe { &*at.cast() };
        // SAFETY: its payload follows.
        (header, unsafe { at.add(HEADER_WORDS * 8) })
    }

    /// Claims free chunks, as ours are: a few at once, among so many for as long as one of them is free, downwards.
    #[inline(always)]
    fn claim(&mut self) -> Option<(usize, u64)> {
        if self.claimed.is_empty() {
            while self.claimed.len() < CLAIMS
                && let Some((chunk, generation)) = self.claim_one()
            {
                let (header, payload) = self.chunk(chunk);
                expect_write(header);
                expect_write(payload);
                self.claimed.push((chunk, generation));
            }
        }
        self.claimed.pop()
    }

    #[inline(always)]
    fn claim_one(&mut self) -> Option<(usize, u64)> {
        for tried in 1..=2 * self.slots {
            let chunk = self.next_chunk & (2 * self.slots - 1);
            let (group, place) = (self.next_chunk & !(GROUP - 1), self.next_chunk.wrapping_sub(1) & (GROUP - 1));
            self.next_chunk = if tried % GROUP == 0 { group + GROUP } else { group | place };
            let (shared, seen) = (self.word(chunk), self.word(chunk).load(Acquire));
            let generation = (seen >> SHIFT) + 1;
            let held = generation << SHIFT | self.me | HELD;
            if seen & 3 == FREE && shared.compare_exchange(seen, held, AcqRel, Acquire).is_ok() {
                return Some((chunk, generation));
            }
        }
        None
    }

    #[inline]
    fn send(&mut self, mut write: impl FnMut(&mut [u8]), idle: impl Fn()) {
        let (chunk, generation) = loop {
            let tail = self.words[TAIL].load(Acquire);
            // A slow sender may have set `tail` back.
            if (tail.wrapping_sub(self.known_head) as i64) < self.slots as i64
                && let Some(claimed) = self.claim()
            {
                break claimed;
            }
            let head = self.words[HEAD].load(Acquire);
            if head == self.known_head {
                idle();
            }
            self.known_head = head;
        };
        let (header, payload) = self.chunk(chunk);
        self.sent += 1;
        let fields = [self.me, self.length as u64, 0, self.sent, 0, 0, 0, 0];
        header.iter().zip(fields).for_each(|(word, field)| word.store(field, Relaxed));
        // SAFETY: the chunk is held by us, and its payload has `length` bytes.
        write(unsafe { std::slice::from_raw_parts_mut(payload, self.length) });
        self.words[self.intent].store(generation << SHIFT | (chunk as u64) << 2 | 1, Release);
        self.word(chunk).store(generation << SHIFT | QUEUED, Release);
        loop {
            let tail = self.words[TAIL].load(Acquire);
            let (slot, lap) = (self.slot(tail), tail >> self.slots.ilog2());
            let seen = slot.load(Acquire);
            let filled = lap << SHIFT | (chunk as u64) << 2 | READY;
            if seen == lap << SHIFT && slot.compare_exchange(seen, filled, AcqRel, Acquire).is_ok() {
                self.words[TAIL].store(tail + 1, Release);
                break;
            }
            if seen >> SHIFT >= lap && seen != lap << SHIFT {
                // Somebody was faster, and has not come to it.
                let _ = self.words[TAIL].compare_exchange(tail, tail + 1, AcqRel, Acquire);
            } else {
                idle();
            }
        }
        fence(SeqCst);
        assert_eq!(self.words[ITEMS].load(Relaxed), 0, "nobody sleeps");
    }

    #[inline]
    fn receive(&mut self, mut read: impl FnMut(&[u8])) -> bool {
        if let Some((word, free)) = self.answered.take() {
            word.store(free, Release);
        }
        let head = self.words[HEAD].load(Acquire);
        let (slot, lap) = (self.slot(head), head >> self.slots.ilog2());
        let seen = slot.load(Acquire);
        if seen >> SHIFT != lap || seen & READY == 0 {
            return false;
        }
        let chunk = (seen >> 2) as usize & (2 * self.slots - 1);
        expect_write(slot);
        expect_write(self.word(chunk));
        expect_write(self.chunk(chunk).0);
        let (shared, word) = (self.word(chunk), self.word(chunk).load(Acquire));
        let generation = (word >> SHIFT) + 1;
        let claimed = generation << SHIFT | self.me | IN_FLIGHT;
        if slot.load(Acquire) != seen
            || word & 3 != QUEUED
            || shared.compare_exchange(word, claimed, AcqRel, Acquire).is_err()
        {
            return false;
        }
        let _ = slot.compare_exchange(seen, (lap + 1) << SHIFT, AcqRel, Acquire);
        self.words[HEAD].store(head + 1, Release);
        assert_eq!(self.words[ROOM].load(Acquire), 0, "nobody waits for room asleep");
        let (header, payload) = self.chunk(chunk);
        let length = (header[1].load(Relaxed) as usize).min(self.length);
        header[5].store(header[5].load(Relaxed) + 1, Relaxed);
        // SAFETY: the chunk is in flight with us, and its payload has `length` bytes.
        read(unsafe { std::slice::from_raw_parts(payload, length) });
        let free = (generation + 1) << SHIFT | FREE;
        if self.keeps_until_answered {
            self.answered = Some((shared, free));
        } else {
            shared.store(free, Release);
        }
        true
    }
}

/// An end of it.
pub struct BareEnd {
    out: Option<Lane>,
    into: Option<Lane>,
    trial: Trial,
}

impl End for BareEnd {
    #[inline]
    fn send(&mut self, _length: usize, write: impl FnMut(&mut [u8])) -> Result<()> {
        self.out.as_mut().context("this end only receives")?.send(write, || self.trial.idle());
        Ok(())
    }

    #[inline]
    fn receive(&mut self, mut read: impl FnMut(&[u8])) -> Result<usize> {
        let into = self.into.as_mut().context("this end only sends")?;
        let mut count = 0;
        while count < self.trial.taken_at_once() && into.receive(&mut read) {
            count += 1;
        }
        Ok(count)
    }
}

impl Peer for Bare {
    type End = BareEnd;

    fn name(&self) -> &'static str {
        "bare"
    }

    fn version(&self) -> String {
        "our protocol's words of this tree, written down once more".into()
    }

    fn manners(&self) -> &'static [Manner] {
        &[Manner::Polling]
    }

    fn settings(&self, work: &Work, _manner: Manner) -> String {
        let slots = depth(work.bytes);
        format!(
            "a ring of {slots} slots for all senders, {} chunks; up to {TAKEN_AT_ONCE} messages taken in a row (one where each is answered, let go of after that), one by one",
            2 * slots
        )
    }

    fn refuses(&self, work: &Work, _manner: Manner) -> Option<String> {
        let is_made = matches!(work.kind, Kind::OneWay | Kind::RoundTrip);
        (!is_made || work.followers > 8).then(|| "it shows what one message costs".into())
    }

    fn prepare(&self, trial: &Trial) -> Result<Box<dyn Any>> {
        let lanes = match trial.kind {
            Kind::OneWay => 1,
            Kind::RoundTrip => 2,
            _ => bail!("lanes are not made for this"),
        };
        Shared::create(trial, lanes * bytes_of(trial.bytes))?;
        Ok(Box::new(()))
    }

    fn lead(&self, trial: &Trial) -> Result<BareEnd> {
        let shared = Shared::open(trial)?;
        let out = trial.has_down().then(|| Lane::at(&shared, 1, trial, 9)).transpose()?;
        Ok(BareEnd { out, into: Some(Lane::at(&shared, 0, trial, 9)?), trial: trial.clone() })
    }

    fn follower(&self, trial: &Trial, index: u32) -> Result<BareEnd> {
        let shared = Shared::open(trial)?;
        let into = trial.has_down().then(|| Lane::at(&shared, 1, trial, index)).transpose()?;
        Ok(BareEnd { out: Some(Lane::at(&shared, 0, trial, index)?), into, trial: trial.clone() })
    }
}

/// Says that a line will be written soon, as ours does.
#[inline(always)]
fn expect_write<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint; it does not fault.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) place, options(nostack, preserves_flags, readonly))
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
