//! `swarmbus cheat`.

use std::process::ExitCode;

use crate::exit::Failure;
use crate::output::Output;

/// Show the most useful commands on one screen.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus cheat
  swarmbus cheat | grep lock")]
pub struct Args {}

/// A screen of 80 columns.
const SHEET: &str = "\
A bus       export SWARMBUS=demo            the bus of names that name none
            swarmbus create demo            swarmbus destroy demo
            swarmbus ls [demo] --watch      swarmbus inspect demo [NAME]
Messages    swarmbus send bob 'hello'       swarmbus recv bob -t 5s
            date | swarmbus send bob        swarmbus recv bob -f -o jsonl
            swarmbus send bob --file F      swarmbus recv bob --raw > F
            swarmbus peek bob               swarmbus tail bob
Queues      swarmbus declare jobs --max-deliveries 3 --dead-letters failed
            seq 100 | swarmbus send jobs --lines
            swarmbus recv jobs --shared -f -- ./job.sh
            swarmbus queue ls --watch       swarmbus queue close|purge jobs
            swarmbus dead-letter show|redrive|drop failed
Questions   swarmbus reply dates -- date -f -   swarmbus call dates monday
Topics      swarmbus topic declare news --retain 10
            swarmbus sub news -f            swarmbus pub news 'build is green'
Locks       swarmbus lock run deploy -t 1m -- ./deploy.sh
            swarmbus lock run 'src/**' -- make      swarmbus lock ls
Statuses    swarmbus status set in_progress --task 'parse' --agent bob
            swarmbus status ls --watch      swarmbus beat bob
Swarms      swarmbus up swarm.toml          swarmbus ps --watch
            swarmbus logs worker-3          swarmbus restart worker-3
            swarmbus drain                  swarmbus down
Scripts     -o jsonl | jq -r .data          exit 75: try again, 68: no such name";

pub fn run(_: Args, output: &Output) -> Result<ExitCode, Failure> {
    output.line(SHEET)?;
    Ok(ExitCode::SUCCESS)
}
