//! `swarmbus create`.

use std::process::ExitCode;

use nix::unistd::Group;
use serde::Serialize;
use swarmbus_core::{Bus, CreateOptions, Error};

use crate::exit::Failure;
use crate::output::Output;
use crate::units;

/// Create a bus.
///
/// A bus is one segment of shared memory in /dev/shm; it outlives this command. Memory is committed
/// as it is used, so a large heap costs nothing at first. A full heap is an error for the sender
/// (exit 75), never a crash.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus create demo
  swarmbus create demo --agents 100 --heap 256MiB --limit 5000
  swarmbus create team --mode 0660 --group developers

Exit codes: 73 the bus exists, 75 no room in shared memory, 77 permission")]
pub struct Args {
    /// Name of the bus
    bus: String,

    /// Most agents (handles of processes) at one time
    #[arg(long, value_name = "N", default_value_t = CreateOptions::default().agents)]
    agents: u32,

    /// Size of the heap that holds the messages, such as 256MiB or 4GiB
    #[arg(long, value_name = "SIZE", value_parser = units::size, default_value = "1GiB")]
    heap: u64,

    /// Most waiting messages per lane of a queue; a sender waits beyond it
    #[arg(long, value_name = "N", default_value_t = CreateOptions::default().limit)]
    limit: u32,

    /// Who may use the bus: permissions of the segment, in octal
    #[arg(long, value_name = "MODE", value_parser = units::mode, default_value = "0600")]
    mode: u32,

    /// Group of the segment, by name or number
    #[arg(long, value_parser = group)]
    group: Option<u32>,

    /// Succeed if the bus exists already
    #[arg(long)]
    if_not_exists: bool,
}

#[derive(Serialize)]
struct Created {
    bus: String,
    created: bool,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let options =
        CreateOptions { agents: args.agents, heap: args.heap, limit: args.limit, mode: args.mode, group: args.group };
    let created = match Bus::create(&args.bus, &options) {
        Ok(_) => true,
        Err(Error::BusExists { .. }) if args.if_not_exists => false,
        Err(error) => return Err(error.into()),
    };
    let text = match (output.verbose(), created) {
        (false, _) => String::new(),
        (true, true) => format!("created {}", args.bus),
        (true, false) => format!("{} exists", args.bus),
    };
    output.record(&text, &Created { bus: args.bus, created })?;
    Ok(ExitCode::SUCCESS)
}

fn group(text: &str) -> Result<u32, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    match Group::from_name(text) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err("there is no such group on this host".to_owned()),
        Err(errno) => Err(format!("the groups of this host cannot be read: {errno}")),
    }
}
