//! A descriptor for event loops.
use crate::agent::swarmbus_agent;
use crate::error::{Failure, Result, border};
use crate::handle::{DESCRIPTOR, bits_of, closed};
use crate::message::swarmbus_message;
use crate::party::{self, Part, What};
use crate::text;
use std::ffi::{c_char, c_int};
use std::os::fd::AsRawFd;
use std::ptr;
use std::rc::Rc;
use swarmbus_core::{Error, RawDescriptor};

/// A file descriptor for poll, epoll and event loops that becomes readable when something may be received. The handle is the
/// agent's and its thread's; closing the agent closes it.
pub enum swarmbus_descriptor {}

/// Makes a descriptor that becomes readable when one of `count` mailboxes and work queues may have something to receive;
/// with a count of 0 the agent's own mailbox and the roles that it has now.
///
/// Whenever it is readable, call swarmbus_descriptor_next() until that is SWARMBUS_TIMEOUT: only then is it unreadable
/// again. It may be readable without a message. Don't read from it and don't close it with close().
///
/// # Errors
/// SWARMBUS_UNKNOWN_AGENT, SWARMBUS_AGENT_BUSY (a mailbox that another owns), SWARMBUS_INVALID_ARGUMENT (a count of 0 of a
/// member without a mailbox), SWARMBUS_INVALID_NAME, SWARMBUS_CLOSED, SWARMBUS_FORKED, SWARMBUS_SYSTEM (no descriptors or
/// threads left), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. `*descriptor` is NULL then.
///
/// # Ownership
/// The caller closes `*descriptor` with swarmbus_descriptor_close(), or closes the agent.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `queues` has `count` NUL-terminated strings (NULL is fine when `count` is 0); `descriptor` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_descriptor_open(
    agent: *mut swarmbus_agent,
    queues: *const *const c_char,
    count: usize,
    descriptor: *mut *mut swarmbus_descriptor,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        unsafe { text::put(descriptor, ptr::null_mut(), "descriptor") }?;
        let party = party::agent(agent)?;
        // SAFETY: this function's contract.
        let queues = unsafe { text::read_all(queues, count, "queues") }?;
        let member = party.member();
        let made = match queues.is_empty() {
            true => party.agent("a descriptor of no queues")?.descriptor()?,
            false => member.descriptor_for(&text::all_local(&queues, member.bus().name())?)?,
        };
        let made = What::Descriptor(made.into_raw());
        let handle = party::add_part(DESCRIPTOR, agent, party, made)?;
        // SAFETY: this function's contract.
        unsafe { text::put(descriptor, handle, "descriptor") }
    })
}

fn open(handle: *const swarmbus_descriptor) -> Result<Rc<Part>> {
    party::part(handle, DESCRIPTOR)
}

fn raw(part: &Part, handle: *const swarmbus_descriptor) -> Result<&RawDescriptor> {
    match &part.what {
        What::Descriptor(raw) => Ok(raw),
        _ => Err(closed(bits_of(handle, DESCRIPTOR)?, DESCRIPTOR)),
    }
}

/// Gets the number of the descriptor, for poll() and the like.
///
/// # Errors
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Ownership
/// The number is the library's, valid until the handle is closed.
///
/// # Threads
/// The agent's thread; any thread may wait on the number.
///
/// # Safety
/// `fd` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_descriptor_fd(descriptor: *const swarmbus_descriptor, fd: *mut c_int) -> i32 {
    border(|| {
        let part = open(descriptor)?;
        let number = raw(&part, descriptor)?.as_raw_fd();
        // SAFETY: this function's contract.
        unsafe { text::put(fd, number, "fd") }
    })
}

/// Receives the next message, of each queue in its turn, if there is one. The message is the agent's: release it with that.
///
/// # Errors
/// SWARMBUS_TIMEOUT (nothing is there: the descriptor is unreadable until there may be something again), SWARMBUS_CLOSED
/// (all of its queues are closed and empty, or the bus is gone), SWARMBUS_AGENT_BUSY (a mailbox has got another owner),
/// SWARMBUS_HANDED_OVER, SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
/// SWARMBUS_WRONG_THREAD. `message->data` is NULL then.
///
/// # Ownership
/// As with swarmbus_receive().
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `message` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_descriptor_next(
    descriptor: *mut swarmbus_descriptor,
    message: *mut swarmbus_message,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract. A NULL is found before a message is taken.
        unsafe { text::put(message, swarmbus_message::NONE, "message") }?;
        let part = open(descriptor)?;
        let next = raw(&part, descriptor)?.try_next(part.party.member())?;
        let received = next.ok_or(Failure::Core(Error::Timeout))?;
        let filled = swarmbus_message::new(part.agent, received.into_raw());
        // SAFETY: this function's contract.
        unsafe { text::put(message, filled, "message") }
    })
}

/// Says that the caller has looked, without receiving anything: the descriptor is unreadable until there may be something to
/// receive, which may be at once. For who waits for something else that comes to the mailbox, such as the parts of an answer.
///
/// # Errors
/// SWARMBUS_CLOSED (the bus is gone), SWARMBUS_FORKED, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_descriptor_rearm(descriptor: *mut swarmbus_descriptor) -> i32 {
    border(|| {
        let part = open(descriptor)?;
        Ok(raw(&part, descriptor)?.rearm(part.party.member())?)
    })
}

/// Closes the handle and its file descriptor: take it out of the event loop before. NULL is fine and does nothing.
///
/// # Errors
/// SWARMBUS_BAD_HANDLE (closed before, also with its agent), SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_descriptor_close(descriptor: *mut swarmbus_descriptor) -> i32 {
    border(|| if descriptor.is_null() { Ok(()) } else { party::remove_part(descriptor, DESCRIPTOR).map(drop) })
}
