//! Taps: an agent sees what is sent to a queue, and the queue's consumers notice nothing.
//!
//! Who sends makes the copy, before it publishes the message (afterwards that is the receiver's), and publishes it after the message. A copy never
//! delays a message and is never waited for: what finds no room or no memory is counted and missed. A sender that dies in between has
//! sent the message and not the copy.

use super::{Agent, Member};
use crate::error::{Error, Result};
use crate::message::{Lane, Loan, Meta, TraceContext};
use crate::queue::{NotPublished, Queue, Route, publish};
use crate::registry;
use crate::segment::Chunk;
use crate::sync::window;
use crate::tap;
use crate::word::{ChunkWord, Name};
use std::sync::atomic::Ordering::Relaxed;

/// Copies of messages that are about to be sent.
pub(super) struct Copies<'a> {
    mailbox: Name,
    loans: Vec<Loan<'a>>,
    missed: u64,
}

/// How often a tap is claimed that was another's: each time that one has gone. Beyond, the words about it make no sense.
const TRIES: u32 = 256;

impl Agent {
    /// From now on this agent's mailbox gets a copy of every new message that is sent or forwarded to `queue`: same id, sender, correlation, content and
    /// lane, in the order of sending; [`Message::tapped`](crate::Message::tapped) names the queue. Whoever consumes from the queue notices nothing.
    ///
    /// A copy that finds the mailbox full or no memory is missed, and counted among the messages that the mailbox dropped; a sender that dies just after it
    /// sent a message may cost its copy. Messages delivered again are not copied again. Ends with [`Agent::untap`], with the
    /// agent, or when its mailbox is taken over; it taps one queue at a time.
    ///
    /// # Errors
    /// `UnknownAgent`; `AgentBusy` if another taps it already; `InvalidArgument` for its own mailbox, or if this agent taps another queue.
    pub fn tap(&self, queue: &str) -> Result<()> {
        let member = &self.member;
        member.check()?;
        member.check_not_deposed()?;
        let (segment, name) = (member.segment(), member.find(queue)?);
        if name == self.mailbox {
            let what = format!("'{queue}' is this agent's own mailbox: it gets all of it anyway");
            return Err(Error::InvalidArgument { what });
        }
        if let Some(other) = tap::noted(segment, member.name()).filter(|other| *other != name) {
            let what = format!("this agent taps '{}' already: untap that first", member.spoken_name(other));
            return Err(Error::InvalidArgument { what });
        }
        for _ in 0..TRIES {
            let Err(other) = tap::claim(segment, member.name(), name) else { return Ok(()) };
            if tap::has_lapsed(segment, name, other) {
                tap::give_up(segment, other, name, || tap::has_lapsed(segment, name, other));
                continue;
            }
            if !registry::is_gone(segment, other) {
                let pid = registry::pid_of(segment, other).unwrap_or(0);
                return Err(Error::AgentBusy { name: queue.into(), pid });
            }
            member.reap_if(None);
            tap::give_up(segment, other, name, || registry::is_gone(segment, other));
        }
        Err(Error::corrupt(format!("the tap of queue '{queue}'"), "I5"))
    }

    /// Ends the tap, if there is one. Copies that came before stay in the mailbox.
    ///
    /// # Errors
    /// `Closed`, `Forked`.
    pub fn untap(&self) -> Result<()> {
        self.member.check()?;
        self.member.end_tap()
    }
}

impl Member {
    pub(super) fn end_tap(&self) -> Result<()> {
        if let Some(queue) = tap::noted(self.segment(), self.name) {
            tap::give_up(self.segment(), self.name, queue, || true);
            // Relaxed: our own note, needless from here on.
            self.entry().taps.store(0, Relaxed);
        }
        Ok(())
    }

    /// Copies messages of this member's that are about to be sent to `queue`, if somebody taps it.
    #[inline]
    pub(super) fn copy_for_tap(
        &self,
        queue: &Queue<'_>,
        first: Chunk<'_>,
        rest: &[(u32, ChunkWord)],
    ) -> Option<Copies<'_>> {
        if queue.is_tapped() { self.copy_all(queue, first, rest) } else { None }
    }

    #[cold]
    fn copy_all(&self, queue: &Queue<'_>, first: Chunk<'_>, rest: &[(u32, ChunkWord)]) -> Option<Copies<'_>> {
        let mailbox = tap::mailbox(self.segment(), queue.tap).filter(|mailbox| *mailbox != queue.name)?;
        let mut copies = Copies { mailbox, loans: Vec::new(), missed: 0 };
        let rest = rest.iter().map(|(chunk, _)| self.segment().chunk_of_mine(*chunk));
        for chunk in std::iter::once(Some(first)).chain(rest) {
            match chunk.and_then(|chunk| self.copy(queue.name, chunk)) {
                Some(copy) => copies.loans.push(copy),
                None => copies.missed += 1,
            }
        }
        Some(copies)
    }

    fn copy(&self, sent_to: Name, original: Chunk<'_>) -> Option<Loan<'_>> {
        let segment = self.segment();
        let header = original.header();
        // Relaxed, all of it: headers of our own chunks (I7); the copy's is published by S1.
        let meta = Meta(header.meta.load(Relaxed)).within(original.capacity());
        let length = meta.length().min(original.capacity());
        // What lies behind it, too, if there is something.
        let behind = if meta.is_traced() { TraceContext::BYTES } else { 0 };
        let all = length + behind;
        let (copy, word) = self.heap.borrow_mut().allocate_at_once(segment, all as u64)?;
        let to = copy.header();
        let loan = Loan::new(self, copy, word, copy.capacity());
        if copy.capacity() < all {
            return None;
        }
        // SAFETY: both chunks are this member's (I7) and hold `all` bytes, by the comparisons above.
        unsafe { std::ptr::copy_nonoverlapping(original.data(), copy.data(), all) };
        // An answer is none to the agent that taps: in the lane of answers it would be late.
        let lane = Some(meta.lane()).filter(|lane| *lane != Lane::Reply).unwrap_or_default();
        let copied = Meta::new(length, lane, meta.content()).as_copy();
        to.meta.store(if meta.is_traced() { copied.traced() } else { copied }.0, Relaxed);
        to.home.store(header.home.load(Relaxed) & !0xffff_ffff, Relaxed);
        to.id.store(header.id.load(Relaxed), Relaxed);
        to.correlation.store(header.correlation.load(Relaxed), Relaxed);
        to.sent_ns.store(header.sent_ns.load(Relaxed), Relaxed);
        to.next.store(0, Relaxed);
        to.expires_ns.store(0, Relaxed);
        to.deliveries.store((sent_to.bits() + 1) << 32, Relaxed);
        Some(loan)
    }

    /// Publishes copies of messages that have been sent, as far as there is room.
    #[cold]
    pub(super) fn publish_copies(&self, copies: Copies<'_>) {
        let Copies { mailbox, loans, mut missed } = copies;
        let segment = self.segment();
        let found = self.queue(mailbox).ok().zip(segment.queue_control(mailbox.index()));
        let Some((queue, control)) = found else { return };
        // All in one lane, whatever theirs: in the order of sending.
        let route = Route::send(Lane::Normal.ring());
        for loan in loans {
            let (chunk, word) = loan.into_parts();
            let notes = &self.entry().notes;
            match publish(segment, notes, queue, route, (chunk, word), &mut [], queue.head(route.ring())) {
                Ok(()) => {}
                Err(NotPublished { word, .. }) => {
                    drop(Loan::new(self, chunk, word, 0));
                    missed += 1;
                }
            }
            window(85);
        }
        if missed > 0 {
            // Relaxed: a counter for people.
            control.losses.dropped.fetch_add(missed, Relaxed);
        }
        queue.ring_items(1);
    }
}
