//! Who taps a queue: gets a copy of every new message that is sent to it. One word of the queue says so; consumers do not look at it.
//!
//! The word ([`crate::owner`]) names the tapping member, not its mailbox, so that a reaper that comes late cannot take it from who
//! taps next. A member notes what it taps before it claims the word.

use crate::memory::Memory;
use crate::owner;
use crate::registry;
use crate::segment::Segment;
use crate::sync::{S8, S9, Word, window};
use crate::word::{Name, RecordState, RecordWord};
use std::sync::atomic::Ordering::Relaxed;

/// Makes `me` the one that taps a queue. `Err(other)`: it has another, who may be dead.
pub fn claim(segment: &Segment, me: Name, queue: Name) -> std::result::Result<(), Name> {
    let (Some(entry), Some(shared)) = (segment.member(me.index()), word(segment, queue)) else { return Err(me) };
    let note = || entry.taps.store(queue.bits() + 1, S8.release());
    owner::own(shared, me, note).map(drop).map_err(RecordWord::member)
}

/// The queue that a member noted that it taps.
pub fn noted(segment: &Segment, member: Name) -> Option<Name> {
    let taps = segment.member(member.index())?.taps.load(S8.acquire());
    taps.checked_sub(1).map(Name::from_bits)
}

/// Ends the tap of `tapper`, who is the caller or gone. `is_so`: asked after the word was read, for names come round again.
pub fn give_up(segment: &Segment, tapper: Name, queue: Name, is_so: impl Fn() -> bool) {
    let Some(shared) = word(segment, queue) else { return };
    owner::give_up(shared, tapper, is_so);
    window(83);
}

/// The mailbox to which copies go of what is sent to a queue with this word.
pub fn mailbox(segment: &Segment, word: &Word) -> Option<Name> {
    // S9: with the claim comes what the tapper owned before.
    let seen = RecordWord(word.load(S9.acquire()));
    if seen.state() != RecordState::Live {
        return None;
    }
    // Relaxed: it may be a note of who has the index by now, so the mailbox is asked for its owner.
    let noted = segment.member(seen.member().index())?.mailbox.load(Relaxed);
    let mailbox = noted.checked_sub(1).map(Name::from_bits)?;
    (registry::owner_of(segment, mailbox) == Some(seen.member())).then_some(mailbox)
}

/// Whether who taps a queue has lost its mailbox to another: no copies go anywhere, and the tap is for the next one to have.
pub fn has_lapsed(segment: &Segment, queue: Name, tapper: Name) -> bool {
    let Some(shared) = word(segment, queue) else { return false };
    let seen = RecordWord(shared.load(S9.acquire()));
    seen.state() == RecordState::Live && seen.member() == tapper && mailbox(segment, shared).is_none()
}

fn word(segment: &Segment, queue: Name) -> Option<&Word> {
    Some(segment.queue(queue)?.tap)
}
