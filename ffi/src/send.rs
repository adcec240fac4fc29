//! Sending: a copy, by name, with a key.
use crate::agent::swarmbus_agent;
use crate::error::{Failure, Result, border};
use crate::options::{hook, read, swarmbus_send_opts};
use crate::party;
use crate::text;
use std::ffi::{c_char, c_void};
use std::slice;
use swarmbus_core::{MessageId, key_of};

/// The id of a message that was not sent because the queue accepted one with the same key before.
pub const SWARMBUS_DUPLICATE: u64 = 0;
const _: () = assert!(SWARMBUS_DUPLICATE == MessageId::DUPLICATE.0);

/// The bytes to send.
///
/// # Safety
/// `data` has `length` bytes that stay unchanged for `'a`, or `length` is 0.
pub unsafe fn payload<'a>(data: *const c_void, length: usize) -> Result<&'a [u8]> {
    if length == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Failure::NullPointer("data"));
    }
    if length > isize::MAX as usize {
        let limit = isize::MAX as u64;
        return Err(Failure::Core(swarmbus_core::Error::TooLarge { length: length as u64, limit }));
    }
    // SAFETY: not NULL, below the largest size, and the caller promises the rest.
    Ok(unsafe { slice::from_raw_parts(data.cast(), length) })
}

/// Sends a copy of `length` bytes to the mailbox or queue `to`. When the call returns SWARMBUS_OK the message is in
/// the queue and survives the sender. To write large payloads in place, use swarmbus_loan_get() and
/// swarmbus_publish().
///
/// `timeout_ns`: how long to wait for room in a full lane, nanoseconds; 0 tries once, SWARMBUS_FOREVER waits until
/// there is room. `id` may be NULL; else it gets the message's id.
///
/// # Errors
/// SWARMBUS_UNKNOWN_AGENT, SWARMBUS_FULL (timeout 0), SWARMBUS_TIMEOUT, SWARMBUS_CLOSED, SWARMBUS_TOO_LARGE,
/// SWARMBUS_OUT_OF_MEMORY, SWARMBUS_INVALID_NAME, SWARMBUS_INVALID_ARGUMENT, SWARMBUS_INTERRUPTED, SWARMBUS_FORKED,
/// SWARMBUS_CORRUPT, SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. Nothing is
/// sent then.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `to` is a NUL-terminated string; `data` has `length` bytes (NULL is fine when `length` is 0); `opts` is NULL or as
/// long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_send(
    agent: *mut swarmbus_agent,
    to: *const c_char,
    data: *const c_void,
    length: usize,
    timeout_ns: i64,
    id: *mut u64,
    opts: *const swarmbus_send_opts,
) -> i32 {
    border(|| {
        let party = party::agent(agent)?;
        let member = party.member();
        // SAFETY: this function's contract.
        let to = text::local(unsafe { text::read(to, "to") }?, member.bus().name())?;
        // SAFETY: this function's contract.
        let payload = unsafe { payload(data, length) }?;
        // SAFETY: this function's contract.
        let options = unsafe { read(opts) }?;
        // SAFETY: this function's contract: what `opts` holds is the caller's hook.
        let mut interrupted = unsafe { hook(options.interrupted, options.context) };
        // SAFETY: this function's contract.
        let options = unsafe { options.to_core(timeout_ns) }?;
        let sent = member.send_until(to, payload, &options, &mut interrupted)?;
        // SAFETY: this function's contract.
        unsafe { text::tell(id, sent.0) };
        Ok(())
    })
}

/// Says whom this member's messages are from: the mailbox `name`, declared if there is none. An agent's are from its
/// own mailbox without this; a member's without a mailbox have no sender.
///
/// # Errors
/// SWARMBUS_INVALID_NAME, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_TOO_MANY_AGENTS, SWARMBUS_CLOSED, SWARMBUS_FORKED,
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `name` is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_set_sender(agent: *mut swarmbus_agent, name: *const c_char) -> i32 {
    border(|| {
        let party = party::agent(agent)?;
        let member = party.member();
        // SAFETY: this function's contract.
        let name = text::local(unsafe { text::read(name, "name") }?, member.bus().name())?;
        Ok(member.set_sender(name)?)
    })
}

/// Gets the key of a name, for `key` of the send options: its 64-bit XXH3, the same in every process, language and release.
///
/// # Errors
/// SWARMBUS_NULL_POINTER, SWARMBUS_TOO_LARGE.
///
/// # Threads
/// Any thread, any time.
///
/// # Safety
/// `name` has `length` bytes (NULL is fine when `length` is 0); `key` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_key_of(name: *const c_void, length: usize, key: *mut u64) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let name = unsafe { payload(name, length) }?;
        // SAFETY: this function's contract.
        unsafe { text::put(key, key_of(name), "key") }
    })
}
