//! Agents by pool: what they do, what they counted and measured, and what their processes take. One by one only if that is asked for.

use std::collections::BTreeMap;

use swarmbus_core::{BUCKET_ENDS_NS, CounterInfo, Histogram, bucket_of};

use super::looker::{Memory, QueueGroup, counters_of};
use super::page::{Figure, Labels, Page};
use super::processes::ticks_per_second;
use super::queues::counts_of;
use super::view::{Agent, View, fullness};

fn of_pool(pool: &str) -> Labels {
    vec![("pool", pool.to_owned())]
}

/// What members counted, by pool.
pub fn members(page: &mut Page, view: &View, memory: &mut Memory) {
    for member in &view.members {
        let pool = view.pool_of(member.agent.as_deref(), member.pid).to_owned();
        memory.counters.see(member.index, (member.incarnation, member.pid), pool, counters_of(member));
    }
    let counters = [
        ("swarmbus_sent_messages", "Messages sent, published and passed on, by pool of the sender"),
        ("swarmbus_sent_bytes", "Bytes of these messages"),
        ("swarmbus_received_messages", "Messages received, redeliveries included, by pool of the receiver"),
        ("swarmbus_received_bytes", "Bytes of these messages"),
        ("swarmbus_released_messages", "Messages released, by pool of the receiver"),
        ("swarmbus_given_back_messages", "Messages that were given back to their queue"),
        ("swarmbus_refused_sends", "Sends that came to nothing: full, closed, out of memory, out of time"),
        ("swarmbus_sleeps", "How often somebody went to sleep, each at least one system call"),
    ];
    for (at, (name, help)) in counters.into_iter().enumerate() {
        let family = page.counter(name, help);
        memory.counters.sums().for_each(|(pool, sums)| family.put(of_pool(pool), sums[at]));
    }
}

/// What is gathered of the agents of a pool.
#[derive(Default)]
struct Pool {
    states: BTreeMap<&'static str, u64>,
    doing: BTreeMap<&'static str, u64>,
    waiting: u64,
    in_flight: u64,
    unowned: u64,
    fullest: f64,
    starting_s: f64,
    /// By what they say that they do.
    pending_s: BTreeMap<&'static str, f64>,
    beat_s: Option<f64>,
}

/// Agents and their mailboxes, by pool and, if that is asked for, one by one.
pub fn pools(page: &mut Page, view: &View, memory: &mut Memory, per_agent: bool) {
    let agents = view.agents();
    let mut pools: BTreeMap<&str, Pool> = BTreeMap::new();
    let mut pending = Vec::with_capacity(agents.len());
    for agent in &agents {
        let pending_s = memory.pending(agent).as_secs_f64();
        pending.push(pending_s);
        gather(pools.entry(agent.pool).or_default(), agent, pending_s);
        if let Some(mailbox) = agent.mailbox {
            memory.queues.see(mailbox.name.clone(), (), QueueGroup::Pool(agent.pool.to_owned()), counts_of(mailbox));
        }
        if let Some((spawn_ns, (noted, _))) = view.spawn_ns(agent).zip(agent.noted) {
            memory.spawns.see(agent.name.to_owned(), (noted.pid, noted.start), agent.pool.to_owned(), one_of(spawn_ns));
        }
        if let Some((noted, _)) = agent.noted {
            memory.restarts.see(agent.name.to_owned(), (), agent.pool.to_owned(), [u64::from(noted.restarts)]);
        }
    }
    let states = page.gauge(
        "swarmbus_agents",
        "Agents by pool: attached (on the bus), starting (their process is there and not yet on the bus), gone",
    );
    for (pool, gathered) in &pools {
        for state in ["attached", "starting", "gone"] {
            states.put(
                vec![("pool", (*pool).to_owned()), ("state", state.to_owned())],
                gathered.states.get(state).copied().unwrap_or(0),
            );
        }
    }
    let doing = page.gauge("swarmbus_agents_by_status", "Agents on the bus by what they say that they do");
    for (pool, gathered) in &pools {
        gathered.doing.iter().for_each(|(status, count)| doing.put(with_status(pool, status), *count));
    }
    let longest = page.gauge("swarmbus_agents_longest_pending_seconds", "The longest time for which an agent has had messages, waiting or in hand, and neither sent, took, released nor gave back one; by what it says that it does");
    for (pool, gathered) in &pools {
        gathered
            .pending_s
            .iter()
            .for_each(|(status, pending_s)| longest.put_real(with_status(pool, status), *pending_s));
    }
    let beats = page.gauge(
        "swarmbus_agents_oldest_beat_seconds",
        "The longest time since the last beat of an agent on the bus that ever beat",
    );
    pools
        .iter()
        .filter_map(|(pool, gathered)| Some((pool, gathered.beat_s?)))
        .for_each(|(pool, beat_s)| beats.put_real(of_pool(pool), beat_s));
    let mut each = |name, help, value: &dyn Fn(&Pool) -> u64| {
        let family = page.gauge(name, help);
        pools.iter().for_each(|(pool, gathered)| family.put(of_pool(pool), value(gathered)));
    };
    each("swarmbus_mailbox_waiting_messages", "Messages that wait in the mailboxes of a pool", &|pool| pool.waiting);
    each("swarmbus_mailbox_unowned_messages", "Messages that wait in mailboxes whose agents are not there", &|pool| {
        pool.unowned
    });
    each(
        "swarmbus_agents_in_flight_messages",
        "Messages that the agents of a pool have taken and not yet released",
        &|pool| pool.in_flight,
    );
    let fullest =
        page.gauge("swarmbus_mailbox_fullest_ratio", "How full the fullest lane of a mailbox of a pool is, 0 to 1");
    pools.iter().for_each(|(pool, gathered)| fullest.put_real(of_pool(pool), gathered.fullest));
    let starting = page.gauge(
        "swarmbus_agents_longest_starting_seconds",
        "The longest time for which the process of an agent is there without being on the bus",
    );
    pools.iter().for_each(|(pool, gathered)| starting.put_real(of_pool(pool), gathered.starting_s));
    mailbox_counters(page, memory);
    if per_agent {
        one_by_one(page, view, &agents, &pending);
    }
}

fn with_status(pool: &str, status: &str) -> Labels {
    vec![("pool", pool.to_owned()), ("status", status.to_owned())]
}

fn gather(pool: &mut Pool, agent: &Agent<'_>, pending_s: f64) {
    *pool.states.entry(agent.state()).or_default() += 1;
    pool.in_flight += agent.in_flight();
    let Some(mailbox) = agent.mailbox else { return };
    pool.waiting += mailbox.queued;
    pool.fullest = pool.fullest.max(fullness(mailbox));
    if mailbox.owner.is_none() {
        pool.unowned += mailbox.queued;
    }
    if agent.member.is_none() {
        pool.starting_s = pool.starting_s.max(agent.starting_s().unwrap_or(0.0));
        return;
    }
    *pool.doing.entry(agent.doing()).or_default() += 1;
    let longest = pool.pending_s.entry(agent.doing()).or_default();
    *longest = longest.max(pending_s);
    let beat_s = beat_s(agent);
    pool.beat_s = pool.beat_s.into_iter().chain(beat_s).reduce(f64::max);
}

fn beat_s(agent: &Agent<'_>) -> Option<f64> {
    Some(agent.status?.beat_age_ns? as f64 / 1e9)
}

fn mailbox_counters(page: &mut Page, memory: &Memory) {
    let restarts = page.counter("swarmbus_agent_restarts", "How often agents of a pool were started again");
    memory.restarts.sums().for_each(|(pool, [sum])| restarts.put(of_pool(pool), *sum));
    let counters = [
        ("swarmbus_mailbox_sent_messages", "Messages put into the mailboxes of a pool, redeliveries included"),
        ("swarmbus_mailbox_taken_messages", "Messages taken from the mailboxes of a pool, redeliveries included"),
        (
            "swarmbus_mailbox_undelivered_messages",
            "Messages of the mailboxes of a pool that became dead letters, or were dropped for want of a queue for them",
        ),
        ("swarmbus_mailbox_dropped_messages", "Messages of the mailboxes of a pool that were dropped for good"),
    ];
    for (at, (name, help)) in counters.into_iter().enumerate() {
        let family = page.counter(name, help);
        for (group, sums) in memory.queues.sums() {
            if let QueueGroup::Pool(pool) = group {
                family.put(of_pool(pool), sums[at]);
            }
        }
    }
}

/// A histogram of one sample.
fn one_of(ns: u64) -> Histogram {
    let mut counts = [0; BUCKET_ENDS_NS.len()];
    counts[bucket_of(ns)] = 1;
    counts
}

/// Series of each agent: as many as there are agents, so only for those who want that.
fn one_by_one(page: &mut Page, view: &View, agents: &[Agent<'_>], pending: &[f64]) {
    let labels = |agent: &Agent<'_>| vec![("agent", agent.name.to_owned()), ("pool", agent.pool.to_owned())];
    let mut each = |name, help, value: &dyn Fn(&Agent<'_>) -> Option<u64>| {
        let family = page.gauge(name, help);
        agents
            .iter()
            .filter_map(|agent| Some((agent, value(agent)?)))
            .for_each(|(agent, value)| family.put(labels(agent), value));
    };
    each("swarmbus_agent_attached", "Whether an agent is on the bus (1)", &|agent| {
        Some(u64::from(agent.member.is_some()))
    });
    each("swarmbus_agent_waiting_messages", "Messages that wait in the mailbox of an agent", &|agent| {
        Some(agent.mailbox?.queued)
    });
    each("swarmbus_agent_in_flight_messages", "Messages that an agent has taken and not yet released", &|agent| {
        Some(agent.in_flight())
    });
    let memory_of = |agent: &Agent<'_>| {
        let pid = agent.member.map(|member| member.pid).or_else(|| agent.noted.map(|(noted, _)| noted.pid))?;
        view.processes.get(&pid).map(|process| process.anonymous_bytes)
    };
    each("swarmbus_agent_anonymous_bytes", "Heap and stack of an agent's process", &memory_of);
    let family = page.gauge("swarmbus_agent_pending_seconds", "For how long an agent has had messages, waiting or in hand, and neither sent, took, released nor gave back one");
    agents.iter().zip(pending).for_each(|(agent, pending_s)| family.put_real(labels(agent), *pending_s));
    let family = page.gauge("swarmbus_agent_beat_seconds", "How long ago an agent beat");
    agents
        .iter()
        .filter_map(|agent| Some((agent, beat_s(agent)?)))
        .for_each(|(agent, beat_s)| family.put_real(labels(agent), beat_s));
    let counters: [Figure<CounterInfo>; 4] = [
        ("swarmbus_agent_sent_messages", "Messages that an agent sent since it joined", |counters| counters.sent),
        ("swarmbus_agent_received_messages", "Messages that an agent received since it joined", |counters| {
            counters.received
        }),
        ("swarmbus_agent_released_messages", "Messages that an agent released since it joined", |counters| {
            counters.released
        }),
        ("swarmbus_agent_refused_sends", "Sends of an agent that came to nothing since it joined", |counters| {
            counters.refused
        }),
    ];
    for (name, help, value) in counters {
        let family = page.counter(name, help);
        agents
            .iter()
            .filter_map(|agent| Some((agent, agent.member?)))
            .for_each(|(agent, member)| family.put(labels(agent), value(&member.counters)));
    }
}

/// What members measured, by pool.
pub fn latencies(page: &mut Page, view: &View, memory: &mut Memory) {
    for member in &view.histograms {
        let pool = view.pool_of(member.agent.as_deref(), member.pid);
        for (tally, counts) in memory.latencies.iter_mut().zip(&member.kinds) {
            tally.see(member.index, (member.incarnation, member.pid), pool.to_owned(), *counts);
        }
    }
    let family = page.histogram(
        "swarmbus_spawn_seconds",
        "From the supervisor's start of an agent's process, by a zygote or not, until that has joined the bus",
    );
    memory.spawns.sums().for_each(|(pool, counts)| family.put_histogram(of_pool(pool), counts));
    let kinds = [
        (
            "swarmbus_queueing_seconds",
            "From the call of send to the moment when the message is taken, by pool of the receiver; of every 64th message that a member sends",
        ),
        ("swarmbus_handling_seconds", "From there to its release"),
        (
            "swarmbus_sending_seconds",
            "The call of send, a wait for room included, by pool of the sender; of every 64th message that a member sends",
        ),
        ("swarmbus_coordination_seconds", "From a question to its answer, by pool of the asker; of every call"),
    ];
    for ((name, help), tally) in kinds.into_iter().zip(&memory.latencies) {
        let family = page.histogram(name, help);
        tally.sums().for_each(|(pool, counts)| family.put_histogram(of_pool(pool), counts));
    }
}

/// What processes take, by pool.
pub fn processes(page: &mut Page, view: &View, memory: &mut Memory) {
    let mut pools: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    let owners = view.members.iter().filter_map(|member| Some((member.pid, member.agent.as_deref()?)));
    let agents: BTreeMap<u32, &str> = owners.collect();
    for (pid, process) in &view.processes {
        let pool = view.pool_of(agents.get(pid).copied(), *pid).to_owned();
        memory.cpu.see(*pid, process.started, pool.clone(), [process.cpu]);
        let (count, anonymous, shared) = pools.entry(pool).or_default();
        (*count, *anonymous, *shared) =
            (*count + 1, *anonymous + process.anonymous_bytes, *shared + process.shared_bytes);
    }
    memory.cpu.forget_unseen();
    let family = page.gauge("swarmbus_processes", "Processes that are on the bus, or that the supervisor started");
    pools.iter().for_each(|(pool, (count, ..))| family.put(of_pool(pool), *count));
    let family = page.gauge("swarmbus_processes_memory_bytes", "Memory of the processes of a pool: anonymous (heap and stack; what is in common since a fork counts in each) and shared (the segment, program files; counted in each that has touched them)");
    for (pool, (_, anonymous, shared)) in &pools {
        family.put(vec![("pool", pool.clone()), ("kind", "anonymous".into())], *anonymous);
        family.put(vec![("pool", pool.clone()), ("kind", "shared".into())], *shared);
    }
    let family = page.counter("swarmbus_processes_cpu_seconds", "Time on processors of the processes of a pool");
    let ticks = ticks_per_second() as f64;
    memory.cpu.sums().for_each(|(pool, [sum])| family.put_real(of_pool(pool), *sum as f64 / ticks));
}
