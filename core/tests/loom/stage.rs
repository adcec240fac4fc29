//! A segment on the heap with one topic.

use crate::cell::UnsafeCell;
use crate::tiny::Words;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use swarmbus_core::Result;
use swarmbus_core::layout::{CursorEntry, FIRST_TOPIC, Notes, TopicRoom};
use swarmbus_core::memory::Memory;
use swarmbus_core::queue::{Queue, claim_free, note_wake, release};
use swarmbus_core::recover::Reaper;
use swarmbus_core::sync::{WakeWord, Word, mutated};
use swarmbus_core::topic::{self, FloorWord, Found, Obstacle, Policy, Topic};
use swarmbus_core::wait;
use swarmbus_core::word::{ChunkState, ChunkWord, Name, SlotWord};

pub const TOPIC: Name = Name::new(FIRST_TOPIC, 5);
pub const MEMBERS: u16 = if cfg!(feature = "shuttle") { 12 } else { 5 };

/// What a publisher left in `awaited` that waited for somebody long ago.
pub const NOBODY: u64 = 77;

pub const fn member(index: u16) -> Name {
    Name::new(index, 3)
}

/// How large, how old, and how it is used.
#[derive(Clone, Copy)]
pub struct Shape {
    pub limit: u64,
    pub shift: u32,
    pub chunks: usize,
    /// Messages that are published before a model begins.
    pub before: u64,
    /// The lap of the first.
    pub lap: u64,
    pub policy: Policy,
}

impl Shape {
    /// Twice as many slots as a subscriber may be behind, all in use, and chunks for that.
    pub const fn of(limit: u64) -> Shape {
        let shift = (2 * limit).trailing_zeros();
        let before = 2 * limit;
        Shape { limit, shift, chunks: before as usize + 2, before, lap: 0, policy: Policy::BackPressure }
    }

    pub const fn ancient(self) -> Shape {
        Shape { lap: (1 << 36) - 1, ..self }
    }

    /// No more slots than a subscriber may be behind.
    pub const fn tight(self) -> Shape {
        Shape { shift: self.shift - 1, ..self }
    }
}

/// A segment with one topic.
pub struct Stage {
    pub shape: Shape,
    pub chunks: Vec<Word>,
    pub homes: Vec<Word>,
    pub payloads: Vec<UnsafeCell<u64>>,
    pub notes: Vec<Notes>,
    pub slots: Vec<Word>,
    pub tail: Word,
    pub floor: Word,
    pub trimmed: Word,
    pub cursors: Vec<CursorEntry>,
    pub pages: [Word; 1],
    pub items: WakeWord,
    pub room: TopicRoom,
    pub nothing: Word,
}

// SAFETY: the payloads alone are not `Sync`; that nobody touches one that is another's is what loom checks here.
unsafe impl Sync for Stage {}

impl Memory for Stage {
    type Chunk<'a> = Words<'a>;

    fn chunk(&self, chunk: u32) -> Option<&Word> {
        self.chunks.get(chunk as usize)
    }
    fn owned(&self, chunk: u32) -> Option<Words<'_>> {
        let home = self.homes.get(chunk as usize)?;
        // Nothing hangs on a message of a topic.
        Some(Words { number: chunk, word: &self.chunks[chunk as usize], home, rest: &self.nothing })
    }
    fn queue(&self, _name: Name) -> Option<Queue<'_>> {
        None
    }
    fn topic(&self, name: Name) -> Option<Topic<'_>> {
        (name == TOPIC).then(|| self.topic())
    }
    fn commit_area(&self, _queue: Name, _area: usize) -> Result<()> {
        Ok(())
    }
    fn hint_free(&self, _chunk: u32) {}
    fn touch(&self, _me: Name, _chunk: u32) {}
}

impl Stage {
    pub fn new(shape: Shape) -> Arc<Stage> {
        let zero = || Word::new(0);
        let first = shape.lap << shape.shift;
        let room = TopicRoom { room: WakeWord::new(0), pad: WakeWord::new(0), awaited: Word::new(NOBODY) };
        let stage = Arc::new(Stage {
            shape,
            chunks: (0..shape.chunks).map(|_| Word::new(ChunkWord::free(7).0)).collect(),
            homes: (0..shape.chunks).map(|_| Word::constant(0)).collect(),
            payloads: (0..shape.chunks).map(|_| UnsafeCell::new(0)).collect(),
            notes: (0..MEMBERS).map(|_| Notes::blank()).collect(),
            slots: (0..1 << shape.shift).map(|_| Word::new(SlotWord::empty(shape.lap).0)).collect(),
            tail: Word::new(first),
            floor: Word::new(FloorWord::new((1 << 24) - 1, first).0),
            trimmed: Word::new(first),
            cursors: (0..MEMBERS).map(|_| CursorEntry { word: zero(), missed: Word::constant(0) }).collect(),
            pages: [Word::constant(1)],
            items: WakeWord::new(0),
            room,
            nothing: Word::constant(0),
        });
        for number in 0..shape.before {
            assert!(stage.try_publish(member(0), number).is_ok());
        }
        stage
    }

    pub fn topic(&self) -> Topic<'_> {
        Topic {
            name: TOPIC,
            policy: self.shape.policy,
            limit: self.shape.limit,
            slots: &self.slots,
            shift: self.shape.shift,
            tail: &self.tail,
            floor: &self.floor,
            trimmed: &self.trimmed,
            retain: 1,
            cursors: &self.cursors,
            cursor_pages: &self.pages,
            items: &self.items,
            room: &self.room,
        }
    }

    pub fn notes_of(&self, member: Name) -> &Notes {
        &self.notes[member.index() as usize]
    }

    /// The position of a message that was published, counted from the first.
    pub fn number_at(&self, position: u64) -> u64 {
        position.wrapping_sub(self.shape.lap << self.shape.shift)
    }

    pub fn write(&self, chunk: u32, value: u64) {
        // SAFETY: the chunk is the caller's; loom reports it if somebody else is at it.
        self.payloads[chunk as usize].with_mut(|payload| unsafe { *payload = value });
    }

    pub fn read(&self, chunk: u32) -> u64 {
        // SAFETY: I31; loom reports it if somebody else writes it.
        self.payloads[chunk as usize].with(|payload| unsafe { *payload })
    }

    /// Publishes a number and frees what that pushes out.
    pub fn try_publish(&self, me: Name, number: u64) -> std::result::Result<u64, Obstacle> {
        let placed = self.publish_silently(me, number)?;
        wait::ring_all(&self.items);
        Ok(placed)
    }

    /// The same where nobody sleeps.
    pub fn publish_silently(&self, me: Name, number: u64) -> std::result::Result<u64, Obstacle> {
        let claim = |chunk: &u32| Some((*chunk, claim_free(&self.chunks[*chunk as usize], me)?));
        let (chunk, word) = (0..self.chunks.len() as u32).find_map(|chunk| claim(&chunk)).expect("a free chunk");
        self.write(chunk, number);
        let chunk = self.owned(chunk).unwrap();
        match topic::publish(self, self.notes_of(me), &self.topic(), (chunk, word), |_| Some(me)) {
            Ok(placed) => {
                if let Some((old, word)) = placed.evicted {
                    // As its next message would: whoever still reads it is in the way.
                    self.write(old, 99);
                    release(self, (old, &self.chunks[old as usize]), word, None);
                }
                Ok(placed.position)
            }
            Err(refused) => {
                release(self, (chunk.number, chunk.word), refused.word, None);
                Err(refused.why)
            }
        }
    }

    /// The same as members do: waits for whom it has to.
    pub fn publish(&self, me: Name, number: u64) -> u64 {
        note_wake(&self.notes_of(me).waits_on, TOPIC);
        let position = loop {
            let ticket = wait::announce_to_all(&self.room.room);
            match self.try_publish(me, number) {
                Ok(position) => break position,
                Err(Obstacle::Full(laggard)) => {
                    if self.topic().await_laggard(laggard) {
                        wait::sleep(&self.room.room, ticket, Duration::MAX);
                    }
                }
                Err(Obstacle::Failed(error)) => panic!("{error}"),
            }
        };
        wait::ring_all(&self.room.room);
        position
    }

    /// Waits until nobody is in the way, as publishers do.
    pub fn await_room(&self) {
        let topic = self.topic();
        while let ticket = wait::announce_to_all(&self.room.room)
            && let Some(laggard) = topic.obstacle()
        {
            if topic.await_laggard(laggard) {
                wait::sleep(&self.room.room, ticket, Duration::MAX);
            }
        }
        if !mutated("left-silently") {
            wait::ring_all(&self.room.room);
        }
    }

    /// The number at a position, if there is one.
    pub fn look(&self, position: u64) -> Option<u64> {
        match self.topic().at(self, position) {
            Found::Message { slot, .. } => Some(self.read(slot.chunk())),
            Found::Nothing => None,
            Found::Gone => panic!("message {} was pushed out", self.number_at(position)),
        }
    }

    /// Reads the next message, sleeping until it comes.
    pub fn receive(&self, me: Name, position: u64) -> u64 {
        let number = loop {
            let ticket = wait::announce_to_all(&self.items);
            if let Some(number) = self.look(position) {
                break number;
            }
            wait::sleep(&self.items, ticket, Duration::MAX);
        };
        self.topic().advance(me, position + 1);
        number
    }

    /// What a reap does with notes, chunks and cursors.
    pub fn reap(&self, me: Name, dead: Name) {
        let mut reaper = Reaper::new(self, me, self.notes_of(me));
        reaper.intent(self.notes_of(dead), || true);
        reaper.eviction(self.notes_of(dead), || true);
        for chunk in 0..self.chunks.len() as u32 {
            reaper.chunk(chunk, |member| member == dead);
        }
        self.topic().leave(dead, || true);
        reaper.wakes(self.notes_of(dead));
    }

    /// Every chunk is free, or one slot speaks of it.
    pub fn assert_whole(&self) {
        for chunk in 0..self.chunks.len() as u32 {
            let word = ChunkWord(self.chunks[chunk as usize].load(Relaxed));
            let slots = self.slots.iter().map(|slot| SlotWord(slot.load(Relaxed)));
            let references = slots.filter(|slot| slot.is_ready() && slot.chunk() == chunk).count();
            let expected = if word.is(ChunkState::Queued, TOPIC) { 1 } else { 0 };
            assert!(word.state() == ChunkState::Free || expected == 1, "chunk {chunk} leaked: {word:?}");
            assert_eq!(references, expected, "slots that speak of chunk {chunk}");
        }
    }
}
