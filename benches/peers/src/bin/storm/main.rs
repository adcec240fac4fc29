//! iceoryx2 in the kill storm that `swarmbus-stress storm` raises: the same number of processes, killed at the same moments of their lives.

mod iceoryx2;
mod node;

use clap::{Parser, Subcommand};
use iceoryx2::Iceoryx2;
use node::Orders;
use std::process::ExitCode;
use swarmbus_stress::Result;
use swarmbus_stress::storm::{Storms, rage};

/// Kills iceoryx2's processes at random moments, most on their way in, and counts what is left
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    storms: Storms,
}

#[derive(Subcommand)]
enum Part {
    /// Do everything until killed
    #[command(hide = true)]
    Work(Orders),
    /// Come when the storm is over
    #[command(hide = true)]
    Fresh(Orders),
    /// Bury the dead and count those that cannot be buried
    #[command(hide = true)]
    Settle(Orders),
}

fn run(arguments: Arguments) -> Result<()> {
    match arguments.part {
        Some(Part::Work(orders)) => node::work(&orders),
        Some(Part::Fresh(orders)) => node::fresh(&orders),
        Some(Part::Settle(orders)) => node::settle(&orders),
        None => {
            let report = arguments
                .storms
                .rage("storm-iceoryx2.json", |shape, seed| rage(&mut Iceoryx2::new(shape.patience)?, shape, seed))?;
            // What a storm does to a rival is a figure, not a failure.
            drop(report);
            Ok(())
        }
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("swarmbus-peers-storm: {error}");
            ExitCode::FAILURE
        }
    }
}
