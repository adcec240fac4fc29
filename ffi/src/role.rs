//! Roles and tags.
use crate::agent::swarmbus_agent;
use crate::error::{Result, border};
use crate::party;
use crate::text;
use std::ffi::c_char;
use swarmbus_core::Agent;

/// Runs `act` with the agent and the name of a role.
///
/// # Safety
/// `role` is NULL or a NUL-terminated string.
unsafe fn with_role<R>(
    agent: *mut swarmbus_agent,
    role: *const c_char,
    act: impl FnOnce(&Agent, &str) -> swarmbus_core::Result<R>,
) -> Result<R> {
    let party = party::agent(agent)?;
    // SAFETY: the caller's promise.
    let role = unsafe { text::read(role, "role") }?;
    Ok(act(party.agent("a role")?, role)?)
}

/// Takes a role, named with or without its `@`: from now on swarmbus_receive() takes from the work queue `@role` as well, which
/// is declared if there is none. Any number of agents may have a role; each message sent to `@role` goes to one of them.
///
/// # Errors
/// SWARMBUS_INVALID_NAME, SWARMBUS_INVALID_ARGUMENT (a member without a mailbox; no room on its board), SWARMBUS_TOO_MANY_AGENTS,
/// SWARMBUS_OUT_OF_MEMORY, SWARMBUS_HANDED_OVER, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
/// SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `role` is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_take_role(agent: *mut swarmbus_agent, role: *const c_char) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { with_role(agent, role, Agent::take_role) })
}

/// Gives a role up. Messages received for it and not released stay the agent's. `had` may be NULL; else it gets 1 if the agent
/// had the role, and 0 if not.
///
/// # Errors
/// Those of swarmbus_take_role().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `role` is a NUL-terminated string; `had` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_drop_role(agent: *mut swarmbus_agent, role: *const c_char, had: *mut i32) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let dropped = unsafe { with_role(agent, role, Agent::drop_role) }?;
        // SAFETY: this function's contract.
        unsafe { text::tell(had, dropped as i32) };
        Ok(())
    })
}

/// Says what this agent is or has, for who looks for such agents with swarmbus_snapshot_agents(). Replaces what it said before;
/// a count of 0 takes all back.
///
/// # Errors
/// SWARMBUS_INVALID_NAME (tags are written as names are), SWARMBUS_OUT_OF_MEMORY, and those of swarmbus_take_role().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `tags` has `count` NUL-terminated strings (NULL is fine when `count` is 0).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_set_tags(
    agent: *mut swarmbus_agent,
    tags: *const *const c_char,
    count: usize,
) -> i32 {
    border(|| {
        let party = party::agent(agent)?;
        // SAFETY: this function's contract.
        let tags = unsafe { text::read_all(tags, count, "tags") }?;
        Ok(party.agent("a tag")?.set_tags(&tags)?)
    })
}
