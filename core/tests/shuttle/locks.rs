//! Six who want locks, in one mode or the other, and may die of it: one writer or many readers at a time, tokens that rise, and nobody waits for ever.

use crate::check::{caught, drawn, explore};
use crate::table::{OTHER, Table};
use crate::town::Town;
use swarmbus_core::lock::LockMode::{Exclusive, Shared};
use swarmbus_core::word::Name;

const MEMBERS: u16 = 6;
/// One for each, and as many again: what the dead had is theirs until they are reaped.
const ENTRIES: usize = 2 * MEMBERS as usize;

fn work(table: &Table, me: Name) {
    for _ in 0..2 {
        let mode = if drawn(2) == 0 { Exclusive } else { Shared };
        match drawn(4) {
            0 => {
                let asked = table.ask(me.index(), mode, OTHER, u32::MAX);
                asked.expect("it is patient").0.give_up().unwrap();
            }
            1 => {
                // Looks at most once more; what it does under the lock is the same.
                table.lock_and_work(me.index(), mode, 1);
            }
            _ => assert!(table.lock_and_work(me.index(), mode, u32::MAX)),
        }
    }
}

fn a_table() {
    let table = Table::new(2, ENTRIES);
    let mut town = Town::new([8, 9]);
    for one in 0..MEMBERS {
        let table = table.clone();
        town.settle(one, 20, move |me| work(&table, me));
    }
    let reaped = table.clone();
    town.reap(10, move |_, dead| {
        reaped.locks().reap(|name| dead.contains(&name));
    });
    table.assert_empty();
}

#[test]
fn six_who_want_locks_get_them_in_turn() {
    explore(a_table);
}

#[test]
fn mistakes_in_locks_show() {
    caught(&["no-doorway"], a_table);
    caught(&["doorway-not-waited-for"], a_table);
    caught(&["given-up-silently"], a_table);
    caught(&["dead-holder-kept"], a_table);
    caught(&["dead-debts-kept"], a_table);
    caught(&["shared-excludes-nobody"], a_table);
}
