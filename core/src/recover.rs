//! Recovery: gives back what a dead member had claimed. Idempotent, by any number of reapers, each of which may die and is then
//! recovered by the next.
//!
//! What to do is decided by [`classify`], pure and total, from words alone. Every step is one compare-exchange from the exact
//! word seen, so a reaper that comes late changes nothing. Ownership passes from the dead to the reaper by name (*adopt*),
//! never through a state that names nobody.
//!
//! Death is the kernel's word (`platform::process`) about a process or thread, never a time-out; it also orders the dead member's writes
//! before the reaper's reads.

use crate::layout::{Notes, REDELIVERY};
use crate::memory::{Memory, Owned};
use crate::queue::{BATCH_MAX, LIMBO, NotPublished, Queue, Route, publish, shelve};
use crate::sync::{S2, S3, S8, S10, Word, mutated, window};
use crate::word::{ChunkState, ChunkWord, Intent, IntentKind, Link, Name, RecordState, SpanState};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

/// What memory shows of something that a member may have left behind.
#[derive(Clone, Copy, Debug)]
pub enum Evidence {
    /// A chunk word, and whether its owner is a dead member.
    Chunk {
        /// The chunk's state.
        state: ChunkState,
        /// Whether the member that it names is dead.
        owner_is_dead: bool,
    },
    /// A dead member's intent and the chunk that it names.
    Intent {
        /// What the member was about to publish.
        kind: Option<IntentKind>,
        /// Whether the chunk still is as the intent says: not yet `QUEUED`, or `QUEUED` and no slot or place of the queue speaks of it.
        unpublished: bool,
    },
    /// What a dead member that has a stripe of keys was publishing with its key.
    Key {
        /// The member.
        dead: Name,
        /// Its intent; 0: none since it claimed the stripe.
        intent: Intent,
        /// The word of the intent's chunk, if there is such a chunk.
        word: Option<ChunkWord>,
        /// Whether a slot or place of the queue speaks of it.
        referred: bool,
    },
    /// A span word, and whether the member that it names is dead.
    Span {
        /// The span's state.
        state: SpanState,
        /// Whether the member that it names is dead.
        owner_is_dead: bool,
        /// Whether an active large chunk in front reaches over it.
        covered: bool,
    },
    /// The record of a queue that a dead member was making.
    Record {
        /// The record's state.
        state: RecordState,
        /// Whether the directory refers to it.
        named: bool,
    },
}

/// What a reaper does about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Nothing: it is not the dead member's, or it is finished.
    Keep,
    /// Give it back: nobody was ever told of it.
    Free,
    /// Adopt it and publish it for redelivery.
    Redeliver,
    /// Finish what was committed.
    Finish,
    /// Put it back as it was.
    Undo,
}

/// Decides, from what memory shows, what becomes of it.
pub fn classify(evidence: Evidence) -> Decision {
    use Decision::{Finish, Free, Keep, Redeliver, Undo};
    match evidence {
        Evidence::Chunk { owner_is_dead: false, .. } => Keep,
        Evidence::Chunk { state: ChunkState::Free | ChunkState::Queued, .. } => Keep,
        Evidence::Chunk { state: ChunkState::Held, .. } => Free,
        Evidence::Chunk { state: ChunkState::InFlight, .. } => Redeliver,
        Evidence::Intent { unpublished: true, kind: Some(IntentKind::Send | IntentKind::Batch) } => Free,
        Evidence::Intent { unpublished: true, kind: Some(IntentKind::Move) } => Redeliver,
        Evidence::Intent { .. } => Keep,
        Evidence::Key { dead, intent, word: Some(word), referred } if intent.0 != 0 => {
            let refused = ChunkWord::new(intent.generation() + 1, dead, ChunkState::Held);
            let untold = match word.state() {
                ChunkState::Held => word.name() == dead,
                ChunkState::Queued => !referred,
                ChunkState::Free | ChunkState::InFlight => false,
            };
            if word == refused && !mutated("refusal-not-known") || untold && word.generation() == intent.generation() {
                Undo
            } else {
                Finish
            }
        }
        Evidence::Key { .. } => Undo,
        Evidence::Span { state: SpanState::Claimed, owner_is_dead: true, .. } => Free,
        Evidence::Span { state: SpanState::Tail, owner_is_dead: true, covered: false } => Free,
        Evidence::Span { state: SpanState::Retiring, owner_is_dead: true, .. } => Undo,
        Evidence::Span { .. } => Keep,
        Evidence::Record { state: RecordState::Claimed, named: true } => Finish,
        Evidence::Record { state: RecordState::Claimed, named: false } => Free,
        Evidence::Record { .. } => Keep,
    }
}

/// Counts of what a reap gave back.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Reaped {
    /// Dead members found and buried.
    pub members: u32,
    /// Messages that were in flight with them and are queued again.
    pub redelivered: u32,
    /// Chunks that they held and that are free again.
    pub freed: u32,
    /// Messages that wait for room in their queue's redelivery ring; who takes from that queue fetches them.
    pub deferred: u32,
}

/// A reaper: who it is, and where it notes what it does.
pub struct Reaper<'a, M: Memory> {
    /// The segment.
    pub memory: &'a M,
    /// The reaper's own name.
    pub me: Name,
    /// Its own notes: it may die, too.
    pub notes: &'a Notes,
    /// Counts.
    pub reaped: Reaped,
}

impl<'a, M: Memory> Reaper<'a, M> {
    /// A reaper that has done nothing yet.
    pub fn new(memory: &'a M, me: Name, notes: &'a Notes) -> Self {
        Reaper { memory, me, notes, reaped: Reaped::default() }
    }

    /// Step 1: the message that the dead member may have been publishing.
    ///
    /// `is_still_dead`: whether the index still is the dead member's. Asked after the evidence was read (S8 and S3 order that),
    /// since another reaper may have finished and the index have a new, living owner, whose half-published message this is.
    pub fn intent(&mut self, dead: &Notes, is_still_dead: impl Fn() -> bool) {
        let intent = Intent(dead.intent.load(S8.acquire()));
        if let Some(shared) = self.memory.chunk(intent.chunk()) {
            let word = ChunkWord(shared.load(S3.acquire()));
            let unpublished = word.generation() == intent.generation()
                && match word.state() {
                    ChunkState::Queued => !self.is_referred(word.name(), intent.chunk()),
                    ChunkState::Held => true,
                    ChunkState::Free | ChunkState::InFlight => false,
                };
            if !mutated("index-reused") && !is_still_dead() {
                return;
            }
            let kind = if mutated("orphaned-move-freed") { Some(IntentKind::Send) } else { intent.kind() };
            match classify(Evidence::Intent { kind, unpublished }) {
                Decision::Free => {
                    if kind == Some(IntentKind::Batch) && !mutated("rest-forgotten") {
                        self.free_rest(intent.chunk(), word);
                    }
                    self.free(intent.chunk(), word);
                }
                Decision::Redeliver => self.redeliver(intent.chunk(), word),
                Decision::Keep | Decision::Finish | Decision::Undo => {}
            }
        }
        window(40);
        if intent.0 != 0 && is_still_dead() {
            let seen = if mutated("intent-cleared-blindly") { dead.intent.load(Relaxed) } else { intent.0 };
            let _ = dead.intent.compare_exchange(seen, 0, S8.release());
        }
    }

    /// The message that the dead member may have pushed out of a topic and not yet taken. As for its intent.
    pub fn eviction(&mut self, dead: &Notes, is_still_dead: impl Fn() -> bool) {
        let note = Intent(dead.evicts.load(S8.acquire()));
        let Some(shared) = note.kind().and_then(|_| self.memory.chunk(note.chunk())) else { return };
        let word = ChunkWord(shared.load(S3.acquire()));
        let left = word.generation() == note.generation()
            && word.state() == ChunkState::Queued
            && word.name().topic().is_some()
            && !self.is_referred(word.name(), note.chunk());
        if is_still_dead() && classify(Evidence::Intent { kind: note.kind(), unpublished: left }) == Decision::Free {
            self.free(note.chunk(), word);
        }
    }

    pub(crate) fn is_referred(&self, queue: Name, chunk: u32) -> bool {
        if queue.topic().is_some() {
            let topic = self.memory.topic(queue).filter(|_| !mutated("slots-not-searched"));
            return topic.is_some_and(|topic| topic.refers_to(chunk));
        }
        !mutated("slots-not-searched")
            && self.memory.queue(queue).is_some_and(|queue| {
                queue.active().any(|(_, ring)| ring.refers_to(chunk))
                    || queue.lot().is_some_and(|lot| lot.refers_to(chunk))
            })
    }

    /// Frees what hangs on a message that was not published, as far as it hangs together (I26): the last first, so that a reaper that
    /// dies here leaves the rest hanging where the next one finds it.
    fn free_rest(&mut self, first: u32, word: ChunkWord) {
        let mut rest = vec![(first, word)];
        while let Some((before, word)) = rest.last().copied().filter(|_| rest.len() < BATCH_MAX)
            && let Some(link) = self.memory.rest_of_another(before).map(Link)
            && let Some(chunk) = link.chunk()
            && let Some(shared) = self.memory.chunk(chunk)
            && let next = ChunkWord(shared.load(S3.acquire()))
            && link.holds(next)
            // It was the header of that life of the chunk, if that still goes on. After the next one's word, which brings who wrote the link.
            && self.memory.chunk(before).is_some_and(|shared| shared.load(S3.acquire()) == word.0)
        {
            rest.push((chunk, next));
        }
        if mutated("first-of-rest-first") {
            rest[1..].reverse();
        }
        for (chunk, word) in rest.drain(1..).rev() {
            self.free(chunk, word);
            window(68);
        }
    }

    /// Steps 2 and 3: one chunk; `true` if it cannot be dealt with now (the system does not let us read it).
    pub fn chunk(&mut self, chunk: u32, is_dead: impl Fn(Name) -> bool) -> bool {
        let Some(shared) = self.memory.chunk(chunk) else { return false };
        let word = ChunkWord(shared.load(S3.acquire()));
        let owned = matches!(word.state(), ChunkState::Held | ChunkState::InFlight);
        match classify(Evidence::Chunk { state: word.state(), owner_is_dead: owned && is_dead(word.name()) }) {
            Decision::Free => self.free(chunk, word),
            Decision::Redeliver => {
                let Some(home) = self.memory.home_of_another(chunk) else {
                    if self.memory.owned(chunk).is_none() {
                        // Its span was scribbled over: no span is given back with a message in it. Nobody can read it any more.
                        self.free(chunk, word);
                        return false;
                    }
                    self.reaped.deferred += 1;
                    return true;
                };
                let Some(queue) = self.memory.queue(Name::from_bits(home)) else {
                    // Its home is gone (or scribbled over): there is nobody to whom it could be redelivered.
                    self.free(chunk, word);
                    return false;
                };
                if !mutated("reaper-leaves-slot") {
                    self.empty_stale_slots(&queue);
                }
                if has_room(&queue) {
                    self.redeliver(chunk, word);
                } else {
                    self.shelve(&queue, chunk, word);
                }
            }
            Decision::Keep | Decision::Finish | Decision::Undo => {}
        }
        false
    }

    /// A taker that died between its claim and the emptying of the slot left a stale slot at the front of a ring (I4).
    fn empty_stale_slots(&self, queue: &Queue<'_>) {
        for (_, ring) in queue.active() {
            // An insane ring is left to its users, who get the error; what counts here is the chunk.
            let _ = ring.front(queue.name, |chunk| self.memory.chunk_in_slot(chunk));
        }
        if let Some(lot) = queue.lot() {
            lot.empty_stale(queue.name, |chunk| self.memory.chunk_in_slot(chunk));
        }
    }

    fn free(&mut self, chunk: u32, word: ChunkWord) {
        let Some(shared) = self.memory.chunk(chunk) else { return };
        if shared.compare_exchange(judged(shared, word), word.freed().0, S3.acquire_then(S2)).is_ok() {
            self.memory.hint_free(chunk);
            self.reaped.freed += 1;
        }
    }

    /// Adopts the message, then publishes it to the redelivery ring of its home.
    fn redeliver(&mut self, chunk: u32, word: ChunkWord) {
        let Some(shared) = self.memory.chunk(chunk) else { return };
        let adopted = word.next(self.me, ChunkState::InFlight);
        self.memory.touch(self.me, chunk);
        if shared.compare_exchange(judged(shared, word), adopted.0, S3.acquire_then(S3)).is_ok() {
            window(41);
            self.publish_adopted(chunk, adopted);
        }
    }

    fn publish_adopted(&mut self, chunk: u32, word: ChunkWord) {
        let found = self.memory.owned(chunk);
        let home = found.map(|own| Name::from_bits(own.home().load(S8.acquire())));
        let queue = home.and_then(|home| self.memory.queue(home));
        let Some((own, queue)) = found.zip(queue) else { return self.free(chunk, word) };
        let route = Route::put_back(REDELIVERY);
        match publish(self.memory, self.notes, &queue, route, (own, word), &mut [], &Cell::new(0)) {
            Ok(()) => {
                self.reaped.redelivered += 1;
                queue.ring_items(1);
            }
            Err(NotPublished { word, .. }) => self.shelve(&queue, chunk, word),
        }
    }

    /// Leaves a message for which there is no room with nobody, until who takes from its queue finds room and fetches it.
    fn shelve(&mut self, queue: &Queue<'_>, chunk: u32, word: ChunkWord) {
        self.reaped.deferred += 1;
        if word.name() == LIMBO {
            // Who put it there may have died before it noted that for good.
            queue.note_deferred();
        } else {
            shelve(self.memory, queue, chunk, word);
        }
    }

    /// Fetches the messages of a queue from limbo, as far as there is room; `deferred` is what its word said before. Not only for reapers.
    pub fn fetch_from_limbo(&mut self, queue: &Queue<'_>, deferred: u64, chunks: impl Iterator<Item = u32>) {
        for chunk in chunks {
            if self.reaped.deferred > 0 {
                // There was no room for the last one.
                return;
            }
            let word = self.memory.chunk(chunk).map(|shared| ChunkWord(shared.load(S3.acquire())));
            if word.is_some_and(|word| word.is(ChunkState::InFlight, LIMBO))
                && self.memory.home_of_another(chunk).is_none_or(|home| Name::from_bits(home) == queue.name)
            {
                self.chunk(chunk, |member| member == LIMBO);
            }
        }
        if self.reaped.deferred == 0 {
            // From the value seen before the search: who noted another one since then has changed it.
            let seen = if mutated("limbo-forgotten") { queue.deferred.load(Relaxed) } else { deferred };
            let _ = queue.deferred.compare_exchange(seen, seen & !1, S10.acquire_then(S10));
        }
    }

    /// Step 4, in part: the wakes that the dead member owed or swallowed.
    pub fn wakes(&self, dead: &Notes) {
        for note in [&dead.sends_to, &dead.takes_from, &dead.waits_on] {
            let Some(value) = note.load(S8.acquire()).checked_sub(1) else { continue };
            if mutated("debts-forgotten") {
                continue;
            }
            if let Some(queue) = self.memory.queue(Name::from_bits(value)) {
                queue.wake_all(1);
            } else if let Some(topic) = self.memory.topic(Name::from_bits(value)) {
                topic.wake_all();
            }
        }
    }
}

/// The word from which a chunk may change hands: the one on which the decision rests. Whoever was faster has changed it, so this
/// compare-exchange is also the second look at the chunk that the search for slots needs.
fn judged(shared: &Word, word: ChunkWord) -> u64 {
    if mutated("judged-word-not-compared") { shared.load(S3.acquire()) } else { word.0 }
}

fn has_room(queue: &Queue<'_>) -> bool {
    queue.ring(REDELIVERY).is_none_or(|ring| {
        let (tail, head) = ring.positions();
        (tail.wrapping_sub(head) as i64) < queue.rings[REDELIVERY].slots() as i64
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Decision::{Finish, Free, Keep, Redeliver, Undo};

    #[test]
    fn every_state_has_one_decision() {
        use ChunkState as C;
        let chunks = [
            (C::Free, [Keep, Keep]),
            (C::Held, [Keep, Free]),
            (C::Queued, [Keep, Keep]),
            (C::InFlight, [Keep, Redeliver]),
        ];
        for (state, decisions) in chunks {
            for (owner_is_dead, decision) in [false, true].into_iter().zip(decisions) {
                assert_eq!(classify(Evidence::Chunk { state, owner_is_dead }), decision, "{state:?} {owner_is_dead}");
            }
        }
        for kind in [None, Some(IntentKind::Send), Some(IntentKind::Move), Some(IntentKind::Batch)] {
            for unpublished in [false, true] {
                let expected = match (kind, unpublished) {
                    (Some(IntentKind::Send | IntentKind::Batch), true) => Free,
                    (Some(IntentKind::Move), true) => Redeliver,
                    _ => Keep,
                };
                assert_eq!(classify(Evidence::Intent { kind, unpublished }), expected);
            }
        }
        let (dead, other) = (Name::new(1, 2), Name::new(3, 4));
        for intent in [Intent(0), Intent::new(7, 5, IntentKind::Send), Intent::new(7, 5, IntentKind::Batch)] {
            for state in [C::Free, C::Held, C::Queued, C::InFlight] {
                for (generation, name, referred) in [6, 7, 8, 9]
                    .into_iter()
                    .flat_map(|g| [(g, dead, false), (g, dead, true), (g, other, false), (g, other, true)])
                {
                    let unpublished = match (generation, state) {
                        _ if intent.0 == 0 => true,
                        (7 | 8, C::Held) => name == dead,
                        (7, C::Queued) => !referred,
                        _ => false,
                    };
                    let word = Some(ChunkWord::new(generation, name, state));
                    let expected = if unpublished { Undo } else { Finish };
                    assert_eq!(
                        classify(Evidence::Key { dead, intent, word, referred }),
                        expected,
                        "{word:?} {referred}"
                    );
                }
            }
            assert_eq!(classify(Evidence::Key { dead, intent, word: None, referred: false }), Undo);
        }
        use SpanState as S;
        for state in [S::Free, S::Claimed, S::Active, S::Tail, S::Retiring] {
            for (owner_is_dead, covered) in [(false, false), (false, true), (true, false), (true, true)] {
                let unfinished = state == S::Claimed || state == S::Tail && !covered;
                let expected = match (owner_is_dead, state) {
                    (true, S::Retiring) => Undo,
                    (true, _) if unfinished => Free,
                    _ => Keep,
                };
                assert_eq!(classify(Evidence::Span { state, owner_is_dead, covered }), expected);
            }
        }
        use RecordState as R;
        for (state, named, expected) in [
            (R::Free, false, Keep),
            (R::Free, true, Keep),
            (R::Claimed, false, Free),
            (R::Claimed, true, Finish),
            (R::Live, false, Keep),
            (R::Live, true, Keep),
        ] {
            assert_eq!(classify(Evidence::Record { state, named }), expected);
        }
    }
}
