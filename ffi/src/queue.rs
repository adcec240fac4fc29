//! What an agent does to a whole queue: stop and resume its intake, purge, redrive, tap; and reaping.
use crate::agent::swarmbus_agent;
use crate::error::{Failure, Result, border};
use crate::party;
use crate::text;
use std::ffi::c_char;
use std::mem::size_of;
use swarmbus_core::{Member, Reaped};

/// What a reap did.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_reaped {
    /// Dead members that were found.
    pub members: u32,
    /// Messages they had received and not released, which went back to their queues.
    pub redelivered: u32,
    /// Chunks they had claimed and not sent, which went back to the heap.
    pub freed: u32,
    /// Messages that have to wait until their queue has room.
    pub deferred: u32,
}

const _: () = assert!(size_of::<swarmbus_reaped>() == 16, "the struct is part of the ABI and does not grow");

/// Runs `act` with the member and a queue's name.
///
/// # Safety
/// `queue` is NULL or a NUL-terminated string.
unsafe fn on_queue(
    agent: *mut swarmbus_agent,
    queue: *const c_char,
    act: impl FnOnce(&Member, &str) -> swarmbus_core::Result<()>,
) -> Result<()> {
    let party = party::agent(agent)?;
    let member = party.member();
    // SAFETY: the caller's promise.
    let queue = text::local(unsafe { text::read(queue, "queue") }?, member.bus().name())?;
    Ok(act(member, queue)?)
}

/// Closes the intake of a mailbox or queue: senders get SWARMBUS_CLOSED at once, receivers once it is empty.
///
/// # Errors
/// SWARMBUS_UNKNOWN_AGENT, SWARMBUS_CLOSED (the bus is gone), SWARMBUS_FORKED, SWARMBUS_CORRUPT,
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `queue` is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_close_queue(agent: *mut swarmbus_agent, queue: *const c_char) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { on_queue(agent, queue, Member::close_queue) })
}

/// Opens the intake of a queue again.
///
/// # Errors
/// Those of swarmbus_close_queue().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `queue` is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_reopen_queue(agent: *mut swarmbus_agent, queue: *const c_char) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { on_queue(agent, queue, Member::reopen_queue) })
}

/// Writes what a reap did, if the caller wants to know.
///
/// # Safety
/// `out` is NULL or may be written.
unsafe fn report(out: *mut swarmbus_reaped, reaped: Reaped) {
    if !out.is_null() {
        let Reaped { members, redelivered, freed, deferred, .. } = reaped;
        // SAFETY: not NULL, and the caller promises the rest.
        unsafe { out.write(swarmbus_reaped { members, redelivered, freed, deferred }) };
    }
}

/// Looks for members whose process is dead, on the kernel's word, and gives back all they had: messages in flight to
/// their queues, chunks to the heap. Peers and the supervisor do this by themselves; call it to have it done now.
/// `reaped` may be NULL.
///
/// # Errors
/// SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
/// SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `reaped` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_reap(agent: *mut swarmbus_agent, reaped: *mut swarmbus_reaped) -> i32 {
    border(|| {
        let found = party::agent(agent)?.member().reap()?;
        // SAFETY: this function's contract.
        unsafe { report(reaped, found) };
        Ok(())
    })
}

/// The same for the members of one process that the caller knows to be dead, from waitpid() or a pidfd. `reaped` may
/// be NULL.
///
/// # Errors
/// Those of swarmbus_reap(), and SWARMBUS_INVALID_ARGUMENT (a pid of 0).
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `reaped` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_reap_process(
    agent: *mut swarmbus_agent,
    pid: u32,
    reaped: *mut swarmbus_reaped,
) -> i32 {
    border(|| {
        let party = party::agent(agent)?;
        if pid == 0 {
            return Err(Failure::argument("pid is 0: pass the id of a process that has died"));
        }
        let found = party.member().reap_process(pid)?;
        // SAFETY: this function's contract.
        unsafe { report(reaped, found) };
        Ok(())
    })
}

/// Runs `act` and writes the count that it returns.
///
/// # Safety
/// `queue` is NULL or a NUL-terminated string; `count` is NULL or may be written.
unsafe fn counted(
    agent: *mut swarmbus_agent,
    queue: *const c_char,
    count: *mut u64,
    act: impl FnOnce(&Member, &str) -> swarmbus_core::Result<u64>,
) -> Result<()> {
    let mut done = 0;
    let act = |member: &Member, queue: &str| act(member, queue).map(|sum| done = sum);
    // SAFETY: the caller's promise.
    unsafe { on_queue(agent, queue, act) }?;
    // SAFETY: as above.
    unsafe { text::tell(count, done) };
    Ok(())
}

/// Drops everything that waits in a mailbox or queue. `count` may be NULL; else it gets how many messages that were.
///
/// # Errors
/// SWARMBUS_UNKNOWN_AGENT, SWARMBUS_AGENT_BUSY (a mailbox that another owns), SWARMBUS_CLOSED (the bus is gone),
/// SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `queue` is a NUL-terminated string; `count` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_purge(agent: *mut swarmbus_agent, queue: *const c_char, count: *mut u64) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { counted(agent, queue, count, Member::purge) })
}

/// Sends at most `most` dead letters back to the queues they were sent to, their deliveries counted anew; what was put into
/// the queue of dead letters directly stays. Stops at a queue that is full. `count` may be NULL; else it gets how many went.
///
/// # Errors
/// SWARMBUS_FULL (the first one's queue), and those of swarmbus_purge().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `dead_letters` is a NUL-terminated string; `count` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_redrive(
    agent: *mut swarmbus_agent,
    dead_letters: *const c_char,
    most: u64,
    count: *mut u64,
) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { counted(agent, dead_letters, count, |member, queue| member.redrive(queue, most)) })
}

/// Taps a queue: from now on the agent's mailbox gets a copy of every new message that is sent or forwarded there, and whoever
/// consumes from the queue notices nothing. swarmbus_message_tapped() tells a copy. One that finds the mailbox full is missed
/// and counted. An agent taps one queue at a time, until swarmbus_untap() or its end.
///
/// # Errors
/// SWARMBUS_UNKNOWN_AGENT, SWARMBUS_AGENT_BUSY (another taps it), SWARMBUS_INVALID_ARGUMENT (its own mailbox; it taps another
/// queue; a member without a mailbox), SWARMBUS_HANDED_OVER, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_CORRUPT,
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `queue` is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_tap(agent: *mut swarmbus_agent, queue: *const c_char) -> i32 {
    border(|| {
        let party = party::agent(agent)?;
        // SAFETY: this function's contract.
        let queue = text::local(unsafe { text::read(queue, "queue") }?, party.member().bus().name())?;
        Ok(party.agent("a tap")?.tap(queue)?)
    })
}

/// Ends the tap, if there is one. Copies that came before stay in the mailbox.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (a member without a mailbox), SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_untap(agent: *mut swarmbus_agent) -> i32 {
    border(|| Ok(party::agent(agent)?.agent("a tap")?.untap()?))
}
