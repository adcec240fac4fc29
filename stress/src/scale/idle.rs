//! What an idle process costs.

use super::company::{Company, options};
use super::dweller::{Burden, TOPIC};
use crate::Result;
use crate::scene::Scene;
use std::fmt::Write;
use std::fs::read_to_string;
use std::path::Path;
use std::time::Duration;
use swarmbus_core::TopicOptions;

/// For how long processors are watched.
const WATCH: Duration = Duration::from_secs(10);

/// What the kernel says of its memory, KiB.
const SYSTEM: [&str; 7] = ["AnonPages", "Shmem", "PageTables", "KernelStack", "SReclaimable", "SUnreclaim", "Percpu"];

/// The figure behind a name in a file of the kernel's, KiB.
fn kib(file: &str, name: &str) -> u64 {
    let text = read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Time for which a process ran so far.
fn ran(pid: u32) -> Duration {
    let text = read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

/// Memory of a process on average, KiB: of its own and what it shares (a page that n processes have counts 1/n in each).
#[derive(Clone, Copy)]
struct Memory {
    anonymous: f64,
    segment: f64,
    files: f64,
    tables: f64,
}

impl Memory {
    fn of(company: &Company) -> Memory {
        let mean = |file: &str, name: &str| {
            let all: u64 = company.pids().iter().map(|pid| kib(&format!("/proc/{pid}/{file}"), name)).sum();
            all as f64 / company.pids().len() as f64
        };
        Memory {
            anonymous: mean("smaps_rollup", "Pss_Anon"),
            segment: mean("smaps_rollup", "Pss_Shmem"),
            files: mean("smaps_rollup", "Pss_File"),
            tables: mean("status", "VmPTE"),
        }
    }

    fn all(&self) -> f64 {
        self.anonymous + self.segment + self.files + self.tables
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Memory { anonymous, segment, files, tables } = self;
        write!(
            to,
            "{:.1} = own {anonymous:.1}, segment {segment:.1}, files {files:.1}, page tables {tables:.1}",
            self.all()
        )
    }
}

/// How long a second all of them run.
fn running(company: &Company) -> Duration {
    let ran = || company.pids().iter().copied().map(ran).sum::<Duration>();
    let before = ran();
    std::thread::sleep(WATCH);
    (ran() - before) / WATCH.as_secs() as u32
}

/// So many idle processes: memory of each, and the time for which they run although nothing happens.
///
/// # Errors
/// When they cannot be started.
pub fn idle(program: &Path, agents: u32, burden: Burden, forked: bool) -> Result<String> {
    let scene = Scene::new(&options(agents))?;
    let observer = scene.observer()?;
    scene.declare_topic(TOPIC, &TopicOptions::default())?;
    let born = observer.bus().committed_bytes;
    let system = || SYSTEM.map(|name| kib("/proc/meminfo", name));
    let machine = system();
    let mut company = if forked {
        Company::forked(program, scene.name(), agents, burden)?
    } else {
        Company::gather(program, scene.name(), agents, burden)?
    };
    let alone = Memory::of(&company);
    company.attach()?;
    let now = system();
    let attached = Memory::of(&company);
    let committed = observer.bus().committed_bytes;
    let (how, each) = (if forked { ", forked" } else { "" }, f64::from(agents));
    let mut text =
        format!("idle, {agents} processes with {burden:?}{how}, KiB each:\n  before {alone}\n  then {attached}");
    let share = (committed - born) as f64 / 1024.0 / each;
    write!(text, "\n  segment: {} KiB at birth and {share:.1} for each", born >> 10)?;
    // What each has touched of the segment is in its own figure already.
    let rest = (committed as f64 / 1024.0 / each - attached.segment).max(0.0);
    write!(
        text,
        "; all in: {:.1}, of which the bus {:.1}",
        attached.all() + rest,
        attached.all() + rest - alone.all()
    )?;
    write!(text, "\n  the machine's memory, more for each:")?;
    for (name, (before, now)) in SYSTEM.iter().zip(machine.into_iter().zip(now)) {
        write!(text, " {name} {:.1},", (now as f64 - before as f64) / each)?;
    }
    let time = running(&company).as_secs_f64();
    write!(text, "\n  all of them run for {:.2} ms a second, {:.1} µs each", time * 1e3, time * 1e6 / each)?;
    let supervisor = scene.join()?;
    supervisor.supervise()?;
    // Whoever sleeps finds out when it wakes.
    std::thread::sleep(WATCH);
    let time = running(&company).as_secs_f64();
    write!(text, "; with a supervisor {:.2} ms, {:.1} µs each", time * 1e3, time * 1e6 / each)?;
    Ok(text)
}
