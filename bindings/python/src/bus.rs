//! `Bus`, and the functions that lead to one.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use swarmbus_core::{Bus as CoreBus, CreateOptions, QueueOptions};

use crate::agent::Agent;
use crate::arguments::{name_on, size};
use crate::error::Raise;
use crate::info;

/// A bus: one segment of shared memory, with its mailboxes and queues.
///
/// ``swarmbus.open(name)`` opens one, ``Bus.create(name)`` makes one. It may be used by any thread, and after a fork.
/// The bus outlives this object and this process: ``destroy()`` ends it.
#[pyclass(frozen, module = "swarmbus")]
pub struct Bus {
    core: CoreBus,
}

impl Bus {
    /// Wraps the core's bus.
    pub fn new(core: CoreBus) -> Bus {
        Bus { core }
    }

    fn name_of(&self, py: Python<'_>, text: &str) -> PyResult<String> {
        Ok(name_on(py, &self.core, text)?.unwrap_or_else(|| text.to_owned()))
    }
}

fn create_options(
    agents: u32,
    heap: Option<&Bound<'_, PyAny>>,
    limit: u32,
    mode: u32,
    group: Option<u32>,
) -> PyResult<CreateOptions> {
    let mut options = CreateOptions { agents, limit, mode, group, ..CreateOptions::default() };
    if let Some(heap) = heap {
        options.heap = size(heap, "heap")?;
    }
    Ok(options)
}

#[pymethods]
impl Bus {
    /// Create a bus; raises BusExists if there is one of that name.
    ///
    /// `agents` is how many may be attached at once, `heap` the memory for messages (bytes, or text like "1GiB";
    /// it is taken as it is needed), `limit` how many messages each lane of a queue holds,
    /// `mode` and `group` (a group id) who else may use it.
    #[staticmethod]
    #[pyo3(signature = (name, *, agents=4096, heap=None, limit=1000, mode=0o600, group=None))]
    fn create(
        py: Python<'_>,
        name: &str,
        agents: u32,
        heap: Option<&Bound<'_, PyAny>>,
        limit: u32,
        mode: u32,
        group: Option<u32>,
    ) -> PyResult<Bus> {
        let options = create_options(agents, heap, limit, mode, group)?;
        py.detach(|| CoreBus::create(name, &options)).raise(py).map(Bus::new)
    }

    /// The bus's name.
    #[getter]
    fn name(&self) -> &str {
        self.core.name()
    }

    /// Declare a mailbox or work queue, so that messages can be sent to it before anybody receives.
    ///
    /// Declaring a name again does nothing. `limit` is how many messages each lane holds, the bus's limit by default.
    #[pyo3(signature = (name, *, limit=None))]
    fn declare(&self, py: Python<'_>, name: &str, limit: Option<u32>) -> PyResult<()> {
        let name = self.name_of(py, name)?;
        self.core.declare(&name, &QueueOptions { limit, ..QueueOptions::default() }).raise(py)
    }

    /// Attach an agent: from now on it owns the mailbox of that name, and this thread uses it.
    ///
    /// Raises AgentBusy while somebody else who lives owns it, and TooManyAgents.
    fn attach(&self, py: Python<'_>, name: &str) -> PyResult<Agent> {
        let name = self.name_of(py, name)?;
        self.core.attach(&name).and_then(Agent::new).raise(py)
    }

    /// Close a mailbox or queue: senders get Closed at once, receivers once it is empty.
    fn close_queue(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let name = self.name_of(py, name)?;
        self.core.join().and_then(|member| member.close_queue(&name)).raise(py)
    }

    /// Open a closed mailbox or queue again.
    fn reopen_queue(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let name = self.name_of(py, name)?;
        self.core.join().and_then(|member| member.reopen_queue(&name)).raise(py)
    }

    /// End the bus for everybody: whoever uses it gets Closed, and its memory is free once they are gone.
    fn destroy(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.core.destroy()).raise(py)
    }

    /// What the bus is made of and how full it is: a BusInfo.
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        info::bus(py, &self.core.observer().raise(py)?.bus())
    }

    /// Who is attached: a list of MemberInfo.
    fn members<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        info::members(py, &self.core.observer().raise(py)?.members())
    }

    /// The mailboxes and queues: a list of QueueInfo.
    fn queues<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        info::queues(py, &self.core.observer().raise(py)?.queues())
    }

    fn __repr__(&self) -> String {
        format!("<swarmbus.Bus '{}'>", self.core.name())
    }
}

/// Open the bus `name`; with `create=True` make it first if there is none.
///
/// The options are those of ``Bus.create`` and need `create=True`; a bus that exists keeps its own.
/// Raises UnknownBus, and others that say why the bus can't be used from here.
#[pyfunction]
#[pyo3(signature = (name, create=false, **options))]
pub fn open(py: Python<'_>, name: &str, create: bool, options: Option<&Bound<'_, PyDict>>) -> PyResult<Bus> {
    let mut with = CreateOptions::default();
    for (key, value) in options.into_iter().flatten() {
        let key: String = key.extract()?;
        if !create {
            return Err(PyTypeError::new_err(format!("open() takes {key:?} only with create=True")));
        }
        match key.as_str() {
            "agents" => with.agents = value.extract()?,
            "heap" => with.heap = size(&value, "heap")?,
            "limit" => with.limit = value.extract()?,
            "mode" => with.mode = value.extract()?,
            "group" => with.group = value.extract()?,
            _ => {
                return Err(PyTypeError::new_err(format!(
                    "open() has no option {key:?}: there are agents, heap, limit, mode, group"
                )));
            }
        }
    }
    py.detach(|| if create { CoreBus::open_or_create(name, &with) } else { CoreBus::open(name) })
        .raise(py)
        .map(Bus::new)
}

/// The names of the buses on this host, sorted.
#[pyfunction]
pub fn buses(py: Python<'_>) -> PyResult<Vec<String>> {
    CoreBus::list().raise(py)
}

/// Attach the agent that the environment names, by SWARMBUS (the bus) and SWARMBUS_AGENT (the agent).
///
/// The supervisor sets both for the processes that it starts.
#[pyfunction]
pub fn connect(py: Python<'_>) -> PyResult<Agent> {
    swarmbus_core::connect().and_then(Agent::new).raise(py)
}
