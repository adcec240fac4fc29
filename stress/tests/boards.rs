//! Real processes that say what they do, as fast as they can, while others read it.

use std::path::Path;
use swarmbus_stress::boards::{fight, full_speed, kill_writers};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_swarmbus-stress"))
}

#[test]
fn eight_writers_at_full_speed_are_read_whole() {
    println!("{}", full_speed(program(), 8, 5_000).unwrap());
}

#[test]
fn a_board_that_goes_from_hand_to_hand_is_read_whole() {
    println!("{}", fight(program(), 300).unwrap());
}

#[test]
fn killed_while_it_speaks_it_has_said_it_or_not() {
    println!("{}", kill_writers(program(), 200).unwrap());
}
