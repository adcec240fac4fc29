//! `process` of a pool: what the kernel is told of its agents.

use super::check::Checker;
use super::health::Percent;
use super::plain::size;
use super::schema::{Count, Size};
use crate::cgroup;
use crate::priority::{Io, Limit, Plan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use toml::Spanned;

/// What the kernel is told of the agents of a pool.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// From -20, which gets the processor first, to 19.
    #[schemars(with = "Option<i32>", range(min = -20, max = 19))]
    pub nice: Option<Spanned<i32>>,
    /// The disk: `idle`, `best-effort:0` to `best-effort:7`, `realtime:0` to `realtime:7`.
    #[schemars(with = "Option<String>")]
    pub ionice: Option<Spanned<String>>,
    /// From -1000, never killed when memory is short, to 1000, killed first.
    #[schemars(with = "Option<i32>", range(min = -1000, max = 1000))]
    pub oom: Option<Spanned<i32>>,
    /// The processors that they may run on, such as `0-3,8`.
    #[schemars(with = "Option<String>")]
    pub cpus: Option<Spanned<String>>,
    /// What each may use at most.
    #[serde(default)]
    pub limits: Limits,
    /// What all together may use at most.
    #[serde(default)]
    pub cgroup: Cgroup,
    /// Nothing starts when the system does not allow some of it; a warning if it is not given.
    #[serde(default)]
    pub required: bool,
}

/// Limits of each process, hard and soft.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Open files.
    nofile: Option<Count>,
    /// Processes of the user.
    nproc: Option<Count>,
    /// Address space.
    address_space: Option<Size>,
    /// Locked memory.
    memlock: Option<Size>,
    /// Stack.
    stack: Option<Size>,
    /// A core dump.
    core: Option<Size>,
    /// A file that it writes.
    fsize: Option<Size>,
    /// Processor time, seconds.
    cpu: Option<Count>,
}

/// Limits of a pool as a whole, by cgroup v2.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cgroup {
    /// Memory at most; beyond it one of its processes is killed.
    memory: Option<Size>,
    /// Memory beyond which it is slowed down.
    memory_high: Option<Size>,
    /// Processor time at most: 100% is one processor.
    cpu: Option<Percent>,
    /// Its share of the processors beside other pools; 100 is usual.
    #[schemars(with = "Option<Count>")]
    cpu_weight: Option<Spanned<Count>>,
    /// Its share of the disk beside other pools; 100 is usual.
    #[schemars(with = "Option<Count>")]
    io_weight: Option<Spanned<Count>>,
    /// Processes and threads at most.
    pids: Option<Count>,
}

impl Checker {
    pub(super) fn process(&mut self, raw: Process) -> Plan {
        let nice = self.within(raw.nice, -20, 19);
        let oom = self.within(raw.oom, -1000, 1000);
        let ionice = raw.ionice.and_then(|text| {
            let io = Io::parse(text.as_ref());
            if io.is_none() {
                let hint = "idle, best-effort:0 to best-effort:7, or realtime:0 to realtime:7";
                self.say(text.span(), format!("`{}` is no class of disk access", text.as_ref()), hint);
            }
            io
        });
        let cpus = raw.cpus.map_or_else(Vec::new, |text| {
            let cpus = parse_cpus(text.as_ref());
            if cpus.is_empty() {
                self.say(text.span(), format!("`{}` names no processors", text.as_ref()), "write them as 0-3,8");
            }
            cpus
        });
        let count = |count: Option<Count>| count.map(|count| u64::from(count.0));
        let bytes = |size: Option<Size>| size.map(|size| size.0);
        let limits = [
            (Limit::Nofile, count(raw.limits.nofile)),
            (Limit::Nproc, count(raw.limits.nproc)),
            (Limit::AddressSpace, bytes(raw.limits.address_space)),
            (Limit::Memlock, bytes(raw.limits.memlock)),
            (Limit::Stack, bytes(raw.limits.stack)),
            (Limit::Core, bytes(raw.limits.core)),
            (Limit::Fsize, bytes(raw.limits.fsize)),
            (Limit::Cpu, count(raw.limits.cpu)),
        ];
        let cgroup = cgroup::Plan {
            memory: bytes(raw.cgroup.memory),
            memory_high: bytes(raw.cgroup.memory_high),
            cpu: raw.cgroup.cpu.map(|percent| percent.0.max(1)),
            cpu_weight: self.weight(raw.cgroup.cpu_weight),
            io_weight: self.weight(raw.cgroup.io_weight),
            pids: raw.cgroup.pids.map(|count| count.0),
        };
        let limits = limits.into_iter().filter_map(|(limit, most)| Some((limit, most?))).collect();
        Plan { nice, ionice, oom, cpus, limits, cgroup, required: raw.required }
    }

    fn within(&mut self, raw: Option<Spanned<i32>>, least: i32, most: i32) -> Option<i32> {
        let number = raw.as_ref().map(|raw| *raw.as_ref())?;
        if let Some(raw) = raw.filter(|_| number < least || number > most) {
            self.say(raw.span(), format!("{number} is out of range"), format!("from {least} to {most}"));
        }
        Some(number)
    }

    fn weight(&mut self, raw: Option<Spanned<Count>>) -> Option<u32> {
        let weight = raw.as_ref().map(|raw| raw.as_ref().0)?;
        if let Some(raw) = raw.filter(|_| weight == 0 || weight > 10_000) {
            self.say(raw.span(), format!("a weight of {weight} is out of range"), "from 1 to 10000, 100 is usual");
        }
        Some(weight)
    }
}

/// `0-3,8`. Empty: that is no such list.
fn parse_cpus(text: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last && last < rustix::thread::CpuSet::MAX_CPU).then(|| (first..=last).collect::<Vec<_>>())
    };
    let ranges: Option<Vec<Vec<usize>>> = text.split(',').map(range).collect();
    let mut cpus = ranges.unwrap_or_default().concat();
    cpus.sort_unstable();
    cpus.dedup();
    cpus
}

/// `process` of a pool in plain words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Plain {
    #[serde(skip_serializing_if = "Option::is_none")]
    nice: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ionice: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oom: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpus: Option<String>,
    required: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    limits: BTreeMap<&'static str, serde_json::Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    cgroup: BTreeMap<&'static str, serde_json::Value>,
}

impl Plain {
    pub(super) fn of(plan: &Plan) -> Option<Plain> {
        let limit = |(limit, most): &(Limit, u64)| {
            let is_count = matches!(limit, Limit::Nofile | Limit::Nproc | Limit::Cpu);
            (limit.name(), if is_count { (*most).into() } else { size(*most).into() })
        };
        let group = &plan.cgroup;
        let cgroup = [
            ("memory", group.memory.map(|bytes| size(bytes).into())),
            ("memory_high", group.memory_high.map(|bytes| size(bytes).into())),
            ("cpu", group.cpu.map(|percent| format!("{percent}%").into())),
            ("cpu_weight", group.cpu_weight.map(Into::into)),
            ("io_weight", group.io_weight.map(Into::into)),
            ("pids", group.pids.map(Into::into)),
        ];
        let cpus: Vec<String> = plan.cpus.iter().map(ToString::to_string).collect();
        (*plan != Plan::default()).then(|| Plain {
            nice: plan.nice,
            ionice: plan.ionice.map(|io| io.to_string()),
            oom: plan.oom,
            cpus: (!cpus.is_empty()).then(|| cpus.join(",")),
            required: plan.required,
            limits: plan.limits.iter().map(limit).collect(),
            cgroup: cgroup.into_iter().filter_map(|(key, value)| Some((key, value?))).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::parse_cpus;

    #[test]
    fn processors_are_ranges_and_numbers() {
        assert_eq!(parse_cpus("0-2,8, 1"), [0, 1, 2, 8]);
        for wrong in ["", "3-1", "a", "0-", "0,,1", "99999999"] {
            assert_eq!(parse_cpus(wrong), Vec::<usize>::new(), "{wrong}");
        }
    }
}
