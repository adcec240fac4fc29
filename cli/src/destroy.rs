//! `swarmbus destroy`.

use std::process::ExitCode;

use serde::Serialize;
use swarmbus_core::{Bus, Error};

use crate::exit::Failure;
use crate::output::Output;

/// Destroy a bus and all its messages.
///
/// Asks nothing. Whoever uses the bus is woken and gets 'Closed'. The memory is given back when the last user has
/// left.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus destroy demo
  swarmbus destroy demo --if-exists

What cannot be opened (half made, damaged, left over from before the last boot)
is removed; a bus of another version of swarmbus only with --force, since its
users are not woken.

Exit codes: 68 unknown bus, 69 it is of another version, 77 permission")]
pub struct Args {
    /// Name of the bus
    bus: String,

    /// Succeed if there is no such bus
    #[arg(long)]
    if_exists: bool,

    /// Remove the bus also if another version of swarmbus made it
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Destroyed {
    bus: String,
    destroyed: bool,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let result = match Bus::open(&args.bus) {
        Ok(bus) => bus.destroy(),
        Err(Error::NotReady { .. } | Error::WrongBoot { .. } | Error::Corrupt { .. }) => Bus::remove(&args.bus),
        Err(Error::WrongVersion { .. }) if args.force => Bus::remove(&args.bus),
        Err(error) => Err(error),
    };
    let destroyed = match result {
        Ok(()) => true,
        Err(error @ Error::WrongVersion { .. }) => {
            let mut failure = Failure::from(error);
            failure.message.push_str(", or remove the bus with --force");
            return Err(failure);
        }
        Err(Error::UnknownBus { .. }) if args.if_exists => false,
        Err(error) => return Err(error.into()),
    };
    let text = match (output.verbose(), destroyed) {
        (false, _) => String::new(),
        (true, true) => format!("destroyed {}", args.bus),
        (true, false) => format!("there is no {}", args.bus),
    };
    output.record(&text, &Destroyed { bus: args.bus, destroyed })?;
    Ok(ExitCode::SUCCESS)
}
