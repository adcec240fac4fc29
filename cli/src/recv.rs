//! `swarmbus recv`.
//!
//! A message is released only after its output is flushed, or after the command that it was given to has succeeded; one
//! whose reader is gone goes back to its queue. What waits already is written and flushed in batches; no flush is put off while waiting.

use std::ffi::OsString;
use std::io::Write;
use std::process::{ExitCode, Stdio};

use swarmbus_core::Message;

use crate::exit::{self, Failure};
use crate::handle::{Handled, hand_back, handle};
use crate::message::{Record, shown};
use crate::output::{Format, Output, compact};
use crate::take::{Taker, Taking};

/// Most messages in flight between two flushes.
const BATCH: usize = 64;

/// Take messages and print them, or give them to a command.
///
/// The command owns the mailbox while it runs; if somebody else does, it fails at once (exit 75).
/// A message is released, that is acknowledged, after its output is flushed: if the command is
/// killed or its output is closed before that, the message is delivered again to the next taker.
/// A name that nobody has declared yet is declared.
///
/// With '-- CMD' each message is the standard input of a run of CMD, and released when that exits
/// with 0. Otherwise it goes back to its queue and is delivered again, after a second at the
/// earliest; 'swarmbus queue declare --max-deliveries' sets an end to that.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus recv demo/bob
  swarmbus recv demo/bob -n 1 -t 5s
  swarmbus recv demo/bob --follow -o jsonl | jq -r .data
  swarmbus recv demo/bob --raw > picture.png
  swarmbus recv demo/jobs --shared -f -- ./job.sh

Output: the payload and a newline; on a terminal JSON is laid out and of an rkyv
archive its schema and length are shown. With -o json or jsonl one JSON object
per line: id, sender, queue, lane, deliveries (1 at first), correlation,
content, traceparent (of a trace), schema (of an archive), and data (text) or
data_base64.

CMD finds in its environment SWARMBUS, SWARMBUS_QUEUE, SWARMBUS_SENDER,
SWARMBUS_MESSAGE_ID, SWARMBUS_LANE, SWARMBUS_DELIVERIES, SWARMBUS_CORRELATION,
and TRACEPARENT if the message belongs to a trace.

Exit codes: 68 unknown bus, 69 closed, 74 the output failed, 75 timed out or
owned by another process, 126 or 127 no such CMD, 130 SIGINT, 143 SIGTERM")]
pub struct Args {
    #[command(flatten)]
    taking: Taking,

    /// Print payloads as they are, without a newline after each
    #[arg(long, conflicts_with = "command")]
    raw: bool,

    /// Run this for each message, its payload on standard input
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
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

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let count = args.taking.count(1);
    let taker = args.taking.open(output)?;
    if args.command.is_empty() {
        return print_all(&taker, count, args.raw, output);
    }
    for _ in 0..count {
        let message = taker.wait()?;
        match handle(&message, &args.command, &taker, Stdio::inherit(), |_| Ok(()))? {
            Handled::Well => message.release()?,
            Handled::Badly(how) => hand_back(message, &how, output)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_all(taker: &Taker, count: u64, raw: bool, output: &Output) -> Result<ExitCode, Failure> {
    let mut writer = taker.interrupt.writer(output.stdout()?);
    let mut left = count;
    while left > 0 {
        let mut batch = vec![taker.wait()?];
        while batch.len() < BATCH && (batch.len() as u64) < left {
            match taker.look() {
                Ok(Some(message)) => batch.push(message),
                // An error shows again at the next wait, when what was taken is out.
                Ok(None) | Err(_) => break,
            }
        }
        left -= batch.len() as u64;
        let form = match output.format() {
            Format::Json | Format::Jsonl => Form::Json,
            Format::Table if raw => Form::Raw,
            Format::Table if output.is_terminal() => Form::Shown,
            Format::Table => Form::Lines,
        };
        let printed = print(batch, form, &mut writer);
        if taker.interrupt.pending().is_some() {
            break;
        }
        printed?;
    }
    Ok(taker.interrupt.pending().map_or(ExitCode::SUCCESS, exit::by_signal))
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
