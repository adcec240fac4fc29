//! The words by which things are owned, and how they are packed.
//!
//! **I1** Everything that can be owned has one 64-bit word that says who owns it; ownership changes by one compare-exchange from
//! the exact value seen. Generations and laps are compared modulo their width.

use crate::layout::{FIRST_TOPIC, TOPICS};

/// Bits of a member's, queue's or topic's name.
pub const NAME_BITS: u32 = 26;
const NAME_MASK: u64 = (1 << NAME_BITS) - 1;
/// Bits of a generation or lap.
pub const GENERATION_BITS: u32 = 36;
const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;
const INCARNATION_MASK: u16 = (1 << 10) - 1;

/// The name of a member or of a queue: `incarnation:10 · index:16`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Name(u32);

impl Name {
    /// Of an index in its table and the incarnation that lives there.
    pub const fn new(index: u16, incarnation: u16) -> Name {
        Name(((incarnation & INCARNATION_MASK) as u32) << 16 | index as u32)
    }

    /// From the low 26 bits of a shared word.
    pub const fn from_bits(bits: u64) -> Name {
        Name((bits & NAME_MASK) as u32)
    }

    /// The 26 bits that stand in shared words.
    pub const fn bits(self) -> u64 {
        self.0 as u64
    }

    /// The index in its table.
    pub const fn index(self) -> u16 {
        self.0 as u16
    }

    /// The incarnation, modulo 1024.
    pub const fn incarnation(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The number of the topic, if it is a topic's name and not a member's or queue's.
    pub const fn topic(self) -> Option<usize> {
        match self.index().checked_sub(FIRST_TOPIC) {
            Some(number) if (number as usize) < TOPICS => Some(number as usize),
            _ => None,
        }
    }
}

/// The state of a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChunkState {
    /// Nobody's.
    Free = 0,
    /// A member's: a loan, or in its cache.
    Held = 1,
    /// A queue's: sent and not taken.
    Queued = 2,
    /// A member's: taken and not released.
    InFlight = 3,
}

/// A chunk word, `generation:36 · name:26 · state:2`: who owns the chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkWord(pub u64);

impl ChunkWord {
    /// Packs; the generation is taken modulo 2³⁶.
    pub const fn new(generation: u64, name: Name, state: ChunkState) -> ChunkWord {
        ChunkWord((generation & GENERATION_MASK) << 28 | name.bits() << 2 | state as u64)
    }

    /// A free chunk.
    pub const fn free(generation: u64) -> ChunkWord {
        ChunkWord::new(generation, Name(0), ChunkState::Free)
    }

    /// Rises with every change of owner.
    pub const fn generation(self) -> u64 {
        self.0 >> 28
    }

    /// A member (`Held`, `InFlight`) or a queue (`Queued`); meaningless when `Free`.
    pub const fn name(self) -> Name {
        Name::from_bits(self.0 >> 2)
    }

    /// Whose kind of thing it is.
    pub const fn state(self) -> ChunkState {
        match self.0 & 3 {
            0 => ChunkState::Free,
            1 => ChunkState::Held,
            2 => ChunkState::Queued,
            _ => ChunkState::InFlight,
        }
    }

    /// True if the word says `state` and `name`.
    pub fn is(self, state: ChunkState, name: Name) -> bool {
        self.0 & 0xfff_ffff == name.bits() << 2 | state as u64
    }

    /// The same chunk with its next owner.
    pub const fn next(self, name: Name, state: ChunkState) -> ChunkWord {
        ChunkWord::new(self.generation() + 1, name, state)
    }

    /// The same chunk, free.
    pub const fn freed(self) -> ChunkWord {
        self.next(Name(0), ChunkState::Free)
    }
}

/// A slot of a ring, `lap:36 · chunk:26 · state:2`: the order of messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotWord(pub u64);

impl SlotWord {
    /// A slot that waits for the message of `lap`.
    pub const fn empty(lap: u64) -> SlotWord {
        SlotWord((lap & GENERATION_MASK) << 28)
    }

    /// A slot that holds the message of `lap`.
    pub const fn ready(lap: u64, chunk: u32) -> SlotWord {
        SlotWord((lap & GENERATION_MASK) << 28 | (chunk as u64 & NAME_MASK) << 2 | 1)
    }

    /// The lap, modulo 2³⁶.
    pub const fn lap(self) -> u64 {
        self.0 >> 28
    }

    /// True for `READY`.
    pub const fn is_ready(self) -> bool {
        self.0 & 3 == 1
    }

    /// Whether it holds the message of `lap`.
    pub const fn is_ready_in(self, lap: u64) -> bool {
        // All but the chunk, at once.
        self.0 & !(NAME_MASK << 2) == SlotWord::ready(lap, 0).0
    }

    /// The chunk of a `READY` slot.
    pub const fn chunk(self) -> u32 {
        (self.0 >> 2 & NAME_MASK) as u32
    }

    /// How many laps this slot is ahead of `lap`; negative when behind. Modulo 2³⁶.
    pub const fn ahead_of(self, lap: u64) -> i64 {
        let difference = self.lap().wrapping_sub(lap) & GENERATION_MASK;
        ((difference << (64 - GENERATION_BITS)) as i64) >> (64 - GENERATION_BITS)
    }

    /// How often this slot was filled from `lap` on, that lap included; 0 or less: not yet. Modulo 2³⁶.
    pub const fn filled_since(self, lap: u64) -> i64 {
        self.ahead_of(lap) + self.is_ready() as i64
    }
}

/// What a member may have been publishing when it died.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IntentKind {
    /// A new message: an unpublished one is nobody's business, the chunk is freed.
    Send,
    /// A message that existed before: an unpublished one is published again.
    Move,
    /// The first message of a batch: with an unpublished one the rest is freed that hangs on it.
    Batch,
}

/// A member's intent, `generation:36 · chunk:26 · kind:2`; zero is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Intent(pub u64);

impl Intent {
    /// To publish `chunk` of `generation`.
    pub const fn new(generation: u64, chunk: u32, kind: IntentKind) -> Intent {
        let kind = match kind {
            IntentKind::Send => 1,
            IntentKind::Move => 2,
            IntentKind::Batch => 3,
        };
        Intent((generation & GENERATION_MASK) << 28 | (chunk as u64 & NAME_MASK) << 2 | kind)
    }

    /// None for zero.
    pub const fn kind(self) -> Option<IntentKind> {
        match self.0 & 3 {
            1 => Some(IntentKind::Send),
            2 => Some(IntentKind::Move),
            3 => Some(IntentKind::Batch),
            _ => None,
        }
    }

    /// The chunk's generation when the intent was noted.
    pub const fn generation(self) -> u64 {
        self.0 >> 28
    }

    /// The chunk.
    pub const fn chunk(self) -> u32 {
        (self.0 >> 2 & NAME_MASK) as u32
    }
}

/// What hangs on a message of a batch, `generation:36 · chunk:26 · some:1`; zero is nothing. It holds while the chunk is `QUEUED` with that very
/// generation, so a link that was left behind in a header leads nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link(pub u64);

impl Link {
    /// To `chunk`, once it is `QUEUED` with this generation.
    pub const fn new(generation: u64, chunk: u32) -> Link {
        Link((generation & GENERATION_MASK) << 28 | (chunk as u64 & NAME_MASK) << 2 | 1)
    }

    /// The chunk, if there is one.
    pub const fn chunk(self) -> Option<u32> {
        if self.0 & 3 == 1 { Some((self.0 >> 2 & NAME_MASK) as u32) } else { None }
    }

    /// Whether the word of its chunk says that it still hangs there.
    pub fn holds(self, word: ChunkWord) -> bool {
        word.state() == ChunkState::Queued && word.generation() == self.0 >> 28
    }
}

/// A place of a parking lot, `lap:4 · due:33 · chunk:26 · taken:1`: a message that waits for its time, ms of `CLOCK_MONOTONIC` modulo 2³³ (99 days).
///
/// The lap rises with every use, and a place is emptied only from the exact word seen. For a word to come back, its chunk would have to be parked
/// in the same place for the same millisecond 16 times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlaceWord(pub u64);

const DUE_BITS: u32 = 33;
const LAP_AT: u32 = 27 + DUE_BITS;
const DUE_MASK: u64 = (1 << DUE_BITS) - 1;

/// Longest time for which a message is parked, ms: 30 days. One that is due for as long as 69 days is told from one that is not due yet.
pub const DELAY_MS_MAX: u64 = 30 * 24 * 3600 * 1000;

impl PlaceWord {
    /// The same place, taken by `chunk` until `due_ms`.
    pub const fn taken(self, chunk: u32, due_ms: u64) -> PlaceWord {
        PlaceWord(self.0 >> LAP_AT << LAP_AT | (due_ms & DUE_MASK) << 27 | (chunk as u64 & NAME_MASK) << 1 | 1)
    }

    /// The same place, for somebody else.
    pub const fn emptied(self) -> PlaceWord {
        PlaceWord((self.0 >> LAP_AT).wrapping_add(1) << LAP_AT)
    }

    /// Whether a message is parked there.
    pub const fn is_taken(self) -> bool {
        self.0 & 1 == 1
    }

    /// The chunk of a taken place.
    pub const fn chunk(self) -> u32 {
        (self.0 >> 1 & NAME_MASK) as u32
    }

    /// In how many ms its message is due at `now_ms`; 0 or less: it is.
    pub const fn due_in_ms(self, now_ms: u64) -> i64 {
        let ahead = (self.0 >> 27 & DUE_MASK).wrapping_sub(now_ms) & DUE_MASK;
        // One more than the most: who parked it has rounded up.
        if ahead <= DELAY_MS_MAX + 1 { ahead as i64 } else { ahead as i64 - (1 << DUE_BITS) }
    }
}

/// When the next parked message of a queue is due, `count:24 · due_ms:40`; a due time of 0: nothing is parked. The count rises with every note, so
/// that who looked through the places knows whether one came meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DueWord(pub u64);

impl DueWord {
    /// When, if something is parked; ms of `CLOCK_MONOTONIC`.
    pub const fn due_ms(self) -> Option<u64> {
        match self.0 & ((1 << 40) - 1) {
            0 => None,
            due_ms => Some(due_ms),
        }
    }

    /// The next word.
    pub const fn next(self, due_ms: Option<u64>) -> DueWord {
        let due_ms = match due_ms {
            Some(0) => 1,
            Some(due_ms) => due_ms & ((1 << 40) - 1),
            None => 0,
        };
        DueWord((self.0 >> 40).wrapping_add(1) << 40 | due_ms)
    }
}

/// The state of a member's index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClaimState {
    /// Nobody's.
    Free,
    /// A process's.
    Live,
    /// Of a process that the kernel says is dead; it is being reaped.
    Dead,
}

/// The claim on a member's index, `stamp:30 · pid:22 · incarnation:10 · state:2`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClaimWord(pub u64);

impl ClaimWord {
    /// The stamp keeps its low 30 bits, the pid its low 22 (the kernel's highest pid is 2²²).
    pub const fn new(stamp: u64, pid: u32, incarnation: u16, state: ClaimState) -> ClaimWord {
        let state = match state {
            ClaimState::Free => 0,
            ClaimState::Live => 1,
            ClaimState::Dead => 2,
        };
        ClaimWord(stamp << 34 | (pid as u64 & 0x3f_ffff) << 12 | ((incarnation & INCARNATION_MASK) as u64) << 2 | state)
    }

    /// State; a value that does not exist counts as dead, so that a scribbled claim is reaped rather than trusted.
    pub const fn state(self) -> ClaimState {
        match self.0 & 3 {
            0 => ClaimState::Free,
            1 => ClaimState::Live,
            _ => ClaimState::Dead,
        }
    }

    /// The incarnation, modulo 1024.
    pub const fn incarnation(self) -> u16 {
        (self.0 >> 2) as u16 & INCARNATION_MASK
    }

    /// The process.
    pub const fn pid(self) -> u32 {
        (self.0 >> 12) as u32 & 0x3f_ffff
    }

    /// What tells the process from another with the same pid, modulo 2³⁰.
    pub const fn stamp(self) -> u64 {
        self.0 >> 34
    }

    /// The same claim in another state.
    pub const fn with_state(self, state: ClaimState) -> ClaimWord {
        ClaimWord::new(self.stamp(), self.pid(), self.incarnation(), state)
    }

    /// The free word that follows: the next owner is the next incarnation.
    pub const fn freed(self) -> ClaimWord {
        ClaimWord::new(0, 0, self.incarnation().wrapping_add(1), ClaimState::Free)
    }
}

/// The thread to which a handle is bound, `stamp:31 · condemned:1 · incarnation:10 · tid:22`; zero: none, it is bound to its process alone.
///
/// The incarnation is the handle's, so that the word of a former life of its index says nothing about this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThreadWord(pub u64);

impl ThreadWord {
    const CONDEMNED: u64 = 1 << 32;

    /// Packs; `stamp` is the low bits of the thread's start time, 0 if that is not known.
    pub const fn new(tid: u32, stamp: u64, incarnation: u16) -> ThreadWord {
        ThreadWord(stamp << 33 | ((incarnation & INCARNATION_MASK) as u64) << 22 | (tid as u64 & 0x3f_ffff))
    }

    /// The thread.
    pub const fn tid(self) -> u32 {
        self.0 as u32 & 0x3f_ffff
    }

    /// What tells the thread from another with the same number, modulo 2³¹; 0: not known.
    pub const fn stamp(self) -> u64 {
        self.0 >> 33
    }

    /// The incarnation of the handle.
    pub const fn incarnation(self) -> u16 {
        (self.0 >> 22) as u16 & INCARNATION_MASK
    }

    /// The same, said to have ended: from now on what the handle had is its reaper's.
    pub const fn condemned(self) -> ThreadWord {
        ThreadWord(self.0 | ThreadWord::CONDEMNED)
    }
}

/// The state of a queue's record, a mailbox's ownership or the like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordState {
    /// Nobody's.
    Free,
    /// A member is making it.
    Claimed,
    /// In use.
    Live,
}

/// The word of a queue's record (`incarnation` is the queue's, `member` who makes it) and, with the epoch in the place of the
/// incarnation, of a mailbox's ownership (`Live`: owned by `member`): `counter:36 · member:26 · state:2`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordWord(pub u64);

impl RecordWord {
    /// Packs.
    pub const fn new(counter: u64, member: Name, state: RecordState) -> RecordWord {
        let state = match state {
            RecordState::Free => 0,
            RecordState::Claimed => 1,
            RecordState::Live => 2,
        };
        RecordWord((counter & GENERATION_MASK) << 28 | member.bits() << 2 | state)
    }

    /// State; a value that does not exist counts as free.
    pub const fn state(self) -> RecordState {
        match self.0 & 3 {
            1 => RecordState::Claimed,
            2 => RecordState::Live,
            _ => RecordState::Free,
        }
    }

    /// Rises with every life.
    pub const fn counter(self) -> u64 {
        self.0 >> 28
    }

    /// Whether it is the record of this queue or topic, and that is there: not of one before or after it that has the same index.
    pub const fn is_of_living(self, name: Name) -> bool {
        matches!(self.state(), RecordState::Live) && self.counter() & 1023 == name.incarnation() as u64
    }

    /// The maker or the owner.
    pub const fn member(self) -> Name {
        Name::from_bits(self.0 >> 2)
    }

    /// The next word.
    pub const fn next(self, member: Name, state: RecordState) -> RecordWord {
        RecordWord::new(self.counter() + 1, member, state)
    }
}

/// The state of a span of the heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpanState {
    /// Nobody's; not committed.
    Free,
    /// A member is about to commit it, or to give its memory back.
    Claimed,
    /// Given to a size class (`name` means nothing).
    Active,
    /// A further part of the large chunk that begins in an earlier span; `name` is the member that placed it.
    Tail,
    /// `Active` still, but a member tries to take it from its class: it claims every chunk.
    Retiring,
}

/// A span word, `generation:28 · class:5 · name:26 · state:3` (two bits spare).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpanWord(pub u64);

impl SpanWord {
    /// Packs.
    pub const fn new(generation: u64, class: usize, name: Name, state: SpanState) -> SpanWord {
        let state = match state {
            SpanState::Free => 0,
            SpanState::Claimed => 1,
            SpanState::Active => 2,
            SpanState::Tail => 3,
            SpanState::Retiring => 4,
        };
        SpanWord((generation & 0xfff_ffff) << 36 | (class as u64 & 31) << 29 | name.bits() << 3 | state)
    }

    /// State; a value that does not exist counts as a tail: it is left alone.
    pub const fn state(self) -> SpanState {
        match self.0 & 7 {
            0 => SpanState::Free,
            1 => SpanState::Claimed,
            2 => SpanState::Active,
            4 => SpanState::Retiring,
            _ => SpanState::Tail,
        }
    }

    /// The size class; may be out of range in a scribbled word.
    pub const fn class(self) -> usize {
        (self.0 >> 29 & 31) as usize
    }

    /// The member that claims, placed or retires it.
    pub const fn name(self) -> Name {
        Name::from_bits(self.0 >> 3)
    }

    /// True while the span's chunks are its class' and their memory is committed.
    pub const fn is_in_use(self) -> bool {
        // States 2 and 4, by one test: it is asked several times with every message.
        0b1_0100 >> (self.0 & 7) & 1 == 1
    }

    /// The next word; the generation rises modulo 2²⁸.
    pub const fn next(self, class: usize, name: Name, state: SpanState) -> SpanWord {
        SpanWord::new((self.0 >> 36) + 1, class, name, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_what_is_packed() {
        let name = Name::new(65535, 1023);
        assert_eq!((name.index(), name.incarnation()), (65535, 1023));
        assert_eq!(Name::new(7, 1024), Name::new(7, 0), "incarnations wrap at 1024");
        for state in [ChunkState::Free, ChunkState::Held, ChunkState::Queued, ChunkState::InFlight] {
            let word = ChunkWord::new(GENERATION_MASK, name, state);
            assert_eq!((word.generation(), word.name(), word.state()), (GENERATION_MASK, name, state));
            assert_eq!(word.next(name, state).generation(), 0, "generations wrap at 2^36");
        }
        let claim = ClaimWord::new(0x3fff_ffff, 0x3f_ffff, 1023, ClaimState::Dead);
        assert_eq!((claim.stamp(), claim.pid(), claim.incarnation()), (0x3fff_ffff, 0x3f_ffff, 1023));
        assert_eq!(claim.freed().incarnation(), 0);
        let span = SpanWord::new(3, 18, name, SpanState::Tail);
        assert_eq!((span.class(), span.name(), span.state()), (18, name, SpanState::Tail));
        let old = SpanWord::new((1 << 28) - 1, 31, name, SpanState::Retiring);
        assert_eq!(
            old.next(31, name, SpanState::Free),
            SpanWord::new(0, 31, name, SpanState::Free),
            "generations wrap"
        );
        assert!(old.is_in_use() && !span.is_in_use());
        let record = RecordWord::new(5, name, RecordState::Live);
        assert_eq!((record.counter(), record.member(), record.state()), (5, name, RecordState::Live));
        let intent = Intent::new(9, (1 << 26) - 1, IntentKind::Move);
        assert_eq!((intent.generation(), intent.chunk(), intent.kind()), (9, (1 << 26) - 1, Some(IntentKind::Move)));
    }

    #[test]
    fn due_times_are_compared_modulo_their_width() {
        let place = PlaceWord(0).taken((1 << 26) - 1, DUE_MASK + 5);
        assert_eq!((place.chunk(), place.is_taken()), ((1 << 26) - 1, true));
        assert_eq!(place.due_in_ms(DUE_MASK - 2), 7, "across the wrap");
        assert_eq!((place.due_in_ms(DUE_MASK + 5), place.due_in_ms(DUE_MASK + 9)), (0, -4));
        assert_eq!(place.due_in_ms(DUE_MASK + 5 - DELAY_MS_MAX), DELAY_MS_MAX as i64);
        let two_months = 60 * 24 * 3600 * 1000;
        assert_eq!(place.due_in_ms(DUE_MASK + 5 + two_months), -(two_months as i64), "long overdue");
        assert_eq!(place.emptied().0 >> LAP_AT, 1);
        assert_eq!(PlaceWord(u64::MAX).emptied(), PlaceWord(0), "laps wrap");
        let due = DueWord(u64::MAX).next(Some(7));
        assert_eq!((due, due.due_ms(), due.next(None).due_ms()), (DueWord(7), Some(7), None));
        assert_eq!(DueWord(0).next(Some(0)).due_ms(), Some(1), "the beginning of time is no sign of nothing");
    }

    #[test]
    fn a_link_holds_for_one_life_of_its_chunk() {
        let queue = Name::new(3, 1);
        let link = Link::new(GENERATION_MASK, 77);
        assert_eq!((link.chunk(), Link(0).chunk()), (Some(77), None));
        let word = ChunkWord::new(GENERATION_MASK, queue, ChunkState::Queued);
        assert!(link.holds(word) && !link.holds(word.next(queue, ChunkState::Queued)) && !link.holds(word.freed()));
    }

    #[test]
    fn laps_are_compared_modulo_their_width() {
        let last = GENERATION_MASK;
        assert_eq!(SlotWord::empty(last).ahead_of(last), 0);
        assert_eq!(SlotWord::empty(last + 1).ahead_of(last), 1, "lap 0 follows the last lap");
        assert_eq!(SlotWord::ready(last, 3).ahead_of(0), -1);
        assert_eq!(SlotWord::ready(4, 3).ahead_of(6), -2);
    }
}
