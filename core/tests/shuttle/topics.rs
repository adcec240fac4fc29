//! A topic: publishers that wait for readers, readers that wait for publishers, who join, leave and die; and reapers. Each reader that lives sees
//! every message from the one at which it joined.

use crate::check::{caught, drawn, explore};
use crate::messages::LAST;
use crate::stage::{Shape, Stage};
use crate::town::Town;
use shuttle::thread;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use swarmbus_core::word::Name;

const READERS: u16 = 3;
/// Messages that each reader reads before it leaves.
const EACH: u64 = 3;

/// Which message stands where, as its publisher was told, and as readers saw it.
#[derive(Default)]
struct Book {
    published: Mutex<BTreeMap<u64, u64>>,
    read: Mutex<Vec<(u64, u64)>>,
    /// Whether somebody may still wait for a message.
    goes_on: AtomicBool,
}

impl Book {
    fn balance(&self) {
        let published = self.published.lock().unwrap();
        for (position, number) in self.read.lock().unwrap().iter() {
            // A publisher that died could not tell.
            let there = published.get(position).unwrap_or(number);
            assert_eq!(number, there, "at {position}");
        }
    }
}

fn publish(stage: &Stage, book: &Book, me: Name, number: u64) {
    let number = 100 * u64::from(me.index() + 1) + number;
    let position = stage.publish(me, number);
    book.published.lock().unwrap().insert(position, number);
}

/// Joins, reads and leaves.
fn read(stage: &Stage, book: &Book, me: Name) {
    let history = drawn(2);
    let first = stage.topic().join(me, history).unwrap().unwrap();
    for position in first..first + EACH {
        let number = stage.receive(me, position);
        book.read.lock().unwrap().push((position, number));
    }
    stage.topic().leave(me, || true);
}

/// Two publishers who may die, three readers who may, two reapers, and a publisher who goes on until the readers have gone.
fn a_topic(shape: Shape) {
    let (stage, book) = (Stage::new(shape), Arc::new(Book::default()));
    book.goes_on.store(true, SeqCst);
    let mut town = Town::new([8, 9]);
    for publisher in 0..2 {
        let (stage, book) = (stage.clone(), book.clone());
        town.settle(publisher, 20, move |me| (0..2).for_each(|number| publish(&stage, &book, me, number)));
    }
    for reader in 2..2 + READERS {
        let (stage, book) = (stage.clone(), book.clone());
        town.settle(reader, 20, move |me| read(&stage, &book, me));
    }
    let last = thread::spawn({
        let (stage, book) = (stage.clone(), book.clone());
        move || {
            let mut number = 0;
            while book.goes_on.load(SeqCst) {
                publish(&stage, &book, LAST, number);
                number += 1;
                thread::yield_now();
            }
        }
    });
    let reaped = stage.clone();
    let dead = town.reap(20, move |me, dead| dead.iter().for_each(|one| reaped.reap(me, *one)));
    book.goes_on.store(false, SeqCst);
    last.join().unwrap();
    dead.iter().for_each(|one| stage.reap(LAST, *one));
    book.balance();
    stage.assert_whole();
}

fn small() {
    a_topic(Shape { chunks: 12, ..Shape::of(1) });
}

fn old() {
    a_topic(Shape { chunks: 14, ..Shape::of(2).ancient() });
}

#[test]
fn every_reader_sees_every_message_whoever_dies() {
    explore(small);
    explore(old);
}

#[test]
fn mistakes_in_topics_show() {
    caught(&["eviction-not-noted"], small);
    caught(&["slots-not-searched"], small);
    caught(&["freed-silently"], small);
    // A reaper that comes late and dies before its wake: who sleeps since then is forgotten.
    caught(&["bit-cleared-by-reaper"], small);
}
