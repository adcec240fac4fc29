//! `swarmbus health`, and what it shares with `check`: whom to ask, what counts as trouble.

use std::process::ExitCode;
use std::time::Duration;

use swarmbus_core::Observer;
use swarmbus_supervisor::client;
use swarmbus_supervisor::health::judge::{judge, span};
use swarmbus_supervisor::health::{AgentHealth, Condition, Health, Plan, look};
use swarmbus_supervisor::protocol::{Answer, Request};

use crate::exit::Failure;
use crate::ls::or_dash;
use crate::output::Output;
use crate::units;

/// Show how the agents, queues and memory of a bus are.
///
/// The supervisor is asked, which has watched for as long as it runs. Without one the bus is watched for
/// a while, by reading alone; a stall can then be seen only if it is shorter than that.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus health demo
  swarmbus health demo --all
  swarmbus health demo --watch 10s --stall 5s
  swarmbus health demo -o json | jq -r '.alerts[].text'

STATE is healthy, starting, waiting, working (its board says so), stalled (it
lives, something waits for it, it takes nothing), overflowing or dead (and not
yet reaped). QUIET is how long it took nothing although something waited.
The exit code is 0 whatever is found; 'swarmbus check' tells by its own.

Exit codes: 68 unknown bus")]
pub struct Args {
    /// Name of the bus [default: --bus, then $SWARMBUS]
    bus: Option<String>,

    /// Show agents that are well, too
    #[arg(short, long)]
    all: bool,

    #[command(flatten)]
    sight: Sight,
}

/// How to look, and what counts as trouble.
#[derive(clap::Args)]
pub struct Sight {
    /// Watch for so long, and do not ask the supervisor [default: ask; without one 1s]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    watch: Option<Duration>,

    /// An agent that takes nothing for so long although something waits is stalled [default: [health] of the run, else 30s]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    stall: Option<Duration>,

    /// The same for one that says it is in progress on a task, without signs of life [default: 15m]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    patience: Option<Duration>,

    /// A message of a work queue may wait so long [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    age: Option<Duration>,

    /// A lane this full overflows [default: 80%]
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    overflow: Option<u32>,

    /// Memory this full is worth a warning [default: 85%]
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    memory: Option<u32>,
}

fn percent(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
    number.filter(|percent| (1..=100).contains(percent)).ok_or_else(|| "write it as 80%, from 1% to 100%".to_owned())
}

/// How long a bus without a supervisor is watched.
const WATCH: Duration = Duration::from_secs(1);

impl Sight {
    /// Looks, or asks who has looked, and judges.
    pub fn health(&self, bus: &str) -> Result<Health, Failure> {
        let observer = Observer::open(bus)?;
        let asked = match self.watch {
            Some(_) => None,
            None => client::ask(bus, &Request::Health).ok(),
        };
        let (plan, facts) = match asked {
            Some(Answer::Health { plan, facts }) => (self.over(plan), facts),
            // No supervisor, or one of another version.
            _ => {
                let plan = self.over(Plan::default());
                let facts = look::for_a_while(&observer, self.watch.unwrap_or(WATCH), &plan);
                (plan, facts)
            }
        };
        Ok(judge(facts, &plan))
    }

    fn over(&self, mut plan: Plan) -> Plan {
        for stall in std::iter::once(&mut plan.stall).chain(plan.pools.values_mut()) {
            stall.after = self.stall.unwrap_or(stall.after);
            stall.patience = self.patience.unwrap_or(stall.patience);
        }
        plan.age = self.age.unwrap_or(plan.age);
        plan.overflow = self.overflow.unwrap_or(plan.overflow);
        plan.memory = self.memory.unwrap_or(plan.memory);
        plan
    }
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let health = args.sight.health(&output.bus(args.bus.as_deref())?)?;
    output.record(&text(&health, args.all, output), &health)?;
    Ok(ExitCode::SUCCESS)
}

/// What is wrong first, then who is how.
fn text(health: &Health, all: bool, output: &Output) -> String {
    let mut sections = vec![format!("{}: {}", health.bus, summary(health))];
    if !health.alerts.is_empty() {
        let row = |alert: &swarmbus_supervisor::health::Alert| {
            vec![alert.severity.as_str().into(), alert.kind.into(), alert.subject.clone(), alert.text.clone()]
        };
        let rows = health.alerts.iter().take(ALERTS_SHOWN).map(row).collect();
        sections.push(output.table(&["severity", "kind", "of", "what"], rows));
        if health.alerts.len() > ALERTS_SHOWN {
            sections.push(format!("and {} more", health.alerts.len() - ALERTS_SHOWN));
        }
    }
    let shown: Vec<Vec<String>> =
        health.agents.iter().filter(|agent| all || agent.condition <= Condition::Starting).map(row).collect();
    if !shown.is_empty() {
        sections.push(output.table(&["agent", "pid", "state", "mailbox", "quiet", "why"], shown));
    }
    let queues = health.queues.iter().filter(|queue| all || queue.waiting > 0);
    let queues: Vec<Vec<String>> = queues
        .map(|queue| {
            let age = if queue.waiting > 0 { span(queue.age_s) } else { "-".to_owned() };
            let filled = format!("{}%", queue.fullest * 100 / queue.limit.max(1));
            vec![queue.name.clone(), queue.waiting.to_string(), filled, age, queue.takers.to_string()]
        })
        .collect();
    if !queues.is_empty() {
        sections.push(output.table(&["queue", "waiting", "full", "oldest", "takers"], queues));
    }
    let gauges = health.gauges.iter().map(|gauge| format!("{} {} %", gauge.what, gauge.percent()));
    sections.push(format!("memory: {}", gauges.collect::<Vec<_>>().join(", ")));
    sections.join("\n\n")
}

/// Alerts that are shown to people.
const ALERTS_SHOWN: usize = 20;

/// The verdict and how many are how, in one line.
pub fn summary(health: &Health) -> String {
    let counts = Condition::ALL.iter().filter_map(|condition| {
        let count = health.counts.get(condition.as_str())?;
        Some(format!("{count} {}", condition.as_str()))
    });
    let counts: Vec<String> = counts.collect();
    let counts = if counts.is_empty() { "no agents".to_owned() } else { counts.join(", ") };
    let watched = match health.supervisor_pid {
        Some(_) => String::new(),
        None => format!("; no supervisor, watched for {}", span(health.watched_s)),
    };
    format!("{}: {counts}{watched}", health.verdict.as_str())
}

fn row(agent: &AgentHealth) -> Vec<String> {
    let facts = &agent.facts;
    let quiet = if facts.pressed_by.is_some() { span(facts.quiet_s) } else { "-".to_owned() };
    vec![
        facts.name.clone(),
        or_dash(facts.pid),
        agent.condition.as_str().to_owned(),
        facts.waiting.to_string(),
        quiet,
        agent.why(),
    ]
}
