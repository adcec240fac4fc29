//! `swarmbus status` and `swarmbus beat`: what agents say of themselves.

use std::process::ExitCode;

use swarmbus_core::{Agent, AgentState, Bus, Error, Observer, StatusInfo};

use crate::exit::{Failure, TEMPORARY};
use crate::inspect::aligned;
use crate::inspect::shared::{STATUS_HEADERS, status, status_facts};
use crate::output::{Output, variable};
use crate::watch::List;

/// Say what an agent does, and see what others do.
///
/// What an agent says of itself stays until it says something else, also when it is gone. Only the
/// agent itself can say it: while a process owns the mailbox, that process.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus status set in_progress --task 'parse src/' --done 3 --total 10
  swarmbus status set blocked --blocker 'no key' --agent demo/bob
  swarmbus status get demo/bob
  swarmbus status ls demo --watch
  swarmbus status ls demo 'worker-*' -o jsonl | jq -r .task

States: idle, waiting_for_dependencies, in_progress, completed, blocked.
BEAT is how long ago the agent gave a sign of life: see 'swarmbus beat'.

Exit codes: 64 too long or no such state, 68 unknown bus or name, 75 another
process owns the mailbox")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Say what an agent does; what is not named stays as it was
    Set(Set),
    /// Show what an agent says of itself
    Get {
        /// The agent: [BUS/]NAME [default: $SWARMBUS_AGENT]
        agent: Option<String>,
    },
    /// List what the agents of a bus say of themselves
    Ls {
        #[command(flatten)]
        list: List,

        /// Only agents whose names look like this, with * and ?
        #[arg(default_value = "*")]
        pattern: String,
    },
}

#[derive(clap::Args)]
struct Set {
    /// State: idle, waiting_for_dependencies, in_progress, completed, blocked
    #[arg(value_parser = state)]
    state: Option<AgentState>,

    /// The agent: [BUS/]NAME [default: $SWARMBUS_AGENT]
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,

    /// What it works on
    #[arg(long, value_name = "TEXT")]
    task: Option<String>,

    /// What else people should know
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,

    /// How many goals of its task are done
    #[arg(long, value_name = "N")]
    done: Option<u32>,

    /// How many goals its task has
    #[arg(long, value_name = "N")]
    total: Option<u32>,

    /// What keeps it from going on; may be given again
    #[arg(long, value_name = "TEXT")]
    blocker: Vec<String>,

    /// A tag, by which others find it; may be given again
    #[arg(long)]
    tag: Vec<String>,
}

fn state(text: &str) -> Result<AgentState, String> {
    AgentState::parse(&text.replace('-', "_"))
        .ok_or_else(|| "a state is idle, waiting_for_dependencies, in_progress, completed or blocked".to_owned())
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    match args.what {
        What::Set(args) => set(args, output),
        What::Get { agent } => get(agent, output),
        What::Ls { list, pattern } => list.show(output, |bus| {
            let statuses = Observer::open(bus)?.statuses(&pattern);
            output.records(STATUS_HEADERS, statuses.iter().map(status).collect(), &statuses)
        }),
    }
}

/// The bus and the agent that an argument or the environment names.
fn named(agent: Option<String>, output: &Output) -> Result<(String, String), Failure> {
    let agent = agent.or_else(|| variable("SWARMBUS_AGENT")).ok_or_else(|| {
        Failure::usage("no agent is named: give it as [BUS/]NAME or in the environment variable SWARMBUS_AGENT")
    })?;
    output.address(&agent)
}

fn attach(bus: &str, name: &str) -> Result<Agent, Failure> {
    Bus::open(bus)?.attach(name).map_err(|error| match error {
        Error::AgentBusy { name, pid } => {
            Failure::new(TEMPORARY, format!("{name} is process {pid}: only that process says what it does"))
        }
        error => error.into(),
    })
}

fn set(args: Set, output: &Output) -> Result<ExitCode, Failure> {
    let (bus, name) = named(args.agent, output)?;
    let agent = attach(&bus, &name)?;
    // Tags are a handle's own: what the handle before said is gone unless it is said again.
    let before = agent.status()?.unwrap_or_default();
    let tags = if args.tag.is_empty() { before.tags } else { args.tag };
    agent.set_tags(&tags.iter().map(String::as_str).collect::<Vec<_>>())?;
    agent.update_status(|status| {
        if let Some(state) = args.state {
            status.state = state;
            // Who goes on is no longer kept from it.
            status.blockers.clear();
        }
        if !args.blocker.is_empty() {
            status.blockers = args.blocker;
        }
        status.task = args.task.unwrap_or(std::mem::take(&mut status.task));
        status.note = args.note.unwrap_or(std::mem::take(&mut status.note));
        status.done = args.done.unwrap_or(status.done);
        status.total = args.total.unwrap_or(status.total);
    })?;
    agent.beat()?;
    drop(agent);
    if output.is_json() {
        output.record("", &said(&Observer::open(&bus)?, &name))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn said(observer: &Observer, name: &str) -> Option<StatusInfo> {
    // No name has a * or ?, so it looks like itself alone.
    observer.statuses(name).into_iter().next()
}

fn get(agent: Option<String>, output: &Output) -> Result<ExitCode, Failure> {
    let (bus, name) = named(agent, output)?;
    let observer = Observer::open(&bus)?;
    let said = said(&observer, &name);
    if said.is_none() {
        // Of a name that is unknown there is an error, with what to do.
        observer.status(&name)?;
    }
    let text =
        said.as_ref().map_or_else(|| format!("{name} has said nothing of itself"), |said| aligned(&status_facts(said)));
    output.record(&text, &said)?;
    Ok(ExitCode::SUCCESS)
}

/// Give a sign of life for an agent.
///
/// Others see its age in 'swarmbus status ls'. Nobody is taken for dead for want of it: that is for
/// the kernel to say.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus beat demo/bob
  while ./work_a_little; do swarmbus beat; done

Exit codes: 68 unknown bus, 75 another process owns the mailbox")]
pub struct Beat {
    /// The agent: [BUS/]NAME [default: $SWARMBUS_AGENT]
    agent: Option<String>,
}

pub fn beat(args: Beat, output: &Output) -> Result<ExitCode, Failure> {
    let (bus, name) = named(args.agent, output)?;
    let agent = attach(&bus, &name)?;
    // Tags and state stay as they were: a beat says nothing else.
    agent.beat()?;
    Ok(ExitCode::SUCCESS)
}
