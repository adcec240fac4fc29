//! `swarmbus topic`.

use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use swarmbus_core::{Bus, Observer, Policy, TopicOptions};

use crate::exit::Failure;
use crate::inspect::shared::{TOPIC_HEADERS, topic};
use crate::output::Output;
use crate::watch::List;

/// Declare, list and trim topics.
///
/// A topic is one message to everybody who subscribes: see 'swarmbus pub' and 'swarmbus sub'.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus topic declare demo/news --retain 10
  swarmbus topic declare demo/load --policy lossy --capacity 256
  swarmbus topic ls demo --watch

Policies say what becomes of a message for which a subscriber leaves no room:
  back-pressure  its publisher waits, so that nothing is lost (the default)
  drop-new       it is dropped and counted
  lossy          it pushes out the oldest; slow subscribers miss messages

SUBS counts subscribers, BEHIND is how many messages the slowest has not read.

Exit codes: 64 the name is a queue's, 68 unknown bus or topic")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// List the topics of a bus
    Ls(List),
    /// Declare a topic; one that exists stays as it is
    Declare(Declare),
    /// Free the messages that every subscriber has read
    Trim {
        /// The topic: [BUS/]NAME
        topic: String,
    },
}

#[derive(clap::Args)]
struct Declare {
    /// The topic: [BUS/]NAME
    topic: String,

    /// What happens for want of room: back-pressure, drop-new or lossy
    #[arg(long, default_value = "back-pressure", value_parser = policy(), hide_possible_values = true)]
    policy: Policy,

    /// How many messages a subscriber may be behind [default: 64]
    #[arg(long, value_name = "N")]
    capacity: Option<u32>,

    /// How many of the last messages are kept for who comes late
    #[arg(long, value_name = "N", default_value_t = 0)]
    retain: u32,
}

fn policy() -> impl TypedValueParser<Value = Policy> {
    let policies = [Policy::BackPressure, Policy::DropNew, Policy::Lossy];
    PossibleValuesParser::new(policies.map(Policy::as_str))
        .try_map(move |text| policies.into_iter().find(|policy| policy.as_str() == text).ok_or("no such policy"))
}

#[derive(Serialize)]
struct Declared {
    bus: String,
    topic: String,
}

#[derive(Serialize)]
struct Trimmed {
    freed: u64,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    match args.what {
        What::Ls(list) => list.show(output, |bus| {
            let topics = Observer::open(bus)?.topics();
            output.records(TOPIC_HEADERS, topics.iter().map(topic).collect(), &topics)
        }),
        What::Declare(Declare { topic, policy, capacity, retain }) => {
            let (bus, topic) = output.address(&topic)?;
            Bus::open(&bus)?.declare_topic(&topic, &TopicOptions { policy, capacity, retain })?;
            let text = if output.verbose() { format!("declared {bus}/{topic}") } else { String::new() };
            output.record(&text, &Declared { bus, topic })?;
            Ok(ExitCode::SUCCESS)
        }
        What::Trim { topic } => {
            let (bus, topic) = output.address(&topic)?;
            let freed = Bus::open(&bus)?.join()?.trim(&topic)?;
            output.record(&format!("{freed} freed"), &Trimmed { freed })?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
