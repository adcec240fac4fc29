//! `Sample`: a message of a topic, read in place.

use std::ffi::c_int;
use std::sync::Arc;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PyTuple};
use swarmbus_core::{ContentType, Sample as CoreSample, TraceContext};

use crate::bytes::{self, Access};
use crate::ending::Left;
use crate::error::exception;
use crate::gil::token;
use crate::handle::Handle;
use crate::reader::Reader;

/// What is known of a sample beside its bytes.
pub struct About {
    id: u64,
    sender: Option<String>,
    content: ContentType,
    correlation: u64,
    position: u64,
    missed: u64,
    length: usize,
    trace: Option<TraceContext>,
}

impl About {
    /// Copies it.
    pub fn of(sample: &CoreSample<'_>) -> About {
        About {
            id: sample.id().0,
            sender: sample.sender(),
            content: sample.content(),
            correlation: sample.correlation(),
            position: sample.position(),
            missed: sample.missed(),
            length: sample.len(),
            trace: sample.trace(),
        }
    }
}

/// A message of a topic, which all of its subscribers read in one place; of a lossy topic, a copy of this subscriber's own.
///
/// It is done with when its ``with`` block ends, when it is forgotten, or when the next one is asked for.
#[pyclass(frozen, module = "swarmbus")]
pub struct Sample {
    handle: Arc<Handle>,
    reader: Arc<Reader>,
    turn: u64,
    about: About,
}

impl Sample {
    /// The sample number `turn` of a subscription.
    pub fn new(handle: &Arc<Handle>, reader: &Arc<Reader>, turn: u64, about: About) -> Sample {
        Sample { handle: Arc::clone(handle), reader: Arc::clone(reader), turn, about }
    }

    #[cold]
    fn gone(&self, py: Python<'_>) -> PyErr {
        let text = format!(
            "sample {} is done with: its subscription went on, or was closed; take bytes(sample) before that to keep its data",
            self.about.position
        );
        exception(py, "Released", text)
    }

    fn drop_view(&self, py: Python<'_>) {
        self.reader.remove_view(py);
        self.handle.end_anywhere(py, Left::Reader(Arc::clone(&self.reader)));
        self.handle.remove_view(py);
    }

    fn done(&self, py: Python<'_>) {
        self.reader.done(py, self.turn);
        self.handle.end_anywhere(py, Left::Reader(Arc::clone(&self.reader)));
    }
}

#[pymethods]
impl Sample {
    /// A read-only view of the bytes, in place. The subscription can't go on while it is held.
    #[getter]
    fn data<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(slf.as_any())
    }

    /// The bytes as a NumPy array of `dtype` and `shape`, in place and read-only; of one dimension without a shape.
    #[pyo3(signature = (dtype, shape=None))]
    fn array<'py>(
        slf: &Bound<'py, Self>,
        dtype: &Bound<'py, PyAny>,
        shape: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        bytes::array(slf.as_any(), dtype, shape)
    }

    /// The value that the bytes are in JSON.
    fn json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("json")?.call_method1("loads", (self.__bytes__(py)?,))
    }

    /// Number that tells this message from every other one on the bus.
    #[getter]
    fn id(&self) -> u64 {
        self.about.id
    }

    /// Name of the agent that published it, or None if that has none.
    #[getter]
    fn sender(&self) -> Option<&str> {
        self.about.sender.as_deref()
    }

    /// What the publisher says the bytes are: "bytes", "json" or "rkyv".
    #[getter]
    fn content(&self) -> &'static str {
        self.about.content.as_str()
    }

    /// The number that the publisher gave it, 0 if none.
    #[getter]
    fn correlation(&self) -> u64 {
        self.about.correlation
    }

    /// The W3C trace context to which it belongs, as its publisher gave it; None if it gave none.
    #[getter]
    fn traceparent(&self) -> Option<String> {
        self.about.trace.map(|trace| trace.to_string())
    }

    /// Its place in the order of its topic, counted from 0.
    #[getter]
    fn position(&self) -> u64 {
        self.about.position
    }

    /// How many messages this subscriber has missed just before this one; more than 0 only in a lossy topic.
    #[getter]
    fn missed(&self) -> u64 {
        self.about.missed
    }

    /// Whether it is done with.
    #[getter]
    fn released(&self, py: Python<'_>) -> bool {
        self.reader.data(py, self.turn).is_none()
    }

    /// Be done with it, now or with its last view. Doing that twice does nothing.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.check(py)?;
        self.done(py);
        Ok(())
    }

    fn __enter__(slf: Py<Self>, py: Python<'_>) -> PyResult<Py<Self>> {
        let sample = slf.get();
        sample.handle.check(py)?;
        sample.reader.data(py, sample.turn).ok_or_else(|| sample.gone(py))?;
        Ok(slf)
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, py: Python<'_>, raised: &Bound<'_, PyTuple>) -> PyResult<()> {
        let _ = raised;
        self.release(py)
    }

    fn __len__(&self) -> usize {
        self.about.length
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.handle.check(py)?;
        let (data, length) = self.reader.data(py, self.turn).ok_or_else(|| self.gone(py))?;
        // SAFETY: the sample is there and does not change; only the agent's thread, which is here, is done with samples.
        bytes::copy(py, unsafe { std::slice::from_raw_parts(data.as_ptr(), length) })
    }

    /// # Safety
    /// Called by the interpreter with a `view` to fill in.
    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let py = slf.py();
        let sample = slf.get();
        sample.handle.check(py)?;
        let (data, length) = sample.reader.data(py, sample.turn).ok_or_else(|| sample.gone(py))?;
        sample.reader.add_view(py);
        sample.handle.add_view(py);
        // SAFETY: the interpreter passes a valid `view`; `data` has `length` bytes, which stay while the view is counted: neither the
        // subscription goes on nor the agent closes.
        let filled = unsafe { bytes::fill(view, slf, data.as_ptr(), length, Access::Read, flags) };
        filled.inspect_err(|_| sample.drop_view(py))
    }

    /// # Safety
    /// Called by the interpreter with a `view` that `__getbuffer__` filled in.
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        let _ = view;
        // SAFETY: the interpreter calls with its lock held.
        self.drop_view(unsafe { token() });
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let released = if self.released(py) { ", done with" } else { "" };
        format!(
            "<swarmbus.Sample {} from {}: {} bytes{released}>",
            self.about.position,
            self.about.sender.as_deref().map_or("nobody".to_owned(), |name| format!("'{name}'")),
            self.about.length,
        )
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        // SAFETY: objects are freed with the interpreter's lock held.
        self.done(unsafe { token() });
    }
}
