//! Limits for a pool as a whole, by cgroup v2: found out whether they can be had, made, and removed.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// `process.cgroup` of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// `memory.max`, bytes.
    pub memory: Option<u64>,
    /// `memory.high`, bytes: beyond it the pool is slowed down.
    pub memory_high: Option<u64>,
    /// `cpu.max`, percent of one processor.
    pub cpu: Option<u32>,
    /// `cpu.weight`, 100 is usual.
    pub cpu_weight: Option<u32>,
    /// `io.weight`, 100 is usual.
    pub io_weight: Option<u32>,
    /// `pids.max`.
    pub pids: Option<u32>,
}

impl Plan {
    /// The files to write: their controller, their name, what goes in.
    fn files(&self) -> Vec<(&'static str, &'static str, String)> {
        const PERIOD_US: u64 = 100_000;
        let text = |value: Option<u64>| value.map(|value| value.to_string());
        let number = |value: Option<u32>| text(value.map(u64::from));
        let cpu_max = self.cpu.map(|percent| format!("{} {PERIOD_US}", u64::from(percent) * PERIOD_US / 100));
        let files = [
            ("memory", "memory.max", text(self.memory)),
            ("memory", "memory.high", text(self.memory_high)),
            ("cpu", "cpu.max", cpu_max),
            ("cpu", "cpu.weight", number(self.cpu_weight)),
            ("io", "io.weight", number(self.io_weight)),
            ("pids", "pids.max", number(self.pids)),
        ];
        files.into_iter().filter_map(|(controller, file, value)| Some((controller, file, value?))).collect()
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Plan::default()
    }
}

/// The folder of this process's own cgroup, under which those of pools are made.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

impl Home {
    /// Finds it. The error says what is missing.
    pub fn find() -> Result<Home, String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let (root, point) = mounts
            .lines()
            .filter_map(|line| {
                let (place, kind) = line.split_once(" - ")?;
                let mut fields = place.split(' ').skip(3);
                kind.starts_with("cgroup2 ").then_some((fields.next()?, fields.next()?))
            })
            .next()
            .ok_or("no cgroup v2 is mounted (on /sys/fs/cgroup)")?;
        let path = own.lines().find_map(|line| line.strip_prefix("0::")).ok_or("this process is in no cgroup v2")?;
        let below = path.strip_prefix(root.trim_end_matches('/')).unwrap_or(path);
        let home = Path::new(point).join(below.trim_start_matches('/'));
        if !home.is_dir() {
            return Err(format!("the cgroup of this process, {}, cannot be seen from here", home.display()));
        }
        Ok(Home(home))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The controllers that it has.
    pub fn controllers(&self) -> Vec<String> {
        let given = fs::read_to_string(self.0.join("cgroup.controllers")).unwrap_or_default();
        given.split_whitespace().map(str::to_owned).collect()
    }

    /// Makes the cgroup of a pool as far as it can be had. The answers are the file by which a process joins it, if any limit could be set, and what is
    /// missing.
    pub fn make(&self, bus: &str, pool: &str, plan: &Plan) -> (Option<CString>, Vec<String>) {
        let files = plan.files();
        let (at, mut missing) = (self.of(bus, pool), Vec::new());
        let mut there = Vec::new();
        let given = self.controllers();
        for (controller, file, value) in files {
            if !given.iter().any(|known| known == controller) {
                missing.push(format!(
                    "{file}: the controller `{controller}` is not given to {} (it is bound to cgroup v1, or not delegated: \
                     Delegate=yes in systemd)",
                    self.0.display()
                ));
            } else if let Err(error) = self.enable(controller) {
                missing.push(format!("{file}: {error}"));
            } else {
                there.push((file, value));
            }
        }
        if there.is_empty() {
            return (None, missing);
        }
        if let Err(error) = make_folder(&at) {
            missing.push(format!("{} cannot be made: {error}", at.display()));
            return (None, missing);
        }
        for (file, value) in there {
            if let Err(error) = fs::write(at.join(file), &value) {
                missing.push(format!("{file} = {value}: {error}"));
            }
        }
        (procs_of(&at), missing)
    }

    /// Lets those below have a controller. A cgroup that has processes itself cannot give one away, so this process goes into one of its own, if
    /// it must.
    fn enable(&self, controller: &str) -> Result<(), String> {
        let control = self.0.join("cgroup.subtree_control");
        let enabled = fs::read_to_string(&control).unwrap_or_default();
        if enabled.split_whitespace().any(|known| known == controller) {
            return Ok(());
        }
        let enable = || fs::write(&control, format!("+{controller}"));
        let told = |error: io::Error| {
            format!(
                "`+{controller}` into {}: {error}; the supervisor must be alone in a cgroup that it may write \
                 (systemd-run --scope -p Delegate=yes swarmbus up …)",
                control.display()
            )
        };
        match enable() {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) => {
                let own = self.0.join("swarmbus.supervisor");
                make_folder(&own).and_then(|()| fs::write(own.join("cgroup.procs"), "0")).map_err(told)?;
                enable().map_err(told)
            }
            result => result.map_err(told),
        }
    }

    fn of(&self, bus: &str, pool: &str) -> PathBuf {
        self.0.join(format!("swarmbus.{bus}.{pool}"))
    }

    /// Removes the cgroup of a pool; one that has processes stays.
    pub fn remove(&self, bus: &str, pool: &str) {
        let _ = fs::remove_dir(self.of(bus, pool));
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

fn procs_of(at: &Path) -> Option<CString> {
    CString::new(at.join("cgroup.procs").as_os_str().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::priority::{Setting, set_in_child};
    use std::process::Command;

    #[test]
    fn files_are_named_as_the_kernel_has_them() {
        let plan = Plan { cpu: Some(150), memory: Some(1 << 30), pids: Some(9), ..Plan::default() };
        let files: Vec<String> = plan.files().into_iter().map(|(_, file, value)| format!("{file}={value}")).collect();
        assert_eq!(files, ["memory.max=1073741824", "cpu.max=150000 100000", "pids.max=9"]);
        assert!(Plan::default().is_empty() && !plan.is_empty());
    }

    /// Where cgroups may be made, a child is in the one it was put into; where not, what is missing is told.
    #[test]
    fn a_child_joins_the_cgroup_of_its_pool() {
        let home = match Home::find() {
            Ok(home) => home,
            Err(missing) => return assert!(!missing.is_empty()),
        };
        let (bus, all) = (format!("cg-{}", std::process::id()), Plan { pids: Some(50), ..Plan::default() });
        let (procs, missing) = home.make(&bus, "w", &all);
        assert_eq!(procs.is_none(), !missing.is_empty(), "{missing:?}");
        // Without controllers a cgroup still can be joined, if its folder may be made at all.
        if make_folder(&home.of(&bus, "w")).is_ok() {
            let mut command = Command::new("cat");
            command.arg("/proc/self/cgroup");
            set_in_child(&mut command, &[Setting::Cgroup(procs_of(&home.of(&bus, "w")).unwrap())]);
            let seen = String::from_utf8(command.output().unwrap().stdout).unwrap();
            assert!(seen.contains(&format!("/swarmbus.{bus}.w\n")), "{seen}");
            home.remove(&bus, "w");
            assert!(!home.of(&bus, "w").exists());
        }
    }
}
