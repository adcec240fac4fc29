//! Sleepers are woken, whoever dies; and asleep they cost nothing.

use std::path::Path;
use swarmbus_stress::wakes::{idle, lost_wakes};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_swarmbus-stress"))
}

#[test]
fn in_a_million_sends_of_killed_senders_no_wake_is_lost() {
    println!("{}", lost_wakes(program(), 1_000_000).unwrap());
}

#[test]
fn who_waits_for_a_queue_uses_no_processor() {
    println!("{}", idle(program(), 1, false).unwrap());
}

#[test]
fn who_waits_while_a_supervisor_reaps_uses_no_processor() {
    println!("{}", idle(program(), 1, true).unwrap());
}

#[test]
fn who_waits_for_many_queues_uses_no_processor() {
    println!("{}", idle(program(), 100, false).unwrap());
}
