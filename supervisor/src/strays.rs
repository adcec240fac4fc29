//! Processes that agents left behind outside their groups. The supervisor adopts them as the nearest subreaper, and knows by their
//! variables whose they are.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, set_child_subreaper, waitid};
use std::collections::BTreeSet;
use std::path::PathBuf;

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
    let environ = environ_of(pid);
    value(&environ, "SWARMBUS_AGENT").filter(|_| value(&environ, "SWARMBUS").as_deref() == Some(bus))
}

/// Whether a zygote of this bus forked it. The kernel goes on to show the variables that the zygote was started with.
pub fn is_of_zygote(pid: u32, bus: &str) -> bool {
    let environ = environ_of(pid);
    value(&environ, "SWARMBUS_ZYGOTE").is_some() && value(&environ, "SWARMBUS").as_deref() == Some(bus)
}

/// The agent as which a process was started on this bus, also by a zygote: its output tells, since its variables are still the zygote's.
pub fn agent_of_any(pid: u32, bus: &str) -> Option<String> {
    if !is_of_zygote(pid, bus) {
        return agent_of(pid, bus);
    }
    let output = output_of(pid)?;
    let name = output.file_name()?.to_str()?.strip_suffix(".log")?;
    (!name.ends_with(ZYGOTE)).then(|| name.to_owned())
}

/// The zygotes of a bus, and what they have forked that is no agent yet.
pub fn zygotes_of(bus: &str) -> Vec<u32> {
    let is_zygote = |pid: &u32| {
        let output = output_of(*pid);
        let name = output.as_ref().and_then(|path| path.file_stem()?.to_str());
        is_of_zygote(*pid, bus) && name.is_some_and(|name| name.ends_with(ZYGOTE))
    };
    all_of(bus).into_iter().filter(is_zygote).collect()
}

/// How the name of a zygote's log ends, before `.log`.
const ZYGOTE: &str = ".zygote";

fn output_of(pid: u32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/fd/1")).ok()
}

/// What an exporter has among its variables. It goes on when the supervisor dies, to tell of that; it is no reason to take a run for alive.
pub const EXPORTER: &str = "SWARMBUS_EXPORTER";

/// Whether a supervisor started it as an exporter.
pub fn is_exporter(pid: u32) -> bool {
    let environ = environ_of(pid);
    value(&environ, EXPORTER).is_some()
}

/// The buses for which some process was started by a supervisor, exporters apart.
pub fn buses() -> BTreeSet<String> {
    let of = |pid: u32| {
        let environ = environ_of(pid);
        let looks_on = value(&environ, EXPORTER).is_some();
        value(&environ, "SWARMBUS_POOLS").filter(|_| !looks_on).and_then(|_| value(&environ, "SWARMBUS"))
    };
    processes().filter_map(of).collect()
}

/// All processes that a supervisor of this bus started, and what they started, as far as we may look at them. Nobody else has
/// `SWARMBUS_POOLS`.
pub fn all_of(bus: &str) -> Vec<u32> {
    processes().filter(|pid| is_of_run(*pid, bus)).collect()
}

/// All processes but us.
pub fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != std::process::id())
}

/// Whether a supervisor of this bus started it, or somebody whom it started.
pub fn is_of_run(pid: u32, bus: &str) -> bool {
    let environ = environ_of(pid);
    value(&environ, "SWARMBUS_POOLS").is_some() && value(&environ, "SWARMBUS").as_deref() == Some(bus)
}

/// The variables that a process was started with; none of one that is gone, or that we may not look at.
fn environ_of(pid: u32) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default()
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
