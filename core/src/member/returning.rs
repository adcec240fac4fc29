//! What a member lets go of: a chunk that is done with, a message that goes back to its queue, at once or later.

use super::{Known, Member};
use crate::error::{Error, Result};
use crate::layout::REDELIVERY;
use crate::platform::clock;
use crate::queue::{self, NotPublished, Refusal, Route};
use crate::segment::Chunk;
use crate::sync::S3;
use crate::word::{ChunkState, ChunkWord, DELAY_MS_MAX, Name};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

impl Member {
    /// Gives up a chunk that is this member's by `word`; does nothing if it is no longer (recovered, or after a fork).
    #[inline]
    pub(crate) fn give_back(&self, chunk: Chunk<'_>, word: ChunkWord) {
        if self.check_fork().is_ok() {
            self.give_back_unforked(chunk, word);
        }
    }

    /// The same for who knows that this process is the member's.
    #[inline]
    pub(crate) fn give_back_unforked(&self, chunk: Chunk<'_>, word: ChunkWord) {
        if chunk.word.load(S3.acquire()) == word.0 {
            self.heap.borrow_mut().give_back(self.segment(), chunk, word);
        }
    }

    /// The same for a message that was claimed and not opened.
    pub(super) fn give_back_unopened(&self, chunk: u32, word: ChunkWord) {
        if let Some(chunk) = self.segment().chunk_of_mine(chunk) {
            self.give_back(chunk, word);
        }
    }

    /// Queues a message that is in flight with this member for redelivery; if there is no room or no memory for that, it waits in limbo.
    ///
    /// # Errors
    /// `Released`, `Forked`, `Corrupt`: it is not this member's.
    pub(crate) fn redeliver(&self, chunk: u32, word: ChunkWord) -> Result<()> {
        let chunk = self.check_mine(chunk, word, ChunkState::InFlight)?;
        let queue = self.home_of(chunk)?;
        match self.put_back(queue, Route::put_back(REDELIVERY), chunk, word) {
            Ok(()) => Ok(()),
            Err(NotPublished { word, .. }) => {
                queue::shelve(self.segment(), queue, chunk.number(), word);
                Ok(())
            }
        }
    }

    /// Puts a message that is in flight with this member into its queue's parking lot; `word` follows what becomes of it.
    pub(crate) fn park(&self, chunk: u32, word: &mut ChunkWord, delay: Duration) -> Result<()> {
        let chunk = self.check_mine(chunk, *word, ChunkState::InFlight)?;
        let most = Duration::from_millis(DELAY_MS_MAX);
        if delay > most {
            let what = format!("delay = {delay:?}; a message waits for {most:?} at most");
            return Err(Error::InvalidArgument { what });
        }
        let queue = self.home_of(chunk)?;
        // Never early: what is left of this millisecond counts.
        let due_ms = clock::monotonic_ms() + 1 + delay.as_millis() as u64;
        self.put_back(queue, Route::put_back(REDELIVERY).parked(due_ms), chunk, *word).map_err(|refused| {
            *word = refused.word;
            match refused.why {
                Refusal::Failed(error) => error,
                _ => Error::Full { queue: self.spoken_name(queue.name), limit: queue.limit as u32 },
            }
        })
    }

    fn home_of(&self, chunk: Chunk<'_>) -> Result<&Known<'_>> {
        // Relaxed: our chunk's header (I7).
        self.queue(Name::from_bits(chunk.header().home.load(Relaxed)))
    }

    pub(super) fn put_back(
        &self,
        queue: &Known<'_>,
        route: Route,
        chunk: Chunk<'_>,
        word: ChunkWord,
    ) -> std::result::Result<(), NotPublished> {
        let (notes, head) = (&self.entry().notes, queue.head(route.ring()));
        queue::publish(self.segment(), notes, queue, route, (chunk, word), &mut [], head)?;
        queue.ring_items(1);
        Ok(())
    }
}
