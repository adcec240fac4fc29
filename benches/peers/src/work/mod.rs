//! The works, written once for all rivals.

pub mod fan_out;
pub mod mark;
pub mod one_way;
pub mod round_trip;

use crate::trial::Latency;
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

    /// What they come to; none if there are none.
    pub fn summary(&self, ns_per_tick: f64) -> Option<Latency> {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 * ns_per_tick;
        (!self.0.is_empty()).then(|| Latency { p50: at(0.5), p99: at(0.99), p999: at(0.999) })
    }
}
