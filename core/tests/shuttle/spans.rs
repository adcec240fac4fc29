//! A span that some use, some retire and some give to another class, all of whom may die, beside two reapers.

use crate::check::{caught, drawn, explore};
use crate::heap::Heap;
use crate::town::Town;
use swarmbus_core::word::{Name, SpanState};

fn work(heap: &Heap, me: Name) {
    for _ in 0..3 {
        match drawn(4) {
            0 => {
                heap.retire(me);
            }
            // Of a run of several spans the first one alone is no use to another class.
            1 if heap.rows.len() == 1 => {
                heap.activate(me);
            }
            _ => {
                heap.use_one(me);
            }
        }
    }
}

/// Six members, two reapers.
fn a_span(rows: usize, chunks: usize) {
    let heap = Heap::new(SpanState::Active, rows, chunks);
    let mut town = Town::new([8, 9]);
    for one in 0..6 {
        let heap = heap.clone();
        town.settle(one, 15, move |me| work(&heap, me));
    }
    let reaped = heap.clone();
    let dead = town.reap(15, move |me, dead| reaped.reap(me, dead));
    heap.reap(crate::messages::LAST, &dead);
    heap.assert_settled();
}

fn of_one_chunk() {
    a_span(1, 1);
}

fn of_three_chunks() {
    a_span(1, 3);
}

fn a_run() {
    a_span(3, 1);
}

#[test]
fn a_span_goes_from_hand_to_hand_whoever_dies() {
    explore(of_one_chunk);
    explore(of_three_chunks);
    explore(a_run);
}

#[test]
fn mistakes_in_spans_show() {
    caught(&["chunks-not-claimed"], of_three_chunks);
    caught(&["no-second-look-at-span"], of_one_chunk);
    caught(&["span-not-adopted"], of_one_chunk);
    caught(&["tails-not-renamed"], a_run);
}
