//! Benchmarks live in `benches/`; see `make bench`. Here what they share.

use swarmbus_core::{Bus, CreateOptions, Result};

/// A bus of a run's own, gone when the run is, also when it fails.
pub struct Scratch(pub Bus);

impl Scratch {
    /// A new bus; `name` tells it from others of this process.
    ///
    /// # Errors
    /// Those of [`Bus::create`].
    pub fn new(name: &str, options: &CreateOptions) -> Result<Scratch> {
        Ok(Scratch(Bus::create(&format!("bench-{}-{name}", std::process::id()), options)?))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = self.0.destroy();
    }
}

/// Resamplings that a confidence interval is made of.
const RESAMPLINGS: usize = 2000;

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// The ratio of now to base, between the ends of its 95 % bootstrap interval.
///
/// A round compares what ran just before with what ran just after, and the median of the rounds counts: one in which the machine was busy says little.
/// Rounds are drawn with replacement, and the samples in each of them.
pub fn interval(base: &[Vec<f64>], now: &[Vec<f64>]) -> [f64; 3] {
    let rounds: Vec<_> = base.iter().zip(now).collect();
    let ratio = median(rounds.iter().map(|(base, now)| median(now.to_vec()) / median(base.to_vec())).collect());
    // The same samples give the same interval.
    let mut random = fastrand::Rng::with_seed(1);
    let mut ratios: Vec<_> = (0..RESAMPLINGS)
        .map(|_| {
            let drawn = (0..rounds.len()).map(|_| {
                let (base, now) = rounds[random.usize(..rounds.len())];
                let mut again = |samples: &[f64]| {
                    median((0..samples.len()).map(|_| samples[random.usize(..samples.len())]).collect())
                };
                again(now) / again(base)
            });
            median(drawn.collect())
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    [ratios[RESAMPLINGS / 40], ratio, ratios[RESAMPLINGS - 1 - RESAMPLINGS / 40]]
}
