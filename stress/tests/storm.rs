//! The short form of the kill storms and of the soak; `swarmbus-stress storm` and `swarmbus-stress soak` are the long ones.

use std::path::Path;
use swarmbus_stress::kills::Dice;
use swarmbus_stress::soak::Soak;
use swarmbus_stress::storm::{Shape, Swarmbus, rage};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_swarmbus-stress"))
}

fn expect_calm_after(shape: &Shape) {
    let seed = Dice::new().below(u64::MAX);
    let run = rage(&mut Swarmbus::new(program()), shape, seed).unwrap();
    assert!(run.is_clean(), "seed {seed}: {run:#?}");
    assert_eq!(run.kills, shape.kills);
    println!("{run:?}");
}

#[test]
fn killed_on_their_way_in_they_leave_nothing_behind() {
    expect_calm_after(&Shape { patience: swarmbus_stress::killer::PATIENCE, ..Shape::early(100) });
}

#[test]
fn killed_in_their_work_they_lose_nothing() {
    expect_calm_after(&Shape { patience: swarmbus_stress::killer::PATIENCE, ..Shape::loaded(40) });
}

#[test]
fn a_soak_notices_who_keeps_what_it_borrows() {
    let json = std::env::temp_dir().join("nowhere");
    let found = Soak { minutes: 0.1, agents: 3, seed: None, leak: true, json }.soak(program()).unwrap();
    let held = found.verdict("chunks held").unwrap();
    assert!(!held.is_flat, "{held}");
}
