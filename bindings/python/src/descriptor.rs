//! A descriptor for event loops, and the coroutines that asyncio programs use.

use std::cell::RefCell;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use swarmbus_core::RawDescriptor;

use crate::agent::Agent;
use crate::arguments::Origin;
use crate::error::{Raise, exception};
use crate::gil::Gil;
use crate::handle::Handle;
use crate::message::Message;

#[pymethods]
impl Agent {
    /// A descriptor for event loops, which becomes readable when the mailbox (and the agent's roles), or the queue or
    /// queues `queue`, may have something to take. asyncio programs use ``arecv`` and ``async for`` instead.
    #[pyo3(signature = (queue=None))]
    fn descriptor(&self, py: Python<'_>, queue: Option<&Bound<'_, PyAny>>) -> PyResult<Descriptor> {
        let agent = self.handle.agent(py)?;
        let descriptor = match Origin::of(py, self.handle.bus(), queue)? {
            Origin::Mailbox => agent.descriptor(),
            Origin::Queue(queue) => agent.descriptor_for(&[&queue]),
            Origin::Several(queues) => agent.descriptor_for(&queues.iter().map(String::as_str).collect::<Vec<_>>()),
        };
        let raw = Gil::new(RefCell::new(Some(Rc::new(descriptor.raise(py)?.into_raw()))));
        Ok(Descriptor { handle: Arc::clone(&self.handle), raw })
    }

    /// ``recv`` for asyncio: waits without keeping the event loop, and without a thread for the agent.
    ///
    /// Cancelled, it has taken nothing.
    #[pyo3(signature = (timeout=None, queue=None))]
    fn arecv<'py>(
        slf: Bound<'py, Self>,
        timeout: Option<f64>,
        queue: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("swarmbus._aio")?.call_method1("recv", (&slf, timeout, queue))
    }

    /// ``send`` for asyncio: while the queue is full the event loop goes on. The arguments are those of ``send``.
    #[pyo3(signature = (to, data, **options))]
    fn asend<'py>(
        slf: Bound<'py, Self>,
        to: &Bound<'py, PyAny>,
        data: &Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let arguments = PyTuple::new(slf.py(), [slf.as_any(), to, data])?;
        slf.py().import("swarmbus._aio")?.call_method("send", arguments, options)
    }

    /// ``call`` for asyncio: the event loop goes on while the answer is waited for. The arguments are those of ``call``.
    ///
    /// Cancelled, its answer is dropped when it comes.
    #[pyo3(signature = (to, data, **options))]
    fn acall<'py>(
        slf: Bound<'py, Self>,
        to: &Bound<'py, PyAny>,
        data: &Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let arguments = PyTuple::new(slf.py(), [slf.as_any(), to, data])?;
        slf.py().import("swarmbus._aio")?.call_method("call", arguments, options)
    }

    /// ``messages`` for asyncio, of the mailbox or of `queue`: ``async for msg in me.amessages("files")``.
    #[pyo3(signature = (queue=None))]
    fn amessages<'py>(slf: Bound<'py, Self>, queue: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("swarmbus._aio")?.call_method1("messages", (&slf, queue))
    }

    fn __aiter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        Self::amessages(slf, None)
    }
}

/// A file descriptor that becomes readable when something may be taken; made by ``Agent.descriptor``.
///
/// Whenever it is readable, call ``try_next()`` until that returns None: only then is it unreadable again. Don't read from it.
#[pyclass(frozen, module = "swarmbus")]
pub struct Descriptor {
    handle: Arc<Handle>,
    raw: Gil<RefCell<Option<Rc<RawDescriptor>>>>,
}

impl Descriptor {
    fn open(&self, py: Python<'_>) -> PyResult<Rc<RawDescriptor>> {
        let raw = self.raw.get(py).borrow().clone();
        raw.ok_or_else(|| exception(py, "Released", "this descriptor was closed: make another one".to_owned()))
    }
}

#[pymethods]
impl Descriptor {
    /// Its number, for select, poll, epoll and event loops.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        Ok(self.open(py)?.as_raw_fd())
    }

    /// The next message, of each queue in its turn. None: it is not readable until there is something again.
    fn try_next(&self, py: Python<'_>) -> PyResult<Option<Message>> {
        let agent = self.handle.agent(py)?;
        let raw = self.open(py)?;
        let message = raw.try_next(&agent).raise(py)?;
        Ok(message.map(|message| Message::new(&self.handle, message)))
    }

    /// Say that one has looked, without taking anything: unreadable until there may be something to take, which may be at
    /// once. For who waits for something else that comes to the mailbox, such as the answer to a question.
    fn rearm(&self, py: Python<'_>) -> PyResult<()> {
        let agent = self.handle.agent(py)?;
        self.open(py)?.rearm(&agent).raise(py)
    }

    /// Close it. Closing twice does nothing.
    fn close(&self, py: Python<'_>) {
        drop(self.raw.get(py).take());
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, py: Python<'_>, raised: &Bound<'_, PyTuple>) {
        let _ = raised;
        self.close(py);
    }

    fn __repr__(&self) -> String {
        format!("<swarmbus.Descriptor of '{}'>", self.handle.name())
    }
}
