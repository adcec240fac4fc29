//! `swarmbus reap`.

use std::process::ExitCode;

use serde::Serialize;
use swarmbus_core::Bus;

use crate::exit::Failure;
use crate::output::Output;

/// Give back what dead processes held.
///
/// Their messages are delivered again, their memory is free. A supervisor does this at once and waiting agents do it within about a second, so it is seldom
/// needed by hand. Only processes that the kernel says are dead count; a stopped one is alive.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus reap demo
  swarmbus reap demo -o json

The fields: members that died, messages redelivered, chunks of memory freed, and
messages deferred (their queue is full; they come when it has room).

Exit codes: 68 unknown bus")]
pub struct Args {
    /// Name of the bus [default: --bus, then $SWARMBUS]
    bus: Option<String>,
}

#[derive(Serialize)]
struct Report {
    members: u32,
    redelivered: u32,
    freed: u32,
    deferred: u32,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let bus = Bus::open(&output.bus(args.bus.as_deref())?)?;
    let reaped = bus.join()?.reap()?;
    let text = format!(
        "{} dead, {} redelivered, {} freed, {} deferred",
        reaped.members, reaped.redelivered, reaped.freed, reaped.deferred
    );
    let report = Report {
        members: reaped.members,
        redelivered: reaped.redelivered,
        freed: reaped.freed,
        deferred: reaped.deferred,
    };
    output.record(&text, &report)?;
    Ok(ExitCode::SUCCESS)
}
