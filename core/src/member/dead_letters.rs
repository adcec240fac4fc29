//! Messages that are not delivered: moved to a queue of dead letters, from where they can be sent again, or dropped and counted.
//!
//! A dead letter is moved like any message, so a crash leaves it in exactly one place; its header keeps the queue it was sent to.

use super::Member;
use crate::error::Result;
use crate::layout::{QUEUE_MAKES_ROOM, REPLY};
use crate::memory::Memory;
use crate::message::{Lane, Meta};
use crate::queue::{BY_PRIORITY, Claimed, NotPublished, Queue, Route, publish, take, take_from};
use crate::sync::S10;
use crate::wait;
use crate::word::{ChunkState, ChunkWord, IntentKind, Name};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

impl Member {
    /// Makes room in a full ring if its queue wants that; `false`: the sender has to wait.
    pub(super) fn make_room(&self, queue: &Queue<'_>, ring: usize) -> Result<bool> {
        if ring != REPLY && queue.flags.load(S10.acquire()) & QUEUE_MAKES_ROOM == 0 {
            return Ok(false);
        }
        let Some(lane) = queue.ring(ring) else { return Ok(false) };
        match take_from(self.segment(), queue, ring, lane, self.name)? {
            Some(oldest) if ring == REPLY => self.drop_letter(queue.name, oldest),
            Some(oldest) => self.dead_letter(queue.name, oldest.chunk, oldest.word),
            // Somebody else took it: there is room now.
            None => {}
        }
        Ok(true)
    }

    /// Releases a message that nobody will read, and counts it.
    pub(super) fn drop_letter(&self, queue: Name, message: Claimed) {
        if let Some(control) = self.segment().queue_control(queue.index()) {
            // Relaxed: a counter for people.
            control.dropped.fetch_add(1, Relaxed);
        }
        self.give_back(message.chunk, message.word, ChunkState::InFlight);
    }

    /// Moves a message in flight with this member to the dead letters of `queue`.
    pub(super) fn dead_letter(&self, queue: Name, chunk: u32, word: ChunkWord) {
        let segment = self.segment();
        let mut letter = Claimed { chunk, word, ring: Lane::Normal.ring() };
        let Some((control, header)) = segment.queue_control(queue.index()).zip(segment.chunk_header(chunk)) else {
            return;
        };
        // Relaxed: counters for people, our own header (I7), and an option that was set before the queue was named (S6).
        control.undelivered.fetch_add(1, Relaxed);
        let target = control.dead_letters.load(Relaxed).checked_sub(1).map(Name::from_bits);
        let Some(target) = target.and_then(|name| segment.queue(name)) else { return self.drop_letter(queue, letter) };
        let deliveries = header.deliveries.load(Relaxed) & 0xffff_ffff;
        header.deliveries.store(deliveries | (queue.bits() + 1) << 32, Relaxed);
        header.expires_ns.store(0, Relaxed);
        if self.bury(&target, &mut letter).is_err() {
            // No memory for the dead letters' ring, or an insane one: it stays what it was, a message of its queue.
            let _ = self.redeliver(chunk, letter.word);
        }
    }

    fn bury(&self, target: &Queue<'_>, letter: &mut Claimed) -> Result<()> {
        let route = Route { ring: letter.ring, kind: IntentKind::Move };
        let notes = &self.entry()?.notes;
        loop {
            let known_head = self.known_head(target.name, route.ring);
            match publish(self.segment(), notes, target, route, (letter.chunk, letter.word), known_head) {
                Ok(()) => {
                    wait::ring(target.items, 1);
                    return Ok(());
                }
                Err(NotPublished { word, error }) => {
                    letter.word = word;
                    error.map_or(Ok(()), Err)?;
                }
            }
            let Some(ring) = target.ring(route.ring) else { continue };
            if let Some(oldest) = take_from(self.segment(), target, route.ring, ring, self.name)? {
                self.drop_letter(target.name, oldest);
            }
        }
    }

    /// Sends dead letters back to the queues they were sent to, `most` at the most, their deliveries counted anew. Returns how many went;
    /// what was put there directly stays. Stops at a queue that is full.
    ///
    /// # Errors
    /// `UnknownAgent`, `AgentBusy`, `Full`, `Closed`.
    pub fn redrive(&self, dead_letters: &str, most: u64) -> Result<u64> {
        let name = self.find(dead_letters)?;
        let waiting: u64 = {
            let queue = self.queue(name)?;
            queue.active().map(|(_, ring)| ring.waiting().count() as u64).sum()
        };
        let mut sent = 0;
        for _ in 0..waiting {
            if sent == most {
                break;
            }
            let Some(message) = self.try_receive(dead_letters)? else { break };
            let raw = message.into_raw();
            let Some(header) = self.segment().chunk_header(raw.chunk) else { continue };
            // Relaxed: our own header (I7).
            let deliveries = header.deliveries.load(Relaxed);
            let Some(origin) = (deliveries >> 32).checked_sub(1).map(Name::from_bits) else {
                self.redeliver(raw.chunk, raw.word)?;
                continue;
            };
            header.deliveries.store(0, Relaxed);
            let route = Route { ring: Meta(header.meta.load(Relaxed)).lane().ring(), kind: IntentKind::Move };
            let mut word = raw.word;
            if let Err(error) = self.enqueue(origin, route, raw.chunk, &mut word, Some(Duration::ZERO), &mut || false) {
                header.deliveries.store(deliveries, Relaxed);
                self.redeliver(raw.chunk, word)?;
                return if sent > 0 { Ok(sent) } else { Err(error) };
            }
            sent += 1;
        }
        Ok(sent)
    }

    /// Drops everything that waits in a queue. Returns how many messages that were.
    ///
    /// # Errors
    /// `UnknownAgent`, `AgentBusy` (a mailbox that somebody else owns), `Closed`.
    pub fn purge(&self, queue: &str) -> Result<u64> {
        self.check()?;
        let name = self.find(queue)?;
        self.check_owner(name)?;
        let (queue, notes) = (self.queue(name)?, &self.entry()?.notes);
        let mut purged = 0;
        while let Some(claimed) = take(self.segment(), notes, &queue, self.name, &BY_PRIORITY)? {
            if let Some(ring) = queue.ring(claimed.ring) {
                wait::ring(ring.room(), 1);
            }
            self.give_back(claimed.chunk, claimed.word, ChunkState::InFlight);
            purged += 1;
        }
        Ok(purged)
    }
}
