//! Topics: `Agent.publish`, `Agent.subscribe`, and `Subscription`.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyString};
use swarmbus_core::{Error, PublishOptions, Sample as CoreSample, StartAt, Subscription as CoreSubscription};

use crate::agent::Agent;
use crate::arguments::{self, Payload};
use crate::bytes::{self, COPY_UNDER_LOCK_BYTES};
use crate::ending::Left;
use crate::error::{Raise, invalid_argument, mirror, views_held};
use crate::gil::token;
use crate::handle::{Handle, Using};
use crate::reader::{Reader, closed};
use crate::sample::{About, Sample};

#[pymethods]
impl Agent {
    /// Publish a copy of `data` in a topic: everybody who subscribes reads that one copy.
    ///
    /// Returns its place in the order of the topic, counted from 0; None if a subscriber left no room and the topic drops
    /// messages then. With back-pressure `timeout` says how long to wait for slow subscribers: None for ever, 0 not at all.
    /// Raises UnknownAgent (no such topic), WrongKind, Full, Timeout, TooLarge, OutOfMemory, Closed, HandedOver.
    #[pyo3(signature = (topic, data, *, timeout=None, correlation=0, content=None, traceparent=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python face")]
    fn publish(
        &self,
        py: Python<'_>,
        topic: &str,
        data: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        correlation: u64,
        content: Option<&str>,
        traceparent: Option<&str>,
    ) -> PyResult<Option<u64>> {
        let agent = self.handle.agent(py)?;
        let (payload, content) = Payload::with_content(data, content)?;
        let (timeout, trace) = (arguments::timeout(py, timeout)?, arguments::trace(py, traceparent)?);
        let (bytes, topic) = (payload.bytes(), self.address(py, topic)?);
        let options = |timeout| PublishOptions { timeout, correlation, content, trace };
        if bytes.len() <= COPY_UNDER_LOCK_BYTES {
            match agent.publish(&topic, bytes, &options(Some(Duration::ZERO))) {
                Ok(published) => return Ok(published.position),
                Err(Error::Full { .. }) if timeout != Some(Duration::ZERO) => {}
                Err(error) => return Err(mirror(py, &error)),
            }
        }
        let published = self
            .handle
            .wait(&agent, |agent, interrupted| agent.publish_until(&topic, bytes, &options(timeout), interrupted));
        Ok(published?.raise(py)?.position)
    }

    /// Subscribe to a topic: from now on publishers wait for this subscriber, or drop messages, as the topic's policy is.
    ///
    /// `start` is "now", "retained" (what the topic keeps for late joiners), or how many of the last messages. An agent
    /// subscribes to a topic once at a time.
    #[pyo3(signature = (topic, *, start=None))]
    fn subscribe(&self, py: Python<'_>, topic: &str, start: Option<&Bound<'_, PyAny>>) -> PyResult<Subscription> {
        let agent = self.handle.agent(py)?;
        let start = start.map_or(Ok(StartAt::Now), start_at)?;
        let subscription = agent.subscribe(&self.address(py, topic)?, start).raise(py)?;
        let name = subscription.topic();
        let reader = Arc::new(Reader::new(subscription));
        self.handle.keep_reader(py, &reader);
        Ok(Subscription { handle: Arc::clone(&self.handle), topic: name, reader })
    }

    /// Take out of a topic the messages that every subscriber has read and that are not retained; returns how many.
    fn trim(&self, py: Python<'_>, topic: &str) -> PyResult<u64> {
        self.handle.agent(py)?.trim(&self.address(py, topic)?).raise(py)
    }
}

fn start_at(start: &Bound<'_, PyAny>) -> PyResult<StartAt> {
    let py = start.py();
    let wrong = || {
        invalid_argument(py, format!("start={start} is no start: give \"now\", \"retained\" or a number of messages"))
    };
    if let Ok(text) = start.cast::<PyString>() {
        return match text.to_str()? {
            "now" => Ok(StartAt::Now),
            "retained" => Ok(StartAt::Retained),
            _ => Err(wrong()),
        };
    }
    if start.is_instance_of::<PyBool>() {
        return Err(wrong());
    }
    match start.extract::<u32>() {
        Ok(count) => Ok(StartAt::Last(count)),
        Err(error) if error.is_instance_of::<PyTypeError>(py) => Err(error),
        Err(_) => Err(wrong()),
    }
}

/// A subscription to a topic; made by ``Agent.subscribe``.
///
/// It gets every message once and in order, unless the topic is lossy: then ``sample.missed`` tells how many were missed. A
/// sample is read in place and done with when the next one is asked for, so views of it have to be released by then.
/// ``for sample in subscription`` loops over them. Publishers may wait for this subscriber: read, or close it.
#[pyclass(frozen, module = "swarmbus")]
pub struct Subscription {
    handle: Arc<Handle>,
    topic: String,
    reader: Arc<Reader>,
}

impl Subscription {
    /// The next sample; the inner result is the core's word.
    fn take(
        &self,
        py: Python<'_>,
        agent: &Using<'_, '_>,
        timeout: Option<Duration>,
    ) -> PyResult<Result<Option<CoreSample<'static>>, Error>> {
        let subscription = self.reader.prepare(py)?.as_ptr();
        // SAFETY: it lives as long as the reader keeps it, which nobody ends during a call of the agent's; and it is used by one call at a
        // time, since there is no sample and `waits` keeps signal handlers out.
        let ready = unsafe { &mut *subscription }.try_recv();
        if timeout == Some(Duration::ZERO) || !matches!(ready, Ok(None)) {
            return Ok(ready);
        }
        self.reader.set_waits(py, true);
        let waited = self.handle.wait(agent, |_, interrupted| {
            let mut is_over = || interrupted() || Python::try_attach(|py| self.reader.ends(py)).unwrap_or(true);
            // SAFETY: as above.
            let subscription = unsafe { &mut *subscription };
            subscription.recv_until(timeout, &mut is_over).map(Some)
        });
        self.reader.set_waits(py, false);
        if self.reader.ends(py) {
            drop(waited);
            self.reader.settle(py);
            return Err(closed(py));
        }
        waited
    }

    fn receive(&self, py: Python<'_>, timeout: Option<Duration>) -> PyResult<Result<Option<Sample>, Error>> {
        let agent = self.handle.agent(py)?;
        let taken = self.take(py, &agent, timeout)?;
        Ok(taken.map(|sample| sample.map(|sample| self.keep(py, sample))))
    }

    fn keep(&self, py: Python<'_>, sample: CoreSample<'static>) -> Sample {
        let about = About::of(&sample);
        let turn = self.reader.put(py, sample);
        Sample::new(&self.handle, &self.reader, turn, about)
    }
}

#[pymethods]
impl Subscription {
    /// Wait for the next sample. `timeout` is in seconds; None waits for ever.
    ///
    /// Raises Timeout, Closed when the bus is destroyed, BufferError while views of the last sample are held.
    #[pyo3(signature = (timeout=None))]
    fn recv(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Sample> {
        let timeout = arguments::timeout(py, timeout)?;
        self.receive(py, timeout)?.raise(py)?.ok_or_else(|| mirror(py, &Error::Timeout))
    }

    /// The next sample if there is one, else None.
    fn try_recv(&self, py: Python<'_>) -> PyResult<Option<Sample>> {
        self.receive(py, Some(Duration::ZERO))?.raise(py)
    }

    /// The bytes of the next sample, copied out: done with at once, so that nobody waits for this subscriber.
    #[pyo3(signature = (timeout=None))]
    fn recv_bytes<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyBytes>> {
        let agent = self.handle.agent(py)?;
        let timeout = arguments::timeout(py, timeout)?;
        let sample = self.take(py, &agent, timeout)?.raise(py)?.ok_or_else(|| mirror(py, &Error::Timeout))?;
        bytes::copy(py, &sample)
    }

    /// The name of the topic.
    #[getter]
    fn topic(&self) -> &str {
        &self.topic
    }

    /// The position of the next message in the order of the topic, counted from 0.
    #[getter]
    fn position(&self, py: Python<'_>) -> PyResult<u64> {
        self.handle.check(py)?;
        self.reader.look(py, CoreSubscription::position)
    }

    /// How many messages this subscription has missed so far, all in all.
    #[getter]
    fn missed(&self, py: Python<'_>) -> PyResult<u64> {
        self.handle.check(py)?;
        self.reader.look(py, CoreSubscription::missed)
    }

    /// Whether it has been closed, or its agent.
    #[getter]
    fn closed(&self, py: Python<'_>) -> bool {
        self.reader.is_ended(py)
    }

    /// End it. Closing twice does nothing. Raises BufferError while views of its sample are held.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.check(py)?;
        if self.reader.views(py) > 0 {
            let what = "this subscription can't be closed while views of its sample are held: release them first";
            return Err(views_held(what.to_owned()));
        }
        self.reader.set_ends(py);
        self.reader.settle(py);
        Ok(())
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Sample> {
        self.recv(py, None)
    }

    fn __aiter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        slf.py().import("swarmbus._aio")?.call_method1("samples", (&slf,))
    }

    /// ``recv`` for asyncio: waits without keeping the event loop.
    #[pyo3(signature = (timeout=None))]
    fn arecv<'py>(slf: Bound<'py, Self>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("swarmbus._aio")?.call_method1("sample", (&slf, timeout))
    }

    fn __enter__(slf: Py<Self>, py: Python<'_>) -> PyResult<Py<Self>> {
        slf.get().handle.agent(py)?;
        Ok(slf)
    }

    #[pyo3(signature = (kind, value, traceback, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: Option<&Bound<'_, PyAny>>,
        value: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let _ = (value, traceback);
        match self.close(py) {
            // The first thing that went wrong is what its user is to see.
            Err(_) if kind.is_some() => Ok(false),
            result => result.map(|()| false),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let closed = if self.closed(py) { ", closed" } else { "" };
        format!("<swarmbus.Subscription of '{}' to '{}'{closed}>", self.handle.name(), self.topic)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // SAFETY: objects are freed with the interpreter's lock held.
        let py = unsafe { token() };
        self.reader.set_ends(py);
        self.handle.end_anywhere(py, Left::Reader(Arc::clone(&self.reader)));
    }
}
