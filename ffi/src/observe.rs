//! Observers: a bus seen from outside.
use crate::error::{Result, border};
use crate::handle::{OBSERVER, Shared};
use crate::info::swarmbus_bus_info;
use crate::options::fill;
use crate::{rows, text};
use std::ffi::c_char;
use std::path::Path;
use std::ptr;
use std::sync::Arc;
use swarmbus_core::Observer;

/// A read-only view of a bus, which costs its agents nothing. The handle may be used by any thread, by several at a time.
pub enum swarmbus_observer {}

static OBSERVERS: Shared<Arc<Observer>> = Shared::new(OBSERVER);

/// The observer behind a handle.
pub fn observer(handle: *const swarmbus_observer) -> Result<Arc<Observer>> {
    OBSERVERS.get(handle)
}

/// Hands an observer out.
///
/// # Safety
/// `out` is NULL or may be written.
unsafe fn give(out: *mut *mut swarmbus_observer, make: impl FnOnce() -> Result<Observer>) -> Result<()> {
    // SAFETY: the caller's promise. A failure leaves NULL there.
    unsafe { text::put(out, ptr::null_mut(), "observer") }?;
    let handle = OBSERVERS.add(Arc::new(make()?))?;
    // SAFETY: as above.
    unsafe { text::put(out, handle, "observer") }
}

/// Looks at the bus `name` of this host without taking part in it.
///
/// # Errors
/// SWARMBUS_UNKNOWN_BUS, SWARMBUS_NOT_READY, SWARMBUS_WRONG_VERSION, SWARMBUS_PERMISSION, SWARMBUS_CORRUPT,
/// SWARMBUS_INVALID_NAME, SWARMBUS_SYSTEM, SWARMBUS_NULL_POINTER. `*observer` is NULL then.
///
/// # Ownership
/// The caller closes `*observer` with swarmbus_observer_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `name` is a NUL-terminated string; `observer` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_observer_open(name: *const c_char, observer: *mut *mut swarmbus_observer) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let make = || Ok(Observer::open(unsafe { text::read(name, "name") }?)?);
        // SAFETY: this function's contract.
        unsafe { give(observer, make) }
    })
}

/// Looks at a copy of a segment's file, as `cp /dev/shm/swarmbus.BUS` makes it.
///
/// # Errors
/// Those of swarmbus_observer_open(). `*observer` is NULL then.
///
/// # Ownership
/// The caller closes `*observer` with swarmbus_observer_close().
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `path` is a NUL-terminated string; `observer` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_observer_open_file(
    path: *const c_char,
    observer: *mut *mut swarmbus_observer,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract.
        let make = || Ok(Observer::open_file(Path::new(unsafe { text::read(path, "path") }?))?);
        // SAFETY: this function's contract.
        unsafe { give(observer, make) }
    })
}

/// Gets a bus at a glance. Figures are read one by one while the bus works on: each is right by itself. Set `struct_size` before.
///
/// # Errors
/// SWARMBUS_INVALID_ARGUMENT (`struct_size`), SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `info` is as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_observe_bus(observer: *const swarmbus_observer, info: *mut swarmbus_bus_info) -> i32 {
    border(|| {
        let seen = rows::bus(&self::observer(observer)?.bus());
        // SAFETY: this function's contract.
        unsafe { fill(info, seen, "info") }
    })
}

/// Closes the handle; snapshots that were taken by it stay. NULL is fine and does nothing.
///
/// # Errors
/// SWARMBUS_BAD_HANDLE (closed before).
///
/// # Threads
/// Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn swarmbus_observer_close(observer: *mut swarmbus_observer) -> i32 {
    border(|| if observer.is_null() { Ok(()) } else { OBSERVERS.remove(observer).map(drop) })
}
