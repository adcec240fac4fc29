//! `Agent`: who it is, how it ends. What it does is in a file for each topic.

use std::borrow::Cow;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use swarmbus_core::{Agent as CoreAgent, Error};

use crate::arguments::name_on;
use crate::bus::Bus;
use crate::handle::Handle;

/// An agent: a name on the bus, with the mailbox that goes by it.
///
/// Made by ``bus.attach(name)`` or ``swarmbus.connect()``; belongs to the thread that made it. ``with`` closes it at the
/// end; so does dropping it. Messages in flight then go back to their queues.
#[pyclass(frozen, weakref, module = "swarmbus")]
pub struct Agent {
    /// Shared with everything that is made by it.
    pub handle: Arc<Handle>,
}

impl Agent {
    /// Takes an agent that the calling thread has just attached.
    ///
    /// # Errors
    /// `Closed`: the bus was destroyed meanwhile.
    pub fn new(agent: CoreAgent) -> Result<Agent, Error> {
        Ok(Agent { handle: Handle::new(agent)? })
    }

    /// The plain name in an address.
    #[inline]
    pub fn address<'t>(&self, py: Python<'_>, to: &'t str) -> PyResult<Cow<'t, str>> {
        Ok(name_on(py, self.handle.bus(), to)?.map_or(Cow::Borrowed(to), Cow::Owned))
    }
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
    fn closed(&self, py: Python<'_>) -> bool {
        !self.handle.is_open(py)
    }

    /// How often its mailbox has changed hands: a fencing number, which rises with every change of owner.
    #[getter]
    fn epoch(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.handle.agent(py)?.epoch())
    }

    /// Leave the bus: whatever is in flight goes back to its queue. Closing twice does nothing.
    ///
    /// Raises BufferError while views of messages or loans are held.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.close(py)
    }

    fn __enter__(slf: Py<Self>, py: Python<'_>) -> PyResult<Py<Self>> {
        slf.get().handle.agent(py)?;
        Ok(slf)
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, py: Python<'_>, raised: &Bound<'_, PyTuple>) -> PyResult<()> {
        let _ = raised;
        self.handle.leave(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let closed = if self.handle.is_open(py) { "" } else { ", closed" };
        format!("<swarmbus.Agent '{}' on bus '{}'{closed}>", self.handle.name(), self.handle.bus().name())
    }
}
