//! `swarmbus up`.

use std::path::PathBuf;
use std::process::ExitCode;

use swarmbus_supervisor::run::UpError;
use swarmbus_supervisor::rundir::RunDirError;
use swarmbus_supervisor::show::{self, Style};
use swarmbus_supervisor::{Overrides, Topology};

use crate::config;
use crate::exit::{CANNOT_CREATE, Failure, PERMISSION, TEMPORARY};
use crate::output::Output;

/// Start a coordinator and pools of agents; stay until the end.
///
/// The file is checked as a whole before anything starts. When the coordinator exits 0, or on
/// SIGINT or SIGTERM, the agents are drained: intake stops, they finish what they hold and end.
/// A second signal kills. What dies is started again. The end of the supervisor itself harms
/// no agent: started again, this verb finds them, takes them over and restarts none.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus up
  swarmbus up codestats.toml --size 8
  swarmbus up job.toml --size worker=200 --logs /var/tmp/job
  swarmbus up --env prod --dry-run
  swarmbus up codestats.toml --standby

A file, in short:
  [bus]
  name = \"codestats\"
  queues = [\"files\"]
  [coordinator]
  command = [\"python3\", \"coordinator.py\"]
  [pool.worker]
  command = [\"python3\", \"worker.py\"]
  size = 100

Progress and events go to stderr, with -o json one object per line.

Exit codes: the coordinator's own; 0 after 'swarmbus drain', 143 after
'swarmbus down', 130 or 143 after SIGINT or SIGTERM, 1 if a pool failed for
good, 66 no such file, 69 nobody to stand by for, 73 the bus exists, 75 it has
a supervisor, 77 a pool requires what is not allowed, 78 wrong configuration")]
pub struct Args {
    /// What to start
    #[arg(default_value = "swarm.toml")]
    file: PathBuf,

    /// Agents of a pool, instead of the file's number; POOL may be left out if there is one
    #[arg(long, value_name = "[POOL=]N", value_parser = size)]
    size: Vec<(Option<String>, u32)>,

    /// Folder for the output of pool agents, which then stays
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,

    /// Take the bus as it is if it exists, and leave it at the end
    #[arg(long)]
    keep: bool,

    /// Profile to lay over the file [default: $SWARMBUS_ENV]
    #[arg(long, value_name = "NAME")]
    env: Option<String>,

    /// Wait until the supervisor of the run dies, and take over then; 0 if the run ends before
    #[arg(long, conflicts_with = "dry_run")]
    standby: bool,

    /// Check everything, print what would be started, and start nothing
    #[arg(long)]
    dry_run: bool,

    /// Show failures and warnings only
    #[arg(short, long)]
    quiet: bool,
}

fn size(text: &str) -> Result<(Option<String>, u32), String> {
    let (pool, number) = match text.rsplit_once('=') {
        Some((pool, number)) => (Some(pool.to_owned()), number),
        None => (None, text),
    };
    let number = number.parse().map_err(|_| format!("`{number}` is no number of agents; write N or POOL=N"))?;
    Ok((pool, number))
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let overrides = Overrides {
        bus: output.named_bus().map(str::to_owned),
        sizes: args.size,
        logs: args.logs,
        keep: args.keep,
        profile: config::profile(args.env),
    };
    let topology = match Topology::load(&args.file, &overrides) {
        Ok(topology) => topology,
        Err(error) => return config::refuse(error, output),
    };
    if args.dry_run {
        return config::show(&topology, output);
    }
    let style = match (output.is_json(), args.quiet) {
        (true, _) => Style::Json,
        (false, true) => Style::Quiet,
        (false, false) => Style::People,
    };
    let begin = if args.standby { swarmbus_supervisor::stand_by } else { swarmbus_supervisor::up };
    let code = begin(&topology, &mut *show::on_stderr(style)).map_err(failure)?;
    Ok(ExitCode::from(code))
}

fn failure(error: UpError) -> Failure {
    let message = error.to_string();
    match error {
        UpError::Bus(error) => error.into(),
        UpError::BusExists { .. } => Failure::new(CANNOT_CREATE, message),
        UpError::RunDir(RunDirError::Supervised { .. } | RunDirError::Held { .. })
        | UpError::TakeOver { .. }
        | UpError::LeftOver { .. } => Failure::new(TEMPORARY, message),
        UpError::NobodyToStandByFor { .. } => Failure::unavailable(message),
        UpError::RunDir(RunDirError::Unsafe { .. }) => Failure::new(PERMISSION, message),
        UpError::NotAllowed { .. } => Failure::new(PERMISSION, message),
        _ => Failure::system(message),
    }
}
