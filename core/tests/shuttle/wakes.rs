//! Receivers and senders that sleep, on queues and on their group, and may die before or after they are woken: nobody sleeps for ever.
//! (A model has no clock. Who sleeps and is not woken is a deadlock, which shuttle reports.)

use crate::check::{caught, explore};
use crate::messages::{LAST, Ledger, collect, loan_any};
use crate::tiny::{LANE, Segment, Shape, queue};
use crate::town::Town;
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread;
use std::sync::Arc;
use std::time::Duration;
use swarmbus_core::queue::note_wake;
use swarmbus_core::sync::WakeWord;
use swarmbus_core::wait;
use swarmbus_core::word::{ChunkState, IntentKind, Name};

const SHAPE: Shape = Shape::of(2, 4);

fn wait_until<T>(word: &WakeWord, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        let ticket = wait::announce(word);
        if let Some(found) = look() {
            return found;
        }
        wait::sleep(word, ticket, Duration::MAX);
    }
}

/// Sends a message, and wakes whoever waits for one.
fn send(segment: &Segment, ledger: &Ledger, me: Name, value: u64) {
    let Some((chunk, word)) = loan_any(segment, SHAPE, me, value) else { return };
    ledger.tries(value);
    match segment.publish(me, (0, LANE), IntentKind::Send, (chunk, word)) {
        Ok(()) => {
            ledger.has_sent(value);
            segment.queue_at(0).ring_items(1);
        }
        Err(word) => segment.free(chunk, word),
    }
}

/// From here on, a message tells a receiver to go.
const END: u64 = 1000;

/// Receivers, and who waits until they have received all there is.
#[derive(Default)]
struct Progress {
    received: Mutex<()>,
    more: Condvar,
}

impl Progress {
    fn wait_until(&self, is_so: impl Fn() -> bool) {
        let mut received = self.received.lock().unwrap();
        while !is_so() {
            received = self.more.wait(received).unwrap();
        }
    }

    fn note(&self) {
        drop(self.received.lock().unwrap());
        self.more.notify_all();
    }
}

/// Receives until it is told to go, asleep on the queue or on the word of its group.
fn receive(segment: &Segment, (ledger, progress): (&Ledger, &Progress), me: Name, group: bool) {
    let queue_at = segment.queue_at(0);
    note_wake(&segment.notes_of(me).waits_on, queue(0));
    loop {
        let word = if group { queue_at.group } else { queue_at.items };
        let value = wait_until(word, || segment.receive(me, 0));
        ledger.has_received(value);
        progress.note();
        if value >= END {
            return;
        }
    }
}

/// Three senders who may die, with two reapers; three receivers, with two reapers of their own. When the senders are gone, whatever they sent has to be received
/// though nobody rings any more; then the receivers are told to go.
fn sleepers(mortal: Option<u16>) {
    let (segment, ledger) = (Segment::new(SHAPE), Arc::new(Ledger::default()));
    let progress = Arc::new(Progress::default());
    let mut senders = Town::new([8, 9]);
    for sender in 0..3 {
        let (segment, ledger) = (segment.clone(), ledger.clone());
        senders.settle(sender, 20, move |me| {
            (0..2).for_each(|number| send(&segment, &ledger, me, 10 * u64::from(sender) + number));
        });
    }
    let mut receivers = Town::new([10, 11]);
    for receiver in 3..6 {
        let (segment, ledger, progress) = (segment.clone(), ledger.clone(), progress.clone());
        let life = move |me| receive(&segment, (&ledger, &progress), me, receiver == 5);
        if mortal == Some(receiver) {
            receivers.settle(receiver, 20, life);
        } else {
            receivers.settle_for_good(receiver, life);
        }
    }
    let reap = |segment: &Arc<Segment>| {
        let segment = segment.clone();
        move |me, dead: &[Name]| {
            segment.reap_if(me, dead, || true);
        }
    };
    let (end, reap_senders) = ((segment.clone(), ledger.clone()), reap(&segment));
    let end = thread::spawn(move || {
        let (segment, ledger) = end;
        senders.reap(20, reap_senders);
        for receiver in 0..3 {
            progress
                .wait_until(|| (0..SHAPE.chunks as u32).all(|chunk| segment.word(chunk).state() == ChunkState::Free));
            send(&segment, &ledger, LAST, END + receiver);
        }
    });
    let dead = receivers.reap(20, reap(&segment));
    end.join().unwrap();
    collect(&segment, &ledger, &dead);
}

fn senders_die() {
    sleepers(None);
}

fn a_receiver_dies() {
    sleepers(Some(3));
}

#[test]
fn nobody_sleeps_for_ever() {
    explore(senders_die);
    explore(a_receiver_dies);
}

#[test]
fn missed_wakes_show() {
    caught(&["debts-forgotten"], senders_die);
    caught(&["blind-clear"], senders_die);
    caught(&["group-not-rung"], senders_die);
}
