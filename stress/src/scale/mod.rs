//! What a thousand or ten thousand attached processes cost: to attach, to lie idle, to reap, and for the messages of the others.
//!
//! Nothing here is asserted but what must be so; the figures are for people (`docs/scale.md`), and depend on the machine.

mod calls;
mod company;
mod cost;
mod dweller;
mod footprint;
mod idle;
mod reaping;

pub use calls::{Calls, calls, counted};
pub use company::{Company, options};
pub use cost::{growth, messages};
pub use dweller::{Burden, Orders, obey, orders};
pub use footprint::{Own, Step, footprint};
pub use idle::idle;
pub use reaping::reaping;

use crate::Result;
use crate::scene::Scene;
use clap::Subcommand;
use nix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::time::{Duration, Instant};

/// A measurement.
#[derive(Subcommand)]
pub enum Measurement {
    /// The time from the first of `agents` processes that attaches at once to the last, and of one process that attaches as many handles.
    Attach {
        /// How many.
        #[arg(long, default_value_t = 1000)]
        agents: u32,
        /// How often.
        #[arg(long, default_value_t = 5)]
        runs: u32,
    },
    /// The time from the death of the last of `agents` processes, all killed at once, to the last seat that is free again.
    Reap {
        /// How many.
        #[arg(long, default_value_t = 1000)]
        agents: u32,
        /// How often.
        #[arg(long, default_value_t = 5)]
        runs: u32,
        /// What each has when it dies.
        #[arg(long, value_enum, default_value_t = Burden::Nothing)]
        with: Burden,
    },
    /// What an idle process costs in memory and in processor time.
    Idle {
        /// How many.
        #[arg(long, default_value_t = 1000)]
        agents: u32,
        /// What each has.
        #[arg(long, value_enum, default_value_t = Burden::Nothing)]
        with: Burden,
        /// Forked from one process that waits, instead of started as programs.
        #[arg(long)]
        forked: bool,
    },
    /// What an agent adds to the memory of its process, summed up after each step.
    Footprint {
        /// Beside how many others.
        #[arg(long, default_value_t = 1000)]
        agents: u32,
    },
    /// What a message costs two agents, and what a look at everybody costs, beside so many idle processes.
    Cost {
        /// How many, one number after the other.
        #[arg(long, value_delimiter = ',', default_value = "10,1000")]
        agents: Vec<u32>,
        /// Messages of a round.
        #[arg(long, default_value_t = 100_000)]
        messages: u32,
    },
    /// Send and receive so many messages beside so many idle processes, for a tool that counts instructions.
    Messages {
        /// How many idle processes.
        #[arg(long, default_value_t = 10)]
        agents: u32,
        /// How many messages.
        #[arg(long, default_value_t = 1000)]
        messages: u32,
    },
}

/// Takes a measurement and prints what it found.
///
/// # Errors
/// What keeps the processes from coming, or a count that is wrong.
pub fn measure(program: &Path, measurement: &Measurement) -> Result<()> {
    match measurement {
        Measurement::Attach { agents, runs } => {
            println!("{}", attach(program, *agents, *runs)?);
            println!("{}", handles(*agents, *runs)?);
        }
        Measurement::Reap { agents, runs, with } => println!("{}", reaping(program, *agents, *runs, *with)?),
        Measurement::Idle { agents, with, forked } => println!("{}", idle(program, *agents, *with, *forked)?),
        Measurement::Footprint { agents } => {
            for (step, own) in footprint(program, *agents)? {
                println!("{step:?}: {own}");
            }
        }
        Measurement::Cost { agents, messages } => {
            for agents in agents {
                println!("{}", growth(program, *agents, *messages)?);
            }
        }
        Measurement::Messages { agents, messages: count } => messages(program, *agents, *count)?,
    }
    Ok(())
}

/// The time for which this thread ran so far: what a loaded machine does not change much.
///
/// # Errors
/// When the kernel does not tell.
pub fn processor_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Of some runs.
pub struct Times(Vec<Duration>);

impl Times {
    /// Takes so many times.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn of(runs: u32, mut take: impl FnMut() -> Result<Duration>) -> Result<Times> {
        let mut times = (0..runs.max(1)).map(|_| take()).collect::<Result<Vec<_>>>()?;
        times.sort_unstable();
        Ok(Times(times))
    }

    /// The middle one.
    pub fn median(&self) -> Duration {
        self.0[self.0.len() / 2]
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |time: &Duration| time.as_secs_f64() * 1e3;
        let (least, most) = (self.0.first().map_or(0.0, ms), self.0.last().map_or(0.0, ms));
        write!(to, "{:.2} ms ({least:.2} to {most:.2} of {})", ms(&self.median()), self.0.len())
    }
}

/// So many processes, which are there already, attach at once.
///
/// # Errors
/// When one of them cannot.
pub fn attach(program: &Path, agents: u32, runs: u32) -> Result<String> {
    let mut each = Vec::new();
    let times = Times::of(runs, || {
        let scene = Scene::new(&options(agents))?;
        let mut company = Company::gather(program, scene.name(), agents, Burden::Nothing)?;
        let spans = company.attach()?;
        each.extend(spans.iter().map(|span| span.1 - span.0));
        let (begun, ended) = (spans.iter().map(|span| span.0).min(), spans.iter().map(|span| span.1).max());
        Ok(ended.zip(begun).map(|(ended, begun)| ended - begun).unwrap_or_default())
    })?;
    each.sort_unstable();
    let middle = each[each.len() / 2].as_secs_f64() * 1e6;
    Ok(format!("attach, {agents} processes: {times}; half of them within {middle:.0} µs"))
}

/// One process attaches so many handles.
///
/// # Errors
/// When it cannot.
pub fn handles(agents: u32, runs: u32) -> Result<String> {
    let times = Times::of(runs, || {
        let scene = Scene::new(&options(agents))?;
        let names: Vec<String> = (0..agents).map(|number| format!("agent-{number}")).collect();
        let begun = Instant::now();
        let handles = names.iter().map(|name| scene.attach(name)).collect::<std::result::Result<Vec<_>, _>>()?;
        let attached = begun.elapsed();
        drop(handles);
        Ok(attached)
    })?;
    Ok(format!("attach, {agents} handles of one process: {times}"))
}
