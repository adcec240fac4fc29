//! Status boards: what agents say of themselves.
use crate::agent::swarmbus_agent;
use crate::error::{Failure, Result, border};
use crate::options::{Sized32, read};
use crate::party;
use crate::text;
use std::ffi::c_char;
use swarmbus_core::{AgentState, Status};

/// State of an agent: it has no task.
pub const SWARMBUS_STATE_IDLE: i32 = 0;
/// State: its task cannot begin, or go on, before others have done theirs.
pub const SWARMBUS_STATE_WAITING: i32 = 1;
/// State: it works on its task.
pub const SWARMBUS_STATE_IN_PROGRESS: i32 = 2;
/// State: its task is done.
pub const SWARMBUS_STATE_COMPLETED: i32 = 3;
/// State: its task cannot go on unless somebody helps; the blockers say with what.
pub const SWARMBUS_STATE_BLOCKED: i32 = 4;
/// State in a snapshot: its board could not be read. Not to be set.
pub const SWARMBUS_STATE_UNREADABLE: i32 = -1;

const STATES: &[(i32, AgentState)] = &[
    (SWARMBUS_STATE_IDLE, AgentState::Idle),
    (SWARMBUS_STATE_WAITING, AgentState::WaitingForDependencies),
    (SWARMBUS_STATE_IN_PROGRESS, AgentState::InProgress),
    (SWARMBUS_STATE_COMPLETED, AgentState::Completed),
    (SWARMBUS_STATE_BLOCKED, AgentState::Blocked),
];

/// What an agent says of itself. All of its texts, tags and roles together have room for 720 bytes, of which each takes 3 more
/// than it is long.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_status {
    /// sizeof(swarmbus_status).
    pub struct_size: u32,
    /// One of the SWARMBUS_STATE_ numbers from 0 on.
    pub state: i32,
    /// How many goals of its task are done.
    pub done: u32,
    /// How many goals its task has. 0: that is not known.
    pub total: u32,
    /// Its task. NULL: none.
    pub task: *const c_char,
    /// What else it wants people to know. NULL: nothing.
    pub note: *const c_char,
    /// What keeps it from going on, `blocker_count` texts. NULL is fine when that is 0.
    pub blockers: *const *const c_char,
    /// How many blockers.
    pub blocker_count: usize,
}

// SAFETY: integers and pointers, which are not followed before their caller vouches for them.
unsafe impl Sized32 for swarmbus_status {}

/// The C number of a state as observers name it.
pub fn state_number(name: &str) -> i32 {
    let state = AgentState::parse(name);
    let known = STATES.iter().find(|(_, known)| Some(*known) == state);
    known.map_or(SWARMBUS_STATE_UNREADABLE, |(number, _)| *number)
}

/// A text that may be left out.
///
/// # Safety
/// `text` is NULL or a NUL-terminated string.
unsafe fn optional(text: *const c_char, what: &'static str) -> Result<String> {
    // SAFETY: the caller's promise.
    if text.is_null() { Ok(String::new()) } else { Ok(unsafe { text::read(text, what) }?.to_owned()) }
}

/// Says what this agent does. Whoever looks sees the whole of it or the whole of what was said before, whenever this process
/// dies or is paused. It stays when the agent leaves or dies.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (too long, with the limit; no such state; a member without a mailbox), SWARMBUS_INVALID_NAME (not
/// UTF-8), SWARMBUS_HANDED_OVER, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_CORRUPT,
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. Nothing has changed then.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `status` is as long as its `struct_size` says; its texts are NUL-terminated strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_set_status(agent: *mut swarmbus_agent, status: *const swarmbus_status) -> i32 {
    border(|| {
        let party = party::agent(agent)?;
        if status.is_null() {
            return Err(Failure::NullPointer("status"));
        }
        // SAFETY: this function's contract.
        let given = unsafe { read(status) }?;
        let state = STATES.iter().find(|(number, _)| *number == given.state).map(|(_, state)| *state);
        let Some(state) = state else {
            return Err(Failure::argument(format!("state is {}: use one of SWARMBUS_STATE_ from 0 on", given.state)));
        };
        // SAFETY: this function's contract.
        let task = unsafe { optional(given.task, "task") }?;
        // SAFETY: this function's contract.
        let note = unsafe { optional(given.note, "note") }?;
        // SAFETY: this function's contract.
        let blockers = unsafe { text::read_all(given.blockers, given.blocker_count, "blockers") }?;
        let blockers = blockers.into_iter().map(str::to_owned).collect();
        let (done, total) = (given.done, given.total);
        let whole = Status { state, done, total, task, note, blockers, ..Status::default() };
        Ok(party.agent("a status")?.set_status(&whole)?)
    })
}

/// Gives a sign of life, which others see as an age: for who wants to tell an agent that works from one that hangs. Nobody is
/// taken for dead by it.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (a member without a mailbox), SWARMBUS_HANDED_OVER, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_FORKED,
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_beat(agent: *mut swarmbus_agent) -> i32 {
    border(|| Ok(party::agent(agent)?.agent("a sign of life")?.beat()?))
}
