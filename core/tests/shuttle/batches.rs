//! Batches: whoever dies, a batch arrives whole or not at all, and each of its messages once.

use crate::check::{caught, explore};
use crate::messages::{Ledger, collect, loan_any, receive_all};
use crate::tiny::{LANE, Segment, Shape};
use crate::town::Town;
use std::sync::Arc;
use swarmbus_core::queue::Route;
use swarmbus_core::word::Name;

const SHAPE: Shape = Shape::of(3, 8);
/// Messages of a batch.
const WHOLE: usize = 3;

/// Sends batches; what is refused, or finds too few chunks, is dropped.
fn send(segment: &Segment, ledger: &Ledger, me: Name) {
    for batch in 0..2 {
        let value = |number: usize| 100 * me.index() as u64 + 10 * batch + number as u64;
        let held: Vec<_> = (0..WHOLE).map_while(|number| loan_any(segment, SHAPE, me, value(number))).collect();
        if held.len() < WHOLE {
            held.into_iter().for_each(|(chunk, word)| segment.free(chunk, word));
            continue;
        }
        (0..WHOLE).for_each(|number| ledger.tries(value(number)));
        let mut rest = held[1..].to_vec();
        match segment.publish_by(me, 0, Route::send(LANE), held[0], &mut rest) {
            Ok(()) => (0..WHOLE).for_each(|number| ledger.has_sent(value(number))),
            Err(word) => {
                segment.free(held[0].0, word);
                rest.into_iter().for_each(|(chunk, word)| segment.free(chunk, word));
            }
        }
    }
}

/// Two senders, three takers, two reapers.
fn batches_on_their_way() {
    let (segment, ledger) = (Segment::new(SHAPE), Arc::new(Ledger::default()));
    let mut town = Town::new([8, 9]);
    for sender in 0..2 {
        let (segment, ledger) = (segment.clone(), ledger.clone());
        town.settle(sender, 30, move |me| send(&segment, &ledger, me));
    }
    for taker in 2..5 {
        let (segment, ledger) = (segment.clone(), ledger.clone());
        town.settle(taker, 20, move |me| {
            for _ in 0..3 {
                if let Some(first) = segment.take(me, 0) {
                    receive_all(&segment, &ledger, me, first);
                }
            }
        });
    }
    let reaped = segment.clone();
    let dead = town.reap(20, move |me, dead| {
        reaped.reap_if(me, dead, || true);
    });
    collect(&segment, &ledger, &dead);
}

#[test]
fn a_batch_arrives_whole_whoever_dies() {
    explore(batches_on_their_way);
    caught(&["rest-forgotten"], batches_on_their_way);
    caught(&["link-not-compared"], batches_on_their_way);
}
