//! From a look and what was seen before: the rows of all views.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use swarmbus_core::{LatencyKinds, LockInfo, MemberInfo, QueueInfo, StatusInfo, TopicInfo};

use super::history::History;
use super::look::Look;
use super::problems::{self, Limits};
use super::rows::{AgentRow, Alarm, Oldest, PoolRow, QueueRow, Rates};
use super::rows_shared::{LockRow, Problem, TopicRow};

/// The bus in a line or two.
#[derive(Clone, Debug, Serialize)]
pub struct BusLine {
    /// Its name.
    pub name: String,
    /// `ready` or `destroying`.
    pub state: &'static str,
    /// How long it has been there, seconds.
    pub uptime_s: u64,
    /// The supervisor's process.
    pub supervisor_pid: Option<u32>,
    /// Members.
    pub members: u32,
    /// Most members.
    pub members_max: u32,
    /// Memory in use, bytes.
    pub committed_bytes: u64,
    /// The heap's size, bytes.
    pub heap_bytes: u64,
    /// How much of the heap is given to messages, in hundredths.
    pub heap_used: u64,
    /// Messages that wait in queues.
    pub queued: u64,
    /// Messages taken and not released.
    pub in_flight: u64,
    /// What all members do a second.
    pub rates: Option<Rates>,
}

/// Everything that is shown of a moment.
#[derive(Serialize)]
pub struct Picture {
    /// The bus.
    pub bus: BusLine,
    /// What is not as it should be, most urgent first.
    pub problems: Vec<Problem>,
    /// Pools.
    pub pools: Vec<PoolRow>,
    /// Agents.
    pub agents: Vec<AgentRow>,
    /// Mailboxes and queues.
    pub queues: Vec<QueueRow>,
    /// Topics.
    pub topics: Vec<TopicRow>,
    /// Locks.
    pub locks: Vec<LockRow>,
    /// What was seen, for pages of one thing.
    #[serde(skip)]
    pub look: Look,
}

impl Picture {
    /// Of this look, and those before.
    pub fn of(look: Look, history: &mut History, limits: &Limits) -> Picture {
        history.see(&look);
        let mut agents = agents(&look, history);
        let mut queues: Vec<QueueRow> = look.queues.iter().map(|queue| self::queue(queue, history)).collect();
        let mut topics: Vec<TopicRow> = look.topics.iter().map(|topic| self::topic(topic, history)).collect();
        let mut locks: Vec<LockRow> = look.locks.iter().map(|lock| self::lock(lock, &look)).collect();
        let bus = bus(&look, history);
        let problems = problems::find(&look, &bus, limits, &mut agents, &mut queues, &mut topics, &mut locks);
        let pools = pools(&agents);
        Picture { bus, problems, pools, agents, queues, topics, locks, look }
    }
}

fn bus(look: &Look, history: &History) -> BusLine {
    let heap = &look.bus.heap;
    BusLine {
        name: look.bus.name.clone(),
        state: look.bus.state,
        uptime_s: look.unix_s.saturating_sub(look.bus.created_unix_s),
        supervisor_pid: look.bus.supervisor_pid.filter(|pid| !look.gone.contains(pid)),
        members: look.bus.members,
        members_max: look.bus.agents_max,
        committed_bytes: look.bus.committed_bytes,
        heap_bytes: heap.bytes,
        heap_used: hundredths(heap.spans_active.into(), heap.spans.into()),
        queued: look.queues.iter().map(|queue| queue.queued).sum(),
        in_flight: heap.chunks.in_flight,
        rates: history.of_all(),
    }
}

fn hundredths(part: u64, whole: u64) -> u64 {
    part * 100 / whole.max(1)
}

/// The words for states in a column; `inspect` has them in full.
fn state_word(state: &'static str) -> &'static str {
    match state {
        "waiting_for_dependencies" => "waiting",
        "in_progress" => "in progress",
        other => other,
    }
}

fn agents(look: &Look, history: &History) -> Vec<AgentRow> {
    let queues: HashMap<&str, &QueueInfo> = look.queues.iter().map(|queue| (queue.name.as_str(), queue)).collect();
    let statuses: HashMap<&str, &StatusInfo> = look.statuses.iter().map(|one| (one.agent.as_str(), one)).collect();
    let latencies: HashMap<u16, &LatencyKinds> =
        look.latencies.members.iter().map(|member| (member.index, &member.kinds)).collect();
    let mut there = HashSet::new();
    let mut rows = Vec::with_capacity(look.members.len());
    for member in &look.members {
        let mut row = member_row(member, look, history);
        if let Some(kinds) = latencies.get(&member.index).filter(|kinds| kinds.queueing.count > 0) {
            (row.p50_ns, row.p99_ns) = (Some(kinds.queueing.p50_ns), Some(kinds.queueing.p99_ns));
        }
        if let Some(name) = &member.agent {
            there.insert(name.as_str());
            owned(&mut row, name, look, history, queues.get(name.as_str()), statuses.get(name.as_str()));
        }
        rows.push(row);
    }
    // One that has come since the members were looked at is not one that has left.
    let has_left = |status: &&StatusInfo| status.pid.is_none() && !there.contains(status.agent.as_str());
    for status in look.statuses.iter().filter(has_left) {
        let mut row = AgentRow { name: status.agent.clone(), ..AgentRow::default() };
        let queue = queues.get(status.agent.as_str());
        owned(&mut row, &status.agent, look, history, queue, Some(&status));
        row.state = "left".to_owned();
        rows.push(row);
    }
    rows
}

fn member_row(member: &MemberInfo, look: &Look, history: &History) -> AgentRow {
    let is_dead = member.state != "live" || look.gone.contains(&member.pid);
    let is_supervisor = look.bus.supervisor_pid == Some(member.pid);
    let name = match &member.agent {
        Some(name) => name.clone(),
        None if is_supervisor => "(supervisor)".to_owned(),
        None => format!("(member {})", member.index),
    };
    AgentRow {
        pool: member.agent.as_deref().and_then(pool_of).map(str::to_owned),
        name,
        pid: Some(member.pid).filter(|pid| *pid != 0),
        state: if is_dead { "dead" } else { "" }.to_owned(),
        in_flight: member.in_flight,
        rates: history.of_member(member.index, member.incarnation),
        refused: member.counters.refused,
        ..AgentRow::default()
    }
}

/// What the mailbox and the status of an agent tell.
fn owned(
    row: &mut AgentRow,
    name: &str,
    look: &Look,
    history: &History,
    queue: Option<&&QueueInfo>,
    status: Option<&&StatusInfo>,
) {
    row.pool = pool_of(name).map(str::to_owned);
    row.inbox = queue.map(|queue| queue.queued);
    row.oldest = history.of_queue(name).1;
    let Some(status) = status else { return };
    if row.state.is_empty() {
        row.state = state_word(status.state).to_owned();
    }
    row.goals = (status.total > 0 || status.done > 0).then_some((status.done, status.total));
    row.since_ns = look.monotonic_ns.filter(|_| status.since_ns > 0).map(|now| now.saturating_sub(status.since_ns));
    row.task.clone_from(&status.task);
}

/// The pool of `NAME-3` is `NAME`, as the supervisor names its agents.
pub fn pool_of(agent: &str) -> Option<&str> {
    let (pool, number) = agent.rsplit_once('-')?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(pool)
}

/// Agents without a number, and members that are none, stand under these names.
const SINGLE: &str = "(single agents)";
const OTHERS: &str = "(other members)";

fn pools(agents: &[AgentRow]) -> Vec<PoolRow> {
    let mut pools: BTreeMap<&str, PoolRow> = BTreeMap::new();
    for agent in agents {
        let is_member_only = agent.name.starts_with('(');
        let name = agent.pool.as_deref().unwrap_or(if is_member_only { OTHERS } else { SINGLE });
        let row = pools.entry(name).or_insert_with(|| PoolRow { name: name.to_owned(), ..PoolRow::default() });
        row.agents += 1;
        match agent.state.as_str() {
            "in progress" => row.working += 1,
            "waiting" => row.waiting += 1,
            "blocked" => row.blocked += 1,
            "dead" | "left" => row.gone += 1,
            _ => {}
        }
        row.inbox += agent.inbox.unwrap_or(0);
        row.in_flight += agent.in_flight;
        row.refused += agent.refused;
        row.alarm = row.alarm.max(agent.alarm);
        row.oldest = older(row.oldest, agent.oldest);
        if let Some(rates) = agent.rates {
            let sum = row.rates.get_or_insert_default();
            sum.sent += rates.sent;
            sum.received += rates.received;
            sum.refused += rates.refused;
        }
    }
    pools.into_values().collect()
}

fn older(a: Option<Oldest>, b: Option<Oldest>) -> Option<Oldest> {
    [a, b].into_iter().flatten().max_by_key(|oldest| oldest.ns)
}

fn queue(queue: &QueueInfo, history: &History) -> QueueRow {
    // What parks waits for its time, not for room.
    let fullest = queue.lanes.iter().filter(|lane| lane.lane != "parked").map(|lane| lane.depth).max().unwrap_or(0);
    let (rates, oldest) = history.of_queue(&queue.name);
    let is_full = fullest >= u64::from(queue.limit) && fullest > 0;
    QueueRow {
        name: queue.name.clone(),
        state: if queue.closed {
            "closed"
        } else if is_full {
            "full"
        } else {
            "open"
        },
        owner: queue.owner,
        queued: queue.queued,
        used: hundredths(fullest, queue.limit.into()),
        oldest,
        in_flight: queue.in_flight,
        rates,
        sent: queue.sent,
        lost: queue.undelivered + queue.dropped,
        alarm: Alarm::None,
    }
}

fn topic(topic: &TopicInfo, history: &History) -> TopicRow {
    TopicRow {
        name: topic.name.clone(),
        policy: topic.policy.as_str(),
        subscribers: topic.subscribers.len(),
        behind: topic.subscribers.iter().map(|one| one.behind).max().unwrap_or(0),
        capacity: topic.capacity.into(),
        missed: topic.subscribers.iter().map(|one| one.missed).sum(),
        dropped: topic.dropped,
        published: topic.published,
        rate: history.of_topic(&topic.name),
        bytes: topic.retained_bytes,
        alarm: Alarm::None,
    }
}

fn lock(lock: &LockInfo, look: &Look) -> LockRow {
    let is_held = lock.state == "held";
    let waits = |other: &&LockInfo| other.state != "held" && other.name == lock.name;
    LockRow {
        name: lock.name.clone(),
        mode: lock.mode.as_str(),
        state: lock.state,
        agent: lock.agent.clone().unwrap_or_else(|| format!("(member {})", lock.member)),
        pid: lock.pid,
        since_ns: look.monotonic_ns.map(|now| now.saturating_sub(lock.since_ns)),
        behind: lock.waits_behind,
        waiters: if is_held { look.locks.iter().filter(waits).count() as u32 } else { 0 },
        key: format!("{} {} {}", lock.name, lock.member, lock.since_ns),
        alarm: Alarm::None,
    }
}
