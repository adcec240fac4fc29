//! What an agent says of itself: status, roles, tags, and a sign of life. What it sees of others is `Bus`'s.

use pyo3::prelude::*;
use swarmbus_core::{AgentState, Status};

use crate::agent::Agent;
use crate::error::{Raise, invalid_argument};
use crate::info;

fn state(py: Python<'_>, text: &str) -> PyResult<AgentState> {
    AgentState::parse(text).ok_or_else(|| {
        let known = "idle, waiting_for_dependencies, in_progress, completed, blocked";
        invalid_argument(py, format!("state={text:?} does not exist: the states are {known}"))
    })
}

#[pymethods]
impl Agent {
    /// Say what this agent does, for whoever looks (``bus.status_of``, ``bus.statuses``, ``swarmbus status``).
    ///
    /// Replaces what was said before, all of it: see ``update_status``. `state` is "idle", "waiting_for_dependencies",
    /// "in_progress", "completed" or "blocked"; `done` of `total` goals; `task` and `note` are texts; `blockers` say what
    /// keeps it from going on. It stays when the agent leaves. Raises InvalidArgument if it is too long.
    #[pyo3(signature = (state, *, done=0, total=0, task="", note="", blockers=Vec::new()))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python face")]
    fn set_status(
        &self,
        py: Python<'_>,
        state: &str,
        done: u32,
        total: u32,
        task: &str,
        note: &str,
        blockers: Vec<String>,
    ) -> PyResult<()> {
        let (state, task, note) = (self::state(py, state)?, task.to_owned(), note.to_owned());
        let status = Status { state, done, total, task, note, blockers, ..Status::default() };
        self.handle.agent(py)?.set_status(&status).raise(py)
    }

    /// Change some of what this agent says of itself; the rest stays as it was said last. The arguments are those of
    /// ``set_status``.
    #[pyo3(signature = (state=None, *, done=None, total=None, task=None, note=None, blockers=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python face")]
    fn update_status(
        &self,
        py: Python<'_>,
        state: Option<&str>,
        done: Option<u32>,
        total: Option<u32>,
        task: Option<String>,
        note: Option<String>,
        blockers: Option<Vec<String>>,
    ) -> PyResult<()> {
        let state = state.map(|state| self::state(py, state)).transpose()?;
        let change = |status: &mut Status| {
            status.state = state.unwrap_or(status.state);
            status.done = done.unwrap_or(status.done);
            status.total = total.unwrap_or(status.total);
            task.into_iter().for_each(|task| status.task = task);
            note.into_iter().for_each(|note| status.note = note);
            blockers.into_iter().for_each(|blockers| status.blockers = blockers);
        };
        self.handle.agent(py)?.update_status(change).raise(py)
    }

    /// What was said of this agent last, by itself or by who had its name before: a Status, or None.
    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let status = self.handle.agent(py)?.status().raise(py)?;
        status.map(|status| info::status(py, &status)).transpose()
    }

    /// Give a sign of life, for who wants to tell an agent that works from one that hangs.
    fn beat(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.agent(py)?.beat().raise(py)
    }

    /// Take a role: from now on ``recv`` and loops take from the work queue ``@role`` as well.
    ///
    /// Any number of agents may have a role; each message sent to ``"@role"`` goes to one of them.
    fn take_role(&self, py: Python<'_>, role: &str) -> PyResult<()> {
        self.handle.agent(py)?.take_role(role).raise(py)
    }

    /// Give a role up; False if it did not have it.
    fn drop_role(&self, py: Python<'_>, role: &str) -> PyResult<bool> {
        self.handle.agent(py)?.drop_role(role).raise(py)
    }

    /// The roles that it has.
    #[getter]
    fn roles(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.handle.agent(py)?.roles())
    }

    /// Say what this agent is or has, for who looks for such agents (``bus.agents(tag=...)``). Replaces what it said before.
    fn set_tags(&self, py: Python<'_>, tags: Vec<String>) -> PyResult<()> {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        self.handle.agent(py)?.set_tags(&tags).raise(py)
    }

    /// Its tags.
    #[getter]
    fn tags(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.handle.agent(py)?.tags())
    }
}
