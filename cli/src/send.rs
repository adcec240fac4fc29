//! `swarmbus send`.

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use swarmbus_core::{Bus, ContentType, Lane, SendOptions, key_of};

use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::output::{Output, variable};
use crate::sender::{Payload, Sender, Target, content};
use crate::trace::Trace;
use crate::units;

/// Send a message, or one per line of standard input.
///
/// The payload is the argument, a file, or standard input as a whole or line by line.
///
/// If the queue is full, send waits for room as long as --timeout says; 0 fails at once. The
/// receiver need not run: its mailbox keeps the message. Lanes are taken strictly in the order
/// urgent, high, normal, low.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus send demo/bob \"hello\" --lane high --from alice -t 5s
  swarmbus send demo/bob --file picture.png
  date | swarmbus send demo/bob
  seq 100 | swarmbus send demo/jobs --lines
  swarmbus send demo/bob '[1, 2]' --content json
  swarmbus send demo/jobs 'deploy 42' --key deploy-42 --ttl 1h
  swarmbus send demo/bob -v -- --starts-with-a-dash

Output: nothing; with -v the id of each message. JSON fields: id, bus, to, lane,
bytes; with --lines and -o json only the totals: sent, bytes.

Exit codes: 65 too large or no JSON, 66 no such file, 68 unknown bus or name,
69 closed, 74 the input failed, 75 full, timed out or out of memory")]
pub struct Args {
    /// Whom to send to: [BUS/]NAME
    address: String,

    #[command(flatten)]
    payload: Payload,

    /// Send each line of the input as a message, without its newline
    #[arg(long, conflicts_with = "payload")]
    lines: bool,

    /// Priority: urgent, high, normal or low
    #[arg(short = 'p', long, visible_alias = "priority", value_name = "LANE")]
    #[arg(default_value_t = Lane::Normal, value_parser = lane(), hide_possible_values = true)]
    lane: Lane,

    /// Agent that the message says it is from [default: $SWARMBUS_AGENT]
    #[arg(long, value_name = "NAME")]
    from: Option<String>,

    /// Longest wait for room, such as 250ms or 5s; 0 for none [default: no limit]
    #[arg(short, long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,

    /// Accept it once: of messages with one key the queue takes the first
    #[arg(short, long, conflicts_with = "lines")]
    key: Option<String>,

    /// How long it matters; afterwards it is a dead letter [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    ttl: Option<Duration>,

    /// Number that the receiver sees, to match answers to questions
    #[arg(long, value_name = "N", default_value_t = 0)]
    correlation: u64,

    /// What the payload is: bytes, json (it is checked) or rkyv (an archive)
    #[arg(short, long, value_name = "TYPE")]
    #[arg(default_value_t = ContentType::Bytes, value_parser = content(), hide_possible_values = true)]
    content: ContentType,

    #[command(flatten)]
    trace: Trace,
}

/// The parser of `--lane`.
pub fn lane() -> impl TypedValueParser<Value = Lane> {
    PossibleValuesParser::new(["urgent", "high", "normal", "low"]).try_map(|name| name.parse::<Lane>())
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let (bus, to) = output.address(&args.address)?;
    let options = SendOptions {
        lane: args.lane,
        timeout: args.timeout,
        correlation: args.correlation,
        content: args.content,
        time_to_live: args.ttl,
        key: args.key.map(|key| key_of(key.as_bytes())),
        trace: args.trace.context(),
    };
    let interrupt = Interrupt::install()?;
    let member = Bus::open(&bus)?.join()?;
    if let Some(from) = args.from.or_else(|| variable("SWARMBUS_AGENT")) {
        member.set_sender(&from)?;
    }
    let sender = Sender { member, bus, to, target: Target::Queue(options), interrupt, output };
    sender.send_all(args.payload, args.lines)?;
    Ok(ExitCode::SUCCESS)
}
