//! `swarmbus events`.

use std::process::ExitCode;

use swarmbus_supervisor::client;

use crate::exit::Failure;
use crate::output::{Output, compact};
use crate::ps::failure;

/// Show what happens in a run, as it happens.
///
/// One JSON object per line: starts, ends, restarts, drains. Ends with the run.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus events demo
  swarmbus events demo | jq -r 'select(.event == \"ended\") | .agent'

Exit codes: 68 unknown bus, 69 it has no supervisor")]
pub struct Args {
    /// Name of the bus [default: --bus, then $SWARMBUS]
    bus: Option<String>,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let bus = output.bus(args.bus.as_deref())?;
    let mut printed = Ok(());
    client::events(&bus, &mut |event| {
        printed = compact(event).and_then(|line| output.line(&line));
        printed.is_ok()
    })
    .map_err(failure)?;
    printed.map(|()| ExitCode::SUCCESS)
}
