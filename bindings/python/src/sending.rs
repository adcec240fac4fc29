//! Sending: one message, a batch, a loan.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyRange, PyString};
use swarmbus_core::{Agent as CoreAgent, BatchError, ContentType, Error, Loan as CoreLoan, MessageId, SendOptions};

use crate::agent::Agent;
use crate::arguments::{How, Payload};
use crate::bytes::COPY_UNDER_LOCK_BYTES;
use crate::error::{Raise, invalid_argument, mirror};
use crate::gil::detached;
use crate::loan::Loan;

/// The same without a wait.
pub fn at_once(options: &SendOptions) -> SendOptions {
    SendOptions { timeout: Some(Duration::ZERO), ..options.clone() }
}

/// Whether it is worth to wait: an attempt that did not wait found no room.
pub fn is_to_wait(error: &Error, timeout: Option<Duration>) -> bool {
    // (A deduplication key is busy for a moment: that is a time-out.)
    matches!(error, Error::Full { .. } | Error::Timeout) && timeout != Some(Duration::ZERO)
}

#[pymethods]
impl Agent {
    /// Send a copy of `data` to a mailbox or queue; returns the message's id.
    ///
    /// `data` is any C-contiguous buffer: bytes, bytearray, memoryview, array, NumPy array; or a dict, a list or a dataclass
    /// object, which is sent as JSON. `content` tells the receiver what the bytes are ("bytes", "json", "rkyv"). With the queue
    /// full, `timeout=None` waits for room, a number waits that many seconds, 0 raises Full at once.
    /// After `time_to_live` seconds the message is a dead letter if nobody has taken it. `key`, a number or a name, makes
    /// sending it again harmless: the queue accepts one message of a key, and of another the id is 0. `traceparent` is the W3C
    /// trace context to which the message belongs.
    /// Raises UnknownAgent, Full, Timeout, Closed, TooLarge, OutOfMemory, HandedOver.
    #[pyo3(signature = (to, data, *, lane="normal", timeout=None, correlation=0, content=None, time_to_live=None, key=None, traceparent=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python face")]
    fn send(
        &self,
        py: Python<'_>,
        to: &str,
        data: &Bound<'_, PyAny>,
        lane: &str,
        timeout: Option<f64>,
        correlation: u64,
        content: Option<&str>,
        time_to_live: Option<f64>,
        key: Option<&Bound<'_, PyAny>>,
        traceparent: Option<&str>,
    ) -> PyResult<u64> {
        let agent = self.handle.agent(py)?;
        let (payload, content) = Payload::with_content(data, content)?;
        let options = How { lane, timeout, correlation, content, time_to_live, key, traceparent }.options(py)?;
        let (bytes, to) = (payload.bytes(), self.address(py, to)?);
        if bytes.len() <= COPY_UNDER_LOCK_BYTES {
            // Where there is room nothing waits, and the interpreter's lock stays.
            match agent.send(&to, bytes, &at_once(&options)) {
                Ok(id) => return Ok(id.0),
                Err(error) if is_to_wait(&error, options.timeout) => {}
                Err(error) => return Err(mirror(py, &error)),
            }
        }
        let sent = self.handle.wait(&agent, |agent, interrupted| agent.send_until(&to, bytes, &options, interrupted));
        Ok(sent?.raise(py)?.0)
    }

    /// Send several messages as one batch: all of them or none, one after the other, 1024 at most; returns their ids.
    ///
    /// A batch counts as one message towards the limit of its lane and goes to one consumer. The options are those of
    /// ``send``; a batch has one `key`, and no ids if the queue has accepted that before.
    #[pyo3(signature = (to, messages, *, lane="normal", timeout=None, correlation=0, content=None, time_to_live=None, key=None, traceparent=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python face")]
    fn send_many<'py>(
        &self,
        py: Python<'py>,
        to: &str,
        messages: &Bound<'py, PyAny>,
        lane: &str,
        timeout: Option<f64>,
        correlation: u64,
        content: Option<&str>,
        time_to_live: Option<f64>,
        key: Option<&Bound<'py, PyAny>>,
        traceparent: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let agent = self.handle.agent(py)?;
        let (payloads, content) = payloads(messages, content)?;
        let options = How { lane, timeout, correlation, content, time_to_live, key, traceparent }.options(py)?;
        let to = self.address(py, to)?;
        let parts: Vec<&[u8]> = payloads.iter().map(Payload::bytes).collect();
        let loans = if parts.iter().map(|part| part.len()).sum::<usize>() <= COPY_UNDER_LOCK_BYTES {
            copied(&agent, &parts)
        } else {
            detached(py, || copied(&agent, &parts))
        };
        let sent = match agent.publish_batch(&to, loans.raise(py)?, &at_once(&options)) {
            Err(BatchError { error, loans }) if is_to_wait(&error, options.timeout) => {
                self.handle.wait(&agent, |agent, interrupted| {
                    agent.publish_batch_until(&to, loans, &options, interrupted).map_err(|refused| refused.error)
                })?
            }
            result => result.map_err(|refused| refused.error),
        };
        ids(py, &sent.raise(py)?)
    }

    /// Borrow a chunk of `length` bytes of shared memory, to write a message in place and publish it.
    ///
    /// Raises TooLarge and OutOfMemory.
    fn loan(&self, py: Python<'_>, length: usize) -> PyResult<Loan> {
        let agent = self.handle.agent(py)?;
        let loan = agent.loan(length).raise(py)?;
        Ok(Loan::new(&self.handle, loan))
    }
}

fn copied<'a>(agent: &'a CoreAgent, parts: &[&[u8]]) -> Result<Vec<CoreLoan<'a>>, Error> {
    let copy = |part: &&[u8]| {
        let mut loan = agent.loan(part.len())?;
        loan.copy_from_slice(part);
        Ok(loan)
    };
    parts.iter().map(copy).collect()
}

/// The bytes of all messages of a batch, which are of one content type.
fn payloads<'py>(messages: &Bound<'py, PyAny>, content: Option<&str>) -> PyResult<(Vec<Payload<'py>>, ContentType)> {
    let py = messages.py();
    if messages.is_instance_of::<PyString>() || messages.is_instance_of::<PyDict>() || messages.hasattr("__buffer__")? {
        let kind = messages.get_type().name()?;
        return Err(invalid_argument(
            py,
            format!("messages={kind} is one message: give a list or another iterable of them"),
        ));
    }
    let mut of_all = None;
    let mut add = |message: &Bound<'py, PyAny>| {
        let (payload, content) = Payload::with_content(message, content)?;
        if *of_all.get_or_insert(content) != content {
            let what =
                "messages are bytes and JSON at once: all of a batch are of one content type; send several batches";
            return Err(invalid_argument(py, what.to_owned()));
        }
        Ok(payload)
    };
    let payloads = match messages.cast::<PyList>() {
        Ok(list) => list.iter().map(|message| add(&message)).collect::<PyResult<Vec<_>>>()?,
        Err(_) => messages.try_iter()?.map(|message| add(&message?)).collect::<PyResult<Vec<_>>>()?,
    };
    Ok((payloads, of_all.unwrap_or_default()))
}

/// The ids of a batch: numbers that follow one another, nearly always, and so a range.
fn ids<'py>(py: Python<'py>, ids: &[MessageId]) -> PyResult<Bound<'py, PyAny>> {
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(PyList::empty(py).into_any()) };
    if first.is_duplicate() {
        return Ok(PyList::empty(py).into_any());
    }
    if ids.windows(2).all(|two| two[0].0 + 1 == two[1].0)
        && let (Ok(start), Ok(stop)) = (isize::try_from(first.0), isize::try_from(last.0 + 1))
    {
        return Ok(PyRange::new(py, start, stop)?.into_any());
    }
    Ok(PyList::new(py, ids.iter().map(|id| id.0))?.into_any())
}
