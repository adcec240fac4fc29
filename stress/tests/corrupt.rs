//! Processes at work while every field of the segment is written over: one word of each here, `swarmbus-stress flips` writes over more.

use std::path::Path;
use swarmbus_stress::corrupt::flips::{Sweep, sweep};

#[test]
fn nobody_crashes_or_hangs_whatever_field_is_written_over() {
    // The same words and values in every run, or as somebody says.
    let seed = std::env::var("SWARMBUS_CORRUPT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let one = Sweep { words: 1, processes: 2, seed, field: None };
    let swept = sweep(Path::new(env!("CARGO_BIN_EXE_swarmbus-stress")), &one);
    let swept = swept.unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    assert!(swept.fields > 100 && swept.operations > 100 * swept.fields, "{swept:?}");
    assert!(swept.repaired > 90 && swept.refused > 0, "{swept:?}");
}
