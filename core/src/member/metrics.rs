//! What a member counts and measures, for people. All of it is in words that the member alone writes, by a load and a store; a crash loses nothing by it.
//!
//! Counters are kept for every message. Times are taken of every 64th that a member sends: the header says when it was sent, and who takes it goes on measuring.
//! The histograms lie on a page that is committed with the first sample.

use super::Member;
use crate::latency::{Latency, bucket_of};
use crate::layout::Counters;
use crate::message::MessageId;
use crate::platform::clock;
use crate::sync::{Word, aside};
use crate::word::ChunkWord;
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

/// Every so many messages that a member sends one is measured. A power of two.
const EVERY: u64 = 64;
/// Messages that are measured while they are in a member's hands. One more takes the place of another.
const IN_HAND: usize = 4;

/// A message in hand: its chunk, the chunk's word, and when it was taken.
type InHand = Option<(u32, ChunkWord, u64)>;

/// What a member needs to measure.
#[derive(Default)]
pub(super) struct Metrics {
    /// When the message that is measured now began to be sent.
    sending_since_ns: Cell<u64>,
    in_hand: [Cell<InHand>; IN_HAND],
    /// The place after that of the last one; 0 if there is none.
    measured: Cell<usize>,
}

/// Adds to a counter of the caller's own.
#[inline(always)]
fn add(counter: &Word, by: u64) {
    // Relaxed: nobody else writes it, and it orders nothing.
    aside(|| counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed));
}

impl Member {
    #[inline(always)]
    fn counters(&self) -> &Counters {
        &self.entry().counters
    }

    /// Adds to one of this member's counters.
    #[inline(always)]
    pub(crate) fn counted(&self, counter: impl FnOnce(&Counters) -> &Word, by: u64) {
        add(counter(self.counters()), by);
    }

    /// An attempt to send came to nothing.
    #[cold]
    pub(crate) fn counted_refused(&self) {
        add(&self.counters().refused, 1);
    }

    /// Messages were sent, the last of them with this id.
    #[inline(always)]
    pub(crate) fn counted_sent(&self, messages: usize, bytes: usize, last: MessageId) {
        let counters = self.counters();
        add(&counters.sent, messages as u64);
        add(&counters.sent_bytes, bytes as u64);
        if last.0.is_multiple_of(EVERY) {
            self.measured_since(Latency::Sending, self.metrics.sending_since_ns.get());
        }
    }

    /// A message was passed on: sent, without a new header.
    pub(crate) fn counted_forwarded(&self, bytes: usize) {
        add(&self.counters().sent, 1);
        add(&self.counters().sent_bytes, bytes as u64);
    }

    /// A message was received.
    #[inline(always)]
    pub(crate) fn counted_received(&self, bytes: usize) {
        let counters = self.counters();
        add(&counters.received, 1);
        add(&counters.received_bytes, bytes as u64);
    }

    /// A message was released.
    #[inline(always)]
    pub(crate) fn counted_released(&self, chunk: u32, word: ChunkWord) {
        add(&self.counters().released, 1);
        if self.metrics.measured.get() != 0 {
            self.measured_handling(chunk, word);
        }
    }

    /// What the header of this member's next message, with this id, says of when it was sent: 0 unless it is measured.
    #[inline]
    pub(super) fn sent_ns(&self, id: MessageId) -> u64 {
        if id.0.is_multiple_of(EVERY) { self.sending() } else { 0 }
    }

    #[cold]
    fn sending(&self) -> u64 {
        let now_ns = clock::monotonic_ns();
        self.metrics.sending_since_ns.set(now_ns);
        now_ns
    }

    /// A message that is measured was taken. `first`: it was never delivered before.
    #[cold]
    pub(super) fn measured_taken(&self, chunk: u32, word: ChunkWord, sent_ns: u64, first: bool) {
        let (now_ns, measured) = (clock::monotonic_ns(), self.metrics.measured.get());
        if first {
            self.measured(Latency::Queueing, now_ns.saturating_sub(sent_ns));
        }
        let in_hand = &self.metrics.in_hand;
        let mut places = (0..IN_HAND).map(|step| (measured + step) % IN_HAND);
        let at = places.find(|at| in_hand[*at].get().is_none()).unwrap_or(measured % IN_HAND);
        in_hand[at].set(Some((chunk, word, now_ns)));
        self.metrics.measured.set(at + 1);
    }

    /// A message went elsewhere: how long it is handled is not measured.
    #[inline(always)]
    pub(crate) fn out_of_hand(&self, chunk: u32, word: ChunkWord) {
        if self.metrics.measured.get() != 0 {
            self.no_longer_in_hand(chunk, word);
        }
    }

    #[cold]
    fn measured_handling(&self, chunk: u32, word: ChunkWord) {
        if let Some(taken_ns) = self.no_longer_in_hand(chunk, word) {
            self.measured_since(Latency::Handling, taken_ns);
        }
    }

    /// When it was taken, if it is measured.
    #[cold]
    fn no_longer_in_hand(&self, chunk: u32, word: ChunkWord) -> Option<u64> {
        let in_hand = &self.metrics.in_hand;
        let is_it = |place: &&Cell<InHand>| place.get().is_some_and(|(other, its, _)| (other, its) == (chunk, word));
        let (.., taken_ns) = in_hand.iter().find(is_it)?.take()?;
        if in_hand.iter().all(|place| place.get().is_none()) {
            self.metrics.measured.set(0);
        }
        Some(taken_ns)
    }

    /// Something that began then has ended.
    #[cold]
    pub(super) fn measured_since(&self, what: Latency, since_ns: u64) {
        self.measured(what, clock::monotonic_ns().saturating_sub(since_ns));
    }

    fn measured(&self, what: Latency, ns: u64) {
        // Without memory there is no histogram. Nothing of it depends on the moment of a crash.
        aside(|| {
            let Some(page) = self.board_of_member() else { return };
            let word = &page.histograms[what as usize][bucket_of(ns)];
            // Relaxed: as with counters.
            word.store(word.load(Relaxed).wrapping_add(1), Relaxed);
        });
    }
}
