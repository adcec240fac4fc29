//! Noticing that this process is a forked child: a handle made before the fork is the parent's.
#![allow(clippy::disallowed_types, reason = "a counter of this process, not shared memory")]

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

static GENERATION: AtomicU32 = AtomicU32::new(0);
static REGISTER: Once = Once::new();

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Relaxed);
}

/// A number that changes in the child of a `fork`. One load; a raw `clone` without the libc is not noticed.
#[inline]
pub fn generation() -> u32 {
    // Relaxed: written in the child before anything else runs there.
    GENERATION.load(Relaxed)
}

/// Has the libc call us in every forked child from now on.
pub fn watch() {
    REGISTER.call_once(|| {
        // SAFETY: the handler only adds to an atomic, which is async-signal-safe; it is never unloaded before the process ends.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}
