//! What an agent does with whole queues: emptied, dead letters sent again, tapped.

use pyo3::prelude::*;

use crate::agent::Agent;
use crate::error::Raise;

#[pymethods]
impl Agent {
    /// Drop everything that waits in the mailbox, or in the queue `queue`; returns how many messages that were.
    #[pyo3(signature = (queue=None))]
    fn purge(&self, py: Python<'_>, queue: Option<&str>) -> PyResult<u64> {
        let agent = self.handle.agent(py)?;
        let queue = self.address(py, queue.unwrap_or(self.handle.name()))?;
        agent.purge(&queue).raise(py)
    }

    /// Send dead letters back to the queues they were sent to, their deliveries counted anew; returns how many went.
    ///
    /// `most` at the most. What was put into `dead_letters` directly stays. Stops at a queue that is full.
    #[pyo3(signature = (dead_letters, most=None))]
    fn redrive(&self, py: Python<'_>, dead_letters: &str, most: Option<u64>) -> PyResult<u64> {
        let agent = self.handle.agent(py)?;
        agent.redrive(&self.address(py, dead_letters)?, most.unwrap_or(u64::MAX)).raise(py)
    }

    /// Get a copy of every message that is sent to `queue` from now on; its consumers notice nothing.
    ///
    /// ``msg.tapped`` names the queue of a copy. A copy never delays a message: one that finds this mailbox full is missed.
    /// One queue at a time; ends with ``untap`` or with the agent. Raises AgentBusy if another taps it already.
    fn tap(&self, py: Python<'_>, queue: &str) -> PyResult<()> {
        self.handle.agent(py)?.tap(&self.address(py, queue)?).raise(py)
    }

    /// End the tap, if there is one. Copies that came before stay in the mailbox.
    fn untap(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.agent(py)?.untap().raise(py)
    }
}
