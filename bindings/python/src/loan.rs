//! `Loan`: a chunk to write in place, published or given back.

use std::cell::Cell;
use std::ffi::c_int;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PyTuple};
use swarmbus_core::{Error, Loan as CoreLoan, PublishError, PublishOptions, RawLoan};

use crate::arguments::{self, How, name_on};
use crate::bytes::{self, Access};
use crate::ending::Left;
use crate::error::{Raise, exception, invalid_argument, views_held};
use crate::gil::{Gil, token};
use crate::handle::{Handle, Using};
use crate::sending::{at_once, is_to_wait};

/// What changes in a loan's life.
struct State {
    /// `None` once published or given back, and while a publication is under way.
    raw: Cell<Option<RawLoan>>,
    /// Views that Python holds.
    views: Cell<usize>,
    /// Given back when the last view is gone.
    leaving: Cell<bool>,
    /// What it became.
    published: Cell<Option<Became>>,
}

/// What a loan became.
#[derive(Clone, Copy)]
enum Became {
    Message(u64),
    Sample,
}

impl fmt::Display for Became {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Became::Message(id) => write!(f, "as message {id}"),
            Became::Sample => f.write_str("in a topic"),
        }
    }
}

/// A chunk of shared memory to write a message in place.
///
/// ``loan.data`` is a writable view of it; ``loan.publish(to, length=...)`` sends what was written without copying it, and
/// ``loan.publish_to(topic, length=...)`` publishes it in a topic. Leaving the ``with`` block unpublished gives the chunk back.
/// The chunk is not zeroed.
#[pyclass(frozen, module = "swarmbus")]
pub struct Loan {
    handle: Arc<Handle>,
    state: Gil<State>,
    capacity: usize,
}

impl Loan {
    /// Keeps what the core has just lent.
    pub fn new(handle: &Arc<Handle>, loan: CoreLoan<'_>) -> Loan {
        let capacity = loan.len();
        let state = State {
            raw: Cell::new(Some(loan.into_raw())),
            views: Cell::new(0),
            leaving: Cell::new(false),
            published: Cell::new(None),
        };
        Loan { handle: Arc::clone(handle), state: Gil::new(state), capacity }
    }

    /// Publishes the loan with `publish`, at first without a wait, then with one if that is worth it.
    fn publish_by<T>(
        &self,
        agent: &Using<'_, '_>,
        py: Python<'_>,
        timeout: Option<Duration>,
        publish: impl for<'a> Fn(CoreLoan<'a>, Option<Duration>, &mut dyn FnMut() -> bool) -> Result<T, PublishError<'a>>,
    ) -> PyResult<T> {
        let raw = &self.state.get(py).raw;
        if self.state.get(py).views.get() > 0 {
            return Err(views_held(format!(
                "this loan can't be published while {} view(s) of it are held: release them first (del view, or view.release())",
                self.state.get(py).views.get()
            )));
        }
        // Taken out for the time of the call, so that a signal handler that runs during a wait can't use it.
        let mut back = Some(raw.take().filter(|_| self.handle.is_attached(py)).ok_or_else(|| self.gone(py))?);
        let mut attempt = |timeout, interrupted: &mut dyn FnMut() -> bool| {
            let Some(raw) = back.take() else { return Err(Error::Released) };
            // SAFETY: the raw loan was taken out of this object, and only one of the two attempts turns it back at a time.
            let loan = unsafe { CoreLoan::from_raw(agent, raw) }?;
            publish(loan, timeout, interrupted).map_err(|refused| {
                back = Some(refused.loan.into_raw());
                refused.error
            })
        };
        // Where there is room nothing waits, and the interpreter's lock stays.
        let published = match attempt(Some(Duration::ZERO), &mut || false) {
            Err(error) if is_to_wait(&error, timeout) => {
                self.handle.wait(agent, |_, interrupted| attempt(timeout, interrupted))
            }
            result => Ok(result),
        };
        raw.set(back);
        published?.raise(py)
    }

    fn checked_length(&self, py: Python<'_>, length: Option<usize>) -> PyResult<usize> {
        let length = length.unwrap_or(self.capacity);
        if length > self.capacity {
            let what = format!("length={length} is more than the {} bytes of this loan", self.capacity);
            return Err(invalid_argument(py, what));
        }
        Ok(length)
    }

    /// Where the bytes are, while they are ours to write.
    fn bytes_at(&self, py: Python<'_>) -> PyResult<NonNull<u8>> {
        let state = self.state.get(py);
        let raw = state.raw.get().filter(|_| !state.leaving.get() && self.handle.is_attached(py));
        let raw = raw.ok_or_else(|| self.gone(py))?;
        Ok(NonNull::new(raw.data).unwrap_or(NonNull::dangling()))
    }

    #[cold]
    fn gone(&self, py: Python<'_>) -> PyErr {
        let text = match self.state.get(py).published.get() {
            Some(became) => format!("this loan was published {became}: what it holds belongs to the receivers now"),
            None => {
                "this loan was given back, its agent closed, or it is being published: ask for another one".to_owned()
            }
        };
        exception(py, "Released", text)
    }

    fn drop_view(&self, py: Python<'_>) {
        let state = self.state.get(py);
        state.views.set(state.views.get() - 1);
        self.give_back_if_due(py);
        self.handle.remove_view(py);
    }

    /// Gives the chunk back if that was asked for, and nobody looks any more.
    fn give_back_if_due(&self, py: Python<'_>) {
        let state = self.state.get(py);
        if state.leaving.get()
            && state.views.get() == 0
            && let Some(raw) = state.raw.take()
        {
            self.handle.end_anywhere(py, Left::Loan(raw));
        }
    }
}

#[pymethods]
impl Loan {
    /// A writable view of the chunk, in place. The loan can't be published while it is held.
    #[getter]
    fn data<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(slf.as_any())
    }

    /// The chunk as a NumPy array of `dtype` and `shape`, in place and writable; of one dimension without a shape.
    ///
    /// As for ``data``, the loan can't be published while the array is held.
    #[pyo3(signature = (dtype, shape=None))]
    fn array<'py>(
        slf: &Bound<'py, Self>,
        dtype: &Bound<'py, PyAny>,
        shape: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        bytes::array(slf.as_any(), dtype, shape)
    }

    /// Send what was written: the first `length` bytes, all of them by default. Returns the message's id.
    ///
    /// The options are those of ``Agent.send``. Raises BufferError while views of the loan are held, and what
    /// ``Agent.send`` raises; the loan then is still there to be published again.
    #[pyo3(signature = (to, length=None, *, lane="normal", timeout=None, correlation=0, content="bytes", time_to_live=None, key=None, traceparent=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python face")]
    fn publish(
        &self,
        py: Python<'_>,
        to: &str,
        length: Option<usize>,
        lane: &str,
        timeout: Option<f64>,
        correlation: u64,
        content: &str,
        time_to_live: Option<f64>,
        key: Option<&Bound<'_, PyAny>>,
        traceparent: Option<&str>,
    ) -> PyResult<u64> {
        let agent = self.handle.agent(py)?;
        let content = arguments::content(py, content)?;
        let options = How { lane, timeout, correlation, content, time_to_live, key, traceparent }.options(py)?;
        let name = name_on(py, self.handle.bus(), to)?;
        let (to, length) = (name.as_deref().unwrap_or(to), self.checked_length(py, length)?);
        let now = at_once(&options);
        let id = self.publish_by(&agent, py, options.timeout, |loan, timeout, interrupted| {
            let options = if timeout == Some(Duration::ZERO) { &now } else { &options };
            loan.publish_until(to, length, options, interrupted)
        })?;
        self.state.get(py).published.set(Some(Became::Message(id.0)));
        Ok(id.0)
    }

    /// Publish what was written in a topic: the first `length` bytes, all of them by default.
    ///
    /// Returns and raises what ``Agent.publish`` does, and BufferError while views of the loan are held.
    #[pyo3(signature = (topic, length=None, *, timeout=None, correlation=0, content="bytes", traceparent=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python face")]
    fn publish_to(
        &self,
        py: Python<'_>,
        topic: &str,
        length: Option<usize>,
        timeout: Option<f64>,
        correlation: u64,
        content: &str,
        traceparent: Option<&str>,
    ) -> PyResult<Option<u64>> {
        let agent = self.handle.agent(py)?;
        let (content, timeout) = (arguments::content(py, content)?, arguments::timeout(py, timeout)?);
        let trace = arguments::trace(py, traceparent)?;
        let name = name_on(py, self.handle.bus(), topic)?;
        let (topic, length) = (name.as_deref().unwrap_or(topic), self.checked_length(py, length)?);
        let published = self.publish_by(&agent, py, timeout, |loan, timeout, interrupted| {
            let options = PublishOptions { timeout, correlation, content, trace };
            loan.publish_to_until(topic, length, &options, interrupted)
        })?;
        self.state.get(py).published.set(Some(Became::Sample));
        Ok(published.position)
    }

    /// Give the chunk back unpublished, now or with its last view. Does nothing after a publication.
    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.check(py)?;
        self.state.get(py).leaving.set(true);
        self.give_back_if_due(py);
        Ok(())
    }

    fn __enter__(slf: Py<Self>, py: Python<'_>) -> PyResult<Py<Self>> {
        slf.get().handle.check(py)?;
        slf.get().bytes_at(py)?;
        Ok(slf)
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, py: Python<'_>, raised: &Bound<'_, PyTuple>) -> PyResult<()> {
        let _ = raised;
        self.abort(py)
    }

    fn __len__(&self) -> usize {
        self.capacity
    }

    /// # Safety
    /// Called by the interpreter with a `view` to fill in.
    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let py = slf.py();
        let loan = slf.get();
        loan.handle.check(py)?;
        let data = loan.bytes_at(py)?;
        let views = &loan.state.get(py).views;
        views.set(views.get() + 1);
        loan.handle.add_view(py);
        // SAFETY: the interpreter passes a valid `view`; `data` has `capacity` bytes in the mapping, which `slf` (to which
        // the view holds a reference) keeps alive, and they are ours to write until the loan is published or given
        // back, which views prevent.
        let filled = unsafe { bytes::fill(view, slf, data.as_ptr(), loan.capacity, Access::Write, flags) };
        filled.inspect_err(|_| loan.drop_view(py))
    }

    /// # Safety
    /// Called by the interpreter with a `view` that `__getbuffer__` filled in.
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        let _ = view;
        // SAFETY: the interpreter calls with its lock held.
        self.drop_view(unsafe { token() });
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let state = self.state.get(py);
        let how = match state.published.get() {
            Some(became) => format!(", published {became}"),
            None if state.leaving.get() => ", given back".to_owned(),
            None => String::new(),
        };
        format!("<swarmbus.Loan of '{}': {} bytes{how}>", self.handle.name(), self.capacity)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(raw) = self.state.get_mut().raw.take() {
            // SAFETY: objects are freed with the interpreter's lock held.
            self.handle.end_anywhere(unsafe { token() }, Left::Loan(raw));
        }
    }
}
