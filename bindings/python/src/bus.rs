//! `Bus`, and the functions that lead to one.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use swarmbus_core::{AgentFilter, Bus as CoreBus, CreateOptions, Policy, QueueOptions, TopicOptions};

use crate::agent::Agent;
use crate::arguments::{self, name_on, size};
use crate::error::{Raise, invalid_argument};
use crate::gil::detached;
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
    /// A message delivered `max_deliveries` times (or expired) goes to the queue `dead_letters`, which is declared if need be, or
    /// is dropped without one. With `makes_room` a message for a full lane pushes out the oldest instead of waiting.
    #[pyo3(signature = (name, *, limit=None, max_deliveries=None, dead_letters=None, makes_room=false))]
    fn declare(
        &self,
        py: Python<'_>,
        name: &str,
        limit: Option<u32>,
        max_deliveries: Option<u32>,
        dead_letters: Option<&str>,
        makes_room: bool,
    ) -> PyResult<()> {
        let name = self.name_of(py, name)?;
        let dead_letters = dead_letters.map(|name| self.name_of(py, name)).transpose()?;
        self.core.declare(&name, &QueueOptions { limit, max_deliveries, dead_letters, makes_room }).raise(py)
    }

    /// Declare a topic: what is published there reaches everybody who subscribes. Declaring it again does nothing.
    ///
    /// `policy` says what happens while a subscriber is `capacity` messages behind: with "back-pressure" publishers wait,
    /// with "drop-new" the new message is dropped, with "lossy" the oldest is. `retain` is how many of the last messages
    /// somebody can have who subscribes later.
    #[pyo3(signature = (name, *, policy="back-pressure", capacity=None, retain=0))]
    fn declare_topic(
        &self,
        py: Python<'_>,
        name: &str,
        policy: &str,
        capacity: Option<u32>,
        retain: u32,
    ) -> PyResult<()> {
        let name = self.name_of(py, name)?;
        let known = [Policy::BackPressure, Policy::DropNew, Policy::Lossy];
        let Some(policy) = known.into_iter().find(|known| known.as_str() == policy) else {
            let known = known.map(Policy::as_str).join(", ");
            return Err(invalid_argument(py, format!("policy={policy:?} does not exist: the policies are {known}")));
        };
        self.core.declare_topic(&name, &TopicOptions { policy, capacity, retain }).raise(py)
    }

    /// Attach an agent: from now on it owns the mailbox of that name, and this thread uses it.
    ///
    /// Raises AgentBusy while somebody else who lives owns it, and TooManyAgents.
    fn attach(&self, py: Python<'_>, name: &str) -> PyResult<Agent> {
        let name = self.name_of(py, name)?;
        self.core.attach(&name).and_then(Agent::new).raise(py)
    }

    /// Attach an agent although a living process has its name: that one receives and sends nothing more (HandedOver).
    fn take_over(&self, py: Python<'_>, name: &str) -> PyResult<Agent> {
        let name = self.name_of(py, name)?;
        self.core.take_over(&name).and_then(Agent::new).raise(py)
    }

    /// Wait until nobody alive has the name, then attach: for who is to go on when a leader dies. Raises Timeout.
    #[pyo3(signature = (name, timeout=None))]
    fn stand_by(&self, py: Python<'_>, name: &str, timeout: Option<f64>) -> PyResult<Agent> {
        let name = self.name_of(py, name)?;
        let timeout = arguments::timeout(py, timeout)?;
        py.check_signals()?;
        let mut raised = None;
        let mut interrupted = || {
            // Without an interpreter (it is going down) there is nobody to wait for.
            let look = |py: Python<'_>| {
                raised = py.check_signals().err();
                raised.is_some()
            };
            Python::try_attach(look).unwrap_or(true)
        };
        let agent = detached(py, || self.core.stand_by_until(&name, timeout, &mut interrupted));
        match raised {
            Some(raised) => Err(raised),
            None => agent.and_then(Agent::new).raise(py),
        }
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
        info::list(py, &self.core.observer().raise(py)?.members(), info::member)
    }

    /// The mailboxes and queues: a list of QueueInfo.
    fn queues<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        info::list(py, &self.core.observer().raise(py)?.queues(), info::queue)
    }

    /// The topics: a list of TopicInfo.
    fn topics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        info::list(py, &self.core.observer().raise(py)?.topics(), info::topic)
    }

    /// The locks that somebody has or waits for, all or those that conflict with `pattern`: a list of LockInfo.
    #[pyo3(signature = (pattern=None))]
    fn locks<'py>(&self, py: Python<'py>, pattern: Option<&str>) -> PyResult<Bound<'py, PyList>> {
        let observer = self.core.observer().raise(py)?;
        info::list(py, &pattern.map_or_else(|| observer.locks(), |pattern| observer.locks_on(pattern)), info::lock)
    }

    /// The names that look like `pattern` (``*`` any characters, ``?`` one), and what each is of: a list of NameInfo.
    #[pyo3(signature = (pattern="*"))]
    fn names<'py>(&self, py: Python<'py>, pattern: &str) -> PyResult<Bound<'py, PyList>> {
        info::list(py, &self.core.observer().raise(py)?.names(pattern), info::name)
    }

    /// The agents of which all of this is true: a list of AgentInfo.
    #[pyo3(signature = (pattern=None, *, tag=None, role=None, alive=None))]
    fn agents<'py>(
        &self,
        py: Python<'py>,
        pattern: Option<&str>,
        tag: Option<&str>,
        role: Option<&str>,
        alive: Option<bool>,
    ) -> PyResult<Bound<'py, PyList>> {
        let filter = AgentFilter { pattern, tag, role, alive };
        info::list(py, &self.core.observer().raise(py)?.agents(&filter), info::agent)
    }

    /// What the agent `name` says of itself, or said last if it is gone: a Status, or None if it never said anything.
    fn status_of<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let status = self.core.status_of(&self.name_of(py, name)?).raise(py)?;
        status.map(|status| info::status(py, &status)).transpose()
    }

    /// What all agents say of themselves whose names look like `pattern`: a list of StatusInfo.
    #[pyo3(signature = (pattern="*"))]
    fn statuses<'py>(&self, py: Python<'py>, pattern: &str) -> PyResult<Bound<'py, PyList>> {
        info::list(py, &self.core.observer().raise(py)?.statuses(pattern), info::status_info)
    }

    /// Up to `most` messages that wait in a queue, in the order in which they would be taken: a list of Peeked. Takes nothing.
    #[pyo3(signature = (queue, most=10))]
    fn peek<'py>(&self, py: Python<'py>, queue: &str, most: usize) -> PyResult<Bound<'py, PyList>> {
        let queue = self.name_of(py, queue)?;
        info::list(py, &self.core.observer().raise(py)?.peek(&queue, most).raise(py)?, info::peeked)
    }

    /// A copy in another process of this host: the same bus, opened by its name.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (&str,))> {
        Ok((py.import("swarmbus")?.getattr("open")?, (self.core.name(),)))
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

/// Remove the file of a bus that can't be opened: made before the last boot, of another version, damaged.
#[pyfunction]
pub fn remove(py: Python<'_>, name: &str) -> PyResult<()> {
    CoreBus::remove(name).raise(py)
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
