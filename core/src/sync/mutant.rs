//! What a model may do to the code it checks: weaken an edge, switch on a named mistake, let a thread die.
//!
//! Loom runs all threads of a model on one thread of the operating system, so a plain thread-local holds for the whole model
//! and for no other test; the budget belongs to one thread of the model.

use std::cell::Cell;

std::thread_local! {
    static NAMED: Cell<Option<&'static str>> = const { Cell::new(None) };
    static WEAKENED: Cell<u32> = const { Cell::new(0) };
}

loom::thread_local! {
    static BUDGET: Cell<Option<u32>> = Cell::new(None);
}

/// The payload with which a thread of a model dies.
pub struct Died;

/// Runs `model` with the named mistake in the code; restores the right code afterwards, also when the model fails.
pub fn with<R>(name: &'static str, model: impl FnOnce() -> R) -> R {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            NAMED.set(None);
        }
    }
    NAMED.set(Some(name));
    let _restore = Restore;
    model()
}

/// Runs `model` with edge `number` weakened to `Relaxed`.
pub fn weakening<R>(number: u32, model: impl FnOnce() -> R) -> R {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            WEAKENED.set(0);
        }
    }
    WEAKENED.set(number);
    let _restore = Restore;
    model()
}

pub(super) fn is(name: &'static str) -> bool {
    NAMED.get() == Some(name)
}

pub(super) fn weakens(number: u32) -> bool {
    WEAKENED.get() == number
}

/// Runs `body` in this thread of the model; it dies before its shared write number `budget`, leaving memory as it is.
/// `None` if it died.
pub fn dies_after<R>(budget: u32, body: impl FnOnce() -> R) -> Option<R> {
    BUDGET.with(|left| left.set(Some(budget)));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
    BUDGET.with(|left| left.set(None));
    match result {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<Died>() => None,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

pub(super) fn spend() {
    BUDGET.with(|left| match left.get() {
        None => {}
        Some(0) => std::panic::resume_unwind(Box::new(Died)),
        Some(budget) => left.set(Some(budget - 1)),
    });
}
