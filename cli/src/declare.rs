//! `swarmbus declare`.

use std::process::ExitCode;

use serde::Serialize;
use swarmbus_core::{Bus, QueueOptions};

use crate::exit::Failure;
use crate::output::Output;

/// Declare a mailbox or queue ahead of its owner.
///
/// From then on it takes messages. A mailbox keeps its messages while nobody owns it, and outlives its owner. Declaring what is
/// declared already changes nothing.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus declare demo/bob
  swarmbus declare demo/jobs --limit 10000

Exit codes: 64 the name is wrong, 68 unknown bus")]
pub struct Args {
    /// What to declare: [BUS/]NAME
    address: String,

    /// Most waiting messages per lane [default: the limit of the bus]
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Declared {
    bus: String,
    name: String,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let (bus, name) = output.address(&args.address)?;
    Bus::open(&bus)?.declare(&name, &QueueOptions { limit: args.limit, ..QueueOptions::default() })?;
    let text = if output.verbose() { format!("declared {bus}/{name}") } else { String::new() };
    output.record(&text, &Declared { bus, name })?;
    Ok(ExitCode::SUCCESS)
}
