//! Receiving: a message, its bytes, several of either, and loops.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use swarmbus_core::{Error, Message as CoreMessage};

use crate::agent::Agent;
use crate::arguments::{self, Origin};
use crate::bytes;
use crate::ending::Fate;
use crate::error::{Raise, mirror};
use crate::gil::Gil;
use crate::handle::{Handle, Using};
use crate::message::Message;

/// Takes the next message.
///
/// The inner result is the core's word: `Closed` and `Timeout` mean different things to `recv` and to a loop.
#[inline]
fn take<'a>(
    handle: &Handle,
    agent: &'a Using<'_, '_>,
    origin: &Origin,
    timeout: Option<Duration>,
) -> PyResult<Result<CoreMessage<'a>, Error>> {
    // A message that is there already needs no wait, and so the interpreter's lock stays.
    let at_once = Some(Duration::ZERO);
    let ready = match origin {
        Origin::Mailbox => agent.recv(at_once),
        Origin::Queue(queue) => agent.receive(queue, at_once),
        Origin::Several(queues) => agent.receive_any(&borrowed(queues), at_once),
    };
    if timeout == at_once || !matches!(ready, Err(Error::Timeout)) {
        return Ok(ready);
    }
    handle.wait(agent, |agent, interrupted| match origin {
        Origin::Mailbox => agent.recv_until(timeout, interrupted),
        Origin::Queue(queue) => agent.receive_until(queue, timeout, interrupted),
        Origin::Several(queues) => agent.receive_any_until(&borrowed(queues), timeout, interrupted),
    })
}

fn borrowed(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Takes the next messages of one queue.
fn take_many<'a>(
    handle: &Handle,
    agent: &'a Using<'_, '_>,
    queue: &str,
    most: usize,
    timeout: Option<Duration>,
) -> PyResult<Result<Vec<CoreMessage<'a>>, Error>> {
    let at_once = Some(Duration::ZERO);
    match agent.receive_batch(queue, most, at_once) {
        Err(Error::Timeout) if timeout != at_once => {
            handle.wait(agent, |agent, interrupted| agent.receive_batch_until(queue, most, timeout, interrupted))
        }
        ready => Ok(ready),
    }
}

#[pymethods]
impl Agent {
    /// Wait for the next message of the mailbox (and of the agent's roles), or of the work queue `queue`, which is shared
    /// with its other consumers, or of any of several queues, each in its turn.
    ///
    /// `timeout` is in seconds; None waits for ever. Raises Timeout, and Closed once a closed queue is empty.
    #[pyo3(signature = (timeout=None, queue=None))]
    fn recv(&self, py: Python<'_>, timeout: Option<f64>, queue: Option<&Bound<'_, PyAny>>) -> PyResult<Message> {
        let agent = self.handle.agent(py)?;
        let timeout = arguments::timeout(py, timeout)?;
        let origin = Origin::of(py, self.handle.bus(), queue)?;
        let message = take(&self.handle, &agent, &origin, timeout)?.raise(py)?;
        Ok(Message::new(&self.handle, message))
    }

    /// The next message if there is one, else None.
    #[pyo3(signature = (queue=None))]
    fn try_recv(&self, py: Python<'_>, queue: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Message>> {
        let agent = self.handle.agent(py)?;
        let origin = Origin::of(py, self.handle.bus(), queue)?;
        match take(&self.handle, &agent, &origin, Some(Duration::ZERO))? {
            Ok(message) => Ok(Some(Message::new(&self.handle, message))),
            Err(Error::Timeout) => Ok(None),
            Err(error) => Err(mirror(py, &error)),
        }
    }

    /// The bytes of the next message, copied out, and the message released: the fastest way to receive short messages.
    ///
    /// Arguments and errors are those of ``recv``. Who wants to know the sender, or that a message comes again if this
    /// process dies at work on it, uses ``recv``.
    #[pyo3(signature = (timeout=None, queue=None))]
    fn recv_bytes<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
        queue: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let agent = self.handle.agent(py)?;
        let timeout = arguments::timeout(py, timeout)?;
        let origin = Origin::of(py, self.handle.bus(), queue)?;
        let message = take(&self.handle, &agent, &origin, timeout)?.raise(py)?;
        copy_and_release(py, message)
    }

    /// Wait for a message as ``recv`` does, and take with it what else is there, `most` in all.
    ///
    /// Of the mailbox without the agent's roles, or of the queue `queue`. Each message is released by itself.
    #[pyo3(signature = (most=1024, timeout=None, queue=None))]
    fn recv_many<'py>(
        &self,
        py: Python<'py>,
        most: usize,
        timeout: Option<f64>,
        queue: Option<&str>,
    ) -> PyResult<Bound<'py, PyList>> {
        let agent = self.handle.agent(py)?;
        let timeout = arguments::timeout(py, timeout)?;
        let queue = self.address(py, queue.unwrap_or(self.handle.name()))?;
        let messages = take_many(&self.handle, &agent, &queue, most, timeout)?.raise(py)?;
        PyList::new(py, messages.into_iter().map(|message| Message::new(&self.handle, message)).collect::<Vec<_>>())
    }

    /// The bytes of several messages, copied out, and the messages released: ``recv_many`` for short messages.
    #[pyo3(signature = (most=1024, timeout=None, queue=None))]
    fn recv_bytes_many<'py>(
        &self,
        py: Python<'py>,
        most: usize,
        timeout: Option<f64>,
        queue: Option<&str>,
    ) -> PyResult<Bound<'py, PyList>> {
        let agent = self.handle.agent(py)?;
        let timeout = arguments::timeout(py, timeout)?;
        let queue = self.address(py, queue.unwrap_or(self.handle.name()))?;
        let messages = take_many(&self.handle, &agent, &queue, most, timeout)?.raise(py)?;
        // All copies first: what can't be copied for want of memory takes the others back to their queue.
        let copies = messages.iter().map(|message| bytes::copy(py, message)).collect::<PyResult<Vec<_>>>()?;
        messages.into_iter().try_for_each(CoreMessage::release).raise(py)?;
        PyList::new(py, copies)
    }

    /// Loop over the messages of the mailbox, or of the work queue `queue`, or of several queues.
    ///
    /// A turn's message is released when the next one is asked for; leaving the loop early, by break or an
    /// exception, leaves it unreleased. The loop ends when the queue is closed and empty.
    #[pyo3(signature = (queue=None))]
    fn messages(&self, py: Python<'_>, queue: Option<&Bound<'_, PyAny>>) -> PyResult<Messages> {
        self.handle.agent(py)?;
        let origin = Origin::of(py, self.handle.bus(), queue)?;
        Ok(Messages { handle: Arc::clone(&self.handle), origin, turn: Gil::new(RefCell::new(None)) })
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<Messages> {
        self.messages(py, None)
    }
}

fn copy_and_release<'py>(py: Python<'py>, message: CoreMessage<'_>) -> PyResult<Bound<'py, PyBytes>> {
    let copy = bytes::copy(py, &message)?;
    message.release().raise(py)?;
    Ok(copy)
}

/// A loop over messages; what ``iter(agent)`` and ``agent.messages()`` return.
#[pyclass(frozen, module = "swarmbus")]
pub struct Messages {
    handle: Arc<Handle>,
    origin: Origin,
    turn: Gil<RefCell<Option<Py<Message>>>>,
}

#[pymethods]
impl Messages {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<Message>>> {
        let agent = self.handle.agent(py)?;
        let turn = self.turn.get(py).take();
        if let Some(message) = turn {
            message.get().end_with_last_view(py, &agent, Fate::Release)?;
        }
        let message = match take(&self.handle, &agent, &self.origin, None)? {
            Ok(message) => Py::new(py, Message::new(&self.handle, message))?,
            Err(Error::Closed { .. }) => return Ok(None),
            Err(error) => return Err(mirror(py, &error)),
        };
        self.turn.get(py).replace(Some(message.clone_ref(py)));
        Ok(Some(message))
    }

    fn __repr__(&self) -> String {
        let from = match &self.origin {
            Origin::Mailbox => self.handle.name().to_owned(),
            Origin::Queue(queue) => queue.clone(),
            Origin::Several(queues) => queues.join("', '"),
        };
        format!("<swarmbus.Messages of '{from}' on bus '{}'>", self.handle.bus().name())
    }
}
