//! The page of one agent, queue, topic or lock: facts, and tables of a few lines.

use std::time::Duration;

use swarmbus_core::{LockInfo, QueueInfo};

use super::cell::{Cell, age};
use super::look::Look;
use super::picture::Picture;
use super::rows::{AGENT_COLUMNS, Row};
use super::rows_shared::Target;
use crate::inspect::shared;
use crate::message::harmless;
use crate::units;

/// A line of a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// What a part is about.
    Title(String),
    /// Something that is so.
    Fact(&'static str, String),
    /// A row of a table; the first one is its head.
    Cells(Vec<String>),
    /// Nothing.
    Empty,
}

/// The title of a page, and its lines.
pub fn of(target: &Target, picture: &Picture) -> (String, Vec<Line>) {
    let (title, mut lines) = match target {
        Target::Agent(name) => (format!("agent {name}"), agent(name, picture)),
        Target::Queue(name) => (format!("queue {name}"), queue(name, picture)),
        Target::Topic(name) => (format!("topic {name}"), topic(name, picture)),
        Target::Lock(name) => (format!("lock {}", harmless(name)), lock(name, picture)),
        Target::Bus => (format!("bus {}", picture.bus.name), bus(picture)),
    };
    let of_it = |problem: &&super::rows_shared::Problem| match (target, &problem.target) {
        (Target::Agent(name) | Target::Queue(name), Target::Agent(of) | Target::Queue(of)) => name == of,
        (wanted, target) => wanted == target,
    };
    let problems: Vec<Line> = picture
        .problems
        .iter()
        .filter(of_it)
        .map(|problem| Line::Fact("problem", format!("{} {}: {}", problem.alarm.sign(), problem.what, problem.text)))
        .collect();
    if lines.is_empty() {
        lines.push(Line::Fact("", "it is there no more".to_owned()));
    }
    (title, problems.into_iter().chain(lines).collect())
}

fn table(lines: &mut Vec<Line>, title: &str, head: &[&str], rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        lines.push(Line::Empty);
        lines.push(Line::Title(title.to_owned()));
        lines.push(Line::Cells(head.iter().map(|word| (*word).to_owned()).collect()));
        lines.extend(rows.into_iter().map(Line::Cells));
    }
}

fn agent(name: &str, picture: &Picture) -> Vec<Line> {
    let (mut lines, look) = (Vec::new(), &picture.look);
    let Some(row) = picture.agents.iter().find(|row| row.name == name) else { return lines };
    let rest = row.cell(AGENT_COLUMNS.len() - 1);
    lines.push(Line::Fact("process", row.pid.map_or_else(|| "none".to_owned(), |pid| pid.to_string())));
    let since = row.since_ns.map_or_else(String::new, |ns| format!(" for {}", age(ns)));
    lines.push(Line::Fact("state", format!("{}{since}", Cell::Text(&row.state).text())));
    if let Some(status) = look.statuses.iter().find(|status| status.agent == name) {
        for (label, fact) in shared::status_facts(status) {
            if !matches!(label, "agent" | "process" | "state") && fact != "-" {
                lines.push(Line::Fact(label, fact));
            }
        }
    } else if rest != Cell::Text("") {
        lines.push(Line::Fact("task", rest.text()));
    }
    if let Some(member) = look.members.iter().find(|member| Some(member.pid) == row.pid && is_named(member, name)) {
        let counters = &member.counters;
        let speed = |of: fn(super::rows::Rates) -> f64| {
            row.rates.map_or_else(String::new, |rates| format!(", {}/s", Cell::Rate(of(rates)).text()))
        };
        let count = |messages: u64, bytes: u64| format!("{messages} messages, {}", units::bytes(bytes));
        let sent = count(counters.sent, counters.sent_bytes) + &speed(|rates| rates.sent);
        let received = count(counters.received, counters.received_bytes) + &speed(|rates| rates.received);
        let done = format!("{}, given back {}", counters.released, counters.given_back);
        lines.push(Line::Fact("sent", sent));
        lines.push(Line::Fact("received", received));
        lines.push(Line::Fact("released", done));
        lines.push(Line::Fact("refused", format!("{} sends", counters.refused)));
        lines.push(Line::Fact(
            "holds",
            format!("{} messages; {} chunks are loans or in its cache", member.in_flight, member.held),
        ));
        lines.push(Line::Fact("sleeps", counters.sleeps.to_string()));
    }
    if let Some(queue) = look.queues.iter().find(|queue| queue.name == name) {
        lines.extend(queue_facts(queue, picture, "inbox"));
    }
    if let Some(member) = look.latencies.members.iter().find(|member| member.agent.as_deref() == Some(name)) {
        let head = ["latency", "samples", "p50", "p90", "p99", "max"];
        table(&mut lines, "Latencies since it joined", &head, shared::latencies(&member.kinds));
    }
    let mine = |lock: &&LockInfo| lock.agent.as_deref() == Some(name);
    table(&mut lines, "Locks", LOCK_HEAD, look.locks.iter().filter(mine).map(|lock| lock_cells(lock, look)).collect());
    lines
}

fn is_named(member: &swarmbus_core::MemberInfo, name: &str) -> bool {
    member.agent.as_deref().is_none_or(|agent| agent == name)
}

fn queue_facts(queue: &QueueInfo, picture: &Picture, label: &'static str) -> Vec<Line> {
    let row = picture.queues.iter().find(|row| row.name == queue.name);
    let state = row.map_or("", |row| row.state);
    let lanes: Vec<String> = queue.lanes.iter().map(|lane| format!("{} {}", lane.lane, lane.depth)).collect();
    let mut lines = vec![
        Line::Fact(label, format!("{state}, {} wait, {} in flight", queue.queued, queue.in_flight)),
        Line::Fact(
            "lanes",
            format!(
                "{} (at most {} each)",
                if lanes.is_empty() { "none used".to_owned() } else { lanes.join(", ") },
                queue.limit
            ),
        ),
    ];
    if let Some(oldest) = row.and_then(|row| row.oldest) {
        let text = Cell::Age(oldest.ns, oldest.at_least).text();
        lines.push(Line::Fact("oldest", format!("waits for {text}")));
    }
    lines
}

fn queue(name: &str, picture: &Picture) -> Vec<Line> {
    let look = &picture.look;
    let Some(queue) = look.queues.iter().find(|queue| queue.name == name) else { return Vec::new() };
    let mut lines =
        vec![Line::Fact("owner", queue.owner.map_or_else(|| "nobody".to_owned(), |pid| format!("process {pid}")))];
    lines.extend(queue_facts(queue, picture, "state"));
    if let Some(rates) = picture.queues.iter().find(|row| row.name == name).and_then(|row| row.rates) {
        let (sent, taken) = (Cell::Rate(rates.sent).text(), Cell::Rate(rates.received).text());
        lines.push(Line::Fact("a second", format!("{sent} come, {taken} are taken")));
    }
    lines.push(Line::Fact("so far", format!("{} sent, {} taken, redeliveries included", queue.sent, queue.taken)));
    if let Some(most) = queue.max_deliveries {
        lines.push(Line::Fact("deliveries", format!("at most {most}")));
    }
    if let Some(letters) = &queue.dead_letters {
        lines.push(Line::Fact("dead letters", format!("go to {letters}")));
    }
    lines.push(Line::Fact("lost", format!("{} undelivered, {} dropped", queue.undelivered, queue.dropped)));
    lines.push(Line::Fact("look inside", format!("swarmbus peek {}/{name}", picture.bus.name)));
    lines
}

fn topic(name: &str, picture: &Picture) -> Vec<Line> {
    let Some(topic) = picture.look.topics.iter().find(|topic| topic.name == name) else { return Vec::new() };
    let facts = shared::topic_facts(topic).into_iter().filter(|(label, _)| *label != "topic");
    let mut lines: Vec<Line> = facts.map(|(label, fact)| Line::Fact(label, fact)).collect();
    let mut subscribers: Vec<_> = topic.subscribers.iter().collect();
    subscribers.sort_by_key(|one| std::cmp::Reverse((one.behind, one.missed)));
    let rows = subscribers.into_iter().map(shared::subscriber).collect();
    table(&mut lines, "Subscribers, the slowest first", shared::SUBSCRIBER_HEADERS, rows);
    lines
}

const LOCK_HEAD: &[&str] = &["name", "mode", "state", "agent", "pid", "asked for", "waits behind"];

fn lock_cells(lock: &LockInfo, look: &Look) -> Vec<String> {
    let since = look
        .monotonic_ns
        .map_or_else(|| "-".to_owned(), |now| format!("{} ago", age(now.saturating_sub(lock.since_ns))));
    vec![
        harmless(&lock.name),
        lock.mode.as_str().to_owned(),
        lock.state.to_owned(),
        lock.agent.clone().unwrap_or_else(|| format!("(member {})", lock.member)),
        lock.pid.to_string(),
        since,
        lock.waits_behind.to_string(),
    ]
}

fn lock(name: &str, picture: &Picture) -> Vec<Line> {
    let look = &picture.look;
    let of_state = |held: bool| {
        let wanted = move |lock: &&LockInfo| lock.name == name && (lock.state == "held") == held;
        look.locks.iter().filter(wanted).collect::<Vec<_>>()
    };
    let (holders, waiters) = (of_state(true), of_state(false));
    let mut lines = Vec::new();
    if holders.is_empty() && waiters.is_empty() {
        return lines;
    }
    for lock in &holders {
        let who = lock.agent.clone().unwrap_or_else(|| format!("member {}", lock.member));
        let token = lock.token.map_or_else(String::new, |token| format!(", token {token}"));
        lines.push(Line::Fact("held by", format!("{who}, process {}, {}{token}", lock.pid, lock.mode.as_str())));
    }
    lines.push(Line::Fact("waiting", waiters.len().to_string()));
    let cells = |locks: Vec<&LockInfo>| locks.into_iter().map(|lock| lock_cells(lock, look)).collect();
    table(&mut lines, "Who has it", LOCK_HEAD, cells(holders));
    table(&mut lines, "Who waits, in this order", LOCK_HEAD, cells(waiters));
    lines
}

fn bus(picture: &Picture) -> Vec<Line> {
    let (bus, info) = (&picture.bus, &picture.look.bus);
    let mut lines = vec![
        Line::Fact("state", bus.state.to_owned()),
        Line::Fact("up", units::age(Duration::from_secs(bus.uptime_s))),
        Line::Fact("members", format!("{} of {}", bus.members, bus.members_max)),
        Line::Fact("memory", format!("{} in use", units::bytes(bus.committed_bytes))),
        Line::Fact("heap", format!("{}% of {}", bus.heap_used, units::bytes(bus.heap_bytes))),
    ];
    let classes = info.heap.classes.iter().map(|class| {
        let chunks = [class.chunks.free, class.chunks.held, class.chunks.queued, class.chunks.in_flight];
        let mut row = vec![units::bytes(class.payload_bytes), class.spans.to_string()];
        row.extend(chunks.map(|count| count.to_string()));
        row
    });
    let head = ["payload", "spans", "free", "held", "queued", "in flight"];
    table(&mut lines, "Size classes", &head, classes.collect());
    lines
}
