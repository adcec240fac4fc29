//! From the core's errors to the exception classes of `swarmbus._errors`.
//!
//! The classes are written in Python, where their bases (`TimeoutError`, `LookupError`, …) and attributes read best;
//! here they are looked up by the core's own name for the error, so a new variant needs a class and nothing else.

use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use swarmbus_core::Error;

static CLASSES: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// The code and name of every error of the core; a test compares them with the classes.
#[pyfunction]
pub fn error_codes() -> Vec<(i32, &'static str)> {
    Error::NAMES.to_vec()
}

/// An exception of the class `name` with nothing but its text: for what only these bindings can say.
pub fn exception(py: Python<'_>, name: &str, text: String) -> PyErr {
    match instance(py, name, text) {
        Ok(value) => PyErr::from_value(value),
        Err(error) => error,
    }
}

/// An argument whose value makes no sense: the text says which, why, and what would.
pub fn invalid_argument(py: Python<'_>, text: String) -> PyErr {
    exception(py, "InvalidArgument", text)
}

/// Something that would invalidate views which are still held.
pub fn views_held(text: String) -> PyErr {
    PyBufferError::new_err(text)
}

/// Turns the core's results into Python's.
pub trait Raise<T> {
    /// The value, or the exception that mirrors the error.
    fn raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> Raise<T> for swarmbus_core::Result<T> {
    #[inline]
    fn raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| mirror(py, &error))
    }
}

/// The exception that mirrors `error`, with its attributes.
#[cold]
pub fn mirror(py: Python<'_>, error: &Error) -> PyErr {
    match mirrored(py, error) {
        Ok(value) => PyErr::from_value(value),
        Err(error) => error,
    }
}

fn mirrored<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let value = instance(py, error.name(), error.to_string())?;
    match error {
        Error::Full { queue, limit } => {
            value.setattr("queue", queue)?;
            value.setattr("limit", limit)?;
        }
        Error::Closed { what } => value.setattr("what", what)?,
        Error::UnknownAgent { name, bus } => {
            value.setattr("name", name)?;
            value.setattr("bus", bus)?;
        }
        Error::AgentBusy { name, pid } | Error::HandedOver { name, pid } => {
            value.setattr("name", name)?;
            value.setattr("pid", pid)?;
        }
        Error::TooLarge { length, limit } => {
            value.setattr("length", length)?;
            value.setattr("limit", limit)?;
        }
        Error::OutOfMemory { wanted } => value.setattr("wanted", wanted)?,
        Error::InvalidName { name, reason } => {
            value.setattr("name", name)?;
            value.setattr("reason", reason)?;
        }
        Error::BusExists { bus }
        | Error::UnknownBus { bus }
        | Error::NotReady { bus }
        | Error::WrongBoot { bus }
        | Error::ForeignNamespace { bus } => value.setattr("bus", bus)?,
        Error::WrongVersion { bus, found, expected, made_by } => {
            value.setattr("bus", bus)?;
            value.setattr("found", found)?;
            value.setattr("expected", expected)?;
            value.setattr("made_by", made_by)?;
        }
        Error::Permission { bus, reason } => {
            value.setattr("bus", bus)?;
            value.setattr("reason", reason)?;
        }
        Error::Corrupt { at, invariant } => {
            value.setattr("at", at)?;
            value.setattr("invariant", invariant)?;
        }
        Error::TooManyAgents { limit } => value.setattr("limit", limit)?,
        Error::Locked { name, held, holder, pid } => {
            value.setattr("name", name)?;
            value.setattr("held", held)?;
            value.setattr("holder", holder)?;
            value.setattr("pid", pid)?;
        }
        Error::WrongKind { name, .. } => value.setattr("name", name)?,
        Error::System { errno, .. } => value.setattr("errno", errno)?,
        _ => {}
    }
    Ok(value)
}

fn instance<'py>(py: Python<'py>, name: &str, text: String) -> PyResult<Bound<'py, PyAny>> {
    let module = CLASSES.get_or_try_init(py, || py.import("swarmbus._errors").map(Bound::unbind))?.bind(py);
    // A core newer than the classes still raises something that `except swarmbus.Error` catches.
    let class = module.getattr(name).or_else(|_| module.getattr("Error"))?;
    class.call1((text,))
}
