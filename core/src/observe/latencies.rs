//! What members counted and measured.

use super::Observer;
use crate::latency::{Latency, LatencyInfo, bucket_end};
use crate::layout::{BUCKETS, Counters, HISTOGRAMS};
use crate::word::ClaimWord;
use std::sync::atomic::Ordering::Relaxed;

/// What a member did since it joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CounterInfo {
    /// Messages sent, published or passed on.
    pub sent: u64,
    /// Bytes of their payloads.
    pub sent_bytes: u64,
    /// Messages received, redeliveries included.
    pub received: u64,
    /// Bytes of their payloads.
    pub received_bytes: u64,
    /// Messages released, or taken out of the bus' care.
    pub released: u64,
    /// Messages given back to their queue.
    pub given_back: u64,
    /// Sends that were refused: full, closed, out of memory, out of time.
    pub refused: u64,
    /// How often it went to sleep.
    pub sleeps: u64,
}

impl CounterInfo {
    pub(super) fn of(counters: &Counters) -> CounterInfo {
        // Relaxed: each is right by itself.
        CounterInfo {
            sent: counters.sent.load(Relaxed),
            sent_bytes: counters.sent_bytes.load(Relaxed),
            received: counters.received.load(Relaxed),
            received_bytes: counters.received_bytes.load(Relaxed),
            released: counters.released.load(Relaxed),
            given_back: counters.given_back.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            sleeps: counters.sleeps.load(Relaxed),
        }
    }
}

/// What was measured, by kind. Of calls each is measured, of messages every 64th that a member sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LatencyKinds {
    /// From the call of send to the moment when the message is taken; measured by who takes it.
    pub queueing: LatencyInfo,
    /// From there to its release.
    pub handling: LatencyInfo,
    /// The call of send, with the wait for room.
    pub sending: LatencyInfo,
    /// From a question to its answer.
    pub coordination: LatencyInfo,
}

/// What a member measured.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MemberLatencies {
    /// Its index.
    pub index: u16,
    /// Its process.
    pub pid: u32,
    /// The mailbox that it owns.
    pub agent: Option<String>,
    /// What it measured.
    pub kinds: LatencyKinds,
}

/// What all members measured that are there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Latencies {
    /// All together.
    pub all: LatencyKinds,
    /// Each that measured anything.
    pub members: Vec<MemberLatencies>,
}

/// Where the buckets of all histograms end, ns; the last one has no end.
pub const BUCKET_ENDS_NS: [u64; BUCKETS] = {
    let mut ends = [0; BUCKETS];
    let mut bucket = 0;
    while bucket < BUCKETS {
        ends[bucket] = bucket_end(bucket);
        bucket += 1;
    }
    ends
};

/// Samples of one kind by bucket; where buckets end is told by [`BUCKET_ENDS_NS`].
pub type Histogram = [u64; BUCKETS];

/// What a member measured, sample by sample: for whoever adds up and passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberHistograms {
    /// Its index.
    pub index: u16,
    /// Its incarnation.
    pub incarnation: u16,
    /// Its process.
    pub pid: u32,
    /// The mailbox that it owns.
    pub agent: Option<String>,
    /// What [`LatencyKinds`] has, in its order: queueing, handling, sending, coordination.
    pub kinds: [Histogram; HISTOGRAMS],
}

fn kinds_of(histograms: &[Histogram; HISTOGRAMS]) -> LatencyKinds {
    let of = |kind: Latency| LatencyInfo::of(&histograms[kind as usize]);
    LatencyKinds {
        queueing: of(Latency::Queueing),
        handling: of(Latency::Handling),
        sending: of(Latency::Sending),
        coordination: of(Latency::Coordination),
    }
}

impl Observer {
    /// What members measured since they joined; what those measured that have left is gone with them.
    pub fn latencies(&self) -> Latencies {
        let mut sums: [Histogram; HISTOGRAMS] = [[0; BUCKETS]; HISTOGRAMS];
        let histograms = self.histograms();
        for own in &histograms {
            for (sum, count) in sums.iter_mut().flatten().zip(own.kinds.iter().flatten()) {
                *sum = sum.saturating_add(*count);
            }
        }
        let member = |own: MemberHistograms| {
            let kinds = kinds_of(&own.kinds);
            MemberLatencies { index: own.index, pid: own.pid, agent: own.agent, kinds }
        };
        Latencies { all: kinds_of(&sums), members: histograms.into_iter().map(member).collect() }
    }

    /// The histograms of those members that measured anything since they joined.
    pub fn histograms(&self) -> Vec<MemberHistograms> {
        let of = |(index, claim): (u16, ClaimWord)| {
            let page = self.0.board(index)?;
            let mut kinds = [[0; BUCKETS]; HISTOGRAMS];
            for (own, word) in kinds.iter_mut().flatten().zip(page.histograms.iter().flatten()) {
                // Relaxed: each is right by itself.
                *own = word.load(Relaxed);
            }
            let (incarnation, pid) = (claim.incarnation(), claim.pid());
            let measured = kinds.iter().flatten().any(|count| *count > 0);
            measured.then(|| MemberHistograms { index, incarnation, pid, agent: self.agent_of(index, claim), kinds })
        };
        self.claims().filter_map(of).collect()
    }
}
