//! `swarmbus declare`, and `swarmbus queue declare`.

use std::process::ExitCode;

use serde::Serialize;
use swarmbus_core::{Bus, QueueOptions};

use crate::exit::Failure;
use crate::output::Output;

/// Declare a mailbox or queue ahead of its owner.
///
/// From then on it takes messages. A mailbox keeps its messages while nobody owns it, and outlives
/// its owner. Declaring what is declared already changes nothing. For topics there is 'swarmbus
/// topic declare'.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus declare demo/bob
  swarmbus declare demo/jobs --limit 100
  swarmbus declare demo/jobs --max-deliveries 3 --dead-letters failed

Dead letters are messages delivered too often, expired, or pushed out of a full
lane; see 'swarmbus dead-letter'. Without --dead-letters they are dropped and
counted.

Exit codes: 64 the name is wrong or a topic's, 68 unknown bus")]
pub struct Args {
    /// What to declare: [BUS/]NAME
    address: String,

    /// Most waiting messages per lane [default: the limit of the bus]
    #[arg(long, value_name = "N")]
    limit: Option<u32>,

    /// How often a message is delivered at most [default: no limit]
    #[arg(long, value_name = "N")]
    max_deliveries: Option<u32>,

    /// Queue for dead letters, declared if need be
    #[arg(long, value_name = "NAME")]
    dead_letters: Option<String>,

    /// Let a message for a full lane push out the oldest
    #[arg(long)]
    makes_room: bool,
}

#[derive(Serialize)]
struct Declared {
    bus: String,
    name: String,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let (bus, name) = output.address(&args.address)?;
    let options = QueueOptions {
        limit: args.limit,
        max_deliveries: args.max_deliveries,
        dead_letters: args.dead_letters,
        makes_room: args.makes_room,
    };
    Bus::open(&bus)?.declare(&name, &options)?;
    let text = if output.verbose() { format!("declared {bus}/{name}") } else { String::new() };
    output.record(&text, &Declared { bus, name })?;
    Ok(ExitCode::SUCCESS)
}
