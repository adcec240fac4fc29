//! Buses: create, open, close the handle, destroy the bus, declare mailboxes and queues.
use crate::error::{Result, border};
use crate::options::{no_flags, read, swarmbus_bus_create_opts, swarmbus_bus_open_opts, swarmbus_declare_opts};
use crate::{handle, text};
use std::ffi::c_char;
use std::ptr;
use swarmbus_core::Bus;

/// A bus that this process has open. The handle may be used by any thread, by several at a time.
pub enum swarmbus_bus {}

/// Hands a bus out.
///
/// # Safety
/// `out` is NULL or may be written.
unsafe fn give(out: *mut *mut swarmbus_bus, make: impl FnOnce() -> Result<Bus>) -> Result<()> {
    // SAFETY: the caller's promise. A failure leaves NULL there, and a NULL `out` is found before a bus is made.
    unsafe { text::put(out, ptr::null_mut(), "bus") }?;
    let handle = handle::add_bus(make()?)?;
    // SAFETY: as above.
    unsafe { text::put(out, handle, "bus") }
}

/// Makes a bus and opens it.
///
/// # Errors
/// SWARMBUS_BUS_EXISTS, SWARMBUS_INVALID_NAME, SWARMBUS_INVALID_ARGUMENT (options), SWARMBUS_OUT_OF_MEMORY
/// (/dev/shm), SWARMBUS_PERMISSION, SWARMBUS_SYSTEM. `*bus` is NULL then.
///
/// # Ownership
/// The caller closes `*bus` with swarmbus_bus_close(). The bus itself outlives the process, until
/// swarmbus_bus_destroy().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `name` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_bus_create(
    name: *const c_char,
    bus: *mut *mut swarmbus_bus,
    opts: *const swarmbus_bus_create_opts,
) -> i32 {
    border(|| {
        let make = || {
            // SAFETY: this function's contract.
            let name = unsafe { text::read(name, "name") }?;
            // SAFETY: this function's contract.
            let options = unsafe { read(opts) }?;
            Ok(Bus::create(name, &options.to_core())?)
        };
        // SAFETY: this function's contract.
        unsafe { give(bus, make) }
    })
}

/// Opens a bus that exists.
///
/// # Errors
/// SWARMBUS_UNKNOWN_BUS, SWARMBUS_NOT_READY, SWARMBUS_WRONG_VERSION, SWARMBUS_WRONG_BOOT, SWARMBUS_FOREIGN_NAMESPACE,
/// SWARMBUS_PERMISSION, SWARMBUS_CORRUPT, SWARMBUS_INVALID_NAME, SWARMBUS_SYSTEM. `*bus` is NULL then.
///
/// # Ownership
/// The caller closes `*bus` with swarmbus_bus_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `name` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_bus_open(
    name: *const c_char,
    bus: *mut *mut swarmbus_bus,
    opts: *const swarmbus_bus_open_opts,
) -> i32 {
    border(|| {
        let make = || {
            // SAFETY: this function's contract.
            let name = unsafe { text::read(name, "name") }?;
            // SAFETY: this function's contract.
            let options = unsafe { read(opts) }?;
            no_flags(options.flags)?;
            Ok(Bus::open(name)?)
        };
        // SAFETY: this function's contract.
        unsafe { give(bus, make) }
    })
}

/// Opens a bus, and makes it first if there is none. The options count only when it is made here.
///
/// # Errors
/// Those of swarmbus_bus_create() but SWARMBUS_BUS_EXISTS, and those of swarmbus_bus_open() but SWARMBUS_UNKNOWN_BUS.
///
/// # Ownership
/// The caller closes `*bus` with swarmbus_bus_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `name` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_bus_open_or_create(
    name: *const c_char,
    bus: *mut *mut swarmbus_bus,
    opts: *const swarmbus_bus_create_opts,
) -> i32 {
    border(|| {
        let make = || {
            // SAFETY: this function's contract.
            let name = unsafe { text::read(name, "name") }?;
            // SAFETY: this function's contract.
            let options = unsafe { read(opts) }?;
            Ok(Bus::open_or_create(name, &options.to_core())?)
        };
        // SAFETY: this function's contract.
        unsafe { give(bus, make) }
    })
}

/// Writes the name of the bus with its NUL into `buffer`; SWARMBUS_NAME_SIZE bytes always suffice.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (the buffer is too small), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `buffer` has room for `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_bus_name(bus: *const swarmbus_bus, buffer: *mut c_char, capacity: usize) -> i32 {
    border(|| {
        let bus = handle::bus(bus)?;
        // SAFETY: this function's contract.
        unsafe { text::write(bus.name(), buffer, capacity) }
    })
}

/// Closes the handle. The bus stays, and so do the agents that were attached through this handle: they have their own
/// hold on it. NULL is fine and does nothing.
///
/// # Errors
/// SWARMBUS_BAD_HANDLE (closed before).
///
/// # Threads
/// Any thread. Calls of other threads that use the handle right now end as if it were still open.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_bus_close(bus: *mut swarmbus_bus) -> i32 {
    border(|| if bus.is_null() { Ok(()) } else { handle::remove_bus(bus).map(drop) })
}

/// Ends the bus: its name is gone from the host, whoever waits on it wakes, and all who use it get SWARMBUS_CLOSED.
/// The memory goes when the last process has closed it. The handle stays open: close it as well. To destroy a
/// bus twice does no harm.
///
/// # Errors
/// SWARMBUS_PERMISSION, SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_bus_destroy(bus: *mut swarmbus_bus) -> i32 {
    border(|| Ok(handle::bus(bus)?.destroy()?))
}

/// Removes the file of a bus that can't be opened: made before the last boot, by another version, or damaged. One that can
/// be opened is ended by swarmbus_bus_destroy(), which wakes who waits on it.
///
/// # Errors
/// SWARMBUS_UNKNOWN_BUS, SWARMBUS_PERMISSION, SWARMBUS_INVALID_NAME, SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `name` is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_bus_remove(name: *const c_char) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let name = unsafe { text::read(name, "name") }?;
        Ok(Bus::remove(name)?)
    })
}

/// Makes the mailbox or queue `name` if there is none, so that messages can be sent to it before anybody receives
/// there. To declare it again changes nothing and is no error: a queue that exists keeps what it has.
///
/// # Errors
/// SWARMBUS_INVALID_NAME, SWARMBUS_INVALID_ARGUMENT, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_TOO_MANY_AGENTS,
/// SWARMBUS_WRONG_KIND (a topic has the name), SWARMBUS_CLOSED, SWARMBUS_CORRUPT, SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `name` is a NUL-terminated string; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_declare(
    bus: *mut swarmbus_bus,
    name: *const c_char,
    opts: *const swarmbus_declare_opts,
) -> i32 {
    border(|| {
        let bus = handle::bus(bus)?;
        // SAFETY: this function's contract.
        let name = unsafe { text::read(name, "name") }?;
        // SAFETY: this function's contract.
        let options = unsafe { read(opts) }?;
        // SAFETY: this function's contract.
        let options = unsafe { options.to_core(bus.name()) }?;
        Ok(bus.declare(text::local(name, bus.name())?, &options)?)
    })
}
