//! Receiving: from the own mailbox, from a queue, from any of several.
use crate::agent::swarmbus_agent;
use crate::error::{Result, border};
use crate::message::swarmbus_message;
use crate::options::{swarmbus_receive_opts, timeout, waiting};
use crate::party::{self, Party};
use crate::text;
use std::ffi::c_char;
use std::time::Duration;
use swarmbus_core::Message;

/// Receives into the caller's struct.
///
/// # Safety
/// `message` is NULL or may be written; `opts` is as `options::read` wants it and its hook may be called.
unsafe fn receive(
    agent: *mut swarmbus_agent,
    timeout_ns: i64,
    message: *mut swarmbus_message,
    opts: *const swarmbus_receive_opts,
    how: impl for<'a> FnOnce(&'a Party, Option<Duration>, &mut dyn FnMut() -> bool) -> Result<Message<'a>>,
) -> Result<()> {
    // SAFETY: the caller's promise. A NULL is found before a message is taken.
    unsafe { text::put(message, swarmbus_message::NONE, "message") }?;
    let party = party::agent(agent)?;
    let timeout = timeout(timeout_ns)?;
    // SAFETY: the caller's promise.
    let mut interrupted = unsafe { waiting(opts) }?;
    let received = how(&party, timeout, &mut interrupted)?;
    let filled = swarmbus_message::new(agent, received.into_raw());
    // SAFETY: as above.
    unsafe { text::put(message, filled, "message") }
}

/// Receives the next message of the agent's own mailbox into `*message`: redelivered ones first, then
/// replies, urgent, high, normal and low, each in the order of sending. Nothing is copied.
///
/// `timeout_ns`: how long to wait, nanoseconds; 0 looks once, SWARMBUS_FOREVER waits until a message comes.
///
/// # Errors
/// SWARMBUS_TIMEOUT, SWARMBUS_CLOSED (the mailbox is closed and empty, or the bus is gone), SWARMBUS_INVALID_ARGUMENT
/// (a member without a mailbox), SWARMBUS_INTERRUPTED, SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_SYSTEM,
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. `message->data` is NULL then.
///
/// # Ownership
/// The message is the agent's until swarmbus_release() or swarmbus_nack(). An agent may hold many at a time.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be written; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_receive(
    agent: *mut swarmbus_agent,
    timeout_ns: i64,
    message: *mut swarmbus_message,
    opts: *const swarmbus_receive_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        unsafe {
            receive(agent, timeout_ns, message, opts, |party, timeout, interrupted| {
                Ok(party.agent("swarmbus_receive()")?.recv_until(timeout, interrupted)?)
            })
        }
    })
}

/// Receives the next message of the work queue `queue`, beside any number of other receivers; each message goes to
/// one of them. Otherwise as swarmbus_receive().
///
/// # Errors
/// SWARMBUS_UNKNOWN_AGENT, SWARMBUS_AGENT_BUSY (a mailbox whose owner is another), SWARMBUS_INVALID_NAME, and those
/// of swarmbus_receive().
///
/// # Ownership
/// As with swarmbus_receive().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `queue` is a NUL-terminated string; `message` may be written; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_receive_from(
    agent: *mut swarmbus_agent,
    queue: *const c_char,
    timeout_ns: i64,
    message: *mut swarmbus_message,
    opts: *const swarmbus_receive_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let queue = unsafe { text::read(queue, "queue") }?;
        // SAFETY: this function's contract.
        unsafe {
            receive(agent, timeout_ns, message, opts, |party, timeout, interrupted| {
                let member = party.member();
                Ok(member.receive_until(text::local(queue, member.bus().name())?, timeout, interrupted)?)
            })
        }
    })
}

/// Receives the next message of any of `count` mailboxes and work queues with one sleep, each in its turn;
/// swarmbus_message_queue() tells which it was. Otherwise as swarmbus_receive_from(). Who does this often makes
/// swarmbus_sources_open() do the looking up once.
///
/// # Errors
/// SWARMBUS_CLOSED (all of them are closed and empty, or the bus is gone), SWARMBUS_INVALID_ARGUMENT (`count` is 0), and
/// those of swarmbus_receive_from(). `message->data` is NULL then.
///
/// # Ownership
/// As with swarmbus_receive().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `queues` has `count` NUL-terminated strings; `message` may be written; `opts` is NULL or as long as its `struct_size`
/// says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_receive_any(
    agent: *mut swarmbus_agent,
    queues: *const *const c_char,
    count: usize,
    timeout_ns: i64,
    message: *mut swarmbus_message,
    opts: *const swarmbus_receive_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let queues = unsafe { text::read_all(queues, count, "queues") }?;
        // SAFETY: this function's contract.
        unsafe {
            receive(agent, timeout_ns, message, opts, |party, timeout, interrupted| {
                let member = party.member();
                let queues = text::all_local(&queues, member.bus().name())?;
                Ok(member.receive_any_until(&queues, timeout, interrupted)?)
            })
        }
    })
}
