//! Watching for descriptors: whatever comes makes the descriptor readable, and a wake that the watcher cannot use reaches who can.

use crate::check::{BRIEF, Mortal, ORDINARY, caught, every_death, explore, mortal};
use crate::tiny::{Segment, Shape, member, queue};
use loom::thread;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::time::Duration;
use swarmbus_core::queue::note_wake;
use swarmbus_core::sync::{WakeWord, Word};
use swarmbus_core::wait;
use swarmbus_core::watch::{Armed, Bell, Bells, Wants};

/// What is looked for is a run without an end, which needs no rare order.
const NEAR: usize = 1;

/// The smallest queue there is, and a segment in which the first queue's word is the one to wait on for its messages.
struct Inbox {
    messages: Word,
    segment: Arc<Segment>,
}

impl Inbox {
    fn new() -> Arc<Inbox> {
        Arc::new(Inbox { messages: Word::new(0), segment: Segment::new(Shape::of(0, 0)) })
    }

    fn items(&self) -> &WakeWord {
        self.segment.queue_at(0).items
    }

    fn send(&self) {
        self.messages.fetch_add(1, AcqRel);
        wait::ring(self.items(), 1);
    }

    fn has_message(&self) -> bool {
        self.messages.load(Acquire) > 0
    }

    fn take(&self) -> bool {
        let mut seen = self.messages.load(Acquire);
        while seen > 0 {
            match self.messages.compare_exchange(seen, seen - 1, AcqRel) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    fn receive(&self) {
        sleep_until(self.items(), || self.take());
    }
}

struct Spot(Arc<Inbox>);

impl Bell for Spot {
    fn word(&self) -> &WakeWord {
        self.0.items()
    }

    fn pass_on(&self) {
        if self.0.has_message() {
            wait::ring(self.0.items(), 1);
        }
    }
}

fn sleep_until(word: &WakeWord, mut look: impl FnMut() -> bool) {
    loop {
        let ticket = wait::announce(word);
        if look() {
            return;
        }
        wait::sleep(word, ticket, Duration::MAX);
    }
}

/// A watcher with one descriptor. What the kernel's part of a descriptor does, a word does here.
struct Watcher {
    inbox: Arc<Inbox>,
    control: WakeWord,
    ended: Word,
    armed: Armed,
    readable: Word,
    poll: WakeWord,
}

impl Watcher {
    fn new(inbox: &Arc<Inbox>) -> Arc<Watcher> {
        let (armed, readable) = (Armed::default(), Word::new(0));
        let words = || WakeWord::new(0);
        Arc::new(Watcher {
            inbox: inbox.clone(),
            control: words(),
            ended: Word::new(0),
            armed,
            readable,
            poll: words(),
        })
    }

    fn set(&self) {
        self.readable.fetch_or(1, AcqRel);
        wait::ring(&self.poll, 1);
    }

    /// What the watcher's thread does.
    fn run(&self) {
        let mut bells = Bells::<u8, Spot>::default();
        loop {
            let control = wait::announce(&self.control);
            if self.ended.load(Acquire) == 1 {
                return bells.leave();
            }
            let wants = self.armed.wants();
            let wanted = BTreeMap::from_iter((wants != Wants::Nothing).then_some((0, wants == Wants::ToLook)));
            let announced = bells.cover(&wanted, |_| Spot(self.inbox.clone()));
            if announced.contains(&0) && self.inbox.has_message() {
                self.armed.fire(|| self.set());
                continue;
            }
            let words: Vec<_> = std::iter::once((&self.control, control)).chain(bells.tickets()).collect();
            wait::sleep_any(&words, Duration::MAX);
        }
    }

    fn rearm(&self) {
        self.armed.rearm(&self.control, || _ = self.readable.fetch_and(0, AcqRel));
    }

    fn end(&self) {
        self.ended.fetch_or(1, AcqRel);
        wait::ring(&self.control, 1);
    }

    /// What a program does with its descriptor until it has had so many messages.
    fn take(&self, mut messages: u32) {
        loop {
            while self.inbox.take() {
                messages -= 1;
                if messages == 0 {
                    return;
                }
            }
            self.rearm();
            sleep_until(&self.poll, || self.readable.load(Acquire) == 1);
        }
    }
}

fn started(watcher: &Arc<Watcher>) -> thread::JoinHandle<()> {
    let watcher = watcher.clone();
    thread::spawn(move || watcher.run())
}

/// The descriptor was readable and its owner is about to find nothing, when messages come.
fn messages_while_it_is_armed<const MESSAGES: u32>(bound: usize) {
    explore(bound, || {
        let inbox = Inbox::new();
        let watcher = Watcher::new(&inbox);
        watcher.armed.wants();
        watcher.armed.fire(|| watcher.set());
        let watching = started(&watcher);
        let owner = thread::spawn({
            let watcher = watcher.clone();
            move || {
                watcher.take(MESSAGES);
                watcher.end();
            }
        });
        (0..MESSAGES).for_each(|_| inbox.send());
        owner.join().unwrap();
        watching.join().unwrap();
    });
}

/// An owner who is told of something is done at once, and arms the descriptor while the watcher comes from telling it: the watcher must not undo that (I27).
fn a_quick_owner() {
    explore(ORDINARY, || {
        let watcher = Watcher::new(&Inbox::new());
        watcher.armed.wants();
        let owner = thread::spawn({
            let watcher = watcher.clone();
            move || {
                if watcher.readable.load(Acquire) == 1 {
                    watcher.rearm();
                }
            }
        });
        watcher.armed.fire(|| watcher.set());
        owner.join().unwrap();
        let is_readable = watcher.readable.load(Acquire) == 1;
        assert!(is_readable || watcher.armed.wants() != Wants::Nothing, "neither readable nor armed");
    });
}

/// The owner is busy; somebody else sleeps for the same queue.
fn a_busy_owner() {
    explore(ORDINARY, || {
        let inbox = Inbox::new();
        let watcher = Watcher::new(&inbox);
        let watching = started(&watcher);
        let other = thread::spawn({
            let inbox = inbox.clone();
            move || inbox.receive()
        });
        inbox.send();
        other.join().unwrap();
        watcher.end();
        watching.join().unwrap();
    });
}

/// Two watchers whose owners are busy: both tell their owners, then there is peace.
fn two_busy_owners() {
    explore(NEAR, || {
        let inbox = Inbox::new();
        let watchers = [(); 2].map(|()| Watcher::new(&inbox));
        let watching = [&watchers[0], &watchers[1]].map(started);
        inbox.send();
        for watcher in &watchers {
            sleep_until(&watcher.poll, || watcher.readable.load(Acquire) == 1);
        }
        watchers.iter().for_each(|watcher| watcher.end());
        for one in watching {
            one.join().unwrap();
        }
    });
}

/// The watcher's process dies, perhaps after a wake and before it passed that on; the reaper does.
fn a_dead_watcher() {
    every_death(ORDINARY, |budget| {
        let inbox = Inbox::new();
        let watcher = Watcher::new(&inbox);
        let watching = thread::spawn({
            let watcher = watcher.clone();
            move || {
                note_wake(&watcher.inbox.segment.notes_of(member(1)).waits_on, queue(0));
                mortal(Mortal::Victim, budget, || watcher.run())
            }
        });
        let other = thread::spawn({
            let (inbox, watcher) = (inbox.clone(), watcher.clone());
            move || {
                inbox.receive();
                watcher.end();
            }
        });
        inbox.send();
        if watching.join().unwrap().is_none() {
            inbox.segment.reap(member(3), &[member(1)]);
        }
        other.join().unwrap();
    });
}

#[test]
fn no_message_slips_by_while_a_descriptor_is_armed() {
    messages_while_it_is_armed::<1>(ORDINARY);
    messages_while_it_is_armed::<2>(BRIEF);
    caught(&["cleared-after-arming"], || messages_while_it_is_armed::<1>(ORDINARY));
    caught(&["armed-silently"], || messages_while_it_is_armed::<1>(ORDINARY));
    caught(&["set-before-idle"], || messages_while_it_is_armed::<2>(ORDINARY));
}

#[test]
fn a_descriptor_that_was_fired_and_armed_is_armed_or_readable() {
    a_quick_owner();
    caught(&["set-before-idle"], a_quick_owner);
}

#[test]
fn a_wake_that_a_watcher_cannot_use_is_passed_on() {
    a_busy_owner();
    caught(&["watcher-keeps-wake"], a_busy_owner);
}

#[test]
fn two_watchers_do_not_wake_each_other_for_ever() {
    two_busy_owners();
}

#[test]
fn a_dead_watchers_wake_is_passed_on() {
    a_dead_watcher();
    caught(&["debts-forgotten"], a_dead_watcher);
}
