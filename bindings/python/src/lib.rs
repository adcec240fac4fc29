//! The Python face of Swarmbus: the extension module `swarmbus._swarmbus`.
//!
//! The package in `python/swarmbus` re-exports what is defined here and adds the exception classes and the records
//! that observers return.
//!
//! - `bus`, `agent`, `message` (and its `verbs`), `loan`, `sample`: a Python class each;
//! - `handle`, `gil`, `threads`, `ending`, `reader`: what the Python objects of one agent share, and the rules of thread, fork and closing;
//! - `sending`, `receiving`, `answers`, `subscription`, `locks`, `board`, `queues`, `descriptor`: what an agent does, a topic each;
//! - `arguments`, `bytes`: sizes, time-outs, names and buffers as Python users write them;
//! - `error`: from the core's errors to the exception classes.

mod agent;
mod answers;
mod arguments;
mod board;
mod bus;
mod bytes;
mod descriptor;
mod ending;
mod error;
mod gil;
mod handle;
mod info;
mod loan;
mod locks;
mod message;
mod queues;
mod reader;
mod receiving;
mod sample;
mod sending;
mod subscription;
mod threads;
mod verbs;

use pyo3::prelude::*;

/// The compiled half of the package `swarmbus`.
#[pymodule(gil_used = true)]
mod _swarmbus {
    #[pymodule_export]
    use crate::agent::Agent;
    #[pymodule_export]
    use crate::answers::Answers;
    #[pymodule_export]
    use crate::bus::{Bus, buses, connect, open, remove};
    #[pymodule_export]
    use crate::descriptor::Descriptor;
    #[pymodule_export]
    use crate::error::error_codes;
    #[pymodule_export]
    use crate::loan::Loan;
    #[pymodule_export]
    use crate::locks::Lock;
    #[pymodule_export]
    use crate::message::Message;
    #[pymodule_export]
    use crate::receiving::Messages;
    #[pymodule_export]
    use crate::sample::Sample;
    #[pymodule_export]
    use crate::subscription::Subscription;
    use pyo3::prelude::*;

    /// The id of the schema that has a name, as ``"acme.task/1"``: what ``Message.schema`` says of its messages.
    #[pyfunction]
    fn schema_id(name: &str) -> u64 {
        swarmbus_core::schema_id(name)
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::threads::watch_forks();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
