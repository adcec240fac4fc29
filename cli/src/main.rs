//! The `swarmbus` command: one verb per file, one mapping from errors to exit codes (`exit`), one way to print (`output`).

mod bench;
mod check;
mod config;
mod create;
mod declare;
mod destroy;
mod doctor;
mod down;
mod drain;
mod events;
mod exit;
mod fsck;
mod health;
mod inspect;
mod interrupt;
mod logs;
mod ls;
mod message;
mod metrics;
mod output;
mod peek;
mod ps;
mod reap;
mod recv;
mod reload;
mod send;
mod steer;
mod table;
mod tail;
mod top;
mod units;
mod up;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use exit::Failure;
use output::{Format, Output};

/// A zero-copy message bus in shared memory for the agents of one host.
///
/// Addresses are [BUS/]NAME. Without the bus part the bus is the one given by --bus, else by the
/// environment variable SWARMBUS. Names are 1 to 63 of the characters A-Z a-z 0-9 . _ -
///
/// Times take a unit: 250ms, 5s, 1m30s (a bare number means seconds). Sizes are bytes or take a
/// unit: 64KiB, 1GiB (powers of 1024), 64kB, 1GB (powers of 1000).
#[derive(Parser)]
#[command(
    name = "swarmbus",
    bin_name = "swarmbus",
    version,
    max_term_width = 80,
    subcommand_required = true,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    arg_required_else_help = true,
    after_help = "Run 'swarmbus help VERB' for a verb's options, examples and units.",
    after_long_help = AFTER_HELP
)]
struct Cli {
    /// Print results as table, json or jsonl (one object per line)
    #[arg(short, long, global = true, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    #[arg(hide_possible_values = true, help_heading = GLOBAL)]
    output: Format,

    // The identifier keeps it apart from the positional BUS that some verbs have.
    /// Bus of addresses that name none [default: $SWARMBUS]
    #[arg(long = "bus", id = "global_bus", global = true, value_name = "BUS", help_heading = GLOBAL)]
    bus: Option<String>,

    /// Say more, such as the ids of sent messages
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    verbose: bool,

    #[command(subcommand)]
    verb: Verb,
}

const GLOBAL: &str = "Global options";

const AFTER_HELP: &str = "\
Examples:
  swarmbus create demo --agents 100 --heap 256MiB
  swarmbus declare demo/bob
  swarmbus send demo/bob \"hello\" --from alice
  swarmbus recv demo/bob --timeout 5s
  swarmbus destroy demo

Exit codes (from sysexits.h):
    0  done
   64  wrong usage: unknown option, bad name, no bus given
   65  bad data: a corrupt segment, a payload that is too large
   66  a named input file is not there or not readable
   68  unknown bus, agent or queue
   69  unavailable: closed, not ready yet, of another version or boot
   70  a fault of swarmbus itself
   71  the operating system refused a call
   73  cannot create: the bus exists
   74  input or output failed
   75  try again: timed out, full, owned by someone else, out of memory
   77  permission denied
   78  wrong configuration
  130  interrupted by SIGINT (128 + signal; 141: the output was closed)

Environment:
  SWARMBUS         bus of addresses that name none
  SWARMBUS_AGENT   sender of 'send', mailbox of a 'recv' without address
  SWARMBUS_ENV     profile of 'up' and 'config'
  NO_COLOR         no colours, also in a terminal";

#[derive(Subcommand)]
enum Verb {
    Create(create::Args),
    Ls(ls::Args),
    Inspect(inspect::Args),
    Declare(declare::Args),
    Send(send::Args),
    Recv(recv::Args),
    Peek(peek::Args),
    Reap(reap::Args),
    Fsck(fsck::Args),
    Destroy(destroy::Args),
    Up(up::Args),
    Config(config::Args),
    Ps(ps::Args),
    Top(top::Args),
    Health(health::Args),
    Check(check::Args),
    Doctor(doctor::Args),
    Logs(logs::Args),
    Events(events::Args),
    Metrics(metrics::Args),
    Restart(steer::Restart),
    Stop(steer::Stop),
    Start(steer::Start),
    ResetFailed(steer::ResetFailed),
    Scale(steer::Scale),
    Reload(reload::Args),
    Drain(drain::Args),
    Down(down::Args),
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::from_usage(&error, &Cli::command()),
    };
    let output = Output::new(cli.output, cli.bus, cli.verbose);
    match run(cli.verb, &output) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run(verb: Verb, output: &Output) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Create(args) => create::run(args, output),
        Verb::Ls(args) => ls::run(args, output),
        Verb::Inspect(args) => inspect::run(args, output),
        Verb::Declare(args) => declare::run(args, output),
        Verb::Send(args) => send::run(args, output),
        Verb::Recv(args) => recv::run(args, output),
        Verb::Peek(args) => peek::run(args, output),
        Verb::Reap(args) => reap::run(args, output),
        Verb::Fsck(args) => fsck::run(args, output),
        Verb::Destroy(args) => destroy::run(args, output),
        Verb::Up(args) => up::run(args, output),
        Verb::Config(args) => config::run(args, output),
        Verb::Ps(args) => ps::run(args, output),
        Verb::Top(args) => top::run(args, output),
        Verb::Health(args) => health::run(args, output),
        Verb::Check(args) => check::run(args, output),
        Verb::Doctor(args) => doctor::run(args, output),
        Verb::Logs(args) => logs::run(args, output),
        Verb::Events(args) => events::run(args, output),
        Verb::Metrics(args) => metrics::run(args, output),
        Verb::Restart(args) => steer::restart(args, output),
        Verb::Stop(args) => steer::stop(args, output),
        Verb::Start(args) => steer::start(args, output),
        Verb::ResetFailed(args) => steer::reset_failed(args, output),
        Verb::Scale(args) => steer::scale(args, output),
        Verb::Reload(args) => reload::run(args, output),
        Verb::Drain(args) => drain::run(args, output),
        Verb::Down(args) => down::run(args, output),
        Verb::Bench(args) => bench::run(args, output),
    }
}
