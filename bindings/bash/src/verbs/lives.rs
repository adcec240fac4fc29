//! What an agent says of itself and takes for itself: `lock`, `unlock`, `status`, `beat`, `role`, `tag`.

use swarmbus_core::{AgentState, LockGuard, LockMode, Status};

use super::sending::tell;
use super::{Given, Opt, State, member_at};
use crate::failure::Failure;
use crate::payload::Sink;
use crate::state::interrupted;

pub fn lock(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let sink = Sink::of(given, false)?;
    let [name] = given.words("NAME")?;
    let name = given.plain(name)?;
    let mode = if given.has(Opt::Shared) { LockMode::Shared } else { LockMode::Exclusive };
    let timeout = given.time(Opt::Timeout)?;
    let at = member_at(state, given)?;
    let handle = &mut state.handles[at];
    let lock = handle.member().lock_until(name, mode, timeout, &mut interrupted)?;
    let token = lock.token();
    let raw = lock.into_raw();
    handle.locks.push((name.to_owned(), raw));
    tell(state, &sink, &token.to_string());
    Ok(())
}

pub fn unlock(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let at = member_at(state, given)?;
    let handle = &mut state.handles[at];
    let chosen = match (given.has(Opt::All), given.word_if_any("NAME")?) {
        (true, None) => std::mem::take(&mut handle.locks),
        (false, Some(name)) => {
            let found = handle.locks.iter().position(|(lock, _)| lock == name);
            let found = found.ok_or_else(|| Failure::usage(format!("this shell does not have the lock '{name}'")))?;
            vec![handle.locks.remove(found)]
        }
        _ => return Err(given.count("NAME or --all")),
    };
    let member = handle.member();
    let mut result = Ok(());
    for (_, raw) in chosen {
        result = result.and(LockGuard::from_raw(member, raw).and_then(LockGuard::release));
    }
    Ok(result?)
}

pub fn status(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    match given.words.as_slice() {
        [b"set", rest @ ..] => {
            let given = given.after(rest)?;
            set_status(state, &given)
        }
        [b"get", rest @ ..] => {
            let given = given.after(rest)?;
            get_status(state, &given)
        }
        _ => Err(given.wrong("say set or get")),
    }
}

fn set_status(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let said = match given.word_if_any("one STATE")? {
        None => None,
        Some(name) => Some(AgentState::parse(name).ok_or_else(|| {
            let states = "idle, waiting_for_dependencies, in_progress, completed or blocked";
            given.wrong(&format!("'{name}' is not {states}"))
        })?),
    };
    let (task, note) = (given.text(Opt::Task)?, given.text(Opt::Note)?);
    let (done, total) = (given.number(Opt::Done)?, given.number(Opt::Total)?);
    let blockers = given.values(Opt::Blocker).map(|word| given.plain(word)).collect::<Result<Vec<_>, _>>()?;
    let at = member_at(state, given)?;
    state.handles[at].agent()?.update_status(|status| {
        status.state = said.unwrap_or(status.state);
        status.done = done.unwrap_or(status.done);
        status.total = total.unwrap_or(status.total);
        if let Some(task) = task {
            status.task = task.to_owned();
        }
        if let Some(note) = note {
            status.note = note.to_owned();
        }
        if !blockers.is_empty() || said.is_some_and(|said| said != AgentState::Blocked) {
            status.blockers = blockers.iter().map(|blocker| (*blocker).to_owned()).collect();
        }
    })?;
    Ok(())
}

fn get_status(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let sink = Sink::of(given, true)?;
    let name = given.word_if_any("one NAME")?;
    let (at, status) = match name {
        Some(address) => {
            let (at, name) = state.speaker(address, given)?;
            (at, state.handles[at].member().bus().status_of(name)?)
        }
        None => {
            let at = member_at(state, given)?;
            (at, state.handles[at].agent()?.status()?)
        }
    };
    let Some(status) = status else { return Err(Failure::end()) };
    let (_, staged) = state.handle_and_staged(at);
    sink.put(status.state.as_str().as_bytes(), staged)?;
    if let Some(assoc) = sink.assoc {
        staged.assoc(assoc.name, &about(&status));
    }
    Ok(())
}

fn about(status: &Status) -> [(&'static str, String); 8] {
    [
        ("state", status.state.as_str().to_owned()),
        ("done", status.done.to_string()),
        ("total", status.total.to_string()),
        ("task", status.task.clone()),
        ("note", status.note.clone()),
        ("blockers", status.blockers.join("\n")),
        ("tags", status.tags.join("\n")),
        ("roles", status.roles.join("\n")),
    ]
}

pub fn beat(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    given.words::<0>("no words")?;
    let at = member_at(state, given)?;
    Ok(state.handles[at].agent()?.beat()?)
}

pub fn role(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    if given.words.is_empty() {
        return Err(given.count("ROLE..."));
    }
    let at = member_at(state, given)?;
    let agent = state.handles[at].agent()?;
    for role in &given.words {
        let role = given.plain(role)?;
        match given.has(Opt::Drop) {
            true => drop(agent.drop_role(role)?),
            false => agent.take_role(role)?,
        }
    }
    Ok(())
}

pub fn tag(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let tags = given.words.iter().map(|word| given.plain(word)).collect::<Result<Vec<_>, _>>()?;
    let at = member_at(state, given)?;
    Ok(state.handles[at].agent()?.set_tags(&tags)?)
}
