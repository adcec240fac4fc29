//! Random kills of real processes; `SWARMBUS_STRESS_KILLS` sets how many of each kind.

use std::path::Path;
use swarmbus_stress::kills::{kill_holders, kill_senders, kill_sleepers};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_swarmbus-stress"))
}

fn kills() -> u32 {
    std::env::var("SWARMBUS_STRESS_KILLS").map_or(1000, |kills| kills.parse().expect("a number of kills"))
}

#[test]
fn killed_while_sending_nothing_is_lost() {
    println!("{}", kill_senders(program(), kills()).unwrap());
}

#[test]
fn killed_while_asleep_the_wake_goes_to_another() {
    println!("{}", kill_sleepers(program(), 10).unwrap());
}

#[test]
fn killed_while_holding_the_successor_sees_two_deliveries() {
    println!("{}", kill_holders(program(), kills()).unwrap());
}
