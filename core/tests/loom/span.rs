//! Spans: who uses a chunk uses committed memory, whoever retires the span, dies in the midst of it, or gives it to another class.

use crate::check::{BRIEF, Mortal, ORDINARY, caught, every_death, every_death_of_two, explore, mortal, needs};
use crate::heap::{Heap, PLACER};
use crate::tiny::member;
use loom::thread;
use std::ops::Range;
use swarmbus_core::span::Claim;
use swarmbus_core::word::SpanState;

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

/// The same beside two who use the chunk as the span is now: the claimer gives it back as it was left, and once.
fn a_claimer_of_a_former_life_beside_users() {
    explore(BRIEF, || {
        let heap = Heap::new(SpanState::Active, 1, 1);
        let seen = heap.word(0);
        assert!(heap.retire(member(0)) && heap.activate(member(0)));
        let claimer = thread::spawn({
            let heap = heap.clone();
            move || {
                heap.use_seen(seen, member(1));
                heap.use_one(member(1));
            }
        });
        let user = thread::spawn({
            let heap = heap.clone();
            move || heap.use_one(member(2))
        });
        heap.use_one(member(0));
        claimer.join().unwrap();
        user.join().unwrap();
        assert_eq!(heap.assert_settled(), SpanState::Active);
    });
}

/// Somebody frees a span and commits it for another class, or somebody else does.
fn a_span_is_freed(state: SpanState, frees: fn(&Heap)) {
    explore(ORDINARY, move || {
        let heap = Heap::new(state, 1, 1);
        frees(&heap);
        let other = thread::spawn({
            let heap = heap.clone();
            move || heap.activate(member(2))
        });
        let mine = heap.activate(member(0));
        assert!(mine != other.join().unwrap(), "one of both has it");
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

/// Two want free spans, some of them the same.
fn two_takers(rows: usize, other: Range<usize>) {
    explore(ORDINARY, move || {
        let heap = Heap::free(rows);
        let taker = thread::spawn({
            let (heap, other) = (heap.clone(), other.clone());
            move || heap.activate_run(other, member(1))
        });
        let mine = heap.activate_run(0..rows, member(0));
        assert!(mine != taker.join().unwrap(), "exactly one has them");
        let run = if mine { 0..rows } else { other.clone() };
        let state = |row| match run.contains(&row) {
            true if row == run.start => SpanState::Active,
            true => SpanState::Tail,
            false => SpanState::Free,
        };
        (0..rows).for_each(|row| assert_eq!(heap.word(row).state(), state(row), "span {row}"));
    });
}

/// Somebody gives free spans to a class and uses them; as soon as they are there somebody else takes them from it.
fn given_and_taken_back(rows: usize) {
    explore(ORDINARY, move || {
        let heap = Heap::free(rows);
        let retirer = thread::spawn({
            let heap = heap.clone();
            move || heap.retire(member(1))
        });
        assert!(heap.activate(member(0)), "nobody else wants them");
        heap.use_one(member(0));
        let retired = retirer.join().unwrap();
        assert_eq!(heap.assert_settled() == SpanState::Free, retired);
    });
}

/// A taker dies, then perhaps its reaper; meanwhile somebody else wants the same spans.
fn a_taker_dies(rows: usize) {
    every_death_of_two(BRIEF, move |victim, reaper| {
        let heap = Heap::free(rows);
        let taker = thread::spawn({
            let heap = heap.clone();
            move || mortal(Mortal::Victim, victim, || heap.activate(member(0)))
        });
        let other = thread::spawn({
            let heap = heap.clone();
            move || heap.activate(member(3))
        });
        if taker.join().unwrap().is_none() {
            let reaped = mortal(Mortal::Reaper, reaper, || heap.reap(member(1), &[member(0)]));
            if reaped.is_none() {
                heap.reap(member(2), &[member(0), member(1)]);
            }
        }
        other.join().unwrap();
        heap.assert_settled();
    });
}

#[test]
fn free_spans_go_to_one_taker() {
    two_takers(1, 0..1);
    two_takers(2, 0..2);
    two_takers(2, 1..2);
}

#[test]
fn spans_are_given_to_a_class_before_they_are_taken_from_it() {
    given_and_taken_back(1);
    given_and_taken_back(2);
    needs(&[7], || given_and_taken_back(2));
}

#[test]
fn a_dead_takers_spans_are_everybodys() {
    a_taker_dies(1);
    a_taker_dies(2);
    caught(&["span-not-adopted"], || a_taker_dies(1));
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
fn what_a_claimer_gives_back_is_as_it_was() {
    a_claimer_of_a_former_life_beside_users();
    needs(&[2], a_claimer_of_a_former_life_beside_users);
}

#[test]
fn who_has_freed_a_span_does_not_do_so_again() {
    a_span_is_freed(SpanState::Active, |heap| assert!(heap.retire(member(0))));
    a_span_is_freed(SpanState::Claimed, |heap| heap.reap(member(0), &[PLACER]));
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
