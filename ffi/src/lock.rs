//! Named locks with fencing tokens.
use crate::agent::swarmbus_agent;
use crate::error::{Failure, border};
use crate::options::{swarmbus_receive_opts, timeout, waiting};
use crate::party;
use crate::text;
use std::ffi::c_char;
use std::mem::size_of;
use swarmbus_core::{LockGuard, LockMode, RawLock};

/// Lock mode: nobody else may have it.
pub const SWARMBUS_LOCK_EXCLUSIVE: i32 = 0;
/// Lock mode: others who share it may have it as well.
pub const SWARMBUS_LOCK_SHARED: i32 = 1;

/// A lock that an agent has. A plain struct that the caller provides and may copy; whichever copy is released first counts,
/// and any later one is SWARMBUS_RELEASED.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_lock {
    /// The fencing token: it rises with every grant of any lock of the bus. What the lock protects can refuse a lower one than
    /// it has seen: from a holder that was stopped and comes too late. 0: no lock was taken.
    pub token: u64,
    /// The library's own; leave them as they are.
    pub opaque: [u64; 5],
}

const _: () = assert!(size_of::<swarmbus_lock>() == 48, "the struct is part of the ABI and does not grow");

/// Takes the lock `name`; waits for those who asked before and whose locks conflict. A lock needs no declaring. Its name is
/// 1 to 255 bytes of any text, in segments divided by `/`, and may be a pattern: `*` and `?` within a segment, `**` across
/// them, `[…]`. Locks conflict if a name exists that both stand for, unless both are shared. Whoever dies lets go.
///
/// `mode`: SWARMBUS_LOCK_EXCLUSIVE or SWARMBUS_LOCK_SHARED. `timeout_ns`: how long to wait, nanoseconds; 0 tries once,
/// SWARMBUS_FOREVER waits without end.
///
/// # Errors
/// SWARMBUS_LOCKED (it stayed taken; the detail text says by whom), SWARMBUS_INVALID_ARGUMENT (no such name or mode, or in
/// conflict with a lock that this agent has itself), SWARMBUS_INTERRUPTED, SWARMBUS_OUT_OF_MEMORY, SWARMBUS_CLOSED,
/// SWARMBUS_FORKED, SWARMBUS_CORRUPT, SWARMBUS_SYSTEM (8192 locks are held or waited for), SWARMBUS_NULL_POINTER,
/// SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD. `lock->token` is 0 then.
///
/// # Ownership
/// The lock is the agent's until swarmbus_lock_release(), or the agent is closed, or its process dies.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `name` is a NUL-terminated string; `lock` may be written; `opts` is NULL or as long as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_lock_take(
    agent: *mut swarmbus_agent,
    name: *const c_char,
    mode: i32,
    timeout_ns: i64,
    lock: *mut swarmbus_lock,
    opts: *const swarmbus_receive_opts,
) -> i32 {
    border(|| {
        // SAFETY: this function's contract. A NULL is found before a lock is taken.
        unsafe { text::put(lock, swarmbus_lock { token: 0, opaque: [0; 5] }, "lock") }?;
        let party = party::agent(agent)?;
        // SAFETY: this function's contract.
        let name = unsafe { text::read(name, "name") }?;
        let mode = match mode {
            SWARMBUS_LOCK_EXCLUSIVE => LockMode::Exclusive,
            SWARMBUS_LOCK_SHARED => LockMode::Shared,
            _ => return Err(Failure::argument(format!("mode is {mode}: use one of SWARMBUS_LOCK_"))),
        };
        let timeout = timeout(timeout_ns)?;
        // SAFETY: this function's contract.
        let mut interrupted = unsafe { waiting(opts) }?;
        let taken = party.member().lock_until(name, mode, timeout, &mut interrupted)?.into_raw();
        let [index, word, token] = taken.numbers();
        let filled = swarmbus_lock { token, opaque: [agent.addr() as u64, index, word, token, 0] };
        // SAFETY: this function's contract.
        unsafe { text::put(lock, filled, "lock") }
    })
}

/// Lets go of a lock; `lock->token` becomes 0.
///
/// # Errors
/// SWARMBUS_RELEASED (it was released before), SWARMBUS_INVALID_ARGUMENT (not a lock of this agent), SWARMBUS_FORKED,
/// SWARMBUS_NULL_POINTER, SWARMBUS_BAD_HANDLE, SWARMBUS_WRONG_THREAD.
///
/// # Threads
/// The agent's thread.
///
/// # Safety
/// `lock` may be read and written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn swarmbus_lock_release(agent: *mut swarmbus_agent, lock: *mut swarmbus_lock) -> i32 {
    border(|| {
        let party = party::agent(agent)?;
        if lock.is_null() {
            return Err(Failure::NullPointer("lock"));
        }
        // SAFETY: not NULL, and this function's contract has the rest.
        let mut given = unsafe { lock.read() };
        let [owner, index, word, token, _] = given.opaque;
        if owner != agent.addr() as u64 {
            let what = "this struct holds no lock of this agent: pass the agent whose swarmbus_lock_take() filled it";
            return Err(Failure::argument(what));
        }
        LockGuard::from_raw(party.member(), RawLock::from_numbers([index, word, token]))?.release()?;
        given.token = 0;
        // SAFETY: as above.
        unsafe { lock.write(given) };
        Ok(())
    })
}
