//! Random calls of the C interface by several processes: no crash, no panic, nothing left behind. What is called and given is
//! in `random/calls.c`.
mod programs;

use programs::{C11, SHARED, TestBus, compile, remove, root, run_for};
use std::path::Path;
use std::time::Duration;

fn play(label: &str, seed: u64, seconds: u64) {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{label}-{}", std::process::id()));
    compile(&root().join("ffi/tests/random/calls.c"), &program, C11, SHARED);
    let bus = TestBus::new(label);
    let arguments = [bus.0.clone(), seed.to_string(), seconds.to_string()];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let printed = run_for(&program, &arguments, Duration::from_secs(seconds) + programs::PATIENCE);
    assert_eq!(printed.matches("calls").count(), 3, "each of the processes tells what it did: {printed}");
    println!("seed {seed}:\n{printed}");
    remove(&program);
}

#[test]
fn random_calls_neither_crash_nor_leak() {
    play("random", 1, 5);
}

/// `SWARMBUS_SEED` names the seed; else it is the time, and printed.
#[test]
#[ignore = "takes ten minutes"]
fn ten_minutes_of_random_calls_neither_crash_nor_leak() {
    let seed = std::env::var("SWARMBUS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().map_or(2, |since| since.as_secs()));
    eprintln!("seed {seed}");
    play("random-long", seed, 600);
}
