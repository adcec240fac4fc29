//! The judgement: facts and thresholds in, conditions and alerts out.

use super::{
    AgentFacts, AgentHealth, Alert, Condition, Facts, Gauge, Health, Life, Plan, QueueFacts, Severity, Stall,
    critical_from,
};
use bytesize::ByteSize;
use std::collections::BTreeMap;
use std::time::Duration;
use swarmbus_core::AgentState;

/// Judges a bus.
pub fn judge(facts: Facts, plan: &Plan) -> Health {
    let agents = in_order(facts.agents.into_iter().map(|agent| judge_agent(agent, plan)).collect());
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    agents.iter().for_each(|agent| *counts.entry(agent.condition.as_str()).or_default() += 1);
    let mut alerts = alerts_of_agents(&agents, plan);
    alerts.extend(facts.queues.iter().flat_map(|queue| alerts_of_queue(queue, plan)));
    alerts.extend(facts.gauges.iter().filter_map(|gauge| alert_of_gauge(gauge, plan)));
    alerts.sort_by_key(|alert| std::cmp::Reverse(alert.severity));
    Health {
        bus: facts.bus,
        verdict: alerts.iter().map(|alert| alert.severity).max().unwrap_or(Severity::Ok),
        watched_s: facts.watched_s,
        supervisor_pid: facts.supervisor_pid,
        counts,
        alerts,
        agents,
        queues: facts.queues,
        gauges: facts.gauges,
    }
}

/// The worst first; of two in the same condition the one that has been quiet longer. Thousands are sorted twice a second, most of them in two or three
/// conditions and there in order already: so by condition first, and each of these by what is dear to compare; and their places, which are small.
fn in_order(agents: Vec<AgentHealth>) -> Vec<AgentHealth> {
    let mut places: Vec<usize> = (0..agents.len()).collect();
    places.sort_by_key(|at| agents[*at].condition);
    for alike in places.chunk_by_mut(|a, b| agents[*a].condition == agents[*b].condition) {
        alike.sort_by(|a, b| {
            let (a, b) = (&agents[*a].facts, &agents[*b].facts);
            b.quiet_s.total_cmp(&a.quiet_s).then_with(|| natural(&a.name, &b.name))
        });
    }
    let mut agents: Vec<Option<AgentHealth>> = agents.into_iter().map(Some).collect();
    places.into_iter().filter_map(|at| agents[at].take()).collect()
}

/// Names with numbers in the order of their numbers.
fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let parts = |name: &str| {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        (stem.len(), name[stem.len()..].parse::<u64>().unwrap_or(0))
    };
    let ((stem_a, number_a), (stem_b, number_b)) = (parts(a), parts(b));
    a[..stem_a].cmp(&b[..stem_b]).then(number_a.cmp(&number_b))
}

fn judge_agent(facts: AgentFacts, plan: &Plan) -> AgentHealth {
    let condition = condition(&facts, plan);
    AgentHealth { facts, condition }
}

/// The thresholds for an agent: those of its pool, or the usual ones.
pub fn stall_of<'a>(plan: &'a Plan, pool: Option<&str>) -> &'a Stall {
    pool.and_then(|pool| plan.pools.get(pool)).unwrap_or(&plan.stall)
}

/// How an agent is.
pub fn condition(facts: &AgentFacts, plan: &Plan) -> Condition {
    match facts.life {
        Life::Dead | Life::GivenUp => return Condition::Dead,
        Life::Starting => return Condition::Starting,
        Life::Alive => {}
    }
    if facts.pressed_by.is_some() && is_stalled(facts, stall_of(plan, facts.pool.as_deref())) {
        return Condition::Stalled;
    }
    if overflows(facts.fullest, facts.limit, plan) {
        return Condition::Overflowing;
    }
    match facts.says {
        Some((AgentState::InProgress, _)) => Condition::Working,
        Some((AgentState::WaitingForDependencies | AgentState::Blocked, _)) => Condition::Waiting,
        _ if facts.sleeps && facts.pressed_by.is_none() => Condition::Waiting,
        _ => Condition::Healthy,
    }
}

impl AgentHealth {
    /// Why it is so, for people; empty if there is nothing to say. Put into words only for who is shown it.
    pub fn why(&self) -> String {
        let facts = &self.facts;
        match (self.condition, facts.says) {
            (Condition::Dead, _) if facts.life == Life::GivenUp => "given up after too many failures".into(),
            (Condition::Dead, _) => "its process is gone, and nobody has reaped it yet".into(),
            (Condition::Starting, _) => "not yet on the bus".into(),
            (Condition::Stalled, says) => {
                let works = matches!(says, Some((AgentState::InProgress, _)));
                let queue = facts.pressed_by.as_deref().unwrap_or_default();
                let from = if queue == facts.name { "its mailbox" } else { queue };
                let although = if works { " although it says it is at work" } else { "" };
                format!("took nothing from {from} for {}{although}", span(facts.quiet_s))
            }
            (Condition::Overflowing, _) => in_a_lane(facts.fullest, facts.limit),
            (Condition::Working, Some((_, for_s))) => format!("in progress for {}", span(for_s)),
            (Condition::Waiting, Some((AgentState::WaitingForDependencies, for_s))) => {
                format!("waits for others for {}", span(for_s))
            }
            (Condition::Waiting, Some((AgentState::Blocked, for_s))) => {
                format!("says it is blocked, for {}", span(for_s))
            }
            _ => String::new(),
        }
    }
}

fn in_a_lane(messages: u64, limit: u64) -> String {
    format!("{messages} of {limit} messages in a lane")
}

/// For how long an agent under pressure may be quiet. One that says it is at work has all the time it needs while it gives signs of life; one that
/// names its task, and gives none, has `patience`.
fn quiet_at_most(facts: &AgentFacts, stall: &Stall) -> Option<Duration> {
    let works = matches!(facts.says, Some((AgentState::InProgress, _)));
    let beats = facts.beat_age_s.is_some_and(|age_s| age_s <= stall.beat.as_secs_f64());
    match (works, beats, facts.has_task) {
        (true, true, _) => None,
        (true, false, true) => Some(stall.patience.max(stall.after)),
        _ => Some(stall.after),
    }
}

fn is_stalled(facts: &AgentFacts, stall: &Stall) -> bool {
    quiet_at_most(facts, stall).is_some_and(|most| facts.quiet_s >= most.as_secs_f64())
}

/// When the next agent will be stalled, if all stay as they are: it is worth a look then.
pub fn next_stall(health: &Health, plan: &Plan) -> Option<Duration> {
    let pressed = health.agents.iter().map(|agent| &agent.facts).filter(|facts| facts.pressed_by.is_some());
    let left_s = pressed.filter_map(|facts| {
        let most = quiet_at_most(facts, stall_of(plan, facts.pool.as_deref()))?;
        Some(most.as_secs_f64() - facts.quiet_s).filter(|left_s| *left_s > 0.0)
    });
    left_s.min_by(f64::total_cmp).and_then(|left_s| Duration::try_from_secs_f64(left_s).ok())
}

fn overflows(fullest: u64, limit: u64, plan: &Plan) -> bool {
    limit > 0 && fullest * 100 >= limit * u64::from(plan.overflow)
}

fn alerts_of_agents(agents: &[AgentHealth], plan: &Plan) -> Vec<Alert> {
    let living = agents.iter().filter(|agent| agent.facts.life == Life::Alive).count();
    let stalled = agents.iter().filter(|agent| agent.condition == Condition::Stalled).count();
    let mut alerts = Vec::new();
    for agent in agents.iter().filter(|agent| agent.condition.is_trouble()) {
        let (name, full) = (&agent.facts.name, agent.facts.fullest >= agent.facts.limit);
        let (kind, severity) = match agent.condition {
            Condition::Dead => ("dead", Severity::Warning),
            // When every other one hangs, it is not this agent that is the trouble.
            Condition::Stalled if stalled * 2 > living => ("stalled", Severity::Critical),
            Condition::Stalled => ("stalled", Severity::Warning),
            _ if full => ("overflow", Severity::Critical),
            _ => ("overflow", Severity::Warning),
        };
        alerts.push(Alert { severity, kind, subject: name.clone(), text: agent.why() });
        if agent.condition == Condition::Stalled && overflows(agent.facts.fullest, agent.facts.limit, plan) {
            let severity = if full { Severity::Critical } else { Severity::Warning };
            let text = in_a_lane(agent.facts.fullest, agent.facts.limit);
            alerts.push(Alert { severity, kind: "overflow", subject: name.clone(), text });
        }
    }
    alerts
}

fn alerts_of_queue(queue: &QueueFacts, plan: &Plan) -> Vec<Alert> {
    let mut alerts = Vec::new();
    let mut say = |severity, kind, text| {
        alerts.push(Alert { severity, kind, subject: queue.name.clone(), text });
    };
    if overflows(queue.fullest, queue.limit, plan) {
        let severity = if queue.fullest >= queue.limit { Severity::Critical } else { Severity::Warning };
        say(severity, "overflow", in_a_lane(queue.fullest, queue.limit));
    }
    if queue.waiting > 0 && queue.age_s >= plan.age.as_secs_f64() {
        let readers = match (queue.is_mailbox, queue.takers) {
            (true, _) => "; the agent of this name is not there",
            (false, 0) => "; nobody was seen to take from it",
            _ => "",
        };
        let text = format!("{} waiting, the oldest for {} or longer{readers}", queue.waiting, span(queue.age_s));
        say(Severity::Warning, "age", text);
    }
    alerts
}

fn alert_of_gauge(gauge: &Gauge, plan: &Plan) -> Option<Alert> {
    let percent = gauge.percent();
    let severity = match percent {
        _ if percent >= critical_from(plan.memory) => Severity::Critical,
        _ if percent >= plan.memory => Severity::Warning,
        _ => return None,
    };
    let (used, total) = (ByteSize::b(gauge.used), ByteSize::b(gauge.total));
    let text = format!("{percent} % full: {used} of {total}");
    Some(Alert { severity, kind: "memory", subject: gauge.what.clone(), text })
}

/// A time for people, to the second, or finer if it is short.
pub fn span(seconds: f64) -> String {
    let duration = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        seconds => humantime::format_duration(Duration::from_secs(seconds)).to_string(),
    }
}
