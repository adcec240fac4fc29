//! Histograms of latencies: which bucket a time falls into, and what a histogram says.
//!
//! Two buckets an octave: bucket 0 has all below 64 ns; bucket b the times from `64 · 2^((b - 1) / 2)` ns on, for even b half as much again, up to
//! where the next one begins. The last one, from 137 s on, has no end. So a bound that is told is less than half too high.

use crate::layout::BUCKETS;

/// Where bucket 1 begins, ns.
const FIRST_NS: u64 = 64;

/// What a member measures; the number of its histogram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Latency {
    /// From the call of send to the moment when the message is taken, its first delivery alone.
    Queueing,
    /// From there to its release.
    Handling,
    /// A send, with the wait for room.
    Sending,
    /// From a question to its answer.
    Coordination,
}

/// The bucket of a histogram that a time, ns, belongs to: one of those whose ends [`BUCKET_ENDS_NS`](crate::BUCKET_ENDS_NS) tells.
pub fn bucket_of(ns: u64) -> usize {
    if ns < FIRST_NS {
        return 0;
    }
    let octave = ns.ilog2();
    let half = ns >> (octave - 1) & 1;
    (1 + (octave - FIRST_NS.ilog2()) as usize * 2 + half as usize).min(BUCKETS - 1)
}

/// Where a bucket ends, ns; the last one's end is that of all times.
pub const fn bucket_end(bucket: usize) -> u64 {
    if bucket + 1 >= BUCKETS {
        return u64::MAX;
    }
    let octave = FIRST_NS << (bucket / 2);
    if bucket.is_multiple_of(2) { octave } else { octave + octave / 2 }
}

/// What a histogram says: upper bounds in ns, of the bucket in which the value lies. From 137 s on they are `u64::MAX`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LatencyInfo {
    /// Samples.
    pub count: u64,
    /// Half of the samples are below.
    pub p50_ns: u64,
    /// Nine of ten samples are below.
    pub p90_ns: u64,
    /// 99 of 100 samples are below.
    pub p99_ns: u64,
    /// All samples are below.
    pub max_ns: u64,
}

impl LatencyInfo {
    /// Of counts that somebody may have scribbled over.
    pub(crate) fn of(counts: &[u64; BUCKETS]) -> LatencyInfo {
        let count = counts.iter().fold(0u64, |sum, count| sum.saturating_add(*count));
        let below = |hundredths: u64| {
            let wanted = (count as u128 * hundredths as u128).div_ceil(100) as u64;
            let mut sum = 0u64;
            let within = counts.iter().position(|count| {
                sum = sum.saturating_add(*count);
                sum >= wanted && sum > 0
            });
            within.map_or(0, bucket_end)
        };
        LatencyInfo { count, p50_ns: below(50), p90_ns: below(90), p99_ns: below(99), max_ns: below(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_falls_between_the_ends_of_its_bucket() {
        for bucket in 0..BUCKETS - 1 {
            let end = bucket_end(bucket);
            assert_eq!((bucket_of(end - 1), bucket_of(end)), (bucket, bucket + 1), "{bucket}");
            assert!(bucket == 0 || end <= bucket_end(bucket - 1) / 2 * 3);
        }
        assert_eq!((bucket_of(0), bucket_of(u64::MAX), bucket_end(BUCKETS - 1)), (0, BUCKETS - 1, u64::MAX));
        assert_eq!((bucket_end(0), bucket_end(1), bucket_end(2), bucket_end(62)), (64, 96, 128, 64 << 31));
    }

    #[test]
    fn percentiles_are_ends_of_buckets() {
        let mut counts = [0; BUCKETS];
        assert_eq!(LatencyInfo::of(&counts), LatencyInfo::default());
        counts[3] = 90;
        counts[10] = 9;
        counts[20] = 1;
        let ends = [3, 3, 10, 20].map(bucket_end);
        let info = LatencyInfo::of(&counts);
        assert_eq!([info.p50_ns, info.p90_ns, info.p99_ns, info.max_ns], ends);
        counts[40] = u64::MAX;
        assert_eq!(LatencyInfo::of(&counts).count, u64::MAX);
    }
}
