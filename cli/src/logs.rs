//! `swarmbus logs`.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use swarmbus_supervisor::client;

use crate::exit::Failure;
use crate::growing::Tail;
use crate::output::{Output, compact};
use crate::ps::failure;

/// Show what agents wrote.
///
/// Reads their files, so it works with the supervisor dead as well, and goes on when they are
/// rotated. The coordinator writes where the supervisor does.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus logs --bus demo
  swarmbus logs worker-3 --bus demo -f
  swarmbus logs worker -n 0 -f --bus demo -o jsonl | jq -r .line

Exit codes: 64 no such agent, 68 unknown bus")]
pub struct Args {
    /// Agents or pools [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Lines of each to begin with
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: usize,

    /// Go on with what they write, until interrupted or the run ends
    #[arg(short, long)]
    follow: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    agent: &'a str,
    line: &'a str,
}

/// How often files are looked at for more.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let bus = output.bus(None)?;
    let mut tails = Vec::new();
    let wanted = |agent: &str| args.names.is_empty() || args.names.iter().any(|name| is_meant(agent, name));
    let files = client::logs(&bus).map_err(failure)?;
    if let Some(name) = args.names.iter().find(|name| !files.iter().any(|file| is_meant(&file.agent, name))) {
        return Err(Failure::usage(format!("there is no agent or pool `{name}` with a log on {bus}")));
    }
    let width = files.iter().filter(|file| wanted(&file.agent)).map(|file| file.agent.len()).max().unwrap_or(0);
    for file in files.into_iter().filter(|file| wanted(&file.agent)) {
        let (tail, lines) = Tail::from_the_end(file.path, args.lines);
        print(&file.agent, width, &lines, output)?;
        tails.push((file.agent, tail));
    }
    if !args.follow {
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        std::thread::sleep(LOOK_EVERY);
        for (agent, tail) in &mut tails {
            print(agent, width, &tail.more(), output)?;
        }
        // The run may have ended, and its files with it; and a pool may have grown.
        let Ok(files) = client::logs(&bus) else { return Ok(ExitCode::SUCCESS) };
        for file in files.into_iter().filter(|file| wanted(&file.agent)) {
            if !tails.iter().any(|(agent, _)| *agent == file.agent) {
                tails.push((file.agent, Tail::from_the_start(file.path)));
            }
        }
    }
}

/// Whether a name is that of the agent or of its pool.
fn is_meant(agent: &str, name: &str) -> bool {
    agent == name || agent.rsplit_once('-').is_some_and(|(pool, _)| pool == name)
}

fn print(agent: &str, width: usize, lines: &[String], output: &Output) -> Result<(), Failure> {
    for line in lines {
        if output.is_json() {
            output.line(&compact(&Line { agent, line })?)?;
        } else {
            output.line(&format!("{agent:width$} | {line}"))?;
        }
    }
    Ok(())
}
