//! What agents share besides queues, as rows and facts: topics, locks, statuses, latencies.

use std::time::Duration;

use swarmbus_core::{LatencyInfo, LatencyKinds, LockInfo, StatusInfo, SubscriberInfo, TopicInfo};

use crate::ls::or_dash;
use crate::message::harmless;
use crate::units;

pub const TOPIC_HEADERS: &[&str] = &["name", "policy", "capacity", "published", "dropped", "subs", "behind", "missed"];

/// A topic; `behind` is of the slowest subscriber, `missed` of all together.
pub fn topic(topic: &TopicInfo) -> Vec<String> {
    vec![
        topic.name.clone(),
        topic.policy.as_str().to_owned(),
        topic.capacity.to_string(),
        topic.published.to_string(),
        topic.dropped.to_string(),
        topic.subscribers.len().to_string(),
        or_dash(topic.subscribers.iter().map(|one| one.behind).max()),
        or_dash((!topic.subscribers.is_empty()).then(|| topic.subscribers.iter().map(|one| one.missed).sum::<u64>())),
    ]
}

pub fn topic_facts(topic: &TopicInfo) -> [(&'static str, String); 7] {
    [
        ("topic", topic.name.clone()),
        ("policy", topic.policy.as_str().to_owned()),
        ("capacity", format!("{} messages that a subscriber may be behind", topic.capacity)),
        ("retain", format!("{} messages for who comes late", topic.retain)),
        ("published", topic.published.to_string()),
        ("dropped", topic.dropped.to_string()),
        ("memory", format!("{} in {} messages", units::bytes(topic.retained_bytes), topic.retained_messages)),
    ]
}

pub const SUBSCRIBER_HEADERS: &[&str] = &["agent", "member", "pid", "behind", "missed"];

pub fn subscriber(one: &SubscriberInfo) -> Vec<String> {
    vec![
        or_dash(one.agent.as_deref()),
        one.member.to_string(),
        one.pid.to_string(),
        one.behind.to_string(),
        one.missed.to_string(),
    ]
}

pub const LOCK_HEADERS: &[&str] = &["name", "mode", "state", "agent", "pid", "token", "waits behind"];

pub fn lock(lock: &LockInfo) -> Vec<String> {
    vec![
        harmless(&lock.name),
        lock.mode.as_str().to_owned(),
        lock.state.to_owned(),
        lock.agent.clone().unwrap_or_else(|| format!("member {}", lock.member)),
        lock.pid.to_string(),
        or_dash(lock.token),
        lock.waits_behind.to_string(),
    ]
}

pub const STATUS_HEADERS: &[&str] = &["agent", "pid", "state", "goals", "task", "blockers", "roles", "tags", "beat"];

pub fn status(status: &StatusInfo) -> Vec<String> {
    let [_, pid, state, goals, task, _, blockers, roles, tags, beat] = status_facts(status).map(|(_, fact)| fact);
    vec![status.agent.clone(), pid, state, goals, task, blockers, roles, tags, beat]
}

pub fn status_facts(status: &StatusInfo) -> [(&'static str, String); 10] {
    let text = |text: &str| or_dash(Some(harmless(text)).filter(|text| !text.is_empty()));
    let list = |list: &[String]| text(&list.join(", "));
    let goals = if status.total == 0 && status.done == 0 { None } else { Some((status.done, status.total)) };
    [
        ("agent", status.agent.clone()),
        ("process", or_dash(status.pid)),
        ("state", status.state.to_owned()),
        ("goals", or_dash(goals.map(|(done, total)| format!("{done}/{total}")))),
        ("task", text(&status.task)),
        ("note", text(&status.note)),
        ("blockers", list(&status.blockers)),
        ("roles", list(&status.roles)),
        ("tags", list(&status.tags)),
        ("beat", or_dash(status.beat_age_ns.map(|age| format!("{} ago", units::age(Duration::from_nanos(age)))))),
    ]
}

pub const LATENCY_HEADERS: &[&str] = &["latency", "count", "p50", "p90", "p99", "max"];

/// The kinds of which something was measured.
pub fn latencies(kinds: &LatencyKinds) -> Vec<Vec<String>> {
    let rows = [
        ("queueing", &kinds.queueing),
        ("handling", &kinds.handling),
        ("sending", &kinds.sending),
        ("coordination", &kinds.coordination),
    ];
    rows.into_iter()
        .filter(|(_, measured)| measured.count > 0)
        .map(|(name, measured)| latency(name, measured))
        .collect()
}

fn latency(name: &str, measured: &LatencyInfo) -> Vec<String> {
    let times = [measured.p50_ns, measured.p90_ns, measured.p99_ns, measured.max_ns];
    let mut row = vec![name.to_owned(), measured.count.to_string()];
    row.extend(times.map(units::nanoseconds));
    row
}
