//! `swarmbus drain`.

use std::process::ExitCode;

use serde::Serialize;
use swarmbus_supervisor::client;
use swarmbus_supervisor::protocol::Answer;

use crate::exit::Failure;
use crate::output::Output;
use crate::ps::failure;
use crate::steer;

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

What is left is told on stderr while it goes on.

Exit codes: 68 unknown bus, 69 it has no supervisor")]
pub struct Args {
    /// Name of the bus [default: --bus, then $SWARMBUS]
    bus: Option<String>,

    /// Agents or pools that are to finish and stop, instead of all
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

#[derive(Serialize)]
struct Drained<'a> {
    bus: &'a str,
    code: u8,
    unread: u64,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let bus = output.bus(args.bus.as_deref())?;
    if !args.names.is_empty() {
        return steer::drain(bus, args.names, output);
    }
    let (code, unread) = client::drain(&bus, &mut |answer| tell(answer, output)).map_err(failure)?;
    let text = match unread {
        0 => format!("{bus} is drained"),
        more => format!("{bus} is drained; messages not read: {more}"),
    };
    output.record(&text, &Drained { bus: &bus, code, unread })?;
    Ok(ExitCode::SUCCESS)
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
