//! `swarmbus sub`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use swarmbus_core::{Bus, Error, Sample, StartAt};

use crate::exit::{self, Failure};
use crate::interrupt::Interrupt;
use crate::message::{Record, shown};
use crate::output::{Format, Output, compact};
use crate::take::interrupted;
use crate::units;

/// Subscribe to a topic and print what is published there.
///
/// Everybody who subscribes gets every message, from the moment of subscribing. Whoever subscribes
/// has to read: a topic with back-pressure makes its publishers wait for the slowest subscriber.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus sub demo/news
  swarmbus sub demo/news -f -o jsonl | jq -r .data
  swarmbus sub demo/news --last 10 -n 10 -t 5s

Output: the payload and a newline, as 'swarmbus recv' prints it. JSON fields:
id, sender, correlation, content, position (from 0), missed (messages of a lossy
topic that were pushed out before this one), traceparent (of a trace), schema
(of an archive), and data (text) or data_base64.

Exit codes: 64 no topic but a queue, 68 unknown bus or topic, 69 closed, 74 the
output failed, 75 timed out, 130 SIGINT, 143 SIGTERM")]
pub struct Args {
    /// The topic: [BUS/]NAME
    topic: String,

    /// How many messages to print, 0 for no end
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 1)]
    count: u64,

    /// Go on until interrupted, as -n 0
    #[arg(short, long, conflicts_with = "count")]
    follow: bool,

    /// Longest wait for a message, such as 250ms or 5s [default: no limit]
    #[arg(short, long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,

    /// Begin with the last N messages, as far as the topic retains them
    #[arg(long, value_name = "N")]
    last: Option<u32>,

    /// Begin with the oldest message that the topic retains
    #[arg(long, conflicts_with = "last")]
    retained: bool,

    /// Print payloads as they are, without a newline after each
    #[arg(long)]
    raw: bool,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let (bus, topic) = output.address(&args.topic)?;
    let interrupt = Interrupt::install()?;
    let member = Bus::open(&bus)?.join()?;
    let from = match (args.last, args.retained) {
        (Some(count), _) => StartAt::Last(count),
        (None, true) => StartAt::Retained,
        (None, false) => StartAt::Now,
    };
    let mut subscription = member.subscribe(&topic, from).map_err(|error| match error {
        Error::UnknownAgent { name, bus } => Failure::new(
            exit::UNKNOWN,
            format!("no topic '{name}' on bus '{bus}': declare it first (swarmbus topic declare {bus}/{name})"),
        ),
        error => error.into(),
    })?;
    let mut writer = interrupt.writer(output.stdout()?);
    let mut left = if args.follow || args.count == 0 { u64::MAX } else { args.count };
    while left > 0 {
        let received = subscription.recv_until(args.timeout, &mut || interrupt.pending().is_some());
        let sample = received.map_err(|error| match error {
            Error::Timeout => timed_out(&args.topic, args.timeout),
            error => interrupted(error, &interrupt),
        })?;
        if sample.missed() > 0 && !output.is_json() {
            output.note(&format!("swarmbus: {} messages were pushed out before they were read", sample.missed()));
        }
        let printed = print(&sample, args.raw, output, &mut writer);
        interrupt.check()?;
        printed?;
        left -= 1;
    }
    Ok(ExitCode::SUCCESS)
}

/// The message is out before the publisher may go on.
fn print(sample: &Sample<'_>, raw: bool, output: &Output, writer: &mut impl Write) -> Result<(), Failure> {
    match output.format() {
        Format::Json | Format::Jsonl => writer.write_all(compact(&Record::from(sample))?.as_bytes())?,
        Format::Table if output.is_terminal() && !raw => writer.write_all(&shown(sample.content(), sample.data()))?,
        Format::Table => writer.write_all(sample.data())?,
    }
    if !raw || output.is_json() {
        writer.write_all(b"\n")?;
    }
    Ok(writer.flush()?)
}

fn timed_out(topic: &str, timeout: Option<Duration>) -> Failure {
    let within = humantime::format_duration(timeout.unwrap_or_default());
    Failure::new(exit::TEMPORARY, format!("nothing was published in {topic} within {within}"))
}
