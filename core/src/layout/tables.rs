//! Rows of the roster, of the span table and of the lock table.

use super::LOCK_NAME_WORDS;
use crate::sync::{WakeWord, Word};

/// One row of the roster: what a scanner needs to know of a cell before it touches it.
#[repr(C, align(32))]
pub struct RosterEntry {
    /// [`crate::word::ClaimWord`]: the member that has this index.
    pub claim: Word,
    /// [`crate::word::RecordWord`]: the queue that has this index.
    pub queue: Word,
    /// 1 once the cell's first page is committed.
    pub committed: Word,
    /// 1 once the cell's second page, its board, is committed.
    pub board: Word,
}

/// One row of the span table.
#[repr(C, align(64))]
pub struct SpanControl {
    /// [`crate::word::SpanWord`].
    pub word: Word,
    /// Bit g: the 64 chunk words of group g may have a free one. A hint.
    pub summary: Word,
    /// How many of the span's chunk words are committed. Never falls: they outlive the span's classes (I18).
    pub words: Word,
    /// What the chunk words were when a sweep last found all of them free: see [`crate::span::unused`]. A hint.
    pub unused: Word,
    pub(super) spare: [Word; 4],
}

#[cfg(any(loom, test))]
impl SpanControl {
    /// A row outside shared memory.
    pub fn with_word(word: crate::word::SpanWord) -> SpanControl {
        let zero = || Word::new(0);
        let spare = std::array::from_fn(|_| zero());
        SpanControl { word: Word::new(word.0), summary: zero(), words: zero(), unused: zero(), spare }
    }
}

/// One row of the lock table: somebody who holds a lock or waits for it.
#[repr(C, align(64))]
pub struct LockEntry {
    /// Whose it is, and what for.
    pub word: Word,
    /// Its place in the order of those who want the same.
    pub ticket: Word,
    /// The fencing token, once it holds the lock.
    pub token: Word,
    /// Of the name; lowest bit: it is a pattern.
    pub hash: Word,
    /// Length of the name, bytes.
    pub length: Word,
    /// When it asked, ns of `CLOCK_MONOTONIC`.
    pub since_ns: Word,
    /// Rung when it gives way; wakes everybody who waits for that.
    pub gone: WakeWord,
    /// Keeps the next word aligned.
    pub pad: WakeWord,
    pub(super) spare: Word,
    /// The name, as many bytes as `length` says.
    pub name: [Word; LOCK_NAME_WORDS],
}

#[cfg(any(loom, test))]
impl LockEntry {
    /// An entry outside shared memory: nobody's.
    pub fn blank() -> LockEntry {
        let zero = || Word::new(0);
        let (gone, pad) = (WakeWord::new(0), WakeWord::new(0));
        let name = std::array::from_fn(|_| zero());
        let [word, ticket, token, hash, length, since_ns, spare] = std::array::from_fn(|_| zero());
        LockEntry { word, ticket, token, hash, length, since_ns, gone, pad, spare, name }
    }
}

/// What all locks share.
#[repr(C)]
pub struct LockClock {
    /// The last ticket or token that was drawn.
    pub drawn: Word,
    /// How many entries of the lock table are committed. Never falls.
    pub committed: Word,
}
