//! The measurements.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;
use swarmbus_core::SendOptions;

use super::Flow;
use super::agent::{self, Duty};
use super::crew::{Crew, Program, name};
use crate::exit::Failure;
use crate::output::Output;
use crate::units;

/// Time before the measurement, in which caches, queues and processors settle.
const WARM_UP: Duration = Duration::from_millis(100);
/// Messages between two looks at the clock.
const STRETCH: u64 = 64;

#[derive(Serialize)]
struct Streamed {
    agents: u32,
    size_bytes: u64,
    spin: bool,
    messages: u64,
    seconds: f64,
    messages_per_second: f64,
    bytes_per_second: f64,
}

/// So many agents send to the coordinator.
pub fn stream(agents: u32, flow: Flow, output: &Output) -> Result<ExitCode, Failure> {
    let program = Program::Native { duty: Duty::Stream, size: flow.size, spin: false };
    let (mut crew, _) = Crew::gather(agents, flow.size, &program)?;
    for number in 0..agents {
        crew.coordinator.send(&name(number), b"go", &SendOptions::default())?;
    }
    count(&mut crew, flow.spin, WARM_UP)?;
    let (messages, time) = count(&mut crew, flow.spin, flow.time)?;
    let seconds = time.as_secs_f64();
    let messages_per_second = messages as f64 / seconds;
    let bytes_per_second = messages_per_second * flow.size as f64;
    let streamed = Streamed {
        agents,
        size_bytes: flow.size,
        spin: flow.spin,
        messages,
        seconds,
        messages_per_second,
        bytes_per_second,
    };
    let text = format!(
        "{agents} to 1, {}: {messages_per_second:.0} messages/s, {}/s",
        units::bytes(flow.size),
        units::bytes(bytes_per_second as u64)
    );
    output.record(&text, &streamed)?;
    Ok(ExitCode::SUCCESS)
}

/// Takes messages for `time`; says how many came in what time exactly.
fn count(crew: &mut Crew, spin: bool, time: Duration) -> Result<(u64, Duration), Failure> {
    let begun = Instant::now();
    let mut messages = 0;
    while begun.elapsed() < time {
        crew.check()?;
        for _ in 0..STRETCH {
            crew.hear(spin)?;
        }
        messages += STRETCH;
    }
    let time = begun.elapsed();
    crew.check_alive()?;
    Ok((messages, time))
}

#[derive(Serialize)]
struct Rounds {
    agents: u32,
    size_bytes: u64,
    spin: bool,
    rounds: usize,
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
    p50_us_per_agent: f64,
}

/// A message to each agent, one of each back, again and again.
pub fn rounds(work: &str, agents: u32, flow: Flow, output: &Output) -> Result<ExitCode, Failure> {
    let duty = if agents == 1 { Duty::Echo } else { Duty::Answer };
    let (mut crew, _) = Crew::gather(agents, flow.size, &Program::Native { duty, size: flow.size, spin: flow.spin })?;
    let names: Vec<String> = (0..agents).map(name).collect();
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.is_empty() || begun.elapsed() < WARM_UP + flow.time {
        crew.check()?;
        let sent = Instant::now();
        for name in &names {
            agent::send(&crew.coordinator, name, flow.size as usize)?;
        }
        for _ in 0..agents {
            crew.hear(flow.spin)?;
        }
        if begun.elapsed() > WARM_UP {
            times.push(sent.elapsed());
        }
    }
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
    let rounds = Rounds {
        agents,
        size_bytes: flow.size,
        spin: flow.spin,
        rounds: times.len(),
        p50_us: at(0.5),
        p99_us: at(0.99),
        max_us: at(1.0),
        p50_us_per_agent: at(0.5) / f64::from(agents),
    };
    let text = format!(
        "{work}, {agents} agent{}, {}: p50 {:.1} µs, p99 {:.1} µs, {} rounds",
        if agents == 1 { "" } else { "s" },
        units::bytes(flow.size),
        rounds.p50_us,
        rounds.p99_us,
        rounds.rounds
    );
    output.record(&text, &rounds)?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Swarmed {
    agents: u32,
    spawn_ms: f64,
    coordination_ms: f64,
    answered: u32,
    delivery: f64,
}

/// Starts a swarm and coordinates it once: from the first task sent to the last answer held.
pub fn swarm(agents: u32, program: &Program<'_>, output: &Output) -> Result<ExitCode, Failure> {
    let (mut crew, spawned) = Crew::gather(agents, 64, program)?;
    let names: Vec<String> = (0..agents).map(name).collect();
    let begun = Instant::now();
    for name in &names {
        crew.coordinator.send(name, b"task", &SendOptions::default())?;
    }
    let mut answered = 0;
    while answered < agents {
        crew.hear(false)?;
        answered += 1;
    }
    let coordinated = begun.elapsed();
    let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let swarmed = Swarmed {
        agents,
        spawn_ms: ms(spawned),
        coordination_ms: ms(coordinated),
        answered,
        delivery: f64::from(answered) / f64::from(agents),
    };
    let text = format!(
        "{agents} agents: there after {:.0} ms, coordinated in {:.1} ms, {answered} answered",
        swarmed.spawn_ms, swarmed.coordination_ms
    );
    output.record(&text, &swarmed)?;
    Ok(ExitCode::SUCCESS)
}
