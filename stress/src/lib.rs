//! Real processes, real SIGKILLs, and an oracle that keeps its books outside the bus.
//!
//! A **victim** is a process that does one thing with a bus ([`victim`]) and is killed while it does it: at a crash point that it has armed
//! itself (builds with `--cfg crash`), at a machine instruction where its parent has stopped it (`stepping`), or at a random moment by the [`killer`]. Whatever a process sends, takes and releases it
//! first says in its **ledger**, a file in memory that is no part of the bus. When all is over, the oracle ([`books`]) compares the
//! ledgers with what is left on the bus: nothing lost, nothing twice, nothing leaked.

pub mod boards;
pub mod books;
pub mod case;
pub mod clerk;
pub mod company;
pub mod contention;
pub mod corrupt;
pub mod crash;
pub mod fault;
pub mod figures;
pub mod flow;
pub mod handover;
pub mod killer;
pub mod kills;
pub mod ledger;
pub mod mistake;
pub mod mutants;
pub mod peer;
pub mod referee;
pub mod scale;
pub mod scene;
pub mod soak;
pub mod space;
#[cfg(target_arch = "x86_64")]
pub mod stepping;
pub mod storm;
pub mod sweep;
pub mod topics;
pub mod victim;
pub mod wakes;
pub mod workload;

/// Why a run failed, for people.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
/// The result of whatever a process of this crate does.
pub type Result<T> = std::result::Result<T, Failure>;
