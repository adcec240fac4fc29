//! Models of many threads, in schedules drawn by chance: the algorithms of the core, word for word, with threads that die at any shared write.
//!
//! Run with `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test --release -p swarmbus-core --features shuttle --test shuttle`.
//! A run prints its seed; `SWARMBUS_SHUTTLE_SEED` repeats it, `SWARMBUS_SHUTTLE_RUNS` says how many schedules each model gets.
//! `docs/verification.md` says what these show that `core/tests/loom` does not, and what only that can.
#![cfg(all(loom, feature = "shuttle"))]

mod cell;
mod check;
mod town;

// The segments are those of the loom models, which use more of them.
#[path = "../loom/heap.rs"]
#[allow(dead_code)]
mod heap;
#[path = "../loom/stage.rs"]
#[allow(dead_code)]
mod stage;
#[path = "../loom/table.rs"]
#[allow(dead_code)]
mod table;
#[path = "../loom/tiny.rs"]
#[allow(dead_code)]
mod tiny;
#[path = "../loom/wrong.rs"]
mod wrong;

mod batches;
mod keys;
mod locks;
mod messages;
mod parking;
mod spans;
mod topics;
mod wakes;
