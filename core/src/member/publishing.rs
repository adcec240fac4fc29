//! What a member publishes: a message for everybody who subscribes to a topic; the commit point is in [`crate::topic`].

use super::Member;
use super::waiting::Source;
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::message::{ContentType, Lane, MessageId, TraceContext};
use crate::platform::clock;
use crate::registry;
use crate::segment::Chunk;
use crate::sync::{S9, S11};
use crate::topic::{self, CursorWord, Laggard, NotPlaced, Obstacle, Topic};
use crate::wait;
use crate::word::{ChunkState, ChunkWord, ClaimWord, Name};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The kernel is asked at most this often, ns, whether a subscriber that stands in the way is dead.
const ASK_EVERY_NS: u64 = 1_000_000;

/// How a message is published.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// Of a topic with back-pressure, how long to wait for slow subscribers: `None` for ever, zero not at all.
    pub timeout: Option<Duration>,
    /// A number for the subscribers.
    pub correlation: u64,
    /// What the payload is.
    pub content: ContentType,
    /// The trace that the message belongs to: see [`SendOptions::trace`](crate::SendOptions::trace).
    pub trace: Option<TraceContext>,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Published {
    /// Its identity.
    pub id: MessageId,
    /// Its place in the order of its topic, counted from 0. `None`: a subscriber left no room, so it was dropped, as the topic's policy is.
    pub position: Option<u64>,
}

impl Member {
    /// Copies `payload` into a message and publishes it in `topic`: everybody who subscribes reads that one copy. When it returns, the message survives this process.
    ///
    /// # Errors
    /// With back-pressure `Full` (at once with a zero timeout) and `Timeout`, while a subscriber is as far behind as it may be; a dead one is reaped
    /// first, but a member asks the kernel about subscribers once a millisecond at most, and whoever dies right after that counts as alive until the next
    /// question. `InvalidArgument` if this handle would wait for a subscription of its own, to which it does not get while it waits. `UnknownAgent` (no such
    /// topic), `WrongKind`, `TooLarge`, `OutOfMemory`, `Closed`, `HandedOver`; nothing was published then.
    pub fn publish(&self, topic: &str, payload: &[u8], options: &PublishOptions) -> Result<Published> {
        self.publish_until(topic, payload, options, &mut || false)
    }

    /// [`Member::publish`] with a hook that may end the wait for room: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Member::publish`], and [`Error::Interrupted`] when the hook says so.
    pub fn publish_until(
        &self,
        topic: &str,
        payload: &[u8],
        options: &PublishOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Published> {
        let loan = self.loan_of(payload, options.trace.is_some())?;
        loan.publish_to_until(topic, payload.len(), options, interrupted).map_err(|refused| refused.error)
    }

    /// Takes out of a topic the messages that every subscriber has read and that are not retained for late ones, and says how many. Otherwise they go when
    /// later messages push them out, or when somebody finds no memory.
    ///
    /// # Errors
    /// `UnknownAgent` (no such topic), `WrongKind`, `Closed`, `Corrupt`.
    pub fn trim(&self, topic: &str) -> Result<u64> {
        self.check()?;
        self.topic(topic)?.trim(self.segment(), &self.entry().notes)
    }

    /// The same of all topics. `true` if there was something.
    pub(super) fn trim_topics(&self) -> Result<bool> {
        let (segment, notes) = (self.segment(), &self.entry().notes);
        // A topic that makes no sense keeps what it has; who uses it is told.
        Ok(segment.living_topics().filter_map(|topic| topic.trim(segment, notes).ok()).sum::<u64>() > 0)
    }

    fn topic(&self, name: &str) -> Result<Topic<'_>> {
        self.topic_of(self.find_topic(name)?)
    }

    pub(super) fn topic_of(&self, name: Name) -> Result<Topic<'_>> {
        self.segment().topic(name).ok_or_else(|| Error::corrupt(format!("topic {}", name.index()), "I17"))
    }

    /// Publishes a chunk that this member holds; `word` follows what becomes of it.
    pub(crate) fn publish_in_topic(
        &self,
        to: &str,
        length: usize,
        chunk: (Chunk<'_>, &mut ChunkWord),
        options: &PublishOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Published> {
        let published = self.place_in_topic(to, length, chunk, options, interrupted);
        match &published {
            Ok(Published { id, position: Some(_) }) => self.counted_sent(1, length, *id),
            _ => self.counted_refused(),
        }
        published
    }

    fn place_in_topic(
        &self,
        to: &str,
        length: usize,
        (chunk, word): (Chunk<'_>, &mut ChunkWord),
        options: &PublishOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Published> {
        self.check()?;
        self.check_mine(chunk.number(), *word, ChunkState::Held)?;
        let topic = self.topic(to)?;
        let id = self.write_fields(chunk, length, (Lane::Normal, options.content), options.correlation, 0);
        if let Some(trace) = &options.trace {
            self.write_trace(chunk, length, trace);
        }
        let notes = &self.entry().notes;
        let once = |word: &mut ChunkWord| {
            self.check_not_deposed()?;
            let keep = |chunk| self.heap.borrow().would_keep(self.segment(), chunk);
            match topic::publish(self.segment(), notes, &topic, (chunk, *word), keep) {
                Ok(placed) => {
                    wait::ring_all(topic.items);
                    if let Some((chunk, word)) = placed.evicted {
                        self.heap.borrow_mut().keep(self.segment(), chunk, word);
                    }
                    Ok(Ok(placed.position))
                }
                Err(NotPlaced { word: back, why }) => {
                    *word = back;
                    match why {
                        Obstacle::Full(laggard) => Ok(Err(laggard)),
                        Obstacle::Failed(error) => Err(error),
                    }
                }
            }
        };
        let first = match once(word)? {
            Err(laggard) if self.bury_laggard(laggard) => once(word)?,
            result => result,
        };
        let position = match first {
            Ok(position) => Some(position),
            Err(_) if !topic.waits() => {
                // Relaxed: a counter for people.
                if let Some(control) = self.segment().topic_control(topic.name) {
                    control.dropped.fetch_add(1, Relaxed);
                }
                self.give_back(chunk, *word);
                None
            }
            Err(_) if options.timeout == Some(Duration::ZERO) => {
                return Err(Error::Full { queue: to.into(), limit: topic.limit as u32 });
            }
            Err(_) => Some(self.publish_with_patience(&topic, options.timeout, interrupted, || once(word))?),
        };
        Ok(Published { id, position })
    }

    fn publish_with_patience(
        &self,
        topic: &Topic<'_>,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
        mut once: impl FnMut() -> Result<std::result::Result<u64, Laggard>>,
    ) -> Result<u64> {
        let room = Source { word: &topic.room.room, queue: topic.name, by_time: false };
        let announced = Cell::new(false);
        self.wait_on(&[room], timeout, interrupted, || {
            loop {
                match once()? {
                    Ok(position) => return Ok(Some(position)),
                    Err(laggard) if self.bury_laggard(laggard) => {}
                    Err(laggard) if self.is_behind(topic, laggard.position) => {
                        let topic = self.spoken_name(topic.name);
                        let what = format!(
                            "this handle's own subscription to '{topic}' is full: receive first, or publish through another handle"
                        );
                        return Err(Error::InvalidArgument { what });
                    }
                    // Who does not sleep must not hide from others for whom they wait.
                    Err(_) if !announced.replace(true) => return Ok(None),
                    Err(laggard) if topic.await_laggard(laggard) => return Ok(None),
                    Err(_) => {}
                }
            }
        })
    }

    /// Whether this member subscribes and leaves no room for a message at `position`. No other thread has the handle, so it stays like that.
    fn is_behind(&self, topic: &Topic<'_>, position: u64) -> bool {
        let word = topic.cursor(self.index()).map(|cursor| CursorWord(cursor.word.load(S11.acquire())));
        word.is_some_and(|word| word.is_of(self.name()) && word.behind(position) >= topic.limit as i64)
    }

    /// Reaps the subscriber that stands in the way, if it is dead. `true`: something has changed.
    fn bury_laggard(&self, laggard: Laggard) -> bool {
        let now = clock::monotonic_ns();
        if now.saturating_sub(self.asked_ns.get()) < ASK_EVERY_NS {
            return false;
        }
        self.asked_ns.set(now);
        let Some(row) = self.segment().roster().get(laggard.member as usize) else { return false };
        let claim = ClaimWord(row.claim.load(S9.acquire()));
        if !registry::is_gone(self.segment(), Name::new(laggard.member, claim.incarnation())) {
            return false;
        }
        self.reap_if(None).members > 0
    }
}
