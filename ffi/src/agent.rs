//! Agents and members without a mailbox: attach, join, connect, close; sending.
use crate::bus::swarmbus_bus;
use crate::error::{Failure, Result, border};
use crate::handle::{self, Party};
use crate::options::{hook, no_flags, read, swarmbus_attach_opts, swarmbus_send_opts};
use crate::text;
use std::ffi::{c_char, c_void};
use std::{ptr, slice};

/// An agent: a member of a bus that owns a mailbox (attach, connect), or one without (join).
///
/// The handle belongs to the thread that made it: any use by another thread is SWARMBUS_WRONG_THREAD. A thread that
/// ends closes the agents it left open; what a thread had that ended without a chance to (by the bare system call) is
/// given back by others, as after the end of a process. A process that forks keeps its agents; in the child they are SWARMBUS_FORKED,
/// and the child attaches anew. There swarmbus_agent_close() only frees the child's copy and touches nothing of the
/// parent's. Not for signal handlers.
pub enum swarmbus_agent {}

/// Hands an agent out.
///
/// # Safety
/// `out` is NULL or may be written; `opts` is as `options::read` wants it.
unsafe fn give(
    out: *mut *mut swarmbus_agent,
    opts: *const swarmbus_attach_opts,
    make: impl FnOnce() -> Result<Party>,
) -> Result<()> {
    // SAFETY: the caller's promise. A failure leaves NULL there, and a NULL `out` is found before an agent is made.
    unsafe { text::put(out, ptr::null_mut(), "agent") }?;
    // SAFETY: the caller's promise.
    no_flags(unsafe { read(opts) }?.flags)?;
    let party = make()?;
    // SAFETY: its table is the calling thread's own, and what it has is reached through the handle only.
    unsafe { party.member().bind_to_thread() }?;
    let handle = handle::add_agent(party)?;
    // SAFETY: as above.
    unsafe { text::put(out, handle, "agent") }
}

/// Makes the calling thread the agent `name`: the one who receives from the mailbox of that name, which is declared
/// if there is none. What was sent there before waits in it.
///
/// # Errors
/// SWARMBUS_AGENT_BUSY (the mailbox has a living owner; the detail text names its process), SWARMBUS_INVALID_NAME,
/// SWARMBUS_TOO_MANY_AGENTS, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_CLOSED, SWARMBUS_CORRUPT, SWARMBUS_SYSTEM,
/// SWARMBUS_INVALID_ARGUMENT, SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*agent` is NULL then.
///
/// # Ownership
/// The caller closes `*agent` with swarmbus_agent_close(). The bus handle may be closed before.
///
/// # Threads
/// Any thread; the agent belongs to it from then on.
///
/// # Safety
/// `name` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_attach(
    bus: *mut swarmbus_bus,
    name: *const c_char,
    agent: *mut *mut swarmbus_agent,
    opts: *const swarmbus_attach_opts,
) -> i32 {
    border(|| {
        let make = || {
            let bus = handle::bus(bus)?;
            // SAFETY: this function's contract.
            let name = unsafe { text::read(name, "name") }?;
            Ok(Party::Agent(bus.attach(text::local(name, bus.name())?)?))
        };
        // SAFETY: this function's contract.
        unsafe { give(agent, opts, make) }
    })
}

/// Makes the calling thread a member without a mailbox: it sends, and receives from work queues with
/// swarmbus_receive_from().
///
/// # Errors
/// SWARMBUS_TOO_MANY_AGENTS, SWARMBUS_CLOSED, SWARMBUS_CORRUPT, SWARMBUS_SYSTEM, SWARMBUS_INVALID_ARGUMENT,
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE. `*agent` is NULL then.
///
/// # Ownership
/// The caller closes `*agent` with swarmbus_agent_close(). The bus handle may be closed before.
///
/// # Threads
/// Any thread; the member belongs to it from then on.
///
/// # Safety
/// `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_join(
    bus: *mut swarmbus_bus,
    agent: *mut *mut swarmbus_agent,
    opts: *const swarmbus_attach_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        unsafe { give(agent, opts, || Ok(Party::Member(handle::bus(bus)?.join()?))) }
    })
}

/// Makes the calling thread the agent that the environment names: SWARMBUS is the bus and SWARMBUS_AGENT the agent,
/// as the supervisor sets them for its children.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (a variable is not set), and those of swarmbus_bus_open() and swarmbus_attach().
/// `*agent` is NULL then.
///
/// # Ownership
/// The caller closes `*agent` with swarmbus_agent_close().
///
/// # Threads
/// Any thread; the agent belongs to it from then on. No other thread may change the environment meanwhile.
///
/// # Safety
/// `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_connect(agent: *mut *mut swarmbus_agent, opts: *const swarmbus_attach_opts) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        unsafe { give(agent, opts, || Ok(Party::Agent(swarmbus_core::connect()?))) }
    })
}

/// Writes the agent's name with its NUL into `buffer`; SWARMBUS_NAME_SIZE bytes always suffice. A member without a
/// mailbox has the empty name.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (the buffer is too small), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE,
/// SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `buffer` has room for `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_agent_name(
    agent: *const swarmbus_agent,
    buffer: *mut c_char,
    capacity: usize,
) -> i32 {
    border(|| {
        let party = handle::agent(agent)?;
        let name = match &*party {
            Party::Agent(agent) => agent.name(),
            Party::Member(_) => "",
        };
        // SAFETY: this function's contract.
        unsafe { text::write(name, buffer, capacity) }
    })
}

/// Leaves the bus. Messages received and not yet released go back to their queues for the next receiver, loans go
/// back to the heap, and the data pointers of both are void from now on. The mailbox and what waits in it stay. NULL
/// is fine and does nothing.
///
/// # Errors
/// SWARMBUS_BAD_HANDLE (closed before), SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_agent_close(agent: *mut swarmbus_agent) -> i32 {
    border(|| if agent.is_null() { Ok(()) } else { handle::remove_agent(agent).map(drop) })
}

/// The bytes to send.
///
/// # Safety
/// `data` has `length` bytes that stay unchanged for `'a`, or `length` is 0.
unsafe fn payload<'a>(data: *const c_void, length: usize) -> Result<&'a [u8]> {
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
        let party = handle::agent(agent)?;
        let member = party.member();
        // SAFETY: this function's contract.
        let to = text::local(unsafe { text::read(to, "to") }?, member.bus().name())?;
        // SAFETY: this function's contract.
        let payload = unsafe { payload(data, length) }?;
        // SAFETY: this function's contract.
        let options = unsafe { read(opts) }?;
        // SAFETY: this function's contract: what `opts` holds is the caller's hook.
        let mut interrupted = unsafe { hook(options.interrupted, options.context) };
        let options = options.to_core(timeout_ns)?;
        let sent = member.send_until(to, payload, &options, &mut interrupted)?;
        if !id.is_null() {
            // SAFETY: this function's contract.
            unsafe { text::put(id, sent.0, "id") }?;
        }
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
        let party = handle::agent(agent)?;
        let member = party.member();
        // SAFETY: this function's contract.
        let name = text::local(unsafe { text::read(name, "name") }?, member.bus().name())?;
        Ok(member.set_sender(name)?)
    })
}
