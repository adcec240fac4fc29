//! How full memory is: the heap of a bus, the tmpfs that it lies on, the host.

use super::Gauge;
use swarmbus_core::{Observer, Pulse};

/// All that can be read. `closely_from`: if that many percent of the heap's spans are given away, it is counted what is really used of them.
pub fn gauges(observer: &Observer, pulse: &Pulse, closely_from: u32) -> Vec<Gauge> {
    [Some(heap(observer, pulse, closely_from)), tmpfs(), host()].into_iter().flatten().collect()
}

/// The heap. A span that is given to a class may be nearly empty, so a heap that looks full is looked at more closely.
fn heap(observer: &Observer, pulse: &Pulse, closely_from: u32) -> Gauge {
    let gauge = |used: u64| Gauge { what: "heap".into(), used, total: u64::from(pulse.spans) * SPAN };
    let rough = gauge(u64::from(pulse.spans_active) * SPAN);
    if rough.percent() < closely_from {
        return rough;
    }
    let heap = observer.bus().heap;
    let used = heap.classes.iter().map(|class| {
        let chunks = class.chunks.free + class.chunks.held + class.chunks.queued + class.chunks.in_flight;
        let taken = chunks - class.chunks.free;
        (u128::from(class.spans) * u128::from(SPAN) * u128::from(taken) / u128::from(chunks.max(1))) as u64
    });
    gauge(used.sum())
}

/// As spans are told to people: the page of chunk words beside the 2 MiB does not count.
const SPAN: u64 = 2 << 20;

/// The file system of segments.
fn tmpfs() -> Option<Gauge> {
    let stat = rustix::fs::statvfs("/dev/shm").ok()?;
    // One without a limit has no blocks.
    (stat.f_blocks > 0).then(|| Gauge {
        what: "tmpfs".into(),
        used: (stat.f_blocks - stat.f_bavail.min(stat.f_blocks)) * stat.f_frsize,
        total: stat.f_blocks * stat.f_frsize,
    })
}

/// Memory of the host that could be had without swapping.
fn host() -> Option<Gauge> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()
    };
    let (total, available) = (kib("MemTotal")? << 10, kib("MemAvailable")? << 10);
    Some(Gauge { what: "host".into(), used: total.saturating_sub(available), total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_tmpfs_can_be_read() {
        for gauge in [host().unwrap(), tmpfs().unwrap()] {
            assert!(gauge.total > 0 && gauge.used <= gauge.total, "{gauge:?}");
        }
    }
}
