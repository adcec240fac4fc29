//! What is not as it should be, and what to do about it. Rows that are concerned get the sign for it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::cell::{age, natural};
use super::look::Look;
use super::picture::{BusLine, pool_of};
use super::rows::{AgentRow, Alarm, QueueRow};
use super::rows_shared::{LockRow, Problem, Target, TopicRow};

/// From when on something is a problem.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A message that waits so long is old; so is a lock that somebody waits for.
    pub old: Duration,
}

/// How full something may be before it is told, in hundredths.
const NEARLY_FULL: u64 = 80;

/// A list that is being made.
struct List<'a> {
    limits: &'a Limits,
    found: Vec<Problem>,
}

/// All problems, the most urgent first and of these the oldest.
pub fn find(
    look: &Look,
    bus: &BusLine,
    limits: &Limits,
    agents: &mut [AgentRow],
    queues: &mut [QueueRow],
    topics: &mut [TopicRow],
    locks: &mut [LockRow],
) -> Vec<Problem> {
    let mut list = List { limits, found: Vec::new() };
    list.of_bus(look, bus);
    for agent in agents.iter_mut() {
        agent.alarm = list.of_agent(agent, bus);
    }
    let letters: HashSet<&str> = look.queues.iter().filter_map(|queue| queue.dead_letters.as_deref()).collect();
    let mut by_queue = HashMap::new();
    for queue in queues.iter_mut() {
        queue.alarm = match letters.contains(queue.name.as_str()) && queue.queued > 0 {
            true => list.of_dead_letters(queue, &bus.name),
            false => list.of_queue(queue),
        };
        if queue.alarm > Alarm::None {
            by_queue.insert(queue.name.as_str(), queue.alarm);
        }
    }
    // The trouble of a mailbox is that of its owner as well.
    for agent in agents.iter_mut() {
        agent.alarm = agent.alarm.max(by_queue.get(agent.name.as_str()).copied().unwrap_or_default());
    }
    for topic in topics.iter_mut() {
        topic.alarm = list.of_topic(topic);
    }
    for lock in locks.iter_mut() {
        lock.alarm = list.of_lock(lock);
    }
    let mut found = list.found;
    found.sort_by(|a, b| {
        b.alarm.cmp(&a.alarm).then_with(|| b.age_ns.cmp(&a.age_ns)).then_with(|| natural(&a.key, &b.key))
    });
    found
}

impl List<'_> {
    fn add(&mut self, alarm: Alarm, what: &'static str, target: Target, text: String, age_ns: Option<u64>) -> Alarm {
        let of = match &target {
            Target::Agent(name) | Target::Queue(name) | Target::Topic(name) | Target::Lock(name) => name.clone(),
            Target::Bus => "the bus".to_owned(),
        };
        let key = format!("{what} {of}");
        self.found.push(Problem { alarm, what, of, text, age_ns, target, key });
        alarm
    }

    fn is_old(&self, ns: u64) -> bool {
        u128::from(ns) >= self.limits.old.as_nanos()
    }

    fn of_bus(&mut self, look: &Look, bus: &BusLine) {
        let name = &bus.name;
        if bus.state != "ready" {
            let text = "it was destroyed; this is what was there at the end".to_owned();
            self.add(Alarm::Critical, "destroyed", Target::Bus, text, None);
        }
        if look.bus.corrupt > 0 {
            let text = format!("{} words made no sense and were skipped: run swarmbus fsck {name}", look.bus.corrupt);
            self.add(Alarm::Critical, "corrupt", Target::Bus, text, None);
        }
        if bus.heap_used >= NEARLY_FULL {
            let alarm = if bus.heap_used >= 95 { Alarm::Critical } else { Alarm::Warning };
            let text = format!("{}% of the heap is in use: sends fail when it is full", bus.heap_used);
            self.add(alarm, "heap", Target::Bus, text, None);
        }
        let members = u64::from(bus.members) * 100 / u64::from(bus.members_max).max(1);
        if members >= 90 {
            let text = format!("{} of {} entries are taken: nobody can join then", bus.members, bus.members_max);
            self.add(Alarm::Warning, "entries", Target::Bus, text, None);
        }
    }

    fn of_agent(&mut self, agent: &AgentRow, bus: &BusLine) -> Alarm {
        let target = || Target::Agent(agent.name.clone());
        let mut alarm = Alarm::None;
        if agent.state == "dead" {
            let todo = match bus.supervisor_pid {
                Some(_) => "the supervisor reaps it within a second".to_owned(),
                None => format!("run swarmbus reap {}", bus.name),
            };
            let held = match agent.in_flight {
                0 => String::new(),
                held => format!(" and holds {held} message{}", if held == 1 { "" } else { "s" }),
            };
            let text = format!("its process is gone{held}: {todo}");
            alarm = self.add(Alarm::Critical, "dead", target(), text, None);
        }
        if agent.state == "left" && agent.inbox.is_some_and(|inbox| inbox > 0) {
            let text = format!("{} for it, and nobody has its name", messages_wait(agent.inbox.unwrap_or(0)));
            alarm = alarm.max(self.add(Alarm::Warning, "left", target(), text, agent.oldest.map(|one| one.ns)));
        }
        if agent.state == "blocked" {
            let text = "it says that it cannot go on: its page tells what it waits for".to_owned();
            alarm = alarm.max(self.add(Alarm::Warning, "blocked", target(), text, agent.since_ns));
        }
        if let Some(rates) = agent.rates.filter(|rates| rates.refused > 0.0) {
            let text = format!("{:.1} sends a second come to nothing: full, closed or out of memory", rates.refused);
            alarm = alarm.max(self.add(Alarm::Warning, "refused", target(), text, None));
        }
        alarm
    }

    fn of_queue(&mut self, queue: &QueueRow) -> Alarm {
        let target = || Target::Queue(queue.name.clone());
        let mut alarm = Alarm::None;
        let rate = queue.rates.map_or(String::new(), |rates| format!(", {:.0}/s are taken", rates.received));
        let age_ns = queue.oldest.map(|oldest| oldest.ns);
        if queue.state == "full" {
            let text = format!("{}{rate}: who sends to it waits, or is refused", messages_wait(queue.queued));
            alarm = self.add(Alarm::Critical, "full", target(), text, age_ns);
        } else if queue.used >= NEARLY_FULL {
            let text = format!("{}% of a lane is used: {}{rate}", queue.used, messages_wait(queue.queued));
            alarm = self.add(Alarm::Warning, "nearly full", target(), text, age_ns);
        }
        if alarm == Alarm::None
            && let Some(oldest) = queue.oldest.filter(|oldest| self.is_old(oldest.ns))
        {
            let text = format!("{}{rate}, the first for {} and more", messages_wait(queue.queued), age(oldest.ns));
            alarm = self.add(Alarm::Warning, "old", target(), text, age_ns);
        }
        alarm
    }

    /// What nobody could deliver waits for a person, however full the queue is.
    fn of_dead_letters(&mut self, queue: &QueueRow, bus: &str) -> Alarm {
        let text = format!(
            "{} that could not be delivered: swarmbus dead-letter show {bus}/{}",
            messages_wait(queue.queued),
            queue.name
        );
        let age_ns = queue.oldest.map(|oldest| oldest.ns);
        let alarm = if queue.state == "full" { Alarm::Critical } else { Alarm::Warning };
        self.add(alarm, "dead letters", Target::Queue(queue.name.clone()), text, age_ns)
    }

    fn of_topic(&mut self, topic: &TopicRow) -> Alarm {
        let is_full = topic.subscribers > 0 && topic.capacity > 0 && topic.behind >= topic.capacity;
        if !is_full {
            return Alarm::None;
        }
        let follows = match topic.policy {
            "back-pressure" => "publishers wait for it",
            "lossy" => "it misses messages",
            _ => "new messages are dropped",
        };
        let text = format!("a subscriber is {} behind: {follows}", messages(topic.behind));
        self.add(Alarm::Warning, "behind", Target::Topic(topic.name.clone()), text, None)
    }

    fn of_lock(&mut self, lock: &LockRow) -> Alarm {
        let Some(ns) = lock.since_ns.filter(|ns| self.is_old(*ns) && lock.state == "held" && lock.waiters > 0) else {
            return Alarm::None;
        };
        let text =
            format!("{} wait{} while {} has it", lock.waiters, if lock.waiters == 1 { "s" } else { "" }, lock.agent);
        self.add(Alarm::Warning, "lock", Target::Lock(lock.name.clone()), text, Some(ns))
    }
}

/// Problems of one kind and one pool stand together: the first of them, and how many more there are.
pub fn groups(problems: &[Problem]) -> Vec<(&Problem, usize)> {
    let mut groups: Vec<(&Problem, usize)> = Vec::new();
    let mut places: HashMap<(Alarm, &str, &str), usize> = HashMap::new();
    for problem in problems {
        let whose = pool_of(&problem.of).unwrap_or(&problem.of);
        match places.get(&(problem.alarm, problem.what, whose)) {
            Some(at) => groups[*at].1 += 1,
            None => {
                places.insert((problem.alarm, problem.what, whose), groups.len());
                groups.push((problem, 0));
            }
        }
    }
    groups
}

/// Of whom a group is.
pub fn group_name(problem: &Problem, more: usize) -> String {
    if more == 0 { problem.of.clone() } else { format!("{} and {more} more", problem.of) }
}

fn messages_wait(count: u64) -> String {
    format!("{} wait{}", messages(count), if count == 1 { "s" } else { "" })
}

fn messages(count: u64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}
