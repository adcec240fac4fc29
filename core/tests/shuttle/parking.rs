//! Messages that are parked until their time comes, by members who may die, on a clock that goes on meanwhile.

use crate::check::{caught, drawn, explore};
use crate::messages::{LAST, Ledger, loan_any};
use crate::tiny::{LANE, Segment, Shape};
use crate::town::Town;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use swarmbus_core::layout::REDELIVERY;
use swarmbus_core::queue::Route;
use swarmbus_core::word::{IntentKind, Name};

const SHAPE: Shape = Shape::of(2, 4).parking();
/// When everything is due.
const END_MS: u64 = 100;

/// The time, which somebody sets, and until when each message is parked: its payload.
struct Clock(AtomicUsize);

impl Clock {
    fn now_ms(&self) -> u64 {
        self.0.load(Relaxed) as u64
    }
}

/// A payload says who sent it and when it is due.
fn payload(sender: Name, number: u64, due_ms: u64) -> u64 {
    (u64::from(sender.index()) * 10 + number) * 1000 + due_ms
}

fn due_ms(payload: u64) -> u64 {
    payload % 1000
}

fn send(segment: &Segment, ledger: &Ledger, me: Name) {
    for number in 0..2 {
        let value = payload(me, number, drawn(END_MS));
        let Some((chunk, word)) = loan_any(segment, SHAPE, me, value) else { continue };
        ledger.tries(value);
        match segment.publish(me, (0, LANE), IntentKind::Send, (chunk, word)) {
            Ok(()) => ledger.has_sent(value),
            Err(word) => segment.free(chunk, word),
        }
    }
}

/// Takes what there is at this time: what is due is received, what is not is parked until it is.
fn take(segment: &Segment, ledger: &Ledger, clock: &Clock, me: Name, times: u32) {
    for _ in 0..times {
        let now_ms = clock.now_ms();
        let Some(claimed) = segment.take_at(me, 0, now_ms) else { continue };
        let value = segment.read(claimed.chunk());
        if due_ms(value) <= now_ms {
            segment.release(claimed);
            ledger.has_received(value);
        } else {
            let route = Route::put_back(REDELIVERY).parked(due_ms(value));
            segment.publish_by(me, 0, route, (claimed.chunk(), claimed.word), &mut []).expect("there is room");
        }
    }
}

/// Two senders, four takers who park, two reapers, and one who sets the clock.
fn a_parking_lot() {
    let (segment, ledger) = (Segment::new(SHAPE), Arc::new(Ledger::default()));
    let clock = Arc::new(Clock(AtomicUsize::new(0)));
    let mut town = Town::new([8, 9]);
    for sender in 0..2 {
        let (segment, ledger) = (segment.clone(), ledger.clone());
        town.settle(sender, 20, move |me| send(&segment, &ledger, me));
    }
    for taker in 2..6 {
        let (segment, ledger, clock) = (segment.clone(), ledger.clone(), clock.clone());
        town.settle(taker, 30, move |me| take(&segment, &ledger, &clock, me, 3));
    }
    town.settle_for_good(6, {
        let clock = clock.clone();
        move |_| {
            for _ in 0..4 {
                clock.0.fetch_add(drawn(END_MS / 4) as usize, Relaxed);
                shuttle::thread::yield_now();
            }
        }
    });
    let reaped = segment.clone();
    let dead = town.reap(20, move |me, dead| {
        reaped.reap_if(me, dead, || true);
    });
    assert!(segment.reap_if(LAST, &dead, || true), "there is room");
    // What is not due is not there before its time; what is due is.
    clock.0.fetch_max(END_MS as usize / 2, Relaxed);
    for _ in 0..2 {
        take(&segment, &ledger, &clock, LAST, 2 * SHAPE.chunks as u32);
        clock.0.fetch_max(END_MS as usize, Relaxed);
    }
    ledger.balance();
    segment.assert_empty();
}

#[test]
fn what_is_parked_comes_back_in_its_time() {
    explore(a_parking_lot);
    caught(&["due-noted-once"], a_parking_lot);
    caught(&["claimer-leaves-place"], a_parking_lot);
    caught(&["orphaned-move-freed"], a_parking_lot);
}
