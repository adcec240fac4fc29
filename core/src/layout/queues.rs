//! Queues, their rings, and the headers of messages.

use super::RINGS;
use crate::sync::{WakeWord, Word};
use crossbeam_utils::CachePadded;

/// A queue without its slots.
#[repr(C)]
pub struct QueueControl {
    /// Name, zero-padded.
    pub name: [Word; 8],
    /// [`crate::word::RecordWord`]: the member that owns the mailbox, and the epoch.
    pub owner: Word,
    /// [`QUEUE_CLOSED`] and others; an epoch above ([`QUEUE_EPOCH`]).
    pub flags: Word,
    /// Most messages in a lane.
    pub limit: Word,
    /// Bit r: ring r is committed.
    pub lanes: Word,
    /// How often a message is delivered at most; 0: without end.
    pub max_deliveries: Word,
    /// The queue (name plus 1) to which messages go that are not delivered; 0: nowhere.
    pub dead_letters: Word,
    /// Lowest bit: messages of this queue wait for room in its redelivery ring, owned by nobody living; a count above it.
    pub deferred: Word,
    /// [`crate::word::RecordWord`]: the member whose mailbox gets a copy of every message sent here.
    pub tap: Word,
    /// Rung when a message comes.
    pub items: CachePadded<WakeWord>,
    /// What became of messages that were not delivered.
    pub losses: CachePadded<Losses>,
    /// Hints of the rings.
    pub rings: [RingControl; RINGS],
    /// What belongs to messages that wait for a time, and to keys.
    pub later: CachePadded<Later>,
}

/// [`QueueControl::flags`]: intake is stopped.
pub const QUEUE_CLOSED: u64 = 1;

/// [`QueueControl::flags`]: a message for a full lane moves the oldest of the lane to the dead letters.
pub const QUEUE_MAKES_ROOM: u64 = 2;

/// [`QueueControl::flags`]: closed, and no sender can get a message in any more.
pub const QUEUE_SEALED: u64 = 4;

/// [`QueueControl::flags`]: what is added whenever the queue is closed or opened, above the bits.
pub const QUEUE_EPOCH: u64 = 1 << 32;

/// A ring's hints. `head` and `tail` are positions; the truth is in the slots.
#[repr(C)]
pub struct RingControl {
    /// Where the next message probably goes.
    pub tail: CachePadded<Word>,
    /// What takers write.
    pub front: CachePadded<RingFront>,
}

#[cfg(any(loom, test))]
impl RingControl {
    /// Hints outside shared memory, of an empty ring whose next message comes to `position`.
    pub fn starting_at(position: u64) -> RingControl {
        let front = RingFront { head: Word::new(position), room: WakeWord::new(0) };
        RingControl { tail: CachePadded::new(Word::new(position)), front: CachePadded::new(front) }
    }
}

/// The taker's end of a ring.
#[repr(C)]
pub struct RingFront {
    /// Where the oldest message probably is.
    pub head: Word,
    /// Rung when room comes.
    pub room: WakeWord,
}

/// A queue's parking lot and keys, without the words of either.
#[repr(C)]
pub struct Later {
    /// When the next parked message is due: `count:24 · due_ms:40`. A hint that is never too late.
    pub due: Word,
    /// How many keys were remembered so far.
    pub keys: Word,
    /// Rung when a stripe of keys is given up.
    pub stripes: WakeWord,
    /// Rung when the mailbox has no owner any more, or another.
    pub vacant: WakeWord,
}

/// Counters of a queue, for people.
#[repr(C)]
pub struct Losses {
    /// Messages moved to the dead letters, or dropped for want of such a queue.
    pub undelivered: Word,
    /// Messages dropped for good: old dead letters, late answers, expired ones without a queue for dead letters.
    pub dropped: Word,
}

/// A chunk's header. Written by the chunk's owner; words, so that a late reader reads something and then finds out that it
/// is out of date.
#[repr(C, align(64))]
pub struct ChunkHeader {
    /// `flags:16 · traced:1 · content:7 · lane:8 · length:32`.
    pub meta: Word,
    /// Home queue in the low half, sender's mailbox (name plus 1) in the high half.
    pub home: Word,
    /// Message id.
    pub id: Word,
    /// Chosen by the sender; ties an answer to its question.
    pub correlation: Word,
    /// When it was sent, ns of `CLOCK_MONOTONIC`; 0: not stamped.
    pub sent_ns: Word,
    /// Next chunk of a batch; 0: none.
    pub next: Word,
    /// When it ceases to matter, ns of `CLOCK_MONOTONIC`; 0: never.
    pub expires_ns: Word,
    /// How often it was taken, in the low half; in the high half, for a dead letter, the queue (name plus 1) it was sent to.
    pub deliveries: Word,
}
