//! The only door to atomics.
//!
//! Every word that processes share is a [`Word`] or a [`WakeWord`]; clippy bans the standard atomics elsewhere. Behind
//! the door stand three carriers: the standard library (production), the models' (`--cfg loom`: those of `core/tests/loom`, run by loom; with
//! the feature `shuttle` those of `core/tests/shuttle`, run by shuttle) and the standard library with a crash point before every shared
//! write (`--cfg crash`, the kills of `stress`).
//!
//! Orderings are not written as literals but named after the edge they serve: `word.store(x, S1.release())` here and
//! `word.load(S1.acquire())` there. So both ends cite their edge, and a model can weaken any edge by its number and must
//! then fail (`docs/memory-model.md` lists edges, models and mutants).

mod edge;
#[cfg(loom)]
mod engine;
#[cfg(loom)]
mod model;
#[cfg(not(loom))]
mod real;

/// Crash points: kills this process before a chosen shared write or inside a named crash window. Verification builds only.
#[cfg(crash)]
pub mod crash;
#[cfg(any(loom, crash))]
mod site;

/// Mutants and op budgets of the models. Verification builds only.
#[cfg(loom)]
pub mod mutant;

pub use edge::*;
#[cfg(loom)]
pub use model::{WakeWord, Word, fence_after_rmw, full_fence};
#[cfg(not(loom))]
pub use real::{WakeWord, Word, fence_after_rmw, full_fence};
#[cfg(any(loom, crash))]
pub use site::is_a_run_of_mutants;

/// How a wait on a [`WakeWord`] ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Woken {
    /// The word had changed, or somebody woke us (or the kernel did so for no reason): look again.
    Look,
    /// The time was up.
    TimedOut,
    /// A signal handler ran.
    Interrupted,
}

/// Marks crash window `W#`: the gap between two shared stores, a row of `docs/crash-windows.md`. Nothing in production.
#[inline(always)]
pub fn window(_number: u32) {
    #[cfg(crash)]
    crash::at_window(_number);
}

/// Does something with words that are this process' alone: no crash points there. Nothing but `body` in production.
#[inline(always)]
pub fn aside<R>(body: impl FnOnce() -> R) -> R {
    #[cfg(crash)]
    return crash::aside(body);
    #[cfg(not(crash))]
    body()
}

/// True if this run has the named mutant. Always false, and compiled away, in production.
#[inline(always)]
pub fn mutated(_name: &'static str) -> bool {
    #[cfg(loom)]
    return mutant::is(_name);
    #[cfg(crash)]
    return site::makes(_name);
    #[cfg(not(any(loom, crash)))]
    false
}
