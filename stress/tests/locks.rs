//! A hundred processes contend for locks and are killed; `SWARMBUS_STRESS_LOCKS_S=30` for as many seconds.

use std::path::Path;
use std::time::Duration;
use swarmbus_stress::contention::contend;

#[test]
fn a_hundred_processes_exclude_each_other_while_they_are_killed() {
    let seconds =
        std::env::var("SWARMBUS_STRESS_LOCKS_S").map_or(8, |seconds| seconds.parse().expect("a number of seconds"));
    let program = Path::new(env!("CARGO_BIN_EXE_swarmbus-stress"));
    let report = contend(program, 100, Duration::from_secs(seconds)).unwrap();
    println!("{report}");
    assert!(report.kills_in_locks > 0 && report.grants.alone > 0 && report.grants.shared > 0, "{report:?}");
    assert_eq!(report.writers, 100, "somebody starved: {report:?}");
}
