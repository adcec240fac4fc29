//! `swarmbus logs`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use swarmbus_supervisor::client;

use crate::exit::Failure;
use crate::output::{Output, compact};
use crate::ps::failure;

/// Show what agents wrote.
///
/// Reads their files, so it works with the supervisor dead as well. The coordinator writes where the
/// supervisor does.
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

/// A file, how far it was read, and what of its last line is there.
struct Tail {
    agent: String,
    path: PathBuf,
    at: u64,
    rest: Vec<u8>,
}

/// Looked at from the end of each file for its last lines.
const LAST_BYTES: u64 = 256 << 10;

/// How often files are looked at for more.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let bus = output.bus(None)?;
    let mut tails = Vec::new();
    take_in(&bus, &args.names, &mut tails)?;
    if let Some(name) = args.names.iter().find(|name| !tails.iter().any(|tail| is_meant(&tail.agent, name))) {
        return Err(Failure::usage(format!("there is no agent or pool `{name}` with a log on {bus}")));
    }
    for tail in &mut tails {
        let lines = tail.last(args.lines);
        print(&tail.agent, &lines, output)?;
    }
    if args.follow { follow(&bus, &args.names, tails, output) } else { Ok(ExitCode::SUCCESS) }
}

fn follow(bus: &str, names: &[String], mut tails: Vec<Tail>, output: &Output) -> Result<ExitCode, Failure> {
    loop {
        std::thread::sleep(LOOK_EVERY);
        // The run may have ended, and its files with it.
        if take_in(bus, names, &mut tails).is_err() {
            return Ok(ExitCode::SUCCESS);
        }
        for tail in &mut tails {
            let lines = tail.more();
            print(&tail.agent, &lines, output)?;
        }
    }
}

/// Adds the files that are not known yet: a pool may grow.
fn take_in(bus: &str, names: &[String], tails: &mut Vec<Tail>) -> Result<(), Failure> {
    for file in client::logs(bus).map_err(failure)? {
        let wanted = names.is_empty() || names.iter().any(|name| is_meant(&file.agent, name));
        if wanted && !tails.iter().any(|tail| tail.agent == file.agent) {
            tails.push(Tail { agent: file.agent, path: file.path, at: 0, rest: Vec::new() });
        }
    }
    Ok(())
}

/// Whether a name is that of the agent or of its pool.
fn is_meant(agent: &str, name: &str) -> bool {
    agent == name || agent.rsplit_once('-').is_some_and(|(pool, _)| pool == name)
}

fn print(agent: &str, lines: &[String], output: &Output) -> Result<(), Failure> {
    for line in lines {
        if output.is_json() {
            output.line(&compact(&Line { agent, line })?)?;
        } else {
            output.line(&format!("{agent} | {line}"))?;
        }
    }
    Ok(())
}

impl Tail {
    /// The last lines that are there.
    fn last(&mut self, count: usize) -> Vec<String> {
        let length = std::fs::metadata(&self.path).map_or(0, |meta| meta.len());
        self.at = length.saturating_sub(LAST_BYTES);
        let lines = self.more();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }

    /// The lines that have been completed since.
    fn more(&mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(&self.path)
            && file.seek(SeekFrom::Start(self.at)).is_ok()
            && file.read_to_end(&mut bytes).is_ok()
        {
            self.at += bytes.len() as u64;
        }
        self.rest.extend_from_slice(&bytes);
        let end = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let whole: Vec<u8> = self.rest.drain(..end).collect();
        // Control characters would play with the terminal.
        let clean = |line: &str| line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
        String::from_utf8_lossy(&whole).lines().map(clean).collect()
    }
}
