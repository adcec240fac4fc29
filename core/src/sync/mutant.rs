//! What a model may do to the code it checks: weaken edges, switch on named mistakes, let a thread die.
//!
//! The engine runs all threads of a model on one thread of the operating system, so a plain thread-local holds for the whole model
//! and for no other test; the budget belongs to one thread of the model.

use super::site;
use std::cell::Cell;

std::thread_local! {
    static NAMED: Cell<&'static [&'static str]> = const { Cell::new(&[]) };
    static WEAKENED: Cell<&'static [u32]> = const { Cell::new(&[]) };
}

super::engine::thread_local! {
    static BUDGET: Cell<Option<u32>> = Cell::new(None);
}

/// The payload with which a thread of a model dies.
pub struct Died;

/// Runs `model` with the named mistakes in the code; restores the right code afterwards, also when the model fails.
pub fn with<R>(names: &'static [&'static str], model: impl FnOnce() -> R) -> R {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            NAMED.set(&[]);
        }
    }
    NAMED.set(names);
    let _restore = Restore;
    model()
}

/// Runs `model` with the edges of these numbers weakened to `Relaxed`, at both ends.
pub fn weakening<R>(edges: &'static [u32], model: impl FnOnce() -> R) -> R {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            WEAKENED.set(&[]);
        }
    }
    WEAKENED.set(edges);
    let _restore = Restore;
    model()
}

pub(super) fn is(name: &'static str) -> bool {
    NAMED.get().contains(&name) || site::makes(name)
}

pub(super) fn weakens(edge: u32, end: &str) -> bool {
    WEAKENED.get().contains(&edge) || site::weakens(edge, end)
}

/// Runs `body` in this thread of the model; it dies before its shared write number `budget`, leaving memory as it is.
/// `None` if it died.
pub fn dies_after<R>(budget: u32, body: impl FnOnce() -> R) -> Option<R> {
    BUDGET.with(|left| left.set(Some(budget)));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
    BUDGET.with(|left| left.set(None));
    match result {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<Died>() => {
            super::model::forget_what_is_late();
            None
        }
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
