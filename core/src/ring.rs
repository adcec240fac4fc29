//! A ring: a bounded array of slots that any number of members fill and empty.
//!
//! The slots are the truth, `head` and `tail` are hints that whoever meets them behind moves on. There is no state in
//! between full and empty, so nobody ever waits for somebody else to finish:
//!
//! - **I2** A slot's lap never falls. At position `p = lap · slots + index` it goes `EMPTY(lap)` → `READY(lap, chunk)` →
//!   `EMPTY(lap + 1)`, each by one compare-exchange from the exact value seen.
//! - **I3** Every slot before `head` is emptied of its lap, every slot before `tail` was filled in its lap.
//! - **I4** A `READY` slot speaks of its chunk's present life: who claims the chunk empties the slot before doing anything
//!   else with the chunk, and so does whoever recovers it. Hence a slot whose chunk is claimed is stale, and anyone may empty it;
//!   at most one slot of a ring is stale, the front one, since nobody passes it without emptying it.
//!
//! - **I23** A queue is sealed when it is closed and one more slot of each lane is used up (*burnt*) after that. A sender reads `tail` before it
//!   looks whether the queue is open: so either it saw a tail at or before the burnt slot, and its compare-exchange fails there, or one beyond,
//!   and then it sees that the queue is closed.
//!
//! The message is *sent* by the compare-exchange to `READY`; it is *taken* by the compare-exchange of the chunk word (in
//! [`crate::queue`]). Design: DESIGN.md's own; compare Vyukov's bounded MPMC queue, whose claimed-but-unfinished slots
//! stop everyone when their claimer dies, and SCQ (Nikolaev, DISC 2019).

use crate::error::{Error, Result};
use crate::layout::RingControl;
use crate::sync::{S1, S3, S4, S5, WakeWord, Word, mutated, window};
use crate::word::{ChunkState, ChunkWord, Name, SlotWord};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

/// Most retries of a loop that makes progress unless others do: beyond, the memory is not sane.
const TRIES: u32 = 1 << 24;

/// A ring, borrowed from wherever its words are.
#[derive(Clone, Copy)]
pub struct Ring<'a> {
    control: &'a RingControl,
    slots: &'a [Word],
    shift: u32,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The message is sent.
    Sent,
    /// As many as may wait do.
    Full,
    /// Intake is stopped.
    Closed,
}

/// What stands at the front of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// Nothing.
    Empty {
        /// Where the next message will be.
        position: u64,
    },
    /// A message that nobody has claimed yet.
    Message {
        /// Its position.
        position: u64,
        /// Its slot, as seen.
        slot: SlotWord,
        /// Its chunk word, as seen: `QUEUED` in this queue.
        word: ChunkWord,
    },
}

impl<'a> Ring<'a> {
    /// A ring over `slots`, a power of two of them: 1 << `shift`.
    pub fn new(control: &'a RingControl, slots: &'a [Word], shift: u32) -> Ring<'a> {
        debug_assert_eq!(slots.len(), 1 << shift);
        Ring { control, slots, shift }
    }

    fn slot(&self, position: u64) -> &'a Word {
        &self.slots[position as usize & (self.slots.len() - 1)]
    }

    /// Makes `chunk` the newest message, unless `limit` messages wait or `is_open` says no.
    ///
    /// `known_head` is the caller's memory of `head`: it is read anew only when the ring looks full, so senders and takers
    /// do not share a cache line. `chunk_word` finds a chunk's word (to see past stale slots).
    pub fn push<'m>(
        &self,
        chunk: u32,
        limit: u64,
        queue: Name,
        known_head: &Cell<u64>,
        is_open: impl Fn() -> bool,
        chunk_word: impl Fn(u32) -> Option<&'m Word> + Copy,
    ) -> Result<Pushed> {
        let limit = limit.min(self.slots.len() as u64);
        for attempt in 0..TRIES {
            let tail = self.control.tail.load(S5.acquire());
            // After the tail (I23).
            if (attempt == 0 || !mutated("closed-looked-at-once")) && !is_open() {
                return Ok(Pushed::Closed);
            }
            let check = attempt == 0 || !mutated("limit-checked-once");
            if check && tail.wrapping_sub(known_head.get()) >= limit {
                let (Front::Empty { position } | Front::Message { position, .. }) = self.front(queue, chunk_word)?;
                known_head.set(position);
                if tail.wrapping_sub(position) as i64 >= limit as i64 {
                    if self.control.tail.load(S5.acquire()) == tail {
                        return Ok(Pushed::Full);
                    }
                    continue;
                }
            }
            let lap = tail >> self.shift;
            let slot = self.slot(tail);
            let seen = SlotWord(slot.load(S4.acquire()));
            if seen == SlotWord::empty(lap) || mutated("lap-not-compared") && !seen.is_ready() {
                let filled = SlotWord::ready(lap, chunk);
                if slot.compare_exchange(seen.0, filled.0, S4.acquire_then(S1)).is_ok() {
                    window(5);
                    let _ = self.control.tail.compare_exchange(tail, tail.wrapping_add(1), S5.release());
                    return Ok(Pushed::Sent);
                }
            } else if seen.ahead_of(lap) >= 0 {
                if mutated("tail-not-helped") {
                    continue;
                }
                let _ = self.control.tail.compare_exchange(tail, tail.wrapping_add(1), S5.release());
            } else if self.control.tail.load(S5.acquire()) == tail {
                return Ok(Pushed::Full);
            }
        }
        Err(Error::corrupt("ring", "I2"))
    }

    /// Uses up the place of the next message without one, so that whoever is about to fill it finds it used (I23). `false`: the ring is full.
    pub fn burn(&self) -> Result<bool> {
        for _ in 0..TRIES {
            let tail = self.control.tail.load(S5.acquire());
            let lap = tail >> self.shift;
            let slot = self.slot(tail);
            let seen = SlotWord(slot.load(S4.acquire()));
            let burnt = seen == SlotWord::empty(lap)
                && slot.compare_exchange(seen.0, SlotWord::empty(lap + 1).0, S4.acquire_then(S4)).is_ok();
            window(62);
            if burnt || seen.ahead_of(lap) >= 0 && seen != SlotWord::empty(lap) {
                let _ = self.control.tail.compare_exchange(tail, tail.wrapping_add(1), S5.release());
            } else if seen.ahead_of(lap) < 0 && self.control.tail.load(S5.acquire()) == tail {
                return Ok(false);
            }
            if burnt {
                return Ok(true);
            }
        }
        Err(Error::corrupt("ring", "I2"))
    }

    /// Looks at the front, emptying what is stale there (I4): the second half of somebody's take, done by whoever comes by.
    pub fn front<'m>(&self, queue: Name, chunk_word: impl Fn(u32) -> Option<&'m Word>) -> Result<Front> {
        for _ in 0..TRIES {
            let position = self.control.front.head.load(S5.acquire());
            let lap = position >> self.shift;
            let slot = self.slot(position);
            let seen = SlotWord(slot.load(S1.acquire()));
            match seen.ahead_of(lap) {
                0 if !seen.is_ready() => return Ok(Front::Empty { position }),
                0 => {}
                ahead if ahead < 0 => return Ok(Front::Empty { position }),
                _ => {
                    let _ = self.control.front.head.compare_exchange(position, position.wrapping_add(1), S5.release());
                    continue;
                }
            }
            if let Some(word) = chunk_word(seen.chunk()) {
                let word = ChunkWord(word.load(S3.acquire()));
                if !mutated("no-second-look-at-slot") && slot.load(S1.acquire()) != seen.0 {
                    continue;
                }
                let here =
                    word.state() == ChunkState::Queued && (word.name() == queue || mutated("queue-not-compared"));
                if here {
                    return Ok(Front::Message { position, slot: seen, word });
                }
                if mutated("stale-slot-not-emptied") {
                    let _ = self.control.front.head.compare_exchange(position, position.wrapping_add(1), S5.release());
                    continue;
                }
            }
            self.empty(position, seen);
        }
        Err(Error::corrupt("ring", "I2"))
    }

    /// Empties the slot at `position` that was seen as `seen`, and moves `head` past it. Idempotent.
    pub fn empty(&self, position: u64, seen: SlotWord) {
        let emptied = SlotWord::empty(seen.lap() + 1);
        if mutated("head-moves-first") {
            let _ = self.control.front.head.compare_exchange(position, position.wrapping_add(1), S5.release());
        }
        let _ = self.slot(position).compare_exchange(seen.0, emptied.0, S1.acquire_then(S4));
        window(13);
        let _ = self.control.front.head.compare_exchange(position, position.wrapping_add(1), S5.release());
    }

    /// Rung when room comes.
    pub fn room(&self) -> &'a WakeWord {
        &self.control.front.room
    }

    /// True if some slot is `READY` with `chunk`.
    pub fn refers_to(&self, chunk: u32) -> bool {
        self.slots.iter().any(|slot| {
            let slot = SlotWord(slot.load(S1.acquire()));
            slot.is_ready() && slot.chunk() == chunk
        })
    }

    /// The chunks of the messages that wait, oldest first. A snapshot by someone who takes no part.
    pub fn waiting(&self) -> impl Iterator<Item = u32> + use<'a> {
        let (slots, shift) = (self.slots, self.shift);
        let head = self.control.front.head.load(S5.acquire());
        (0..slots.len() as u64).filter_map(move |ahead| {
            let position = head.wrapping_add(ahead);
            let slot = SlotWord(slots[position as usize & (slots.len() - 1)].load(S1.acquire()));
            (slot.is_ready() && slot.ahead_of(position >> shift) == 0).then(|| slot.chunk())
        })
    }

    /// `(sent, taken)`: positions of tail and head. Counts of messages so far, give or take those in motion.
    pub fn positions(&self) -> (u64, u64) {
        // Relaxed: figures for people.
        (self.control.tail.load(Relaxed), self.control.front.head.load(Relaxed))
    }
}
