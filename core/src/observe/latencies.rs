//! What members counted and measured.

use super::Observer;
use crate::latency::{Latency, LatencyInfo};
use crate::layout::{BUCKETS, Counters};
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

type Histograms = [[u64; BUCKETS]; 4];

fn kinds_of(histograms: &Histograms) -> LatencyKinds {
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
        let mut sums: Histograms = [[0; BUCKETS]; 4];
        let mut members = Vec::new();
        for (index, claim) in self.claims() {
            let Some(page) = self.0.board(index) else { continue };
            let mut own: Histograms = [[0; BUCKETS]; 4];
            let words = page.histograms.iter().flatten();
            for ((own, sum), word) in own.iter_mut().flatten().zip(sums.iter_mut().flatten()).zip(words) {
                // Relaxed: each is right by itself.
                *own = word.load(Relaxed);
                *sum = sum.saturating_add(*own);
            }
            let kinds = kinds_of(&own);
            if kinds != LatencyKinds::default() {
                members.push(MemberLatencies { index, pid: claim.pid(), agent: self.agent_of(index, claim), kinds });
            }
        }
        Latencies { all: kinds_of(&sums), members }
    }
}
