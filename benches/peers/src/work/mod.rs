//! The works, written once for all rivals.

mod board;
pub mod calls;
pub mod fan_out;
pub mod mark;
pub mod one_way;
pub mod round_trip;
pub mod work_queue;

use crate::trial::{Latency, Outcome};
use hdrhistogram::Histogram;

/// Counts latencies, in ticks, to three digits.
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    pub fn new() -> Latencies {
        // Up to half an hour of the fastest clock, to three digits: bounds that the histogram accepts.
        Latencies(Histogram::new_with_bounds(1, 1 << 43, 3).expect("legal bounds"))
    }

    /// One more.
    pub fn record(&mut self, ticks: u64) {
        self.0.saturating_record(ticks);
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// What was counted, in nanoseconds, for [`merged`].
    pub fn samples(&self, ns_per_tick: f64) -> Vec<(u64, u64)> {
        let counted = self.0.iter_recorded();
        counted.map(|at| ((at.value_iterated_to() as f64 * ns_per_tick) as u64, at.count_at_value())).collect()
    }

    /// What they come to; none if there are none.
    pub fn summary(&self, ns_per_tick: f64) -> Option<Latency> {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 * ns_per_tick;
        let mean = self.0.mean() * ns_per_tick;
        (!self.0.is_empty()).then(|| Latency { mean, p50: at(0.5), p99: at(0.99), p999: at(0.999) })
    }
}

/// What the followers of a trial have measured, as one outcome; the lead's if they have measured nothing.
pub fn merged(lead: Outcome, followers: Vec<Outcome>) -> Outcome {
    let mut latencies = Latencies::new();
    let (mut count, mut rate) = (0, 0.0);
    for follower in followers.iter().filter(|follower| !follower.samples.is_empty()) {
        for &(ns, times) in &follower.samples {
            latencies.0.saturating_record_n(ns.max(1), times);
        }
        count += follower.count;
        rate += follower.rate.unwrap_or(0.0);
    }
    match latencies.summary(1.0) {
        Some(latency) => Outcome { count, rate: Some(rate), latency: Some(latency), ..lead },
        None => lead,
    }
}
