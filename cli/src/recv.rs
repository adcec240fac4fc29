//! `swarmbus recv`.
//!
//! A message is released only after its output is flushed, so one that the reader of the output did not get goes back
//! to its queue. What waits already is written and flushed in batches; no flush is put off while waiting.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use swarmbus_core::{Agent, Bus, Error, Member, Message};

use crate::exit::{self, Failure};
use crate::interrupt::Interrupt;
use crate::message::{Record, shown};
use crate::output::{Format, Output, compact, variable};
use crate::units;

/// Most messages in flight between two flushes.
const BATCH: usize = 64;

/// Take messages from a mailbox or queue and print them.
///
/// The command owns the mailbox while it runs; if somebody else does, it fails at once (exit 75).
/// A message is released, that is acknowledged, after its output is flushed: if the command is
/// killed or its output is closed before that, the message is delivered again to the next taker.
/// A name that nobody has declared yet is declared.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus recv demo/bob
  swarmbus recv demo/bob -n 1 --timeout 5s
  swarmbus recv demo/bob --follow -o jsonl | jq -r .data
  swarmbus recv demo/bob --raw > picture.png
  swarmbus recv demo/jobs --shared -n 10

Output: the payload and a newline; on a terminal JSON is laid out and of an rkyv
archive its schema and length are shown. With -o json or jsonl one JSON object
per line: id, sender, lane, deliveries (1 at first), correlation, content,
schema (of an archive), and data (text) or data_base64.

Exit codes: 68 unknown bus, 69 closed, 74 the output failed, 75 timed out or
owned by another process, 130 SIGINT, 143 SIGTERM")]
pub struct Args {
    /// Where to take from: [BUS/]NAME [default: $SWARMBUS_AGENT]
    address: Option<String>,

    /// How many messages to take, 0 for no end
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 1)]
    count: u64,

    /// Go on until interrupted, as -n 0
    #[arg(short, long, conflicts_with = "count")]
    follow: bool,

    /// Longest wait for a message, such as 250ms or 5s; 0 only looks [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,

    /// Print payloads as they are, without a newline after each
    #[arg(long)]
    raw: bool,

    /// Take as one of several consumers of a work queue, without owning it
    #[arg(long)]
    shared: bool,
}

/// How messages are printed.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// An object each.
    Json,
    /// Payloads for people.
    Shown,
    /// Payloads as they are, and a newline.
    Lines,
    /// Nothing but payloads.
    Raw,
}

/// Where messages come from: a mailbox of ours, or a queue shared with others.
enum Source {
    Mailbox(Agent),
    Queue(Member, String),
}

impl Source {
    fn wait(&self, timeout: Option<Duration>, interrupt: &Interrupt) -> Result<Message<'_>, Error> {
        let mut interrupted = || interrupt.pending().is_some();
        match self {
            Self::Mailbox(agent) => agent.recv_until(timeout, &mut interrupted),
            Self::Queue(member, queue) => member.receive_until(queue, timeout, &mut interrupted),
        }
    }

    fn look(&self) -> Result<Option<Message<'_>>, Error> {
        match self {
            Self::Mailbox(agent) => agent.try_recv(),
            Self::Queue(member, queue) => member.try_receive(queue),
        }
    }
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let address = args.address.or_else(|| variable("SWARMBUS_AGENT")).ok_or_else(|| {
        Failure::usage("no mailbox is named: give it as [BUS/]NAME or in the environment variable SWARMBUS_AGENT")
    })?;
    let (bus, name) = output.address(&address)?;
    let interrupt = Interrupt::install()?;
    let bus = Bus::open(&bus)?;
    let source = if args.shared { Source::Queue(bus.join()?, name) } else { Source::Mailbox(bus.attach(&name)?) };
    let mut writer = interrupt.writer(output.stdout()?);
    let mut left = if args.follow || args.count == 0 { u64::MAX } else { args.count };
    while left > 0 {
        let first = match source.wait(args.timeout, &interrupt) {
            Err(Error::Interrupted) => break,
            Err(Error::Timeout) => return Err(timed_out(&address, args.timeout)),
            message => message?,
        };
        let mut batch = vec![first];
        while batch.len() < BATCH && (batch.len() as u64) < left {
            match source.look() {
                Ok(Some(message)) => batch.push(message),
                // An error shows again at the next wait, when what was taken is out.
                Ok(None) | Err(_) => break,
            }
        }
        left -= batch.len() as u64;
        let form = match output.format() {
            Format::Json | Format::Jsonl => Form::Json,
            Format::Table if args.raw => Form::Raw,
            Format::Table if output.is_terminal() => Form::Shown,
            Format::Table => Form::Lines,
        };
        let printed = print(batch, form, &mut writer);
        if interrupt.pending().is_some() {
            break;
        }
        printed?;
    }
    Ok(interrupt.pending().map_or(ExitCode::SUCCESS, exit::by_signal))
}

/// Writes the batch, flushes, and only then releases it; on an error all of it goes back to the queue.
fn print(batch: Vec<Message<'_>>, form: Form, writer: &mut impl Write) -> Result<(), Failure> {
    for message in &batch {
        match form {
            Form::Json => writer.write_all(compact(&Record::from(message))?.as_bytes())?,
            Form::Shown => writer.write_all(&shown(message.content(), message.data()))?,
            Form::Lines | Form::Raw => writer.write_all(message.data())?,
        }
        if form != Form::Raw {
            writer.write_all(b"\n")?;
        }
    }
    writer.flush()?;
    for message in batch {
        message.release()?;
    }
    Ok(())
}

fn timed_out(address: &str, timeout: Option<Duration>) -> Failure {
    let waited = timeout.unwrap_or_default();
    Failure::new(
        exit::TEMPORARY,
        match waited {
            Duration::ZERO => format!("no message in {address}"),
            _ => format!("no message in {address} within {}", humantime::format_duration(waited)),
        },
    )
}
