//! What a member writes for its reaper, for people, and as its status.

use super::{BUCKETS, HISTOGRAMS, SPAN_MAP_WORDS, STATUS_WORDS, TOPICS};
use crate::sync::Word;

/// A member's notes to its reaper. Written by the member alone; reset by the next owner of the index.
#[repr(C)]
pub struct MemberEntry {
    /// What is written with every message: see [`Notes`].
    pub notes: Notes,
    /// What it did so far.
    pub counters: Counters,
    /// The mailbox that it owns (queue name plus 1), or 0.
    pub mailbox: Word,
    /// The queue record that it makes (index plus 1), or 0.
    pub declaring: Word,
    /// Whom its messages say they are from (queue name plus 1), or 0.
    pub sender: Word,
    /// [`crate::word::ThreadWord`]: the thread to which the handle is bound, or 0: to the process alone.
    pub thread: Word,
    /// The queue whose messages it taps (name plus 1), or 0.
    pub taps: Word,
    /// The deduplication key of the message that it is sending.
    pub key: Word,
    /// The queue (name plus 1) in which it may have a stripe of keys, or 0.
    pub keyed_in: Word,
    /// A bit for each topic to which it subscribes: set before the cursor is claimed.
    pub topics: [Word; TOPICS / 64],
    /// 1: it may have entries in the lock table.
    pub locks: Word,
    /// When it joined, ns of `CLOCK_MONOTONIC`; for people.
    pub joined_ns: Word,
    pub(super) spare: [Word; 35],
    /// Spans in which it claimed chunks: bit set before the first claim there.
    pub spans: [Word; SPAN_MAP_WORDS],
}

/// The notes that change with messages, on lines of their own.
#[repr(C, align(64))]
pub struct Notes {
    /// [`crate::word::Intent`].
    pub intent: Word,
    /// The queue (name plus 1) whose receivers it may owe a wake.
    pub sends_to: Word,
    /// The queue (name plus 1) whose senders it may owe a wake.
    pub takes_from: Word,
    /// The queue (name plus 1) on which it waits, and whose wake it may have swallowed; [`WAITS_ANYWHERE`]: on several.
    pub waits_on: Word,
    /// [`crate::word::Intent`]: the message that its next one pushes out of a topic.
    pub evicts: Word,
}

#[cfg(any(loom, test))]
impl Notes {
    /// Notes outside shared memory: none.
    pub fn blank() -> Notes {
        let none = || Word::new(0);
        Notes { intent: none(), sends_to: none(), takes_from: none(), waits_on: none(), evicts: none() }
    }
}

/// What a member did so far, for people. Written by it alone, reset by the next owner of the index.
#[repr(C, align(64))]
pub struct Counters {
    /// Messages sent and published.
    pub sent: Word,
    /// Bytes of these.
    pub sent_bytes: Word,
    /// Messages received.
    pub received: Word,
    /// Bytes of these.
    pub received_bytes: Word,
    /// Messages released.
    pub released: Word,
    /// Messages given back to their queue.
    pub given_back: Word,
    /// Sends that were refused.
    pub refused: Word,
    /// How often it went to sleep.
    pub sleeps: Word,
}

/// [`Notes::waits_on`]: any queue's wake may have been swallowed.
pub const WAITS_ANYWHERE: u64 = u64::MAX;

/// The second page of a cell: the status of the agent whose mailbox has this index, and the histograms of the member that has it.
#[repr(C)]
pub struct Board {
    /// Of the agent.
    pub status: StatusBoard,
    /// Of the member; written by it alone.
    pub histograms: [[Word; BUCKETS]; HISTOGRAMS],
}

/// An agent's status, twice: one copy is read while the other is written.
#[repr(C)]
pub struct StatusBoard {
    /// Which copy counts, which version it is, and who may write.
    pub head: Word,
    /// When the agent last gave a sign of life, ns of `CLOCK_MONOTONIC`.
    pub beat_ns: Word,
    pub(super) spare: [Word; 6],
    /// The copies.
    pub copies: [[Word; STATUS_WORDS]; 2],
}
