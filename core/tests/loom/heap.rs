//! A run of spans on the heap.

use crate::cell::UnsafeCell;
use crate::tiny::{Words, member};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use swarmbus_core::Result;
use swarmbus_core::layout::{Notes, SpanControl};
use swarmbus_core::memory::Memory;
use swarmbus_core::queue::{self, Queue};
use swarmbus_core::recover::Reaper;
use swarmbus_core::span::{self, Claim, Run};
use swarmbus_core::sync::{S7, Word};
use swarmbus_core::word::{ChunkState, ChunkWord, Name, SpanState, SpanWord};

/// The class of the span at first, and the one to which it is given when it was free.
pub const CLASS: usize = 3;
pub const OTHER_CLASS: usize = 4;
/// So old that its generations are about to begin anew.
pub const GENERATION: u64 = (1 << 28) - 2;
/// Who placed the large chunk; it lives on and does nothing.
pub const PLACER: Name = member(5);

/// A run of spans and its chunks. A payload is a cell that loom watches: committing and uncommitting write it.
pub struct Heap {
    pub rows: Vec<SpanControl>,
    pub chunks: Vec<Word>,
    pub payloads: Vec<UnsafeCell<u64>>,
    pub notes: Notes,
}

// SAFETY: that nobody touches a payload without owning its chunk, or its span, is what loom checks here.
unsafe impl Sync for Heap {}

impl Heap {
    pub fn new(state: SpanState, rows: usize, chunks: usize) -> Arc<Heap> {
        let row = |at| if at == 0 { state } else { SpanState::Tail };
        Heap::with_rows((0..rows).map(row), chunks)
    }

    /// Spans that nobody has, each with a payload.
    pub fn free(rows: usize) -> Arc<Heap> {
        Heap::with_rows((0..rows).map(|_| SpanState::Free), rows)
    }

    fn with_rows(states: impl Iterator<Item = SpanState>, chunks: usize) -> Arc<Heap> {
        let row = |state| SpanControl::with_word(SpanWord::new(GENERATION, CLASS, PLACER, state));
        Arc::new(Heap {
            rows: states.map(row).collect(),
            chunks: (0..chunks).map(|_| Word::new(ChunkWord::free((1 << 36) - 2).0)).collect(),
            payloads: (0..chunks).map(|_| UnsafeCell::new(0)).collect(),
            notes: Notes::blank(),
        })
    }

    pub fn run(&self) -> Run<'_> {
        Run { rows: &self.rows, chunks: &self.chunks }
    }

    pub fn word(&self, row: usize) -> SpanWord {
        SpanWord(self.rows[row].word.load(Acquire))
    }

    pub fn write(&self, chunk: usize) {
        // SAFETY: I7, I20; loom reports it if somebody else is at it.
        self.payloads[chunk].with_mut(|payload| unsafe { *payload += 1 });
    }

    pub fn write_all(&self) {
        (0..self.payloads.len()).for_each(|chunk| self.write(chunk));
    }

    /// Claims one chunk if the span is active; writes it and releases it.
    pub fn use_one(&self, me: Name) -> Claim {
        let seen = SpanWord(self.rows[0].word.load(S7.acquire()));
        if seen.state() != SpanState::Active {
            return Claim::Moved;
        }
        self.use_seen(seen, me)
    }

    pub fn use_seen(&self, seen: SpanWord, me: Name) -> Claim {
        let mut last = Claim::Busy;
        for (number, chunk) in self.chunks.iter().enumerate() {
            last = span::claim(&self.rows[0], seen, chunk, me);
            if let Claim::Mine(word) = last {
                self.write(number);
                queue::release(self, (number as u32, &self.chunks[number]), word, None);
                break;
            }
        }
        last
    }

    /// Takes the span from its class and gives it to everybody.
    pub fn retire(&self, me: Name) -> bool {
        let seen = SpanWord(self.rows[0].word.load(S7.acquire()));
        let retired = span::retire(self.run(), seen, me);
        if retired {
            self.write_all();
            span::give_up(&self.rows, me);
        }
        retired
    }

    /// Gives the span to another class if it is free.
    pub fn activate(&self, me: Name) -> bool {
        self.activate_run(0..self.rows.len(), me)
    }

    /// Gives some of the spans to another class, as one run, if they are free.
    pub fn activate_run(&self, run: Range<usize>, me: Name) -> bool {
        let rows = &self.rows[run.clone()];
        let taken = span::take_free(rows, OTHER_CLASS, me, |_| {});
        if taken {
            // Of a single span all chunks are its own.
            let is_there = |payload: &usize| self.rows.len() == 1 || run.contains(payload);
            (0..self.payloads.len()).filter(is_there).for_each(|payload| self.write(payload));
            span::activate(rows, OTHER_CLASS, me);
        }
        taken
    }

    /// What `reap::give_back_chunks` does with a span that the dead have touched.
    pub fn reap(&self, me: Name, dead: &[Name]) {
        let is_dead = |name| dead.contains(&name);
        let mut reaper = Reaper::new(self, me, &self.notes);
        for chunk in 0..self.chunks.len() as u32 {
            assert!(!reaper.chunk(chunk, is_dead));
        }
        for row in 0..self.rows.len() {
            let is_covered = || row > 0 && self.word(0).is_in_use();
            let uncommit = || {
                if row == 0 {
                    self.write_all()
                }
            };
            span::recover(&self.rows[row], me, is_dead, is_covered, uncommit);
        }
    }

    /// Requires that nobody has anything, and that the rows of a run tell one story.
    pub fn assert_settled(&self) -> SpanState {
        for (number, chunk) in self.chunks.iter().enumerate() {
            assert_eq!(ChunkWord(chunk.load(Relaxed)).state(), ChunkState::Free, "chunk {number} leaked");
        }
        let state = self.word(0).state();
        assert!(matches!(state, SpanState::Active | SpanState::Free), "the span is left {state:?}");
        for row in 1..self.rows.len() {
            let expected = if state == SpanState::Active { SpanState::Tail } else { SpanState::Free };
            assert_eq!(self.word(row).state(), expected, "a part of the run is lost");
        }
        state
    }
}

impl Memory for Heap {
    type Chunk<'a> = Words<'a>;

    fn chunk(&self, chunk: u32) -> Option<&Word> {
        self.chunks.get(chunk as usize)
    }

    fn owned(&self, _chunk: u32) -> Option<Words<'_>> {
        None
    }

    fn queue(&self, _name: Name) -> Option<Queue<'_>> {
        None
    }

    fn commit_area(&self, _queue: Name, _area: usize) -> Result<()> {
        Ok(())
    }

    fn hint_free(&self, _chunk: u32) {}

    fn touch(&self, _me: Name, _chunk: u32) {}
}
