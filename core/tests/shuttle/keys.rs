//! Several senders with one key, who may die in it, beside takers and reapers: exactly one message is delivered.

use crate::check::{caught, explore};
use crate::messages::{LAST, Ledger, loan_any};
use crate::tiny::{Segment, Shape};
use crate::town::Town;
use std::sync::Arc;
use swarmbus_core::keys::Keyed;
use swarmbus_core::word::Name;

const SHAPE: Shape = Shape::of(2, 4).keyed();
const KEY: u64 = 9;
const MESSAGE: u64 = 70;

/// Tries three times at most to send with the key.
fn send(segment: &Segment, ledger: &Ledger, me: Name) {
    for _ in 0..3 {
        let Some((chunk, word)) = loan_any(segment, SHAPE, me, MESSAGE) else { continue };
        let word = match segment.publish_keyed(me, 0, KEY, (chunk, word)) {
            Keyed::Sent => return ledger.has_sent(MESSAGE),
            Keyed::Duplicate | Keyed::Taken(_) => word,
            Keyed::Refused(refused) => refused.word,
        };
        segment.free(chunk, word);
    }
}

/// Four senders, a taker, two reapers.
fn senders_of_one_key() {
    let (segment, ledger) = (Segment::new(SHAPE), Arc::new(Ledger::default()));
    ledger.tries(MESSAGE);
    let mut town = Town::new([8, 9]);
    for sender in 0..4 {
        let (segment, ledger) = (segment.clone(), ledger.clone());
        town.settle(sender, 20, move |me| send(&segment, &ledger, me));
    }
    town.settle(4, 10, {
        let (segment, ledger) = (segment.clone(), ledger.clone());
        move |me| {
            for _ in 0..2 {
                segment.receive(me, 0).into_iter().for_each(|value| ledger.has_received(value));
            }
        }
    });
    let reaped = segment.clone();
    let dead = town.reap(20, move |me, dead| {
        reaped.reap_if(me, dead, || true);
    });
    assert!(segment.reap_if(LAST, &dead, || true), "there is room");
    // Whoever comes now finds it sent, or sends it.
    send(&segment, &ledger, LAST);
    segment.drain(LAST, 0).into_iter().for_each(|value| ledger.has_received(value));
    assert!(ledger.is_received(MESSAGE));
    ledger.balance();
    segment.assert_empty();
}

#[test]
fn one_of_many_senders_with_a_key_succeeds() {
    explore(senders_of_one_key);
    caught(&["key-before-message"], senders_of_one_key);
    caught(&["stripe-after-chunk"], senders_of_one_key);
}
