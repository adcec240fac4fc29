//! A work queue with eight consumers, one of which is stopped while it holds a message.

use std::path::Path;
use swarmbus_stress::flow::{Fate, work_queue};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_swarmbus-stress"))
}

#[test]
fn a_million_messages_flow_past_a_stopped_consumer_whose_release_then_counts() {
    println!("{}", work_queue(program(), 1_000_000, Fate::GoesOn).unwrap());
}

#[test]
fn a_million_messages_flow_past_a_stopped_consumer_whose_message_comes_back_when_it_is_killed() {
    println!("{}", work_queue(program(), 1_000_000, Fate::Killed).unwrap());
}
