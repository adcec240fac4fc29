//! Looks again and again, and remembers what a single look cannot tell: sums over the departed, and since when nothing moves.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use swarmbus_core::{CounterInfo, Error, MemberInfo, Observer};

use super::page::Page;
use super::tally::Tally;
use super::view::{Agent, Run, View, waiting_in};
use super::{agents, buses, queues};

/// Counters of a member, in the order of [`counters_of`].
pub const COUNTERS: usize = 8;
/// Counts of a queue: sent, taken, undelivered, dropped.
pub const QUEUE_COUNTS: usize = 4;

/// What is remembered from look to look.
pub struct Memory {
    /// By pool, what members counted.
    pub counters: Tally<u16, (u16, u32), String, COUNTERS>,
    /// By pool and kind, what members measured.
    pub latencies: [Tally<u16, (u16, u32), String, 64>; 4],
    /// By queue, or by pool of mailboxes.
    pub queues: Tally<String, (), QueueGroup, QUEUE_COUNTS>,
    /// By topic: published, dropped.
    pub topics: Tally<String, (), String, 2>,
    /// By topic, what subscribers missed.
    pub missed: Tally<(String, u16), u32, String, 1>,
    /// By pool, ticks on processors.
    pub cpu: Tally<u32, u64, String, 1>,
    /// By pool, how long agents took from the start of their process until they joined.
    pub spawns: Tally<String, (u32, u64), String, 64>,
    /// By pool, agents that were started again.
    pub restarts: Tally<String, (), String, 1>,
    /// By the bus, words without sense.
    pub corrupt: Tally<(), (), (), 1>,
    agents: HashMap<String, Mark>,
    queue_marks: HashMap<String, Mark>,
}

/// Whose messages a count is of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum QueueGroup {
    /// A work queue or a role.
    Queue(String),
    /// The mailboxes of a pool.
    Pool(String),
}

/// What moves with somebody's work, and since when it is as it is.
struct Mark {
    moves: [u64; 4],
    since: Instant,
}

impl Memory {
    fn new() -> Memory {
        Memory {
            counters: Tally::new(),
            latencies: std::array::from_fn(|_| Tally::new()),
            queues: Tally::new(),
            topics: Tally::new(),
            missed: Tally::new(),
            cpu: Tally::new(),
            spawns: Tally::new(),
            restarts: Tally::new(),
            corrupt: Tally::new(),
            agents: HashMap::new(),
            queue_marks: HashMap::new(),
        }
    }

    /// For how long an agent has had messages, waiting or in hand, and done nothing: sent, taken, released or given back none.
    pub fn pending(&mut self, agent: &Agent<'_>) -> Duration {
        let Some(member) = agent.member else { return Duration::ZERO };
        let has_work = agent.waiting() > 0 || agent.in_flight() > 0;
        let CounterInfo { sent, received, released, given_back, .. } = member.counters;
        unmoved(&mut self.agents, agent.name, has_work, [sent, received, released, given_back])
    }

    /// For how long messages have waited in a queue without one being taken.
    pub fn untaken(&mut self, queue: &swarmbus_core::QueueInfo) -> Duration {
        let moves = [queue.taken, queue.undelivered, queue.dropped, 0];
        unmoved(&mut self.queue_marks, &queue.name, waiting_in(queue) > 0, moves)
    }
}

fn unmoved(marks: &mut HashMap<String, Mark>, name: &str, has_work: bool, moves: [u64; 4]) -> Duration {
    let now = Instant::now();
    match marks.get_mut(name) {
        Some(mark) if has_work && mark.moves == moves => now.duration_since(mark.since),
        Some(mark) => {
            *mark = Mark { moves, since: now };
            Duration::ZERO
        }
        None => {
            marks.insert(name.to_owned(), Mark { moves, since: now });
            Duration::ZERO
        }
    }
}

/// A member's counters as an array.
pub fn counters_of(member: &MemberInfo) -> [u64; COUNTERS] {
    let CounterInfo { sent, sent_bytes, received, received_bytes, released, given_back, refused, sleeps } =
        member.counters;
    [sent, sent_bytes, received, received_bytes, released, given_back, refused, sleeps]
}

/// Looks at one bus, for as long as it is asked to.
pub struct Looker {
    bus: String,
    observer: Option<Observer>,
    per_agent: bool,
    ahead: Vec<String>,
    run: Option<Run>,
    memory: Memory,
}

impl Looker {
    /// Begins. The bus must be there.
    pub fn new(bus: &str, per_agent: bool, ahead: Vec<String>) -> Result<Looker, Error> {
        let observer = Some(Observer::open(bus)?);
        Ok(Looker { bus: bus.to_owned(), observer, per_agent, ahead, run: None, memory: Memory::new() })
    }

    /// Whether the bus is gone at which was looked last; another may be there under its name.
    pub fn is_gone(&self) -> bool {
        !self.observer.as_ref().is_some_and(Observer::is_there)
    }

    /// What is there now.
    pub fn look(&mut self) -> Page {
        let begun = Instant::now();
        let mut page = Page::new(&self.bus);
        if self.is_gone() {
            self.observer = Observer::open(&self.bus).ok();
        }
        let is_there = self.observer.is_some();
        page.gauge("swarmbus_bus_up", "Whether the bus is there (1) or not (0)").put(vec![], u64::from(is_there));
        if let Some(observer) = &self.observer {
            let view = View::of(observer, &self.ahead, &mut self.run);
            let memory = &mut self.memory;
            buses::bus(&mut page, &view, memory);
            queues::work_queues(&mut page, &view, memory);
            queues::topics(&mut page, &view, memory);
            agents::members(&mut page, &view, memory);
            agents::pools(&mut page, &view, memory, self.per_agent);
            agents::latencies(&mut page, &view, memory);
            agents::processes(&mut page, &view, memory);
        }
        buses::host(&mut page);
        let took = begun.elapsed().as_secs_f64();
        page.gauge("swarmbus_look_seconds", "How long this look took").put_real(vec![], took);
        page
    }
}
