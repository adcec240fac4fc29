//! A cell that notices when somebody is at it while another writes.

use shuttle::sync::atomic::{AtomicBool, Ordering};
use std::cell::Cell;

/// What members own in turns: one writer or many readers.
pub struct UnsafeCell<T> {
    value: std::cell::UnsafeCell<T>,
    /// How many read, or -1 while somebody writes.
    users: Cell<i32>,
}

// SAFETY: shuttle runs the threads of a model in turns on one thread of the system; that no two are at the value is checked at each use.
unsafe impl<T: Send> Sync for UnsafeCell<T> {}

impl<T> UnsafeCell<T> {
    pub fn new(value: T) -> Self {
        UnsafeCell { value: std::cell::UnsafeCell::new(value), users: Cell::new(0) }
    }

    pub fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        assert!(self.users.get() >= 0, "somebody writes what is read here");
        self.users.set(self.users.get() + 1);
        others_may_run();
        let result = read(self.value.get());
        self.users.set(self.users.get() - 1);
        result
    }

    pub fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        assert_eq!(self.users.get(), 0, "somebody is at what is written here");
        self.users.set(-1);
        others_may_run();
        let result = write(self.value.get());
        self.users.set(0);
        result
    }
}

fn others_may_run() {
    AtomicBool::new(false).load(Ordering::SeqCst);
}
