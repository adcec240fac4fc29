//! Processes that agents left behind outside their groups. The supervisor adopts them as the nearest subreaper, and knows by their
//! variables whose they are.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, set_child_subreaper, waitid};

/// From now on orphans among our descendants become our children. A kernel that refuses leaves them to init.
pub fn adopt_orphans() {
    let _ = set_child_subreaper(rustix::process::getpid().into());
}

/// Our children, adopted ones and those that have ended included.
pub fn children() -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// The agent under whose name a process was started on this bus.
pub fn agent_of(pid: u32, bus: &str) -> Option<String> {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    value(&environ, "SWARMBUS_AGENT").filter(|_| value(&environ, "SWARMBUS").as_deref() == Some(bus))
}

/// Whether a zygote of this bus forked it. The kernel goes on to show the variables that the zygote was started with.
pub fn is_of_zygote(pid: u32, bus: &str) -> bool {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    value(&environ, "SWARMBUS_ZYGOTE").is_some() && value(&environ, "SWARMBUS").as_deref() == Some(bus)
}

/// All processes that a supervisor of this bus started, and what they started, as far as we may look at them. Nobody else has
/// `SWARMBUS_POOLS`.
pub fn all_of(bus: &str) -> Vec<u32> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_of_run(*pid, bus)).collect()
}

/// Whether a supervisor of this bus started it, or somebody whom it started.
pub fn is_of_run(pid: u32, bus: &str) -> bool {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    value(&environ, "SWARMBUS_POOLS").is_some() && value(&environ, "SWARMBUS").as_deref() == Some(bus)
}

fn value(environ: &[u8], name: &str) -> Option<String> {
    let mut words = environ.split(|byte| *byte == 0).filter_map(|word| std::str::from_utf8(word).ok());
    words.find_map(|word| word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

/// Collects a child if it has ended. Whether it had.
pub fn collect(pid: u32) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let raw = Pid::from_raw(pid.cast_signed());
    raw.is_some_and(|raw| matches!(waitid(WaitId::Pid(raw), options), Ok(Some(_))))
}

/// Kills a child of ours that has not been collected, so its number cannot mean another process.
pub fn kill(pid: u32) {
    if let Some(raw) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process(raw, Signal::KILL);
    }
}
