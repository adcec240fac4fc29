//! What a process takes of the machine's memory.

use std::fs;

/// The process' share of all that is mapped (a page that n processes have counts 1/n in each), and its page tables, in bytes. The
/// kernel's buffers for pipes, sockets and message queues are not in it. 0 for a process that is gone.
pub fn of(pid: u32) -> u64 {
    let kib = |file: &str, field: &str| -> u64 {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        line.trim().trim_end_matches(" kB").trim().parse().unwrap_or(0)
    };
    (kib("smaps_rollup", "Pss:") + kib("status", "VmPTE:")) * 1024
}

/// The same of many.
pub fn of_all(pids: &[u32]) -> u64 {
    pids.iter().map(|&pid| of(pid)).sum()
}
