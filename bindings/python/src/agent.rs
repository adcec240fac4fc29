//! `Agent`: sends, lends and receives; and `Messages`, the loop over what it receives.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyo3::prelude::*;
use swarmbus_core::{Agent as CoreAgent, Error, SendOptions};

use crate::arguments::{self, COPY_UNDER_LOCK_BYTES, Payload, name_on, send_options};
use crate::bus::Bus;
use crate::error::{Raise, mirror};
use crate::handle::{Fate, Handle, lock};
use crate::loan::Loan;
use crate::message::Message;

/// An agent: a name on the bus, with the mailbox that goes by it.
///
/// Made by ``bus.attach(name)`` or ``swarmbus.connect()``; belongs to the thread that made it. ``with`` closes it at the
/// end; so does dropping it. Messages in flight then go back to their queues.
#[pyclass(frozen, module = "swarmbus")]
pub struct Agent {
    handle: Arc<Handle>,
}

impl Agent {
    /// Takes an agent that the calling thread has just attached.
    ///
    /// # Errors
    /// `Closed`: the bus was destroyed meanwhile.
    pub fn new(agent: CoreAgent) -> Result<Agent, Error> {
        Ok(Agent { handle: Handle::new(agent)? })
    }
}

/// Takes the next message of `queue`, or of the agent's own mailbox.
///
/// The inner result is the core's word: `Closed` and `Timeout` mean different things to `recv` and to a loop.
fn take(
    handle: &Arc<Handle>,
    py: Python<'_>,
    queue: Option<&str>,
    timeout: Option<Duration>,
) -> PyResult<Result<Message, Error>> {
    let agent = handle.agent(py)?;
    // A message that is there already needs no wait, and so the interpreter's lock stays.
    let ready = match queue {
        None => agent.try_recv(),
        Some(queue) => agent.try_receive(queue),
    };
    match ready {
        Ok(Some(message)) => return Ok(Ok(Message::new(handle, message))),
        Ok(None) if timeout == Some(Duration::ZERO) => return Ok(Err(Error::Timeout)),
        Ok(None) => {}
        Err(error) => return Ok(Err(error)),
    }
    handle.wait(py, &agent, |agent, interrupted| {
        let waited = match queue {
            None => agent.recv_until(timeout, interrupted),
            Some(queue) => agent.receive_until(queue, timeout, interrupted),
        };
        match waited {
            Ok(message) => Ok(Ok(Message::new(handle, message))),
            // The wait itself tells an interruption by a signal from one by closing.
            Err(Error::Interrupted) => Err(Error::Interrupted),
            Err(error) => Ok(Err(error)),
        }
    })
}

#[pymethods]
impl Agent {
    /// The agent's name, which is its mailbox's as well.
    #[getter]
    fn name(&self) -> &str {
        self.handle.name()
    }

    /// The bus it is attached to.
    #[getter]
    fn bus(&self) -> Bus {
        Bus::new(self.handle.bus().clone())
    }

    /// Whether it has been closed.
    #[getter]
    fn closed(&self) -> bool {
        !self.handle.is_open()
    }

    /// Send a copy of `data` to a mailbox or queue; returns the message's id.
    ///
    /// `data` is any C-contiguous buffer: bytes, bytearray, memoryview, array, NumPy array; or a dict or list, which is
    /// sent as JSON. `content` tells the receiver what the bytes are ("bytes", "json", "rkyv"). With the queue full,
    /// `timeout=None` waits for room, a number waits that many seconds, 0 raises Full at once.
    /// Raises UnknownAgent, Full, Closed, TooLarge, OutOfMemory.
    #[pyo3(signature = (to, data, *, lane="normal", timeout=None, correlation=0, content=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python face")]
    fn send(
        &self,
        py: Python<'_>,
        to: &str,
        data: &Bound<'_, PyAny>,
        lane: &str,
        timeout: Option<f64>,
        correlation: u64,
        content: Option<&str>,
    ) -> PyResult<u64> {
        let agent = self.handle.agent(py)?;
        let (payload, content) = Payload::with_content(data, content)?;
        let options = send_options(py, lane, timeout, correlation, content)?;
        let bytes = payload.bytes();
        let name = name_on(py, self.handle.bus(), to)?;
        let to = name.as_deref().unwrap_or(to);
        if bytes.len() <= COPY_UNDER_LOCK_BYTES {
            // Where there is room nothing waits, and the interpreter's lock stays.
            let at_once = SendOptions { timeout: Some(Duration::ZERO), ..options.clone() };
            match agent.send(to, bytes, &at_once) {
                Ok(id) => return Ok(id.0),
                Err(Error::Full { .. }) if options.timeout != Some(Duration::ZERO) => {}
                Err(error) => return Err(mirror(py, &error)),
            }
        }
        let id =
            self.handle.wait(py, &agent, |agent, interrupted| agent.send_until(to, bytes, &options, interrupted))?;
        Ok(id.0)
    }

    /// Borrow a chunk of `length` bytes of shared memory, to write a message in place and publish it.
    ///
    /// Raises TooLarge and OutOfMemory.
    fn loan(&self, py: Python<'_>, length: usize) -> PyResult<Loan> {
        let agent = self.handle.agent(py)?;
        let loan = agent.loan(length).raise(py)?;
        Ok(Loan::new(&self.handle, loan))
    }

    /// Wait for the next message of the mailbox, or of the work queue `queue`, which is shared with its other consumers.
    ///
    /// `timeout` is in seconds; None waits for ever. Raises Timeout, and Closed once a closed queue is empty.
    #[pyo3(signature = (timeout=None, queue=None))]
    fn recv(&self, py: Python<'_>, timeout: Option<f64>, queue: Option<&str>) -> PyResult<Message> {
        let timeout = arguments::timeout(py, timeout)?;
        let queue = self.queue_name(py, queue)?;
        take(&self.handle, py, queue.as_deref(), timeout)?.raise(py)
    }

    /// The next message if there is one, else None.
    #[pyo3(signature = (queue=None))]
    fn try_recv(&self, py: Python<'_>, queue: Option<&str>) -> PyResult<Option<Message>> {
        let queue = self.queue_name(py, queue)?;
        match take(&self.handle, py, queue.as_deref(), Some(Duration::ZERO))? {
            Ok(message) => Ok(Some(message)),
            Err(Error::Timeout) => Ok(None),
            Err(error) => Err(mirror(py, &error)),
        }
    }

    /// Loop over the messages of the mailbox, or of the work queue `queue`.
    ///
    /// A turn's message is released when the next one is asked for; leaving the loop early, by break or an
    /// exception, leaves it unreleased. The loop ends when the queue is closed and empty.
    #[pyo3(signature = (queue=None))]
    fn messages(&self, py: Python<'_>, queue: Option<&str>) -> PyResult<Messages> {
        self.handle.agent(py)?;
        let queue = self.queue_name(py, queue)?;
        Ok(Messages { handle: Arc::clone(&self.handle), queue, turn: Mutex::new(None) })
    }

    /// Leave the bus: whatever is in flight goes back to its queue. Closing twice does nothing.
    ///
    /// Raises BufferError while views of messages or loans are held.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.close(py)
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<Messages> {
        self.messages(py, None)
    }

    fn __enter__(slf: Py<Self>, py: Python<'_>) -> PyResult<Py<Self>> {
        slf.get().handle.agent(py)?;
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
        let _ = (kind, value, traceback);
        self.handle.leave(py)?;
        Ok(false)
    }

    fn __repr__(&self) -> String {
        let closed = if self.handle.is_open() { "" } else { ", closed" };
        format!("<swarmbus.Agent '{}' on bus '{}'{closed}>", self.handle.name(), self.handle.bus().name())
    }
}

impl Agent {
    fn queue_name(&self, py: Python<'_>, queue: Option<&str>) -> PyResult<Option<String>> {
        let Some(text) = queue else {
            return Ok(None);
        };
        Ok(Some(name_on(py, self.handle.bus(), text)?.unwrap_or_else(|| text.to_owned())))
    }
}

/// A loop over messages; what ``iter(agent)`` and ``agent.messages()`` return.
#[pyclass(frozen, module = "swarmbus")]
pub struct Messages {
    handle: Arc<Handle>,
    queue: Option<String>,
    turn: Mutex<Option<Py<Message>>>,
}

#[pymethods]
impl Messages {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<Message>>> {
        self.handle.agent(py)?;
        let turn = lock(&self.turn).take();
        if let Some(message) = turn {
            message.get().end_with_last_view(py, Fate::Release)?;
        }
        let message = match take(&self.handle, py, self.queue.as_deref(), None)? {
            Ok(message) => Py::new(py, message)?,
            Err(Error::Closed { .. }) => return Ok(None),
            Err(error) => return Err(mirror(py, &error)),
        };
        *lock(&self.turn) = Some(message.clone_ref(py));
        Ok(Some(message))
    }

    fn __repr__(&self) -> String {
        let from = self.queue.as_deref().unwrap_or(self.handle.name());
        format!("<swarmbus.Messages of '{from}' on bus '{}'>", self.handle.bus().name())
    }
}
