//! What the Python objects of one agent share, and the rules they obey.
//!
//! An [`Agent`](swarmbus_core::Agent) of the core is used by one thread. Python objects have no such rule: they are
//! dropped wherever their last reference goes, and views of a message may end in any thread. So:
//!
//! - every call asks [`Handle::check`] first: the thread that attached, and no fork since;
//! - whatever ends elsewhere is left in a list, which the agent's own thread works off at its next call;
//! - views keep the agent open: `close` refuses while there are any, leaving `with` waits for the last one;
//! - a call that is under way keeps it open too: what a signal handler closes is closed when the call returns;
//! - when its thread ends, others give back what it had, unless there are views, which other threads may be reading;
//! - the mapping lives as long as any object here, so a pointer into it is never dangling;
//! - all of this is touched with the interpreter's lock only (see `gil`), and no Python code runs in between.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use pyo3::prelude::*;
use swarmbus_core::{Agent, Bus, Error, Result};

use crate::ending::{Left, end};
use crate::error::{exception, views_held};
use crate::gil::{Gil, detached, token};
use crate::reader::Reader;
use crate::threads::Whose;

/// What changes in a handle's life.
struct Seat {
    /// `None` once closed. Given back only when no call is under way.
    agent: Cell<Option<NonNull<Agent>>>,
    /// Calls that are under way, one within the other: a signal handler may call from within a wait.
    calls: Cell<usize>,
    /// Views of messages, loans and samples that Python holds.
    views: Cell<usize>,
    /// Closes when the last view is gone and the last call has returned.
    leaving: Cell<bool>,
    /// What other threads left for the agent's own.
    left: RefCell<Vec<Left>>,
    /// Subscriptions, which borrow from the agent and end before it.
    readers: RefCell<Vec<Arc<Reader>>>,
}

/// One attached agent, shared by its Python objects.
pub struct Handle {
    bus: Bus,
    name: String,
    whose: Whose,
    seat: Gil<Seat>,
}

/// The core's agent, for the time of a call by its own thread.
pub struct Using<'h, 'py> {
    handle: &'h Handle,
    py: Python<'py>,
    agent: NonNull<Agent>,
}

impl Deref for Using<'_, '_> {
    type Target = Agent;
    #[inline(always)]
    fn deref(&self) -> &Agent {
        // SAFETY: the agent is given back only when no call is under way, and this is one; and what it returns borrows from this.
        unsafe { self.agent.as_ref() }
    }
}

impl Drop for Using<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        let seat = self.handle.seat.get(self.py);
        seat.calls.set(seat.calls.get() - 1);
        if seat.leaving.get() {
            self.handle.finish_if_idle(self.py);
        }
    }
}

impl Handle {
    /// Takes an agent that the calling thread has just attached.
    ///
    /// # Errors
    /// `Closed`: the bus was destroyed meanwhile.
    pub fn new(agent: Agent) -> Result<Arc<Handle>> {
        // SAFETY: the rules at the top; views unbind it for as long as there are any.
        unsafe { agent.bind_to_thread() }?;
        let (bus, name) = (agent.bus().clone(), agent.name().to_owned());
        let seat = Seat {
            agent: Cell::new(Some(NonNull::from(Box::leak(Box::new(agent))))),
            calls: Cell::new(0),
            views: Cell::new(0),
            leaving: Cell::new(false),
            left: RefCell::default(),
            readers: RefCell::default(),
        };
        Ok(Arc::new(Handle { bus, name, whose: Whose::mine(), seat: Gil::new(seat) }))
    }

    /// The bus, which also keeps the mapping alive.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The agent's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether users may still call it.
    pub fn is_open(&self, py: Python<'_>) -> bool {
        !self.seat.get(py).leaving.get()
    }

    /// Whether messages and loans of it are still its own; so until the last view is gone, even after leaving.
    pub fn is_attached(&self, py: Python<'_>) -> bool {
        self.seat.get(py).agent.get().is_some()
    }

    /// Refuses other threads and children of a fork.
    #[inline]
    pub fn check(&self, py: Python<'_>) -> PyResult<()> {
        if Whose::mine() == self.whose { Ok(()) } else { Err(self.not_ours(py)) }
    }

    /// The core's agent for a call of the user's; refuses when closed.
    #[inline]
    pub fn agent<'h, 'py>(&'h self, py: Python<'py>) -> PyResult<Using<'h, 'py>> {
        self.check(py)?;
        let seat = self.seat.get(py);
        match seat.agent.get() {
            Some(agent) if !seat.leaving.get() => {
                let using = self.using(py, agent);
                self.settle(py, &using);
                Ok(using)
            }
            _ => Err(self.closed(py)),
        }
    }

    /// The core's agent for ending a message or a loan, which is possible until the agent really is closed.
    #[inline]
    pub fn agent_for_ending<'h, 'py>(&'h self, py: Python<'py>) -> PyResult<Option<Using<'h, 'py>>> {
        self.check(py)?;
        Ok(self.seat.get(py).agent.get().map(|agent| self.using(py, agent)))
    }

    /// The same for a destructor: `None` in another thread, after a fork, and when the agent is closed.
    pub fn agent_if_own<'h, 'py>(&'h self, py: Python<'py>) -> Option<Using<'h, 'py>> {
        let agent = self.seat.get(py).agent.get().filter(|_| Whose::mine() == self.whose)?;
        Some(self.using(py, agent))
    }

    #[inline]
    fn using<'h, 'py>(&'h self, py: Python<'py>, agent: NonNull<Agent>) -> Using<'h, 'py> {
        let seat = self.seat.get(py);
        seat.calls.set(seat.calls.get() + 1);
        Using { handle: self, py, agent }
    }

    /// Ends what other threads left here.
    #[inline]
    fn settle(&self, py: Python<'_>, agent: &Agent) {
        let left = &self.seat.get(py).left;
        if !left.borrow().is_empty() {
            left.take().into_iter().for_each(|left| end(py, agent, left));
        }
    }

    /// Runs a call that may wait, without the interpreter's lock. Ctrl-C and other signals end the wait if their
    /// handler raises; closing the agent in a handler ends it as well. The inner result is the core's word.
    pub fn wait<'a, T>(
        &self,
        using: &'a Using<'_, '_>,
        call: impl FnOnce(&'a Agent, &mut dyn FnMut() -> bool) -> Result<T>,
    ) -> PyResult<Result<T>> {
        let py = using.py;
        // A signal that came before the wait does not wake it.
        py.check_signals()?;
        let agent: &'a Agent = using;
        let mut raised = None;
        let result = detached(py, || {
            call(agent, &mut || {
                // Without an interpreter (it is going down) there is nobody to wait for.
                Python::try_attach(|py| {
                    raised = py.check_signals().err();
                    self.settle(py, agent);
                    raised.is_some() || !self.is_open(py)
                })
                .unwrap_or(true)
            })
        });
        match (result, raised) {
            (_, Some(raised)) => Err(raised),
            (Err(Error::Interrupted), None) if !self.is_open(py) => Err(self.closed(py)),
            (result, None) => Ok(result),
        }
    }

    /// Ends something in a place where nobody can be told of an error: in a drop, or when a view goes.
    pub fn end_anywhere(&self, py: Python<'_>, what: Left) {
        if self.whose.is_forked() {
            return;
        }
        if let Some(agent) = self.agent_if_own(py) {
            end(py, &agent, what);
        } else if self.is_attached(py) {
            self.seat.get(py).left.borrow_mut().push(what);
        }
        // Otherwise closing the agent has ended it.
    }

    /// Notes a subscription that borrows from the agent.
    pub fn keep_reader(&self, py: Python<'_>, reader: &Arc<Reader>) {
        let mut readers = self.seat.get(py).readers.borrow_mut();
        readers.retain(|reader| !reader.is_ended(py));
        readers.push(Arc::clone(reader));
    }

    /// Notes one more view of something whose agent is attached.
    #[inline]
    pub fn add_view(&self, py: Python<'_>) {
        let seat = self.seat.get(py);
        seat.views.set(seat.views.get() + 1);
        if let (1, Some(agent)) = (seat.views.get(), seat.agent.get()) {
            // SAFETY: the seat's agent lives; this is its thread, which `check` has asked.
            unsafe { agent.as_ref() }.unbind_from_thread();
        }
    }

    /// Notes that a view is gone, and closes if that was waited for.
    #[inline]
    pub fn remove_view(&self, py: Python<'_>) {
        let seat = self.seat.get(py);
        seat.views.set(seat.views.get() - 1);
        if seat.views.get() > 0 {
            return;
        }
        if seat.leaving.get() {
            self.finish_if_idle(py);
        } else if let Some(agent) = seat.agent.get().filter(|_| !self.whose.is_forked()) {
            // SAFETY: the seat's agent lives.
            let agent = unsafe { agent.as_ref() };
            // SAFETY: there is no view any more.
            unsafe { agent.bind_again() };
        }
    }

    /// Gives everything back, at once; in a signal handler, when the call in which it runs returns.
    pub fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.check(py)?;
        let views = self.seat.get(py).views.get();
        if views > 0 {
            return Err(views_held(format!(
                "agent {:?} can't be closed while {} of its messages or loans {} held: release them first (del view, or view.release())",
                self.name,
                if views == 1 { "a view".to_owned() } else { format!("{views} views") },
                if views == 1 { "is" } else { "are" },
            )));
        }
        self.seat.get(py).leaving.set(true);
        self.finish_if_idle(py);
        Ok(())
    }

    /// Gives everything back when the last view is gone. In a forked child there is nothing to give back.
    pub fn leave(&self, py: Python<'_>) -> PyResult<()> {
        if self.whose.is_forked() {
            return Ok(());
        }
        self.check(py)?;
        self.seat.get(py).leaving.set(true);
        self.finish_if_idle(py);
        Ok(())
    }

    fn finish_if_idle(&self, py: Python<'_>) {
        let seat = self.seat.get(py);
        if seat.calls.get() == 0 && seat.views.get() == 0 {
            seat.finish(py, self.whose);
        }
    }

    #[cold]
    fn not_ours(&self, py: Python<'_>) -> PyErr {
        let (name, bus) = (&self.name, self.bus.name());
        if self.whose.is_forked() {
            let text = format!(
                "agent {name:?} on bus {bus:?} belongs to the parent process: after a fork, attach a name of its own in the child"
            );
            return exception(py, "Forked", text);
        }
        let text = format!(
            "agent {name:?} on bus {bus:?} belongs to the thread that attached it: let another thread attach a name of its own, \
             or hand it a view of the data"
        );
        exception(py, "WrongThread", text)
    }

    #[cold]
    fn closed(&self, py: Python<'_>) -> PyErr {
        let text = format!("agent {:?} on bus {:?} is closed: attach it again", self.name, self.bus.name());
        let error = exception(py, "Closed", text);
        let _ = error.value(py).setattr("what", &self.name);
        error
    }
}

impl Seat {
    /// Gives everything back. No call is under way, and nobody looks.
    fn finish(&self, py: Python<'_>, whose: Whose) {
        let Some(agent) = self.agent.take() else { return };
        // SAFETY: it was leaked in `new`, is taken out of the seat once, and no call uses it.
        let agent = unsafe { Box::from_raw(agent.as_ptr()) };
        let (left, readers) = (self.left.take(), self.readers.take());
        // Its thread may have ended, and a reaper be at work on what it had; and in a forked child all is the parent's.
        let is_ours = !whose.is_forked() && agent.unbind_to_drop();
        readers.iter().for_each(|reader| reader.end(py, is_ours));
        if is_ours {
            left.into_iter().for_each(|left| end(py, &agent, left));
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let whose = self.whose;
        // SAFETY: the objects that share it are freed with the interpreter's lock held.
        self.seat.get_mut().finish(unsafe { token() }, whose);
    }
}
