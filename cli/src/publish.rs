//! `swarmbus pub`.

use std::process::ExitCode;
use std::time::Duration;

use swarmbus_core::{Bus, ContentType, PublishOptions};

use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::output::{Output, variable};
use crate::sender::{Payload, Sender, Target, content};
use crate::trace::Trace;
use crate::units;

/// Publish in a topic: everybody who subscribes gets it.
///
/// The payload is the argument, a file, or standard input as a whole or line by line. The topic has
/// to be declared. Whether a slow subscriber makes the publisher wait is the topic's policy.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus topic declare demo/news --retain 10
  swarmbus pub demo/news 'build 42 is green'
  vmstat 1 | swarmbus pub demo/load --lines

Output: nothing; with -v the id of each message, or 'dropped'. JSON fields: id,
bus, to, position (null if it was dropped), bytes; with --lines and -o json only
the totals: sent, bytes, dropped.

Exit codes: 65 too large or no JSON, 66 no such file, 68 unknown bus or topic,
69 closed, 74 the input failed, 75 a subscriber left no room in time")]
pub struct Args {
    /// The topic: [BUS/]NAME
    topic: String,

    #[command(flatten)]
    payload: Payload,

    /// Publish each line of the input as a message, without its newline
    #[arg(long, conflicts_with = "payload")]
    lines: bool,

    /// Agent that the message says it is from [default: $SWARMBUS_AGENT]
    #[arg(long, value_name = "NAME")]
    from: Option<String>,

    /// Longest wait for slow subscribers; 0 for none [default: no limit]
    #[arg(short, long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,

    /// Number that the subscribers see
    #[arg(long, value_name = "N", default_value_t = 0)]
    correlation: u64,

    /// What the payload is: bytes, json (it is checked) or rkyv (an archive)
    #[arg(short, long, value_name = "TYPE")]
    #[arg(default_value_t = ContentType::Bytes, value_parser = content(), hide_possible_values = true)]
    content: ContentType,

    #[command(flatten)]
    trace: Trace,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let (bus, to) = output.address(&args.topic)?;
    let (timeout, correlation, content) = (args.timeout, args.correlation, args.content);
    let options = PublishOptions { timeout, correlation, content, trace: args.trace.context() };
    let interrupt = Interrupt::install()?;
    let member = Bus::open(&bus)?.join()?;
    if let Some(from) = args.from.or_else(|| variable("SWARMBUS_AGENT")) {
        member.set_sender(&from)?;
    }
    let sender = Sender { member, bus, to, target: Target::Topic(options), interrupt, output };
    sender.send_all(args.payload, args.lines)?;
    Ok(ExitCode::SUCCESS)
}
