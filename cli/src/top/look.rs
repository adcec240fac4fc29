//! One look at a bus: everything that the segment tells at a moment, and which of its processes the kernel does not know any more.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use swarmbus_core::{BusInfo, Latencies, LockInfo, MemberInfo, Observer, QueueInfo, StatusInfo, TopicInfo};

use crate::exit::Failure;
use crate::inspect::open_copy;

/// What was seen.
pub struct Look {
    /// When, since the first look was asked for.
    pub at: Duration,
    /// When, seconds since 1970; of a copy, when that was made.
    pub unix_s: u64,
    /// When, ns of `CLOCK_MONOTONIC`; of a copy that is not known.
    pub monotonic_ns: Option<u64>,
    /// The bus.
    pub bus: BusInfo,
    /// Members, by index.
    pub members: Vec<MemberInfo>,
    /// Processes of members that are there no more, and that nobody has reaped.
    pub gone: HashSet<u32>,
    /// Mailboxes and queues, by name.
    pub queues: Vec<QueueInfo>,
    /// Topics, by name.
    pub topics: Vec<TopicInfo>,
    /// Locks, in the order in which they were asked for.
    pub locks: Vec<LockInfo>,
    /// What agents say, by name.
    pub statuses: Vec<StatusInfo>,
    /// What members measured.
    pub latencies: Latencies,
}

/// Where looks are taken: a living bus, or a copy of one.
pub struct Source {
    observer: Observer,
    kind: Kind,
    begun: Instant,
}

enum Kind {
    Bus(String),
    Copy(PathBuf),
}

impl Source {
    /// A bus of this host.
    pub fn bus(name: &str) -> Result<Source, Failure> {
        Ok(Source { observer: Observer::open(name)?, kind: Kind::Bus(name.to_owned()), begun: Instant::now() })
    }

    /// A copy of a segment.
    pub fn copy(path: &Path) -> Result<Source, Failure> {
        Ok(Source { observer: open_copy(path)?, kind: Kind::Copy(path.to_owned()), begun: Instant::now() })
    }

    /// Whether it can change.
    pub fn is_alive(&self) -> bool {
        matches!(self.kind, Kind::Bus(_))
    }

    /// Takes a look. A bus that was destroyed and made again is found again.
    pub fn look(&mut self) -> Look {
        let mut bus = self.observer.bus();
        if let Kind::Bus(name) = &self.kind
            && bus.state != "ready"
            && let Ok(observer) = Observer::open(name)
        {
            bus = observer.bus();
            self.observer = observer;
        }
        let members = self.observer.members();
        let (gone, unix_s, monotonic_ns) = match &self.kind {
            Kind::Bus(_) => (gone(&members), seconds(SystemTime::now()), Some(monotonic_ns())),
            Kind::Copy(path) => {
                let made = std::fs::metadata(path).and_then(|meta| meta.modified());
                (HashSet::new(), seconds(made.unwrap_or(UNIX_EPOCH)), None)
            }
        };
        Look {
            at: self.begun.elapsed(),
            unix_s,
            monotonic_ns,
            bus,
            members,
            gone,
            queues: self.observer.queues(),
            topics: self.observer.topics(),
            locks: self.observer.locks(),
            statuses: self.observer.statuses("*"),
            latencies: self.observer.latencies(),
        }
    }
}

/// The processes that the kernel does not know: a member counts as living until somebody has asked.
fn gone(members: &[MemberInfo]) -> HashSet<u32> {
    let mut gone: HashSet<u32> = members.iter().map(|member| member.pid).filter(|pid| *pid != 0).collect();
    gone.retain(|pid| kill(Pid::from_raw(pid.cast_signed()), None) == Err(Errno::ESRCH));
    gone
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
