//! Processes: starting one in a group of its own, signalling it, and telling it apart from a later one of the same number.

use crate::config::Launch;
use crate::exit::Exit;
use crate::foreign;
use crate::priority::{Limit, Setting};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getpgid, getrlimit, kill_process_group,
    pidfd_open, pidfd_send_signal, prlimit, setrlimit, waitid,
};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Where a process writes.
#[derive(Clone, Copy, Debug)]
pub enum Output<'a> {
    /// Where the supervisor writes.
    Inherit,
    /// To this file, behind what is there. A file outlives the supervisor; a pipe would break with it.
    File(&'a Path),
}

/// The moment at which a process was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// When, counted from the beginning of the run.
    pub when: Duration,
    /// How long its log was: what it writes begins there.
    pub log_from: u64,
}

/// A child and the descriptor that becomes readable when it ends.
#[derive(Debug)]
pub struct Spawned {
    /// Its number; also that of its group.
    pub pid: u32,
    /// Its descriptor.
    pub pidfd: OwnedFd,
}

/// Starts processes; knows the limits they are to have.
#[derive(Debug)]
pub struct Spawner {
    /// The limit of open files that children get back after the supervisor has raised its own.
    files: Option<Rlimit>,
}

impl Spawner {
    /// Makes room for a descriptor per child. The error is the most children that there is room for.
    pub fn new(children: u32) -> Result<Spawner, u64> {
        let files = room_for(children);
        match getrlimit(Resource::Nofile).current {
            Some(most) if most < needed(children) => Err(most.saturating_sub(SPARE_FILES)),
            _ => Ok(Spawner { files }),
        }
    }

    /// Makes room for more children. The error is the most children that there is room for.
    pub fn make_room(&mut self, children: u32) -> Result<(), u64> {
        let raised = Spawner::new(children)?;
        // The first limit is the one that children are to have.
        self.files = self.files.take().or(raised.files);
        Ok(())
    }

    /// Starts a process: in a group of its own, so that the terminal's Ctrl-C does not reach it, with nothing to read,
    /// and with no tie that would end it together with the supervisor.
    pub fn spawn(&self, launch: &Launch, dir: &Path, output: Output<'_>) -> io::Result<Spawned> {
        let mut command = launch.command(dir);
        if let Output::File(path) = output {
            let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
            command.stdout(file.try_clone()?).stderr(file);
        }
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        // The child is ours and has not been waited for, so its number cannot mean another process yet.
        let pidfd = match pidfd(child.id()) {
            Ok(pidfd) => pidfd,
            Err(error) => {
                let _ = kill_process_group(pid, Signal::KILL);
                let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED);
                return Err(error);
            }
        };
        let has_own = launch.settings.iter().any(|setting| matches!(setting, Setting::Limit(Limit::Nofile, _)));
        if let Some(files) = self.files.as_ref().filter(|_| !has_own) {
            let _ = prlimit(Some(pid), Resource::Nofile, *files);
        }
        Ok(Spawned { pid: child.id(), pidfd })
    }
}

impl Launch {
    /// As the standard library has it: in a group of its own and with nothing to read.
    pub fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(dir).process_group(0).stdin(Stdio::null());
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        crate::priority::set_in_child(&mut command, &self.settings);
        command
    }
}

/// Descriptors for everything but processes: the segment, the control socket and its clients, files on their way to a child.
const SPARE_FILES: u64 = 96;

fn needed(processes: u32) -> u64 {
    u64::from(processes) + SPARE_FILES
}

/// Sees to it that this process may open a descriptor for each of so many processes. If the limit had to be raised, the
/// answer is what it was.
pub fn room_for(processes: u32) -> Option<Rlimit> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = needed(processes);
    if limit.current.is_none_or(|current| current >= wanted) {
        return None;
    }
    let current = limit.maximum.map_or(wanted * 2, |most| most.min(wanted * 2));
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), ..limit }).is_ok().then_some(limit)
}

/// A descriptor of a process, which becomes readable when it ends.
pub fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid.cast_signed()).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// Collects a child that has ended, together with what is left of its group. `None`: it has not ended.
pub fn collect(pid: u32, pidfd: &OwnedFd) -> Option<Exit> {
    // While the leader is a zombie the group's number is taken, so this cannot hit anybody else.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::PidFd(pidfd.as_fd()), options) {
        Ok(Some(_)) => signal_group(pid, Signal::KILL),
        Ok(None) => return None,
        // Not our child: another supervisor started it.
        Err(_) if has_ended(pidfd) => return Some(foreign::exit_of(pid, pidfd)),
        Err(_) => return None,
    }
    match waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
        Ok(Some(status)) => Some(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Unknown,
        }),
        _ => Some(Exit::Unknown),
    }
}

/// Whether the process of a descriptor has ended, collected or not.
pub fn has_ended(pidfd: &OwnedFd) -> bool {
    let now = rustix::fs::Timespec::default();
    poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&now)) != Ok(0)
}

/// Signals the whole group of a child that has not been collected.
pub fn signal_group(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process_group(pid, signal);
        if signal == Signal::TERM {
            // A stopped process could not answer.
            let _ = kill_process_group(pid, Signal::CONT);
        }
    }
}

/// The leader of a process's group; a thread of the kernel has none.
pub fn group_of(pid: u32) -> Option<u32> {
    stat(pid, 2).and_then(|leader| u32::try_from(leader).ok()).filter(|leader| *leader > 0)
}

/// What tells a process from a later one with the same number: its start time, in ticks since the boot.
pub fn start_ticks(pid: u32) -> Option<u64> {
    stat(pid, 19)
}

/// A field of `/proc/PID/stat`, counted from the one after the name.
fn stat(pid: u32, field: usize) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the fields after it are numbers.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(field)?.parse().ok()
}

/// Whether the process that started at this time still runs. A zombie does not.
pub fn is_alive(pid: u32, start: u64) -> bool {
    Stranger::hold(pid, false, || start_ticks(pid) == Some(start)).is_some_and(|process| process.is_alive())
}

/// How long a process has been there, in seconds.
pub fn uptime_s(start_ticks: u64) -> Option<f64> {
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let since_boot: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    Some((since_boot - start_ticks as f64 / ticks).max(0.0))
}

/// The identity of this boot.
pub fn boot_id() -> String {
    static BOOT: OnceLock<String> = OnceLock::new();
    let read = || std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
    BOOT.get_or_init(read).clone()
}

/// A process of an earlier supervisor, held by a descriptor, so that it cannot be mistaken for another.
#[derive(Debug)]
pub struct Stranger {
    /// Its number.
    pub pid: u32,
    /// Whether it leads a group that is to be signalled as a whole.
    leads: bool,
    pidfd: OwnedFd,
}

impl Stranger {
    /// Takes hold of a process, if `still` says, after the descriptor is open, that it is the one meant.
    pub fn hold(pid: u32, whole_group: bool, still: impl FnOnce() -> bool) -> Option<Stranger> {
        let pidfd = pidfd(pid).ok()?;
        if !still() {
            return None;
        }
        let raw = Pid::from_raw(pid.cast_signed());
        let leads = whole_group && getpgid(raw).ok() == raw;
        Some(Stranger { pid, leads, pidfd })
    }

    /// Signals it, and its group if it leads one.
    pub fn signal(&self, signal: Signal) {
        if self.is_alive() {
            if self.leads {
                signal_group(self.pid, signal);
            } else {
                let _ = pidfd_send_signal(&self.pidfd, signal);
                if signal == Signal::TERM {
                    let _ = pidfd_send_signal(&self.pidfd, Signal::CONT);
                }
            }
        }
    }

    /// Whether it is still there.
    pub fn is_alive(&self) -> bool {
        !has_ended(&self.pidfd)
    }

    /// Gives the descriptor away.
    pub fn into_pidfd(self) -> OwnedFd {
        self.pidfd
    }

    /// Waits until it has ended, at most until `deadline`.
    pub fn wait(&self, deadline: std::time::Instant) {
        loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            let Ok(left) = rustix::fs::Timespec::try_from(left) else { return };
            match poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], Some(&left)) {
                Err(rustix::io::Errno::INTR) => continue,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn launch(script: &str) -> Launch {
        Launch {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: Vec::new(),
            settings: Vec::new(),
        }
    }

    fn run(script: &str) -> (u32, Exit) {
        let child = Spawner::new(1).unwrap().spawn(&launch(script), Path::new("/"), Output::Inherit).unwrap();
        let stranger = Stranger::hold(child.pid, true, || true).unwrap();
        stranger.wait(Instant::now() + Duration::from_secs(60));
        (child.pid, collect(child.pid, &child.pidfd).expect("it has ended"))
    }

    #[test]
    fn exits_are_collected() {
        assert_eq!(run("exit 3").1, Exit::Code(3));
        assert_eq!(run("kill -9 $$").1, Exit::Signal(9));
    }

    #[test]
    fn a_living_child_is_not_collected_and_leads_its_group() {
        let child =
            Spawner::new(1).unwrap().spawn(&launch("sleep 600 & wait"), Path::new("/"), Output::Inherit).unwrap();
        assert_eq!(collect(child.pid, &child.pidfd), None);
        assert_eq!(group_of(child.pid), Some(child.pid));
        assert!(start_ticks(child.pid).is_some());
        let stranger = Stranger::hold(child.pid, true, || true).unwrap();
        assert!(stranger.is_alive());
        stranger.signal(Signal::KILL);
        stranger.wait(Instant::now() + Duration::from_secs(60));
        assert!(!stranger.is_alive());
        assert_eq!(collect(child.pid, &child.pidfd), Some(Exit::Signal(9)));
    }

    #[test]
    fn a_process_that_is_not_meant_is_not_held() {
        assert!(Stranger::hold(std::process::id(), false, || false).is_none());
    }

    #[test]
    fn every_process_can_be_asked_for_its_group() {
        let ours = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = ours.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let led = pids.filter(|pid| group_of(*pid) == Some(*pid)).count();
        assert!(led > 0 && group_of(std::process::id()).is_some());
    }

    #[test]
    fn our_own_age_is_known() {
        let age_s = uptime_s(start_ticks(std::process::id()).unwrap()).unwrap();
        assert!(age_s < 3600.0, "{age_s}");
        assert!(!boot_id().is_empty());
    }
}
