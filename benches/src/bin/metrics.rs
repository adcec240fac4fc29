//! What it costs agents to be watched: the time on a processor of a message while an exporter is asked each second, beside the same while nobody asks.
//!
//! `cargo run --release -p swarmbus-benches --bin metrics-overhead -- target/release/swarmbus`. Both are measured in one run, in turns, on one bus; who is first
//! changes from round to round, so that a machine that becomes slower does not count against either.

use clap::Parser;
use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use swarmbus_benches::{Scratch, interval, median};
use swarmbus_core::{Agent, CreateOptions, SendOptions};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Messages between two looks at the clock.
const BLOCK: u64 = 1000;
/// How long the process that is asked waits until it is asked again.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Parser)]
#[command(about = "Measures what an exporter that is asked each second costs a message")]
struct Arguments {
    /// The command swarmbus, of the same build.
    swarmbus: PathBuf,
    /// Agents on the bus: the more, the more an exporter reads.
    #[arg(long, default_value_t = 500)]
    agents: u32,
    /// How often both are measured.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(3..))]
    rounds: u32,
    /// Seconds of each.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Fail if it costs more than so many percent, with the whole interval.
    #[arg(long, default_value_t = 3.0)]
    threshold: f64,
}

/// An exporter, ended with the run.
struct Exporter {
    child: Child,
    address: String,
}

impl Exporter {
    fn start(swarmbus: &Path, bus: &str) -> Result<Exporter> {
        let mut child = Command::new(swarmbus)
            .args(["metrics", bus, "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}: cargo build --release -p swarmbus-cli", swarmbus.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let address = line.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix("/metrics"));
        let address = address.ok_or_else(|| format!("the exporter said {line:?}"))?.to_owned();
        Ok(Exporter { child, address })
    }

    /// Asks once; the length of the answer.
    fn ask(&self) -> Result<usize> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer.len())
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("metrics-overhead: {error}");
            ExitCode::from(2)
        }
    }
}

fn measure(arguments: &Arguments) -> Result<bool> {
    let options = CreateOptions { agents: arguments.agents + 16, ..CreateOptions::default() };
    let scratch = Scratch::new("metrics", &options)?;
    let bus = &scratch.0;
    let agents = (1..=arguments.agents).map(|number| bus.attach(&format!("agent-{number}")));
    let agents = agents.collect::<swarmbus_core::Result<Vec<Agent>>>()?;
    let me = agents.first().ok_or("at least one agent")?;
    let exporter = Exporter::start(&arguments.swarmbus, bus.name())?;
    let length = exporter.ask()?;
    let time = Duration::from_secs_f64(arguments.seconds);
    there_and_back(me, time)?;
    let (mut asked, mut alone) = (Vec::new(), Vec::new());
    for round in 0..arguments.rounds {
        for turn in 0..2 {
            if (round + turn) % 2 == 0 {
                asked.push(vec![while_asked(&exporter, || there_and_back(me, time))?]);
            } else {
                alone.push(vec![there_and_back(me, time)?]);
            }
        }
    }
    let [low, ratio, high] = interval(&alone, &asked);
    let percent = |ratio: f64| (ratio - 1.0) * 100.0;
    println!(
        "{} agents, a page of {length} bytes, {} rounds of {} s",
        agents.len(),
        arguments.rounds,
        arguments.seconds
    );
    println!(
        "a message of 64 bytes, sent, received and released: {:.1} ns alone, {:.1} ns while asked each second",
        median(alone.concat()),
        median(asked.concat())
    );
    println!("{:+.2} % (95 %: {:+.2} to {:+.2})", percent(ratio), percent(low), percent(high));
    Ok(percent(low) <= arguments.threshold)
}

/// Does something while the exporter is asked each second.
fn while_asked(exporter: &Exporter, work: impl FnOnce() -> Result<f64>) -> Result<f64> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            while !over.load(Relaxed) {
                let begun = Instant::now();
                exporter.ask().map_err(|error| error.to_string())?;
                while !over.load(Relaxed) && begun.elapsed() < EVERY {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            Ok::<(), String>(())
        });
        let done = work();
        over.store(true, Relaxed);
        asking.join().map_err(|_| "who asks has panicked")??;
        done
    })
}

/// Nanoseconds of a processor for a message to oneself. Time on the processor, since whatever else the machine does would be in the time of a clock.
fn there_and_back(me: &Agent, time: Duration) -> Result<f64> {
    let payload = [7; 64];
    let (begun, cpu, mut messages) = (Instant::now(), cpu_ns()?, 0);
    while begun.elapsed() < time {
        for _ in 0..BLOCK {
            me.send("agent-1", black_box(&payload), &SendOptions::default())?;
            let message = me.recv(None)?;
            black_box(message.data());
            message.release()?;
        }
        messages += BLOCK;
    }
    Ok((cpu_ns()? - cpu) / messages as f64)
}

/// How long this thread has been on a processor, ns.
fn cpu_ns() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_whitespace().next().ok_or("schedstat is empty")?.parse()?)
}
