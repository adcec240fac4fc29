//! A segment on the heap: two queues of one lane each, a few chunks, six members. And what members do with it.

use crate::cell::UnsafeCell;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use swarmbus_core::Result;
use swarmbus_core::keys::{self, KeyNotes, Keyed, Keys};
use swarmbus_core::layout::{KEYED, Notes, PARKING, REDELIVERY, RingControl};
use swarmbus_core::memory::{Memory, Owned};
use swarmbus_core::queue::{self, Aside, Claimed, LIMBO, Order, Queue, Refusal, Route};
use swarmbus_core::recover::Reaper;
use swarmbus_core::ring::Ring;
use swarmbus_core::sync::{WakeWord, Word, mutated};
use swarmbus_core::word::{ChunkState, ChunkWord, IntentKind, Link, Name, PlaceWord, SlotWord};

/// The lane of every queue; another ring is redelivery, the one between stays unused.
pub const LANE: usize = 2;
const RINGS: usize = LANE + 1;
/// Members 0 to 5; more where shuttle runs them.
pub const MEMBERS: u16 = if cfg!(feature = "shuttle") { 12 } else { 6 };

/// The name of a member.
pub const fn member(index: u16) -> Name {
    Name::new(index, 3)
}

/// The name of a queue.
pub const fn queue(index: u16) -> Name {
    Name::new(index, 5)
}

/// The words of a chunk.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    /// Which.
    pub number: u32,
    /// Whose it is.
    pub word: &'a Word,
    /// Its home queue.
    pub home: &'a Word,
    /// What hangs on it.
    pub rest: &'a Word,
}

impl<'a> Owned<'a> for Words<'a> {
    fn number(self) -> u32 {
        self.number
    }
    fn word(self) -> &'a Word {
        self.word
    }
    fn home(self) -> &'a Word {
        self.home
    }
    fn rest(self) -> &'a Word {
        self.rest
    }
}

/// How large, and how old.
#[derive(Clone, Copy)]
pub struct Shape {
    /// log₂ of the slots of a ring.
    pub shift: u32,
    /// Most messages in a lane.
    pub limit: u64,
    /// Chunks, all free.
    pub chunks: usize,
    /// The lap of the first message of every ring.
    pub lap: u64,
    /// The generation of every chunk.
    pub generation: u64,
    /// The areas of a queue that are there from the start.
    pub areas: u64,
    /// Whether queues are closed and opened.
    pub closes: bool,
}

impl Shape {
    /// Rings of 1 << `shift` slots.
    pub const fn of(shift: u32, chunks: usize) -> Shape {
        let areas = 1 << REDELIVERY | 1 << LANE;
        Shape { shift, limit: 1 << shift, chunks, lap: 0, generation: 5, areas, closes: false }
    }

    /// With a lower limit than slots.
    pub const fn limited(self, limit: u64) -> Shape {
        Shape { limit, ..self }
    }

    /// With parking lots.
    pub const fn parking(self) -> Shape {
        Shape { areas: self.areas | 1 << PARKING, ..self }
    }

    /// With keys.
    pub const fn keyed(self) -> Shape {
        Shape { areas: self.areas | 1 << KEYED, ..self }
    }

    /// With queues that are closed and opened.
    pub const fn closing(self) -> Shape {
        Shape { closes: true, ..self }
    }

    /// Without a lane until one is needed.
    pub const fn bare(self) -> Shape {
        Shape { areas: 1 << REDELIVERY, ..self }
    }

    /// So old that laps and generations are about to begin anew.
    pub const fn ancient(self) -> Shape {
        Shape { lap: (1 << 36) - 1, generation: (1 << 36) - 2, ..self }
    }
}

struct Tables {
    rings: Vec<RingControl>,
    slots: Vec<Word>,
    lanes: Word,
    flags: Word,
    deferred: Word,
    due: Word,
    owner: Word,
    tap: Word,
    items: WakeWord,
    keys: Option<KeyTables>,
}

/// One stripe and two places.
struct KeyTables {
    stripe: [Word; 1],
    window: [Word; 2],
    count: Word,
    given_up: WakeWord,
}

impl KeyTables {
    fn new() -> KeyTables {
        let zero = || Word::new(0);
        KeyTables { stripe: [zero()], window: [zero(), zero()], count: zero(), given_up: WakeWord::new(0) }
    }
}

/// The segment of a model.
pub struct Segment {
    shape: Shape,
    chunks: Vec<Word>,
    homes: Vec<Word>,
    rests: Vec<Word>,
    payloads: Vec<UnsafeCell<u64>>,
    notes: Vec<Notes>,
    keyed: Vec<(Word, Word)>,
    queues: Vec<Tables>,
    group: WakeWord,
}

// SAFETY: the payloads alone are not `Sync`; that nobody touches one without owning its chunk (I7) is what loom checks here.
unsafe impl Sync for Segment {}

impl Memory for Segment {
    type Chunk<'a> = Words<'a>;

    fn chunk(&self, chunk: u32) -> Option<&Word> {
        self.chunks.get(chunk as usize)
    }

    fn owned(&self, chunk: u32) -> Option<Words<'_>> {
        let at = chunk as usize;
        Some(Words { number: chunk, word: self.chunks.get(at)?, home: &self.homes[at], rest: &self.rests[at] })
    }

    fn queue(&self, name: Name) -> Option<Queue<'_>> {
        let tables = self.queues.get(name.index() as usize).filter(|_| name == queue(name.index()))?;
        Some(Queue {
            name,
            rings: std::array::from_fn(|ring| {
                // There are no more, and no lane says that there are.
                let ring = ring.min(RINGS - 1);
                let slots = &tables.slots[ring << self.shape.shift..][..1 << self.shape.shift];
                Ring::new(&tables.rings[ring], slots, self.shape.shift)
            }),
            places: &tables.slots[RINGS << self.shape.shift..],
            max_deliveries: 0,
            lanes: &tables.lanes,
            limit: self.shape.limit,
            flags: &tables.flags,
            deferred: &tables.deferred,
            due: &tables.due,
            owner: &tables.owner,
            tap: &tables.tap,
            items: &tables.items,
            group: &self.group,
        })
    }

    fn keys(&self, name: Name) -> Option<Keys<'_>> {
        let tables = self.queues.get(name.index() as usize).filter(|_| name == queue(name.index()))?.keys.as_ref()?;
        let KeyTables { stripe, window, count, given_up } = tables;
        Some(Keys { stripes: stripe, window, count, given_up })
    }

    fn commit_area(&self, _queue: Name, _area: usize) -> Result<()> {
        Ok(())
    }

    fn hint_free(&self, _chunk: u32) {}

    fn touch(&self, _me: Name, _chunk: u32) {}
}

impl Segment {
    /// A segment with nothing in it.
    pub fn new(shape: Shape) -> Arc<Segment> {
        let free = || Word::new(ChunkWord::free(shape.generation).0);
        let slot = || Word::new(SlotWord::empty(shape.lap).0);
        let slots = || (0..RINGS << shape.shift).map(|_| slot()).chain((0..1 << shape.shift).map(|_| Word::new(0)));
        let constant = |constant: bool, value| if constant { Word::constant(value) } else { Word::new(value) };
        let tables = |_| Tables {
            rings: (0..RINGS).map(|_| RingControl::starting_at(shape.lap << shape.shift)).collect(),
            slots: slots().collect(),
            lanes: constant(shape.areas & 1 << LANE != 0, shape.areas),
            flags: constant(!shape.closes, 0),
            deferred: Word::new(0),
            due: Word::new(0),
            owner: Word::constant(0),
            tap: Word::constant(0),
            items: WakeWord::new(0),
            keys: (shape.areas & 1 << KEYED != 0).then(KeyTables::new),
        };
        Arc::new(Segment {
            shape,
            chunks: (0..shape.chunks).map(|_| free()).collect(),
            homes: (0..shape.chunks).map(|_| Word::new(0)).collect(),
            rests: (0..shape.chunks).map(|_| Word::new(0)).collect(),
            payloads: (0..shape.chunks).map(|_| UnsafeCell::new(0)).collect(),
            notes: (0..MEMBERS).map(|_| Notes::blank()).collect(),
            keyed: (0..if shape.areas & 1 << KEYED != 0 { MEMBERS } else { 0 })
                .map(|_| (Word::new(0), Word::new(0)))
                .collect(),
            queues: (0..2).map(tables).collect(),
            group: WakeWord::new(0),
        })
    }

    /// A queue by its index.
    pub fn queue_at(&self, index: u16) -> Queue<'_> {
        self.queue(queue(index)).unwrap()
    }

    /// A queue's lane.
    pub fn lane(&self, index: u16) -> Ring<'_> {
        self.queue_at(index).ring(LANE).unwrap()
    }

    /// The notes of a member.
    pub fn notes_of(&self, member: Name) -> &Notes {
        &self.notes[member.index() as usize]
    }

    /// A chunk's word, as this thread may see it.
    pub fn word(&self, chunk: u32) -> ChunkWord {
        ChunkWord(self.chunks[chunk as usize].load(Relaxed))
    }

    /// Writes the payload of a chunk that the caller owns.
    pub fn write(&self, chunk: u32, value: u64) {
        // SAFETY: I7; loom reports it if somebody else is at it.
        self.payloads[chunk as usize].with_mut(|payload| unsafe { *payload = value });
    }

    /// Reads the payload of a chunk that the caller owns.
    pub fn read(&self, chunk: u32) -> u64 {
        // SAFETY: I7; loom reports it if somebody else writes it.
        self.payloads[chunk as usize].with(|payload| unsafe { *payload })
    }

    /// Claims a free chunk and writes its payload.
    pub fn loan(&self, me: Name, chunk: u32, value: u64) -> Option<ChunkWord> {
        let word = queue::claim_free(&self.chunks[chunk as usize], me)?;
        self.write(chunk, value);
        Some(word)
    }

    /// Publishes a chunk; on refusal returns its word, which then says that it still is the caller's.
    pub fn publish(
        &self,
        me: Name,
        (to, ring): (u16, usize),
        kind: IntentKind,
        chunk: (u32, ChunkWord),
    ) -> std::result::Result<(), ChunkWord> {
        let route = if kind == IntentKind::Move { Route::forward(ring) } else { Route::send(ring) };
        self.publish_by(me, to, route, chunk, &mut [])
    }

    /// Publishes a chunk, with the rest of its batch, by any route; on refusal returns its word.
    pub fn publish_by(
        &self,
        me: Name,
        to: u16,
        route: Route,
        chunk: (u32, ChunkWord),
        rest: &mut [(u32, ChunkWord)],
    ) -> std::result::Result<(), ChunkWord> {
        let (known_head, chunk) = (Cell::new(0), (self.owned(chunk.0).unwrap(), chunk.1));
        queue::publish(self, self.notes_of(me), &self.queue_at(to), route, chunk, rest, &known_head).map_err(
            |refused| {
                assert!(!matches!(refused.why, Refusal::Failed(_)), "{:?}", refused.why);
                refused.word
            },
        )
    }

    /// The key notes of a member, in a shape with keys.
    pub fn key_notes_of(&self, member: Name) -> Option<KeyNotes<'_>> {
        let (key, keyed_in) = self.keyed.get(member.index() as usize)?;
        Some(KeyNotes { key, keyed_in })
    }

    /// Publishes a chunk with a key.
    pub fn publish_keyed(&self, me: Name, to: u16, key: u64, chunk: (u32, ChunkWord)) -> Keyed {
        self.publish_remembered(me, to, (self.keys(queue(to)).unwrap(), key), chunk)
    }

    /// Publishes a chunk with a key that is remembered in these tables.
    pub fn publish_remembered(&self, me: Name, to: u16, key: (Keys<'_>, u64), chunk: (u32, ChunkWord)) -> Keyed {
        let who = (me, self.notes_of(me), self.key_notes_of(me).unwrap());
        let chunk = (self.owned(chunk.0).unwrap(), chunk.1);
        keys::publish_keyed(self, who, &self.queue_at(to), key, Route::send(LANE), chunk, &mut [], &Cell::new(0))
    }

    /// Claims a free chunk and sends it.
    pub fn send(&self, me: Name, to: u16, chunk: u32, value: u64) -> std::result::Result<(), ChunkWord> {
        let word = self.loan(me, chunk, value).expect("the chunk is free");
        self.publish(me, (to, LANE), IntentKind::Send, (chunk, word))
    }

    /// Takes the most urgent message of a queue.
    pub fn take(&self, me: Name, from: u16) -> Option<Claimed> {
        self.take_at(me, from, 0)
    }

    /// The same at a time, in ms: parked messages have theirs.
    pub fn take_at(&self, me: Name, from: u16, now_ms: u64) -> Option<Claimed> {
        let (queue, aside) = (self.queue_at(from), Aside { rest: |_| None, now_ms: || now_ms });
        let taken = match queue.lot() {
            None => queue::take_at_once(self, self.notes_of(me), &queue, me).unwrap(),
            Some(_) => queue::take(self, self.notes_of(me), &queue, me, Order::Priority, &aside).unwrap(),
        };
        taken.map(|(claimed, _)| claimed)
    }

    /// Takes up to `most` messages at once.
    pub fn take_run(&self, me: Name, from: u16, most: usize) -> Vec<Claimed> {
        let mut run = Vec::new();
        let some = |claimed, _: Option<Words<'_>>| {
            run.push(claimed);
            run.len() < most
        };
        let (queue, aside) = (self.queue_at(from), Aside { rest: |_| None, now_ms: || 0 });
        queue::take_some(self, self.notes_of(me), &queue, me, Order::Priority, &aside, some).unwrap();
        run
    }

    /// Claims what hangs on a message that was just claimed.
    pub fn unlink(&self, me: Name, claimed: Claimed) -> Option<Claimed> {
        queue::unlink(self, me, claimed, Link(self.rests[claimed.chunk() as usize].load(Relaxed)))
    }

    /// Frees a chunk that is the caller's.
    pub fn free(&self, chunk: u32, word: ChunkWord) {
        queue::release(self, (chunk, &self.chunks[chunk as usize]), word, None);
    }

    /// Acknowledges.
    pub fn release(&self, claimed: Claimed) {
        self.free(claimed.chunk(), claimed.word);
    }

    /// Takes and acknowledges a message; returns its payload.
    pub fn receive(&self, me: Name, from: u16) -> Option<u64> {
        let claimed = self.take(me, from)?;
        let value = self.read(claimed.chunk());
        self.release(claimed);
        Some(value)
    }

    /// Receives everything.
    pub fn drain(&self, me: Name, from: u16) -> Vec<u64> {
        std::iter::from_fn(|| self.receive(me, from)).collect()
    }

    /// Reaps dead members: what `reap::bury` does with notes and chunks. There must be room for redelivery.
    pub fn reap(&self, me: Name, dead: &[Name]) {
        assert!(self.reap_if(me, dead, || true), "there is room for redelivery");
    }

    /// [`Segment::reap`], with an answer to whether the dead members' indices still are theirs. `false`: something found no room
    /// and is in limbo.
    pub fn reap_if(&self, me: Name, dead: &[Name], is_still_dead: impl Fn() -> bool) -> bool {
        let mut reaper = Reaper::new(self, me, self.notes_of(me));
        let stripes = |reaper: &Reaper<'_, Segment>| {
            for member in dead {
                if let Some(key_notes) = self.key_notes_of(*member) {
                    reaper.stripe(*member, self.notes_of(*member), key_notes, &is_still_dead);
                }
            }
        };
        if !mutated("stripe-after-chunk") {
            stripes(&reaper);
        }
        for member in dead {
            reaper.intent(self.notes_of(*member), &is_still_dead);
        }
        for chunk in 0..self.chunks.len() as u32 {
            assert!(
                !reaper.chunk(chunk, |member| member == LIMBO || dead.contains(&member)),
                "every header can be read"
            );
        }
        if mutated("stripe-after-chunk") {
            stripes(&reaper);
        }
        for member in dead {
            reaper.wakes(self.notes_of(*member));
        }
        reaper.reaped.deferred == 0
    }

    /// The part of a reap that is about chunks. `false`: something is left to a later reap.
    pub fn recover_chunks(&self, me: Name, dead: &[Name]) -> bool {
        let mut reaper = Reaper::new(self, me, self.notes_of(me));
        for chunk in 0..self.chunks.len() as u32 {
            reaper.chunk(chunk, |member| member == LIMBO || dead.contains(&member));
        }
        reaper.reaped.deferred == 0
    }

    /// How many slots and places of a queue speak of a chunk.
    pub fn references(&self, from: u16, chunk: u32) -> usize {
        let (slots, places) = self.queues[from as usize].slots.split_at(RINGS << self.shape.shift);
        let slots = slots.iter().map(|slot| SlotWord(slot.load(Relaxed)));
        let places = places.iter().map(|place| PlaceWord(place.load(Relaxed)));
        slots.filter(|slot| slot.is_ready() && slot.chunk() == chunk).count()
            + places.filter(|place| place.is_taken() && place.chunk() == chunk).count()
    }

    /// Requires that every chunk is free and no slot speaks of any.
    pub fn assert_empty(&self) {
        for chunk in 0..self.chunks.len() as u32 {
            assert_eq!(self.word(chunk).state(), ChunkState::Free, "chunk {chunk} leaked");
            assert_eq!(
                self.references(0, chunk) + self.references(1, chunk),
                0,
                "a slot or place speaks of chunk {chunk}"
            );
        }
    }
}

/// Both in one list, sorted.
pub fn together(first: Vec<u64>, second: Vec<u64>) -> Vec<u64> {
    let mut all = first;
    all.extend(second);
    all.sort_unstable();
    all
}

const _: () = assert!(REDELIVERY == 0 && LANE == 2);
