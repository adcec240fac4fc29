//! `Message`: read in place, ended once.

use std::ffi::c_int;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyRecursionError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};
use swarmbus_core::{ContentType, Error, Lane, Message as CoreMessage, RawMessage};

use crate::arguments::COPY_UNDER_LOCK_BYTES;
use crate::error::{Raise, exception, mirror, views_held};
use crate::handle::{Carry, Fate, Handle, Left, end_message, lock};

/// What changes in a message's life.
struct State {
    /// `None` once released or nacked.
    raw: Option<Carry<RawMessage>>,
    /// Views that Python holds.
    views: usize,
    /// How it ends when the last view is gone.
    pending: Option<Fate>,
    /// How it ended, for `repr` and errors.
    ended: Option<Fate>,
}

/// A received message, in flight until it is released or nacked.
///
/// Its bytes stay where the sender wrote them: ``msg.data`` (or ``memoryview(msg)``, ``numpy.frombuffer(msg)``) looks at
/// them in place, ``bytes(msg)`` copies them. Use it in a ``with`` block, in a loop over the agent, or call
/// ``release()`` or ``nack()``. A message that is forgotten without either goes back to its queue.
#[pyclass(frozen, module = "swarmbus")]
pub struct Message {
    handle: Arc<Handle>,
    state: Mutex<State>,
    length: usize,
    id: u64,
    sender: Option<String>,
    lane: Lane,
    deliveries: u32,
    correlation: u64,
    content: ContentType,
    schema: Option<u64>,
}

impl Message {
    /// Keeps what the core has just received.
    pub fn new(handle: &Arc<Handle>, message: CoreMessage<'_>) -> Message {
        Message {
            length: message.data().len(),
            id: message.id().0,
            sender: message.sender(),
            lane: message.lane(),
            deliveries: message.deliveries(),
            correlation: message.correlation(),
            content: message.content(),
            schema: message.schema(),
            handle: Arc::clone(handle),
            state: Mutex::new(State { raw: Some(Carry(message.into_raw())), views: 0, pending: None, ended: None }),
        }
    }

    /// Ends the message at once, or says why that can't be.
    fn end(&self, py: Python<'_>, fate: Fate) -> PyResult<()> {
        let agent = self.handle.agent_for_ending(py)?;
        let mut state = lock(&self.state);
        if state.views > 0 {
            let views = state.views;
            return Err(views_held(format!(
                "message {} can't be {} while {views} view(s) of it are held: release them first (del view, or view.release())",
                self.id,
                verb(fate),
            )));
        }
        let (Some(raw), Some(agent)) = (state.raw.take(), agent) else {
            return Err(self.gone(py, state));
        };
        state.ended = Some(fate);
        drop(state);
        end_message(&agent, raw.take(), fate).raise(py)
    }

    /// Ends the message now, or with its last view; does nothing when it has ended already.
    pub fn end_with_last_view(&self, py: Python<'_>, fate: Fate) -> PyResult<()> {
        let Some(agent) = self.handle.agent_for_ending(py)? else {
            return Ok(());
        };
        let mut state = lock(&self.state);
        if state.views > 0 {
            state.pending.get_or_insert(fate);
            return Ok(());
        }
        let Some(raw) = state.raw.take() else {
            return Ok(());
        };
        state.ended = Some(fate);
        drop(state);
        end_message(&agent, raw.take(), fate).raise(py)
    }

    /// Where the bytes are, while they are ours to look at.
    fn bytes_at(&self, state: &State) -> Option<NonNull<u8>> {
        let raw = state.raw.as_ref().filter(|_| state.pending.is_none() && self.handle.is_attached())?;
        Some(NonNull::new(raw.0.data.cast_mut()).unwrap_or(NonNull::dangling()))
    }

    #[cold]
    fn gone(&self, py: Python<'_>, state: MutexGuard<'_, State>) -> PyErr {
        let how = match state.pending.or(state.ended) {
            Some(fate) => format!("was {}", verb(fate)),
            None => "went back to its queue when its agent was closed".to_owned(),
        };
        drop(state);
        let text = format!("message {} {how}: take bytes(msg) before that to keep its data", self.id);
        exception(py, "Released", text)
    }
}

fn verb(fate: Fate) -> &'static str {
    match fate {
        Fate::Release => "released",
        Fate::Nack => "nacked",
    }
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
        self.id
    }

    /// Name of the agent that sent it, or None if the sender has none.
    #[getter]
    fn sender(&self) -> Option<&str> {
        self.sender.as_deref()
    }

    /// The lane it came by: "urgent", "high", "normal", "low" or "reply".
    #[getter]
    fn lane(&self) -> &'static str {
        self.lane.as_str()
    }

    /// How often it has been delivered, this time included: 1 at first, more after a nack or a consumer's death.
    #[getter]
    fn deliveries(&self) -> u32 {
        self.deliveries
    }

    /// The number that the sender gave it, 0 if none.
    #[getter]
    fn correlation(&self) -> u64 {
        self.correlation
    }

    /// What the sender says the bytes are: "bytes", "json" or "rkyv".
    #[getter]
    fn content(&self) -> &'static str {
        self.content.as_str()
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
    /// Raises WrongType if they are none, or an rkyv archive.
    fn json<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.get().refuse_archive(py, "JSON")?;
        let bytes = slf.get().__bytes__(py)?;
        let value = py.import("json")?.call_method1("loads", (bytes,));
        value.map_err(|error| slf.get().other_than(py, "JSON", error))
    }

    /// Whether it has been released or nacked, or its agent closed.
    #[getter]
    fn released(&self) -> bool {
        let state = lock(&self.state);
        state.raw.is_none() || state.pending.is_some() || !self.handle.is_attached()
    }

    /// Acknowledge the message: it is done with and will not be delivered again.
    ///
    /// Raises BufferError while views of it are held, and Released if it has ended already.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py, Fate::Release)
    }

    /// Hand the message back to its queue: the next taker gets it, with ``deliveries`` one higher.
    ///
    /// Raises BufferError while views of it are held, and Released if it has ended already.
    fn nack(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py, Fate::Nack)
    }

    fn __enter__(slf: Py<Self>, py: Python<'_>) -> PyResult<Py<Self>> {
        let message = slf.get();
        message.handle.check(py)?;
        let state = lock(&message.state);
        if message.bytes_at(&state).is_none() {
            return Err(message.gone(py, state));
        }
        drop(state);
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
        self.end_with_last_view(py, if kind.is_none() { Fate::Release } else { Fate::Nack })?;
        Ok(false)
    }

    fn __len__(&self) -> usize {
        self.length
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.handle.check(py)?;
        let state = lock(&self.state);
        let Some(data) = self.bytes_at(&state) else {
            return Err(self.gone(py, state));
        };
        drop(state);
        // SAFETY: the message is in flight with us and its bytes do not change. It can't end during the copy: only the
        // agent's thread ends messages, and that thread is here.
        let data = unsafe { std::slice::from_raw_parts(data.as_ptr(), self.length) };
        if data.len() <= COPY_UNDER_LOCK_BYTES {
            return Ok(PyBytes::new(py, data));
        }
        PyBytes::new_with(py, data.len(), |to| {
            py.detach(|| to.copy_from_slice(data));
            Ok(())
        })
    }

    /// # Safety
    /// Called by the interpreter with a `view` to fill in.
    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let py = slf.py();
        let message = slf.get();
        message.handle.check(py)?;
        let mut state = lock(&message.state);
        let Some(data) = message.bytes_at(&state) else {
            return Err(message.gone(py, state));
        };
        state.views += 1;
        drop(state);
        message.handle.add_view();
        // SAFETY: the interpreter passes a valid `view`; `data` has `length` bytes in the mapping, which `slf` (to which
        // the view holds a reference) keeps alive.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), data.as_ptr().cast(), message.length as isize, 1, flags)
        };
        if filled != 0 {
            message.drop_view();
            return Err(PyErr::fetch(py));
        }
        Ok(())
    }

    /// # Safety
    /// Called by the interpreter with a `view` that `__getbuffer__` filled in.
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        let _ = view;
        self.drop_view();
    }

    fn __repr__(&self) -> String {
        let state = lock(&self.state);
        let how = match (state.pending, state.ended) {
            (Some(fate), _) => format!(", {} with its last view", verb(fate)),
            (None, Some(fate)) => format!(", {}", verb(fate)),
            (None, None) if !self.handle.is_attached() => ", agent closed".to_owned(),
            (None, None) => String::new(),
        };
        format!(
            "<swarmbus.Message {} from {}: {} bytes{}, lane {}, delivery {}{how}>",
            self.id,
            self.sender.as_deref().map_or("nobody".to_owned(), |name| format!("'{name}'")),
            self.length,
            match (self.content, self.schema) {
                (ContentType::Bytes, _) => String::new(),
                (content, None) => format!(" of {content}"),
                (content, Some(schema)) => format!(" of {content} {schema:016x}"),
            },
            self.lane,
            self.deliveries,
        )
    }
}

impl Message {
    fn refuse_archive(&self, py: Python<'_>, asked: &str) -> PyResult<()> {
        let Some(schema) = self.schema.or_else(|| (self.content == ContentType::Rkyv).then_some(0)) else {
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
        let what =
            format!("its {} bytes of content type {} are no {asked}: {}", self.length, self.content, error.value(py));
        let wrong = mirror(py, &Error::WrongType { what });
        wrong.set_cause(py, Some(error));
        wrong
    }

    fn drop_view(&self) {
        let mut state = lock(&self.state);
        state.views -= 1;
        let ending = if state.views > 0 { None } else { state.pending.take() };
        let ending = ending.and_then(|fate| {
            state.ended = Some(fate);
            state.raw.take().map(|raw| Left::Message(raw.take(), fate))
        });
        drop(state);
        if let Some(left) = ending {
            self.handle.end_anywhere(left);
        }
        self.handle.remove_view();
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(raw) = state.raw.take() {
            self.handle.end_anywhere(Left::Message(raw.take(), Fate::Nack));
        }
    }
}
