//! Topics without their slots.

use crate::sync::{WakeWord, Word};
use crossbeam_utils::CachePadded;

/// One row of the topic table.
#[repr(C, align(32))]
pub struct TopicRow {
    /// [`crate::word::RecordWord`]: the topic that has this index.
    pub record: Word,
    /// 1 once the first page of the topic's cell and its slots are committed.
    pub committed: Word,
    pub(super) spare: [Word; 2],
}

/// A topic without its slots and cursors.
#[repr(C)]
pub struct TopicControl {
    /// Name, zero-padded.
    pub name: [Word; 8],
    /// What a publisher does about a subscriber that is slow.
    pub policy: Word,
    /// log₂ of its slots: twice as many as a subscriber may be behind.
    pub shift: Word,
    /// How many messages a subscriber gets that came before it.
    pub retain: Word,
    /// How many messages a subscriber may be behind.
    pub limit: Word,
    /// Messages before this position may have been taken out.
    pub trimmed: Word,
    pub(super) spare: [Word; 3],
    /// Where the next message probably goes.
    pub tail: CachePadded<Word>,
    /// No cursor is behind this position: what the last look at all of them found, and a count of joins.
    pub floor: CachePadded<Word>,
    /// Rung when a message comes; wakes everybody.
    pub items: CachePadded<WakeWord>,
    /// Rung when a subscriber moves on.
    pub room: CachePadded<TopicRoom>,
    /// Messages that were dropped for want of room.
    pub dropped: CachePadded<Word>,
    /// Bit p: page p of the cursors is committed.
    pub cursor_pages: [Word; 4],
}

/// Where publishers wait.
#[repr(C)]
pub struct TopicRoom {
    /// Rung when a subscriber moves on for which somebody waits.
    pub room: WakeWord,
    /// Keeps the next word aligned.
    pub pad: WakeWord,
    /// The member index, plus 1, for which all publishers wait that sleep; a hint.
    pub awaited: Word,
}

/// The cursor of one member in one topic.
#[repr(C)]
pub struct CursorEntry {
    /// Who subscribes, and the position that it reads next.
    pub word: Word,
    /// How many messages it missed. Written by the subscriber alone.
    pub missed: Word,
}
