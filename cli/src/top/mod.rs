//! `swarmbus top`: a dashboard of a bus in a terminal.
//!
//! A look (`look`) and what was seen before (`history`) make a picture (`picture`, `rows`, `problems`); what was chosen by keys (`screen`) says how
//! it is drawn (`draw`, `grid`, `page`). None of these but `look` knows a bus, and none but `terminal` a terminal.

mod cell;
mod draw;
mod grid;
mod history;
mod look;
mod once;
mod page;
mod paper;
mod picture;
mod problems;
mod rows;
mod rows_shared;
mod screen;
mod terminal;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::exit::Failure;
use crate::output::Output;
use crate::units;
use look::Source;
use problems::Limits;
use screen::{Screen, View};

/// Watch a bus in the terminal: problems, agents, queues, locks.
///
/// Reads the segment and asks nobody, so it costs the agents nothing and works without a supervisor,
/// and on a copy of a segment as well. Prints once when the output is no terminal.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus top demo
  swarmbus top demo --view agents --sort inbox
  swarmbus top demo --once -o json | jq '.problems[].text'
  swarmbus top --file post-mortem

Keys: ? shows them all; Tab or 1 to 6 changes the view, Enter opens an agent, a
queue, a topic or a lock, / filters, left and right sort, space stops the
picture, q quits.

Exit codes: 65 corrupt segment, 66 no such copy, 68 unknown bus, 77 permission")]
pub struct Args {
    /// Name of the bus [default: --bus, then $SWARMBUS]
    bus: Option<String>,

    /// Look at a copy of a segment instead of a live one
    #[arg(long, value_name = "COPY", conflicts_with = "bus")]
    file: Option<PathBuf>,

    /// Time from look to look
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = units::duration)]
    every: Duration,

    /// Print the picture of a moment instead of showing it
    #[arg(long)]
    once: bool,

    /// What to show first
    #[arg(long, value_enum, default_value = "overview", hide_possible_values = true)]
    #[arg(help = "What to show first: overview, agents, queues, topics, locks or problems")]
    view: View,

    /// Column to sort by, as it is titled
    #[arg(long, value_name = "COLUMN")]
    sort: Option<String>,

    /// Only rows that hold this text
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    filter: String,

    /// A message that waits so long is a problem, and so is a lock somebody waits for
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    old: Duration,
}

/// Less than this is no time from look to look.
const EVERY_MIN: Duration = Duration::from_millis(100);

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let mut screen = Screen::new(args.view);
    let table = screen.table();
    table.filter = args.filter;
    if let Some(wanted) = &args.sort {
        table.sort = column(args.view, wanted)?;
        table.descending = args.view.descends(table.sort);
    }
    let mut source = match &args.file {
        Some(copy) => Source::copy(copy)?,
        None => Source::bus(&output.bus(args.bus.as_deref())?)?,
    };
    let (limits, every) = (Limits { old: args.old }, args.every.max(EVERY_MIN));
    if args.once || output.is_json() || !output.is_terminal() {
        once::run(&mut source, &mut screen, &limits, every, output)?;
    } else {
        terminal::run(&mut source, &mut screen, &limits, every, output.has_colors())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn column(view: View, wanted: &str) -> Result<usize, Failure> {
    let columns = view.columns();
    columns.iter().position(|column| column.title.eq_ignore_ascii_case(wanted)).ok_or_else(|| {
        let titles: Vec<&str> = columns.iter().skip(1).map(|column| column.title).collect();
        Failure::usage(format!("{} have no column `{wanted}`; there are: {}", view.title(), titles.join(", ")))
    })
}
