//! Several queues to receive from, looked up once.
use crate::agent::swarmbus_agent;
use crate::error::{Result, border};
use crate::handle::{SOURCES, bits_of, closed};
use crate::message::swarmbus_message;
use crate::options::{swarmbus_receive_opts, timeout, waiting};
use crate::party::{self, What};
use crate::text;
use std::ffi::c_char;
use std::{mem, ptr};
use swarmbus_core::Sources;

/// Several mailboxes and work queues from which one agent receives. The handle is the agent's and its thread's; closing the
/// agent closes it.
pub enum swarmbus_sources {}

/// Looks up `count` mailboxes and work queues, each counted once, to receive from any of them with
/// swarmbus_sources_receive().
///
/// # Errors
/// SWARMBUS_UNKNOWN_AGENT, SWARMBUS_AGENT_BUSY (a mailbox that another owns), SWARMBUS_INVALID_ARGUMENT (`count` is 0),
/// SWARMBUS_INVALID_NAME, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
/// SWARMBUS_WRONG_THREAD. `*sources` is NULL then.
///
/// # Ownership
/// The caller closes `*sources` with swarmbus_sources_close(), or closes the agent.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `queues` has `count` NUL-terminated strings; `sources` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_sources_open(
    agent: *mut swarmbus_agent,
    queues: *const *const c_char,
    count: usize,
    sources: *mut *mut swarmbus_sources,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        unsafe { text::put(sources, ptr::null_mut(), "sources") }?;
        let party = party::agent(agent)?;
        // SAFETY: this function's contract.
        let queues = unsafe { text::read_all(queues, count, "queues") }?;
        let found = party.member().sources(&text::all_local(&queues, party.member().bus().name())?)?;
        // SAFETY: the part keeps the agent from which it borrows, and is dropped before it.
        let found: Sources<'static> = unsafe { mem::transmute(found) };
        let handle = party::add_part(SOURCES, agent, party, What::Sources(found))?;
        // SAFETY: this function's contract.
        unsafe { text::put(sources, handle, "sources") }
    })
}

/// Receives the next message of any of the queues, each in its turn; swarmbus_message_queue() tells which it was. The
/// message is the agent's: release it with that. `timeout_ns` is that of swarmbus_receive().
///
/// # Errors
/// SWARMBUS_AGENT_BUSY (a mailbox has got another owner), and those of swarmbus_receive_any(). `message->data` is NULL then.
///
/// # Ownership
/// As with swarmbus_receive().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be written; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_sources_receive(
    sources: *mut swarmbus_sources,
    timeout_ns: i64,
    message: *mut swarmbus_message,
    opts: *const swarmbus_receive_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract. A NULL is found before a message is taken.
        unsafe { text::put(message, swarmbus_message::NONE, "message") }?;
        let part = party::part(sources, SOURCES)?;
        let What::Sources(of) = &part.what else { return not_sources(sources) };
        let timeout = timeout(timeout_ns)?;
        // SAFETY: this function's contract.
        let mut interrupted = unsafe { waiting(opts) }?;
        let received = of.receive_until(timeout, &mut interrupted)?;
        let filled = swarmbus_message::new(part.agent, received.into_raw());
        // SAFETY: this function's contract.
        unsafe { text::put(message, filled, "message") }
    })
}

/// Closes the handle. Messages received by it stay the agent's. NULL is fine and does nothing.
///
/// # Errors
/// SWARMBUS_BAD_HANDLE (closed before, also with its agent), SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_sources_close(sources: *mut swarmbus_sources) -> i32 {
    border(|| if sources.is_null() { Ok(()) } else { party::remove_part(sources, SOURCES).map(drop) })
}

fn not_sources(handle: *const swarmbus_sources) -> Result<()> {
    Err(closed(bits_of(handle, SOURCES)?, SOURCES))
}
