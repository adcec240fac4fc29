//! The `swarmbus` command: one verb per file, one mapping from errors to exit codes (`exit`), one way to print (`output`).

mod bench;
mod call;
mod cheat;
mod check;
mod command;
mod completions;
mod config;
mod create;
mod dead_letter;
mod declare;
mod destroy;
mod doctor;
mod down;
mod drain;
mod events;
mod exit;
mod fsck;
mod growing;
mod handle;
mod health;
mod inspect;
mod interrupt;
mod lock;
mod logs;
mod ls;
mod message;
mod metrics;
mod output;
mod pages;
mod peek;
mod ps;
mod publish;
mod queue;
mod reap;
mod recv;
mod reload;
mod reply;
mod send;
mod sender;
mod status;
mod steer;
mod sub;
mod table;
mod tail;
mod take;
mod top;
mod topic;
mod trace;
mod units;
mod up;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

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
    #[arg(short = 'b', long = "bus", id = "global_bus", global = true, value_name = "BUS", help_heading = GLOBAL)]
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
'swarmbus cheat' shows more of them on one screen.

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
  SWARMBUS_AGENT   who sends, publishes, calls; the mailbox of a 'recv' without
                   address; the agent of 'status' and 'beat'
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
    Call(call::Args),
    Reply(reply::Args),
    Pub(publish::Args),
    Sub(sub::Args),
    Peek(peek::Args),
    Tail(tail::Args),
    Queue(queue::Args),
    Topic(topic::Args),
    DeadLetter(dead_letter::Args),
    Lock(lock::Args),
    Status(status::Args),
    Beat(status::Beat),
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
    Cheat(cheat::Args),
    Completions(completions::Completions),
    Man(pages::Man),
    Words(completions::Words),
}

/// The verbs by what they are for. One that is in no group is listed at the end.
const GROUPS: &[(&str, &[&str])] = &[
    ("Buses", &["create", "ls", "inspect", "destroy", "reap", "fsck"]),
    ("Messages", &["declare", "send", "recv", "call", "reply", "peek", "tail", "queue", "dead-letter"]),
    ("Topics, locks, statuses", &["topic", "pub", "sub", "lock", "status", "beat"]),
    ("Swarms", &["up", "config", "ps", "top", "logs", "events", "drain", "down", "reload", "scale"]),
    ("Agents of a swarm", &["stop", "start", "restart", "reset-failed"]),
    ("Looking after it", &["health", "check", "doctor", "metrics", "bench"]),
    ("Help", &["cheat", "help", "completions"]),
];

/// The command line, its verbs grouped.
fn command() -> clap::Command {
    let mut command = Cli::command();
    // With the verb 'help', which is made when the command is.
    command.build();
    let verbs = verbs(&command);
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{verbs}Options:\n{{options}}{{after-help}}"
    ))
}

/// The list of verbs, a line each.
fn verbs(command: &clap::Command) -> String {
    let line = |verb: &clap::Command| {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        format!("  {:12}  {about}\n", verb.get_name())
    };
    let mut text = String::new();
    for (group, names) in GROUPS {
        let found: String = names.iter().filter_map(|name| command.find_subcommand(name)).map(line).collect();
        text.push_str(&format!("{group}:\n{found}\n"));
    }
    let grouped = |verb: &&clap::Command| GROUPS.iter().any(|(_, names)| names.contains(&verb.get_name()));
    let others = command.get_subcommands().filter(|verb| !verb.is_hide_set() && !grouped(verb));
    let others: String = others.map(line).collect();
    if !others.is_empty() {
        text.push_str(&format!("More:\n{others}\n"));
    }
    text
}

fn main() -> ExitCode {
    let mut command = command();
    let parsed = command.try_get_matches_from_mut(std::env::args_os()).and_then(|words| Cli::from_arg_matches(&words));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return exit::from_usage(&error, &command),
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
        Verb::Call(args) => call::run(args, output),
        Verb::Reply(args) => reply::run(args, output),
        Verb::Pub(args) => publish::run(args, output),
        Verb::Sub(args) => sub::run(args, output),
        Verb::Peek(args) => peek::run(args, output),
        Verb::Tail(args) => tail::run(args, output),
        Verb::Queue(args) => queue::run(args, output),
        Verb::Topic(args) => topic::run(args, output),
        Verb::DeadLetter(args) => dead_letter::run(args, output),
        Verb::Lock(args) => lock::run(args, output),
        Verb::Status(args) => status::run(args, output),
        Verb::Beat(args) => status::beat(args, output),
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
        Verb::Cheat(args) => cheat::run(args, output),
        Verb::Completions(args) => completions::run(args, output),
        Verb::Man(args) => pages::man(args, output),
        Verb::Words(args) => completions::words(args, output),
    }
}
