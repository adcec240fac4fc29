//! Mailboxes and roles that change hands between real processes, under traffic.

use std::path::Path;
use swarmbus_stress::handover::{hand_over, role, succession};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_swarmbus-stress"))
}

#[test]
fn a_stopped_owner_gets_nothing_of_what_was_taken_over() {
    println!("{}", hand_over(program(), 12, 30).unwrap());
}

#[test]
fn who_stands_by_follows_a_killed_owner() {
    println!("{}", succession(program(), 20, false).unwrap());
    println!("{}", succession(program(), 20, true).unwrap());
}

#[test]
fn a_role_outlives_its_holders() {
    println!("{}", role(program(), 40).unwrap());
}
