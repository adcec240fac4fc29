//! `swarmbus lock`.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use swarmbus_core::{Bus, Error, LockMode, Member, Observer};

use crate::command::{Running, code_of, command};
use crate::exit::Failure;
use crate::inspect::shared::{LOCK_HEADERS, lock};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::take::interrupted;
use crate::units;
use crate::watch::List;

/// Run a command under a named lock, or list locks.
///
/// A lock's name is any text of up to 255 bytes, such as a path; * ? ** and [...] make it a pattern
/// that stands for all names like it, which is how one lock covers a folder. There is nothing to
/// declare. Locks are granted in the order in which they were asked for. Whoever dies has let go.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus lock run --bus demo deploy -- ./deploy.sh
  swarmbus lock run --bus demo 'src/parser/**' -t 30s -- make -C src/parser
  swarmbus lock run --bus demo db --shared -- ./report.sh
  swarmbus lock ls demo --watch

The bus is --bus or $SWARMBUS, since a lock's name may have slashes. CMD finds
in SWARMBUS_LOCK the name and in SWARMBUS_LOCK_TOKEN the fencing token, a number
that is higher for each that holds a lock: whoever keeps the highest it has seen
can refuse a holder that comes late.

Exit codes: CMD's own; 69 the bus was destroyed while CMD ran, 75 the lock was
not to be had in time, 126 or 127 no such CMD, 128 + n if signal n ended CMD")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Run a command while holding a lock
    Run(Run),
    /// List the locks that are held or waited for
    Ls {
        #[command(flatten)]
        list: List,

        /// Only those that have a name in common with this pattern
        #[arg(long, default_value = "**")]
        on: String,
    },
}

#[derive(clap::Args)]
struct Run {
    /// The lock: a name or pattern
    name: String,

    /// Share it with others that do
    #[arg(short, long)]
    shared: bool,

    /// Longest wait for the lock; 0 only tries [default: no limit]
    #[arg(short, long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,

    /// Agent that holds it, for who looks; no other process may be it
    #[arg(long, value_name = "NAME")]
    from: Option<String>,

    /// What to run
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    match args.what {
        What::Run(args) => run_locked(args, output),
        What::Ls { list, on } => list.show(output, |bus| {
            let locks = Observer::open(bus)?.locks_on(&on);
            output.records(LOCK_HEADERS, locks.iter().map(lock).collect(), &locks)
        }),
    }
}

fn run_locked(args: Run, output: &Output) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::install()?;
    let bus = Bus::open(&output.bus(None)?)?;
    let mut command = command(&args.command)?;
    // Without --from it is not $SWARMBUS_AGENT either: the command may want to receive as that agent.
    let (agent, nameless);
    let member: &Member = match args.from {
        Some(from) => {
            agent = bus.attach(&from)?;
            &agent
        }
        None => {
            nameless = bus.join()?;
            &nameless
        }
    };
    let mode = if args.shared { LockMode::Shared } else { LockMode::Exclusive };
    let guard = member
        .lock_until(&args.name, mode, args.timeout, &mut || interrupt.pending().is_some())
        .map_err(|error| interrupted(error, &interrupt))?;
    command.env("SWARMBUS", bus.name()).env("SWARMBUS_LOCK", &args.name);
    command.env("SWARMBUS_LOCK_TOKEN", guard.token().to_string());
    let status = Running::start(command)?.wait(&interrupt)?;
    let kept = match member.loan(0) {
        Err(error @ Error::Closed { .. }) => Err(error),
        _ => guard.release(),
    };
    match kept {
        Err(error) if status.success() => Err(Failure::from(error).within("the lock was lost while the command ran")),
        _ => Ok(code_of(status)),
    }
}
