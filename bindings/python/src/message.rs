//! `Message`: read in place, ended once. What can be done with one beside that is in `verbs`.

use std::cell::Cell;
use std::ffi::c_int;
use std::ptr::NonNull;
use std::sync::Arc;

use pyo3::exceptions::{PyRecursionError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};
use swarmbus_core::{ContentType, Error, Heading, Message as CoreMessage, RawMessage, TraceContext};

use crate::bytes::{self, Access};
use crate::ending::{Fate, Left, nack, release};
use crate::error::{Raise, exception, mirror, views_held};
use crate::gil::{Gil, token};
use crate::handle::{Handle, Using};

/// What changes in a message's life.
struct State {
    /// `None` once it has ended, and while it is forwarded.
    raw: Cell<Option<RawMessage>>,
    /// Views that Python holds.
    views: Cell<usize>,
    /// How it ends when the last view is gone.
    pending: Cell<Option<Fate>>,
    /// How it ended, for `repr` and errors.
    ended: Cell<Option<Fate>>,
}

/// A received message, in flight until it is released or nacked.
///
/// Its bytes stay where the sender wrote them: ``msg.data`` (or ``memoryview(msg)``, ``numpy.frombuffer(msg)``) looks at
/// them in place, ``bytes(msg)`` copies them. Use it in a ``with`` block, in a loop over the agent, or call
/// ``release()`` or ``nack()``. A message that is forgotten without either goes back to its queue.
#[pyclass(frozen, module = "swarmbus")]
pub struct Message {
    handle: Arc<Handle>,
    state: Gil<State>,
    heading: Heading,
    length: usize,
    schema: Option<u64>,
    trace: Option<TraceContext>,
}

impl Message {
    /// Keeps what the core has just received.
    #[inline]
    pub fn new(handle: &Arc<Handle>, message: CoreMessage<'_>) -> Message {
        let heading = message.heading();
        let schema = if heading.content() == ContentType::Rkyv { message.schema() } else { None };
        let trace = message.trace();
        let raw = message.into_raw();
        let state =
            State { raw: Cell::new(Some(raw)), views: Cell::new(0), pending: Cell::new(None), ended: Cell::new(None) };
        Message { length: raw.length, handle: Arc::clone(handle), state: Gil::new(state), heading, schema, trace }
    }

    /// The handle of its agent.
    pub fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// Takes the message out of the object, to end it as `fate` says, or says why that can't be.
    #[inline]
    pub fn take_to_end(&self, py: Python<'_>, fate: Fate) -> PyResult<RawMessage> {
        let state = self.state.get(py);
        if state.views.get() > 0 {
            return Err(views_held(format!(
                "message {} can't be {} while {} view(s) of it are held: release them first (del view, or view.release())",
                self.heading.id().0,
                fate.as_str(),
                state.views.get(),
            )));
        }
        if !self.handle.is_attached(py) {
            return Err(self.gone(py));
        }
        let Some(raw) = state.raw.take() else { return Err(self.gone(py)) };
        state.ended.set(Some(fate));
        Ok(raw)
    }

    /// It could not be ended: it is the object's again.
    pub fn put_back(&self, py: Python<'_>, raw: RawMessage) {
        let state = self.state.get(py);
        state.ended.set(None);
        state.raw.set(Some(raw));
    }

    /// The message, for a call that leaves it in flight.
    pub fn borrow(&self, py: Python<'_>) -> PyResult<RawMessage> {
        let state = self.state.get(py);
        let raw = state.raw.get().filter(|_| state.pending.get().is_none() && self.handle.is_attached(py));
        raw.ok_or_else(|| self.gone(py))
    }

    /// Ends the message at once, or says why that can't be.
    fn end(&self, py: Python<'_>, fate: Fate) -> PyResult<()> {
        let Some(agent) = self.handle.agent_for_ending(py)? else { return Err(self.gone(py)) };
        let raw = self.take_to_end(py, fate)?;
        end_as(&agent, raw, fate).raise(py)
    }

    /// Ends the message now, or with its last view; does nothing when it has ended already.
    #[inline]
    pub fn end_with_last_view(&self, py: Python<'_>, agent: &Using<'_, '_>, fate: Fate) -> PyResult<()> {
        let state = self.state.get(py);
        if state.views.get() > 0 {
            state.pending.set(state.pending.get().or(Some(fate)));
            return Ok(());
        }
        let Some(raw) = state.raw.take() else { return Ok(()) };
        state.ended.set(Some(fate));
        end_as(agent, raw, fate).raise(py)
    }

    #[cold]
    fn gone(&self, py: Python<'_>) -> PyErr {
        let state = self.state.get(py);
        let how = match state.pending.get().or(state.ended.get()) {
            Some(fate) => format!("was {}", fate.as_str()),
            None => "went back to its queue when its agent was closed".to_owned(),
        };
        let text = format!("message {} {how}: take bytes(msg) before that to keep its data", self.heading.id().0);
        exception(py, "Released", text)
    }

    /// Counts a view, for as long as somebody looks.
    pub fn pin(&self, py: Python<'_>) -> PyResult<RawMessage> {
        self.handle.check(py)?;
        let raw = self.borrow(py)?;
        let views = &self.state.get(py).views;
        views.set(views.get() + 1);
        self.handle.add_view(py);
        Ok(raw)
    }

    /// A view is gone; ends the message if that was waited for.
    pub fn drop_view(&self, py: Python<'_>) {
        let state = self.state.get(py);
        state.views.set(state.views.get() - 1);
        if state.views.get() == 0
            && let Some(fate) = state.pending.take()
        {
            state.ended.set(Some(fate));
            if let Some(raw) = state.raw.take() {
                self.handle.end_anywhere(py, Left::message(raw, fate));
            }
        }
        self.handle.remove_view(py);
    }

    fn refuse_archive(&self, py: Python<'_>, asked: &str) -> PyResult<()> {
        let Some(schema) = self.schema.or_else(|| (self.heading.content() == ContentType::Rkyv).then_some(0)) else {
            return Ok(());
        };
        let what = format!("it is an archive of schema {schema:016x}, {} bytes; asked for was {asked}", self.length);
        Err(mirror(py, &Error::WrongType { what }))
    }

    /// The same error for text and JSON that is none; what else can happen, such as a lack of memory, stays what it is.
    fn other_than(&self, py: Python<'_>, asked: &str, error: PyErr) -> PyErr {
        if !error.is_instance_of::<PyValueError>(py) && !error.is_instance_of::<PyRecursionError>(py) {
            return error;
        }
        let content = self.heading.content();
        let what = format!("its {} bytes of content type {content} are no {asked}: {}", self.length, error.value(py));
        let wrong = mirror(py, &Error::WrongType { what });
        wrong.set_cause(py, Some(error));
        wrong
    }
}

#[inline]
fn end_as(agent: &Using<'_, '_>, raw: RawMessage, fate: Fate) -> swarmbus_core::Result<()> {
    if fate == Fate::Release { release(agent, raw) } else { nack(agent, raw) }
}

#[pymethods]
impl Message {
    /// A read-only view of the bytes, in place. The message can't be released while it is held.
    #[getter]
    fn data<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(slf.as_any())
    }

    /// Number that tells this message from every other one on the bus.
    #[getter]
    fn id(&self) -> u64 {
        self.heading.id().0
    }

    /// Name of the agent that sent it, or None if the sender has none.
    #[getter]
    fn sender(&self) -> Option<String> {
        self.heading.sender(self.handle.bus())
    }

    /// Name of the mailbox or queue from which it was taken.
    #[getter]
    fn queue(&self) -> String {
        self.heading.queue(self.handle.bus())
    }

    /// The lane it came by: "urgent", "high", "normal", "low" or "reply".
    #[getter]
    fn lane(&self) -> &'static str {
        self.heading.lane().as_str()
    }

    /// How often it has been delivered, this time included: 1 at first, more after a nack or a consumer's death.
    #[getter]
    fn deliveries(&self) -> u32 {
        self.heading.deliveries()
    }

    /// The number that the sender gave it, 0 if none.
    #[getter]
    fn correlation(&self) -> u64 {
        self.heading.correlation()
    }

    /// What the sender says the bytes are: "bytes", "json" or "rkyv".
    #[getter]
    fn content(&self) -> &'static str {
        self.heading.content().as_str()
    }

    /// Of a copy that a tap made (see ``Agent.tap``): the queue to which the original was sent. None of other messages.
    #[getter]
    fn tapped(&self) -> Option<String> {
        self.heading.tapped(self.handle.bus())
    }

    /// The W3C trace context to which it belongs, as its sender gave it; None if it gave none.
    #[getter]
    fn traceparent(&self) -> Option<String> {
        self.trace.map(|trace| trace.to_string())
    }

    /// Of an answer: whether it is a part and more of them follow.
    #[getter]
    fn more_follows(&self) -> bool {
        self.heading.more_follows()
    }

    /// Of an rkyv archive: the id of its schema, as ``swarmbus.schema_id(name)`` tells it. None of other messages. The
    /// archive is ``msg.data[:-8]``; Python does not look into it.
    #[getter]
    fn schema(&self) -> Option<u64> {
        self.schema
    }

    /// The text that the bytes are in UTF-8.
    ///
    /// Raises WrongType if they are none, or an rkyv archive.
    fn text<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.get().refuse_archive(slf.py(), "text")?;
        let bytes = slf.get().__bytes__(slf.py())?;
        bytes.call_method0("decode").map_err(|error| slf.get().other_than(slf.py(), "text", error))
    }

    /// The value that the bytes are in JSON. Plain bytes are read as well: the sender need not say that they are JSON.
    ///
    /// With `into`, a dataclass or another class, the value is an object whose members are given to it by keyword.
    /// Raises WrongType if they are none, or an rkyv archive, or do not fit `into`.
    #[pyo3(signature = (into=None))]
    fn json<'py>(slf: &Bound<'py, Self>, into: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.get().refuse_archive(py, "JSON")?;
        let bytes = slf.get().__bytes__(py)?;
        let value = py.import("json")?.call_method1("loads", (bytes,));
        let value = value.map_err(|error| slf.get().other_than(py, "JSON", error))?;
        match into {
            None => Ok(value),
            Some(into) => py.import("swarmbus._typed")?.call_method1("read", (into, value)),
        }
    }

    /// The bytes as a NumPy array of `dtype` and `shape`, in place and read-only; of one dimension without a shape.
    ///
    /// As for ``data``, the message can't be released while the array is held.
    #[pyo3(signature = (dtype, shape=None))]
    fn array<'py>(
        slf: &Bound<'py, Self>,
        dtype: &Bound<'py, PyAny>,
        shape: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        bytes::array(slf.as_any(), dtype, shape)
    }

    /// Whether it has been released or nacked, or its agent closed.
    #[getter]
    fn released(&self, py: Python<'_>) -> bool {
        let state = self.state.get(py);
        state.raw.get().is_none() || state.pending.get().is_some() || !self.handle.is_attached(py)
    }

    /// Acknowledge the message: it is done with and will not be delivered again.
    ///
    /// Raises BufferError while views of it are held, and Released if it has ended already.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py, Fate::Release)
    }

    /// Hand the message back to its queue: the next taker gets it, with ``deliveries`` one higher.
    ///
    /// With `delay`, in seconds (milliseconds count; 30 days at most), it is taken again after that time only.
    /// Raises BufferError while views of it are held, Released if it has ended already, and with a delay Full when as many
    /// messages of its queue are put off as a lane may hold; the message is then still there.
    #[pyo3(signature = (delay=None))]
    fn nack(&self, py: Python<'_>, delay: Option<f64>) -> PyResult<()> {
        match delay {
            None => self.end(py, Fate::Nack),
            Some(delay) => self.put_off(py, delay),
        }
    }

    fn __enter__(slf: Py<Self>, py: Python<'_>) -> PyResult<Py<Self>> {
        let message = slf.get();
        message.handle.check(py)?;
        message.borrow(py)?;
        Ok(slf)
    }

    #[pyo3(signature = (kind, value, traceback, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: Option<&Bound<'_, PyAny>>,
        value: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let _ = (value, traceback);
        if let Some(agent) = self.handle.agent_for_ending(py)? {
            self.end_with_last_view(py, &agent, if kind.is_none() { Fate::Release } else { Fate::Nack })?;
        }
        Ok(false)
    }

    fn __len__(&self) -> usize {
        self.length
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.handle.check(py)?;
        let raw = self.borrow(py)?;
        if raw.length == 0 {
            return Ok(PyBytes::new(py, b""));
        }
        // SAFETY: the message is in flight with us and its bytes do not change. It can't end during the copy: only the
        // agent's thread ends messages, and that thread is here.
        let data = unsafe { std::slice::from_raw_parts(raw.data, raw.length) };
        bytes::copy(py, data)
    }

    /// # Safety
    /// Called by the interpreter with a `view` to fill in.
    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let py = slf.py();
        let message = slf.get();
        let raw = message.pin(py)?;
        let data = NonNull::new(raw.data.cast_mut()).unwrap_or(NonNull::dangling());
        // SAFETY: the interpreter passes a valid `view`; `data` has `length` bytes in the mapping, which `slf` (to which
        // the view holds a reference) keeps alive.
        let filled = unsafe { bytes::fill(view, slf, data.as_ptr(), message.length, Access::Read, flags) };
        filled.inspect_err(|_| message.drop_view(py))
    }

    /// # Safety
    /// Called by the interpreter with a `view` that `__getbuffer__` filled in.
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        let _ = view;
        // SAFETY: the interpreter calls with its lock held.
        self.drop_view(unsafe { token() });
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let state = self.state.get(py);
        let how = match (state.pending.get(), state.ended.get()) {
            (Some(fate), _) => format!(", {} with its last view", fate.as_str()),
            (None, Some(fate)) => format!(", {}", fate.as_str()),
            (None, None) if !self.handle.is_attached(py) => ", agent closed".to_owned(),
            (None, None) => String::new(),
        };
        format!(
            "<swarmbus.Message {} from {}: {} bytes{}, lane {}, delivery {}{how}>",
            self.id(),
            self.sender().map_or("nobody".to_owned(), |name| format!("'{name}'")),
            self.length,
            match (self.heading.content(), self.schema) {
                (ContentType::Bytes, _) => String::new(),
                (content, None) => format!(" of {content}"),
                (content, Some(schema)) => format!(" of {content} {schema:016x}"),
            },
            self.heading.lane(),
            self.heading.deliveries(),
        )
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        if let Some(raw) = self.state.get_mut().raw.take() {
            // SAFETY: objects are freed with the interpreter's lock held.
            self.handle.end_anywhere(unsafe { token() }, Left::message(raw, Fate::Nack));
        }
    }
}
