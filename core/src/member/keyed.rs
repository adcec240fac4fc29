//! Sending with a deduplication key: of all messages with one key a queue accepts the first. How that survives a death: [`crate::keys`].

use super::dead_letters::ROUNDS;
use super::sending::from_now_ns;
use super::waiting::Source;
use super::{Known, Member};
use crate::error::{Error, Result};
use crate::keys::{KeyNotes, Keyed, key_word, publish_keyed};
use crate::layout::{KEYED, Notes};
use crate::memory::Memory;
use crate::platform::clock;
use crate::queue::{NotPublished, Queue, Refusal, Route};
use crate::registry;
use crate::segment::Chunk;
use crate::word::ChunkWord;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The key of these bytes, for who names messages by more than a number: their 64-bit XXH3. It is the same in every process, language and release.
///
/// Another name among a queue's last 960 has the same key about once in 10¹⁶ messages, unless somebody looks for such names.
pub fn key_of(name: &[u8]) -> u64 {
    twox_hash::XxHash3_64::oneshot(name)
}

/// How often a sender believes that there is room for it when it is refused.
const REFUSED: u32 = 64;

impl Member {
    /// [`Member::enqueue`] unless a message with `key` was accepted before; `false`: it was. The stripe is held for one attempt to publish, and not
    /// while this waits for room.
    #[allow(clippy::too_many_arguments, reason = "those of enqueue, and the key")]
    pub(super) fn enqueue_keyed(
        &self,
        queue: &Known<'_>,
        key: u64,
        route: Route,
        (chunk, word): (Chunk<'_>, &mut ChunkWord),
        rest: &mut [(u32, ChunkWord)],
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<bool> {
        let (to, key, segment, entry) = (queue.name, key_word(key), self.segment(), self.entry());
        queue.commit(segment, KEYED)?;
        let Some(keys) = segment.keys(to) else { return Err(Error::corrupt(format!("queue {}", to.index()), "I12")) };
        let ring = queue.ring_for_sending(segment, route.ring())?;
        let notes: &Notes = &entry.notes;
        let me = (self.name, notes, KeyNotes { key: &entry.key, keyed_in: &entry.keyed_in });
        let deadline = timeout.map(from_now_ns);
        let left = || match (timeout, deadline) {
            // Once more without waiting, however late it is.
            (Some(Duration::ZERO), _) | (_, None) => timeout,
            (_, Some(deadline)) => Some(Duration::from_nanos(deadline.saturating_sub(clock::monotonic_ns()).max(1))),
        };
        let (mut copies, mut rounds, mut again, mut refused) = (None, 0, false, 0);
        while rounds < ROUNDS {
            if copies.is_none() {
                copies = self.copy_for_tap(queue, chunk, rest);
            }
            let stripe = Source { word: keys.given_up, queue: to, by_time: false };
            let (word_now, rest_now) = (&mut *word, &mut *rest);
            let result = self.wait_on(&[stripe], left(), interrupted, || {
                if std::mem::replace(&mut again, true) {
                    self.check_before_retry(route)?;
                }
                let mut attempt = || {
                    let chunk = (chunk, *word_now);
                    publish_keyed(segment, me, queue, (keys, key), route, chunk, rest_now, queue.head(route.ring()))
                };
                let mut result = attempt();
                if let Keyed::Taken(holder) = result
                    && registry::is_gone(segment, holder)
                {
                    self.reap_if(None);
                    if keys.mend(key, |holder| registry::is_past(segment, holder)) {
                        // Relaxed: a counter for people.
                        segment.header().corrupt.fetch_add(1, Relaxed);
                    }
                    result = attempt();
                }
                Ok(Some(result).filter(|result| !matches!(result, Keyed::Taken(_))))
            })?;
            let why = match result {
                Keyed::Sent => {
                    self.sent(queue, copies);
                    return Ok(true);
                }
                Keyed::Duplicate | Keyed::Taken(_) => return Ok(false),
                Keyed::Refused(NotPublished { word: back, why }) => {
                    *word = back;
                    why
                }
            };
            match why {
                Refusal::Full => {}
                Refusal::Closed => return Err(self.closed(to)),
                Refusal::Failed(error) => return Err(error),
            }
            if self.make_room(queue, route.ring())? {
                rounds += 1;
                continue;
            }
            rounds = 0;
            refused += 1;
            // A lane that says it has room and takes nothing has been scribbled over. Who believed it too often sleeps, until it is mended by a reap or the
            // time is over: past the first look and the one after the announcement.
            let mut looks_left = if refused > REFUSED { 2 } else { 0 };
            let room = Source { word: ring.room(), queue: to, by_time: false };
            self.wait_on(&[room], left(), interrupted, || {
                self.check_before_retry(route)?;
                if looks_left > 0 {
                    looks_left -= 1;
                    return Ok(None);
                }
                self.may_have_room(queue, route.ring())
            })
            .map_err(|error| self.full_if_at_once(error, queue, timeout))?;
        }
        Err(Error::corrupt(format!("queue '{}'", self.spoken_name(to)), "I3"))
    }

    /// Whether it is worth another attempt to put a message there.
    fn may_have_room(&self, queue: &Queue<'_>, ring: usize) -> Result<Option<()>> {
        let Some(ring) = queue.ring(ring) else { return Ok(Some(())) };
        let (position, _) = ring.front(queue.name, |chunk| self.segment().chunk_in_slot(chunk))?;
        let room = (ring.positions().0.wrapping_sub(position) as i64) < queue.limit as i64;
        Ok((room || !queue.is_open()).then_some(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{Bus, QueueOptions, Removed};
    use crate::sync::S9;
    use crate::word::{Name, RecordState, RecordWord};
    use crate::{CreateOptions, SendOptions};

    #[test]
    fn a_stripe_that_was_scribbled_over_stops_nobody() {
        let name = format!("test-{}-stripe", std::process::id());
        let bus = Removed(Bus::create(&name, &CreateOptions { agents: 4, ..CreateOptions::default() }).unwrap());
        bus.0.declare("q", &QueueOptions::default()).unwrap();
        let past = bus.0.join().unwrap().name();
        let member = bus.0.join().unwrap();
        let options = |key| SendOptions { key: Some(key), ..SendOptions::default() };
        assert!(!member.send("q", b"", &options(64)).unwrap().is_duplicate());
        let keys = member.segment().keys(member.find("q").unwrap()).unwrap();
        for (times, holder) in [past, Name::new(60_000, 3)].into_iter().enumerate() {
            keys.stripes[0].store(RecordWord::new(77, holder, RecordState::Live).0, S9.release());
            assert!(member.send("q", b"", &options(64)).unwrap().is_duplicate());
            assert_eq!(bus.0.observer().unwrap().bus().corrupt, times as u64 + 1);
        }
    }
}
