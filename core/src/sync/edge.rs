//! The numbered release/acquire edges (S#) of `docs/memory-model.md`.

use std::sync::atomic::Ordering;

/// A release/acquire edge: what the writer did before its release is seen by who reads it with acquire.
#[derive(Clone, Copy)]
pub struct Edge(u32);

impl Edge {
    /// The ordering of the writing end.
    #[inline(always)]
    pub fn release(self) -> Ordering {
        if self.weakened("release") { Ordering::Relaxed } else { Ordering::Release }
    }

    /// The ordering of the reading end.
    #[inline(always)]
    pub fn acquire(self) -> Ordering {
        if self.weakened("acquire") { Ordering::Relaxed } else { Ordering::Acquire }
    }

    /// The ordering of a read-modify-write that reads this edge and writes `written`.
    #[inline(always)]
    pub fn acquire_then(self, written: Edge) -> Ordering {
        match (self.weakened("acquire"), written.weakened("release")) {
            (false, false) => Ordering::AcqRel,
            (false, true) => Ordering::Acquire,
            (true, false) => Ordering::Release,
            (true, true) => Ordering::Relaxed,
        }
    }

    #[inline(always)]
    fn weakened(self, _end: &str) -> bool {
        #[cfg(loom)]
        return super::mutant::weakens(self.0, _end);
        #[cfg(not(loom))]
        {
            let _ = self.0;
            false
        }
    }
}

/// S1: a sender fills a slot → a taker reads it: payload, header and the chunk word `QUEUED` are seen.
pub const S1: Edge = Edge(1);
/// S2: a chunk is given back (`FREE`) → somebody claims it: the old reader is done before the new writer starts.
pub const S2: Edge = Edge(2);
/// S3: a chunk word changes hands (`QUEUED`, `INFLIGHT`) → whoever judges a slot by it: the claimer's emptying of the
/// slot, done before the chunk's next life, is seen by the second look at the slot.
pub const S3: Edge = Edge(3);
/// S4: a slot is emptied, or burnt → a sender fills it a lap later, or moves the tail past it.
pub const S4: Edge = Edge(4);
/// S5: `head` or `tail` moves on → whoever reads the hint sees the slot as it was left.
pub const S5: Edge = Edge(5);
/// S6: a queue's record is written → its name appears in the directory.
pub const S6: Edge = Edge(6);
/// S7: memory is committed → the word that says so (`ACTIVE` span, active lane, committed cell).
pub const S7: Edge = Edge(7);
/// S8: a member entry's notes (spans touched, mailbox, intent) → the claim that they announce. A reaper reads them after the
/// kernel's word that the member is dead, which is an edge of its own.
pub const S8: Edge = Edge(8);
/// S9: the claim of a member's index or of a mailbox is given back → the next owner takes it.
pub const S9: Edge = Edge(9);
/// S10: a state of the whole bus or of a queue (`READY`, `DESTROYING`, closed) → who looks at it.
pub const S10: Edge = Edge(10);
/// S11: a subscriber moves its cursor on → a publisher reads it, and pushes out what the subscriber has read.
pub const S11: Edge = Edge(11);
/// S12: a floor of a topic's cursors is set → who reads it knows what its setter knew: that a cursor is there, or that all cursors are beyond.
pub const S12: Edge = Edge(12);
/// S13: a ticket of a lock is drawn → who draws a later one sees that the one before is in the doorway.
pub const S13: Edge = Edge(13);
/// S14: an entry of the lock table changes → who looks at it: name and ticket are there, and of one that gave way all that was done under its lock.
pub const S14: Edge = Edge(14);
/// S15: a word of a board is written, or a version of it published → who reads that finds the words behind the head, and the head behind a word.
pub const S15: Edge = Edge(15);
/// S16: a key is remembered and the next place counted → who counts on sees the key.
pub const S16: Edge = Edge(16);
