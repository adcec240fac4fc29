//! The handles of this shell, and which of them an address means.

use std::os::raw::{c_int, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

use swarmbus_core::{Bus, Error};

use crate::failure::Failure;
use crate::handle::{Fate, Handle};
use crate::shell;
use crate::staged::Staged;
use crate::words::{Given, Opt};

static STATE: Mutex<State> = Mutex::new(State { handles: Vec::new(), current: None, staged: None, delivered: None });

pub struct State {
    pub handles: Vec<Handle>,
    /// Whose turn it is to speak where no name is given: the handle that was opened last.
    pub current: Option<usize>,
    staged: Option<Staged>,
    /// The handle whose message is staged.
    delivered: Option<usize>,
}

/// The state, for the one thread of bash.
pub fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub fn staged(&mut self) -> &mut Staged {
        self.staged.get_or_insert_default()
    }

    /// A handle, and where what becomes of its messages is staged.
    pub fn handle_and_staged(&mut self, at: usize) -> (&mut Handle, &mut Staged) {
        (&mut self.handles[at], self.staged.get_or_insert_default())
    }

    /// What is to be done in bash, if anything; the memory comes back by [`State::done`].
    pub fn take_staged(&mut self) -> Option<Staged> {
        self.staged.as_mut().filter(|staged| !staged.is_empty()).map(Staged::take)
    }

    /// Bash has done what was staged, or could not.
    pub fn done(&mut self, mut staged: Staged, assigned: bool) {
        staged.clear();
        self.staged = Some(staged);
        let delivered = self.delivered.take();
        if let Some(handle) = delivered.and_then(|at| self.handles.get_mut(at)).filter(|_| assigned) {
            handle.mark_seen();
        }
    }

    /// Forgets what a verb has staged that failed then.
    pub fn forget(&mut self) {
        if let Some(staged) = &mut self.staged {
            staged.clear();
        }
        self.delivered = None;
    }

    /// The message of this handle is out, or will be when bash has done what is staged.
    pub fn deliver(&mut self, handle: usize) {
        if self.staged.as_ref().is_none_or(Staged::is_empty) {
            self.handles[handle].mark_seen();
        } else {
            self.delivered = Some(handle);
        }
    }

    /// Adds a handle, and says where it is.
    pub fn add(&mut self, handle: Handle) -> usize {
        // Those of the parent shell are of no use here.
        if self.handles.iter().any(Handle::is_forked) {
            self.handles.clear();
            self.current = None;
        }
        self.handles.push(handle);
        let at = self.handles.len() - 1;
        if self.handles[at].name().is_some() && self.current.is_none() {
            self.current = Some(at);
        }
        at
    }

    pub fn remove(&mut self, at: usize) -> Handle {
        let handle = self.handles.remove(at);
        self.current = match self.current {
            Some(current) if current > at => Some(current - 1),
            // The one that was opened before it.
            Some(current) if current == at => self.handles.iter().rposition(|handle| handle.name().is_some()),
            current => current,
        };
        handle
    }

    /// The agent of this name.
    pub fn agent(&self, bus: &str, name: &str) -> Option<usize> {
        self.handles.iter().position(|handle| handle.bus() == bus && handle.name() == Some(name))
    }

    /// The bus of addresses that name none.
    pub fn default_bus(&self, given: &Given<'_>) -> Result<String, Failure> {
        if let Some(bus) = given.text(Opt::Bus)? {
            return Ok(bus.to_owned());
        }
        if let Some(current) = self.current {
            return Ok(self.handles[current].bus().to_owned());
        }
        shell::variable(c"SWARMBUS")
            .ok_or_else(|| Failure::usage("no bus is named: write BUS/NAME, give -b BUS, or set the variable SWARMBUS"))
    }

    /// The handle that speaks to an address, and the name of that without its bus. Joins the bus if there is none.
    pub fn speaker<'a>(&mut self, address: &'a str, given: &Given<'_>) -> Result<(usize, &'a str), Failure> {
        let (bus, name) = split(address);
        if let Some(from) = given.text(Opt::From)? {
            let (own, from) = split(from);
            let bus = self.named_or_default(own.or(bus), given)?;
            let at = self.agent(&bus, from).ok_or_else(|| {
                Failure::usage(format!(
                    "this shell has no agent '{from}' on bus '{bus}': swarmbus open {bus}/{from} first"
                ))
            })?;
            self.handles[at].check_fork()?;
            return Ok((at, name));
        }
        Ok((self.on_bus(bus, given)?, name))
    }

    fn named_or_default(&self, bus: Option<&str>, given: &Given<'_>) -> Result<String, Failure> {
        bus.map_or_else(|| self.default_bus(given), |bus| Ok(bus.to_owned()))
    }

    /// The handle on this bus: the current one if it is there, else the first. Joins the bus if there is none.
    pub fn on_bus(&mut self, bus: Option<&str>, given: &Given<'_>) -> Result<usize, Failure> {
        let bus = match bus {
            Some(bus) => Some(bus),
            None => given.text(Opt::Bus)?,
        };
        let found = match (self.current, bus) {
            (Some(current), None) => Some(current),
            (Some(current), Some(bus)) if self.handles[current].bus() == bus => Some(current),
            (_, Some(bus)) => self.handles.iter().position(|handle| handle.bus() == bus),
            (None, None) => {
                let bus = self.default_bus(given)?;
                self.handles.iter().position(|handle| handle.bus() == bus)
            }
        };
        if let Some(found) = found {
            self.handles[found].check_fork()?;
            return Ok(found);
        }
        let bus = self.named_or_default(bus, given)?;
        let member = Bus::open(&bus)?.join()?;
        if let Some(name) = shell::variable(c"SWARMBUS_AGENT") {
            member.set_sender(&name)?;
        }
        Ok(self.add(Handle::of_member(member)))
    }

    /// The agent that receives: the one of this address, or else the current one. Attaches it if it is not open.
    pub fn receiver(&mut self, address: Option<&str>, given: &Given<'_>) -> Result<usize, Failure> {
        if address.is_none()
            && let Some(current) = self.current
            && given.text(Opt::Bus)?.is_none_or(|bus| bus == self.handles[current].bus())
        {
            self.handles[current].check_fork()?;
            return Ok(current);
        }
        let named = match address {
            Some(address) => address.to_owned(),
            None => shell::variable(c"SWARMBUS_AGENT").ok_or_else(|| {
                Failure::usage(
                    "this shell has no mailbox: swarmbus open NAME first, or set the variable SWARMBUS_AGENT",
                )
            })?,
        };
        let (bus, name) = split(&named);
        let bus = self.named_or_default(bus, given)?;
        match self.agent(&bus, name) {
            Some(found) => {
                self.handles[found].check_fork()?;
                Ok(found)
            }
            None => {
                let agent = Bus::open(&bus)?.attach(name)?;
                Ok(self.add(Handle::of_agent(agent)))
            }
        }
    }

    /// Lets go of everything, as the shell ends or the builtin is taken away.
    pub fn leave(&mut self, fate: Fate) {
        for mut handle in self.handles.drain(..) {
            if !handle.is_forked() {
                // Who comes next finds what could not be ended.
                let _ = match fate {
                    Fate::Release => handle.settle(),
                    Fate::GiveBack => handle.end(|_| true, fate).map(drop),
                };
            }
        }
        self.current = None;
    }
}

/// An address: `[BUS/]NAME`.
pub fn split(address: &str) -> (Option<&str>, &str) {
    match address.split_once('/') {
        Some((bus, name)) => (Some(bus), name),
        None => (None, address),
    }
}

/// The hook that ends waits.
pub fn interrupted() -> bool {
    shell::signal().is_some()
}

/// What the libc calls when the shell ends: work that ended well is done with, other work is given back.
pub extern "C" fn at_exit(status: c_int, _: *mut c_void) {
    let fate = if status == 0 { Fate::Release } else { Fate::GiveBack };
    // A panic must not pass the border; the dead are reaped anyway.
    let _ = std::panic::catch_unwind(|| lock().leave(fate));
}

/// `Timeout` of a take, with what was waited for.
pub fn nothing_came(error: Error, what: &str, given: &Given<'_>) -> Failure {
    match (error, given.value(Opt::Timeout)) {
        (Error::Timeout, Some(time)) if given.time(Opt::Timeout).is_ok_and(|time| time != Some(Default::default())) => {
            Failure::late(format!("no {what} within {}", String::from_utf8_lossy(time)))
        }
        (Error::Timeout, _) => Failure::late(format!("no {what}")),
        (error, _) => error.into(),
    }
}
