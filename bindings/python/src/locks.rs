//! Named locks: `Agent.lock`, and `Lock`.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use swarmbus_core::{Error, LockGuard, LockMode, RawLock};

use crate::agent::Agent;
use crate::arguments;
use crate::ending::Left;
use crate::error::{Raise, exception, mirror};
use crate::gil::{Gil, token};
use crate::handle::Handle;

#[pymethods]
impl Agent {
    /// Take the lock `name` of the bus, exclusively or, with `shared=True`, together with others who share it.
    ///
    /// A name is any text of up to 255 bytes and may be a pattern over ``/``-separated segments (``*``, ``?``, ``**``, ``[...]``):
    /// locks conflict if a name exists that both stand for. Use it as ``with me.lock("src/**") as lock:``; a lock that is
    /// forgotten is released. ``lock.token`` is its fencing token. The death of its holder releases it.
    /// Raises Locked when `timeout` seconds have passed, InvalidArgument for a lock that this agent has itself.
    #[pyo3(signature = (name, *, shared=false, timeout=None))]
    fn lock(&self, py: Python<'_>, name: &str, shared: bool, timeout: Option<f64>) -> PyResult<Lock> {
        let timeout = arguments::timeout(py, timeout)?;
        self.ask_for(py, name, shared, timeout)?.raise(py)
    }

    /// The lock `name` if nobody stands in the way, else None. See ``lock``.
    #[pyo3(signature = (name, *, shared=false))]
    fn try_lock(&self, py: Python<'_>, name: &str, shared: bool) -> PyResult<Option<Lock>> {
        match self.ask_for(py, name, shared, Some(Duration::ZERO))? {
            Ok(lock) => Ok(Some(lock)),
            Err(Error::Locked { .. }) => Ok(None),
            Err(error) => Err(mirror(py, &error)),
        }
    }
}

impl Agent {
    fn ask_for(
        &self,
        py: Python<'_>,
        name: &str,
        shared: bool,
        timeout: Option<Duration>,
    ) -> PyResult<Result<Lock, Error>> {
        let agent = self.handle.agent(py)?;
        let mode = if shared { LockMode::Shared } else { LockMode::Exclusive };
        let guard =
            self.handle.wait(&agent, |agent, interrupted| agent.lock_until(name, mode, timeout, interrupted))?;
        Ok(guard.map(|guard| Lock::new(&self.handle, name, mode, guard.into_raw())))
    }
}

/// A lock that an agent has, until ``release()``, the end of its ``with`` block, or the end of the agent.
#[pyclass(frozen, module = "swarmbus")]
pub struct Lock {
    handle: Arc<Handle>,
    name: String,
    mode: LockMode,
    token: u64,
    raw: Gil<Cell<Option<RawLock>>>,
}

impl Lock {
    fn new(handle: &Arc<Handle>, name: &str, mode: LockMode, raw: RawLock) -> Lock {
        let [_, _, token] = raw.numbers();
        Lock { handle: Arc::clone(handle), name: name.to_owned(), mode, token, raw: Gil::new(Cell::new(Some(raw))) }
    }

    #[cold]
    fn gone(&self, py: Python<'_>) -> PyErr {
        exception(py, "Released", format!("the lock {:?} was released, or its agent closed: take it again", self.name))
    }

    /// Lets go of it; `false`: it was not held any more.
    fn let_go(&self, py: Python<'_>) -> PyResult<bool> {
        let agent = self.handle.agent_for_ending(py)?;
        let Some((raw, agent)) = self.raw.get(py).take().zip(agent) else { return Ok(false) };
        LockGuard::from_raw(&agent, raw).and_then(LockGuard::release).raise(py)?;
        Ok(true)
    }
}

#[pymethods]
impl Lock {
    /// The name as it was asked for.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Whether others may share it.
    #[getter]
    fn shared(&self) -> bool {
        self.mode == LockMode::Shared
    }

    /// The fencing token: it rises with every grant of any lock of the bus. What the lock protects can refuse a lower one
    /// than it has seen: from a holder that was stopped and comes too late.
    #[getter]
    fn token(&self) -> u64 {
        self.token
    }

    /// Whether it was released, or its agent closed.
    #[getter]
    fn released(&self, py: Python<'_>) -> bool {
        self.raw.get(py).get().is_none() || !self.handle.is_attached(py)
    }

    /// Let go of it. Raises Released if that was done before.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        if self.let_go(py)? { Ok(()) } else { Err(self.gone(py)) }
    }

    fn __enter__(slf: Py<Self>, py: Python<'_>) -> PyResult<Py<Self>> {
        slf.get().handle.check(py)?;
        if slf.get().released(py) {
            return Err(slf.get().gone(py));
        }
        Ok(slf)
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, py: Python<'_>, raised: &Bound<'_, PyTuple>) -> PyResult<()> {
        let _ = raised;
        self.let_go(py).map(drop)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let released = if self.released(py) { ", released" } else { "" };
        let shared = if self.shared() { "shared, " } else { "" };
        format!("<swarmbus.Lock {:?} of '{}': {shared}token {}{released}>", self.name, self.handle.name(), self.token)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(raw) = self.raw.get_mut().take() {
            // SAFETY: objects are freed with the interpreter's lock held.
            self.handle.end_anywhere(unsafe { token() }, Left::Lock(raw));
        }
    }
}
