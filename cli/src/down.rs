//! `swarmbus down`.

use std::process::ExitCode;

use swarmbus_supervisor::client;

use crate::drain::tell;
use crate::exit::Failure;
use crate::output::Output;
use crate::ps::failure;

/// Stop the agents of a bus now and remove the bus.
///
/// They get SIGTERM, and SIGKILL two seconds later. With the supervisor dead this verb does its
/// work: it ends the agents that the supervisor noted and those attached to the bus, and cleans up.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus down demo
  swarmbus down demo -o json

Messages that wait are lost with the bus; 'swarmbus drain' lets agents finish.

Exit codes: 68 unknown bus")]
pub struct Args {
    /// Name of the bus [default: --bus, then $SWARMBUS]
    bus: Option<String>,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let bus = output.bus(args.bus.as_deref())?;
    let stopped = client::down(&bus, &mut |answer| tell(answer, output)).map_err(failure)?;
    let mut text = format!("{bus} is down");
    if !stopped.supervised {
        text.push_str(&format!("; there was no supervisor, agents ended here: {}", stopped.signalled));
    }
    if stopped.killed > 0 {
        text.push_str(&format!(", {} of them by SIGKILL", stopped.killed));
    }
    if stopped.unread > 0 {
        text.push_str(&format!("; messages not read: {}", stopped.unread));
    }
    output.record(&text, &stopped)?;
    Ok(ExitCode::SUCCESS)
}
