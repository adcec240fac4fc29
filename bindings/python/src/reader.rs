//! A subscription of the core's in the hands of Python objects.
//!
//! The core's subscription borrows from the agent, and a sample from the subscription. Both are kept here in a [`Reader`], which the
//! handle of the agent ends before it gives the agent back; so what they borrow is there as long as they are.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;

use pyo3::prelude::*;
use swarmbus_core::{Sample as CoreSample, Subscription as CoreSubscription};

use crate::error::{exception, invalid_argument, views_held};
use crate::gil::Gil;

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
    /// Keeps what the core has just made, which borrows from the agent: the handle has to end this before it gives the agent back.
    pub fn new(subscription: CoreSubscription<'_>) -> Reader {
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
    pub fn prepare(&self, py: Python<'_>) -> PyResult<NonNull<CoreSubscription<'static>>> {
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
    pub fn put(&self, py: Python<'_>, sample: CoreSample<'static>) -> u64 {
        let inner = self.0.get(py);
        if let Some(open) = &mut *inner.open.borrow_mut() {
            open.sample = Some(sample);
        }
        inner.is_done.set(false);
        inner.turn.set(inner.turn.get() + 1);
        inner.turn.get()
    }

    /// Notes that a wait for the next sample begins or ends.
    pub fn set_waits(&self, py: Python<'_>, waits: bool) {
        self.0.get(py).waits.set(waits);
    }

    /// Whether it is to end, as soon as nothing is in the way.
    pub fn ends(&self, py: Python<'_>) -> bool {
        self.0.get(py).ends.get()
    }

    /// It is to end; then comes `settle`.
    pub fn set_ends(&self, py: Python<'_>) {
        self.0.get(py).ends.set(true);
    }

    /// How many views of its sample there are.
    pub fn views(&self, py: Python<'_>) -> usize {
        self.0.get(py).views.get()
    }

    /// Looks at the core's subscription.
    pub fn look<T>(&self, py: Python<'_>, what: impl FnOnce(&CoreSubscription<'static>) -> T) -> PyResult<T> {
        // SAFETY: it lives as long as it is kept; a shared look does not disturb its sample.
        let seen = self.0.get(py).open.borrow().as_ref().map(|open| what(unsafe { open.subscription.as_ref() }));
        seen.ok_or_else(|| closed(py))
    }
}

/// What a closed subscription says.
#[cold]
pub fn closed(py: Python<'_>) -> PyErr {
    exception(py, "Released", "this subscription, or its agent, was closed: subscribe again".into())
}
