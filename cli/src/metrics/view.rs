//! One look at a bus: what the segment says, what the run directory and `/proc` say beside it. Nobody is asked, so nobody need live.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use swarmbus_core::{
    BusInfo, LockInfo, MemberHistograms, MemberInfo, NameKind, Observer, QueueInfo, StatusInfo, TopicInfo,
};
use swarmbus_supervisor::note::{self, Entry, RunNote};
use swarmbus_supervisor::process::uptime_s;
use swarmbus_supervisor::rundir;

use super::processes::{self, Process};

/// What stands for the pool of a member that is no agent: a tool, the supervisor.
pub const NO_POOL: &str = "(none)";
/// What stands for the pool of an agent that nobody supervises.
pub const GUESTS: &str = "(guests)";
/// What stands for the pool of the coordinator.
pub const COORDINATOR: &str = "(coordinator)";
/// What stands for the pool of the supervisor's own process.
pub const SUPERVISOR: &str = "(supervisor)";
/// What stands for the pool of this process.
pub const EXPORTER: &str = "(exporter)";

/// An agent that the supervisor started, or that came by itself.
pub struct Agent<'a> {
    pub name: &'a str,
    pub pool: &'a str,
    /// Its mailbox, if it is declared.
    pub mailbox: Option<&'a QueueInfo>,
    /// Its member: the one that owns the mailbox, or another of its process.
    pub member: Option<&'a MemberInfo>,
    /// What it says of itself.
    pub status: Option<&'a StatusInfo>,
    /// Its last start, as the supervisor noted it, and whether that process lives.
    pub noted: Option<(&'a Entry, bool)>,
}

/// What stays as it is for as long as a supervisor lives, and takes the reading of a whole topology to learn.
pub struct Run {
    supervisor: Option<u32>,
    /// When it began, since the boot.
    begun: Duration,
}

/// All that one look read.
pub struct View {
    pub bus: BusInfo,
    pub members: Vec<MemberInfo>,
    pub queues: Vec<QueueInfo>,
    pub topics: Vec<TopicInfo>,
    pub locks: Vec<LockInfo>,
    pub statuses: Vec<StatusInfo>,
    pub histograms: Vec<MemberHistograms>,
    /// The processes of members and agents, by pid.
    pub processes: BTreeMap<u32, Process>,
    /// `CLOCK_MONOTONIC`, ns.
    pub now_ns: u64,
    /// The supervisor's process, if it lives.
    pub supervisor: Option<u32>,
    noted: Vec<(Entry, bool)>,
    /// When the run began, ns of `CLOCK_MONOTONIC`.
    begun_ns: Option<u64>,
    pools: HashMap<String, String>,
    mailboxes: HashSet<String>,
    by_pid: HashMap<u32, String>,
}

impl View {
    /// Looks. `ahead` are pools whose agents may be declared before they are started; `run` is what earlier looks know of the run.
    pub fn of(observer: &Observer, ahead: &[String], run: &mut Option<Run>) -> View {
        let bus = observer.bus();
        let dir = rundir::find(&bus.name);
        let journal = dir.as_deref().map(note::journal).unwrap_or_default();
        let noted: Vec<(Entry, bool)> =
            journal.into_iter().map(|entry| (entry.is_alive(), entry)).map(|(alive, entry)| (entry, alive)).collect();
        let members = observer.members();
        let is_alive = |pid: &u32| processes::read(*pid).is_some();
        let supervisor = dir.as_deref().and_then(rundir::supervisor).or(bus.supervisor_pid.filter(is_alive));
        if run.as_ref().is_none_or(|run| run.supervisor != supervisor) {
            *run = dir.as_deref().and_then(RunNote::read).map(|note| Run { supervisor, begun: note.begun.since_boot });
        }
        let mut pools: HashMap<String, String> = HashMap::new();
        for (entry, _) in &noted {
            pools.insert(entry.agent.clone(), entry.pool.clone().unwrap_or_else(|| COORDINATOR.to_owned()));
        }
        let mut mailboxes: HashSet<String> = pools.keys().cloned().collect();
        for name in observer.names("*") {
            let pool =
                name.name.rsplit_once('-').map(|(pool, _)| pool).filter(|pool| ahead.iter().any(|one| one == pool));
            match (name.kind, pool) {
                (NameKind::Queue, Some(pool)) => {
                    pools.entry(name.name.clone()).or_insert_with(|| pool.to_owned());
                }
                (NameKind::Mailbox, _) => {
                    pools.entry(name.name.clone()).or_insert_with(|| GUESTS.to_owned());
                }
                _ => continue,
            }
            mailboxes.insert(name.name);
        }
        let mut pids: HashSet<u32> =
            members.iter().filter(|member| member.state == "live").map(|member| member.pid).collect();
        pids.extend(noted.iter().filter(|(_, alive)| *alive).map(|(entry, _)| entry.pid));
        pids.extend(supervisor);
        pids.insert(std::process::id());
        let processes = pids.into_iter().filter_map(|pid| Some((pid, processes::read(pid)?))).collect();
        View {
            members,
            queues: observer.queues(),
            topics: observer.topics(),
            locks: observer.locks(),
            statuses: observer.statuses("*"),
            histograms: observer.histograms(),
            processes,
            now_ns: monotonic_ns(),
            supervisor,
            bus,
            by_pid: noted
                .iter()
                .filter(|(_, alive)| *alive)
                .map(|(entry, _)| (entry.pid, entry.agent.clone()))
                .collect(),
            noted,
            begun_ns: run.as_ref().and_then(|run| run.begun.as_nanos().try_into().ok()),
            pools,
            mailboxes,
        }
    }

    /// Whether a supervisor is or was there.
    pub fn is_supervised(&self) -> bool {
        self.supervisor.is_some() || !self.noted.is_empty()
    }

    /// The work queues and roles: what has no owner.
    pub fn work_queues(&self) -> impl Iterator<Item = &QueueInfo> {
        self.queues.iter().filter(|queue| !self.mailboxes.contains(&queue.name))
    }

    /// The pool of a member.
    pub fn pool_of(&self, agent: Option<&str>, pid: u32) -> &str {
        if pid == std::process::id() {
            return EXPORTER;
        }
        if self.supervisor == Some(pid) {
            return SUPERVISOR;
        }
        // An agent may have more handles than the one that owns its mailbox.
        let noted = || self.by_pid.get(&pid).map(String::as_str);
        let pool = agent.or_else(noted).and_then(|agent| self.pools.get(agent));
        pool.map_or(NO_POOL, String::as_str)
    }

    /// How long an agent took from the start of its process until that joined. None while the entry still says when its owner before
    /// joined: the new one has not reset it yet.
    pub fn spawn_ns(&self, agent: &Agent<'_>) -> Option<u64> {
        let (entry, member) = (agent.noted?.0, agent.member?);
        let started_ns = self.begun_ns? + u64::try_from(entry.state.since()?.as_nanos()).ok()?;
        member.joined_ns.checked_sub(started_ns).filter(|_| entry.pid == member.pid)
    }

    /// The agents, by name.
    pub fn agents(&self) -> Vec<Agent<'_>> {
        let mailboxes: HashMap<&str, &QueueInfo> =
            self.queues.iter().map(|queue| (queue.name.as_str(), queue)).collect();
        let statuses: HashMap<&str, &StatusInfo> =
            self.statuses.iter().map(|status| (status.agent.as_str(), status)).collect();
        let noted: HashMap<&str, (&Entry, bool)> =
            self.noted.iter().map(|(entry, alive)| (entry.agent.as_str(), (entry, *alive))).collect();
        let live: Vec<&MemberInfo> = self.members.iter().filter(|member| member.state == "live").collect();
        let owners: HashMap<&str, &MemberInfo> =
            live.iter().filter_map(|member| Some((member.agent.as_deref()?, *member))).collect();
        let by_pid: HashMap<u32, &MemberInfo> = live.iter().rev().map(|member| (member.pid, *member)).collect();
        // Whoever only takes from work queues does not own its mailbox.
        let member_of = |name: &str| {
            let pid = || noted.get(name).filter(|(_, alive)| *alive).map(|(entry, _)| entry.pid);
            owners.get(name).copied().or_else(|| by_pid.get(&pid()?).copied())
        };
        let mut agents: Vec<Agent<'_>> = self
            .pools
            .iter()
            .map(|(name, pool)| Agent {
                name,
                pool,
                mailbox: mailboxes.get(name.as_str()).copied(),
                member: member_of(name),
                status: statuses.get(name.as_str()).copied(),
                noted: noted.get(name.as_str()).copied(),
            })
            .collect();
        agents.sort_by_key(|agent| agent.name);
        agents
    }
}

impl Agent<'_> {
    /// `attached`: on the bus; `starting`: its process is there and not yet on the bus; `gone`.
    pub fn state(&self) -> &'static str {
        match (self.member, self.noted) {
            (Some(_), _) => "attached",
            (None, Some((_, true))) => "starting",
            _ => "gone",
        }
    }

    /// For how long its process has been there without being on the bus.
    pub fn starting_s(&self) -> Option<f64> {
        let (entry, _) = self.noted.filter(|(_, alive)| *alive && self.member.is_none())?;
        uptime_s(entry.start)
    }

    /// What it says that it does; `unsaid` if it says nothing.
    pub fn doing(&self) -> &'static str {
        self.status.map_or("unsaid", |status| status.state)
    }

    /// Messages that wait for it and could be taken; those that wait for a time cannot.
    pub fn waiting(&self) -> u64 {
        self.mailbox.map_or(0, waiting_in)
    }

    /// Messages that it has taken and not released.
    pub fn in_flight(&self) -> u64 {
        self.member.map_or(0, |member| member.in_flight)
    }
}

/// Messages of a queue that could be taken.
pub fn waiting_in(queue: &QueueInfo) -> u64 {
    let parked = queue.lanes.iter().filter(|lane| lane.lane == "parked").map(|lane| lane.depth).sum();
    queue.queued.saturating_sub(parked)
}

/// How full the fullest lane is. Of redelivery, answers and messages that wait for a time there may be more than the limit.
pub fn fullness(queue: &QueueInfo) -> f64 {
    let limited = queue.lanes.iter().filter(|lane| ["urgent", "high", "normal", "low"].contains(&lane.lane));
    let fullest = limited.map(|lane| lane.depth).max().unwrap_or(0);
    fullest as f64 / f64::from(queue.limit.max(1))
}

fn monotonic_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}
