//! `swarmbus bench`: what a bus does on this machine, between real processes, in a second or two.
//!
//! The command is the coordinator; agents are this program again (or Python), on a bus that is there for the run only. To compare with other
//! means of communication there is `make bench`.

mod agent;
mod crew;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use crate::exit::Failure;
use crate::output::Output;
use crate::units;
use agent::Duty;
use crew::Program;

/// Measure what a bus does on this machine.
///
/// Starts agents as processes of their own on a bus made for the run, and measures from outside,
/// as a user would see it. Nothing is left behind.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus bench one-way --size 1MiB
  swarmbus bench ping-pong --spin
  swarmbus bench swarm --agents 708 --kind native -o json

Compare runs on one machine only, while nothing else is busy.

Exit codes: 71 agents cannot be started, 75 out of memory or of patience,
130 SIGINT")]
pub struct Args {
    #[command(subcommand)]
    work: Work,
}

#[derive(Subcommand)]
enum Work {
    /// One agent sends as fast as it can: messages per second
    OneWay(Flow),
    /// Many agents send to one: messages per second
    FanIn {
        #[command(flatten)]
        crowd: Crowd,
        #[command(flatten)]
        flow: Flow,
    },
    /// A message to an agent and one back: microseconds
    PingPong(Flow),
    /// A message to every agent, an answer of each: milliseconds
    FanOut {
        #[command(flatten)]
        crowd: Crowd,
        #[command(flatten)]
        flow: Flow,
    },
    /// Start a swarm, give each agent a task, gather the answers: milliseconds
    Swarm {
        #[command(flatten)]
        crowd: Crowd,
        /// What the agents are
        #[arg(long, value_enum, default_value_t = Kind::Native)]
        kind: Kind,
        /// The Python that has the package swarmbus, for --kind python
        #[arg(long, value_name = "PROGRAM", default_value = "python3")]
        python: PathBuf,
        /// Start one Python that forks the agents, instead of one for each, for --kind python
        #[arg(long)]
        fork: bool,
    },
    #[command(hide = true)]
    Agent(agent::Args),
}

/// How many agents.
#[derive(clap::Args, Clone, Copy)]
struct Crowd {
    /// Number of agents
    #[arg(short = 'n', long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    agents: u32,
}

/// What is sent, how, and for how long.
#[derive(clap::Args, Clone, Copy)]
struct Flow {
    /// Bytes of a message, such as 64 or 1MiB
    #[arg(short, long, value_name = "SIZE", default_value = "64", value_parser = payload)]
    size: u64,

    /// How long to measure, such as 500ms or 2s
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = units::duration)]
    time: Duration,

    /// Ask again and again instead of sleeping: faster, and costs a core for each process
    #[arg(long)]
    spin: bool,
}

/// Bytes of the longest message.
const PAYLOAD_MAX: u64 = 16 << 20;

/// Parses the length of a message.
fn payload(text: &str) -> Result<u64, String> {
    match units::size(text)? {
        size if size <= PAYLOAD_MAX => Ok(size),
        _ => Err(format!("a message has at most {}", units::bytes(PAYLOAD_MAX))),
    }
}

/// What the agents of a swarm are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Kind {
    /// This program
    Native,
    /// A Python script
    Python,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    match args.work {
        Work::OneWay(flow) => work::stream(1, flow, output),
        Work::FanIn { crowd, flow } => work::stream(crowd.agents, flow, output),
        Work::PingPong(flow) => work::rounds("ping-pong", 1, flow, output),
        Work::FanOut { crowd, flow } => work::rounds("fan-out", crowd.agents, flow, output),
        Work::Swarm { crowd, kind, python, fork } => {
            let program = match kind {
                Kind::Native => Program::Native { duty: Duty::Answer, size: 64, spin: false },
                Kind::Python => Program::Python { interpreter: &python, fork },
            };
            work::swarm(crowd.agents, &program, output)
        }
        Work::Agent(args) => agent::run(&args),
    }
}
