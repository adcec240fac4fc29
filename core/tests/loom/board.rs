//! A status: whole whenever it is read, whoever writes it, dies or is paused.

use super::check::{Mortal, ORDINARY, caught, every_death, explore, mortal, needs};
use super::tiny::member;
use loom::thread::{JoinHandle, spawn};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use swarmbus_core::board::{Board, BoardHead, CONTENT_MAX, Unread, Written};
use swarmbus_core::sync::{S9, Word};
use swarmbus_core::word::Name;

/// A board of two words a copy, and the word that says who owns the mailbox.
struct Cell {
    head: Word,
    copies: [[Word; 2]; 2],
    owner: Word,
}

const FIRST: Name = member(1);
const SECOND: Name = member(2);
/// The version that every model begins with.
const BEGIN: u64 = 4;

impl Cell {
    /// Owned by `FIRST`, who said 1.
    fn new() -> Arc<Cell> {
        let pair = || [Word::new(0), Word::new(0)];
        let head = BoardHead::new(BEGIN - 1, 0, FIRST);
        let cell = Cell { head: Word::new(head.0), copies: [pair(), pair()], owner: Word::new(FIRST.bits()) };
        assert_eq!(cell.say(FIRST, 1), Written::Published);
        Arc::new(cell)
    }

    fn board(&self) -> Board<'_> {
        Board { head: &self.head, copies: [&self.copies[0], &self.copies[1]] }
    }

    /// A status all of whose bytes say `what`.
    fn say(&self, me: Name, what: u8) -> Written {
        let mut content = [what; 12];
        content[..2].copy_from_slice(&12u16.to_le_bytes());
        self.board().write(me, &content, || self.owner.load(S9.acquire()) == me.bits())
    }

    fn hand_over(&self, from: Name, to: Name) {
        let _ = self.owner.compare_exchange(from.bits(), to.bits(), S9.acquire_then(S9));
    }

    /// What it says; a torn status fails the model.
    fn read(&self) -> u8 {
        let mut buffer = [0; CONTENT_MAX];
        let content = self.board().read(&mut buffer).expect("nobody scribbles").expect("it began with one");
        assert_eq!(content.len(), 12);
        assert!(content[2..].iter().all(|byte| *byte == content[2]), "torn: {content:?}");
        content[2]
    }

    fn saying(self: &Arc<Cell>, me: Name, what: u8) -> JoinHandle<Written> {
        let cell = self.clone();
        spawn(move || cell.say(me, what))
    }
}

fn a_reader_and_a_writer() {
    let cell = Cell::new();
    let writer = spawn({
        let cell = cell.clone();
        move || [2, 3, 4, 5].map(|what| cell.say(FIRST, what))
    });
    let (first, second) = (cell.read(), cell.read());
    assert!(first <= second, "{second} after {first}");
    assert_eq!(writer.join().unwrap(), [Written::Published; 4]);
    assert_eq!(cell.read(), 5);
}

#[test]
fn a_reader_sees_a_whole_status_while_it_is_written() {
    explore(ORDINARY, a_reader_and_a_writer);
    caught(&["stamps-not-compared"], || explore(ORDINARY, a_reader_and_a_writer));
    caught(&["head-not-read-again"], || explore(ORDINARY, a_reader_and_a_writer));
    caught(&["one-copy"], || explore(ORDINARY, a_reader_and_a_writer));
    needs(&[15], || explore(ORDINARY, a_reader_and_a_writer));
}

/// The mailbox goes to another in the midst of a write; the old owner goes on when it likes.
fn two_writers() {
    let cell = Cell::new();
    let old = cell.saying(FIRST, 2);
    cell.hand_over(FIRST, SECOND);
    assert_eq!(cell.say(SECOND, 3), Written::Published);
    let seen = cell.read();
    let old = old.join().unwrap();
    // What the old owner says comes before or not at all.
    assert!(seen == 3 && matches!(old, Written::Published | Written::HandedOver), "{seen} {old:?}");
    assert_eq!(cell.read(), 3);
}

fn two_writers_and_a_reader() {
    let cell = Cell::new();
    let old = cell.saying(FIRST, 2);
    let new = spawn({
        let cell = cell.clone();
        move || {
            cell.hand_over(FIRST, SECOND);
            cell.say(SECOND, 3)
        }
    });
    let (first, second) = (cell.read(), cell.read());
    assert!(first <= second, "{second} after {first}");
    assert_eq!(new.join().unwrap(), Written::Published);
    let _ = old.join().unwrap();
    assert_eq!(cell.read(), 3);
}

#[test]
fn who_has_lost_the_mailbox_spoils_nothing() {
    explore(3, two_writers);
    explore(ORDINARY, two_writers_and_a_reader);
    caught(&["blind-store"], || explore(ORDINARY, two_writers));
    caught(&["name-not-compared"], || explore(ORDINARY, two_writers));
    caught(&["head-not-asked"], || explore(ORDINARY, two_writers));
    needs(&[15], || explore(ORDINARY, two_writers));
}

/// Somebody died in the midst of saying 3. The next owner begins to say 2, loses the mailbox, and the one after it says 3: the very words that the dead left.
fn a_third_writer_repeats_the_dead() {
    let cell = Cell::new();
    let dead = spawn({
        let cell = cell.clone();
        move || mortal(Mortal::Victim, 1, || cell.say(FIRST, 3)).is_none()
    });
    assert!(dead.join().unwrap());
    cell.hand_over(FIRST, SECOND);
    let paused = cell.saying(SECOND, 2);
    cell.hand_over(SECOND, member(3));
    assert_eq!(cell.say(member(3), 3), Written::Published);
    let _ = paused.join().unwrap();
    assert_eq!(cell.read(), 3);
}

#[test]
fn words_that_look_as_they_did_are_told_apart_by_their_turn() {
    explore(3, a_third_writer_repeats_the_dead);
    caught(&["turn-not-counted"], || explore(ORDINARY, a_third_writer_repeats_the_dead));
}

/// A writer dies at every step; what it said is there or what was before; the next owner goes on, beside a reader.
fn a_writer_dies() {
    every_death(ORDINARY, |budget| {
        let cell = Cell::new();
        let victim = spawn({
            let cell = cell.clone();
            move || mortal(Mortal::Victim, budget, || cell.say(FIRST, 2))
        });
        let seen = cell.read();
        let said = victim.join().unwrap();
        let left = cell.read();
        assert!((1..=2).contains(&seen) && (seen..=2).contains(&left), "{left} after {seen}");
        assert!(said.is_none() || left == 2);
        cell.hand_over(FIRST, SECOND);
        let next = cell.saying(SECOND, 3);
        let seen = cell.read();
        assert!(seen == left || seen == 3, "{seen} after {left}");
        assert_eq!(next.join().unwrap(), Written::Published);
        assert_eq!(cell.read(), 3);
    });
}

#[test]
fn a_writer_that_dies_leaves_a_whole_status() {
    a_writer_dies();
    caught(&["one-copy"], a_writer_dies);
}

/// A head that was never written names a member, who is not the owner for that.
#[test]
fn a_board_without_a_status_says_so() {
    explore(ORDINARY, || {
        let cell = Cell::new();
        cell.head.store(0, Relaxed);
        assert_eq!(cell.board().read(&mut [0; CONTENT_MAX]), Ok(None::<&[u8]>));
        cell.head.store(BoardHead::new(7, 0, FIRST).0, Relaxed);
        assert_eq!(cell.board().read(&mut [0; CONTENT_MAX]), Err(Unread::Corrupt));
    });
}
