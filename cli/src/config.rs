//! `swarmbus config`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use swarmbus_supervisor::config::{Plain, json_schema};
use swarmbus_supervisor::{LoadError, Overrides, Topology};

use crate::exit::{CONFIG, Failure, NO_INPUT};
use crate::output::{Output, variable};

/// Check and show what 'swarmbus up' would start.
///
/// Nothing is started or created.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus config check
  swarmbus config show --env prod
  swarmbus config show job.toml -o json | jq .pool.worker.size
  swarmbus config schema > swarm.schema.json

A profile is a table in [env]: under '--env prod', [env.prod.pool.worker] lies
over [pool.worker].

Exit codes: 66 no such file, 78 wrong configuration")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Check a file, under all of its profiles unless one is named
    Check(Which),
    /// Print a file as it is understood, with every default
    Show(Which),
    /// Print the JSON Schema of such files, for editors
    Schema,
}

#[derive(clap::Args)]
struct Which {
    /// The file
    #[arg(default_value = "swarm.toml")]
    file: PathBuf,

    /// Profile to lay over the file [default: $SWARMBUS_ENV]
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
}

#[derive(Serialize)]
struct Checked<'a> {
    file: &'a Path,
    profiles: Vec<String>,
    agents: u32,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    match args.what {
        What::Check(which) => check(&which, output),
        What::Show(which) => {
            let overrides = Overrides { profile: profile(which.env), ..Overrides::default() };
            match Topology::load(&which.file, &overrides) {
                Ok(topology) => show(&topology, output),
                Err(error) => refuse(error, output),
            }
        }
        What::Schema => output.line(&format!("{:#}", json_schema())).map(|()| ExitCode::SUCCESS),
    }
}

fn check(which: &Which, output: &Output) -> Result<ExitCode, Failure> {
    let profile = profile(which.env.clone());
    let overrides = Overrides { profile: profile.clone(), ..Overrides::default() };
    let checked = match (Topology::load(&which.file, &overrides), &profile) {
        (Ok(topology), Some(profile)) => Ok((topology, vec![profile.clone()])),
        (Ok(topology), None) => Topology::check(&which.file).map(|profiles| (topology, profiles)),
        (Err(error), _) => Err(error),
    };
    match checked {
        Ok((topology, profiles)) => {
            let under =
                if profiles.is_empty() { String::new() } else { format!(", under {} as well", profiles.join(", ")) };
            let text = format!("{} is good: {} agents{under}", which.file.display(), topology.agents());
            output.record(&text, &Checked { file: &which.file, profiles, agents: topology.agents() })?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => refuse(error, output),
    }
}

/// Prints a topology as it is understood.
pub fn show(topology: &Topology, output: &Output) -> Result<ExitCode, Failure> {
    let plain = Plain::from(topology);
    output.record(plain.to_toml().trim_end(), &plain)?;
    Ok(ExitCode::SUCCESS)
}

/// The profile of the command line, else that of the environment.
pub fn profile(argument: Option<String>) -> Option<String> {
    argument.or_else(|| variable("SWARMBUS_ENV"))
}

/// Tells what is wrong with a file. Mistakes come with an excerpt, which takes several lines; a failure is printed as one.
pub fn refuse(error: LoadError, output: &Output) -> Result<ExitCode, Failure> {
    match error {
        LoadError::Config(error) => {
            output.note(&error.render(output.colors_notes()));
            Ok(ExitCode::from(CONFIG))
        }
        error @ LoadError::Read { .. } => Err(Failure::new(NO_INPUT, error.to_string())),
        error => Err(Failure::usage(error.to_string())),
    }
}
