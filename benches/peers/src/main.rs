//! Swarmbus and its rivals on the same work in the same run.
//!
//! Each trial starts real processes, this program again, which make the two ends of a rival's connection, say that they are
//! ready, and work. Rounds of all rivals are interleaved, so that what the machine does besides hits all of them alike.

mod clock;
mod harness;
mod peer;
mod peers;
mod report;
mod trial;
mod work;

use anyhow::{Context, Result, bail};
use clap::Parser;
use harness::Harness;
use harness::children::{CHILD, INTERRUPTED};
use peer::Rival;
use report::machine::{Machine, load};
use report::{Results, Round, Series, Settings};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;
use trial::{Kind, Manner, WORKS, Work};

/// Runs Swarmbus and its rivals on the same work, interleaved, and prints how they compare.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Only these rivals, by name or the beginning of one (see --list)
    #[arg(long, value_delimiter = ',', value_name = "RIVAL,…")]
    only: Vec<String>,
    /// Only these works, by name or the beginning of one (see --list)
    #[arg(long, value_delimiter = ',', value_name = "WORK,…")]
    work: Vec<String>,
    /// Rounds of everything
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds measured in a round
    #[arg(long, default_value_t = 0.3)]
    seconds: f64,
    /// Seconds of work before they count
    #[arg(long, default_value_t = 0.1)]
    warm_up: f64,
    /// Pauses of the processor between two looks of a poller that streams
    #[arg(long, default_value_t = 64)]
    pauses: u32,
    /// Only rounds before and after which two cores were whole: not halves of one, shared with a neighbour or far apart, as those of a virtual machine
    /// often are. Other rounds are done again
    #[arg(long)]
    whole_cores: bool,
    /// Where all samples go
    #[arg(long, default_value_os_t = root().join("target/bench/peers.json"), hide_default_value = true, value_name = "FILE")]
    json: PathBuf,
    /// Where the dated record goes: benches/record after a run of everything, nowhere after another
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
    /// Names rivals and works, and ends
    #[arg(long)]
    list: bool,
}

/// Whether somebody means a name: the whole of it, or whole words at its beginning.
fn means(said: &str, name: &str) -> bool {
    name.strip_prefix(said).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The project's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

impl Options {
    fn rivals(&self) -> Result<Vec<&'static dyn Rival>> {
        if self.only.is_empty() {
            return Ok(peers::ALL.to_vec());
        }
        for name in &self.only {
            if !peers::ALL.iter().any(|rival| means(name, rival.name())) {
                let names: Vec<&str> = peers::ALL.iter().map(|rival| rival.name()).collect();
                bail!("no rival is called '{name}'; there are {}", names.join(", "));
            }
        }
        let wanted = |rival: &&&dyn Rival| self.only.iter().any(|name| means(name, rival.name()));
        Ok(peers::ALL.iter().filter(wanted).copied().collect())
    }

    fn works(&self) -> Result<Vec<&'static Work>> {
        for name in &self.work {
            if !WORKS.iter().any(|work| means(name, work.name)) {
                let names: Vec<&str> = WORKS.iter().map(|work| work.name).collect();
                bail!("no work is called '{name}'; there are {}", names.join(", "));
            }
        }
        let wanted = |work: &&Work| self.work.is_empty() || self.work.iter().any(|name| means(name, work.name));
        Ok(WORKS.iter().filter(wanted).collect())
    }

    fn duration(seconds: f64, what: &str) -> Result<Duration> {
        Duration::try_from_secs_f64(seconds).with_context(|| format!("{what} must be a number of seconds"))
    }
}

/// The manners in which a rival does a work: those that make sense there.
fn manners(rival: &dyn Rival, work: &Work) -> Vec<Manner> {
    let sensible = |manner: &Manner| match (work.kind, manner) {
        (Kind::RoundTrip, Manner::OneCore) => rival.is_alone(),
        (_, Manner::OneCore) => false,
        // So many processes cannot ask all the time; one that can do nothing else says so.
        (Kind::FanOut, Manner::Polling) => !rival.manners().contains(&Manner::Blocking),
        _ => true,
    };
    rival.manners().iter().copied().filter(sensible).collect()
}

fn series(rivals: &[&'static dyn Rival], works: &[&'static Work]) -> Vec<(Series, &'static dyn Rival, &'static Work)> {
    let mut all = Vec::new();
    for &work in works {
        for &rival in rivals.iter().filter(|rival| rival.face() == work.face) {
            for manner in manners(rival, work) {
                let series = Series {
                    peer: rival.name().into(),
                    manner,
                    work: work.name,
                    settings: rival.settings(work, manner),
                    rounds: Vec::new(),
                    refused: rival.refuses(work, manner),
                };
                all.push((series, rival, work));
            }
        }
    }
    all
}

fn brief(series: &Series, kind: Kind) -> String {
    match series.rounds.last() {
        Some(Round::Outcome(outcome)) => match (outcome.rate.filter(|_| kind != Kind::Calls), outcome.latency) {
            (Some(rate), _) => format!("{}/s", report::amount(rate)),
            (None, Some(latency)) if kind == Kind::FanOut => format!("{} ms", report::amount(latency.p50 / 1e6)),
            (None, Some(latency)) => format!("{} µs", report::amount(latency.p50 / 1e3)),
            (None, None) => "nothing".into(),
        },
        Some(Round::Failure(why)) => format!("failed: {why}"),
        None => String::new(),
    }
}

fn run(options: &Options) -> Result<()> {
    let (rivals, works) = (options.rivals()?, options.works()?);
    if options.list {
        println!("rivals: {}", rivals.iter().map(|rival| rival.name()).collect::<Vec<_>>().join(", "));
        println!("works:  {}", works.iter().map(|work| work.name).collect::<Vec<_>>().join(", "));
        return Ok(());
    }
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed)).context("catching interrupts")?;
    let measured = Options::duration(options.seconds, "--seconds")?;
    let warm_up = Options::duration(options.warm_up, "--warm-up")?;
    let mut harness = Harness::new(measured, warm_up, options.pauses, options.whole_cores)?;
    let began = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut machine = Machine::look();
    let mut all = series(&rivals, &works);
    for &work in &works {
        for round in 1..=options.rounds {
            for (series, rival, _) in all.iter_mut().filter(|one| one.2 == work && !one.0.is_hopeless()) {
                let outcome = harness.run(*rival, work, series.manner);
                if INTERRUPTED.load(Ordering::Relaxed) {
                    bail!("interrupted; nothing is written");
                }
                series.rounds.push(match outcome {
                    Ok(outcome) => Round::Outcome(outcome),
                    Err(error) => Round::Failure(format!("{error:#}")),
                });
                let brief = brief(series, work.kind);
                eprintln!("{} {round}/{} {}: {brief}", work.name, options.rounds, series.title());
            }
        }
    }
    machine.load_after = load();
    let results = Results {
        began,
        machine,
        settings: Settings {
            rounds: options.rounds,
            seconds: options.seconds,
            warm_up: options.warm_up,
            pauses: options.pauses,
            whole_cores: options.whole_cores,
        },
        versions: rivals.iter().map(|rival| (rival.name().to_owned(), rival.version())).collect(),
        absent: peers::LEFT_OUT.iter().map(|(peer, why)| ((*peer).to_owned(), (*why).to_owned())).collect(),
        series: all.into_iter().map(|one| one.0).collect(),
    };
    for (heading, table) in report::tables(&results) {
        println!("\n{heading}\n\n{table}");
    }
    for trouble in report::troubles(&results) {
        println!("\n– {trouble}");
    }
    results.write_json(&options.json)?;
    println!("\nall samples: {}", options.json.display());
    let is_whole = options.only.is_empty() && options.work.is_empty();
    let folder = options.record.clone().or_else(|| is_whole.then(|| root().join("benches/record")));
    if let Some(folder) = folder {
        println!("record: {}", results.write_record(&folder)?.display());
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    let result = if arguments.next_if(|first| first == CHILD).is_some() {
        harness::children::live(arguments)
    } else {
        run(&Options::parse())
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("swarmbus-peers: {error:#}");
            ExitCode::FAILURE
        }
    }
}
