//! Which thread of which process this is, asked with every call.

use std::cell::Cell;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Forks of which this process is the child.
static FORKS: AtomicUsize = AtomicUsize::new(0);

/// Threads that were numbered.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// This thread's number, 0 if it has none yet. Never used again: the address of a thread's memory is.
    static NUMBER: Cell<usize> = const { Cell::new(0) };
}

/// Counts forks from now on, once per process.
pub fn watch_forks() {
    static WATCHING: Once = Once::new();
    extern "C" fn count() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    WATCHING.call_once(|| {
        // SAFETY: `count` lives as long as the process (extension modules are never unloaded) and only adds to an
        // atomic, which is allowed between fork and exec.
        unsafe { libc::pthread_atfork(None, None, Some(count)) };
    });
}

/// A thread of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Whose {
    forks: usize,
    thread: usize,
}

impl Whose {
    /// The calling thread.
    #[inline]
    pub fn mine() -> Whose {
        let thread = NUMBER.with(|number| match number.get() {
            0 => {
                number.set(THREADS.fetch_add(1, Ordering::Relaxed) + 1);
                number.get()
            }
            known => known,
        });
        Whose { forks: FORKS.load(Ordering::Relaxed), thread }
    }

    /// Whether it belongs to a process of which this one is a child.
    #[inline]
    pub fn is_forked(self) -> bool {
        self.forks != FORKS.load(Ordering::Relaxed)
    }
}
