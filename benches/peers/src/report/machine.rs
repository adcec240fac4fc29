//! The machine that figures are of.

use crate::clock;
use serde::Serialize;
use std::fs;

/// What is worth knowing about it.
#[derive(Serialize)]
pub struct Machine {
    /// The processor.
    pub processor: String,
    /// Cores that may be used.
    pub cores: usize,
    /// Memory, GiB.
    pub memory_gib: f64,
    /// The kernel's release.
    pub kernel: String,
    /// Processes that wanted to run in the last minute before the beginning.
    pub load_before: f64,
    /// The same at the end, our own among them.
    pub load_after: f64,
    /// What reading the system's clock costs, in nanoseconds.
    pub clock_ns: f64,
    /// What reading the clock of the latencies costs, in nanoseconds; it is in every round trip once.
    pub ticks_ns: f64,
}

fn first_field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Processes that wanted to run in the last minute.
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

impl Machine {
    /// This one.
    pub fn look() -> Machine {
        let memory = first_field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let memory_kib: f64 = memory.trim_end_matches(" kB").parse().unwrap_or(0.0);
        Machine {
            processor: first_field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: (memory_kib / 1024.0 / 1024.0 * 10.0).round() / 10.0,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            load_before: load(),
            load_after: 0.0,
            clock_ns: clock::reading_costs_ns(),
            ticks_ns: clock::ticking_costs_ns(),
        }
    }
}
