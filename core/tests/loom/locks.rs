//! Locks: who holds one excludes whom it should, whoever dies when, and nobody waits for ever.

use crate::check::{BRIEF, Mortal, ORDINARY, caught, every_death, every_death_of_two, explore, mortal, needs};
use crate::table::{FILE, OTHER, Table};
use crate::tiny::member;
use loom::thread;
use swarmbus_core::lock::{Label, LockMode};

use LockMode::{Exclusive, Shared};

/// Each mode in a thread of its own, the last one in this.
fn together(bound: usize, committed: u64, modes: &'static [LockMode]) {
    explore(bound, move || {
        let table = Table::new(committed, modes.len());
        let (last, others) = modes.split_last().unwrap();
        let others: Vec<_> = (0u16..)
            .zip(others)
            .map(|(me, mode)| {
                let (table, mode) = (table.clone(), *mode);
                thread::spawn(move || assert!(table.lock_and_work(me, mode, u32::MAX)))
            })
            .collect();
        assert!(table.lock_and_work(9, *last, u32::MAX));
        others.into_iter().for_each(|other| other.join().unwrap());
        table.assert_empty();
    });
}

fn two_writers() {
    together(ORDINARY, 2, &[Exclusive, Exclusive]);
}

#[test]
fn one_writer_at_a_time() {
    two_writers();
    together(ORDINARY, 1, &[Exclusive, Exclusive]);
    caught(&["no-doorway"], two_writers);
    caught(&["doorway-not-waited-for"], two_writers);
    caught(&["only-holders-waited-for"], two_writers);
    caught(&["higher-ticket-first"], two_writers);
    needs(&[13], two_writers);
    needs(&[14], two_writers);
}

#[test]
fn nobody_waits_for_ever() {
    caught(&["given-up-silently"], two_writers);
    caught(&["doorway-left-silently"], two_writers);
    caught(&["not-looked-before-sleep"], two_writers);
    caught(&["fence-after-rmw"], two_writers);
}

#[test]
fn a_writer_and_a_reader_exclude_each_other() {
    let model = || together(ORDINARY, 2, &[Exclusive, Shared]);
    model();
    caught(&["shared-excludes-nobody"], model);
    together(BRIEF, 3, &[Shared, Exclusive, Shared]);
}

#[test]
fn three_writers_queue_up() {
    together(BRIEF, 3, &[Exclusive, Exclusive, Exclusive]);
}

/// One goes on to another name in the same entry while the other one looks at it.
#[test]
fn an_entry_that_moves_on_stands_in_nobodys_way() {
    let model = || {
        explore(ORDINARY, || {
            let table = Table::new(2, 2);
            let other = thread::spawn({
                let table = table.clone();
                move || {
                    assert!(table.lock_and_work(1, Exclusive, u32::MAX));
                    let (place, _) = table.ask(1, Exclusive, OTHER, 0).unwrap();
                    place.give_up().unwrap();
                }
            });
            assert!(table.lock_and_work(2, Exclusive, u32::MAX));
            other.join().unwrap();
        });
    };
    model();
    needs(&[14], model);
}

/// Somebody who gives up is ahead of somebody who waits.
#[test]
fn who_gives_up_makes_way() {
    let model = || {
        explore(ORDINARY, || {
            let table = Table::new(3, 3);
            let (place, token) = table.ask(1, Exclusive, FILE, 0).unwrap();
            let waiter = thread::spawn({
                let table = table.clone();
                move || assert!(table.lock_and_work(3, Exclusive, u32::MAX))
            });
            let impatient = table.lock_and_work(2, Shared, 0);
            assert!(!impatient);
            table.work(Exclusive, token);
            place.give_up().unwrap();
            waiter.join().unwrap();
            table.assert_empty();
        });
    };
    model();
    caught(&["given-up-silently"], model);
}

/// The victim dies at every step while it asks, holds and gives up, ahead of somebody who waits or behind.
fn a_victim_beside_a_waiter() {
    every_death(BRIEF, |budget| {
        let table = Table::new(2, 2);
        let victim = thread::spawn({
            let table = table.clone();
            move || {
                let _ = mortal(Mortal::Victim, budget, || table.lock_and_work(1, Exclusive, u32::MAX));
            }
        });
        let waiter = thread::spawn({
            let table = table.clone();
            move || assert!(table.lock_and_work(2, Exclusive, u32::MAX))
        });
        victim.join().unwrap();
        table.locks().reap(|name| name == member(1));
        waiter.join().unwrap();
        table.assert_empty();
    });
}

#[test]
fn what_the_dead_held_or_wanted_stands_in_nobodys_way() {
    a_victim_beside_a_waiter();
    caught(&["dead-holder-kept"], a_victim_beside_a_waiter);
    caught(&["dead-debts-kept"], a_victim_beside_a_waiter);
}

#[test]
fn the_next_reaper_finishes_what_a_dead_one_left() {
    let model = || {
        every_death_of_two(BRIEF, |victim, reaper| {
            let table = Table::new(2, 2);
            let dying = thread::spawn({
                let table = table.clone();
                move || {
                    let _ = mortal(Mortal::Victim, victim, || table.lock_and_work(1, Exclusive, 0));
                }
            });
            let waiter = thread::spawn({
                let table = table.clone();
                move || assert!(table.lock_and_work(2, Exclusive, u32::MAX))
            });
            dying.join().unwrap();
            mortal(Mortal::Reaper, reaper, || table.locks().reap(|name| name == member(1)));
            table.locks().reap(|name| name == member(1) || name == member(3));
            waiter.join().unwrap();
            table.assert_empty();
        });
    };
    model();
    caught(&["dead-debts-kept"], model);
}

/// A reaper that comes late beside another, who was faster, and the next claim of the entry.
#[test]
fn a_reaper_that_comes_late_spares_the_next_claim() {
    explore(ORDINARY, || {
        let table = Table::new(1, 1);
        let dead = table.ask(1, Exclusive, FILE, 0);
        assert!(dead.is_some());
        let late = thread::spawn({
            let table = table.clone();
            move || table.locks().reap(|name| name == member(1))
        });
        table.locks().reap(|name| name == member(1));
        let (place, _) = table.ask(2, Exclusive, FILE, 0).unwrap();
        late.join().unwrap();
        place.give_up().unwrap();
    });
}

/// Two readers get the same lock at the same time.
#[test]
fn each_grant_has_a_token_of_its_own() {
    explore(ORDINARY, || {
        let table = Table::new(2, 2);
        let enter = |me: u16| {
            let mut place = table.locks().claim(member(me), Shared, 0).unwrap();
            place.enter(&Label { hash: FILE, length: 0, words: [] }, 0).unwrap();
            (place.index(), place.word())
        };
        let (first, second) = (enter(1), enter(2));
        let hold = |table: &Table, (index, word)| table.locks().find(index, word).unwrap().hold().unwrap();
        let other = thread::spawn({
            let table = table.clone();
            move || hold(&table, first)
        });
        assert_ne!(hold(&table, second), other.join().unwrap(), "a token for two");
    });
}
