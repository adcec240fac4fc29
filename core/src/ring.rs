//! A ring: a bounded array of slots that any number of members fill and empty.
//!
//! The slots are the truth, `head` and `tail` are hints, written without a look at who else writes them: one that was
//! paused may set them back. Whoever meets them behind reads in the slot where they ought to be. There is no state in between full
//! and empty, so nobody ever waits for somebody else to finish:
//!
//! - **I2** A slot's lap never falls. At position `p = lap · slots + index` it goes `EMPTY(lap)` → `READY(lap, chunk)` →
//!   `EMPTY(lap + 1)`, each by one compare-exchange from the exact value seen.
//! - **I3** Every slot before `head` is emptied of its lap, every slot before `tail` was filled in its lap. Both are hints and may lag by any number: `head` does while
//!   a taker takes several messages, and either when a slow one writes what was true when it looked.
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

use crate::error::Error;
use crate::layout::RingControl;
use crate::sync::{S1, S3, S4, S5, WakeWord, Word, mutated, window};
use crate::word::{ChunkState, ChunkWord, Name, SlotWord};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

/// How many slots a taker empties at most before it moves `head` on. The models are small.
pub const RUN: usize = if cfg!(loom) { 2 } else { 16 };
/// How many messages ahead of its sender's the line of a slot is asked for: two lines of slots, so that one is there when the sender comes to it.
const AHEAD: u64 = 16;
/// No process is paused for so many messages: hints so far apart were scribbled over. (Laps, which are modulo 2³⁶, would not tell.)
const LAG_MAX: u64 = 1 << 40;
/// Most retries of a loop that makes progress unless others do: beyond, the memory is not sane.
const TRIES: u32 = 1 << 20;

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

/// A message that nobody has claimed yet, as it was seen.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a, 'm, C> {
    /// Where its slot is.
    pub place: &'a Word,
    /// What is in there.
    pub slot: SlotWord,
    /// Its chunk word: `QUEUED` in this queue.
    pub word: ChunkWord,
    /// Where that is.
    pub shared: &'m Word,
    /// What else was found of its chunk.
    pub chunk: C,
}

/// The words of a ring make no sense. Nothing else goes wrong with a ring; and a result with no more in it than that stays in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insane;

impl From<Insane> for Error {
    #[cold]
    fn from(_: Insane) -> Error {
        Error::corrupt("ring", "I2")
    }
}

impl<'a> Ring<'a> {
    /// A ring over `slots`, a power of two of them: 1 << `shift`.
    pub fn new(control: &'a RingControl, slots: &'a [Word], shift: u32) -> Ring<'a> {
        debug_assert_eq!(slots.len(), 1 << shift);
        Ring { control, slots, shift }
    }

    /// How many slots it has.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The slot of a position.
    #[inline]
    pub(crate) fn slot(&self, position: u64) -> &'a Word {
        &self.slots[position as usize & (self.slots.len() - 1)]
    }

    /// Makes `chunk` the newest message, unless `limit` messages wait or `is_open` says no.
    ///
    /// `known_head` is the caller's memory of `head`: it is read anew only when the ring looks full, so senders and takers
    /// do not share a cache line. `chunk_word` finds a chunk's word (to see past stale slots).
    #[inline(always)]
    pub fn push<'m>(
        &self,
        chunk: u32,
        limit: u64,
        queue: Name,
        known_head: &Cell<u64>,
        is_open: impl Fn() -> bool,
        chunk_word: impl Fn(u32) -> Option<&'m Word> + Copy,
    ) -> Result<Pushed, Insane> {
        match self.try_push(true, chunk, limit, queue, known_head, &is_open, chunk_word)? {
            Some(pushed) => Ok(pushed),
            None => self.push_again(chunk, limit, queue, known_head, is_open, chunk_word),
        }
    }

    #[cold]
    fn push_again<'m>(
        &self,
        chunk: u32,
        limit: u64,
        queue: Name,
        known_head: &Cell<u64>,
        is_open: impl Fn() -> bool,
        chunk_word: impl Fn(u32) -> Option<&'m Word> + Copy,
    ) -> Result<Pushed, Insane> {
        for _ in 1..TRIES {
            if let Some(pushed) = self.try_push(false, chunk, limit, queue, known_head, &is_open, chunk_word)? {
                return Ok(pushed);
            }
        }
        Err(Insane)
    }

    /// One attempt; `None`: the hint was behind, or somebody was faster.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "those of `push`, and whether it is the first")]
    fn try_push<'m>(
        &self,
        first: bool,
        chunk: u32,
        limit: u64,
        queue: Name,
        known_head: &Cell<u64>,
        is_open: impl Fn() -> bool,
        chunk_word: impl Fn(u32) -> Option<&'m Word> + Copy,
    ) -> Result<Option<Pushed>, Insane> {
        let tail = self.control.tail.load(S5.acquire());
        // After the tail (I23).
        if (first || !mutated("closed-looked-at-once")) && !is_open() {
            return Ok(Some(Pushed::Closed));
        }
        let limit = limit.min(self.slots.len() as u64);
        if (first || !mutated("limit-checked-once")) && !self.has_room(tail, limit, queue, known_head, chunk_word)? {
            if self.control.tail.load(S5.acquire()) == tail {
                return Ok(Some(Pushed::Full));
            }
            return Ok(None);
        }
        let lap = tail >> self.shift;
        let slot = self.slot(tail);
        let seen = SlotWord(slot.load(S4.acquire()));
        if seen == SlotWord::empty(lap) || mutated("lap-not-compared") && !seen.is_ready() {
            let filled = SlotWord::ready(lap, chunk);
            if slot.compare_exchange(seen.0, filled.0, S4.acquire_then(S1)).is_ok() {
                window(5);
                // Its last taker wrote there.
                self.slot(tail.wrapping_add(AHEAD)).expect_write();
                self.move_tail(tail.wrapping_add(1));
                return Ok(Some(Pushed::Sent));
            }
        } else if seen.ahead_of(lap) >= 0 {
            if !mutated("tail-not-helped") {
                self.move_tail(self.past(tail, true));
            }
        } else if self.control.tail.load(S5.acquire()) == tail {
            return Ok(Some(Pushed::Full));
        }
        Ok(None)
    }

    /// Whether fewer than `limit` messages wait before `tail`; `known_head` as for [`Ring::push`].
    #[inline(always)]
    fn has_room<'m>(
        &self,
        tail: u64,
        limit: u64,
        queue: Name,
        known_head: &Cell<u64>,
        chunk_word: impl Fn(u32) -> Option<&'m Word>,
    ) -> Result<bool, Insane> {
        if tail.wrapping_sub(known_head.get()) < limit {
            return Ok(true);
        }
        self.looked_for_room(tail, limit, queue, known_head, chunk_word)
    }

    #[cold]
    fn looked_for_room<'m>(
        &self,
        tail: u64,
        limit: u64,
        queue: Name,
        known_head: &Cell<u64>,
        chunk_word: impl Fn(u32) -> Option<&'m Word>,
    ) -> Result<bool, Insane> {
        let mut position = self.head();
        if tail.wrapping_sub(position) as i64 >= limit as i64 {
            // The hint may lag behind a taker that died: the slots tell. It is the takers' to move: it is they who write there all the time.
            self.front_from(&mut position, queue, |chunk| Some((chunk_word(chunk)?, ())))?;
        }
        known_head.set(position);
        Ok((tail.wrapping_sub(position) as i64) < limit as i64)
    }

    /// Whether one more message may wait, by what was known of `head`: without a look at anything that takers write.
    #[inline(always)]
    pub fn seems_to_have_room(&self, limit: u64, known_head: &Cell<u64>) -> bool {
        let tail = self.control.tail.load(S5.acquire());
        tail.wrapping_sub(known_head.get()) < limit.min(self.slots.len() as u64)
    }

    /// Whether a message would be refused now, for who has not written anything yet and does not wait. Where `head` was moved since it was last read, somebody is
    /// at work there, and its word is enough: a look at the slots would take their lines from him.
    #[inline]
    pub fn is_full<'m>(
        &self,
        limit: u64,
        queue: Name,
        known_head: &Cell<u64>,
        chunk_word: impl Fn(u32) -> Option<&'m Word>,
    ) -> Result<bool, Insane> {
        let (tail, limit) = (self.control.tail.load(S5.acquire()), limit.min(self.slots.len() as u64));
        if tail.wrapping_sub(known_head.get()) < limit {
            return Ok(false);
        }
        let head = self.head();
        if known_head.replace(head) != head {
            return Ok(tail.wrapping_sub(head) as i64 >= limit as i64);
        }
        Ok(!self.has_room(tail, limit, queue, known_head, chunk_word)?)
    }

    /// Uses up the place of the next message without one, so that whoever is about to fill it finds it used (I23). `false`: the ring is full.
    pub fn burn(&self) -> Result<bool, Insane> {
        for _ in 0..TRIES {
            let tail = self.control.tail.load(S5.acquire());
            let lap = tail >> self.shift;
            let slot = self.slot(tail);
            let seen = SlotWord(slot.load(S4.acquire()));
            let burnt = seen == SlotWord::empty(lap)
                && slot.compare_exchange(seen.0, SlotWord::empty(lap + 1).0, S4.acquire_then(S4)).is_ok();
            window(62);
            if burnt {
                self.move_tail(tail.wrapping_add(1));
                return Ok(true);
            }
            if seen.ahead_of(lap) >= 0 && seen != SlotWord::empty(lap) {
                self.move_tail(self.past(tail, true));
            } else if seen.ahead_of(lap) < 0 && self.control.tail.load(S5.acquire()) == tail {
                return Ok(false);
            }
        }
        Err(Insane)
    }

    /// Where a hint belongs that was found behind at `position`: after the last position at which this slot was emptied, or filled (`filled`), in whichever lap
    /// that was. By the word of two neighbours, since one may have been scribbled over; where a lap begins anew they say a lap less, and one goes on from there.
    #[cold]
    fn past(&self, position: u64, filled: bool) -> u64 {
        let by = |position: u64| {
            let seen = SlotWord(self.slot(position).load(S4.acquire()));
            let laps = seen.ahead_of(position >> self.shift) + (filled && seen.is_ready()) as i64 - 1;
            position.wrapping_add((laps << self.shift) as u64).wrapping_add(1)
        };
        let next = position.wrapping_add(1);
        let ahead = (by(position).wrapping_sub(next) as i64).min(by(next).wrapping_sub(next) as i64);
        next.wrapping_add(ahead.max(0) as u64)
    }

    #[inline]
    fn move_tail(&self, to: u64) {
        self.control.tail.store(to, S5.release());
    }

    /// Looks at the front, emptying what is stale there (I4): the second half of somebody's take, done by whoever comes by. Where the oldest message is, or the
    /// next one will be; and the message, if there is one.
    pub fn front<'m>(
        &self,
        queue: Name,
        chunk_word: impl Fn(u32) -> Option<&'m Word>,
    ) -> Result<(u64, Option<Waiting<'a, 'm, ()>>), Insane> {
        let head = self.head();
        let mut position = head;
        let found = self.front_from(&mut position, queue, |chunk| Some((chunk_word(chunk)?, ())));
        self.move_head(head, position);
        Ok((position, found?))
    }

    /// The hint of where the oldest message is.
    #[inline]
    pub fn head(&self) -> u64 {
        self.control.front.head.load(S5.acquire())
    }

    /// Moves the hint on, from where it was last seen, past slots that were emptied.
    #[inline]
    pub fn move_head(&self, from: u64, to: u64) {
        if from != to {
            self.control.front.head.store(to, S5.release());
        }
    }

    /// Whether a taker would find nothing, as far as a look at one slot tells: none is there if the hint is right.
    #[inline(always)]
    pub fn seems_empty(&self) -> bool {
        let head = self.head();
        let lap = head >> self.shift;
        // Relaxed: a taker who finds nothing has done nothing. Who is about to sleep looks after the fence of its announcement (I8).
        let slot = SlotWord(self.slot(head).load(Relaxed));
        !slot.is_ready_in(lap) && slot.ahead_of(lap) <= 0
    }

    /// The first message at `position` or beyond, which moves there; every slot before it is emptied of its lap, whatever `head` says. Empties what is stale (I4).
    /// `find` finds a chunk's word, and whatever else the caller wants of it.
    #[inline(always)]
    pub fn front_from<'m, C>(
        &self,
        position: &mut u64,
        queue: Name,
        find: impl Fn(u32) -> Option<(&'m Word, C)>,
    ) -> Result<Option<Waiting<'a, 'm, C>>, Insane> {
        for _ in 0..TRIES {
            let lap = *position >> self.shift;
            let place = self.slot(*position);
            let slot = SlotWord(place.load(S1.acquire()));
            if !slot.is_ready_in(lap) {
                if slot.ahead_of(lap) <= 0 {
                    return Ok(None);
                }
                // Somebody was faster, and others may have gone on long since.
                *position = self.past(*position, false);
                continue;
            }
            // It is to be emptied: the line comes while the chunk's do.
            place.expect_write();
            if let Some((shared, chunk)) = find(slot.chunk()) {
                let word = ChunkWord(shared.load(S3.acquire()));
                if !mutated("no-second-look-at-slot") && place.load(S1.acquire()) != slot.0 {
                    continue;
                }
                if word.is(ChunkState::Queued, queue)
                    || mutated("queue-not-compared") && word.state() == ChunkState::Queued
                {
                    return Ok(Some(Waiting { place, slot, word, shared, chunk }));
                }
            }
            if !mutated("stale-slot-not-emptied") {
                self.empty(*position, place, slot);
            }
            *position = position.wrapping_add(1);
        }
        Err(Insane)
    }

    /// The chunk that probably is at `position`: a guess.
    pub fn peek(&self, position: u64) -> Option<u32> {
        // Relaxed: nothing is done by it but a hint.
        let slot = SlotWord(self.slot(position).load(Relaxed));
        slot.is_ready().then(|| slot.chunk())
    }

    /// Empties the slot at `position`, which is at `place` and was seen as `seen`. Idempotent. `head` is to be moved past it afterwards.
    #[inline]
    pub fn empty(&self, position: u64, place: &Word, seen: SlotWord) {
        let emptied = SlotWord::empty(seen.lap() + 1);
        if mutated("head-moves-first") {
            self.move_head(position, position.wrapping_add(1));
        }
        let _ = place.compare_exchange(seen.0, emptied.0, S1.acquire_then(S4));
        window(13);
    }

    /// Puts hints and slots right that nobody could have left so (somebody scribbled over them). `true`: it did. Right ones are left alone, whoever is
    /// at work there.
    ///
    /// By I3 the slot before `head` was emptied, the one before `tail` filled; and since places are filled in order, the one at `head` does not wait to be filled
    /// while `tail` is beyond. And the one at `tail` waits to be emptied only where so many messages wait as there are slots: the one a lap before `head` was.
    pub fn mend(&self) -> bool {
        let head = self.control.front.head.load(S5.acquire());
        let tail = self.control.tail.load(S5.acquire());
        if self.fits(head, tail) {
            return false;
        }
        self.work_out(head, tail);
        true
    }

    /// Whether there is nothing to mend.
    pub fn is_sound(&self) -> bool {
        let (head, tail) = (self.control.front.head.load(S5.acquire()), self.control.tail.load(S5.acquire()));
        self.fits(head, tail)
    }

    fn fits(&self, head: u64, tail: u64) -> bool {
        let lap = head >> self.shift;
        let slot_at = |position: u64| SlotWord(self.slot(position).load(S1.acquire()));
        let (front, before, last) = (slot_at(head), slot_at(head.wrapping_sub(1)), slot_at(tail.wrapping_sub(1)));
        // Whatever chunk it names: nobody fills one that does.
        let in_gap = tail.wrapping_sub(head) as i64 > 0 && front.filled_since(lap) < 1;
        let head_leads = front.ahead_of(lap) < 0 || before.ahead_of(head.wrapping_sub(1) >> self.shift) < 1;
        let tail_leads = last.filled_since(tail.wrapping_sub(1) >> self.shift) < 1;
        let has_room = (tail.wrapping_sub(head) as i64) < self.slots.len() as i64;
        let is_stuck = has_room && slot_at(tail).ahead_of(tail >> self.shift) < 0;
        let is_near = (tail.wrapping_sub(head) as i64).unsigned_abs() < LAG_MAX;
        is_near && !in_gap && !head_leads && !tail_leads && !is_stuck
    }

    fn work_out(&self, head: u64, tail: u64) {
        let count = self.slots.len() as i64;
        let slot_at = |position: u64| SlotWord(self.slot(position).load(S1.acquire()));
        // Where each slot is filled next, in laps after the first slot's. Most slots are right, and those are a lap apart at most.
        let seen: Vec<SlotWord> = (0..count as u64).map(slot_at).collect();
        let base = seen[0].lap();
        let next = |slot: SlotWord| slot.filled_since(base);
        let mut laps: Vec<i64> = seen.iter().map(|slot| next(*slot)).collect();
        laps.sort_unstable();
        let usual = laps[laps.len() / 2];
        // In no state, or empty with a chunk: nobody fills or empties it, whatever its lap.
        let is_formed = |slot: SlotWord| slot.is_ready() || slot == SlotWord::empty(slot.lap());
        let is_right = |slot: SlotWord| is_formed(slot) && (next(slot) - usual).abs() <= 1;
        let right = || seen.iter().enumerate().filter(|(_, slot)| is_right(**slot));
        let place = |at: usize, lap: i64| lap * count + at as i64;
        let end = right().map(|(at, slot)| place(at, next(*slot))).min().unwrap_or(0);
        let ready = || right().filter(|(_, slot)| slot.is_ready()).map(|(at, slot)| place(at, next(*slot) - 1));
        let start = ready().min().unwrap_or(end);
        let last = ready().filter(|place| *place < start + count).max().map_or(end, |place| end.max(place + 1));
        let set = |place: i64, seen: SlotWord, ahead: u64| {
            let lap = base.wrapping_add(place.div_euclid(count) as u64).wrapping_add(ahead);
            let slot = self.slot(place.rem_euclid(count) as u64);
            let _ = slot.compare_exchange(seen.0, SlotWord::empty(lap).0, S1.acquire_then(S4));
        };
        for (at, slot) in seen.iter().enumerate().filter(|(_, slot)| !is_right(**slot)) {
            set(end + (at as i64 - end).rem_euclid(count), *slot, 0);
        }
        // Sent beyond where it could have been: the places before are used up, so that takers get there.
        for place in end..last {
            let slot = seen[place.rem_euclid(count) as usize];
            if !slot.is_ready() && next(slot) == place.div_euclid(count) {
                set(place, slot, 1);
            }
        }
        // Neither can lead: what has happened since has only moved the slots on.
        let position = |place: i64| (base << self.shift).wrapping_add(place as u64);
        let _ = self.control.front.head.compare_exchange(head, position(start), S5.release());
        let _ = self.control.tail.compare_exchange(tail, position(last), S5.release());
    }

    /// Whether so few of at most `limit` messages wait that a sender who sleeps is to be woken: half of them, since one that is woken for every place
    /// that comes sends one message and sleeps again. Of those who sleep the first is woken then, the next when another eighth is gone.
    pub fn is_time_for_senders(&self, limit: u64) -> bool {
        let waiting = self.depth();
        !mutated("half-is-less") && waiting == limit / 2
            || waiting < limit / 2 && waiting.is_multiple_of((limit / 8).max(1))
    }

    /// Whether half of `limit` places are there for who sends.
    pub fn is_half_empty(&self, limit: u64) -> bool {
        self.depth() <= limit / 2
    }

    /// How many messages wait, give or take those in motion.
    fn depth(&self) -> u64 {
        let (tail, head) = self.positions();
        (tail.wrapping_sub(head) as i64).max(0) as u64
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
        let ring = *self;
        let (tail, head) = (self.control.tail.load(S5.acquire()), self.control.front.head.load(S5.acquire()));
        let behind = (tail.wrapping_sub(head) as i64).saturating_sub(ring.slots() as i64).max(0);
        let head = head.wrapping_add(behind as u64);
        (0..ring.slots() as u64).filter_map(move |ahead| {
            let position = head.wrapping_add(ahead);
            let slot = SlotWord(ring.slot(position).load(S1.acquire()));
            (slot.is_ready() && slot.ahead_of(position >> ring.shift) == 0).then(|| slot.chunk())
        })
    }

    /// `(sent, taken)`: positions of tail and head. Counts of messages so far, give or take those in motion.
    pub fn positions(&self) -> (u64, u64) {
        // Relaxed: figures for people.
        (self.control.tail.load(Relaxed), self.control.front.head.load(Relaxed))
    }
}
