//! What the algorithms see of a segment: words by index. The mapping is one carrier, the heap of a loom model the other.

use crate::error::Result;
use crate::keys::Keys;
use crate::queue::Queue;
use crate::sync::{S8, Word};
use crate::topic::Topic;
use crate::word::Name;

/// A chunk, for who owns it.
pub trait Owned<'a>: Copy {
    /// Which.
    fn number(self) -> u32;
    /// Whose it is.
    fn word(self) -> &'a Word;
    /// Of the header: names its home queue (26 bits at the bottom).
    fn home(self) -> &'a Word;
    /// Of the header: what hangs on it ([`crate::word::Link`]).
    fn rest(self) -> &'a Word;
}

/// A segment as the algorithms see it. Every index is checked: `None` is "there is no such thing", also when a scribbled word
/// names it (**I5**: what is read from the segment is checked before it is used).
pub trait Memory {
    /// What it shows of a chunk to who owns it.
    type Chunk<'a>: Owned<'a>
    where
        Self: 'a;

    /// The word of a chunk of committed memory.
    fn chunk(&self, chunk: u32) -> Option<&Word>;

    /// The same for a chunk that a slot or place of a queue names: one that there is not has to be counted, for its slot is emptied.
    fn chunk_in_slot(&self, chunk: u32) -> Option<&Word> {
        self.chunk(chunk)
    }

    /// A chunk that is the caller's.
    fn owned(&self, chunk: u32) -> Option<Self::Chunk<'_>>;

    /// The home of a chunk that may be another's: it may be released meanwhile and its memory given back to the system, so it is not
    /// read in place (I20). What is read is worth what the chunk's word, compared afterwards, says.
    fn home_of_another(&self, chunk: u32) -> Option<u64> {
        Some(self.owned(chunk)?.home().load(S8.acquire()))
    }

    /// The `rest` of a chunk that may be another's, with the caveat of [`Memory::home_of_another`].
    fn rest_of_another(&self, chunk: u32) -> Option<u64> {
        Some(self.owned(chunk)?.rest().load(S8.acquire()))
    }

    /// A living queue.
    fn queue(&self, name: Name) -> Option<Queue<'_>>;

    /// A living topic.
    fn topic(&self, _name: Name) -> Option<Topic<'_>> {
        None
    }

    /// The keys of a queue, once they are committed.
    fn keys(&self, _queue: Name) -> Option<Keys<'_>> {
        None
    }

    /// Commits an area of a queue (a ring, the parking lot, the keys), so that it may be read. Idempotent.
    fn commit_area(&self, queue: Name, area: usize) -> Result<()>;

    /// Says that a chunk may be free (a hint).
    fn hint_free(&self, chunk: u32);

    /// Notes that `me`, a member, is about to claim `chunk`, so that its reaper looks there. Before the claim.
    fn touch(&self, me: Name, chunk: u32);
}
