//! What two looks tell that one does not: what a second brings, and how long messages have waited. Pure: it is told the time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::look::Look;
use super::rows::{Oldest, Rates};

/// Looks that are remembered of a queue in which messages wait; when there are more, every second one is forgotten.
const LOOKS_MAX: usize = 128;

/// What was seen before.
#[derive(Default)]
pub struct History {
    at: Option<Duration>,
    /// By index and incarnation: a member that leaves takes its counters along.
    members: HashMap<(u16, u16), [u64; 3]>,
    queues: HashMap<String, Waiting>,
    topics: HashMap<String, u64>,
    now: Now,
}

/// What the last look brought.
#[derive(Default)]
struct Now {
    members: HashMap<(u16, u16), Rates>,
    topics: HashMap<String, f64>,
    all: Option<Rates>,
}

#[derive(Default)]
struct Waiting {
    sent: u64,
    taken: u64,
    rates: Option<Rates>,
    /// When so many messages had been sent; the first that is more than were taken tells since when one waits at least.
    looks: VecDeque<(Duration, u64)>,
    /// The first of these is the first look of all: what was there then may be older.
    from_the_start: bool,
    oldest: Option<Oldest>,
}

impl History {
    /// Takes in a look.
    pub fn see(&mut self, look: &Look) {
        let elapsed = self.at.map(|at| look.at.saturating_sub(at).as_secs_f64()).filter(|seconds| *seconds > 0.0);
        self.see_members(look, elapsed);
        self.see_queues(look, elapsed);
        self.see_topics(look, elapsed);
        self.at = Some(look.at);
    }

    fn see_members(&mut self, look: &Look, elapsed: Option<f64>) {
        let mut fresh = HashMap::with_capacity(look.members.len());
        let mut sums = Rates::default();
        self.now.members.clear();
        for member in &look.members {
            let key = (member.index, member.incarnation);
            let counters = &member.counters;
            let counted = [counters.sent, counters.received, counters.refused];
            fresh.insert(key, counted);
            let Some(seconds) = elapsed else { continue };
            // Who has joined since the last look began at nothing.
            let before = self.members.get(&key).copied().unwrap_or_default();
            let [sent, received, refused] =
                std::array::from_fn(|at| counted[at].saturating_sub(before[at]) as f64 / seconds);
            self.now.members.insert(key, Rates { sent, received, refused });
            sums.sent += sent;
            sums.received += received;
            sums.refused += refused;
        }
        self.members = fresh;
        self.now.all = elapsed.map(|_| sums);
    }

    fn see_queues(&mut self, look: &Look, elapsed: Option<f64>) {
        let is_first = self.at.is_none();
        for queue in &look.queues {
            let known = self.queues.contains_key(&queue.name);
            let seen = match self.queues.get_mut(&queue.name) {
                Some(seen) => seen,
                None => self.queues.entry(queue.name.clone()).or_default(),
            };
            // Of a queue that is new, all that it has seen came since the last look.
            seen.rates = elapsed.map(|seconds| {
                let per_second = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
                let (sent, received) = (per_second(queue.sent, seen.sent), per_second(queue.taken, seen.taken));
                Rates { sent, received, refused: 0.0 }
            });
            if !known {
                seen.from_the_start = is_first;
            }
            (seen.sent, seen.taken) = (queue.sent, queue.taken);
            seen.wait(look.at, queue.queued > 0);
        }
        if self.queues.len() > look.queues.len() {
            let there: HashSet<&str> = look.queues.iter().map(|queue| queue.name.as_str()).collect();
            self.queues.retain(|name, _| there.contains(name.as_str()));
        }
    }

    fn see_topics(&mut self, look: &Look, elapsed: Option<f64>) {
        self.now.topics.clear();
        let mut fresh = HashMap::with_capacity(look.topics.len());
        for topic in &look.topics {
            fresh.insert(topic.name.clone(), topic.published);
            if let Some(seconds) = elapsed {
                let before = self.topics.get(&topic.name).copied().unwrap_or(0);
                let rate = topic.published.saturating_sub(before) as f64 / seconds;
                self.now.topics.insert(topic.name.clone(), rate);
            }
        }
        self.topics = fresh;
    }

    /// What a member does a second; `None` after one look.
    pub fn of_member(&self, index: u16, incarnation: u16) -> Option<Rates> {
        self.now.members.get(&(index, incarnation)).copied()
    }

    /// What goes through a queue a second, and since when its first message waits.
    pub fn of_queue(&self, name: &str) -> (Option<Rates>, Option<Oldest>) {
        self.queues.get(name).map_or((None, None), |seen| (seen.rates, seen.oldest))
    }

    /// What is published a second.
    pub fn of_topic(&self, name: &str) -> Option<f64> {
        self.now.topics.get(name).copied()
    }

    /// What all members do a second. What those did that have left since the last look is not in it.
    pub fn of_all(&self) -> Option<Rates> {
        self.now.all
    }
}

impl Waiting {
    fn wait(&mut self, at: Duration, anything: bool) {
        if !anything {
            self.looks.clear();
            self.from_the_start = false;
            self.oldest = None;
            return;
        }
        if self.looks.back().is_none_or(|(_, sent)| *sent != self.sent) {
            self.looks.push_back((at, self.sent));
        }
        while self.looks.front().is_some_and(|(_, sent)| *sent <= self.taken) && self.looks.len() > 1 {
            self.looks.pop_front();
            self.from_the_start = false;
        }
        if self.looks.len() > LOOKS_MAX {
            let mut number = 0;
            self.looks.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
        self.oldest = self.looks.front().map(|(since, _)| {
            let ns = u64::try_from(at.saturating_sub(*since).as_nanos()).unwrap_or(u64::MAX);
            Oldest { ns, at_least: self.from_the_start }
        });
    }
}
