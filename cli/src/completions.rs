//! `swarmbus completions`: files for shells, made from the same description as the help; and `swarmbus words`, which they ask for names.

use std::process::ExitCode;

use clap::{Arg, Command, ValueEnum};
use clap_complete::Shell;
use swarmbus_core::{Bus, Observer};

use crate::exit::Failure;
use crate::output::{Output, variable};

/// Print the completions of a shell: bash, zsh or fish.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus completions bash > ~/.local/share/bash-completion/completions/swarmbus
  swarmbus completions zsh > ~/.zfunc/_swarmbus
  swarmbus completions fish > ~/.config/fish/completions/swarmbus.fish
  source <(swarmbus completions bash)")]
pub struct Completions {
    /// bash, zsh or fish
    #[arg(value_parser = ["bash", "zsh", "fish"], hide_possible_values = true)]
    shell: String,
}

pub fn run(args: Completions, output: &Output) -> Result<ExitCode, Failure> {
    let mut command = shown(&crate::command());
    let (shell, add): (_, fn(&str, &[Place]) -> String) = match args.shell.as_str() {
        "zsh" => (Shell::Zsh, zsh),
        "fish" => (Shell::Fish, fish),
        _ => (Shell::Bash, bash),
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "swarmbus", &mut script);
    let mut places = Vec::new();
    collect(&command, "", &mut places);
    let script = add(&String::from_utf8_lossy(&script), &places);
    output.bytes(script.trim_ascii_end().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The command without the verbs that are for programs: shells would offer them. What it is given is built, with its own help.
fn shown(command: &Command) -> Command {
    let hidden: Vec<_> = command.get_subcommands().filter(|verb| verb.is_hide_set()).map(Command::get_name).collect();
    let verbs = |command: &Command| {
        let verbs = command.get_subcommands().filter(|verb| !hidden.contains(&verb.get_name()));
        verbs.cloned().collect::<Vec<_>>()
    };
    let bare = |name: &'static str| Command::new(name).disable_help_flag(true).disable_help_subcommand(true);
    let help = |verb: Command| match verb.get_name() {
        "help" => bare("help").about(verb.get_about().cloned().unwrap_or_default()).subcommands(verbs(&verb)),
        _ => verb,
    };
    bare("swarmbus")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .args(command.get_arguments().cloned())
        .subcommands(verbs(command).into_iter().map(help))
}

/// What a word can be the name of.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Buses,
    Addresses,
}

impl Kind {
    /// What the argument of this id takes, if it is a name.
    fn of(id: &str) -> Option<Self> {
        match id {
            "bus" | "buses" => Some(Self::Buses),
            "address" | "queue" | "topic" | "agent" | "from" => Some(Self::Addresses),
            _ => None,
        }
    }
}

/// A verb that takes a name, such as `queue purge`.
struct Place {
    verb: String,
    kind: Kind,
    /// Whether other words of it are files or commands, so that files are offered as well.
    takes_files: bool,
}

fn collect(command: &Command, above: &str, places: &mut Vec<Place>) {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        let name = [above, verb.get_name()].join(" ").trim_start().to_owned();
        if let Some(kind) = verb.get_positionals().next().and_then(|argument| Kind::of(argument.get_id().as_str())) {
            let is_of_files = |argument: &Arg| matches!(argument.get_id().as_str(), "command" | "file");
            places.push(Place { verb: name.clone(), kind, takes_files: verb.get_positionals().any(is_of_files) });
        }
        collect(verb, &name, places);
    }
}

/// The verbs whose first word is of this kind, as a pattern of `case`.
fn pattern(places: &[Place], kind: Kind) -> String {
    let verbs = places.iter().filter(|place| place.kind == kind).map(|place| format!("\"{}\"", place.verb));
    verbs.collect::<Vec<_>>().join(" | ")
}

fn bash(script: &str, places: &[Place]) -> String {
    let names = include_str!("completions/names.bash")
        .replace("@ADDRESSES@", &pattern(places, Kind::Addresses))
        .replace("@BUSES@", &pattern(places, Kind::Buses));
    let script = script.replace("complete -F _swarmbus ", "complete -F _swarmbus_names ");
    match script.rfind("if [[ ") {
        Some(at) => [&script[..at], &names, "\n", &script[at..]].concat(),
        None => script,
    }
}

/// The generated functions complete files where they know nothing: these lines are told what to ask.
fn zsh(script: &str, _places: &[Place]) -> String {
    let mut told = String::new();
    for line in script.lines() {
        let id = line.trim_start_matches(['\'', '*', ':']).split(" -- ").next().unwrap_or_default();
        let kind = match Kind::of(id) {
            Some(kind) if line.starts_with("':") || line.starts_with("'*:") => Some(kind),
            _ if line.contains("]:BUS:") => Some(Kind::Buses),
            _ => None,
        };
        let how = match kind {
            Some(Kind::Buses) => ":_swarmbus_buses'",
            Some(Kind::Addresses) => ":_swarmbus_addresses'",
            None => ":_default'",
        };
        if line.starts_with("if [ \"$funcstack[1]\"") {
            told += include_str!("completions/names.zsh");
        }
        told += &line.replace(":_default'", how);
        told.push('\n');
    }
    told
}

fn fish(script: &str, places: &[Place]) -> String {
    let mut told = script.to_owned();
    told.push('\n');
    for Place { verb, kind, takes_files } in places {
        let is_there = match verb.split_once(' ') {
            Some((group, verb)) => {
                format!("__fish_swarmbus_using_subcommand {group}; and __fish_seen_subcommand_from {verb}")
            }
            None => format!("__fish_swarmbus_using_subcommand {verb}"),
        };
        let files = if *takes_files { "" } else { " -f" };
        let kind = kind.to_possible_value().map_or_else(String::new, |kind| kind.get_name().to_owned());
        let ask = format!("(swarmbus words {kind} -- (commandline -ct) 2>/dev/null)");
        told += &format!("complete -c swarmbus -n \"{is_there}\"{files} -a \"{ask}\"\n");
    }
    // The generated lines know of no buses, and give up while an option before the verb has no value yet.
    let bus = " -s b -l bus -d 'Bus of addresses that name none [default: $SWARMBUS]' -r";
    let asked = bus.replace(" -r", " -x -a \"(swarmbus words buses -- (commandline -ct) 2>/dev/null)\"");
    told.replace(bus, &asked).replace("2>/dev/null\n    or return\n", "2>/dev/null\n    or return 0\n")
}

/// Print the names that begin with a word, for the completions of a shell.
#[derive(clap::Args)]
#[command(
    hide = true,
    after_help = "\
Examples:
  swarmbus words addresses demo/w"
)]
pub struct Words {
    /// buses, or addresses on them
    #[arg(hide_possible_values = true)]
    kind: Kind,
    /// What the names begin with
    #[arg(default_value = "")]
    word: String,
}

/// Says nothing of what cannot be looked into: a user who types a line has not asked.
pub fn words(args: Words, output: &Output) -> Result<ExitCode, Failure> {
    let buses = Bus::list().unwrap_or_default();
    let mut names = Vec::new();
    match (args.kind, args.word.split_once('/')) {
        (Kind::Buses, _) => names = buses,
        (Kind::Addresses, Some((bus, _))) => names.extend(on(bus).into_iter().map(|name| format!("{bus}/{name}"))),
        (Kind::Addresses, None) => {
            names.extend(buses.into_iter().map(|bus| bus + "/"));
            names.extend(
                output
                    .named_bus()
                    .map(str::to_owned)
                    .or_else(|| variable("SWARMBUS"))
                    .map(|bus| on(&bus))
                    .unwrap_or_default(),
            );
        }
    }
    names.retain(|name| name.starts_with(&args.word));
    names.sort_unstable();
    names.dedup();
    if !names.is_empty() {
        output.line(&names.join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The names of queues and topics on a bus.
fn on(bus: &str) -> Vec<String> {
    let Ok(observer) = Observer::open(bus) else { return Vec::new() };
    let queues = observer.queues().into_iter().map(|queue| queue.name);
    queues.chain(observer.topics().into_iter().map(|topic| topic.name)).collect()
}
