//! `Loan`: a chunk to write in place, published or given back.

use std::ffi::c_int;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;
use swarmbus_core::{Error, Loan as CoreLoan, MessageId, PublishError, RawLoan, SendOptions};

use crate::arguments::{self, name_on, send_options};
use crate::error::{Raise, exception, invalid_argument, views_held};
use crate::handle::{Carry, Confined, Handle, Left, lock};

/// What changes in a loan's life.
struct State {
    /// `None` once published or given back, and while a publication is under way.
    raw: Option<Carry<RawLoan>>,
    /// Views that Python holds.
    views: usize,
    /// Given back when the last view is gone.
    leaving: bool,
    /// The message that it became.
    published: Option<u64>,
}

/// A chunk of shared memory to write a message in place.
///
/// ``loan.data`` is a writable view of it; ``loan.publish(to, length=...)`` sends what was written without copying it.
/// Leaving the ``with`` block unpublished gives the chunk back. The chunk is not zeroed.
#[pyclass(frozen, module = "swarmbus")]
pub struct Loan {
    handle: Arc<Handle>,
    state: Mutex<State>,
    capacity: usize,
}

/// The outcome of a publication in a form that outlives the borrowed loan.
type Published = Result<MessageId, (Error, Carry<RawLoan>)>;

fn outcome(result: Result<MessageId, PublishError<'_>>) -> Published {
    result.map_err(|failed| (failed.error, Carry(failed.loan.into_raw())))
}

impl Loan {
    /// Keeps what the core has just lent.
    pub fn new(handle: &Arc<Handle>, loan: CoreLoan<'_>) -> Loan {
        let capacity = loan.len();
        let raw = Some(Carry(loan.into_raw()));
        Loan {
            handle: Arc::clone(handle),
            state: Mutex::new(State { raw, views: 0, leaving: false, published: None }),
            capacity,
        }
    }

    fn send(
        &self,
        py: Python<'_>,
        agent: &Confined,
        raw: RawLoan,
        to: &str,
        length: usize,
        options: &SendOptions,
    ) -> PyResult<u64> {
        let keep = |raw: Carry<RawLoan>| lock(&self.state).raw = Some(raw);
        // Where there is room nothing waits, and the interpreter's lock stays.
        let at_once = SendOptions { timeout: Some(Duration::ZERO), ..options.clone() };
        // SAFETY: the raw loan was taken out of this object, and only one of these two turns it back at a time.
        let loan = unsafe { CoreLoan::from_raw(agent, raw) }.raise(py)?;
        let first = outcome(loan.publish(to, length, &at_once));
        let raw = match first {
            Ok(id) => return Ok(id.0),
            Err((Error::Full { .. }, raw)) if options.timeout != Some(Duration::ZERO) => raw,
            Err((error, raw)) => {
                keep(raw);
                return Err(error).raise(py);
            }
        };
        let mut failed = None;
        let sent = self.handle.wait(py, agent, |agent, interrupted| {
            // SAFETY: as above; the first loan has come back as this raw one.
            let loan = unsafe { CoreLoan::from_raw(agent, raw.take()) }?;
            outcome(loan.publish_until(to, length, options, interrupted)).map_err(|(error, raw)| {
                failed = Some(raw);
                error
            })
        });
        if let Some(raw) = failed {
            keep(raw);
        }
        sent.map(|id| id.0)
    }

    /// Where the bytes are, while they are ours to write.
    fn bytes_at(&self, state: &State) -> Option<NonNull<u8>> {
        let raw = state.raw.as_ref().filter(|_| !state.leaving && self.handle.is_attached())?;
        Some(NonNull::new(raw.0.data).unwrap_or(NonNull::dangling()))
    }

    #[cold]
    fn gone(&self, py: Python<'_>, state: MutexGuard<'_, State>) -> PyErr {
        let text = match state.published {
            Some(id) => format!("this loan was published as message {id}: what it holds belongs to the receiver now"),
            None => {
                "this loan was given back, its agent closed, or it is being published: ask for another one".to_owned()
            }
        };
        drop(state);
        exception(py, "Released", text)
    }

    fn drop_view(&self) {
        let mut state = lock(&self.state);
        state.views -= 1;
        let ending = if state.views == 0 && state.leaving { state.raw.take() } else { None };
        drop(state);
        if let Some(raw) = ending {
            self.handle.end_anywhere(Left::Loan(raw.take()));
        }
        self.handle.remove_view();
    }

    /// Gives the chunk back now, or with the last view.
    fn give_back(&self) {
        let mut state = lock(&self.state);
        state.leaving = true;
        let ending = if state.views == 0 { state.raw.take() } else { None };
        drop(state);
        if let Some(raw) = ending {
            self.handle.end_anywhere(Left::Loan(raw.take()));
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

    /// Send what was written: the first `length` bytes, all of them by default. Returns the message's id.
    ///
    /// Raises BufferError while views of the loan are held, and what ``Agent.send`` raises; the loan then is
    /// still there to be published again.
    #[pyo3(signature = (to, length=None, *, lane="normal", timeout=None, correlation=0, content="bytes"))]
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
    ) -> PyResult<u64> {
        let agent = self.handle.agent(py)?;
        let content = arguments::content(py, content)?;
        let options = send_options(py, lane, timeout, correlation, content)?;
        let name = name_on(py, self.handle.bus(), to)?;
        let length = length.unwrap_or(self.capacity);
        if length > self.capacity {
            return Err(invalid_argument(
                py,
                format!("length={length} is more than the {} bytes of this loan", self.capacity),
            ));
        }
        let mut state = lock(&self.state);
        if state.views > 0 {
            return Err(views_held(format!(
                "this loan can't be published while {} view(s) of it are held: release them first (del view, or view.release())",
                state.views
            )));
        }
        // Taken out for the time of the call, so that a signal handler that runs during a wait can't use it.
        let Some(raw) = state.raw.take() else {
            return Err(self.gone(py, state));
        };
        drop(state);
        let id = self.send(py, &agent, raw.take(), name.as_deref().unwrap_or(to), length, &options)?;
        lock(&self.state).published = Some(id);
        Ok(id)
    }

    /// Give the chunk back unpublished, now or with its last view. Does nothing after a publication.
    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.check(py)?;
        self.give_back();
        Ok(())
    }

    fn __enter__(slf: Py<Self>, py: Python<'_>) -> PyResult<Py<Self>> {
        let loan = slf.get();
        loan.handle.check(py)?;
        let state = lock(&loan.state);
        if loan.bytes_at(&state).is_none() {
            return Err(loan.gone(py, state));
        }
        drop(state);
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
        let _ = (kind, value, traceback);
        self.abort(py)?;
        Ok(false)
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
        let mut state = lock(&loan.state);
        let Some(data) = loan.bytes_at(&state) else {
            return Err(loan.gone(py, state));
        };
        state.views += 1;
        drop(state);
        loan.handle.add_view();
        // SAFETY: the interpreter passes a valid `view`; `data` has `capacity` bytes in the mapping, which `slf` (to which
        // the view holds a reference) keeps alive, and they are ours to write until the loan is published or given
        // back, which views prevent.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), data.as_ptr().cast(), loan.capacity as isize, 0, flags)
        };
        if filled != 0 {
            loan.drop_view();
            return Err(PyErr::fetch(py));
        }
        Ok(())
    }

    /// # Safety
    /// Called by the interpreter with a `view` that `__getbuffer__` filled in.
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        let _ = view;
        self.drop_view();
    }

    fn __repr__(&self) -> String {
        let state = lock(&self.state);
        let how = match state.published {
            Some(id) => format!(", published as message {id}"),
            None if state.leaving => ", given back".to_owned(),
            None => String::new(),
        };
        format!("<swarmbus.Loan of '{}': {} bytes{how}>", self.handle.name(), self.capacity)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.give_back();
    }
}
