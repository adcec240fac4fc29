//! Processes at work while every field of the segment is written over: one word of each here, `swarmbus-stress flips` writes over more.

use std::path::Path;
use std::time::SystemTime;
use swarmbus_stress::corrupt::flips::{Sweep, sweep};

#[test]
fn nobody_crashes_or_hangs_whatever_field_is_written_over() {
    let seed = std::env::var("SWARMBUS_CORRUPT_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = seed.unwrap_or(now >> 8);
    println!("SWARMBUS_CORRUPT_SEED={seed}");
    let swept = sweep(Path::new(env!("CARGO_BIN_EXE_swarmbus-stress")), Sweep { words: 1, processes: 2, seed });
    let swept = swept.unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    assert!(swept.fields > 100 && swept.operations > swept.writes, "{swept:?}");
}
