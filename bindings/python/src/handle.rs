//! What the Python objects of one agent share, and the rules they obey.
//!
//! An [`Agent`](swarmbus_core::Agent) of the core is used by one thread. Python objects have no such rule: they are
//! dropped wherever their last reference goes, and views of a message may end in any thread. So:
//!
//! - every call asks [`Handle::check`] first: the thread that attached, and no fork since;
//! - whatever ends elsewhere is left in a list, which the agent's own thread works off at its next call;
//! - views keep the agent open: `close` refuses while there are any, leaving `with` waits for the last one;
//! - when its thread ends, others give back what it had, unless there are views, which other threads may be reading;
//! - the mapping lives as long as any object here, so a pointer into it is never dangling;
//! - no lock of these bindings is held while Python code may run: it could come back here and want the same lock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};

use pyo3::prelude::*;
use swarmbus_core::{Agent, Bus, Error, Loan, Message, RawLoan, RawMessage, Result};

use crate::error::{Raise, exception, views_held};

/// Forks of which this process is the child.
static FORKS: AtomicUsize = AtomicUsize::new(0);

/// Counts forks from now on, once per process.
pub fn watch_forks() {
    static WATCHING: Once = Once::new();
    extern "C" fn count() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    WATCHING.call_once(|| {
        // SAFETY: `count` lives as long as the process (extension modules are never unloaded) and only adds to an
        // atomic, which is allowed between fork and exec.
        unsafe { libc::pthread_atfork(None, None, Some(count)) };
    });
}

/// Takes a lock. A panic elsewhere left no half-made state behind: what the locks here guard is set in one step.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is not `Send` only because it points into the mapping, or because of what a closure that never leaves its
/// thread has borrowed.
pub struct Carry<T>(pub T);

// SAFETY: the two uses are pointers into the mapping, which is the same for every thread of the process and outlives
// them (`Handle` keeps the bus), and closures handed to `Python::detach`, which runs them on the calling thread.
unsafe impl<T> Send for Carry<T> {}

impl<F: FnOnce() -> T, T> Carry<F> {
    /// Runs the closure; taking all of `self` keeps the compiler from capturing the field alone.
    fn call(self) -> T {
        (self.0)()
    }
}

impl<T> Carry<T> {
    /// What was carried.
    pub fn take(self) -> T {
        self.0
    }
}

/// How a message ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Acknowledged.
    Release,
    /// Back to its queue.
    Nack,
}

/// What another thread left for the agent's own thread to end.
pub enum Left {
    /// A message, and how it ends.
    Message(RawMessage, Fate),
    /// A loan that nobody published.
    Loan(RawLoan),
}

/// The core's agent, for use by its own thread, and what other threads left for it.
pub struct Confined {
    agent: Agent,
    forks: usize,
    left: Mutex<Vec<Carry<Left>>>,
}

// SAFETY: `Agent` is `Send`; what it lacks is `Sync`. The reference to it is given out by `Handle::check` and what
// stands on it only, which let the thread pass that attached and no other; `Handle::remove_view` lets any thread bind it
// again, which writes nothing of the agent's own; and it is dropped by whoever held the last `Arc`, when nobody else can
// use it.
unsafe impl Sync for Confined {}

impl Confined {
    /// Ends what other threads left here.
    fn settle(&self) {
        let left = std::mem::take(&mut *lock(&self.left));
        for item in left {
            end(&self.agent, item.take());
        }
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        // Its thread may have ended, and a reaper be at work on what it had.
        if self.forks == FORKS.load(Ordering::Relaxed) && self.agent.unbind_to_drop() {
            self.settle();
        }
    }
}

impl std::ops::Deref for Confined {
    type Target = Agent;
    fn deref(&self) -> &Agent {
        &self.agent
    }
}

/// Ends one thing. Nobody is there to hear of an error, and the only one possible is that it is no longer ours.
fn end(agent: &Agent, what: Left) {
    match what {
        Left::Message(raw, fate) => {
            let _ = end_message(agent, raw, fate);
        }
        // SAFETY: the object that had the raw loan has left it to us and is gone.
        Left::Loan(raw) => drop(unsafe { Loan::from_raw(agent, raw) }),
    }
}

/// Releases or nacks the message behind `raw`.
pub fn end_message(agent: &Agent, raw: RawMessage, fate: Fate) -> Result<()> {
    // SAFETY: each raw message is ended once: by its object, or here after the object left it to us.
    let message = unsafe { Message::from_raw(agent, raw) }?;
    match fate {
        Fate::Release => message.release(),
        // With no room for it yet, it goes back as soon as there is: the core tries again.
        Fate::Nack => match message.nack() {
            Err(Error::Full { .. }) => Ok(()),
            result => result,
        },
    }
}

/// What changes in a handle's life.
struct Seat {
    /// `None` once closed.
    agent: Option<Arc<Confined>>,
    /// Views of messages and loans that Python holds.
    views: usize,
    /// Closes when the last view is gone.
    leaving: bool,
}

/// One attached agent, shared by its Python objects.
pub struct Handle {
    bus: Bus,
    name: String,
    thread: ThreadId,
    forks: usize,
    seat: Mutex<Seat>,
}

impl Handle {
    /// Takes an agent that the calling thread has just attached.
    ///
    /// # Errors
    /// `Closed`: the bus was destroyed meanwhile.
    pub fn new(agent: Agent) -> Result<Arc<Handle>> {
        let forks = FORKS.load(Ordering::Relaxed);
        // SAFETY: the rules at the top; views unbind it for as long as there are any.
        unsafe { agent.bind_to_thread() }?;
        Ok(Arc::new(Handle {
            bus: agent.bus().clone(),
            name: agent.name().to_owned(),
            thread: thread::current().id(),
            forks,
            seat: Mutex::new(Seat {
                agent: Some(Arc::new(Confined { agent, forks, left: Mutex::new(Vec::new()) })),
                views: 0,
                leaving: false,
            }),
        }))
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
    pub fn is_open(&self) -> bool {
        let seat = lock(&self.seat);
        seat.agent.is_some() && !seat.leaving
    }

    /// Whether messages and loans of it are still its own; so until the last view is gone, even after leaving.
    pub fn is_attached(&self) -> bool {
        lock(&self.seat).agent.is_some()
    }

    fn is_own_thread(&self) -> bool {
        thread::current().id() == self.thread
    }

    fn is_forked(&self) -> bool {
        FORKS.load(Ordering::Relaxed) != self.forks
    }

    /// Refuses other threads and children of a fork.
    #[inline]
    pub fn check(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_forked() {
            return Err(self.forked(py));
        }
        if !self.is_own_thread() {
            return Err(self.wrong_thread(py));
        }
        Ok(())
    }

    /// The core's agent for a call of the user's; refuses when closed.
    #[inline]
    pub fn agent(&self, py: Python<'_>) -> PyResult<Arc<Confined>> {
        self.check(py)?;
        let seat = lock(&self.seat);
        let agent = seat.agent.clone().filter(|_| !seat.leaving);
        drop(seat);
        let agent = agent.ok_or_else(|| self.closed(py))?;
        agent.settle();
        Ok(agent)
    }

    /// The core's agent for ending a message or a loan, which is possible until the agent really is closed.
    pub fn agent_for_ending(&self, py: Python<'_>) -> PyResult<Option<Arc<Confined>>> {
        self.check(py)?;
        Ok(lock(&self.seat).agent.clone())
    }

    /// Runs a call that may wait, without the interpreter's lock. Ctrl-C and other signals end the wait if their
    /// handler raises; closing the agent in a handler ends it as well.
    pub fn wait<T>(
        &self,
        py: Python<'_>,
        agent: &Confined,
        call: impl FnOnce(&Agent, &mut dyn FnMut() -> bool) -> Result<T>,
    ) -> PyResult<T> {
        // A signal that came before the wait does not wake it.
        py.check_signals()?;
        let mut raised = None;
        let call = Carry(|| {
            call(agent, &mut || {
                // Without an interpreter (it is going down) there is nobody to wait for.
                Python::try_attach(|py| {
                    raised = py.check_signals().err();
                    agent.settle();
                    raised.is_some() || !self.is_open()
                })
                .unwrap_or(true)
            })
        });
        let result = py.detach(move || Carry(call.call())).take();
        match (result, raised) {
            (_, Some(raised)) => Err(raised),
            (Err(Error::Interrupted), None) if !self.is_open() => Err(self.closed(py)),
            (result, None) => result.raise(py),
        }
    }

    /// Ends something in a place where nobody can be told of an error: in a drop, or when a view goes.
    pub fn end_anywhere(&self, what: Left) {
        if self.is_forked() {
            return;
        }
        let Some(agent) = lock(&self.seat).agent.clone() else {
            return; // Closing the agent has ended it.
        };
        if self.is_own_thread() {
            end(&agent, what);
        } else {
            lock(&agent.left).push(Carry(what));
        }
    }

    /// Notes one more view of something whose agent is attached.
    pub fn add_view(&self) {
        let mut seat = lock(&self.seat);
        seat.views += 1;
        if seat.views == 1
            && let Some(agent) = &seat.agent
        {
            agent.unbind_from_thread();
        }
    }

    /// Notes that a view is gone, and closes if that was waited for.
    pub fn remove_view(&self) {
        let mut seat = lock(&self.seat);
        seat.views -= 1;
        if seat.views > 0 {
            return;
        }
        if seat.leaving {
            let agent = seat.agent.take();
            drop(seat);
            drop(agent);
        } else if let Some(agent) = seat.agent.as_ref().filter(|_| !self.is_forked()) {
            // SAFETY: there is no view any more.
            unsafe { agent.bind_again() };
        }
    }

    /// Gives everything back, at once.
    pub fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.check(py)?;
        let mut seat = lock(&self.seat);
        if seat.views > 0 {
            return Err(views_held(format!(
                "agent {:?} can't be closed while {} of its messages or loans {} held: release them first (del view, or view.release())",
                self.name,
                if seat.views == 1 { "a view".to_owned() } else { format!("{} views", seat.views) },
                if seat.views == 1 { "is" } else { "are" },
            )));
        }
        let agent = seat.agent.take();
        drop(seat);
        drop(agent);
        Ok(())
    }

    /// Gives everything back when the last view is gone. In a forked child there is nothing to give back.
    pub fn leave(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_forked() {
            return Ok(());
        }
        self.check(py)?;
        let mut seat = lock(&self.seat);
        seat.leaving = true;
        let agent = if seat.views == 0 { seat.agent.take() } else { None };
        drop(seat);
        drop(agent);
        Ok(())
    }

    #[cold]
    fn forked(&self, py: Python<'_>) -> PyErr {
        let text = format!(
            "agent {:?} on bus {:?} belongs to the parent process: after a fork, attach a name of its own in the child",
            self.name,
            self.bus.name()
        );
        exception(py, "Forked", text)
    }

    #[cold]
    fn wrong_thread(&self, py: Python<'_>) -> PyErr {
        let text = format!(
            "agent {:?} on bus {:?} belongs to the thread that attached it: let another thread attach a name of its own, \
             or hand it a view of the data",
            self.name,
            self.bus.name()
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
