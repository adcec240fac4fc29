//! Topics: `Agent.publish`, `Agent.subscribe`, and `Subscription`.
//!
//! The core's subscription borrows from the agent, and a sample from the subscription. Both are kept here in a [`Reader`], which the
//! handle of the agent ends before it gives the agent back; so what they borrow is there as long as they are.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
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
use crate::error::{Raise, exception, invalid_argument, mirror, views_held};
use crate::gil::{Gil, token};
use crate::handle::{Handle, Using};
use crate::sample::Sample;

#[pymethods]
impl Agent {
    /// Publish a copy of `data` in a topic: everybody who subscribes reads that one copy.
    ///
    /// Returns its place in the order of the topic, counted from 0; None if a subscriber left no room and the topic drops
    /// messages then. With back-pressure `timeout` says how long to wait for slow subscribers: None for ever, 0 not at all.
    /// Raises UnknownAgent (no such topic), WrongKind, Full, Timeout, TooLarge, OutOfMemory, Closed, HandedOver.
    #[pyo3(signature = (topic, data, *, timeout=None, correlation=0, content=None))]
    fn publish(
        &self,
        py: Python<'_>,
        topic: &str,
        data: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        correlation: u64,
        content: Option<&str>,
    ) -> PyResult<Option<u64>> {
        let agent = self.handle.agent(py)?;
        let (payload, content) = Payload::with_content(data, content)?;
        let timeout = arguments::timeout(py, timeout)?;
        let (bytes, topic) = (payload.bytes(), self.address(py, topic)?);
        let options = |timeout| PublishOptions { timeout, correlation, content };
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

/// A subscription of the core's, and the sample at which its cursor stands.
struct Open {
    sample: Option<CoreSample<'static>>,
    /// Made of a box; whatever refers to it comes from this pointer.
    subscription: NonNull<CoreSubscription<'static>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.sample = None;
        // SAFETY: it was leaked when this was made, and the sample that refers to it is gone.
        drop(unsafe { Box::from_raw(self.subscription.as_ptr()) });
    }
}

/// What a subscription's Python objects share.
pub struct Reader(Gil<Inner>);

struct Inner {
    /// `None` once ended.
    open: RefCell<Option<Open>>,
    /// Which sample the cursor stands at; rises with each.
    turn: Cell<u64>,
    /// Views of that sample.
    views: Cell<usize>,
    /// Whether it is to be done with when its last view is gone.
    is_done: Cell<bool>,
    /// Whether a wait for the next one is under way.
    waits: Cell<bool>,
    /// Whether it is to end when the wait is over.
    ends: Cell<bool>,
}

impl Reader {
    fn new(subscription: CoreSubscription<'_>) -> Reader {
        let subscription = NonNull::from(Box::leak(Box::new(subscription))).cast();
        let inner = Inner {
            open: RefCell::new(Some(Open { sample: None, subscription })),
            turn: Cell::new(0),
            views: Cell::new(0),
            is_done: Cell::new(false),
            waits: Cell::new(false),
            ends: Cell::new(false),
        };
        Reader(Gil::new(inner))
    }

    /// Ends it; what is a reaper's by now, or another process's, is left alone.
    pub fn end(&self, py: Python<'_>, is_ours: bool) {
        let open = self.0.get(py).open.take();
        if !is_ours {
            std::mem::forget(open);
        }
    }

    /// Whether it has ended.
    pub fn is_ended(&self, py: Python<'_>) -> bool {
        self.0.get(py).open.borrow().is_none()
    }

    /// The payload of sample number `turn`, if it still is there.
    pub fn data(&self, py: Python<'_>, turn: u64) -> Option<(NonNull<u8>, usize)> {
        let inner = self.0.get(py);
        if inner.turn.get() != turn || inner.is_done.get() {
            return None;
        }
        let open = inner.open.borrow();
        let data = open.as_ref()?.sample.as_ref()?.data();
        Some((NonNull::from(data).cast(), data.len()))
    }

    /// Counts a view of the sample at which the cursor stands.
    pub fn add_view(&self, py: Python<'_>) {
        let views = &self.0.get(py).views;
        views.set(views.get() + 1);
    }

    /// A view is gone; then comes `settle`.
    pub fn remove_view(&self, py: Python<'_>) {
        let views = &self.0.get(py).views;
        views.set(views.get() - 1);
    }

    /// The sample number `turn` is done with; then comes `settle`.
    pub fn done(&self, py: Python<'_>, turn: u64) {
        let inner = self.0.get(py);
        if inner.turn.get() == turn {
            inner.is_done.set(true);
        }
    }

    /// Moves the cursor on, or ends, if that was asked for and nothing is in the way. Done by the agent's thread.
    pub fn settle(&self, py: Python<'_>) {
        let inner = self.0.get(py);
        if inner.views.get() > 0 || inner.waits.get() {
            return;
        }
        if inner.ends.get() {
            self.end(py, true);
        } else if inner.is_done.get()
            && let Some(open) = &mut *inner.open.borrow_mut()
        {
            open.sample = None;
        }
    }

    /// Makes place for the next sample; the core's subscription, which nobody else uses until `put`.
    fn prepare(&self, py: Python<'_>) -> PyResult<NonNull<CoreSubscription<'static>>> {
        let inner = self.0.get(py);
        if inner.waits.get() {
            return Err(invalid_argument(
                py,
                "this subscription waits for its next sample already, further out".into(),
            ));
        }
        if inner.views.get() > 0 {
            return Err(views_held(format!(
                "the next sample can't be had while {} view(s) of the last one are held: release them first (del view, or view.release()), or copy by bytes(sample)",
                inner.views.get()
            )));
        }
        let subscription = inner.open.borrow_mut().as_mut().map(|open| {
            open.sample = None;
            open.subscription
        });
        subscription.ok_or_else(|| closed(py))
    }

    /// Keeps what was received, and numbers it.
    fn put(&self, py: Python<'_>, sample: CoreSample<'static>) -> u64 {
        let inner = self.0.get(py);
        if let Some(open) = &mut *inner.open.borrow_mut() {
            open.sample = Some(sample);
        }
        inner.is_done.set(false);
        inner.turn.set(inner.turn.get() + 1);
        inner.turn.get()
    }

    fn look<T>(&self, py: Python<'_>, what: impl FnOnce(&CoreSubscription<'static>) -> T) -> PyResult<T> {
        // SAFETY: it lives as long as it is kept; a shared look does not disturb its sample.
        let seen = self.0.get(py).open.borrow().as_ref().map(|open| what(unsafe { open.subscription.as_ref() }));
        seen.ok_or_else(|| closed(py))
    }
}

#[cold]
fn closed(py: Python<'_>) -> PyErr {
    exception(py, "Released", "this subscription, or its agent, was closed: subscribe again".into())
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
        let inner = self.reader.0.get(py);
        // SAFETY: it lives as long as the reader keeps it, which nobody ends during a call of the agent's; and it is used by one call at a
        // time, since there is no sample and `waits` keeps signal handlers out.
        let ready = unsafe { &mut *subscription }.try_recv();
        if timeout == Some(Duration::ZERO) || !matches!(ready, Ok(None)) {
            return Ok(ready);
        }
        inner.waits.set(true);
        let waited = self.handle.wait(agent, |_, interrupted| {
            let mut is_over =
                || interrupted() || Python::try_attach(|py| self.reader.0.get(py).ends.get()).unwrap_or(true);
            // SAFETY: as above.
            let subscription = unsafe { &mut *subscription };
            subscription.recv_until(timeout, &mut is_over).map(Some)
        });
        inner.waits.set(false);
        if inner.ends.get() {
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
        let about = crate::sample::About::of(&sample);
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
        let inner = self.reader.0.get(py);
        if inner.views.get() > 0 {
            let what = "this subscription can't be closed while views of its sample are held: release them first";
            return Err(views_held(what.to_owned()));
        }
        inner.ends.set(true);
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
        self.reader.0.get(py).ends.set(true);
        self.handle.end_anywhere(py, Left::Reader(Arc::clone(&self.reader)));
    }
}
