//! Topics with many processes: reached, stopped, killed, coming and going.

use std::path::Path;
use std::time::Duration;
use swarmbus_core::Policy;
use swarmbus_stress::topics::{comings_and_goings, fan_out, killed, stopped};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_swarmbus-stress"))
}

#[test]
fn a_hundred_messages_of_64_kib_reach_a_thousand_processes_in_order() {
    println!("{}", fan_out(program(), 1000, 100, 64 << 10).unwrap());
}

#[test]
fn a_stopped_subscriber_does_to_publishers_what_the_policy_says() {
    for policy in [Policy::BackPressure, Policy::DropNew, Policy::Lossy] {
        println!("{}", stopped(program(), policy).unwrap());
    }
}

#[test]
fn a_hundred_killed_subscribers_are_reaped_while_messages_flow() {
    println!("{}", killed(program(), 100).unwrap());
}

#[test]
fn who_comes_and_goes_while_several_publish_misses_nothing_in_between() {
    println!("{}", comings_and_goings(program(), 3, 4, Duration::from_secs(2)).unwrap());
}
