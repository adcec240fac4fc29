//! `swarmbus check`: how a bus is, for monitoring, by the exit code and in the words of several systems.

use std::process::ExitCode;
use std::time::Instant;

use clap::ValueEnum;
use swarmbus_supervisor::health::{Condition, Health, Severity};

use crate::exit::Failure;
use crate::health::{Sight, summary};
use crate::output::{Output, compact};

/// Check a bus for monitoring, which reads the exit code.
///
/// 0 ok, 1 warning, 2 critical, 3 unknown. Judges as 'swarmbus health' does. What cannot be checked, a bus that is not there for one, is 3.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus check demo
  swarmbus check demo --format nagios --stall 2m
  swarmbus check demo --format prometheus > /var/lib/node_exporter/demo.prom
  swarmbus check demo --format json | jq .verdict

Exit codes: 0 ok; 1 a warning; 2 critical: a queue is full, memory is nearly at
its end, or most agents are stalled; 3 it could not be checked")]
pub struct Args {
    /// Name of the bus [default: --bus, then $SWARMBUS]
    bus: Option<String>,

    /// In whose words: text, json, prometheus or nagios
    #[arg(short, long, value_enum, default_value_t = Form::Text, hide_possible_values = true)]
    format: Form,

    /// Tell on stderr how long the check took
    #[arg(long)]
    timing: bool,

    #[command(flatten)]
    sight: Sight,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Form {
    /// For people.
    Text,
    /// The whole judgement in one line.
    Json,
    /// For the textfile collector of the node exporter.
    Prometheus,
    /// One line, and performance data behind a bar.
    Nagios,
}

/// It could not be checked.
const UNKNOWN: u8 = 3;

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let health = output.bus(args.bus.as_deref()).and_then(|bus| args.sight.health(&bus));
    if args.timing {
        output.note(&format!("checked in {:.3} ms", begun.elapsed().as_secs_f64() * 1e3));
    }
    let health = match health {
        Ok(health) => health,
        Err(failure) => {
            match args.format {
                Form::Nagios => output.line(&format!("SWARMBUS UNKNOWN - {}", one_line(&failure.message)))?,
                Form::Json => {
                    output.line(&serde_json::json!({ "verdict": "unknown", "error": failure.message }).to_string())?;
                }
                // What Prometheus misses is told by the age of what it has.
                Form::Text | Form::Prometheus => {}
            }
            return Err(Failure::new(
                UNKNOWN,
                if args.format == Form::Nagios { String::new() } else { failure.message },
            ));
        }
    };
    // The global -o json is understood, too.
    let form = if args.format == Form::Text && output.is_json() { Form::Json } else { args.format };
    match form {
        Form::Text => output.line(&text(&health))?,
        Form::Json => output.line(&compact(&health)?)?,
        Form::Prometheus => output.line(prometheus(&health).trim_end())?,
        Form::Nagios => output.line(&nagios(&health))?,
    }
    Ok(ExitCode::from(match health.verdict {
        Severity::Ok => 0,
        Severity::Warning => 1,
        Severity::Critical => 2,
    }))
}

fn text(health: &Health) -> String {
    let mut lines = vec![format!("{}: {}", health.bus, summary(health))];
    let line = |alert: &swarmbus_supervisor::health::Alert| {
        format!("{} {} {}: {}", alert.severity.as_str(), alert.kind, alert.subject, alert.text)
    };
    lines.extend(health.alerts.iter().map(line));
    lines.join("\n")
}

fn one_line(text: &str) -> String {
    // A bar ends the text of a plugin.
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/")
}

fn nagios(health: &Health) -> String {
    let word = health.verdict.as_str().to_uppercase();
    let told = match health.alerts.first() {
        Some(first) => {
            let more = health.alerts.len() - 1;
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            format!("{} {}: {}{more}", first.kind, first.subject, first.text)
        }
        None => summary(health),
    };
    let count = |condition: Condition| health.counts.get(condition.as_str()).copied().unwrap_or(0);
    let mut figures: Vec<String> = vec![format!("agents={}", health.agents.len())];
    figures.extend(Condition::ALL.iter().map(|condition| format!("{}={}", condition.as_str(), count(*condition))));
    figures.extend(health.gauges.iter().map(|gauge| format!("{}={}%", gauge.what, gauge.percent())));
    let oldest = health.queues.iter().map(|queue| queue.age_s).fold(0.0, f64::max);
    figures.push(format!("oldest={oldest:.3}s"));
    format!("SWARMBUS {word} - {} | {}", one_line(&format!("{}: {told}", health.bus)), figures.join(" "))
}

fn prometheus(health: &Health) -> String {
    let mut text = String::new();
    let bus = &health.bus;
    let mut metric = |name: &str, help: &str, samples: &mut dyn Iterator<Item = (String, f64)>| {
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        for (labels, value) in samples {
            let comma = if labels.is_empty() { "" } else { "," };
            text.push_str(&format!("{name}{{bus=\"{bus}\"{comma}{labels}}} {value}\n"));
        }
    };
    let verdict = f64::from(health.verdict as u8);
    metric(
        "swarmbus_health_verdict",
        "How a bus is: 0 ok, 1 warning, 2 critical.",
        &mut std::iter::once((String::new(), verdict)),
    );
    metric(
        "swarmbus_health_agents",
        "Agents by condition.",
        &mut Condition::ALL.iter().map(|condition| {
            let count = health.counts.get(condition.as_str()).copied().unwrap_or(0);
            (format!("condition=\"{}\"", condition.as_str()), count as f64)
        }),
    );
    metric(
        "swarmbus_health_alerts",
        "Alerts by severity.",
        &mut [Severity::Warning, Severity::Critical].into_iter().map(|severity| {
            let count = health.alerts.iter().filter(|alert| alert.severity == severity).count();
            (format!("severity=\"{}\"", severity.as_str()), count as f64)
        }),
    );
    metric(
        "swarmbus_health_queue_oldest_seconds",
        "For how long the oldest message of a work queue has waited, at least.",
        &mut health.queues.iter().map(|queue| (format!("queue=\"{}\"", queue.name), queue.age_s)),
    );
    metric(
        "swarmbus_health_queue_fullest_ratio",
        "How full the fullest lane of a work queue is.",
        &mut health
            .queues
            .iter()
            .map(|queue| (format!("queue=\"{}\"", queue.name), queue.fullest as f64 / queue.limit.max(1) as f64)),
    );
    metric(
        "swarmbus_health_memory_used_ratio",
        "How full memory is.",
        &mut health
            .gauges
            .iter()
            .map(|gauge| (format!("memory=\"{}\"", gauge.what), gauge.used as f64 / gauge.total.max(1) as f64)),
    );
    text
}
