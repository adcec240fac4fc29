//! `swarmbus restart`, `stop`, `start`, `reset-failed` and `scale`: agents of a run, by name.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;
use swarmbus_supervisor::client;
use swarmbus_supervisor::protocol::{Answer, Request};
use swarmbus_supervisor::status::AgentStatus;

use crate::exit::{Failure, TEMPORARY};
use crate::output::Output;
use crate::ps::failure;
use crate::units;

/// End agents and start them again.
///
/// They get SIGTERM, to their groups, and SIGKILL after the 'kill_after' of [drain]. What they held goes back
/// to its queue.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus restart worker-3 --bus demo
  swarmbus restart worker sorter-1 --bus demo --timeout 0

Exit codes: 64 no such agent, 68 unknown bus, 69 it has no supervisor, 75 not
done in time")]
pub struct Restart {
    #[command(flatten)]
    names: Names,
}

/// End agents until somebody starts them.
///
/// They get SIGTERM, to their groups, and SIGKILL after the 'kill_after' of [drain]. What they held goes back
/// to its queue; 'swarmbus drain' with names lets them finish instead.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus stop worker-3 --bus demo

Exit codes: 64 no such agent, 68 unknown bus, 69 it has no supervisor, 75 not
done in time")]
pub struct Stop {
    #[command(flatten)]
    names: Names,
}

/// Start agents that were stopped, have ended or were given up.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus start worker-3 --bus demo

Exit codes: 64 no such agent, 68 unknown bus, 69 it has no supervisor, 75 not
done in time")]
pub struct Start {
    #[command(flatten)]
    names: Names,
}

/// Forget the failures of agents that were given up, and start them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus reset-failed --bus demo
  swarmbus reset-failed worker --bus demo

Exit codes: 64 no such agent, 68 unknown bus, 69 it has no supervisor, 75 not
done in time")]
pub struct ResetFailed {
    /// Agents or pools [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    #[command(flatten)]
    wait: Wait,
}

/// Make a pool larger or smaller while it runs.
///
/// The agents with the highest numbers leave; each finishes what it holds first. The file is not changed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus scale worker 200 --bus demo

Exit codes: 64 no such pool, 68 unknown bus, 69 it has no supervisor, 75 not
done in time")]
pub struct Scale {
    /// The pool
    pool: String,

    /// How many agents it is to have
    size: u32,

    #[command(flatten)]
    wait: Wait,
}

#[derive(clap::Args)]
struct Names {
    /// Agents or pools
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,

    #[command(flatten)]
    wait: Wait,
}

#[derive(clap::Args)]
struct Wait {
    /// Longest wait until it is done; 0 only asks for it
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "60s")]
    timeout: Duration,
}

#[derive(Serialize)]
struct Done {
    bus: String,
    agents: Vec<String>,
}

pub fn restart(args: Restart, output: &Output) -> Result<ExitCode, Failure> {
    let bus = output.bus(None)?;
    let before: HashMap<String, Option<u32>> = agents(&bus)?.into_iter().map(|agent| (agent.name, agent.pid)).collect();
    let is_new = |agent: &AgentStatus| agent.pid.is_some() && before.get(&agent.name) != Some(&agent.pid);
    let done = |agent: Option<&AgentStatus>| agent.is_none_or(|agent| is_new(agent) || is_over(agent));
    steer(bus, Request::Restart { names: args.names.names }, args.names.wait, output, "restarted", done)
}

pub fn stop(args: Stop, output: &Output) -> Result<ExitCode, Failure> {
    let request = Request::Stop { names: args.names.names };
    steer(output.bus(None)?, request, args.names.wait, output, "stopped", is_away)
}

pub fn start(args: Start, output: &Output) -> Result<ExitCode, Failure> {
    let request = Request::Start { names: args.names.names };
    steer(output.bus(None)?, request, args.names.wait, output, "started", is_there)
}

pub fn reset_failed(args: ResetFailed, output: &Output) -> Result<ExitCode, Failure> {
    let request = Request::ResetFailed { names: args.names };
    steer(output.bus(None)?, request, args.wait, output, "started", is_there)
}

pub fn scale(args: Scale, output: &Output) -> Result<ExitCode, Failure> {
    let Scale { pool, size, wait } = args;
    let number = |name: &str| name.rsplit_once('-').and_then(|(_, number)| number.parse::<u32>().ok()).unwrap_or(0);
    let done = |agent: Option<&AgentStatus>| match agent {
        Some(agent) => number(&agent.name) <= size && is_there(Some(agent)),
        None => true,
    };
    let what = format!("now {size} agents in {pool}; changed");
    steer(output.bus(None)?, Request::Scale { pool, size }, wait, output, &what, done)
}

fn is_over(agent: &AgentStatus) -> bool {
    matches!(agent.state.as_str(), "failed" | "finished")
}

fn is_away(agent: Option<&AgentStatus>) -> bool {
    agent.is_none_or(|agent| agent.pid.is_none() && agent.state != "stopping")
}

fn is_there(agent: Option<&AgentStatus>) -> bool {
    agent.is_some_and(|agent| agent.state == "running" || is_over(agent))
}

fn agents(bus: &str) -> Result<Vec<AgentStatus>, Failure> {
    client::ps(bus).map(|status| status.agents).map_err(failure)
}

/// How often the state of agents is asked for while somebody waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Asks for something, and waits until it is so.
fn steer(
    bus: String,
    request: Request,
    wait: Wait,
    output: &Output,
    what: &str,
    is_done: impl Fn(Option<&AgentStatus>) -> bool,
) -> Result<ExitCode, Failure> {
    let concerned = match client::ask(&bus, &request).map_err(refused)? {
        Answer::Accepted { agents } => agents,
        other => return Err(Failure::unavailable(format!("the supervisor of {bus} answered {other:?}"))),
    };
    if wait.timeout > Duration::ZERO {
        wait_until(&bus, &concerned, wait.timeout, is_done)?;
    }
    let list = if concerned.is_empty() { "nobody".to_owned() } else { concerned.join(", ") };
    output.record(&format!("{what}: {list}"), &Done { bus, agents: concerned })?;
    Ok(ExitCode::SUCCESS)
}

fn wait_until(
    bus: &str,
    concerned: &[String],
    timeout: Duration,
    is_done: impl Fn(Option<&AgentStatus>) -> bool,
) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let now: HashMap<String, AgentStatus> =
            agents(bus)?.into_iter().map(|agent| (agent.name.clone(), agent)).collect();
        let left: Vec<&str> = concerned.iter().filter(|name| !is_done(now.get(*name))).map(String::as_str).collect();
        if left.is_empty() {
            return Ok(());
        }
        if begun.elapsed() >= timeout {
            let some = left[..left.len().min(5)].join(", ");
            let message = format!("not yet done for {} of {}: {some}", left.len(), concerned.len());
            return Err(Failure::new(TEMPORARY, message));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A supervisor that refuses was asked for something that cannot be: wrong usage.
pub fn refused(error: client::ClientError) -> Failure {
    match error {
        client::ClientError::Refused { message, .. } => Failure::usage(message),
        other => failure(other),
    }
}
