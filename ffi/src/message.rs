//! Messages in flight: release, return, pass on, take out.
use crate::agent::swarmbus_agent;
use crate::error::{Failure, Result, border};
use crate::loan::swarmbus_loan;
use crate::options::{swarmbus_receive_opts, timeout, waiting};
use crate::party::{self, Party};
use crate::text;
use std::ffi::{c_char, c_void};
use std::mem::{ManuallyDrop, size_of};
use std::ptr;
use std::time::Duration;
use swarmbus_core::{ForwardError, Message, RawMessage};

/// A message in flight: received by an agent and not yet released or returned. A plain struct that the caller
/// provides and may copy; whichever copy is given back first counts, and any later one is SWARMBUS_RELEASED.
///
/// A message that is not released before its agent is closed, or its process dies, is delivered again, to the next
/// receiver.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_message {
    /// The payload, in place in shared memory, at a multiple of 64. Read only. Valid until the message is released or
    /// returned or its agent is closed.
    pub data: *const c_void,
    /// The payload's length, bytes.
    pub length: usize,
    /// The library's own; leave them as they are.
    pub opaque: [u64; 6],
}

const _: () = assert!(size_of::<swarmbus_message>() == 64, "the struct is part of the ABI and does not grow");

impl swarmbus_message {
    /// What a caller finds in its struct when no message came.
    pub const NONE: Self = Self { data: ptr::null(), length: 0, opaque: [0; 6] };

    /// As C sees it.
    pub fn new(agent: *const swarmbus_agent, raw: RawMessage) -> Self {
        let [chunk, word] = raw.token();
        Self { data: raw.data.cast(), length: raw.length, opaque: [agent.addr() as u64, chunk, word, 0, 0, 0] }
    }
}

/// The message that a caller's struct stands for, if it still is this agent's.
///
/// # Safety
/// `message` is NULL or may be read.
pub unsafe fn find<'a>(
    agent: *const swarmbus_agent,
    party: &'a Party,
    message: *const swarmbus_message,
) -> Result<Message<'a>> {
    if message.is_null() {
        return Err(Failure::NullPointer("message"));
    }
    // SAFETY: not NULL, and the caller promises the rest.
    let words = unsafe { message.read() }.opaque;
    if words[0] != agent.addr() as u64 {
        let what =
            "this struct holds no message that this agent received: pass the agent whose swarmbus_receive() filled it";
        return Err(Failure::argument(what));
    }
    // SAFETY: a message exists within one call at most, and calls on one agent come one after the other, by one thread.
    Ok(unsafe { Message::from_raw(party.member(), RawMessage::from_token([words[1], words[2]])) }?)
}

/// Looks at a message in flight, which stays so.
///
/// # Safety
/// `message` is NULL or may be read.
pub unsafe fn look<R>(
    agent: *const swarmbus_agent,
    message: *const swarmbus_message,
    view: impl FnOnce(&Message<'_>) -> R,
) -> Result<R> {
    let party = party::agent(agent)?;
    // A message that is dropped goes back to its queue; this one is only looked at.
    // SAFETY: the caller's promise.
    let found = ManuallyDrop::new(unsafe { find(agent, &party, message) }?);
    Ok(view(&found))
}

/// Gives a message back and clears the caller's pointer to it, whatever comes of it: from here on it is the core's.
///
/// # Safety
/// `message` is NULL or may be read and written.
unsafe fn give_back(
    agent: *mut swarmbus_agent,
    message: *mut swarmbus_message,
    how: impl FnOnce(Message<'_>) -> swarmbus_core::Result<()>,
) -> Result<()> {
    let party = party::agent(agent)?;
    // SAFETY: the caller's promise.
    let given_back = how(unsafe { find(agent, &party, message) }?);
    // SAFETY: `find` refused NULL, and the caller promises the rest.
    unsafe { clear(message) };
    Ok(given_back?)
}

/// Clears the caller's pointer to a message that has ended.
///
/// # Safety
/// `message` may be written.
unsafe fn clear(message: *mut swarmbus_message) {
    // The words stay: a second release of this struct is told from a struct that never held a message.
    // SAFETY: the caller's promise.
    let message = unsafe { &mut *message };
    message.data = ptr::null();
    message.length = 0;
}

/// Passes a message on, which stays the caller's if that fails.
///
/// # Safety
/// `message` is NULL or may be read and written.
unsafe fn pass_on(
    agent: *mut swarmbus_agent,
    message: *mut swarmbus_message,
    how: impl for<'a> FnOnce(Message<'a>) -> std::result::Result<(), ForwardError<'a>>,
) -> Result<()> {
    let party = party::agent(agent)?;
    // SAFETY: the caller's promise.
    let found = unsafe { find(agent, &party, message) }?;
    match how(found) {
        Ok(()) => {
            // SAFETY: `find` refused NULL, and the caller promises the rest.
            unsafe { clear(message) };
            Ok(())
        }
        Err(refused) => {
            // Its words may have changed.
            let renewed = swarmbus_message::new(agent, refused.message.into_raw());
            // SAFETY: as above.
            unsafe { text::put(message, renewed, "message") }?;
            Err(Failure::Core(refused.error))
        }
    }
}

/// Releases a message: the acknowledgement. It is gone from the bus, and its data pointer is void; `message->data`
/// becomes NULL.
///
/// # Errors
/// SWARMBUS_RELEASED (given back before), SWARMBUS_INVALID_ARGUMENT (not received by this agent), SWARMBUS_FORKED,
/// SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read and written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_release(agent: *mut swarmbus_agent, message: *mut swarmbus_message) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { give_back(agent, message, |message| message.release()) })
}

/// Returns a message to its queue, for the next receiver to get before all others; its count of deliveries rises
/// then. Its data pointer is void; `message->data` becomes NULL.
///
/// # Errors
/// Those of swarmbus_release().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read and written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_nack(agent: *mut swarmbus_agent, message: *mut swarmbus_message) -> i32 {
    // SAFETY: this function's contract.
    border(|| unsafe { give_back(agent, message, |message| message.nack()) })
}

/// Returns a message to its queue, to be received again after `delay_ns` nanoseconds (milliseconds count; 30 days at most).
/// 0 is swarmbus_nack(). After an error the message is the caller's as before; copies of the struct are void.
///
/// # Errors
/// SWARMBUS_FULL (as many messages of its queue wait for a time as a lane may hold), SWARMBUS_INVALID_ARGUMENT (too long),
/// and those of swarmbus_release().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read and written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_nack_after(
    agent: *mut swarmbus_agent,
    message: *mut swarmbus_message,
    delay_ns: u64,
) -> i32 {
    let delay = Duration::from_nanos(delay_ns);
    // SAFETY: this function's contract.
    border(|| unsafe { pass_on(agent, message, |message| message.nack_after(delay)) })
}

/// Passes a message on to the mailbox or queue `to` without a copy, as it is: same id, sender and lane; deliveries are
/// counted anew. A crash leaves it in exactly one of the two. `message->data` becomes NULL. After an error the message is
/// the caller's as before; copies of the struct are void.
///
/// # Errors
/// SWARMBUS_RELEASED, SWARMBUS_UNKNOWN_AGENT, SWARMBUS_FULL (timeout 0), SWARMBUS_TIMEOUT, SWARMBUS_CLOSED,
/// SWARMBUS_INVALID_NAME, SWARMBUS_INVALID_ARGUMENT, SWARMBUS_INTERRUPTED, SWARMBUS_FORKED, SWARMBUS_CORRUPT,
/// SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read and written; `to` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_forward(
    agent: *mut swarmbus_agent,
    message: *mut swarmbus_message,
    to: *const c_char,
    timeout_ns: i64,
    opts: *const swarmbus_receive_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let to = unsafe { text::read(to, "to") }?;
        let timeout = timeout(timeout_ns)?;
        // SAFETY: this function's contract.
        let mut interrupted = unsafe { waiting(opts) }?;
        let to = text::local(to, party::agent(agent)?.member().bus().name())?.to_owned();
        // SAFETY: this function's contract.
        unsafe { pass_on(agent, message, |message| message.forward_until(&to, timeout, &mut interrupted)) }
    })
}

/// Takes a message out of the bus's care: it will not come back if this process dies (at most once). What it holds is a
/// loan now, to be changed and published again, or discarded. `message->data` becomes NULL.
///
/// # Errors
/// Those of swarmbus_release(). `loan->data` is NULL then.
///
/// # Ownership
/// As with swarmbus_loan_get().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be read and written; `loan` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_detach(
    agent: *mut swarmbus_agent,
    message: *mut swarmbus_message,
    loan: *mut swarmbus_loan,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract. A NULL is found before the message is touched.
        unsafe { text::put(loan, swarmbus_loan::NONE, "loan") }?;
        let party = party::agent(agent)?;
        // SAFETY: this function's contract.
        let found = unsafe { find(agent, &party, message) }?;
        let detached = swarmbus_loan::new(agent, found.detach()?.into_raw());
        // SAFETY: `find` refused NULL, and this function's contract has the rest.
        unsafe { clear(message) };
        // SAFETY: this function's contract.
        unsafe { text::put(loan, detached, "loan") }
    })
}
