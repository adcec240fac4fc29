//! What operations cost in instructions, counted by valgrind: a measure that nothing else on the machine moves.
//!
//! `make test-instructions` compares with `benches/instructions.txt`, `make bless-instructions` writes that file.

use clap::{Parser, Subcommand};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::time::Duration;
use swarmbus_benches::Scratch;
use swarmbus_core::{
    AgentState, Bus, CreateOptions, LockMode, PublishOptions, SendOptions, StartAt, Status, TopicOptions,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Does something so many times on a bus of its own.
type Deed = fn(&Bus, u64) -> Result<()>;

/// What is counted.
const OPERATIONS: &[(&str, Deed)] = &[
    ("send-receive-release-64", |bus, rounds| there_and_back(bus, 64, rounds)),
    ("send-receive-release-1024", |bus, rounds| there_and_back(bus, 1024, rounds)),
    ("batch-of-32", batch),
    ("try-receive-empty", empty),
    ("publish-read", topic),
    ("lock-unlock", lock),
    ("read-status", status),
];

/// Whatever happens once, the start of the program too, is in both counts and not in their difference.
const ROUNDS: [u64; 2] = [2_000, 12_000];

/// Percent by which a count may differ from its figure.
const TOLERANCE: f64 = 5.0;

#[derive(Parser)]
#[command(about = "Counts the instructions of operations")]
struct Arguments {
    /// The figures to compare with, or to write.
    #[arg(long, default_value = "benches/instructions.txt", global = true)]
    figures: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Count, and fail if an operation has become more expensive.
    Check,
    /// Count, and write the figures.
    Bless,
    /// Do one of the operations; this is what valgrind watches.
    #[command(hide = true)]
    Run { operation: String, rounds: u64 },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.verb {
        Verb::Check => check(&arguments.figures),
        Verb::Bless => bless(&arguments.figures).map(|()| true),
        Verb::Run { operation, rounds } => run(&operation, rounds).map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The counts beside their figures; whether none is too high.
fn check(file: &Path) -> Result<bool> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let Some(machine) = machine() else {
        println!("valgrind is missing, instructions are NOT counted: install it (apt install valgrind)");
        return Ok(true);
    };
    let blessed = text.lines().find_map(|line| line.strip_prefix("# counted with ")).unwrap_or("something unknown");
    if blessed.split_whitespace().last() != Some(std::env::consts::ARCH) {
        println!("{} is for another kind of processor ({blessed}), instructions are NOT compared", file.display());
        return Ok(true);
    }
    let figures = read_figures(&text)?;
    let (mut high, mut low) = (Vec::new(), Vec::new());
    println!("{:<28} {:>9} {:>9}", "instructions", "figure", "now");
    for (name, _) in OPERATIONS {
        let figure = *figures
            .get(*name)
            .ok_or_else(|| format!("{} does not know {name}: make bless-instructions", file.display()))?;
        let now = count(name)?;
        let change = (now as f64 / figure as f64 - 1.0) * 100.0;
        println!("{name:<28} {figure:>9} {now:>9} {change:>+8.1} %");
        if change > TOLERANCE {
            high.push(*name);
        } else if change < -TOLERANCE {
            low.push(*name);
        }
    }
    if !low.is_empty() {
        println!("better by more than {TOLERANCE} %: {}; keep it: make bless-instructions", low.join(", "));
    }
    if !high.is_empty() {
        println!("worse by more than {TOLERANCE} %: {}", high.join(", "));
        println!("find out why (valgrind --tool=callgrind), or accept it: make bless-instructions");
        if blessed != machine {
            println!("the figures were counted with {blessed}; this is {machine}");
        }
    }
    Ok(high.is_empty())
}

fn bless(file: &Path) -> Result<()> {
    let machine = machine().ok_or("valgrind is missing: install it (apt install valgrind)")?;
    let mut text = String::from(
        "# Instructions per operation, as `make bless-instructions` has counted them; a batch is one operation.\n",
    );
    writeln!(text, "# counted with {machine}")?;
    for (name, _) in OPERATIONS {
        writeln!(text, "{name:<28} {:>9}", count(name)?)?;
    }
    std::fs::write(file, &text).map_err(|error| format!("{}: {error}", file.display()))?;
    print!("{text}");
    Ok(())
}

fn read_figures(text: &str) -> Result<BTreeMap<&str, u64>> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let (name, figure) = line.split_once(' ').ok_or_else(|| format!("not a name and a figure: {line}"))?;
            Ok((name, figure.trim().parse().map_err(|error| format!("{line}: {error}"))?))
        })
        .collect()
}

/// What the counts depend on besides the code. `None`: there is no valgrind.
fn machine() -> Option<String> {
    let said = |program: &str| Some(first_line(&Command::new(program).arg("--version").output().ok()?));
    let compiler = said("rustc").unwrap_or_else(|| "an unknown compiler".into());
    Some(format!("{compiler}, {}, {}", said("valgrind")?, std::env::consts::ARCH))
}

fn first_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

/// Instructions of one round of an operation.
fn count(operation: &str) -> Result<u64> {
    let [few, many] = ROUNDS;
    Ok((collected(operation, many)? - collected(operation, few)?).div_euclid((many - few) as i64) as u64)
}

/// Instructions of a program that does so many rounds and nothing else.
fn collected(operation: &str, rounds: u64) -> Result<i64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["run", operation, &rounds.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said.lines().filter_map(|line| line.split_once("Collected :")).next_back();
    match count {
        Some((_, count)) if output.status.success() => Ok(count.trim().parse()?),
        _ => Err(format!("{operation} under valgrind: {}\n{said}", output.status).into()),
    }
}

fn run(operation: &str, rounds: u64) -> Result<()> {
    let known = OPERATIONS.iter().find(|(name, _)| *name == operation);
    let (_, deed) = known.ok_or_else(|| format!("no operation is called {operation}"))?;
    let bus = Scratch::new("instructions", &CreateOptions::default())?;
    deed(&bus.0, rounds)
}

fn at_once() -> SendOptions {
    SendOptions { timeout: Some(Duration::ZERO), ..SendOptions::default() }
}

fn there_and_back(bus: &Bus, bytes: usize, rounds: u64) -> Result<()> {
    let (agent, payload) = (bus.attach("agent")?, vec![7; bytes]);
    for _ in 0..rounds {
        agent.send("agent", &payload, &at_once())?;
        black_box(agent.try_recv()?.ok_or("a message is missing")?).release()?;
    }
    Ok(())
}

fn batch(bus: &Bus, rounds: u64) -> Result<()> {
    let (agent, payloads) = (bus.attach("agent")?, [&[7; 64][..]; 32]);
    for _ in 0..rounds {
        agent.send_batch("agent", &payloads, &at_once())?;
        for message in agent.receive_batch("agent", payloads.len(), Some(Duration::ZERO))? {
            black_box(message).release()?;
        }
    }
    Ok(())
}

fn empty(bus: &Bus, rounds: u64) -> Result<()> {
    let agent = bus.attach("agent")?;
    for _ in 0..rounds {
        if agent.try_recv()?.is_some() {
            return Err("a message that nobody sent".into());
        }
    }
    Ok(())
}

fn topic(bus: &Bus, rounds: u64) -> Result<()> {
    bus.declare_topic("news", &TopicOptions::default())?;
    let (publisher, reader) = (bus.join()?, bus.join()?);
    let mut subscription = reader.subscribe("news", StartAt::Now)?;
    let options = PublishOptions { timeout: Some(Duration::ZERO), ..PublishOptions::default() };
    for _ in 0..rounds {
        publisher.publish("news", &[7; 64], &options)?;
        drop(black_box(subscription.try_recv()?.ok_or("a message is missing")?));
    }
    Ok(())
}

fn lock(bus: &Bus, rounds: u64) -> Result<()> {
    let member = bus.join()?;
    for _ in 0..rounds {
        black_box(member.lock("src/operators/add.rs", LockMode::Exclusive, Some(Duration::ZERO))?).release()?;
    }
    Ok(())
}

fn status(bus: &Bus, rounds: u64) -> Result<()> {
    let (agent, observer) = (bus.attach("agent")?, bus.observer()?);
    agent.set_status(&Status { state: AgentState::InProgress, task: "count the words".into(), ..Status::default() })?;
    for _ in 0..rounds {
        black_box(observer.status("agent")?.ok_or("a status is gone")?);
    }
    Ok(())
}
