//! What can be done with a message beside releasing it: answered, put off, forwarded, kept.

use pyo3::prelude::*;
use swarmbus_core::{Error, Message as CoreMessage, RawMessage};

use crate::arguments::{self, Payload, name_on, seconds};
use crate::ending::Fate;
use crate::error::{Raise, mirror};
use crate::handle::Using;
use crate::loan::Loan;
use crate::message::Message;

/// The core's message, for a call that does not end it: taken apart again afterwards.
fn with_message<'a, T>(
    agent: &'a Using<'_, '_>,
    raw: RawMessage,
    call: impl FnOnce(&CoreMessage<'a>) -> T,
) -> swarmbus_core::Result<T> {
    // SAFETY: the Python object keeps the raw message and does nothing with it before this one is a raw message again.
    let message = unsafe { CoreMessage::from_raw(agent, raw) }?;
    let value = call(&message);
    message.into_raw();
    Ok(value)
}

#[pymethods]
impl Message {
    /// Answer a question that came by ``Agent.call`` or ``Agent.call_stream``; returns the answer's id.
    ///
    /// After ``reply_part`` it is the last part. Never waits, and does not end the message: release it afterwards.
    /// Raises InvalidArgument if the sender has no mailbox, TooLarge, OutOfMemory, Closed.
    #[pyo3(signature = (data, *, content=None))]
    fn reply(&self, py: Python<'_>, data: &Bound<'_, PyAny>, content: Option<&str>) -> PyResult<u64> {
        let agent = self.handle().agent(py)?;
        let (payload, content) = Payload::with_content(data, content)?;
        let sent = with_message(&agent, self.borrow(py)?, |message| message.reply(payload.bytes(), content));
        Ok(sent.raise(py)?.raise(py)?.0)
    }

    /// Answer a question in part; more parts follow, and a ``reply`` at last. Who asked reads them by ``Agent.call_stream``.
    ///
    /// Waits while the asker is far behind; `timeout` as for ``Agent.send``. Raises Closed if the asker is gone.
    #[pyo3(signature = (data, *, timeout=None, content=None))]
    fn reply_part(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        content: Option<&str>,
    ) -> PyResult<u64> {
        let agent = self.handle().agent(py)?;
        let (payload, content) = Payload::with_content(data, content)?;
        let timeout = arguments::timeout(py, timeout)?;
        // Pinned as by a view for the time of the call, so that a signal handler that runs during the wait can't end it.
        let raw = self.pin(py)?;
        let bytes = payload.bytes();
        let sent = self.handle().wait(&agent, |agent, interrupted| {
            // SAFETY: nothing ends the message while it is pinned, and this one is a raw message again afterwards.
            let message = unsafe { CoreMessage::from_raw(agent, raw) }?;
            let sent = message.reply_part_until(bytes, content, timeout, interrupted);
            message.into_raw();
            sent
        });
        self.drop_view(py);
        Ok(sent?.raise(py)?.0)
    }

    /// Pass the message on to another mailbox or queue without a copy: same id, sender and lane, deliveries counted anew.
    ///
    /// A crash leaves it in exactly one of the two. Raises BufferError while views of it are held, and what ``Agent.send``
    /// raises; the message is then still there.
    #[pyo3(signature = (to, *, timeout=None))]
    fn forward(&self, py: Python<'_>, to: &str, timeout: Option<f64>) -> PyResult<()> {
        let agent = self.handle().agent(py)?;
        let timeout = arguments::timeout(py, timeout)?;
        let name = name_on(py, self.handle().bus(), to)?;
        let to = name.as_deref().unwrap_or(to);
        let raw = self.take_to_end(py, Fate::Forward)?;
        let mut back = Some(raw);
        let forwarded = self.handle().wait(&agent, |agent, interrupted| {
            // SAFETY: the object has given the raw message up; if it is not forwarded it gets it back.
            let message = unsafe { CoreMessage::from_raw(agent, raw) }?;
            back = None;
            message.forward_until(to, timeout, interrupted).map_err(|refused| {
                back = Some(refused.message.into_raw());
                refused.error
            })
        });
        self.finish(py, forwarded.and_then(|result| result.raise(py)), back)
    }

    /// Take the message out of the bus's care: it won't come back if this process dies. What it holds is a ``Loan`` now, to
    /// be changed and published again.
    ///
    /// Raises BufferError while views of it are held, and Released if it has ended already.
    fn detach(&self, py: Python<'_>) -> PyResult<Loan> {
        let agent = self.handle().agent(py)?;
        let raw = self.take_to_end(py, Fate::Detach)?;
        // SAFETY: the object has given the raw message up.
        let message = unsafe { CoreMessage::from_raw(&agent, raw) };
        let loan = message.and_then(CoreMessage::detach).raise(py)?;
        Ok(Loan::new(self.handle(), loan))
    }
}

impl Message {
    /// Gives it back to its queue, to be taken after `delay`.
    pub fn put_off(&self, py: Python<'_>, delay: f64) -> PyResult<()> {
        let delay = seconds(py, "delay", delay)?;
        let agent = self.handle().agent(py)?;
        let raw = self.take_to_end(py, Fate::Nack)?;
        // SAFETY: the object has given the raw message up; if it is not put off it gets it back.
        let message = unsafe { CoreMessage::from_raw(&agent, raw) }.raise(py)?;
        match message.nack_after(delay) {
            Ok(()) => Ok(()),
            Err(refused) => {
                let error: Error = refused.error;
                self.finish(py, Err(mirror(py, &error)), Some(refused.message.into_raw()))
            }
        }
    }

    fn finish(&self, py: Python<'_>, result: PyResult<()>, back: Option<RawMessage>) -> PyResult<()> {
        if let Some(raw) = back {
            self.put_back(py, raw);
        }
        result
    }
}
