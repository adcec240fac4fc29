//! Structs between two processes: a boss sends files to be counted, a worker reads each task in place and answers with what it found.
//!
//! ```console
//! $ cargo run -p swarmbus-core --example typed -- worker demo &
//! $ cargo run -p swarmbus-core --example typed -- boss demo README.md CHANGELOG.md
//! ```
//!
//! Either may start first: who comes first creates the bus.

use std::process::ExitCode;
use std::time::Duration;
use swarmbus_core::rkyv::{Archive, Deserialize, Serialize};
use swarmbus_core::{Bus, CreateOptions, Error, Result, SendOptions, schema};

/// What is to be done.
#[derive(Archive, Serialize, Deserialize, Debug)]
#[rkyv(crate = swarmbus_core::rkyv)]
struct Task {
    path: String,
    /// Words to look for.
    words: Vec<String>,
}

/// What came of it.
#[derive(Archive, Serialize, Deserialize, Debug)]
#[rkyv(crate = swarmbus_core::rkyv)]
enum Outcome {
    Counted { lines: u64, longest: u32, found: Vec<(String, u32)> },
    Failed { reason: String },
}

// The name is the type: who changes one of these changes its number as well.
schema!(Task = "count.task/1", Outcome = "count.outcome/1");

/// Works through an archived task: its text and words are read where the boss wrote them.
fn count(task: &ArchivedTask) -> Outcome {
    let text = match std::fs::read_to_string(task.path.as_str()) {
        Ok(text) => text,
        Err(error) => return Outcome::Failed { reason: error.to_string() },
    };
    let found = task.words.iter().map(|word| (word.to_string(), text.matches(word.as_str()).count() as u32));
    Outcome::Counted {
        lines: text.lines().count() as u64,
        longest: text.lines().map(|line| line.chars().count()).max().unwrap_or(0) as u32,
        found: found.collect(),
    }
}

fn worker(bus: &Bus) -> Result<()> {
    let me = bus.attach("worker")?;
    loop {
        let message = match me.recv(None) {
            Err(Error::Closed { .. }) => return Ok(()),
            message => message?,
        };
        match message.view::<Task>() {
            Ok(task) => {
                message.reply_typed(&count(task))?;
            }
            // Whoever sent this means something else by it; there is nothing to answer.
            Err(error) => eprintln!("worker: from {:?}: {error}", message.sender()),
        }
        message.release()?;
    }
}

fn boss(bus: &Bus, paths: &[String]) -> Result<()> {
    let me = bus.attach("boss")?;
    bus.declare("worker", &Default::default())?;
    // Not a task: the worker says so and goes on.
    me.send("worker", b"hello", &SendOptions::default())?;
    let options = SendOptions { timeout: Some(Duration::from_secs(60)), ..SendOptions::default() };
    for path in paths {
        let task = Task { path: path.clone(), words: vec!["the".into(), "bus".into()] };
        let answer = me.call_typed("worker", &task, &options)?;
        // A copy: the answer's memory is free before it is printed.
        let outcome = answer.read::<Outcome>()?;
        answer.release()?;
        match outcome {
            Outcome::Counted { lines, longest, found } => {
                let found: Vec<String> = found.iter().map(|(word, times)| format!("{times} × '{word}'")).collect();
                println!("{path}: {lines} lines, at most {longest} characters long, {}", found.join(", "));
            }
            Outcome::Failed { reason } => println!("{path}: {reason}"),
        }
    }
    me.close_queue("worker")
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (role, name, paths) = match arguments.as_slice() {
        [role, bus, paths @ ..] if matches!(role.as_str(), "worker" | "boss") => (role, bus, paths),
        _ => {
            eprintln!("usage: typed worker BUS | typed boss BUS FILE...");
            return ExitCode::from(64);
        }
    };
    let bus = match Bus::create(name, &CreateOptions::default()) {
        Err(Error::BusExists { .. }) => Bus::open(name),
        bus => bus,
    };
    match bus.and_then(|bus| if role == "worker" { worker(&bus) } else { boss(&bus, paths) }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("typed: {error}");
            ExitCode::FAILURE
        }
    }
}
