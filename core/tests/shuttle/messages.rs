//! Senders, takers, forwarders and reapers, all of whom may die: each message is there once.

use crate::check::{caught, drawn, explore};
use crate::tiny::{LANE, Segment, Shape, member, queue};
use crate::town::Town;
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use swarmbus_core::layout::REDELIVERY;
use swarmbus_core::memory::Memory;
use swarmbus_core::queue::{Claimed, Route, take_from};
use swarmbus_core::ring::Pushed;
use swarmbus_core::word::{ChunkState, ChunkWord, IntentKind, Name};

/// Who looks when all is over.
pub const LAST: Name = member(7);

/// What everybody remembers outside of the segment. It is written between two shared writes, so nobody dies between deed and note.
#[derive(Default)]
pub struct Ledger {
    tried: Mutex<Vec<u64>>,
    sent: Mutex<Vec<u64>>,
    received: Mutex<Vec<u64>>,
}

impl Ledger {
    pub fn tries(&self, value: u64) {
        self.tried.lock().unwrap().push(value);
    }

    pub fn has_sent(&self, value: u64) {
        self.sent.lock().unwrap().push(value);
    }

    pub fn has_received(&self, value: u64) {
        self.received.lock().unwrap().push(value);
    }

    pub fn is_received(&self, value: u64) -> bool {
        self.received.lock().unwrap().contains(&value)
    }

    /// Each message whose send returned was received once, one whose sender died in it at most once, and no other.
    pub fn balance(&self) {
        let (tried, sent) = (self.tried.lock().unwrap(), self.sent.lock().unwrap());
        let mut received = self.received.lock().unwrap().clone();
        received.sort_unstable();
        assert!(received.windows(2).all(|two| two[0] != two[1]), "received twice: {received:?}");
        assert!(sent.iter().all(|value| received.contains(value)), "lost: sent {sent:?}, received {received:?}");
        assert!(received.iter().all(|value| tried.contains(value)), "from nowhere: {received:?}");
    }
}

/// Any free chunk, claimed.
pub fn loan_any(segment: &Segment, shape: Shape, me: Name, value: u64) -> Option<(u32, ChunkWord)> {
    let first = drawn(shape.chunks as u64) as u32;
    (0..shape.chunks as u32)
        .map(|chunk| (first + chunk) % shape.chunks as u32)
        .find_map(|chunk| Some((chunk, segment.loan(me, chunk, value)?)))
}

/// Sends `count` messages; what is refused is dropped.
fn send(segment: &Segment, ledger: &Ledger, shape: Shape, me: Name, count: u64) {
    for number in 0..count {
        let value = 100 * me.index() as u64 + number;
        let Some((chunk, word)) = loan_any(segment, shape, me, value) else { continue };
        ledger.tries(value);
        match segment.publish(me, (0, LANE), IntentKind::Send, (chunk, word)) {
            Ok(()) => ledger.has_sent(value),
            Err(word) => segment.free(chunk, word),
        }
    }
}

fn receive(segment: &Segment, ledger: &Ledger, me: Name, from: u16, count: u64) {
    for _ in 0..count {
        segment.receive(me, from).into_iter().for_each(|value| ledger.has_received(value));
    }
}

/// Moves messages to the other queue, or to the front of their own.
fn forward(segment: &Segment, me: Name, count: u64) {
    for _ in 0..count {
        let Some(claimed) = segment.take(me, 0) else { continue };
        let (to, route) = if drawn(2) == 0 { (0, Route::put_back(REDELIVERY)) } else { (1, Route::forward(LANE)) };
        if let Err(word) = segment.publish_by(me, to, route, (claimed.chunk(), claimed.word), &mut []) {
            // Refused: it is still the caller's, who puts it back where there is room for all.
            let back = Route::put_back(REDELIVERY);
            segment.publish_by(me, 0, back, (claimed.chunk(), word), &mut []).expect("there is room for redelivery");
        }
    }
}

/// Receives a message and what hangs on it: each is released when the next one is claimed.
pub fn receive_all(segment: &Segment, ledger: &Ledger, me: Name, first: Claimed) {
    let mut next = Some(first);
    while let Some(one) = next {
        next = segment.unlink(me, one);
        let value = segment.read(one.chunk());
        segment.release(one);
        ledger.has_received(value);
    }
}

/// Everything that is left, when nobody else is there.
pub fn collect(segment: &Segment, ledger: &Ledger, dead: &[Name]) {
    loop {
        let done = segment.reap_if(LAST, dead, || true);
        for queue in [0, 1] {
            while let Some(first) = segment.take(LAST, queue) {
                receive_all(segment, ledger, LAST, first);
            }
        }
        if done {
            break;
        }
    }
    ledger.balance();
    segment.assert_empty();
}

/// Eight members: three senders, two takers, one who forwards, two reapers.
fn a_busy_queue(shape: Shape, messages: u64) {
    let (segment, ledger) = (Segment::new(shape), Arc::new(Ledger::default()));
    let mut town = Town::new([8, 9]);
    for sender in 0..3 {
        let (segment, ledger) = (segment.clone(), ledger.clone());
        town.settle(sender, 30, move |me| send(&segment, &ledger, shape, me, messages));
    }
    for taker in 3..5 {
        let (segment, ledger) = (segment.clone(), ledger.clone());
        town.settle(taker, 20, move |me| receive(&segment, &ledger, me, 0, messages + 1));
    }
    town.settle(5, 20, {
        let segment = segment.clone();
        move |me| forward(&segment, me, 2)
    });
    let reaped = segment.clone();
    let dead = town.reap(20, move |me, dead| {
        reaped.reap_if(me, dead, || true);
    });
    collect(&segment, &ledger, &dead);
}

/// As many slots as chunks.
fn roomy() {
    a_busy_queue(Shape::of(2, 4), 3);
}

/// Fewer messages may wait than there are chunks, and every chunk has many lives.
fn tight() {
    a_busy_queue(Shape::of(1, 2).limited(1), 4);
}

/// Laps and generations begin anew.
fn old() {
    a_busy_queue(Shape::of(1, 2).ancient(), 3);
}

#[test]
fn each_message_is_there_once_whoever_dies() {
    explore(roomy);
    explore(tight);
    explore(old);
}

#[test]
fn mistakes_in_sending_and_taking_show() {
    caught(&["slots-not-searched"], roomy);
    caught(&["word-before-intent"], roomy);
    caught(&["claim-not-compared"], roomy);
    caught(&["orphaned-move-freed"], roomy);
    caught(&["judged-word-not-compared"], tight);
}

/// Pushes a chunk that is queued already.
fn push(segment: &Segment, shape: Shape, chunk: u32, known_head: &Cell<u64>) -> bool {
    let chunk_word = |chunk| segment.chunk(chunk);
    segment.lane(0).push(chunk, shape.limit, queue(0), known_head, || true, chunk_word).unwrap() == Pushed::Sent
}

fn take(segment: &Segment, me: Name) -> Option<u32> {
    take_from(segment, &segment.queue_at(0), LANE, &segment.lane(0), me).unwrap().map(|(claimed, _)| claimed.chunk())
}

/// Chunks that each of the pushers has to push, and one more for afterwards.
const EACH: u32 = 3;
const PUSHERS: u16 = 5;
const SPARE: u32 = EACH * PUSHERS as u32;

/// Five push into a small ring, and may die; two take. Nobody reaps, and the ring goes on.
fn a_ring(shape: Shape) {
    let segment = Segment::new(Shape { chunks: SPARE as usize + 1, ..shape });
    for chunk in 0..=SPARE {
        let word = segment.word(chunk).next(queue(0), ChunkState::Queued);
        segment.chunk(chunk).unwrap().store(word.0, Relaxed);
    }
    let (ledger, order) = (Arc::new(Ledger::default()), Arc::new(Mutex::new(Vec::new())));
    let mut town = Town::new([8, 9]);
    for pusher in 0..PUSHERS {
        let (segment, ledger) = (segment.clone(), ledger.clone());
        town.settle(pusher, 8, move |_| {
            let known_head = Cell::new(0);
            for chunk in (0..EACH).map(|number| EACH * u32::from(pusher) + number) {
                ledger.tries(chunk.into());
                if push(&segment, shape, chunk, &known_head) {
                    ledger.has_sent(chunk.into());
                }
            }
        });
    }
    for taker in 5..7 {
        let (segment, ledger, order) = (segment.clone(), ledger.clone(), order.clone());
        town.settle_for_good(taker, move |me| {
            let taken: Vec<u32> = (0..2 * EACH).filter_map(|_| take(&segment, me)).collect();
            taken.iter().for_each(|chunk| ledger.has_received((*chunk).into()));
            order.lock().unwrap().push(taken);
        });
    }
    town.reap(1, |_, _| {});
    let left: Vec<u32> = std::iter::from_fn(|| take(&segment, LAST)).collect();
    left.iter().for_each(|chunk| ledger.has_received((*chunk).into()));
    order.lock().unwrap().push(left);
    ledger.balance();
    for taken in order.lock().unwrap().iter() {
        for pusher in 0..u32::from(PUSHERS) {
            let of_one = taken.iter().filter(|chunk| *chunk / EACH == pusher);
            assert!(of_one.is_sorted(), "out of order: {taken:?}");
        }
    }
    assert!(push(&segment, shape, SPARE, &Cell::new(0)), "there is room");
    assert_eq!(take(&segment, LAST), Some(SPARE), "and it is found");
}

fn small_ring() {
    a_ring(Shape::of(1, 0));
}

#[test]
fn a_ring_goes_on_whoever_dies_in_a_push() {
    explore(small_ring);
    explore(|| a_ring(Shape::of(2, 0).limited(3)));
    explore(|| a_ring(Shape::of(0, 0).ancient()));
    caught(&["lap-not-compared"], small_ring);
    caught(&["tail-not-helped"], small_ring);
}
