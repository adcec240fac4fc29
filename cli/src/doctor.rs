//! `swarmbus doctor`.

use std::process::ExitCode;

use serde::Serialize;
use swarmbus_supervisor::doctor::{Finding, State, examine, leftovers};

use crate::exit::Failure;
use crate::output::Output;

/// Look whether this host is fit for swarms, and for leftovers.
///
/// Tells limits, /dev/shm, kernel features, containers and leftovers, each with what it means and how to
/// mend it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus doctor
  swarmbus doctor --fix
  swarmbus doctor -o jsonl | jq -r 'select(.state != \"ok\") | .fix'

Exit codes: 0 all is well, 1 a warning, 2 something will not work")]
pub struct Args {
    /// With --fix: only what is left of these buses
    #[arg(value_name = "BUS", requires = "fix")]
    buses: Vec<String>,

    /// Remove what dead runs have left, if no message is lost by that
    #[arg(long)]
    fix: bool,

    /// Show only what is not well
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Serialize)]
struct Mended {
    bus: String,
    mended: bool,
    error: Option<String>,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    if args.fix {
        mend(&args.buses, output)?;
    }
    let findings = examine();
    let worst = findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok);
    let shown: Vec<&Finding> = findings.iter().filter(|finding| !args.quiet || finding.state != State::Ok).collect();
    if output.is_json() {
        output.records(&[], Vec::new(), &shown)?;
    } else if !shown.is_empty() {
        output.line(&text(&shown, output))?;
    }
    Ok(ExitCode::from(match worst {
        State::Ok => 0,
        State::Warn => 1,
        State::Bad => 2,
    }))
}

fn mend(buses: &[String], output: &Output) -> Result<(), Failure> {
    let is_meant = |bus: &String| buses.is_empty() || buses.contains(bus);
    for leftover in leftovers::find().into_iter().filter(|leftover| is_meant(&leftover.bus)) {
        let result = leftover.mend();
        let mended = Mended { bus: leftover.bus.clone(), mended: result.is_ok(), error: result.err() };
        let told = match &mended.error {
            None => format!("removed what was left of {}", mended.bus),
            Some(error) => format!("left alone: {}: {error}", mended.bus),
        };
        if output.is_json() { output.note(&crate::output::compact(&mended)?) } else { output.line(&told)? }
    }
    Ok(())
}

fn text(findings: &[&Finding], output: &Output) -> String {
    let width = findings.iter().map(|finding| finding.check.chars().count()).max().unwrap_or(0);
    let columns = output.width().map_or(80, usize::from).max(40);
    let lines = findings.iter().map(|finding| {
        let mut lines = vec![format!("{:<4}  {:width$}  {}", finding.state.as_str(), finding.check, finding.found)];
        if !finding.means.is_empty() {
            lines.push(folded(&finding.means, columns));
            let by = if finding.fixable { "fix (or swarmbus doctor --fix): " } else { "fix: " };
            lines.push(folded(&format!("{by}{}", finding.fix), columns));
        }
        lines.join("\n")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A text in lines of so many columns, indented.
fn folded(text: &str, columns: usize) -> String {
    const INDENT: &str = "      ";
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{INDENT}{word}")),
        }
    }
    lines.join("\n")
}
