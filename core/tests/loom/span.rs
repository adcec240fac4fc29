//! Spans: who uses a chunk uses committed memory, whoever retires the span, dies in the midst of it, or gives it to another class.

use crate::check::{Mortal, ORDINARY, caught, every_death, every_death_of_two, explore, mortal, needs};
use crate::tiny::Words;
use crate::tiny::member;
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use swarmbus_core::Result;
use swarmbus_core::layout::{Notes, SpanControl};
use swarmbus_core::memory::Memory;
use swarmbus_core::queue::{self, Queue};
use swarmbus_core::recover::Reaper;
use swarmbus_core::span::{self, Claim, Run};
use swarmbus_core::sync::{S7, S9, Word};
use swarmbus_core::word::{ChunkState, ChunkWord, Name, SpanState, SpanWord};

/// The class of the span at first, and the one to which it is given when it was free.
const CLASS: usize = 3;
const OTHER_CLASS: usize = 4;
/// So old that its generations are about to begin anew.
const GENERATION: u64 = (1 << 28) - 2;
/// Who placed the large chunk; it lives on and does nothing.
const PLACER: Name = member(5);

/// A run of spans and its chunks. A payload is a cell that loom watches: committing and uncommitting write it.
struct Heap {
    rows: Vec<SpanControl>,
    chunks: Vec<Word>,
    payloads: Vec<UnsafeCell<u64>>,
    notes: Notes,
}

// SAFETY: that nobody touches a payload without owning its chunk, or its span, is what loom checks here.
unsafe impl Sync for Heap {}

impl Heap {
    fn new(state: SpanState, rows: usize, chunks: usize) -> Arc<Heap> {
        let row = |at| if at == 0 { state } else { SpanState::Tail };
        Arc::new(Heap {
            rows: (0..rows)
                .map(|at| SpanControl::with_word(SpanWord::new(GENERATION, CLASS, PLACER, row(at))))
                .collect(),
            chunks: (0..chunks).map(|_| Word::new(ChunkWord::free((1 << 36) - 2).0)).collect(),
            payloads: (0..chunks).map(|_| UnsafeCell::new(0)).collect(),
            notes: Notes::blank(),
        })
    }

    fn run(&self) -> Run<'_> {
        Run { rows: &self.rows, chunks: &self.chunks }
    }

    fn word(&self, row: usize) -> SpanWord {
        SpanWord(self.rows[row].word.load(Acquire))
    }

    fn write(&self, chunk: usize) {
        // SAFETY: I7, I20; loom reports it if somebody else is at it.
        self.payloads[chunk].with_mut(|payload| unsafe { *payload += 1 });
    }

    fn write_all(&self) {
        (0..self.payloads.len()).for_each(|chunk| self.write(chunk));
    }

    /// Claims one chunk if the span is active; writes it and releases it.
    fn use_one(&self, me: Name) -> Claim {
        let seen = SpanWord(self.rows[0].word.load(S7.acquire()));
        if seen.state() != SpanState::Active {
            return Claim::Moved;
        }
        self.use_seen(seen, me)
    }

    fn use_seen(&self, seen: SpanWord, me: Name) -> Claim {
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
    fn retire(&self, me: Name) -> bool {
        let seen = SpanWord(self.rows[0].word.load(S7.acquire()));
        let retired = span::retire(self.run(), seen, me);
        if retired {
            self.write_all();
            span::give_up(&self.rows, me);
        }
        retired
    }

    /// Gives the span to another class if it is free.
    fn activate(&self, me: Name) -> bool {
        let seen = SpanWord(self.rows[0].word.load(S9.acquire()));
        let claimed = seen.next(OTHER_CLASS, me, SpanState::Claimed);
        if seen.state() != SpanState::Free
            || self.rows[0].word.compare_exchange(seen.0, claimed.0, S9.acquire()).is_err()
        {
            return false;
        }
        self.write_all();
        self.rows[0].word.store(claimed.next(OTHER_CLASS, me, SpanState::Active).0, S7.release());
        true
    }

    /// What `reap::give_back_chunks` does with a span that the dead have touched.
    fn reap(&self, me: Name, dead: &[Name]) {
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
    fn assert_settled(&self) -> SpanState {
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

fn a_claimer_and_a_retirer(chunks: usize) {
    explore(ORDINARY, move || {
        let heap = Heap::new(SpanState::Active, 1, chunks);
        let claimer = thread::spawn({
            let heap = heap.clone();
            move || heap.use_one(member(1))
        });
        let retired = heap.retire(member(0));
        let claim = claimer.join().unwrap();
        let state = heap.assert_settled();
        assert_eq!(state == SpanState::Free, retired);
        assert!(retired || !matches!(claim, Claim::Busy), "whoever refuses the other has a chunk");
    });
}

/// The claimer saw the span when it was of another class; since then it was retired and is being retired again.
fn a_claimer_of_a_former_life() {
    explore(ORDINARY, || {
        let heap = Heap::new(SpanState::Active, 1, 1);
        let seen = heap.word(0);
        let claimer = thread::spawn({
            let heap = heap.clone();
            move || heap.use_seen(seen, member(1))
        });
        if heap.retire(member(0)) {
            assert!(heap.activate(member(0)));
            heap.use_one(member(0));
        }
        claimer.join().unwrap();
        assert_eq!(heap.assert_settled(), SpanState::Active);
    });
}

fn two_retirers() {
    explore(ORDINARY, || {
        let heap = Heap::new(SpanState::Active, 1, 2);
        let other = thread::spawn({
            let heap = heap.clone();
            move || heap.retire(member(1))
        });
        let mine = heap.retire(member(0));
        assert!(mine != other.join().unwrap(), "exactly one takes it");
        assert_eq!(heap.assert_settled(), SpanState::Free);
    });
}

fn from_hand_to_hand() {
    explore(ORDINARY, || {
        let heap = Heap::new(SpanState::Active, 1, 1);
        let next = thread::spawn({
            let heap = heap.clone();
            move || heap.activate(member(1))
        });
        let user = thread::spawn({
            let heap = heap.clone();
            move || heap.use_one(member(2))
        });
        heap.retire(member(0));
        next.join().unwrap();
        user.join().unwrap();
        heap.assert_settled();
    });
}

/// A retirer dies, then perhaps its reaper; meanwhile somebody takes whatever there is to take.
fn a_retirer_dies(rows: usize, chunks: usize) {
    every_death_of_two(ORDINARY, move |victim, reaper| {
        let heap = Heap::new(SpanState::Active, rows, chunks);
        let retirer = thread::spawn({
            let heap = heap.clone();
            move || mortal(Mortal::Victim, victim, || heap.retire(member(0)))
        });
        let user = thread::spawn({
            let heap = heap.clone();
            move || if rows > 1 || !heap.activate(member(3)) { Some(heap.use_one(member(3))) } else { None }
        });
        let retired = retirer.join().unwrap();
        if retired.is_none() {
            let reaped = mortal(Mortal::Reaper, reaper, || heap.reap(member(1), &[member(0)]));
            if reaped.is_none() {
                heap.reap(member(2), &[member(0), member(1)]);
            }
        }
        user.join().unwrap();
        heap.assert_settled();
    });
}

/// Two reapers of one dead retirer, of which one may come late.
fn two_reapers(rows: usize) {
    every_death(ORDINARY, move |budget| {
        let heap = Heap::new(SpanState::Active, rows, 1);
        if mortal(Mortal::Victim, budget, || heap.retire(member(0))).is_some() {
            return;
        }
        let other = thread::spawn({
            let heap = heap.clone();
            move || heap.reap(member(1), &[member(0)])
        });
        heap.reap(member(2), &[member(0)]);
        if rows == 1 {
            heap.activate(member(2));
        }
        other.join().unwrap();
        heap.assert_settled();
    });
}

#[test]
fn a_chunk_is_claimed_or_its_span_retired() {
    a_claimer_and_a_retirer(1);
    a_claimer_and_a_retirer(2);
    caught(&["chunks-not-claimed"], || a_claimer_and_a_retirer(1));
    caught(&["no-second-look-at-span"], || a_claimer_and_a_retirer(1));
    needs(&[2], || a_claimer_and_a_retirer(1));
}

#[test]
fn a_claimer_that_was_paused_takes_nothing_of_the_next_life() {
    a_claimer_of_a_former_life();
    caught(&["no-second-look-at-span"], a_claimer_of_a_former_life);
    needs(&[2], a_claimer_of_a_former_life);
}

#[test]
fn one_of_two_retirers_succeeds() {
    two_retirers();
}

#[test]
fn a_span_goes_from_hand_to_hand() {
    from_hand_to_hand();
    needs(&[7], from_hand_to_hand);
    needs(&[9], from_hand_to_hand);
}

#[test]
fn a_dead_retirers_span_is_put_back_or_given_up() {
    a_retirer_dies(1, 2);
    a_retirer_dies(2, 1);
    caught(&["span-not-adopted"], || a_retirer_dies(1, 1));
    caught(&["tails-not-renamed"], || a_retirer_dies(2, 1));
}

#[test]
fn a_reaper_that_comes_late_changes_nothing() {
    two_reapers(1);
    two_reapers(2);
    caught(&["span-not-adopted"], || two_reapers(1));
}
