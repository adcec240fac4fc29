//! Small models for single accesses whose mutants no other model noticed (`docs/mutants.md`).

use crate::check::{BRIEF, Mortal, ORDINARY, caught, every_death, explore, mortal, needs};
use crate::heap::Heap;
use crate::stage::{self, Shape, Stage};
use crate::tiny::member;
use crate::tiny::{Segment, Shape as Size};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use swarmbus_core::keys::{Keyed, Keys};
use swarmbus_core::sync::{WakeWord, Word};
use swarmbus_core::word::SpanState;

/// A reaper that puts back the span of a dead retirer is paused; another one does it, and retires the span itself.
#[test]
fn a_paused_reaper_does_not_put_back_a_span_that_was_retired_since() {
    every_death(ORDINARY, |budget| {
        let heap = Heap::new(SpanState::Active, 1, 1);
        if mortal(Mortal::Victim, budget, || heap.retire(member(0))).is_some() {
            return;
        }
        let late = thread::spawn({
            let heap = heap.clone();
            move || heap.reap(member(1), &[member(0)])
        });
        heap.reap(member(2), &[member(0)]);
        let retired = heap.retire(member(2));
        late.join().unwrap();
        assert!(heap.assert_settled() == SpanState::Free || !retired);
    });
}

/// Somebody joins where everything was taken out, so that its cursor moves on, while a publisher waits for where it was before.
#[test]
fn who_joins_behind_what_was_taken_out_holds_nobody_up() {
    explore(ORDINARY, || {
        let stage = Stage::new(Shape::of(1));
        let end = stage.tail.load(Relaxed);
        stage.trimmed.store(end, Relaxed);
        let publisher = thread::spawn({
            let stage = stage.clone();
            move || {
                if stage.publish_silently(stage::member(0), 2).is_err() {
                    stage.await_room();
                }
            }
        });
        let first = stage.topic().join(stage::member(1), 1).unwrap().unwrap();
        assert!(first.wrapping_sub(end) <= 1, "nothing that was taken out");
        publisher.join().unwrap();
    });
}

/// Somebody looks for what was scribbled over while messages are published and taken out: what was taken out stays noted.
#[test]
fn what_was_taken_out_is_not_forgotten() {
    explore(BRIEF, || {
        let stage = Stage::new(Shape::of(1));
        let trimmer = thread::spawn({
            let stage = stage.clone();
            move || {
                for number in 2..4 {
                    stage.publish_silently(stage::member(0), number).unwrap();
                }
                stage.topic().trim(&*stage, stage.notes_of(stage::member(0))).unwrap();
            }
        });
        assert!(!stage.topic().mend(|_| false), "nothing was scribbled over");
        trimmer.join().unwrap();
        assert_eq!(stage.trimmed.load(Relaxed) + 1, stage.tail.load(Relaxed), "all but what is retained");
    });
}

fn a_publisher_dies_beside_one_that_uses_what_it_was_to_push_out(budget: u32) {
    let stage = Stage::new(Shape::of(1));
    let other = thread::spawn({
        let stage = stage.clone();
        move || (2..4).for_each(|number| drop(stage.publish_silently(stage::member(1), number).unwrap()))
    });
    let died = mortal(Mortal::Victim, budget, || stage.publish_silently(stage::member(0), 9)).is_none();
    if died {
        stage.reap(stage::member(2), stage::member(0));
    }
    other.join().unwrap();
    stage.assert_whole();
}

/// A publisher sees a message that it is to push out. Another one does that meanwhile, and is about to publish the next message in that chunk when the first
/// dies: the chunk is not taken for one that was pushed out.
#[test]
fn what_was_pushed_out_and_is_used_again_is_not_freed() {
    // It shows with two preemptions, with which the right code has two million orders.
    every_death(BRIEF, a_publisher_dies_beside_one_that_uses_what_it_was_to_push_out);
    caught(&["evicted-slot-not-looked-at-again"], || {
        every_death(ORDINARY, a_publisher_dies_beside_one_that_uses_what_it_was_to_push_out);
    });
}

/// The tables of keys of two senders, who have a stripe each and the places for keys in common.
struct KeyTables {
    stripes: [Word; 2],
    window: Vec<Word>,
    count: Word,
    given_up: WakeWord,
}

impl KeyTables {
    fn new(places: usize) -> Arc<KeyTables> {
        let zero = || Word::new(0);
        let window = (0..places).map(|_| zero()).collect();
        Arc::new(KeyTables { stripes: [zero(), zero()], window, count: zero(), given_up: WakeWord::new(0) })
    }

    fn send(&self, segment: &Segment, sender: u16, key: u64) -> Keyed {
        let KeyTables { stripes, window, count, given_up } = self;
        let keys = Keys { stripes, window, count, given_up };
        // A chunk for each key: none is taken.
        let word = segment.loan(member(sender), key as u32, key).unwrap();
        segment.publish_remembered(member(sender), 0, (keys, key), (key as u32, word))
    }

    fn remembers(&self, key: u64) -> bool {
        self.window.iter().any(|place| place.load(Relaxed) == key)
    }
}

fn a_slow_sender(places: usize) {
    let (segment, tables) = (Segment::new(Size::of(2, 4).keyed()), KeyTables::new(places));
    let slow = thread::spawn({
        let (segment, tables) = (segment.clone(), tables.clone());
        move || assert_eq!(tables.send(&segment, 0, 2), Keyed::Sent)
    });
    for key in [1, 3] {
        assert_eq!(tables.send(&segment, 1, key), Keyed::Sent);
    }
    slow.join().unwrap();
    let remembered = [1, 2, 3].map(|key| tables.remembers(key));
    assert!(remembered[2], "the last one of its sender is no older than any other: {remembered:?}");
    assert!(places == 2 || remembered == [true; 3], "there is a place for each: {remembered:?}");
}

/// Of two senders who remember their keys at the same time, one is slow: it takes the place of no newer key.
#[test]
fn a_slow_sender_pushes_out_no_newer_key() {
    for places in [2, 3] {
        explore(ORDINARY, move || a_slow_sender(places));
    }
    needs(&[16], || explore(ORDINARY, || a_slow_sender(2)));
}
