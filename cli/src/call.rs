//! `swarmbus call`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use swarmbus_core::{Agent, Bus, ContentType, Error, Lane, Message, SendOptions};

use crate::exit::{self, Failure};
use crate::interrupt::Interrupt;
use crate::message::{Record, shown};
use crate::output::{Format, Output, compact, variable};
use crate::send::lane;
use crate::sender::{Payload, check_content, content};
use crate::take::{interrupted, passing_agent};
use crate::trace::Trace;
use crate::units;

/// Ask a question and print the answer.
///
/// An answer that comes in parts is printed part by part, as it comes.
///
/// The answer comes to a mailbox: that of --from, else that of $SWARMBUS_AGENT if no process has
/// it, else one of call.1, call.2, … What else waits there stays.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus call demo/shouter 'hello' -t 5s
  swarmbus call demo/resizer --file picture.png --raw > small.png
  swarmbus call demo/db '{\"get\": 7}' --content json -o jsonl | jq .data

Output: the answer and a newline, as 'swarmbus recv' prints it. JSON fields: id,
sender, lane, correlation (the id of the question), content, more_follows (true
but for the last part), traceparent (of a trace), schema (of an archive), and
data (text) or data_base64.

Exit codes: 65 too large or no JSON, 68 unknown bus or name, 69 closed, 74 the
output failed, 75 full, no answer in time, or an answer that is not whole")]
pub struct Args {
    /// Whom to ask: [BUS/]NAME
    address: String,

    #[command(flatten)]
    payload: Payload,

    /// Longest wait for the answer, and for each further part [default: no limit]
    #[arg(short, long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,

    /// Priority: urgent, high, normal or low
    #[arg(short = 'p', long, visible_alias = "priority", value_name = "LANE")]
    #[arg(default_value_t = Lane::Normal, value_parser = lane(), hide_possible_values = true)]
    lane: Lane,

    /// Agent that asks, in whose name no other process runs
    #[arg(long, value_name = "NAME")]
    from: Option<String>,

    /// What the payload is: bytes, json (it is checked) or rkyv (an archive)
    #[arg(short, long, value_name = "TYPE")]
    #[arg(default_value_t = ContentType::Bytes, value_parser = content(), hide_possible_values = true)]
    content: ContentType,

    #[command(flatten)]
    trace: Trace,

    /// Print answers as they are, without a newline after each
    #[arg(long)]
    raw: bool,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let (bus, to) = output.address(&args.address)?;
    let interrupt = Interrupt::install()?;
    let bus = Bus::open(&bus)?;
    let agent = asker(&bus, args.from.as_deref())?;
    let question = args.payload.read(&interrupt, &agent)?;
    check_content(args.content, &question)?;
    let (lane, timeout, content, trace) = (args.lane, args.timeout, args.content, args.trace.context());
    let options = SendOptions { lane, timeout, content, trace, ..SendOptions::default() };
    let mut stopped = || interrupt.pending().is_some();
    let failed = |error: Error| match error {
        Error::Timeout => {
            let within = humantime::format_duration(args.timeout.unwrap_or_default());
            Failure::new(exit::TEMPORARY, format!("no answer from {} within {within}", args.address))
        }
        error => interrupted(error, &interrupt),
    };
    let mut answers = agent.call_stream_until(&to, &question, &options, &mut stopped).map_err(failed)?;
    let mut writer = interrupt.writer(output.stdout()?);
    let mut parts = 0_u64;
    while let Some(part) = answers.next_until(args.timeout, &mut stopped).map_err(failed)? {
        // An answer in parts may end with an empty one, which only says so.
        let is_mere_end = parts > 0 && part.is_empty() && !part.more_follows();
        let printed =
            if is_mere_end && !output.is_json() { Ok(()) } else { print(&part, args.raw, output, &mut writer) };
        interrupt.check()?;
        printed?;
        part.release()?;
        parts += 1;
    }
    Ok(ExitCode::SUCCESS)
}

fn asker(bus: &Bus, from: Option<&str>) -> Result<Agent, Failure> {
    if let Some(from) = from {
        return Ok(bus.attach(from)?);
    }
    match variable("SWARMBUS_AGENT").map(|agent| bus.attach(&agent)) {
        // The agent itself runs: its mailbox is not ours to read.
        None | Some(Err(Error::AgentBusy { .. })) => passing_agent(bus, "call"),
        Some(attached) => Ok(attached?),
    }
}

fn print(answer: &Message<'_>, raw: bool, output: &Output, writer: &mut impl Write) -> Result<(), Failure> {
    match output.format() {
        Format::Json | Format::Jsonl => writer.write_all(compact(&Record::of_answer(answer))?.as_bytes())?,
        Format::Table if output.is_terminal() && !raw => writer.write_all(&shown(answer.content(), answer.data()))?,
        Format::Table => writer.write_all(answer.data())?,
    }
    if !raw || output.is_json() {
        writer.write_all(b"\n")?;
    }
    Ok(writer.flush()?)
}
