//! `swarmbus ps`.

use std::process::ExitCode;
use std::time::Duration;

use swarmbus_core::{Bus, Error};
use swarmbus_supervisor::client::{self, ClientError};
use swarmbus_supervisor::status::{AgentStatus, Status};

use crate::exit::Failure;
use crate::ls::or_dash;
use crate::output::Output;
use crate::units;
use crate::watch::Watch;

/// Show the agents of a bus.
///
/// Tells their state and restarts, what they hold and what waits for them. Works with the supervisor
/// dead as well: then the segment and what the supervisor noted tell.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus ps
  swarmbus ps demo --watch
  swarmbus ps demo -o jsonl | jq '.agents[] | select(.restarts > 0) | .name'

IN FLIGHT counts messages an agent has received and not released, MAILBOX those
that wait for it. An agent in state guest was started by somebody else; one in
state dead has nobody to start it again. A name with * is not (yet) attached to
the bus.

Exit codes: 68 unknown bus")]
pub struct Args {
    /// Name of the bus [default: --bus, then $SWARMBUS, else all buses]
    bus: Option<String>,

    #[command(flatten)]
    watch: Watch,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    args.watch.show(output, || show(args.bus.as_deref(), output))
}

fn show(bus: Option<&str>, output: &Output) -> Result<(), Failure> {
    let statuses = match output.bus(bus) {
        Ok(bus) => vec![client::ps(&bus).map_err(failure)?],
        Err(_) => all()?,
    };
    if output.is_json() {
        if let ([status], true) = (statuses.as_slice(), output.bus(bus).is_ok()) {
            output.record("", status)?;
        } else {
            output.records(&[], Vec::new(), &statuses)?;
        }
        return Ok(());
    }
    if statuses.is_empty() {
        output.note("no bus is there");
    }
    for (index, status) in statuses.iter().enumerate() {
        if index > 0 {
            output.line("")?;
        }
        output.line(&text(status, output))?;
    }
    Ok(())
}

fn all() -> Result<Vec<Status>, Failure> {
    let mut statuses = Vec::new();
    for bus in Bus::list()? {
        match client::ps(&bus) {
            Ok(status) => statuses.push(status),
            // Destroyed since it was listed.
            Err(ClientError::Bus(Error::UnknownBus { .. })) => {}
            Err(error) => return Err(failure(error)),
        }
    }
    Ok(statuses)
}

fn text(status: &Status, output: &Output) -> String {
    let headers = ["name", "pid", "state", "restarts", "uptime", "in flight", "mailbox", "last exit"];
    let supervisor = match status.supervisor_pid {
        Some(pid) => format!("{}, supervisor {pid}", status.state),
        None => "no supervisor".to_owned(),
    };
    let mut text = format!("{} ({supervisor})", status.bus);
    if !status.agents.is_empty() {
        text.push('\n');
        text.push_str(&output.list(&headers, status.agents.iter().map(row).collect()));
    }
    for queue in &status.queues {
        let closed = if queue.closed { ", closed" } else { "" };
        text.push_str(&format!(
            "\nqueue {}: {} queued, {} in flight{closed}",
            queue.name, queue.queued, queue.in_flight
        ));
    }
    text
}

fn row(agent: &AgentStatus) -> Vec<String> {
    let detached = if agent.pid.is_some() && !agent.attached { "*" } else { "" };
    vec![
        format!("{}{detached}", agent.name),
        or_dash(agent.pid),
        agent.state.clone(),
        agent.restarts.to_string(),
        or_dash(agent.uptime_s.map(|seconds| units::age(Duration::from_secs_f64(seconds)))),
        agent.in_flight.to_string(),
        agent.mailbox.to_string(),
        or_dash(agent.last_exit.as_deref().map(|exit| exit.strip_prefix("exited with ").unwrap_or(exit))),
    ]
}

/// The failure behind an error of the supervisor's clients.
pub fn failure(error: ClientError) -> Failure {
    let message = error.to_string();
    match error {
        ClientError::Bus(error) => error.into(),
        ClientError::System { .. } => Failure::system(message),
        _ => Failure::unavailable(message),
    }
}
