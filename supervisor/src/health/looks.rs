//! From look to look: since when each agent has taken nothing although something waited, and which work queues it takes from.

use super::{AgentFacts, Facts, Gauge, Life, QueueFacts};
use std::collections::{HashMap, HashSet};
use swarmbus_core::{MemberPulse, Pulse, QueueId, QueuePulse};

/// Work queues that are remembered of an agent.
const SOURCES_MAX: usize = 4;

/// What was seen so far. Kept from look to look by whoever looks.
#[derive(Debug, Default)]
pub struct Looks {
    begun_ns: Option<u64>,
    /// By index.
    agents: Vec<Option<Agent>>,
    /// By index.
    queues: Vec<Option<Queue>>,
}

#[derive(Clone, Copy, Debug)]
struct Agent {
    incarnation: u16,
    received: u64,
    /// The first look, since it last took something, at which something waited.
    moved_ns: u64,
    /// Whether something waited at the last look.
    is_pressed: bool,
    sources: [Option<QueueId>; SOURCES_MAX],
}

#[derive(Clone, Copy, Debug)]
struct Queue {
    id: QueueId,
    taken: u64,
    /// The first look, since a message was last taken, at which some waited.
    moved_ns: u64,
    has_some: bool,
    takers: u32,
}

/// What the supervisor knows of an agent of its.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its pool.
    pub pool: Option<&'a str>,
    /// Its process.
    pub pid: Option<u32>,
    /// As `ps` shows it.
    pub state: &'static str,
}

/// Who is looked at, and what else is known.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The bus.
    pub bus: &'a str,
    /// The supervisor, if one reaps.
    pub supervisor_pid: Option<u32>,
    /// What the supervisor knows of its agents.
    pub known: &'a [Known<'a>],
    /// How full memory is.
    pub gauges: &'a [Gauge],
}

impl Looks {
    /// Takes another look in. `is_dead` is asked of each agent that counts as living.
    pub fn look(&mut self, pulse: &Pulse, scene: &Scene<'_>, is_dead: impl Fn(&MemberPulse) -> bool) -> Facts {
        let begun_ns = *self.begun_ns.get_or_insert(pulse.at_ns);
        let queues = self.see_queues(pulse);
        // What other handles of a process receive counts for its agent.
        let mut others: HashMap<u32, u64> = HashMap::new();
        for member in pulse.members.iter().filter(|member| member.mailbox.is_none() && member.received > 0) {
            *others.entry(member.pid).or_default() += member.received;
        }
        let known: HashMap<&str, Option<&str>> = scene.known.iter().map(|known| (known.name, known.pool)).collect();
        let mut agents = Vec::with_capacity(pulse.members.len());
        let mut owned = vec![false; self.queues.len()];
        for member in &pulse.members {
            let Some(mailbox) = member.mailbox.and_then(|id| queue_of(pulse, &queues, id)) else { continue };
            let received = member.received + others.get(&member.pid).copied().unwrap_or(0);
            let (quiet_ns, pressed_by) = self.see_agent(pulse, &queues, member, mailbox, received);
            let is_alive = member.live && !is_dead(member);
            if is_alive {
                owned[mailbox.id.index as usize] = true;
            }
            let seconds_since = |at_ns: u64| pulse.at_ns.saturating_sub(at_ns) as f64 / 1e9;
            agents.push(AgentFacts {
                name: mailbox.name.clone(),
                pool: known.get(mailbox.name.as_str()).copied().flatten().map(str::to_owned),
                pid: Some(member.pid),
                life: if is_alive { Life::Alive } else { Life::Dead },
                sleeps: member.sleeps,
                waiting: mailbox.waiting,
                fullest: mailbox.fullest,
                limit: mailbox.limit,
                pressed_by: pressed_by.map(|queue| queue.name.clone()),
                quiet_s: quiet_ns as f64 / 1e9,
                says: member.board.map(|board| (board.state, seconds_since(board.since_ns))),
                has_task: member.board.is_some_and(|board| board.has_task),
                beat_age_s: member.beat_ns.map(seconds_since),
            });
        }
        let queues = self.facts_of_queues(pulse, &owned, |queue| known.contains_key(queue));
        if !scene.known.is_empty() {
            add_those_not_on_the_bus(&mut agents, scene.known);
        }
        Facts {
            bus: scene.bus.to_owned(),
            watched_s: pulse.at_ns.saturating_sub(begun_ns) as f64 / 1e9,
            supervisor_pid: scene.supervisor_pid,
            agents,
            queues,
            gauges: scene.gauges.to_vec(),
        }
    }

    /// The places of queues in the pulse, by index.
    fn see_queues(&mut self, pulse: &Pulse) -> Vec<u32> {
        let most = pulse.queues.iter().map(|queue| queue.id.index as usize + 1).max().unwrap_or(0);
        let mut places = vec![u32::MAX; most];
        self.queues.resize(most.max(self.queues.len()), None);
        for (place, queue) in pulse.queues.iter().enumerate() {
            let index = queue.id.index as usize;
            places[index] = place as u32;
            let known = self.queues[index].filter(|known| {
                known.id == queue.id && known.taken == queue.taken && known.has_some && queue.waiting > 0
            });
            let moved_ns = known.map_or(pulse.at_ns, |known| known.moved_ns);
            self.queues[index] =
                Some(Queue { id: queue.id, taken: queue.taken, moved_ns, has_some: queue.waiting > 0, takers: 0 });
        }
        places
    }

    /// For how long an agent has been quiet under pressure, and where the pressure comes from.
    fn see_agent<'p>(
        &mut self,
        pulse: &'p Pulse,
        places: &[u32],
        member: &MemberPulse,
        mailbox: &'p QueuePulse,
        received: u64,
    ) -> (u64, Option<&'p QueuePulse>) {
        let index = member.index as usize;
        self.agents.resize(self.agents.len().max(index + 1), None);
        let known = self.agents[index].filter(|known| known.incarnation == member.incarnation);
        let mut sources = known.map_or([None; SOURCES_MAX], |known| known.sources);
        let takes_from = member.takes_from.and_then(|id| queue_of(pulse, places, id)).filter(|queue| !queue.is_mailbox);
        if let Some(queue) = takes_from.filter(|queue| !sources.contains(&Some(queue.id))) {
            // The oldest makes room.
            sources.rotate_right(1);
            sources[0] = Some(queue.id);
        }
        for source in sources.iter().flatten() {
            if let Some(Some(queue)) = self.queues.get_mut(source.index as usize).filter(|_| member.live) {
                queue.takers += u32::from(queue.id == *source);
            }
        }
        let queues = sources.iter().flatten().filter_map(|id| queue_of(pulse, places, *id));
        let pressed_by = std::iter::once(mailbox).chain(queues).find(|queue| queue.waiting > 0);
        let is_pressed = pressed_by.is_some();
        let same = known.filter(|known| known.received == received && known.is_pressed && is_pressed);
        let moved_ns = same.map_or(pulse.at_ns, |known| known.moved_ns);
        self.agents[index] = Some(Agent { incarnation: member.incarnation, received, moved_ns, is_pressed, sources });
        (pulse.at_ns.saturating_sub(moved_ns), pressed_by)
    }

    fn facts_of_queues(&self, pulse: &Pulse, owned: &[bool], is_agent: impl Fn(&str) -> bool) -> Vec<QueueFacts> {
        let facts = |queue: &QueuePulse| {
            let known = self.queues.get(queue.id.index as usize).copied().flatten();
            let since = [known.map(|known| known.moved_ns), queue.sent_before_ns].into_iter().flatten().min();
            let age_ns = since.filter(|_| queue.waiting > 0).map_or(0, |since| pulse.at_ns.saturating_sub(since));
            QueueFacts {
                name: queue.name.clone(),
                is_mailbox: queue.is_mailbox || is_agent(&queue.name),
                closed: queue.closed,
                waiting: queue.waiting,
                fullest: queue.fullest,
                limit: queue.limit,
                takers: known.map_or(0, |known| known.takers),
                age_s: age_ns as f64 / 1e9,
            }
        };
        let is_owned = |queue: &QueuePulse| owned.get(queue.id.index as usize).copied().unwrap_or(false);
        // A mailbox of nobody is of interest as long as something waits in it.
        let is_mailbox = |queue: &QueuePulse| queue.is_mailbox || is_agent(&queue.name);
        let is_shown = |queue: &&QueuePulse| !is_owned(queue) && (queue.waiting > 0 || !is_mailbox(queue));
        let mut found: Vec<QueueFacts> = pulse.queues.iter().filter(is_shown).map(facts).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }
}

fn queue_of<'p>(pulse: &'p Pulse, places: &[u32], id: QueueId) -> Option<&'p QueuePulse> {
    let place = *places.get(id.index as usize)?;
    pulse.queues.get(place as usize).filter(|queue| queue.id == id)
}

/// Agents of the supervisor that have no mailbox yet, or none any more.
fn add_those_not_on_the_bus(agents: &mut Vec<AgentFacts>, known: &[Known<'_>]) {
    let on_bus: HashSet<&str> = agents.iter().map(|agent| agent.name.as_str()).collect();
    let is_missing = |known: &&Known<'_>| !on_bus.contains(known.name);
    let missing: Vec<AgentFacts> = known.iter().filter(is_missing).filter_map(not_on_the_bus).collect();
    agents.extend(missing);
}

fn not_on_the_bus(known: &Known<'_>) -> Option<AgentFacts> {
    let life = match known.state {
        "starting" | "backoff" | "running" => Life::Starting,
        "failed" => Life::GivenUp,
        _ => return None,
    };
    Some(AgentFacts {
        name: known.name.to_owned(),
        pool: known.pool.map(str::to_owned),
        pid: known.pid,
        life,
        sleeps: false,
        waiting: 0,
        fullest: 0,
        limit: 0,
        pressed_by: None,
        quiet_s: 0.0,
        says: None,
        has_task: false,
        beat_age_s: None,
    })
}
