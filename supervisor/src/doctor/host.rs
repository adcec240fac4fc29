//! Limits, the tmpfs, containers, cgroups.

use super::{Finding, State};
use crate::cgroup::Home;
use crate::host::Room;
use bytesize::ByteSize;
use rustix::process::{Resource, getrlimit};
use std::fs;

/// As many agents as a large swarm on one host has; less is worth a warning.
const MANY: u64 = 1000;
/// Less is not enough for a small one.
const FEW: u64 = 128;

pub fn findings() -> Vec<Finding> {
    let mut findings = vec![open_files(), processes()];
    findings.extend([number("threads-max"), number("pid_max")].into_iter().flatten());
    findings.extend(pids_of_cgroup());
    findings.extend(shared_memory());
    findings.extend(container());
    findings.push(cgroups());
    findings
}

fn text(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

/// `room`: what is left for agents.
fn judge(finding: Finding, room: Option<u64>, means: &str, fix: &str) -> Finding {
    match room {
        Some(room) if room < FEW => finding.but(State::Bad, means, fix),
        Some(room) if room < MANY => finding.but(State::Warn, means, fix),
        _ => finding,
    }
}

fn open_files() -> Finding {
    let limit = getrlimit(Resource::Nofile);
    let found = format!("{}, up to {}", text(limit.current), text(limit.maximum));
    // The supervisor raises its own limit as far as it may.
    judge(
        Finding::ok("open files", found),
        limit.maximum.map(|most| most.saturating_sub(96)),
        "the supervisor has a descriptor for each agent, and refuses to start more agents than that",
        "ulimit -Hn 65536; for good: LimitNOFILE= in systemd, nofile in /etc/security/limits.conf; docker run --ulimit nofile=65536",
    )
}

fn processes() -> Finding {
    let limit = getrlimit(Resource::Nproc);
    judge(
        Finding::ok("processes of the user", format!("{}, up to {}", text(limit.current), text(limit.maximum))),
        limit.current,
        "fork fails beyond it, for the user as a whole, threads included",
        "ulimit -u 65536; for good: LimitNPROC= in systemd, nproc in /etc/security/limits.conf",
    )
}

fn number(name: &str) -> Option<Finding> {
    let value: u64 = fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?.trim().parse().ok()?;
    let fix = format!("sysctl kernel.{name}=4194304; for good: a line in /etc/sysctl.d/");
    // What the host itself needs is not there for agents.
    let room = value.saturating_sub(2000);
    Some(judge(Finding::ok(name, value.to_string()), Some(room), "the most tasks of the whole host", &fix))
}

/// What the cgroup of this process allows, by either version.
fn pids_of_cgroup() -> Option<Finding> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = |line: &str| {
        if let Some(path) = line.strip_prefix("0::") {
            return Some(format!("/sys/fs/cgroup{path}/pids.max"));
        }
        let mut parts = line.splitn(3, ':').skip(1);
        let is_pids = parts.next()?.split(',').any(|name| name == "pids");
        let path = parts.next()?;
        is_pids.then(|| format!("/sys/fs/cgroup/pids{path}/pids.max"))
    };
    let most = own.lines().filter_map(path).filter_map(|path| fs::read_to_string(path).ok()).next()?;
    let most: Option<u64> = most.trim().parse().ok();
    Some(judge(
        Finding::ok("pids.max of the cgroup", text(most)),
        most,
        "fork fails beyond it, for the container or service as a whole",
        "docker run --pids-limit=-1; TasksMax=infinity in systemd",
    ))
}

fn shared_memory() -> Vec<Finding> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mount = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .rfind(|fields| fields.get(1) == Some(&"/dev/shm"));
    let kind = mount.as_ref().and_then(|fields| fields.get(2)).copied().unwrap_or("not mounted");
    let options = mount.as_ref().and_then(|fields| fields.get(3)).copied().unwrap_or_default();
    let check = Finding::ok("/dev/shm", format!("{kind} ({options})"));
    if kind != "tmpfs" {
        let means = "segments lie there; on anything but tmpfs they are written to a disk, or cannot be made";
        return vec![check.but(State::Bad, means, "mount -t tmpfs -o mode=1777,size=50% tmpfs /dev/shm")];
    }
    let mut findings = vec![if options.split(',').any(|option| option == "ro") {
        check.but(State::Bad, "nobody can make a bus", "mount -o remount,rw /dev/shm")
    } else {
        check
    }];
    let Some(Room { total, free }) = crate::host::shared_memory() else { return findings };
    let found = format!("{}, {} free", ByteSize::b(total), ByteSize::b(free));
    let size = Finding::ok("/dev/shm size", found);
    let means = "a bus cannot grow beyond it: senders are told that it is out of memory";
    let fix = "mount -o remount,size=2G /dev/shm; docker run --shm-size=2g; Kubernetes: an emptyDir of medium Memory at /dev/shm";
    findings.push(match free {
        _ if total == 0 => size,
        0..0x0400_0000 => size.but(State::Bad, means, fix),
        0x0400_0000..0x4000_0000 => size.but(State::Warn, means, fix),
        _ => size,
    });
    findings
}

/// The inode of the first process namespace of a host.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

fn container() -> Option<Finding> {
    let marks = ["/.dockerenv", "/run/.containerenv"];
    let in_namespace = fs::read_link("/proc/self/ns/pid").is_ok_and(|at| at.as_os_str() != FIRST_PID_NAMESPACE);
    if !in_namespace && !marks.iter().any(|mark| fs::exists(mark).unwrap_or(false)) {
        return Some(Finding::ok("container", "none"));
    }
    let found = if in_namespace { "a process namespace of its own" } else { "yes, with the processes of the host" };
    Some(Finding::ok("container", found).but(
        State::Ok,
        "only processes of this container can share a bus, as long as /dev/shm and the processes are its own",
        "for several containers on one bus: docker run --ipc=container:NAME --pid=container:NAME, in Kubernetes \
         shareProcessNamespace and one /dev/shm; otherwise nothing is to be done",
    ))
}

fn cgroups() -> Finding {
    let missing = match Home::find() {
        Ok(home) => {
            let (wanted, given) = (["memory", "cpu", "io", "pids"], home.controllers());
            let lacks: Vec<&str> =
                wanted.into_iter().filter(|wanted| !given.iter().any(|known| known == wanted)).collect();
            if lacks.is_empty() {
                return Finding::ok("cgroup v2", given.join(" "));
            }
            format!("{} is not given {}", home.path().display(), lacks.join(", "))
        }
        Err(missing) => missing,
    };
    Finding::ok("cgroup v2", missing).but(
        State::Ok,
        "`cgroup` limits of pools are not available, or not all; everything else works",
        "start in a cgroup v2 of its own: systemd-run --scope -p Delegate=yes swarmbus up …",
    )
}
