//! Questions and answers: `call`, `call_stream`, and `Answers`.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use swarmbus_core::MessageId;

use crate::agent::Agent;
use crate::arguments::{self, How, Payload};
use crate::ending::{Fate, Left};
use crate::error::Raise;
use crate::gil::{Gil, token};
use crate::handle::Handle;
use crate::message::Message;

#[pymethods]
impl Agent {
    /// Send a question and wait for its answer, which is a Message to be released like any other.
    ///
    /// `timeout` covers both. Raises what ``send`` raises, Timeout when nobody answered in time (a late answer is
    /// dropped), and BrokenAnswer when the answer comes in parts: ask with ``call_stream`` then. An answer belongs to the
    /// trace of its question, which `traceparent` names.
    #[pyo3(signature = (to, data, *, lane="normal", timeout=None, content=None, time_to_live=None, traceparent=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python face")]
    fn call(
        &self,
        py: Python<'_>,
        to: &str,
        data: &Bound<'_, PyAny>,
        lane: &str,
        timeout: Option<f64>,
        content: Option<&str>,
        time_to_live: Option<f64>,
        traceparent: Option<&str>,
    ) -> PyResult<Message> {
        let agent = self.handle.agent(py)?;
        let (payload, content) = Payload::with_content(data, content)?;
        let options = How { lane, timeout, content, time_to_live, traceparent, ..How::default() }.options(py)?;
        let to = self.address(py, to)?;
        let bytes = payload.bytes();
        let answer = self.handle.wait(&agent, |agent, interrupted| agent.call_until(&to, bytes, &options, interrupted));
        Ok(Message::new(&self.handle, answer?.raise(py)?))
    }

    /// Send a question whose answer may come in parts; returns an ``Answers``, which is an iterator over them.
    ///
    /// `timeout` covers the sending, and then each part in a loop. Any number of questions may be open at a time.
    #[pyo3(signature = (to, data, *, lane="normal", timeout=None, content=None, time_to_live=None, traceparent=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python face")]
    fn call_stream(
        &self,
        py: Python<'_>,
        to: &str,
        data: &Bound<'_, PyAny>,
        lane: &str,
        timeout: Option<f64>,
        content: Option<&str>,
        time_to_live: Option<f64>,
        traceparent: Option<&str>,
    ) -> PyResult<Answers> {
        let agent = self.handle.agent(py)?;
        let (payload, content) = Payload::with_content(data, content)?;
        let options = How { lane, timeout, content, time_to_live, traceparent, ..How::default() }.options(py)?;
        let to = self.address(py, to)?;
        let bytes = payload.bytes();
        let asked =
            self.handle.wait(&agent, |agent, interrupted| agent.call_stream_until(&to, bytes, &options, interrupted));
        let question = asked?.raise(py)?.into_raw();
        let (state, timeout) = (State { open: Cell::new(true), turn: RefCell::new(None) }, options.timeout);
        Ok(Answers { handle: Arc::clone(&self.handle), question, timeout, state: Gil::new(state) })
    }
}

struct State {
    open: Cell<bool>,
    turn: RefCell<Option<Py<Message>>>,
}

/// The answer to a question, part after part; made by ``Agent.call_stream``.
///
/// In a loop a turn's part is released when the next one is asked for. Closed before its end, by ``close()``, ``with`` or
/// being dropped, the parts that come later are dropped.
#[pyclass(frozen, module = "swarmbus")]
pub struct Answers {
    handle: Arc<Handle>,
    question: MessageId,
    timeout: Option<Duration>,
    state: Gil<State>,
}

impl Answers {
    fn next_part(&self, py: Python<'_>, timeout: Option<Duration>) -> PyResult<Option<Message>> {
        let agent = self.handle.agent(py)?;
        if !self.state.get(py).open.get() {
            return Ok(None);
        }
        let question = self.question;
        let part = self.handle.wait(&agent, |agent, interrupted| {
            let mut answers = agent.answers_from_raw(question);
            let part = answers.next_until(timeout, interrupted);
            answers.into_raw();
            part
        })?;
        Ok(part.raise(py)?.map(|part| Message::new(&self.handle, part)))
    }
}

#[pymethods]
impl Answers {
    /// The id of the question.
    #[getter]
    fn question(&self) -> u64 {
        self.question.0
    }

    /// The next part, or None after the last one. `timeout` is in seconds; None waits for ever.
    ///
    /// Raises Timeout (the answer goes on: ask again), and BrokenAnswer if a part was lost or the answer began anew.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Message>> {
        self.next_part(py, arguments::timeout(py, timeout)?)
    }

    /// Want no more of it. Closing twice does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(agent) = self.handle.agent_for_ending(py)?
            && self.state.get(py).open.replace(false)
        {
            drop(agent.answers_from_raw(self.question));
        }
        Ok(())
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<Message>>> {
        let turn = self.state.get(py).turn.take();
        if let Some((turn, agent)) = turn.zip(self.handle.agent_for_ending(py)?) {
            turn.get().end_with_last_view(py, &agent, Fate::Release)?;
        }
        let Some(part) = self.next_part(py, self.timeout)? else { return Ok(None) };
        let part = Py::new(py, part)?;
        self.state.get(py).turn.replace(Some(part.clone_ref(py)));
        Ok(Some(part))
    }

    fn __enter__(slf: Py<Self>, py: Python<'_>) -> PyResult<Py<Self>> {
        slf.get().handle.agent(py)?;
        Ok(slf)
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, py: Python<'_>, raised: &Bound<'_, PyTuple>) -> PyResult<()> {
        let _ = raised;
        self.close(py)
    }

    fn __repr__(&self) -> String {
        format!("<swarmbus.Answers to question {} of '{}'>", self.question.0, self.handle.name())
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if self.state.get_mut().open.get() {
            // SAFETY: objects are freed with the interpreter's lock held.
            self.handle.end_anywhere(unsafe { token() }, Left::Answers(self.question));
        }
    }
}
