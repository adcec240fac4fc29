//! Mutants: one mistake at one place, made by the door to shared words when a run begins; some model or sweep must fail.
//!
//! Nobody lists the places: each test is run once as it is and says which it passes ([`survey`]). What may go wrong there are the mutants
//! ([`catalogue`]); each is given to the tests that pass its place, the quickest first, until one fails ([`trial`]). Who survives them all is either no
//! mistake, for a reason that stands in `docs/mutants.md`, or shows what the models do not look at ([`report`]).

mod before;
mod catalogue;
mod report;
mod survey;
mod trial;

pub use report::Totals;

use crate::Result;
use before::Before;
use catalogue::{Mutant, Spares};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use survey::{Schedules, Suite, Test};
use trial::{Outcome, Verdict};

/// What to run.
#[derive(clap::Args, Debug)]
pub struct Wish {
    /// Begin no new mutant after so many minutes; without it, all are run.
    #[arg(long)]
    minutes: Option<f64>,
    /// Which mutants come first when not all are run, and which schedules shuttle draws. Chosen, and printed, if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Only mutants whose name contains this, or number so and so of the list.
    #[arg(long)]
    only: Vec<String>,
    /// Put this run and the one before together, as long as core/src is the same: what that one saw noticed, or alive for a reason, is not tried again; what it
    /// did not try comes first.
    #[arg(long)]
    rest: bool,
    /// List the mutants and who passes them; run none.
    #[arg(long)]
    list: bool,
    /// Fail if one survives without a reason in docs/mutants.md.
    #[arg(long)]
    strict: bool,
    /// Leave out tests that take longer than this many seconds without a mutant.
    #[arg(long, default_value_t = 60.0)]
    longest: f64,
    /// How many schedules each test of shuttle draws.
    #[arg(long, default_value_t = 2000)]
    schedules: u32,
    /// Runs at once.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Which tests are to notice.
    #[arg(long, value_delimiter = ',', default_values = ["models"])]
    suites: Vec<Suite>,
    /// Where builds and results go.
    #[arg(long, default_value = "target")]
    target: PathBuf,
}

/// Runs mutants, and says who survived and for what reason.
pub fn run(wish: &Wish) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above");
    let seed = wish.seed.unwrap_or_else(|| u64::from(std::process::id()) ^ now_ns());
    // Before anything is drawn: what fails on the way is repeated by it as well.
    println!("--seed {seed} repeats this");
    let schedules = Schedules { seed, each: wish.schedules };
    let mut tests = Vec::new();
    for suite in &wish.suites {
        tests.extend(survey::survey(root, *suite, &wish.target, wish.jobs, schedules)?);
    }
    let all = catalogue::catalogue(&tests);
    let spares = Spares::read(root)?;
    println!("{} mutants in {} places, passed by {} tests", all.len(), catalogue::places(&all), tests.len());
    if wish.list {
        all.iter().for_each(|mutant| println!("{:>5} {} ({} tests)", mutant.number, mutant.name, mutant.tests.len()));
        return Ok(());
    }
    let mut chosen: Vec<&Mutant> = all.iter().filter(|mutant| is_wanted(mutant, &wish.only)).collect();
    if wish.minutes.is_some() {
        shuffle(&mut chosen, seed);
    }
    let before = if wish.rest { Before::read(root, &wish.target, &tests)? } else { Before::nothing() };
    chosen.retain(|mutant| !(before.killed(mutant) || before.survived(mutant) && spares.hold(root, mutant)));
    chosen.sort_by_key(|mutant| before.tried(mutant));
    let mut outcomes = all_trials(&chosen, &tests, wish, schedules);
    before.complete(&all, &mut outcomes);
    let is_sample = !wish.rest && (wish.minutes.is_some() || !wish.only.is_empty());
    let (suites, tests) = (wish.suites.as_slice(), tests.len());
    let ran = report::Ran { all: &all, outcomes: &outcomes, suites, tests, schedules, is_sample };
    let survivors = report::report(root, &wish.target, &ran, &spares)?;
    if wish.strict && survivors > 0 {
        return Err(format!("{survivors} mutants survived for no known reason").into());
    }
    Ok(())
}

fn is_wanted(mutant: &Mutant, only: &[String]) -> bool {
    only.is_empty()
        || only.iter().any(|wanted| mutant.name.contains(wanted.as_str()) || *wanted == mutant.number.to_string())
}

fn all_trials<'a>(
    chosen: &[&'a Mutant],
    tests: &[Test],
    wish: &Wish,
    schedules: Schedules,
) -> Vec<(&'a Mutant, Outcome)> {
    let (next, begun, outcomes) = (AtomicUsize::new(0), Instant::now(), Mutex::new(Vec::new()));
    let until = wish.minutes.map(|minutes| begun + Duration::from_secs_f64(minutes * 60.0));
    std::thread::scope(|scope| {
        for _ in 0..wish.jobs {
            scope.spawn(|| {
                while until.is_none_or(|until| Instant::now() < until)
                    && let Some(mutant) = chosen.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let outcome = trial::trial(mutant, tests, Duration::from_secs_f64(wish.longest), schedules);
                    let mut outcomes = outcomes.lock().expect("nobody panics here");
                    outcomes.push((*mutant, outcome));
                    let (_, outcome) = outcomes.last().expect("just pushed");
                    if !matches!(outcome.verdict, Verdict::Killed(..)) || outcomes.len() % 50 == 0 {
                        println!("{:>5} of {}: {} {outcome}", outcomes.len(), chosen.len(), mutant.name);
                    }
                }
            });
        }
    });
    outcomes.into_inner().expect("nobody panics here")
}

fn now_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

/// Any order of equal chance, from a seed.
fn shuffle<T>(list: &mut [T], seed: u64) {
    let mut state = seed | 1;
    for last in (1..list.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        list.swap(last, (state % (last as u64 + 1)) as usize);
    }
}
