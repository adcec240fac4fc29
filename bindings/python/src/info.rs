//! From what an observer sees to the frozen records of `swarmbus._info`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple};
use swarmbus_core::{BusInfo, ChunkCounts, ClassInfo, HeapInfo, LaneInfo, MemberInfo, QueueInfo};

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

/// A list of `MemberInfo`.
pub fn members<'py>(py: Python<'py>, members: &[MemberInfo]) -> PyResult<Bound<'py, PyList>> {
    Ok(tuple(py, members, member)?.to_list())
}

fn member<'py>(py: Python<'py>, info: &MemberInfo) -> PyResult<Bound<'py, PyAny>> {
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

/// A list of `QueueInfo`.
pub fn queues<'py>(py: Python<'py>, queues: &[QueueInfo]) -> PyResult<Bound<'py, PyList>> {
    Ok(tuple(py, queues, queue)?.to_list())
}

fn queue<'py>(py: Python<'py>, info: &QueueInfo) -> PyResult<Bound<'py, PyAny>> {
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
    })
}

fn lane<'py>(py: Python<'py>, info: &LaneInfo) -> PyResult<Bound<'py, PyAny>> {
    record!(py, "LaneInfo", { lane: info.lane, depth: info.depth })
}

fn tuple<'py, T>(
    py: Python<'py>,
    items: &[T],
    record: impl Fn(Python<'py>, &T) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let records = items.iter().map(|item| record(py, item)).collect::<PyResult<Vec<_>>>()?;
    PyTuple::new(py, records)
}
