//! What `ps` tells: agents, queues and the supervisor, from the segment and from whoever knows the processes.

use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use swarmbus_core::Observer;

/// A bus with its agents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The bus.
    pub bus: String,
    /// `starting`, `running`, `draining`; `unsupervised` when the supervisor is dead or there never was one.
    pub state: String,
    /// The supervisor.
    pub supervisor_pid: Option<u32>,
    /// Agents of the run first, then guests.
    pub agents: Vec<AgentStatus>,
    /// Queues that are nobody's mailbox.
    pub queues: Vec<QueueStatus>,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// Its name.
    pub name: String,
    /// Its pool. The coordinator and guests have none.
    pub pool: Option<String>,
    /// Its process.
    pub pid: Option<u32>,
    /// `starting`, `running`, `backoff`, `draining`, `finished`, `failed`; `dead` when nobody is there to restart it;
    /// `guest` for an agent that somebody else started.
    pub state: String,
    /// Whether its process is on the bus under its name.
    pub attached: bool,
    /// How often it was started again.
    pub restarts: u32,
    /// For how long its process has been there.
    pub uptime_s: Option<f64>,
    /// Messages it has received and not released.
    pub in_flight: u64,
    /// Messages that wait in its mailbox.
    pub mailbox: u64,
    /// How it ended last.
    pub last_exit: Option<String>,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// Its name.
    pub name: String,
    /// Messages that wait.
    pub queued: u64,
    /// Messages that were received and not released.
    pub in_flight: u64,
    /// Whether it takes no more.
    pub closed: bool,
}

/// What is known of an agent beside what the segment says.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its pool.
    pub pool: Option<String>,
    /// Its process.
    pub pid: Option<u32>,
    /// Its state.
    pub state: String,
    /// Restarts.
    pub restarts: u32,
    /// Age of its process.
    pub uptime_s: Option<f64>,
    /// Its last exit.
    pub last_exit: Option<String>,
}

/// Puts together what is known of the agents and what the segment says of them.
pub fn status(observer: &Observer, state: &str, supervisor_pid: Option<u32>, known: Vec<Known>) -> Status {
    let members = observer.members();
    let queues = observer.queues();
    let depth: HashMap<&str, u64> = queues.iter().map(|queue| (queue.name.as_str(), queue.queued)).collect();
    let mut in_flight: HashMap<u32, u64> = HashMap::new();
    for member in members.iter().filter(|member| member.state == "live") {
        *in_flight.entry(member.pid).or_default() += member.in_flight;
    }
    let attached: HashSet<(&str, u32)> = members
        .iter()
        .filter(|member| member.state == "live")
        .filter_map(|member| member.agent.as_deref().map(|agent| (agent, member.pid)))
        .collect();
    let mut mailboxes: HashSet<String> = known.iter().map(|agent| agent.name.clone()).collect();
    let pids: HashSet<u32> = known.iter().filter_map(|agent| agent.pid).collect();
    let mut agents: Vec<AgentStatus> = known
        .into_iter()
        .map(|agent| AgentStatus {
            attached: agent.pid.is_some_and(|pid| attached.contains(&(agent.name.as_str(), pid))),
            in_flight: agent.pid.and_then(|pid| in_flight.get(&pid).copied()).unwrap_or(0),
            mailbox: depth.get(agent.name.as_str()).copied().unwrap_or(0),
            name: agent.name,
            pool: agent.pool,
            pid: agent.pid,
            state: agent.state,
            restarts: agent.restarts,
            uptime_s: agent.uptime_s,
            last_exit: agent.last_exit,
        })
        .collect();
    for member in members.iter().filter(|member| member.state == "live" && !pids.contains(&member.pid)) {
        let Some(name) = &member.agent else { continue };
        if let Some(agent) = agents.iter_mut().find(|agent| agent.name == *name) {
            // A process of the agent's group owns its mailbox: a script's child, say.
            agent.attached = true;
            agent.in_flight += member.in_flight;
            continue;
        }
        mailboxes.insert(name.clone());
        agents.push(AgentStatus {
            name: name.clone(),
            pool: None,
            pid: Some(member.pid),
            state: "guest".to_owned(),
            attached: true,
            restarts: 0,
            uptime_s: crate::process::start_ticks(member.pid).and_then(crate::process::uptime_s),
            in_flight: member.in_flight,
            mailbox: depth.get(name.as_str()).copied().unwrap_or(0),
            last_exit: None,
        });
    }
    let queues = queues
        .iter()
        .filter(|queue| !mailboxes.contains(&queue.name))
        .map(|queue| QueueStatus {
            name: queue.name.clone(),
            queued: queue.queued,
            in_flight: queue.in_flight,
            closed: queue.closed,
        })
        .collect();
    Status { bus: observer.bus().name, state: state.to_owned(), supervisor_pid, agents, queues }
}
