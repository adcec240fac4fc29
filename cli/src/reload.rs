//! `swarmbus reload`.

use std::process::ExitCode;

use serde::Serialize;
use swarmbus_supervisor::client;
use swarmbus_supervisor::config::Change;
use swarmbus_supervisor::protocol::{Answer, Request};

use crate::exit::Failure;
use crate::output::Output;
use crate::steer::refused;

/// Read the file of a run again, and change what has changed in it.
///
/// The differences are shown key by key. Only agents whose command or variables have changed start anew;
/// a new size, policy or deadline takes effect without that. A wrong file changes nothing.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus reload --dry-run --bus demo
  swarmbus reload --bus demo

Exit codes: 64 the file is wrong or changes what cannot change, 68 unknown bus,
69 it has no supervisor")]
pub struct Args {
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Reloaded {
    bus: String,
    dry_run: bool,
    changes: Vec<Change>,
    agents: Vec<String>,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let bus = output.bus(None)?;
    let answer = client::ask(&bus, &Request::Reload { dry_run: args.dry_run });
    let (changes, agents) = match answer {
        Ok(Answer::Reloaded { changes, agents }) => (changes, agents),
        Ok(other) => return Err(Failure::unavailable(format!("the supervisor of {bus} answered {other:?}"))),
        // The excerpt of a wrong file has several lines, which a failure would join.
        Err(client::ClientError::Refused { message, .. }) if message.contains('\n') => {
            output.note(&message);
            return Ok(ExitCode::from(crate::exit::USAGE));
        }
        Err(error) => return Err(refused(error)),
    };
    let mut text: String = changes.iter().map(|change| format!("{change}\n")).collect();
    let verb = if args.dry_run { "would change" } else { "changed" };
    text.push_str(&match (changes.is_empty(), agents.is_empty()) {
        (true, _) => "nothing has changed".to_owned(),
        (_, true) => "no agent is concerned".to_owned(),
        _ => format!("{verb}: {}", agents.join(", ")),
    });
    output.record(&text, &Reloaded { bus, dry_run: args.dry_run, changes, agents })?;
    Ok(ExitCode::SUCCESS)
}
