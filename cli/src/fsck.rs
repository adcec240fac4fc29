//! `swarmbus fsck`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use swarmbus_core::{Error, Observer, Problem, Repaired, repair_bus, repair_file};

use crate::exit::{DATA, Failure, TEMPORARY};
use crate::output::Output;

/// Look through a bus for words that contradict one another.
///
/// A live bus is only read, and may be in use: what is in motion is no problem. What is found says that somebody has written where
/// he should not, or that swarmbus has a fault. With --repair a bus that no process uses, or a copy, is put right; no message is
/// dropped.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus fsck demo
  swarmbus fsck demo -o jsonl | jq -r .place
  cp --sparse=always /dev/shm/swarmbus.demo saved
  swarmbus fsck --file saved --repair

A problem: its kind, the place, what is wrong, and what to do about it. A message
whose place is lost goes to the end of its queue; if that is lost as well, to the
queue fsck.lost.

Exit codes: 0 nothing is wrong, or all was repaired; 65 something is wrong; 66 no
such copy, 68 unknown bus, 75 to be repaired, and in use")]
pub struct Args {
    /// Name of the bus [default: --bus, then $SWARMBUS]
    bus: Option<String>,

    /// Look through a copy of a segment instead
    #[arg(long, value_name = "COPY", conflicts_with = "bus")]
    file: Option<PathBuf>,

    /// Put right what is wrong; nobody may use the bus
    #[arg(long)]
    repair: bool,
}

#[derive(Serialize)]
struct Done<'a> {
    done: &'a str,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let problems = match (&args.file, args.repair) {
        (Some(copy), repair) => {
            // What the core says of a bus, such as to create it, does not fit a file.
            File::open(copy).map_err(|error| Failure::no_input(copy, &error))?;
            let within = |error: Error| Failure::from(error).within(copy.display());
            match repair {
                true => repaired(&repair_file(copy).map_err(within)?, output)?,
                false => open_copy(copy)?.fsck(),
            }
        }
        (None, true) => {
            let bus = output.bus(args.bus.as_deref())?;
            repaired(&repair_bus(&bus).map_err(|error| in_use(&bus, error))?, output)?
        }
        (None, false) => Observer::open(&output.bus(args.bus.as_deref())?)?.fsck(),
    };
    let row = |problem: &Problem| {
        vec![problem.kind.into(), problem.place.clone(), problem.problem.clone(), problem.advice.clone()]
    };
    // For programs always a list, which may be empty.
    if !problems.is_empty() || output.is_json() {
        output.records(&["kind", "place", "problem", "what to do"], problems.iter().map(row).collect(), &problems)?;
    }
    Ok(ExitCode::from(if problems.is_empty() { 0 } else { DATA }))
}

fn open_copy(copy: &Path) -> Result<Observer, Failure> {
    Observer::open_file(copy).map_err(|error| match error {
        Error::NotReady { .. } => Failure::data(format!("{} is no complete copy of a segment", copy.display())),
        error => Failure::from(error).within(copy.display()),
    })
}

fn in_use(bus: &str, error: Error) -> Failure {
    match error {
        Error::AgentBusy { pid, .. } => Failure::new(
            TEMPORARY,
            format!(
                "process {pid} uses bus '{bus}': stop all that do ('swarmbus ps {bus}'), or repair a copy (--file)"
            ),
        ),
        error => Failure::from(error),
    }
}

/// Says what was done; gives what is wrong still.
fn repaired(repaired: &Repaired, output: &Output) -> Result<Vec<Problem>, Failure> {
    let done: Vec<Done<'_>> = repaired.done.iter().map(|done| Done { done }).collect();
    if !done.is_empty() || output.is_json() {
        output.records(&["done"], repaired.done.iter().map(|done| vec![done.clone()]).collect(), &done)?;
    }
    Ok(repaired.left.clone())
}
