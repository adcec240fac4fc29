//! `swarmbus drain`.

use std::process::ExitCode;

use serde::Serialize;
use swarmbus_supervisor::client::{self, Drained};
use swarmbus_supervisor::protocol::Answer;
use swarmbus_supervisor::tally::Report;

use crate::exit::Failure;
use crate::output::Output;
use crate::steer::refused;

/// Let the agents of a bus finish, then end the run; waits for it.
///
/// Intake stops, agents finish what they hold and end; those who do not within the grace of the
/// topology are ended. The bus is removed unless its topology keeps it. With names, only these agents or pools
/// finish; they stay away until 'swarmbus start'.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus drain demo
  swarmbus drain demo -o json
  swarmbus drain demo worker-3 sorter

What is left is told on stderr while it goes on. The report tells how many
messages were finished of those that were there, how many went back to their
queues because who held them had ended, how many became dead letters and how
many nobody read, and which agents did not end by themselves. Should the
supervisor die meanwhile, its successor goes on.

Exit codes: 68 unknown bus, 69 it has no supervisor")]
pub struct Args {
    /// Name of the bus [default: --bus, then $SWARMBUS]
    bus: Option<String>,

    /// Agents or pools that are to finish and stop, instead of all
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

#[derive(Serialize)]
struct Told<'a> {
    bus: &'a str,
    code: u8,
    #[serde(flatten)]
    report: &'a Report,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let bus = output.bus(args.bus.as_deref())?;
    let drained = client::drain(&bus, &args.names, &mut |answer| tell(answer, output)).map_err(refused)?;
    let what = if args.names.is_empty() { bus.clone() } else { args.names.join(", ") };
    let Drained { code, report } = &drained;
    output.record(&text(&what, report), &Told { bus: &bus, code: *code, report })?;
    Ok(ExitCode::SUCCESS)
}

fn text(what: &str, report: &Report) -> String {
    let Report { finished, handed_back, dead_lettered, unread, forced, seconds } = report;
    let verb = if what.contains(", ") { "are" } else { "is" };
    let mut text = format!(
        "{what} {verb} drained, in {seconds:.1} s\nmessages: {finished} finished, {handed_back} handed back, {dead_lettered} \
         dead-lettered, {unread} not read"
    );
    if !forced.is_empty() {
        let mut names = forced[..forced.len().min(5)].join(", ");
        if forced.len() > 5 {
            names.push_str(", …");
        }
        text.push_str(&format!("\nforced to end: {} ({names})", forced.len()));
    }
    text
}

/// Tells people how a drain goes.
pub fn tell(answer: &Answer, output: &Output) {
    if let Answer::Draining { phase, left, agents, queued } = answer
        && !output.is_json()
        && *left > 0
    {
        let mut names = agents[..agents.len().min(5)].join(", ");
        if *left > 5 {
            names.push_str(", …");
        }
        let waiting = if *queued > 0 { format!("; messages that wait: {queued}") } else { String::new() };
        output.note(&format!("{phase}: {left} left ({names}){waiting}"));
    }
}
