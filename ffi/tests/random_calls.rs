//! Random calls of the C interface by several processes: no crash, no panic, nothing left behind. What is called and given is
//! in `random/calls.c` and the files beside it.
mod programs;

use programs::{C11, SHARED, TestBus, compile, remove, root, run_for};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The buses that each of the processes has for itself, and leaves only when it dies.
struct SideBuses<'a>(&'a TestBus);

impl Drop for SideBuses<'_> {
    fn drop(&mut self) {
        let begins = format!("swarmbus.{}-side-", self.0.0);
        for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&begins) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn play(label: &str, seed: u64, seconds: u64) {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{label}-{}", std::process::id()));
    compile(&root().join("ffi/tests/random/calls.c"), &program, C11, SHARED);
    let bus = TestBus::new(label);
    let _side_buses = SideBuses(&bus);
    let arguments = [bus.0.clone(), seed.to_string(), seconds.to_string()];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let printed = run_for(&program, &arguments, Duration::from_secs(seconds) + programs::PATIENCE);
    assert_eq!(printed.matches(" calls,").count(), 3, "each of the processes tells what it did: {printed}");
    println!("seed {seed}:\n{printed}");
    remove(&program);
}

#[test]
fn every_function_of_the_header_is_among_the_random_calls() {
    let header = fs::read_to_string(root().join("include/swarmbus.h")).expect("the header");
    let files = fs::read_dir(root().join("ffi/tests/random")).expect("the programs");
    let called: String =
        files.map(|file| fs::read_to_string(file.expect("an entry").path()).expect("a program")).collect();
    let declared = header.lines().filter(|line| !line.starts_with([' ', '/', '#', '}', 't']) && line.contains('('));
    let names: Vec<&str> = declared
        .filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("swarmbus_"))
        .collect();
    assert!(names.len() > 100, "functions of the header: {names:?}");
    // By its name, or given to a macro that calls it.
    let is_called = |name: &str| ["(", ","].iter().any(|after| called.contains(&format!("{name}{after}")));
    let missing: Vec<_> = names.iter().filter(|name| !is_called(name)).collect();
    assert!(missing.is_empty(), "nothing calls {missing:?}");
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
