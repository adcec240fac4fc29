//! Small models for single accesses, as `litmus`, of words that say something of others: which area is committed, what an entry of the lock table
//! holds, when something is due, how often a queue was closed.

use crate::check::{BRIEF, ORDINARY, explore, needs};
use crate::stage::{self, Stage};
use crate::table::{FILE, Table};
use crate::tiny::{LANE, Segment, Shape, Words, member};
use loom::thread;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use swarmbus_core::Result;
use swarmbus_core::layout::{Notes, PARKING, QUEUE_EPOCH, REDELIVERY};
use swarmbus_core::lock::{Label, LockMode, LockState, LockWord};
use swarmbus_core::memory::Memory;
use swarmbus_core::queue::{Aside, Order, Queue, take};
use swarmbus_core::sync::{S7, S14, Word, mutant};
use swarmbus_core::topic::Topic;
use swarmbus_core::word::Name;

/// A segment that knows which areas of its first queue are committed. To see a bit of the queue is to see that it is so here, too.
struct Committing {
    segment: Arc<Segment>,
    areas: Word,
}

impl Committing {
    fn new() -> Arc<Committing> {
        Arc::new(Committing { segment: Segment::new(Shape::of(0, 1).bare()), areas: Word::new(1 << REDELIVERY) })
    }

    fn queue(&self) -> Queue<'_> {
        self.segment.queue_at(0)
    }

    /// Relaxed, as its write: the edge that is looked at is to carry it.
    fn has(&self, area: usize) -> bool {
        self.areas.load(Relaxed) & 1 << area != 0
    }
}

impl Memory for Committing {
    type Chunk<'a> = Words<'a>;

    fn chunk(&self, chunk: u32) -> Option<&Word> {
        self.segment.chunk(chunk)
    }

    fn owned(&self, chunk: u32) -> Option<Words<'_>> {
        self.segment.owned(chunk)
    }

    fn queue(&self, name: Name) -> Option<Queue<'_>> {
        self.segment.queue(name)
    }

    fn commit_area(&self, _queue: Name, area: usize) -> Result<()> {
        self.areas.fetch_or(1 << area, Relaxed);
        Ok(())
    }

    fn hint_free(&self, _chunk: u32) {}

    fn touch(&self, _me: Name, _chunk: u32) {}
}

fn takes_from(memory: &Committing, area: usize) -> bool {
    let seen = Cell::new(false);
    let rest = |number: usize| {
        seen.set(seen.get() || number == area);
        None
    };
    take(memory, &Notes::blank(), &memory.queue(), member(1), Order::Priority, &Aside { rest, now_ms: || 0 }).unwrap();
    seen.get()
}

/// Somebody commits an area, and finds it there, while somebody else looks, in one of the ways in which that is done, whether it is.
fn an_area_comes_into_being(area: usize, is_there: fn(&Committing, usize) -> bool) {
    explore(ORDINARY, move || {
        let memory = Committing::new();
        let other = thread::spawn({
            let memory = memory.clone();
            move || {
                memory.queue().commit(&*memory, area).unwrap();
                assert!(is_there(&memory, area), "committed, and not found by who did that");
            }
        });
        assert!(!is_there(&memory, area) || memory.has(area), "said to be committed, and not seen to be");
        other.join().unwrap();
    });
}

#[test]
fn who_sees_that_an_area_is_committed_sees_it_committed() {
    let models = || {
        an_area_comes_into_being(LANE, |memory, area| memory.queue().ring(area).is_some());
        an_area_comes_into_being(LANE, |memory, area| memory.queue().active().any(|(ring, _)| ring == area));
        an_area_comes_into_being(LANE, |memory, area| memory.queue().commit(memory, area).is_ok());
        an_area_comes_into_being(LANE, takes_from);
        an_area_comes_into_being(PARKING, |memory, _| memory.queue().lot().is_some());
        an_area_comes_into_being(PARKING, takes_from);
    };
    models();
    needs(&[7], models);
}

/// The same of a page of a topic's cursors. (Who commits one is not among the algorithms.)
fn a_page_of_cursors_comes_into_being(is_there: fn(&Topic<'_>) -> bool) {
    explore(ORDINARY, move || {
        let stage = Stage::new(stage::Shape { before: 0, ..stage::Shape::of(1) });
        let (committed, pages) = (Arc::new(Word::new(0)), Arc::new([Word::new(0)]));
        let other = thread::spawn({
            let (committed, pages) = (committed.clone(), pages.clone());
            move || {
                committed.store(1, Relaxed);
                pages[0].fetch_or(1, S7.release());
            }
        });
        let topic = Topic { cursor_pages: &*pages, ..stage.topic() };
        assert!(!is_there(&topic) || committed.load(Relaxed) == 1, "said to be committed, and not seen to be");
        other.join().unwrap();
    });
}

#[test]
fn who_sees_that_cursors_are_committed_sees_them_committed() {
    let models = || {
        a_page_of_cursors_comes_into_being(|topic| topic.cursor(1).is_some());
        a_page_of_cursors_comes_into_being(|topic| topic.cursors().next().is_some());
    };
    models();
    needs(&[7], models);
}

/// The same of entries of the lock table.
fn entries_come_into_being() {
    explore(ORDINARY, || {
        let (table, committed) = (Table::new(1, 2), Arc::new(Word::new(1)));
        let other = thread::spawn({
            let (table, committed) = (table.clone(), committed.clone());
            move || {
                committed.store(2, Relaxed);
                let _ = table.clock.committed.compare_exchange(1, 2, S7.release());
            }
        });
        let seen = table.locks().committed().len() as u64;
        assert!(committed.load(Relaxed) >= seen, "said to be committed, and not seen to be");
        other.join().unwrap();
    });
}

#[test]
fn who_sees_that_entries_are_committed_sees_them_committed() {
    entries_come_into_being();
    needs(&[7], entries_come_into_being);
}

/// An entry of the lock table says first what belongs to a state, and then that it is in that state (I35).
fn an_entry_is_looked_at() {
    explore(ORDINARY, || {
        let table = Table::new(1, 1);
        let owner = thread::spawn({
            let table = table.clone();
            move || {
                let mut place = table.locks().claim(member(1), LockMode::Exclusive, 0).unwrap();
                place.enter(&Label { hash: FILE, length: 5, words: [] }, 7).unwrap();
                assert_eq!(place.hold().unwrap(), 2);
            }
        });
        let entry = &table.entries[0];
        let word = LockWord(entry.word.load(S14.acquire()));
        let seen =
            [&entry.hash, &entry.length, &entry.since_ns, &entry.ticket, &entry.token].map(|of| of.load(S14.acquire()));
        if word.is_there() {
            assert_eq!(seen[..3], [FILE, 5, 7]);
        }
        if matches!(word.state(), LockState::Wanted | LockState::Held) {
            assert_eq!(seen[3], 1, "the ticket");
        }
        if word.state() == LockState::Held {
            assert_eq!(seen[4], 2, "the token");
        }
        owner.join().unwrap();
    });
}

#[test]
fn an_entry_says_what_belongs_to_its_state_before() {
    an_entry_is_looked_at();
    needs(&[14], an_entry_is_looked_at);
}

/// Two want one lock: who draws the later ticket sees that the other one is ahead.
fn two_draw_tickets() {
    explore(ORDINARY, || {
        let table = Table::new(2, 2);
        let ask = |table: &Table, me| {
            let mut place = table.locks().claim(member(me), LockMode::Exclusive, me as u32).unwrap();
            place.enter(&Label { hash: FILE, length: 0, words: [] }, 0).unwrap();
            let ahead = place.look(|entry| entry.hash.load(S14.acquire()) == FILE).len();
            (place.entry().ticket.load(Relaxed), ahead)
        };
        let other = thread::spawn({
            let table = table.clone();
            move || ask(&table, 1)
        });
        let both = [ask(&table, 0), other.join().unwrap()];
        // Who draws first may wait for the other in the doorway.
        assert!(
            both.into_iter().all(|(ticket, ahead)| ahead as u64 >= ticket - 1),
            "tickets, and who is ahead: {both:?}"
        );
    });
}

#[test]
fn who_draws_later_sees_who_drew_before() {
    // Without the fence that stands in the wake of who leaves the doorway, and would do as well.
    let bare = || mutant::with(&["fence-after-rmw"], two_draw_tickets);
    bare();
    needs(&[13], bare);
}

/// Two park at the same time: each has a place of its own, and something is due no later than the first of both.
#[test]
fn two_that_park_at_the_same_time_spare_each_other() {
    explore(ORDINARY, || {
        let segment = Segment::new(Shape::of(1, 2).parking());
        let park = |segment: &Segment, chunk, due_ms| segment.queue_at(0).lot().unwrap().park(chunk, due_ms, 2);
        let other = thread::spawn({
            let segment = segment.clone();
            move || assert!(park(&segment, 1, 200))
        });
        assert!(park(&segment, 0, 100));
        other.join().unwrap();
        let lot = segment.queue_at(0).lot().unwrap();
        assert_eq!((lot.due_ms(), lot.parked().count()), (Some(100), 2));
    });
}

/// Somebody closes a queue that others close and open meanwhile: its epoch does not come again, by which a sealer knows for which closing it works.
#[test]
fn the_epoch_of_a_queue_does_not_fall() {
    explore(BRIEF, || {
        let segment = Segment::new(Shape::of(0, 0).closing());
        let slow = thread::spawn({
            let segment = segment.clone();
            move || segment.queue_at(0).set_closed(true)
        });
        let queue = segment.queue_at(0);
        queue.set_closed(true);
        queue.set_closed(false);
        slow.join().unwrap();
        assert!(queue.flags.load(Relaxed) >= 2 * QUEUE_EPOCH, "closed and opened");
    });
}

/// Two note at the same time that a message is in limbo: each changes the word, so that who searched before one of them clears nothing.
#[test]
fn who_notes_what_is_in_limbo_changes_the_word() {
    explore(ORDINARY, || {
        let segment = Segment::new(Shape::of(0, 0));
        let other = thread::spawn({
            let segment = segment.clone();
            move || segment.queue_at(0).note_deferred()
        });
        segment.queue_at(0).note_deferred();
        other.join().unwrap();
        assert_eq!(segment.queue_at(0).deferred.load(Relaxed), 1 + 2 * 2);
    });
}

/// Two find the table of locks full and commit more of it. What one of them has committed stays so, however slow the other is.
fn a_table_grows() {
    explore(ORDINARY, || {
        let table = Table::new(0, 4);
        // Relaxed: what is said to be committed, brings along that it is.
        let pages: Arc<[Word; 4]> = Arc::new(std::array::from_fn(|_| Word::new(0)));
        let grow = |table: &Table, pages: &[Word; 4]| {
            let seen = table.clock.committed.load(S7.acquire());
            pages[seen as usize].store(1, Relaxed);
            table.locks().say_committed(seen, 1);
            let committed = table.locks().committed().len();
            assert!(committed > seen as usize, "who has committed an entry finds it");
            assert!(pages[..committed].iter().all(|page| page.load(Relaxed) == 1), "said to be committed, and is not");
            committed
        };
        let other = thread::spawn({
            let (table, pages) = (table.clone(), pages.clone());
            move || grow(&table, &pages)
        });
        grow(&table, &pages);
        let mine = grow(&table, &pages);
        let most = mine.max(other.join().unwrap());
        assert!(table.locks().committed().len() >= most, "what was committed is no more");
    });
}

#[test]
fn a_table_of_locks_never_shrinks() {
    a_table_grows();
    needs(&[7], a_table_grows);
}
