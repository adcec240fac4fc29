//! What is run: a work, in a manner, by one rival; and what comes out of it.

use crate::clock;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

/// An answer's length in a fan-out.
pub const ANSWER_BYTES: usize = 64;
/// Messages that a poller takes before it lets the work look around.
pub const TAKEN_AT_ONCE: usize = 64;

/// The shape of a work. One process, the *lead*, faces one or more *followers*.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// Followers send as fast as they can, the lead receives.
    OneWay,
    /// The same in batches.
    Batch,
    /// The lead sends, its one follower answers with as much.
    RoundTrip,
    /// The lead sends to all followers; all answer.
    FanOut,
    /// The lead sends as fast as it can, each message goes to one of the followers.
    WorkQueue,
    /// Followers ask at once, the lead answers each, by what the rival has for questions and answers.
    Calls,
}

impl Kind {
    /// Followers stream to the lead.
    pub fn is_one_way(self) -> bool {
        matches!(self, Kind::OneWay | Kind::Batch)
    }
}

/// The language that the processes of a work are written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Face {
    /// This program.
    Native,
    /// `python/`.
    Python,
    /// `bash/`.
    Bash,
}

/// A work that every rival does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Work {
    /// Its name on the command line and in the results.
    pub name: &'static str,
    /// Its heading in a table.
    pub title: &'static str,
    /// Its shape.
    pub kind: Kind,
    /// Bytes of a message.
    pub bytes: usize,
    /// Followers.
    pub followers: u32,
    /// Messages of a batch.
    pub batch: u32,
    /// Who does it.
    pub face: Face,
}

/// Every work, in the order of the tables.
pub const WORKS: &[Work] = &[
    work("one-way-64", "64 B", Kind::OneWay, 64, 1),
    work("one-way-1k", "1 KiB", Kind::OneWay, 1 << 10, 1),
    work("one-way-64k", "64 KiB", Kind::OneWay, 64 << 10, 1),
    work("one-way-1m", "1 MiB", Kind::OneWay, 1 << 20, 1),
    Work { batch: 32, ..work("batch-32", "64 B by 32", Kind::Batch, 64, 1) },
    Work { batch: 256, ..work("batch-256", "64 B by 256", Kind::Batch, 64, 1) },
    work("fan-in-8", "8 → 1, 64 B", Kind::OneWay, 64, 8),
    work("fan-in-100", "100 → 1, 64 B", Kind::OneWay, 64, 100),
    work("round-trip-64", "64 B", Kind::RoundTrip, 64, 1),
    work("round-trip-1m", "1 MiB", Kind::RoundTrip, 1 << 20, 1),
    work("request-reply-1", "1 asker", Kind::Calls, 64, 1),
    work("request-reply-8", "8 askers", Kind::Calls, 64, 8),
    work("work-queue-8", "1 → 8, 64 B", Kind::WorkQueue, 64, 8),
    work("fan-out-1", "1 → 1", Kind::FanOut, 64 << 10, 1),
    work("fan-out-10", "1 → 10", Kind::FanOut, 64 << 10, 10),
    work("fan-out-100", "1 → 100", Kind::FanOut, 64 << 10, 100),
    work("fan-out-1000", "1 → 1000", Kind::FanOut, 64 << 10, 1000),
    python("python-one-way-64", "64 B", Kind::OneWay, 64),
    python("python-one-way-1k", "1 KiB", Kind::OneWay, 1 << 10),
    python("python-one-way-64k", "64 KiB", Kind::OneWay, 64 << 10),
    python("python-one-way-1m", "1 MiB", Kind::OneWay, 1 << 20),
    python("python-round-trip-64", "64 B", Kind::RoundTrip, 64),
    bash("bash-message", "a command for each message"),
    bash("bash-stream", "one command for all"),
];

const fn work(name: &'static str, title: &'static str, kind: Kind, bytes: usize, followers: u32) -> Work {
    Work { name, title, kind, bytes, followers, batch: 1, face: Face::Native }
}

const fn python(name: &'static str, title: &'static str, kind: Kind, bytes: usize) -> Work {
    Work { face: Face::Python, ..work(name, title, kind, bytes, 1) }
}

const fn bash(name: &'static str, title: &'static str) -> Work {
    Work { face: Face::Bash, ..work(name, title, Kind::OneWay, 64, 1) }
}

/// How processes wait for each other, and where they run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    /// They ask again and again.
    Polling,
    /// They sleep until woken.
    Blocking,
    /// They sleep until woken, and share one core.
    OneCore,
}

impl Manner {
    /// All of them.
    pub const ALL: &'static [Manner] = &[Manner::Polling, Manner::Blocking, Manner::OneCore];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Manner::Polling => "polling",
            Manner::Blocking => "blocking",
            Manner::OneCore => "blocking, one core",
        }
    }
}

/// One run of one work by one rival: everything that its processes have to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// The rival.
    pub peer: String,
    /// The work, by name.
    pub work: String,
    /// The work's shape.
    pub kind: Kind,
    /// Bytes of a message.
    pub bytes: usize,
    /// Followers.
    pub followers: u32,
    /// Messages of a batch.
    pub batch: u32,
    /// How they wait.
    pub manner: Manner,
    /// What is measured takes this long.
    pub measured: Duration,
    /// What comes before it.
    pub warm_up: Duration,
    /// Pauses between two looks of a poller that streams, at first; up to [`LONGER`] times as many when little comes of them.
    pub pauses: u32,
    /// Pollers give up the processor between looks, because there are more of them than cores.
    pub yields: bool,
    /// The cores to run on: the lead's and the followers'; none if the scheduler chooses.
    pub cores: Option<(usize, usize)>,
    /// A name of its own, for everything that is named on this machine.
    pub tag: String,
    /// A folder of its own.
    pub folder: PathBuf,
    /// A port of its own on loopback.
    pub port: u16,
    /// How a poller of this process fares.
    #[serde(skip)]
    pub pace: Cell<Pace>,
}

/// How many times as long a poller pauses at most when it finds little.
pub const LONGER: u32 = 16;

/// What came of a poller's last pause, by the ticks of its clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    pauses: u32,
    took: u64,
    ended: u64,
}

impl Pace {
    /// The pauses of its next wait: twice as many if it was busy for less time than it had waited, half as many if for much longer. Who looks too often finds one
    /// message at a time, and takes the lines that it is in from who writes the next; that is so for every rival, and so for all the same.
    fn next(self, usual: u32, now: u64) -> u32 {
        match now.saturating_sub(self.ended) {
            busy if busy < self.took => (self.pauses * 2).min(usual.saturating_mul(LONGER)),
            busy if busy / 4 > self.took => (self.pauses / 2).max(usual),
            _ => self.pauses.max(usual),
        }
    }
}

impl Trial {
    /// Bytes of a message from the lead to followers.
    pub fn down_bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of a message from a follower to the lead.
    pub fn up_bytes(&self) -> usize {
        if self.kind == Kind::FanOut { ANSWER_BYTES } else { self.bytes }
    }

    /// Whether the lead sends at all.
    pub fn has_down(&self) -> bool {
        !self.kind.is_one_way()
    }

    /// How many messages who polls takes in a row before it does anything else with them: one where each is answered, and the next one comes after that.
    pub fn taken_at_once(&self) -> usize {
        if self.has_down() { 1 } else { TAKEN_AT_ONCE }
    }

    /// Whether who receives a message keeps it until its answer is on its way, where a rival lends messages.
    pub fn keeps_until_answered(&self) -> bool {
        self.kind == Kind::RoundTrip
    }

    /// Whether processes ask again and again.
    pub fn polls(&self) -> bool {
        self.manner == Manner::Polling
    }

    /// What a poller does between two looks.
    #[inline]
    pub fn idle(&self) {
        if matches!(self.kind, Kind::RoundTrip | Kind::Calls) {
            std::hint::spin_loop();
        } else {
            let now = clock::ticks();
            let pauses = self.pace.get().next(self.pauses, now);
            (0..pauses).for_each(|_| std::hint::spin_loop());
            let ended = clock::ticks();
            self.pace.set(Pace { pauses, took: ended - now, ended });
        }
        if self.yields {
            std::thread::yield_now();
        }
    }
}

/// Messages that fit between two processes, where a rival lets us say: a mebibyte of them, so that they stay in the caches.
pub fn depth(bytes: usize) -> usize {
    ((1 << 20) / bytes).clamp(4, 1024)
}

/// Latencies in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Latency {
    /// All of them together, by their number.
    pub mean: f64,
    /// Half are shorter.
    pub p50: f64,
    /// 99 of 100 are shorter.
    pub p99: f64,
    /// 999 of 1000 are shorter.
    pub p999: f64,
}

/// What a run came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Messages (one way) or rounds that were measured.
    pub count: u64,
    /// Messages in a second, one way.
    pub rate: Option<f64>,
    /// One way: from writing to reading, at that rate. Round trip and fan-out: until the (last) answer has come.
    pub latency: Option<Latency>,
    /// Memory of each follower in a fan-out, bytes.
    pub memory: Option<f64>,
    /// What the followers of a work queue with the fewest and with the most messages got, as a multiple of an even share.
    #[serde(default)]
    pub shares: Option<(f64, f64)>,
    /// What an asker has measured, until the harness has made one latency of all of them: nanoseconds, and how often.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<(u64, u64)>,
}
