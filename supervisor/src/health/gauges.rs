//! How full memory is: the heap of a bus, the tmpfs that it lies on, the host.

use super::Gauge;
use crate::host::{self, Room};
use swarmbus_core::{Observer, Pulse};

/// All that can be read. `closely_from`: if that many percent of the heap's spans are given away, it is counted what is really used of them.
pub fn gauges(observer: &Observer, pulse: &Pulse, closely_from: u32) -> Vec<Gauge> {
    let (tmpfs, memory) = (of_host("tmpfs", host::shared_memory()), of_host("host", host::memory()));
    [Some(heap(observer, pulse, closely_from)), tmpfs, memory].into_iter().flatten().collect()
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

fn of_host(what: &str, room: Option<Room>) -> Option<Gauge> {
    // A tmpfs without a limit has no size.
    let room = room.filter(|room| room.total > 0)?;
    Some(Gauge { what: what.into(), used: room.total.saturating_sub(room.free), total: room.total })
}
