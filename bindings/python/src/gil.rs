//! What is touched only by who holds the interpreter's lock, and so needs no lock of its own.
//!
//! abi3 modules run in interpreters that have that lock (`gil_used = true`), so the token `Python<'_>` proves that nobody else is
//! in here. A reference that was got with it cannot be taken along to where the lock is given up: `Cell` and `RefCell`
//! are not `Sync`, and `Python::detach` takes closures only that are `Send`.

use pyo3::Python;

/// A value that only the holder of the interpreter's lock touches.
pub struct Gil<T>(T);

// SAFETY: `get` is the only way to a shared reference, and who calls it holds the lock, so there is one thread at a time.
unsafe impl<T> Sync for Gil<T> {}
// SAFETY: for the same reason it may be dropped, or used through `get_mut`, by any thread; what is kept in here is plain memory, pointers
// into the mapping and handles of the core, none of which belongs to a thread by itself.
unsafe impl<T> Send for Gil<T> {}

impl<T> Gil<T> {
    /// Keeps a value.
    pub const fn new(value: T) -> Gil<T> {
        Gil(value)
    }

    /// The value, for the holder of the lock.
    #[inline(always)]
    pub fn get(&self, _: Python<'_>) -> &T {
        &self.0
    }

    /// The value, for who has all of it.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// What is not `Send` only because of a pointer into the mapping, or of what a closure has borrowed that never leaves its thread.
pub struct Carry<T>(T);

// SAFETY: the two uses are what the core returns, and closures handed to `Python::detach`, which runs them on the calling thread and
// returns there.
unsafe impl<T> Send for Carry<T> {}

impl<F: FnOnce() -> T, T> Carry<F> {
    /// Runs the closure; taking all of `self` keeps the compiler from capturing the field alone.
    fn call(self) -> T {
        (self.0)()
    }
}

/// Runs `call` on this thread without the interpreter's lock.
///
/// `call` must not touch anything of the interpreter's, nor what a `Gil` keeps.
pub fn detached<T>(py: Python<'_>, call: impl FnOnce() -> T) -> T {
    let call = Carry(call);
    py.detach(move || Carry(call.call())).0
}

/// The token, in a destructor or another place that the interpreter calls without handing it over.
///
/// # Safety
/// The calling thread holds the interpreter's lock.
#[inline(always)]
pub unsafe fn token<'py>() -> Python<'py> {
    // SAFETY: the caller's promise.
    unsafe { Python::assume_attached() }
}
