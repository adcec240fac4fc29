//! What a claimed message becomes: one to hand out, a dead letter, or nothing.

use super::Member;
use crate::error::Result;
use crate::message::{Lane, Message, Meta};
use crate::platform::clock;
use crate::queue::{Claimed, Queue};
use crate::segment::Chunk;
use crate::sync::window;
use crate::wait;
use crate::word::ChunkWord;
use std::sync::atomic::Ordering::Relaxed;

/// Who takes messages of a full queue further apart than this wakes a sender each time, ns.
const UNHURRIED_NS: u64 = 100_000;

impl Member {
    /// Wakes who sleeps for room in the ring from which a message was claimed, if it is time.
    #[inline(always)]
    fn ring_room(&self, queue: &Queue<'_>, claimed: Claimed) {
        if let Some(ring) = queue.rings.get(claimed.ring()) {
            wait::ring_if(ring.room(), 1, || ring.is_time_for_senders(queue.limit) || self.is_unhurried());
        }
    }

    /// Makes a message of a claimed chunk if there is nothing about it that [`Member::open_claim`] would have to see to; else nothing was done.
    #[inline(always)]
    pub(super) fn open_at_once<'m>(
        &'m self,
        queue: &Queue<'_>,
        claimed: Claimed,
        chunk: Option<Chunk<'m>>,
    ) -> Option<Message<'m>> {
        let chunk = chunk?;
        if self.has_other_owner(queue) {
            return None;
        }
        let header = chunk.header();
        // Relaxed, all of it: our chunk now (I7), seen by S1.
        let meta = Meta(header.meta.load(Relaxed));
        let is_first = header.deliveries.load(Relaxed) == 0;
        if !is_first || !meta.is_plain() || header.expires_ns.load(Relaxed) != 0 || meta.length() > chunk.capacity() {
            return None;
        }
        self.ring_room(queue, claimed);
        let message = self.deliver(chunk, claimed.word, meta.length(), 1);
        self.received(&message);
        Some(message)
    }

    /// Makes a message of a chunk, whose header says from now on that it was delivered; `deliveries` is the new count.
    #[inline(always)]
    fn deliver<'m>(&'m self, chunk: Chunk<'m>, word: ChunkWord, length: usize, deliveries: u64) -> Message<'m> {
        let header = chunk.header();
        // Relaxed: our chunk (I7).
        header.deliveries.store(deliveries, Relaxed);
        let sent_ns = header.sent_ns.load(Relaxed);
        if sent_ns != 0 {
            self.measured_taken(chunk.number(), word, sent_ns, deliveries as u32 == 1);
        }
        window(15);
        Message::new(self, chunk, word, length)
    }

    /// Makes a message of a claimed chunk. One that has expired or was delivered too often becomes a dead letter; one whose header
    /// makes no sense is dropped and counted.
    ///
    /// # Errors
    /// If a dead letter cannot be moved; it is queued for redelivery then.
    pub(super) fn open<'m>(
        &'m self,
        queue: &Queue<'_>,
        claimed: Claimed,
        chunk: Option<Chunk<'m>>,
    ) -> Result<Option<(Message<'m>, Lane)>> {
        self.ring_room(queue, claimed);
        let Some(chunk) = chunk else {
            self.count_corrupt();
            return Ok(None);
        };
        let (header, word) = (chunk.header(), claimed.word);
        // Relaxed, all of it: our chunk now (I7), seen by S1.
        let meta = Meta(header.meta.load(Relaxed));
        let length = meta.length();
        if length > chunk.capacity() {
            self.count_corrupt();
            self.give_back(chunk, word);
            return Ok(None);
        }
        let (deliveries, most) = (header.deliveries.load(Relaxed), queue.max_deliveries);
        let expires_ns = header.expires_ns.load(Relaxed);
        let worn_out = most != 0 && deliveries & 0xffff_ffff >= most;
        if worn_out || expires_ns != 0 && expires_ns <= clock::monotonic_ns() {
            self.dead_letter(queue.name, chunk, word)?;
            return Ok(None);
        }
        if meta.flags() != 0 && meta.flags() != meta.anew().flags() && claimed.ring() != meta.lane().ring() {
            // It came back: whoever answered it in part is gone, and the answer begins anew.
            header.meta.store(meta.anew().0, Relaxed);
        }
        let counted = deliveries & !0xffff_ffff | (deliveries as u32).saturating_add(1) as u64;
        Ok(Some((self.deliver(chunk, word, length, counted), meta.lane())))
    }

    #[cold]
    fn count_corrupt(&self) {
        // Relaxed: a counter for people.
        self.segment().header().corrupt.fetch_add(1, Relaxed);
    }

    /// Whether its last take, of those that left senders asleep, is so long ago that the next may be, too: they are not to wait for half a queue then.
    #[cold]
    fn is_unhurried(&self) -> bool {
        let now = clock::monotonic_ns();
        now.saturating_sub(self.room_ns.replace(now)) > UNHURRIED_NS
    }
}
