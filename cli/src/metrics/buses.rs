//! The bus as a whole, its segment, and the host it is on.

use swarmbus_core::ClassInfo;
use swarmbus_supervisor::host::{self, Room};

use super::looker::Memory;
use super::page::Page;
use super::processes;
use super::view::View;

/// Bytes of a chunk's header, which lies before its payload.
const HEADER_BYTES: u64 = 64;

/// Segment, heap, members, locks, supervisor.
pub fn bus(page: &mut Page, view: &View, memory: &mut Memory) {
    let bus = &view.bus;
    let about = vec![("layout", bus.layout.to_string()), ("version", env!("CARGO_PKG_VERSION").to_owned())];
    page.gauge("swarmbus_bus_info", "The layout of the segment, and the version of the exporter; always 1")
        .put(about, 1);
    page.gauge("swarmbus_bus_created_timestamp_seconds", "When the bus was created, seconds since 1970")
        .put(vec![], bus.created_unix_s);
    if view.is_supervised() {
        page.gauge(
            "swarmbus_supervisor_up",
            "Whether the supervisor lives (1) or not (0); absent if there never was one",
        )
        .put(vec![], u64::from(view.supervisor.is_some()));
    }
    page.gauge("swarmbus_segment_size_bytes", "Size of the segment; little of it is committed")
        .put(vec![], bus.segment_bytes);
    page.gauge("swarmbus_segment_committed_bytes", "Memory that the segment takes").put(vec![], bus.committed_bytes);
    heap(page, view);
    let dead = view.members.iter().filter(|member| member.state == "dead").count() as u64;
    let members = page.gauge("swarmbus_members", "Handles on the bus; the dead ones are not yet reaped");
    members.put(vec![("state", "live".into())], view.members.len() as u64 - dead);
    members.put(vec![("state", "dead".into())], dead);
    page.gauge("swarmbus_members_limit", "Handles, mailboxes and queues that the bus has room for")
        .put(vec![], u64::from(bus.agents_max));
    page.gauge("swarmbus_queues", "Mailboxes, queues and roles that are declared").put(vec![], u64::from(bus.queues));
    memory.corrupt.see((), (), (), [bus.corrupt]);
    let corrupt = page.counter("swarmbus_corrupt_words", "Words of the segment that made no sense and were skipped");
    memory.corrupt.sums().for_each(|(_, [sum])| corrupt.put(vec![], *sum));
    let locks = page.gauge("swarmbus_locks", "Locks that somebody has or waits for");
    for state in ["held", "waiting"] {
        let count = view.locks.iter().filter(|lock| lock.state == state).count() as u64;
        locks.put(vec![("state", state.into())], count);
    }
    let longest = page.gauge(
        "swarmbus_lock_longest_seconds",
        "How long the oldest lock is held, and how long the longest wait for one lasts so far",
    );
    for state in ["held", "waiting"] {
        let ages =
            view.locks.iter().filter(|lock| lock.state == state).map(|lock| view.now_ns.saturating_sub(lock.since_ns));
        longest.put_real(vec![("state", state.into())], ages.max().unwrap_or(0) as f64 / 1e9);
    }
}

fn heap(page: &mut Page, view: &View) {
    let heap = &view.bus.heap;
    page.gauge("swarmbus_heap_size_bytes", "Size of the heap").put(vec![], heap.bytes);
    let spans = page.gauge("swarmbus_heap_spans", "Spans of the heap; a used one belongs to a size class");
    spans.put(vec![("state", "used".into())], u64::from(heap.spans_active));
    spans.put(vec![("state", "free".into())], u64::from(heap.spans - heap.spans_active));
    let bytes = |count: fn(&ClassInfo) -> u64| {
        heap.classes.iter().map(|class| count(class) * (class.payload_bytes + HEADER_BYTES)).sum()
    };
    let used = page.gauge(
        "swarmbus_heap_chunks_bytes",
        "Memory of chunks in used spans: free, held as loans or in caches, queued, in flight",
    );
    used.put(vec![("state", "free".into())], bytes(|class| class.chunks.free));
    used.put(vec![("state", "held".into())], bytes(|class| class.chunks.held));
    used.put(vec![("state", "queued".into())], bytes(|class| class.chunks.queued));
    used.put(vec![("state", "in_flight".into())], bytes(|class| class.chunks.in_flight));
}

/// Memory, load, and the file system of segments.
pub fn host(page: &mut Page) {
    if let Some(Room { total, free }) = host::memory() {
        page.gauge("swarmbus_host_memory_bytes", "Memory of the host").put(vec![], total);
        page.gauge("swarmbus_host_memory_available_bytes", "Memory of the host that can be had without swapping")
            .put(vec![], free);
    }
    page.gauge("swarmbus_host_load", "Load of the host, mean of a minute").put_real(vec![], processes::load_1min());
    page.gauge("swarmbus_host_processors", "Processors of the host").put(vec![], processes::processors());
    if let Some(Room { total, free }) = host::shared_memory() {
        page.gauge("swarmbus_shm_size_bytes", "Size of /dev/shm, where segments are").put(vec![], total);
        page.gauge("swarmbus_shm_free_bytes", "What is free of /dev/shm").put(vec![], free);
    }
}
