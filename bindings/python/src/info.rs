//! From what an observer sees to the frozen records of `swarmbus._info`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use swarmbus_core::{
    AgentInfo, BusInfo, ChunkCounts, ClassInfo, HeapInfo, LaneInfo, LockInfo, LockMode, MemberInfo, NameInfo, Peeked,
    QueueInfo, Status, StatusInfo, SubscriberInfo, TopicInfo,
};

static RECORDS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// Makes the record `$class` with the fields named, all by keyword.
macro_rules! record {
    ($py:expr, $class:literal, { $($field:ident: $value:expr),* $(,)? }) => {{
        let fields = PyDict::new($py);
        $(fields.set_item(pyo3::intern!($py, stringify!($field)), $value)?;)*
        class($py, $class)?.call((), Some(&fields))
    }};
}

fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    RECORDS.get_or_try_init(py, || py.import("swarmbus._info").map(Bound::unbind))?.bind(py).getattr(name)
}

/// A `BusInfo`.
pub fn bus<'py>(py: Python<'py>, info: &BusInfo) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "BusInfo", {
        name: &info.name,
        layout: info.layout,
        state: info.state,
        created_unix_s: info.created_unix_s,
        agents_max: info.agents_max,
        limit: info.limit,
        segment_bytes: info.segment_bytes,
        committed_bytes: info.committed_bytes,
        supervisor_pid: info.supervisor_pid,
        heap: heap(py, &info.heap)?,
        members: info.members,
        queues: info.queues,
        corrupt: info.corrupt,
    })
}

fn heap<'py>(py: Python<'py>, info: &HeapInfo) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "HeapInfo", {
        bytes: info.bytes,
        spans: info.spans,
        spans_active: info.spans_active,
        chunks: chunks(py, &info.chunks)?,
        classes: tuple(py, &info.classes, size_class)?,
    })
}

fn size_class<'py>(py: Python<'py>, info: &ClassInfo) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "ClassInfo", {
        payload_bytes: info.payload_bytes,
        spans: info.spans,
        chunks: chunks(py, &info.chunks)?,
    })
}

fn chunks<'py>(py: Python<'py>, counts: &ChunkCounts) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "ChunkCounts", {
        free: counts.free,
        held: counts.held,
        queued: counts.queued,
        in_flight: counts.in_flight,
    })
}

/// A `MemberInfo`.
pub fn member<'py>(py: Python<'py>, info: &MemberInfo) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "MemberInfo", {
        index: info.index,
        incarnation: info.incarnation,
        pid: info.pid,
        state: info.state,
        agent: info.agent.as_deref(),
        held: info.held,
        in_flight: info.in_flight,
    })
}

/// A `QueueInfo`.
pub fn queue<'py>(py: Python<'py>, info: &QueueInfo) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "QueueInfo", {
        name: &info.name,
        owner: info.owner,
        closed: info.closed,
        limit: info.limit,
        lanes: tuple(py, &info.lanes, lane)?,
        queued: info.queued,
        in_flight: info.in_flight,
        sent: info.sent,
        taken: info.taken,
        max_deliveries: info.max_deliveries,
        dead_letters: info.dead_letters.as_deref(),
        undelivered: info.undelivered,
        dropped: info.dropped,
    })
}

fn lane<'py>(py: Python<'py>, info: &LaneInfo) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "LaneInfo", { lane: info.lane, depth: info.depth })
}

/// A `TopicInfo`.
pub fn topic<'py>(py: Python<'py>, info: &TopicInfo) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "TopicInfo", {
        name: &info.name,
        policy: info.policy.as_str(),
        capacity: info.capacity,
        retain: info.retain,
        published: info.published,
        dropped: info.dropped,
        retained_messages: info.retained_messages,
        retained_bytes: info.retained_bytes,
        subscribers: tuple(py, &info.subscribers, subscriber)?,
    })
}

fn subscriber<'py>(py: Python<'py>, info: &SubscriberInfo) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "SubscriberInfo", {
        agent: info.agent.as_deref(),
        member: info.member,
        pid: info.pid,
        behind: info.behind,
        missed: info.missed,
    })
}

/// A `LockInfo`.
pub fn lock<'py>(py: Python<'py>, info: &LockInfo) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "LockInfo", {
        name: &info.name,
        shared: info.mode == LockMode::Shared,
        state: info.state,
        agent: info.agent.as_deref(),
        member: info.member,
        pid: info.pid,
        token: info.token,
        since_ns: info.since_ns,
        waits_behind: info.waits_behind,
    })
}

/// A `NameInfo`.
pub fn name<'py>(py: Python<'py>, info: &NameInfo) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "NameInfo", { name: &info.name, kind: info.kind.as_str(), owner: info.owner })
}

/// An `AgentInfo`.
pub fn agent<'py>(py: Python<'py>, info: &AgentInfo) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "AgentInfo", {
        name: &info.name,
        pid: info.pid,
        epoch: info.epoch,
        tags: PyTuple::new(py, &info.tags)?,
        roles: PyTuple::new(py, &info.roles)?,
    })
}

/// A `Status`.
pub fn status<'py>(py: Python<'py>, status: &Status) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "Status", {
        state: status.state.as_str(),
        done: status.done,
        total: status.total,
        task: &status.task,
        note: &status.note,
        blockers: PyTuple::new(py, &status.blockers)?,
        tags: PyTuple::new(py, &status.tags)?,
        roles: PyTuple::new(py, &status.roles)?,
        since_ns: status.since_ns,
    })
}

/// A `StatusInfo`.
pub fn status_info<'py>(py: Python<'py>, info: &StatusInfo) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "StatusInfo", {
        agent: &info.agent,
        pid: info.pid,
        state: info.state,
        done: info.done,
        total: info.total,
        task: &info.task,
        note: &info.note,
        blockers: PyTuple::new(py, &info.blockers)?,
        tags: PyTuple::new(py, &info.tags)?,
        roles: PyTuple::new(py, &info.roles)?,
        since_ns: info.since_ns,
        beat_age_ns: info.beat_age_ns,
    })
}

/// A `Peeked`.
pub fn peeked<'py>(py: Python<'py>, peeked: &Peeked) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "Peeked", {
        id: peeked.id,
        sender: peeked.sender.as_deref(),
        lane: peeked.lane,
        deliveries: peeked.deliveries,
        correlation: peeked.correlation,
        content: peeked.content.as_str(),
        traceparent: peeked.trace.map(|trace| trace.to_string()),
        data: PyBytes::new(py, &peeked.data),
    })
}

/// A list of records.
pub fn list<'py, T>(
    py: Python<'py>,
    items: &[T],
    record: impl Fn(Python<'py>, &T) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    Ok(tuple(py, items, record)?.to_list())
}

fn tuple<'py, T>(
    py: Python<'py>,
    items: &[T],
    record: impl Fn(Python<'py>, &T) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let records = items.iter().map(|item| record(py, item)).collect::<PyResult<Vec<_>>>()?;
    PyTuple::new(py, records)
}
