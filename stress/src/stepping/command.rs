//! `swarmbus-stress sweep`.

use super::{Kind, Plan, Row, Swept, as_json, as_table, sweep};
use crate::Result;
use crate::mistake::Mistake;
use crate::victim::Operation;
use clap::{Args, ValueEnum};

/// What to sweep, and how.
#[derive(Args)]
pub struct Orders {
    kind: Kind,
    /// An operation; all of them if none is named.
    #[arg(long = "op")]
    operations: Vec<Operation>,
    /// Every state, and every instruction of short operations, not a sample.
    #[arg(long)]
    all: bool,
    /// How many instructions of a short operation, besides its states.
    #[arg(long, default_value_t = 60)]
    sample: usize,
    /// How many states of an operation.
    #[arg(long, default_value_t = 200)]
    states: usize,
    /// What samples are drawn with; printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Make a mistake, which has to be found.
    #[arg(long)]
    mistake: Option<Mistake>,
    #[arg(long, short, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// Markdown.
    Table,
    /// One row an operation.
    Json,
}

/// Sweeps, and prints what was found.
///
/// # Errors
/// When there are faults, or something could not be tried.
pub fn obey(orders: Orders) -> Result<()> {
    let Orders { kind, mut operations, all, sample, states, seed, mistake, output } = orders;
    let seed = seed.unwrap_or(u64::from(std::process::id()));
    eprintln!("seed {seed}");
    if operations.is_empty() {
        operations = Operation::value_variants().to_vec();
    }
    let (instructions, states) = if all { (None, None) } else { (Some(sample), Some(states)) };
    let plan = Plan { kind, seed, instructions, states, mistake, says_progress: true };
    let Swept { rows, untried } = sweep(&std::env::current_exe()?, &operations, &plan);
    match output {
        Output::Table => print!("{}", as_table(&rows, kind)),
        Output::Json => print!("{}", as_json(&rows, (!all).then_some(seed))?),
    }
    let faults = rows.iter().map(Row::faults).sum::<u64>();
    if faults > 0 || !untried.is_empty() {
        return Err(format!("{faults} faults; run it again with --seed {seed}\n{}", untried.join("\n")).into());
    }
    Ok(())
}
