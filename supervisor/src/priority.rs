//! What the kernel is told of a process before it runs: how willingly it gets processor and disk, who dies first when memory is short, what it may use at most.
//!
//! A [`Plan`] is what the file says, a [`Setting`] one part of it, made ready so that a child can apply it between fork and exec: by system calls
//! alone, without memory of its own. What the system does not allow is found out before anything starts, by a child that applies one
//! setting and never becomes a program ([`rehearse`]).

use crate::cgroup;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// `process` of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// From -20, which gets the processor first, to 19.
    pub nice: Option<i32>,
    /// How willingly it gets the disk.
    pub ionice: Option<Io>,
    /// From -1000, never killed when memory is short, to 1000, killed first.
    pub oom: Option<i32>,
    /// The processors that it may run on.
    pub cpus: Vec<usize>,
    /// What one process may use at most.
    pub limits: Vec<(Limit, u64)>,
    /// What the pool may use at most, all its processes together.
    pub cgroup: cgroup::Plan,
    /// Nothing starts when some of this is not allowed.
    pub required: bool,
}

/// A class of disk access, with its level: 0 comes first, 7 last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    /// Before everybody else.
    Realtime(u8),
    /// As usual.
    BestEffort(u8),
    /// When nobody else wants it.
    Idle,
}

impl Io {
    /// `realtime:0`, `best-effort:4`, `idle`; without a level the middle one.
    pub fn parse(text: &str) -> Option<Io> {
        let (class, level) = text.split_once(':').map_or((text, Some(4)), |(class, level)| (class, level.parse().ok()));
        let level = level.filter(|level: &u8| *level <= 7)?;
        match class {
            "realtime" => Some(Io::Realtime(level)),
            "best-effort" => Some(Io::BestEffort(level)),
            "idle" if !text.contains(':') => Some(Io::Idle),
            _ => None,
        }
    }

    /// As the kernel has it.
    fn word(self) -> i32 {
        match self {
            Io::Realtime(level) => 1 << 13 | i32::from(level),
            Io::BestEffort(level) => 2 << 13 | i32::from(level),
            Io::Idle => 3 << 13,
        }
    }
}

impl std::fmt::Display for Io {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Io::Realtime(level) => write!(f, "realtime:{level}"),
            Io::BestEffort(level) => write!(f, "best-effort:{level}"),
            Io::Idle => f.write_str("idle"),
        }
    }
}

/// A limit of one process: what `ulimit` sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// Open files.
    Nofile,
    /// Processes of the user.
    Nproc,
    /// Address space, bytes.
    AddressSpace,
    /// Locked memory, bytes.
    Memlock,
    /// Stack, bytes.
    Stack,
    /// Size of a core dump, bytes.
    Core,
    /// Size of a file that it writes, bytes.
    Fsize,
    /// Processor time, seconds.
    Cpu,
}

impl Limit {
    /// As it is written in the file.
    pub const ALL: [(Limit, &'static str, Resource); 8] = [
        (Limit::Nofile, "nofile", Resource::Nofile),
        (Limit::Nproc, "nproc", Resource::Nproc),
        (Limit::AddressSpace, "address_space", Resource::As),
        (Limit::Memlock, "memlock", Resource::Memlock),
        (Limit::Stack, "stack", Resource::Stack),
        (Limit::Core, "core", Resource::Core),
        (Limit::Fsize, "fsize", Resource::Fsize),
        (Limit::Cpu, "cpu", Resource::Cpu),
    ];

    fn resource(self) -> Resource {
        Self::ALL.iter().find(|(limit, ..)| *limit == self).map_or(Resource::Nofile, |(.., resource)| *resource)
    }

    /// As it is written in the file.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(limit, ..)| *limit == self).map_or("", |(_, name, _)| name)
    }
}

/// One thing that a child sets before it becomes its program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// It joins the cgroup whose `cgroup.procs` this is.
    Cgroup(CString),
    /// `oom_score_adj`, in digits.
    Oom(Vec<u8>),
    /// A limit.
    Limit(Limit, u64),
    /// The processors.
    Cpus(Box<CpuSet>),
    /// The disk.
    Io(Io),
    /// The processor.
    Nice(i32),
}

impl Plan {
    /// What a child is to set, `procs` being the file by which it joins its pool's cgroup.
    pub fn settings(&self, procs: Option<CString>) -> Vec<Setting> {
        let mut cpus = CpuSet::new();
        self.cpus.iter().filter(|cpu| **cpu < CpuSet::MAX_CPU).for_each(|cpu| cpus.set(*cpu));
        let mut settings: Vec<Setting> = procs.map(Setting::Cgroup).into_iter().collect();
        settings.extend(self.oom.map(|score| Setting::Oom(score.to_string().into_bytes())));
        settings.extend(self.limits.iter().map(|(limit, most)| Setting::Limit(*limit, *most)));
        settings.extend((!self.cpus.is_empty()).then(|| Setting::Cpus(Box::new(cpus))));
        settings.extend(self.ionice.map(Setting::Io));
        settings.extend(self.nice.map(Setting::Nice));
        settings
    }
}

impl Setting {
    /// Applies it to the calling process. Calls that are safe between fork and exec, no memory is asked for, nothing is locked.
    fn apply(&self) -> rustix::io::Result<()> {
        match self {
            Setting::Cgroup(procs) => write(procs, b"0"),
            Setting::Oom(digits) => write(c"/proc/self/oom_score_adj", digits),
            Setting::Limit(limit, most) => {
                setrlimit(limit.resource(), Rlimit { current: Some(*most), maximum: Some(*most) })
            }
            Setting::Cpus(cpus) => sched_setaffinity(None, cpus),
            Setting::Io(io) => set_io(*io),
            Setting::Nice(nice) => setpriority_process(None, *nice),
        }
    }

    /// What it is, and what would allow it.
    fn describe(&self) -> (String, &'static str) {
        match self {
            Setting::Cgroup(procs) => (format!("to join {}", procs.to_string_lossy()), "a cgroup that may be written"),
            Setting::Oom(score) => {
                let score = String::from_utf8_lossy(score).into_owned();
                (format!("oom = {score}"), "below the present one: CAP_SYS_RESOURCE")
            }
            Setting::Limit(limit, most) => (
                format!("{} = {most}", limit.name()),
                "above the hard limit: CAP_SYS_RESOURCE, or a higher limit (ulimit -H)",
            ),
            Setting::Cpus(_) => {
                ("cpus".into(), "processors that are there and allowed: see Cpus_allowed_list in /proc/self/status")
            }
            Setting::Io(io) => (format!("ionice = \"{io}\""), "realtime: CAP_SYS_ADMIN or CAP_SYS_NICE"),
            Setting::Nice(nice) => {
                (format!("nice = {nice}"), "below the present one: CAP_SYS_NICE, or a higher limit (ulimit -e)")
            }
        }
    }
}

fn write(path: &std::ffi::CStr, bytes: &[u8]) -> rustix::io::Result<()> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, bytes).map(drop)
}

fn set_io(io: Io) -> rustix::io::Result<()> {
    const WHO_PROCESS: i32 = 1;
    // SAFETY: takes three numbers and no pointer.
    let result = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, io.word()) };
    if result == 0 {
        return Ok(());
    }
    // The number alone: it asks for no memory.
    Err(rustix::io::Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(rustix::io::Errno::INVAL))
}

/// Makes a command apply settings in the child, between fork and exec.
pub fn set_in_child(command: &mut Command, settings: &[Setting]) {
    if settings.is_empty() {
        return;
    }
    let settings = settings.to_vec();
    let apply_all = move || settings.iter().try_for_each(Setting::apply).map_err(io::Error::from);
    // SAFETY: the child makes system calls with what the parent has made ready, as `Setting::apply` says; an error is a number.
    unsafe { command.pre_exec(apply_all) };
}

/// What a child cannot set, each with the reason and what would allow it. Every setting is tried by a child of its own, which ends there.
pub fn rehearse(settings: &[Setting]) -> Vec<(Setting, String)> {
    const FINE: i32 = rustix::io::Errno::CANCELED.raw_os_error();
    let refused = |setting: &Setting| {
        let mut command = Command::new("/");
        let tried = setting.clone();
        let apply = move || match tried.apply() {
            Ok(()) => Err(io::Error::from_raw_os_error(FINE)),
            Err(error) => Err(error.into()),
        };
        // SAFETY: as in `set_in_child`.
        unsafe { command.pre_exec(apply) };
        let error = match command.spawn() {
            Err(error) if error.raw_os_error() != Some(FINE) => error,
            _ => return None,
        };
        let (what, needs) = setting.describe();
        Some((setting.clone(), format!("{what} is not allowed ({error}); it takes {needs}")))
    };
    settings.iter().filter_map(refused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_disk_access_are_read_and_written() {
        for text in ["realtime:0", "best-effort:7", "idle"] {
            assert_eq!(Io::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Io::parse("best-effort"), Some(Io::BestEffort(4)));
        for wrong in ["best-effort:8", "idle:3", "fast", ""] {
            assert_eq!(Io::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_allowed_is_found_out_without_a_program() {
        let plan = Plan { nice: Some(19), cpus: vec![0], ..Plan::default() };
        assert_eq!(rehearse(&plan.settings(None)), []);
        // There is no processor of this number, whoever we are.
        let refused = rehearse(&Plan { cpus: vec![CpuSet::MAX_CPU - 1], ..plan }.settings(None));
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].1.contains("cpus is not allowed"), "{}", refused[0].1);
        let nowhere = rehearse(&[Setting::Cgroup(c"/no/such/folder/cgroup.procs".into())]);
        assert!(nowhere[0].1.contains("No such file"), "{nowhere:?}");
    }
}
