//! The Python face of Swarmbus: the extension module `swarmbus._swarmbus`.
//!
//! The package in `python/swarmbus` re-exports what is defined here and adds the exception classes and the records
//! that observers return. One file per Python class, and:
//!
//! - `handle`: what the Python objects of one agent share, and the rules of thread, fork and closing;
//! - `arguments`: sizes, time-outs, names and buffers as Python users write them;
//! - `error`: from the core's errors to the exception classes.

mod agent;
mod arguments;
mod bus;
mod error;
mod handle;
mod info;
mod loan;
mod message;

use pyo3::prelude::*;

/// The compiled half of the package `swarmbus`.
#[pymodule(gil_used = true)]
mod _swarmbus {
    #[pymodule_export]
    use crate::agent::{Agent, Messages};
    #[pymodule_export]
    use crate::bus::{Bus, buses, connect, open};
    #[pymodule_export]
    use crate::error::error_codes;
    #[pymodule_export]
    use crate::loan::Loan;
    #[pymodule_export]
    use crate::message::Message;
    use pyo3::prelude::*;

    /// The id of the schema that has a name, as ``"acme.task/1"``: what ``Message.schema`` says of its messages.
    #[pyfunction]
    fn schema_id(name: &str) -> u64 {
        swarmbus_core::schema_id(name)
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::handle::watch_forks();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
