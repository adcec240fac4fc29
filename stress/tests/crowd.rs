//! Many processes, many messages, one segment.

use std::path::Path;
use swarmbus_stress::flow::mailbox;
use swarmbus_stress::workload::{crowd, full_mailbox};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_swarmbus-stress"))
}

#[test]
fn a_thousand_processes_are_all_answered() {
    println!("{}", crowd(program(), 1000, 10).unwrap());
}

#[test]
fn a_million_messages_flow_past_one_that_the_owner_of_a_mailbox_holds() {
    println!("{}", mailbox(program(), 1_000_000).unwrap());
}

#[test]
fn a_full_mailbox_refuses_and_loses_nothing() {
    println!("{}", full_mailbox(program()).unwrap());
}
