//! Runs models in schedules drawn by chance; requires that they fail when the code is wrong.

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;
use std::time::{SystemTime, UNIX_EPOCH};
use swarmbus_core::sync::{is_a_run_of_mutants, mutant};

use crate::wrong;

/// Schedules of one seed. A failure is found again within as many.
const ROUND: usize = 50;
/// Schedules of a model in the ordinary run.
const RUNS: usize = 1000;
/// Schedules within which a model has to notice a mistake.
const PATIENCE: usize = 50_000;
/// Far more than a model takes: who gets there goes round for ever.
const STEPS: usize = 200_000;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number is wanted")))
}

/// The seed of the first round: what was asked for. The ordinary run is the same each time; who says how many schedules are wanted gets
/// others each time.
fn first_seed() -> u64 {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    setting("SWARMBUS_SHUTTLE_SEED").unwrap_or_else(|| setting("SWARMBUS_SHUTTLE_RUNS").map_or(1, |_| now()))
}

/// Runs `model` in as many schedules as are asked for.
pub fn explore(model: impl Fn() + Copy + Send + Sync + 'static) {
    let runs = setting("SWARMBUS_SHUTTLE_RUNS").map_or(RUNS, |runs| runs as usize);
    rounds(first_seed(), runs, model);
}

fn rounds(first: u64, runs: usize, model: impl Fn() + Copy + Send + Sync + 'static) {
    for round in 0..runs.div_ceil(ROUND) as u64 {
        let seed = first.wrapping_add(round);
        let ran = catch_unwind(AssertUnwindSafe(|| draw(seed, model)));
        if let Err(failure) = ran {
            if wrong::is_expected() {
                println!("noticed in round {round}");
            } else {
                println!("SWARMBUS_SHUTTLE_SEED={seed} SWARMBUS_SHUTTLE_RUNS={ROUND} finds it again");
            }
            resume_unwind(failure);
        }
    }
    // Seen with `--nocapture`.
    println!("{runs} schedules from seed {first}");
}

/// One round. An even seed lets any thread go on at each step. An odd one gives each a rank, runs the first that can run, and changes ranks
/// at a few steps: rare orders in which one thread stands still for long come up sooner.
fn draw(seed: u64, model: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::FailAfter(STEPS);
    // Orderings are for loom.
    config.silence_warnings = true;
    if seed.is_multiple_of(2) {
        Runner::new(RandomScheduler::new_from_seed(seed, ROUND), config).run(model);
    } else {
        let changes = 1 + (seed / 2 % 5) as usize;
        Runner::new(PctScheduler::new_from_seed(seed, changes, ROUND), config).run(model);
    }
}

/// How many shared writes somebody has left to live: one in three lives on, the others die before one of their next `most`.
pub fn fate(most: u32) -> Option<u32> {
    let mut chance = thread_rng();
    if chance.gen_range(0..3) == 0 { None } else { Some(chance.gen_range(0..most)) }
}

/// A number below `below`.
pub fn drawn(below: u64) -> u64 {
    thread_rng().gen_range(0..below)
}

/// Runs `body`, which dies before its shared write number so and so if that is its fate. `None`: it died.
pub fn mortal<R>(fate: Option<u32>, body: impl FnOnce() -> R) -> Option<R> {
    match fate {
        None => Some(body()),
        Some(writes) => mutant::dies_after(writes, body),
    }
}

/// Shuttle's own hook comes before ours, or it would be called for failures that are expected.
fn fails(model: impl FnOnce()) -> bool {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| _ = Runner::new(RandomScheduler::new_from_seed(0, 1), Config::new()).run(|| {}));
    wrong::fails(model)
}

/// Requires that `model` notices these mistakes in the code. (A run that has one mutant is to notice that one.)
pub fn caught(mistakes: &'static [&'static str], model: impl Fn() + Copy + Send + Sync + 'static) {
    if is_a_run_of_mutants() {
        if wrong::is_run_of(mistakes) {
            explore(model);
        }
        return;
    }
    let first = first_seed();
    let noticed = fails(|| mutant::with(mistakes, || rounds(first, PATIENCE, model)));
    assert!(noticed, "no schedule of {PATIENCE} from seed {first} shows {mistakes:?}");
}
