//! Messages that are not delivered: moved to a queue of dead letters, from where they can be sent again, or dropped and counted.
//!
//! A dead letter is moved like any message, so a crash leaves it in exactly one place; its header keeps the queue it was sent to.

use super::{Known, Member};
use crate::error::{Error, Result};
use crate::layout::{QUEUE_MAKES_ROOM, REPLY};
use crate::message::{Lane, Message, Meta};
use crate::parking::take_due;
use crate::queue::{Claimed, NotPublished, Queue, Refusal, Route, note_wake, publish, take_from, unlink};
use crate::reap::unshelve;
use crate::segment::Chunk;
use crate::sync::S10;
use crate::wait;
use crate::word::{ChunkWord, Link, Name};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

/// A ring that is full and empty at once for this many rounds is not sane.
pub(super) const ROUNDS: u32 = 1000;

impl Member {
    /// Makes room in a full ring if its queue wants that; `false`: the sender has to wait.
    #[cold]
    pub(super) fn make_room(&self, queue: &Queue<'_>, ring: usize) -> Result<bool> {
        if ring != REPLY && queue.flags.load(S10.acquire()) & QUEUE_MAKES_ROOM == 0 {
            return Ok(false);
        }
        let Some(lane) = queue.ring(ring) else { return Ok(false) };
        match take_from(self.segment(), queue, ring, &lane, self.name)? {
            Some((oldest, _)) if ring == REPLY => self.drop_letter(queue.name, oldest.chunk(), oldest.word),
            Some((oldest, _)) => self.each_of(oldest, |one| match self.segment().chunk_of_mine(one.chunk()) {
                Some(chunk) => self.dead_letter(queue.name, chunk, one.word),
                None => Err(Error::corrupt(format!("chunk {}", one.chunk()), "I5")),
            })?,
            // Somebody else took it: there is room now.
            None => {}
        }
        Ok(true)
    }

    /// Does `what` with a claimed message, and with all that hang on it.
    fn each_of(&self, first: Claimed, what: impl Fn(Claimed) -> Result<()>) -> Result<()> {
        let mut next = Some(first);
        while let Some(one) = next {
            // Relaxed: our own header (I7).
            let link = self.segment().chunk_of_mine(one.chunk()).map_or(0, |chunk| chunk.header().next.load(Relaxed));
            next = unlink(self.segment(), self.name, one, Link(link));
            if let Err(error) = what(one) {
                // The rest hangs on it.
                next.map_or(Ok(()), |next| self.redeliver(next.chunk(), next.word))?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Releases a message that nobody will read, and counts it.
    pub(super) fn drop_letter(&self, queue: Name, chunk: u32, word: ChunkWord) {
        if let Some(control) = self.segment().queue_control(queue.index()) {
            // Relaxed: a counter for people.
            control.losses.dropped.fetch_add(1, Relaxed);
        }
        self.give_back_unopened(chunk, word);
    }

    /// Moves a message in flight with this member to the dead letters of `queue`.
    ///
    /// # Errors
    /// If the dead letters cannot take it (an insane ring, no memory): it is queued again as it was.
    #[cold]
    pub(super) fn dead_letter(&self, queue: Name, chunk: Chunk<'_>, word: ChunkWord) -> Result<()> {
        let Some(control) = self.segment().queue_control(queue.index()) else {
            return Err(Error::corrupt(format!("queue {}", queue.index()), "I12"));
        };
        let (header, mut word) = (chunk.header(), word);
        // Relaxed: counters for people, our own header (I7), and an option that was set before the queue was named (S6).
        control.losses.undelivered.fetch_add(1, Relaxed);
        let target = control.dead_letters.load(Relaxed).checked_sub(1).map(Name::from_bits);
        let Some(target) = target.and_then(|name| self.queue(name).ok()) else {
            self.drop_letter(queue, chunk.number(), word);
            return Ok(());
        };
        let (deliveries, expires_ns) = (header.deliveries.load(Relaxed), header.expires_ns.load(Relaxed));
        let meta = Meta(header.meta.load(Relaxed));
        if !meta.is_copy() {
            // (A copy keeps the name of the queue that was tapped there.)
            header.deliveries.store(deliveries & 0xffff_ffff | (queue.bits() + 1) << 32, Relaxed);
        }
        header.expires_ns.store(0, Relaxed);
        // Sent again from there, its answer begins anew.
        header.meta.store(meta.anew().0, Relaxed);
        self.bury(target, (chunk, &mut word)).or_else(|error| {
            header.deliveries.store(deliveries, Relaxed);
            header.expires_ns.store(expires_ns, Relaxed);
            self.redeliver(chunk.number(), word)?;
            Err(error)
        })
    }

    fn bury(&self, target: &Known<'_>, (chunk, word): (Chunk<'_>, &mut ChunkWord)) -> Result<()> {
        let route = Route::put_back(Lane::Normal.ring());
        let notes = &self.entry().notes;
        for _ in 0..ROUNDS {
            let head = target.head(route.ring());
            match publish(self.segment(), notes, target, route, (chunk, *word), &mut [], head) {
                Ok(()) => {
                    target.ring_items(1);
                    return Ok(());
                }
                Err(NotPublished { word: back, why }) => {
                    *word = back;
                    if let Refusal::Failed(error) = why {
                        return Err(error);
                    }
                }
            }
            let Some(ring) = target.ring(route.ring()) else { continue };
            if let Some((oldest, _)) = take_from(self.segment(), target, route.ring(), &ring, self.name)? {
                self.each_of(oldest, |one| {
                    self.drop_letter(target.name, one.chunk(), one.word);
                    Ok(())
                })?;
            }
        }
        Err(Error::corrupt("a queue of dead letters", "I3"))
    }

    /// Sends dead letters back to the queues they were sent to, `most` at the most, their deliveries counted anew. Returns how many went;
    /// what was put there directly stays. Stops at a queue that is full.
    ///
    /// # Errors
    /// `UnknownAgent`, `AgentBusy`, `Full`, `Closed`.
    pub fn redrive(&self, dead_letters: &str, most: u64) -> Result<u64> {
        let mut put_there_directly = Vec::new();
        let result = self.redrive_until(dead_letters, most, &mut put_there_directly);
        // Dropped here: they go back only now, or they would be met again and again.
        drop(put_there_directly);
        self.find(dead_letters).map(|queue| self.give_back_rests(|of| of == queue))?;
        result
    }

    fn redrive_until<'a>(&'a self, dead_letters: &str, most: u64, others: &mut Vec<Message<'a>>) -> Result<u64> {
        let mut sent = 0;
        while sent < most {
            let Some(mut letter) = self.try_receive(dead_letters)? else { break };
            let Some(origin) = letter.origin() else {
                others.push(letter);
                continue;
            };
            match letter.send_back(origin) {
                Ok(()) => std::mem::forget(letter),
                // Dropped, it stays a dead letter.
                Err(_) if sent > 0 => break,
                Err(error) => return Err(error),
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
        let queue = self.queue(name)?;
        let purged = Cell::new(0);
        let purge = |one: Claimed| {
            self.give_back_unopened(one.chunk(), one.word);
            purged.set(purged.get() + 1);
            Ok(())
        };
        note_wake(&self.entry().notes.takes_from, name);
        for begun in self.take_rests(|of| of == name) {
            self.each_of(begun, purge)?;
        }
        loop {
            for (number, ring) in queue.active() {
                while let Some((claimed, _)) = take_from(self.segment(), queue, number, &ring, self.name)? {
                    self.check_claim(queue, claimed)?;
                    wait::ring(ring.room(), 1);
                    self.each_of(claimed, purge)?;
                }
            }
            if !unshelve(self.segment(), self.name, queue) {
                break;
            }
        }
        while let Some(parked) = take_due(self.segment(), queue, self.name, || None) {
            self.check_claim(queue, parked)?;
            self.each_of(parked, purge)?;
        }
        Ok(purged.get())
    }
}
