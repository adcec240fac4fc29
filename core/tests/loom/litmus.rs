//! Small models for single accesses whose mutants no other model noticed (`docs/mutants.md`).

use crate::check::{BRIEF, Mortal, ORDINARY, every_death, explore, mortal};
use crate::heap::Heap;
use crate::stage::{self, Shape, Stage};
use crate::tiny::member;
use loom::thread;
use std::sync::atomic::Ordering::Relaxed;
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
