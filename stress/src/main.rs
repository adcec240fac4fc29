//! `swarmbus-stress`: the processes that are killed, and runs by hand of what the tests run.

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use std::time::Duration;
use swarmbus_stress::corrupt::fuzz::guard;
use swarmbus_stress::corrupt::{flips, judge, template};
use swarmbus_stress::crash::Point;
use swarmbus_stress::mistake::Mistake;
use swarmbus_stress::scale::Measurement;
use swarmbus_stress::victim::{Operation, Orders};
use swarmbus_stress::{
    Result, boards, contention, figures, flow, handover, kills, mutants, peer, scale, soak, space, storm, topics,
    victim, wakes, workload,
};

#[derive(Parser)]
#[command(about = "Kills real processes and checks that nothing is lost")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Kill processes at random moments: while they send, hold a message, or sleep.
    Kills {
        /// Kills of each kind.
        #[arg(default_value_t = 1000)]
        count: u32,
    },
    /// Kill storms: hundreds of processes killed at random moments, most on their way in, and one storm under load.
    Storm(storm::Storms),
    /// Let agents work for a long time, a few being killed, and tell whether what they take stays the same.
    Soak(soak::Soak),
    /// Answer questions until told to end.
    #[command(hide = true)]
    SoakEcho {
        #[arg(long)]
        bus: String,
    },
    /// Do everything on the bus of a storm until killed.
    #[command(hide = true)]
    StormWork(storm::Orders),
    /// Come when a storm is over.
    #[command(hide = true)]
    StormFresh {
        #[arg(long)]
        bus: String,
    },
    /// Make one mistake after the other in the core; some model or sweep must notice.
    Mutants(mutants::Wish),
    /// What the last runs of the proof found, as Markdown.
    Report(figures::Wish),
    /// Kill or pause operations at their machine instructions.
    #[cfg(target_arch = "x86_64")]
    Sweep(swarmbus_stress::stepping::Orders),
    /// Do one thing on a bus, and die of it.
    #[command(hide = true)]
    Victim {
        #[arg(long)]
        bus: String,
        #[arg(long)]
        operation: Operation,
        #[arg(long, default_value = "never")]
        at: Point,
        #[arg(long, default_value_t = 1)]
        times: u64,
        #[arg(long, default_value_t = 1)]
        first: u64,
        #[arg(long)]
        mistake: Option<Mistake>,
    },
    /// Use a bus until standard input ends.
    #[command(hide = true)]
    Peer {
        #[arg(long)]
        bus: String,
        #[arg(long)]
        first: u64,
        #[arg(long)]
        operation: Operation,
    },
    /// Send numbers until killed, or `count` of them.
    #[command(hide = true)]
    Send {
        #[arg(long)]
        bus: String,
        #[arg(long, default_value = "q")]
        queue: String,
        #[arg(long)]
        first: u64,
        #[arg(long)]
        count: Option<u64>,
        #[arg(long)]
        patience_ms: Option<u64>,
        #[arg(long, default_value_t = 0)]
        pause_us: u64,
    },
    /// Take a message and hold it until killed.
    #[command(hide = true)]
    Hold {
        #[arg(long)]
        bus: String,
    },
    /// Own a mailbox, take and release until told to end.
    #[command(hide = true)]
    Lead {
        #[arg(long)]
        bus: String,
        #[arg(long)]
        name: String,
        #[arg(long)]
        how: handover::How,
        #[arg(long)]
        role: Option<String>,
    },
    /// Attach, greet the coordinator and answer its questions.
    #[command(hide = true)]
    Answer {
        #[arg(long)]
        bus: String,
        #[arg(long)]
        name: String,
    },
    /// Send `count` numbers without a ledger.
    #[command(hide = true)]
    Flow {
        #[arg(long)]
        bus: String,
        #[arg(long)]
        first: u64,
        #[arg(long)]
        count: u64,
    },
    /// Take and release messages until told to end.
    #[command(hide = true)]
    Consume {
        #[arg(long)]
        bus: String,
    },
    /// Send numbers until killed, with a ledger of two numbers.
    #[command(hide = true)]
    Tell {
        #[arg(long)]
        bus: String,
        #[arg(long)]
        queue: String,
        #[arg(long)]
        first: u64,
        #[arg(long)]
        burst: u64,
    },
    /// Receive numbers until told to end, then write them down.
    #[command(hide = true)]
    Listen {
        #[arg(long)]
        bus: String,
        #[arg(long)]
        queue: Vec<String>,
    },
    /// Take locks until told to end, watched by a ledger of its own.
    #[command(hide = true)]
    Contend {
        #[arg(long)]
        bus: String,
        #[arg(long)]
        ledger: std::path::PathBuf,
        #[arg(long)]
        worker: usize,
        #[arg(long)]
        workers: usize,
    },
    /// Set statuses until told to end, or killed.
    #[command(hide = true)]
    Say {
        #[arg(long)]
        bus: String,
        #[arg(long)]
        name: String,
        #[arg(long)]
        first: u64,
        #[arg(long)]
        turns: u64,
        #[arg(long)]
        booked: bool,
    },
    /// Read `count` messages of a topic.
    #[command(hide = true)]
    ReadAll {
        #[arg(long)]
        bus: String,
        #[arg(long)]
        count: u64,
    },
    /// Read a topic to its end and write down what comes.
    #[command(hide = true)]
    ReadOn {
        #[arg(long)]
        bus: String,
    },
    /// Read a topic until killed.
    #[command(hide = true)]
    Skim {
        #[arg(long)]
        bus: String,
    },
    /// Publish in a topic until told to end.
    #[command(hide = true)]
    Proclaim {
        #[arg(long)]
        bus: String,
        #[arg(long)]
        number: u32,
    },
    /// Subscribe to a topic again and again until told to end.
    #[command(hide = true)]
    Rejoin {
        #[arg(long)]
        bus: String,
        #[arg(long)]
        number: u32,
    },
    /// Run out of memory on a small /dev/shm of this process' own.
    #[command(hide = true)]
    SmallTmpfs,
    /// Run programs that scribble over a segment and use it, looking for one at which somebody crashes or hangs.
    Fuzz {
        /// For how long, seconds.
        #[arg(long, default_value_t = 300)]
        seconds: u64,
        /// No more programs than this: with a seed the same ones on any machine.
        #[arg(long)]
        programs: Option<usize>,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Programs to begin with.
        #[arg(long)]
        seeds: Option<std::path::PathBuf>,
        /// Folder for what is found.
        #[arg(long, default_value = "target/fuzz/found")]
        found: std::path::PathBuf,
        /// Give up after so many crashes and hangs.
        #[arg(long, default_value_t = 10)]
        failures: u32,
        /// Write those of the seeds that are needed to reach what they reach to a file instead.
        #[arg(long, requires = "seeds")]
        merge: Option<std::path::PathBuf>,
        /// Where the figures go.
        #[arg(long, value_name = "FILE")]
        json: Option<std::path::PathBuf>,
        /// Run the programs of a file instead.
        #[arg(long)]
        replay: Option<std::path::PathBuf>,
    },
    /// Write over every field of a living segment while processes use it.
    Flips {
        /// Words of each field.
        #[arg(long, default_value_t = 3)]
        words: u64,
        #[arg(long, default_value_t = 3)]
        processes: usize,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// This field only.
        #[arg(long)]
        field: Option<String>,
        /// Where the figures go.
        #[arg(long, value_name = "FILE")]
        json: Option<std::path::PathBuf>,
    },
    /// Use a bus over which somebody scribbles until told to end.
    #[command(hide = true)]
    Scribbled {
        #[arg(long)]
        bus: String,
        #[arg(long)]
        seed: u64,
    },
    /// Take something of everything on a bus, and die with it.
    #[command(hide = true)]
    ScribbledDead {
        #[arg(long)]
        bus: String,
    },
    /// Repair a copy of a bus over which somebody scribbles, and try whether it works.
    #[command(hide = true)]
    ScribbledJudge {
        #[arg(long, required_unless_present = "file")]
        bus: Option<String>,
        /// A copy that is there already.
        #[arg(long)]
        file: Option<std::path::PathBuf>,
    },
    /// Measure what many attached processes cost.
    Scale {
        #[command(subcommand)]
        measurement: Measurement,
    },
    /// Attach, and stop before and after, for who counts system calls.
    #[command(hide = true)]
    Counted {
        #[arg(long)]
        bus: String,
    },
    /// Open a bus from a pid namespace of this process' own.
    #[command(hide = true)]
    OpenElsewhere {
        #[arg(long)]
        bus: String,
    },
}

fn main() -> ExitCode {
    let result = match scale::orders() {
        Some(orders) => scale::obey(orders),
        None => run(Arguments::parse().verb),
    };
    if let Err(error) = &result {
        eprintln!("swarmbus-stress: {error}");
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<space::NotPermitted>() => ExitCode::from(space::NOT_PERMITTED),
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Kills { count } => {
            let program = std::path::Path::new("/proc/self/exe");
            println!("{}", kills::kill_senders(program, count)?);
            println!("{}", kills::kill_holders(program, count)?);
            println!("{}", kills::kill_sleepers(program, count.div_ceil(20))?);
            Ok(())
        }
        Verb::Storm(storms) => storms.run(std::path::Path::new("/proc/self/exe")),
        Verb::Soak(soak) => soak.run(std::path::Path::new("/proc/self/exe")),
        Verb::SoakEcho { bus } => soak::echo(&bus),
        Verb::StormWork(orders) => storm::work(orders),
        Verb::StormFresh { bus } => storm::fresh(&bus),
        Verb::Mutants(wish) => mutants::run(&wish),
        Verb::Report(wish) => figures::report(&wish),
        #[cfg(target_arch = "x86_64")]
        Verb::Sweep(orders) => swarmbus_stress::stepping::obey(orders),
        Verb::Victim { bus, operation, at, times, first, mistake } => {
            victim::run(Orders { bus, operation, at, times, first, mistake })
        }
        Verb::Peer { bus, first, operation } => peer::run(&bus, first, operation),
        Verb::Send { bus, queue, first, count, patience_ms, pause_us } => {
            kills::send(&bus, &queue, first, (count, patience_ms, Duration::from_micros(pause_us)))
        }
        Verb::Lead { bus, name, how, role } => handover::lead(&bus, &name, how, role.as_deref()),
        Verb::Hold { bus } => kills::hold(&bus),
        Verb::Answer { bus, name } => workload::answer(&bus, &name),
        Verb::Flow { bus, first, count } => flow::flow(&bus, first, count),
        Verb::Tell { bus, queue, first, burst } => wakes::tell(&bus, &queue, first, burst),
        Verb::Listen { bus, queue } => wakes::listen(&bus, &queue),
        Verb::Say { bus, name, first, turns, booked } => boards::say(&bus, &name, first, turns, booked),
        Verb::Consume { bus } => flow::consume(&bus),
        Verb::Contend { bus, ledger, worker, workers } => contention::work(&bus, &ledger, worker, workers),
        Verb::ReadAll { bus, count } => topics::read_all(&bus, count),
        Verb::ReadOn { bus } => topics::read_on(&bus),
        Verb::Skim { bus } => topics::skim(&bus),
        Verb::Proclaim { bus, number } => topics::proclaim(&bus, number),
        Verb::Rejoin { bus, number } => topics::rejoin(&bus, number),
        Verb::SmallTmpfs => space::run_out(),
        Verb::Fuzz { replay: Some(path), .. } => guard::replay(&path),
        Verb::Fuzz { merge: Some(to), seeds: Some(from), seconds, .. } => {
            guard::merge(&from, &to, Duration::from_secs(seconds))
        }
        Verb::Fuzz { seconds, programs, seed, seeds, found, failures, json, .. } => {
            let (time, programs) = (Duration::from_secs(seconds), programs.unwrap_or(usize::MAX));
            guard::fuzz(&guard::Orders { time, programs, seed, seeds, found, failures, json })
        }
        Verb::Flips { words, processes, seed, field, json } => {
            flips::run(&flips::Sweep { words, processes, seed, field }, json.as_deref())
        }
        Verb::Scribbled { bus, seed } => flips::work(&bus, seed),
        Verb::ScribbledDead { bus } => template::die(&bus),
        Verb::ScribbledJudge { bus, file } => judge::run(bus.as_deref(), file.as_deref()),
        Verb::Scale { measurement } => scale::measure(&std::env::current_exe()?, &measurement),
        Verb::Counted { bus } => scale::counted(&bus),
        Verb::OpenElsewhere { bus } => space::open_elsewhere(&bus),
    }
}
