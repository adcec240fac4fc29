//! `open`, `close`.

use swarmbus_core::Bus;

use super::{Given, Opt, State};
use crate::failure::Failure;
use crate::handle::Handle;
use crate::shell;
use crate::state::{interrupted, nothing_came, split};

pub fn open(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let named = match given.word_if_any("one NAME")? {
        Some(name) => name.to_owned(),
        None => shell::variable(c"SWARMBUS_AGENT")
            .ok_or_else(|| given.wrong("give the NAME of an agent, or set the variable SWARMBUS_AGENT"))?,
    };
    let (bus, name) = split(&named);
    let bus = match bus {
        Some(bus) => bus.to_owned(),
        None => state.default_bus(given)?,
    };
    let timeout = given.time(Opt::Timeout)?;
    if let Some(found) = state.agent(&bus, name).filter(|found| !state.handles[*found].is_forked()) {
        state.current = Some(found);
        return Ok(());
    }
    let opened = Bus::open(&bus)?;
    let agent = match (given.has(Opt::TakeOver), given.has(Opt::StandBy)) {
        (false, false) => opened.attach(name),
        (true, false) => opened.take_over(name),
        (false, true) => opened.stand_by_until(name, timeout, &mut interrupted),
        (true, true) => return Err(given.wrong("give --take-over or --stand-by, not both")),
    };
    let agent = agent.map_err(|error| nothing_came(error, &format!("end of the owner of {name}"), given))?;
    let at = state.add(Handle::of_agent(agent));
    state.current = Some(at);
    Ok(())
}

pub fn close(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    if given.has(Opt::All) {
        given.words::<0>("no words with --all")?;
        let mut result = Ok(());
        while !state.handles.is_empty() {
            result = result.and(end(state, 0));
        }
        return result;
    }
    let at = match given.word_if_any("one NAME")? {
        Some(address) => {
            let (bus, name) = split(address);
            let bus = match bus {
                Some(bus) => bus.to_owned(),
                None => state.default_bus(given)?,
            };
            state.agent(&bus, name)
        }
        None => state.current,
    };
    let at = at.ok_or_else(|| Failure::usage("this shell is no such agent: there is nothing to close"))?;
    end(state, at)
}

/// Takes a handle away, which is done with what it took last.
fn end(state: &mut State, at: usize) -> Result<(), Failure> {
    let mut handle = state.remove(at);
    // The parent shell's is let go of without a trace.
    if handle.is_forked() {
        return Ok(());
    }
    Ok(handle.settle()?)
}
