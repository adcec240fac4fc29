//! `swarmbus tail`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use swarmbus_core::{Agent, Bus, ContentType, Error, Observer, StartAt};

use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::message::{Record, harmless, summary};
use crate::output::{Output, compact};
use crate::take::{interrupted, passing_agent};
use crate::units;

/// Columns of a payload that are shown where lines may be as long as they like.
const PREVIEW: usize = 120;

/// Follow what goes to a queue or a topic, and take nothing.
///
/// Of a queue or mailbox a tap gives copies of every message that is sent from now on; receivers
/// and senders notice nothing. A queue has one tap at a time. A copy for which there is no room is
/// missed. A topic is subscribed to; one with back-pressure waits for this reader as for any.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus tail demo/jobs
  swarmbus tail demo/bob -o jsonl | jq -r .data
  swarmbus tail demo/news -n 10

Output: sender, receiver, lane and the start of the payload, a line each. JSON
fields are those of 'swarmbus recv', or of 'swarmbus sub' for a topic.

Exit codes: 68 unknown bus or name, 69 closed, 75 somebody taps it already or
nothing came in time, 130 SIGINT, 143 SIGTERM")]
pub struct Args {
    /// What to follow: [BUS/]NAME
    address: String,

    /// End after so many messages, 0 for no end
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 0)]
    count: u64,

    /// Longest wait for a message, such as 250ms or 5s [default: no limit]
    #[arg(short, long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,
}

/// The copies that came and nobody reads go with it.
struct Tap(Agent);

impl Drop for Tap {
    fn drop(&mut self) {
        let _ = self.0.untap();
        let _ = self.0.purge(self.0.name());
    }
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let (bus, name) = output.address(&args.address)?;
    let interrupt = Interrupt::install()?;
    let handle = Bus::open(&bus)?;
    let is_topic = Observer::open(&bus)?.topics().iter().any(|topic| topic.name == name);
    let mut writer = interrupt.writer(output.stdout()?);
    let mut show = |line: String| -> Result<(), Failure> {
        let written = writer.write_all(line.as_bytes()).and_then(|()| writer.flush());
        interrupt.check()?;
        Ok(written?)
    };
    let failed = |error: Error| match error {
        Error::Timeout => {
            let within = humantime::format_duration(args.timeout.unwrap_or_default());
            Failure::new(crate::exit::TEMPORARY, format!("nothing came to {} within {within}", args.address))
        }
        error => interrupted(error, &interrupt),
    };
    let mut stopped = || interrupt.pending().is_some();
    let count = if args.count == 0 { u64::MAX } else { args.count };
    if is_topic {
        let member = handle.join()?;
        let mut subscription = member.subscribe(&name, StartAt::Now)?;
        for _ in 0..count {
            let sample = subscription.recv_until(args.timeout, &mut stopped).map_err(failed)?;
            let text = || text(output, [sample.sender(), Some(name.clone())], "", (sample.content(), sample.data()));
            show(if output.is_json() { json(&Record::from(&sample))? } else { text() })?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let tap = Tap(passing_agent(&handle, "tail")?);
    // What one that was killed has left there.
    tap.0.purge(tap.0.name())?;
    tap.0.tap(&name)?;
    for _ in 0..count {
        let copy = tap.0.recv_until(args.timeout, &mut stopped).map_err(failed)?;
        let lane = copy.lane().to_string();
        let text = || text(output, [copy.sender(), copy.tapped()], &lane, (copy.content(), copy.data()));
        show(if output.is_json() { json(&Record::from(&copy))? } else { text() })?;
        copy.release()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn json(record: &Record<'_>) -> Result<String, Failure> {
    Ok(compact(record)? + "\n")
}

fn text(output: &Output, names: [Option<String>; 2], lane: &str, (content, data): (ContentType, &[u8])) -> String {
    let [sender, to] = names.map(|name| name.map_or_else(|| "-".to_owned(), |name| harmless(&name)));
    let lane = if lane.is_empty() { String::new() } else { format!("  {lane:6}") };
    let head = format!("{sender} > {to}{lane}  ");
    let width =
        output.width().map_or(PREVIEW, |width| usize::from(width).saturating_sub(head.chars().count() + 1).max(20));
    format!("{head}{}\n", summary(content, data, width))
}
