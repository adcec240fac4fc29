//! Agents and members without a mailbox: attach, join, connect, take over, stand by, close.
use crate::bus::swarmbus_bus;
use crate::error::{Result, border};
use crate::handle;
use crate::options::{no_flags, read, swarmbus_attach_opts, swarmbus_receive_opts, timeout, waiting};
use crate::party::{self, Party};
use crate::text;
use std::ffi::c_char;
use std::ptr;
use swarmbus_core::{Agent, Bus};

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
/// `out` is NULL or may be written.
unsafe fn give(out: *mut *mut swarmbus_agent, make: impl FnOnce() -> Result<Party>) -> Result<()> {
    // SAFETY: the caller's promise. A failure leaves NULL there, and a NULL `out` is found before an agent is made.
    unsafe { text::put(out, ptr::null_mut(), "agent") }?;
    let party = make()?;
    // SAFETY: its table is the calling thread's own, and what it has is reached through the handle only.
    unsafe { party.member().bind_to_thread() }?;
    let handle = party::add_agent(party)?;
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
        let attach = |bus: &Bus, name: &str| {
            // SAFETY: this function's contract.
            unsafe { attach_options(opts) }?;
            Ok(bus.attach(name)?)
        };
        // SAFETY: this function's contract.
        unsafe { own(bus, name, agent, attach) }
    })
}

/// Makes the calling thread the agent `name` although a living process owns that mailbox, also one that is paused or
/// hangs. From then on the former owner's handle gets SWARMBUS_HANDED_OVER when it receives or sends; what it has in flight
/// stays its own, and comes back to the mailbox if it dies.
///
/// # Errors
/// Those of swarmbus_attach() but SWARMBUS_AGENT_BUSY. `*agent` is NULL then.
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
pub unsafe extern "C" fn swarmbus_take_over(
    bus: *mut swarmbus_bus,
    name: *const c_char,
    agent: *mut *mut swarmbus_agent,
    opts: *const swarmbus_attach_opts,
) -> i32 {
    border(|| {
        let take_over = |bus: &Bus, name: &str| {
            // SAFETY: this function's contract.
            unsafe { attach_options(opts) }?;
            Ok(bus.take_over(name)?)
        };
        // SAFETY: this function's contract.
        unsafe { own(bus, name, agent, take_over) }
    })
}

/// Waits until nobody alive owns the mailbox `name`, then makes the calling thread that agent. The death of the owner is
/// noticed at once. Of several who stand by one gets it, and the others go on waiting.
///
/// `timeout_ns`: how long to wait, nanoseconds; 0 looks once, SWARMBUS_FOREVER waits without end.
///
/// # Errors
/// SWARMBUS_TIMEOUT, SWARMBUS_INTERRUPTED, and those of swarmbus_attach() but SWARMBUS_AGENT_BUSY. `*agent` is NULL then.
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
pub unsafe extern "C" fn swarmbus_stand_by(
    bus: *mut swarmbus_bus,
    name: *const c_char,
    timeout_ns: i64,
    agent: *mut *mut swarmbus_agent,
    opts: *const swarmbus_receive_opts,
) -> i32 {
    border(|| {
        let stand_by = |bus: &Bus, name: &str| {
            // SAFETY: this function's contract.
            let mut interrupted = unsafe { waiting(opts) }?;
            Ok(bus.stand_by_until(name, timeout(timeout_ns)?, &mut interrupted)?)
        };
        // SAFETY: this function's contract.
        unsafe { own(bus, name, agent, stand_by) }
    })
}

/// Refuses options that are none.
///
/// # Safety
/// `opts` is as `options::read` wants it.
unsafe fn attach_options(opts: *const swarmbus_attach_opts) -> Result<()> {
    // SAFETY: the caller's promise.
    no_flags(unsafe { read(opts) }?.flags)
}

/// Hands out the agent of a name.
///
/// # Safety
/// `name` is NULL or a NUL-terminated string; `out` is NULL or may be written.
unsafe fn own(
    bus: *mut swarmbus_bus,
    name: *const c_char,
    out: *mut *mut swarmbus_agent,
    how: impl FnOnce(&Bus, &str) -> Result<Agent>,
) -> Result<()> {
    let make = || {
        let bus = handle::bus(bus)?;
        // SAFETY: the caller's promise.
        let name = unsafe { text::read(name, "name") }?;
        Ok(Party::Agent(how(&bus, text::local(name, bus.name())?)?))
    };
    // SAFETY: as above.
    unsafe { give(out, make) }
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
        let make = || {
            // SAFETY: this function's contract.
            unsafe { attach_options(opts) }?;
            Ok(Party::of_member(handle::bus(bus)?.join()?))
        };
        // SAFETY: this function's contract.
        unsafe { give(agent, make) }
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
        let make = || {
            // SAFETY: this function's contract.
            unsafe { attach_options(opts) }?;
            Ok(Party::Agent(swarmbus_core::connect()?))
        };
        // SAFETY: this function's contract.
        unsafe { give(agent, make) }
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
        let party = party::agent(agent)?;
        let name = match &*party {
            Party::Agent(agent) => agent.name(),
            Party::Member(..) => "",
        };
        // SAFETY: this function's contract.
        unsafe { text::write(name, buffer, capacity) }
    })
}

/// Gets the epoch of the agent's mailbox, a fencing number: it rises with every change of its owner. Who keeps the highest
/// that it has seen can refuse what comes late from a former owner. 0 of a member without a mailbox.
///
/// # Errors
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `epoch` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_agent_epoch(agent: *const swarmbus_agent, epoch: *mut u64) -> i32 {
    border(|| {
        let party = party::agent(agent)?;
        // SAFETY: this function's contract.
        unsafe { text::put(epoch, party.member().epoch(), "epoch") }
    })
}

/// Leaves the bus. What the agent has (subscriptions, descriptors, sources) is closed with it, and its locks are released.
/// Messages received and not yet released go back to their queues for the next receiver, loans go back to the heap, and the
/// data pointers of both are void from now on. The mailbox and what waits in it stay. NULL is fine and does nothing.
///
/// # Errors
/// SWARMBUS_BAD_HANDLE (closed before), SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_agent_close(agent: *mut swarmbus_agent) -> i32 {
    border(|| if agent.is_null() { Ok(()) } else { party::close_agent(agent) })
}
