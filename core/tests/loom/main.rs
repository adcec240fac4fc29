//! The models: the algorithms of the core, word for word, under every order of steps and every stale read that loom finds.
//!
//! Run with `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test --release -p swarmbus-core --test loom`;
//! `SWARMBUS_LOOM_BOUND=3` looks further. `docs/memory-model.md` says which edge and which mutant each model guards.
#![cfg(all(loom, not(feature = "shuttle")))]

use loom::cell;

mod check;
mod heap;
mod stage;
mod table;
mod tiny;
mod wrong;

mod batch;
mod board;
mod chunk;
mod claim;
mod closing;
mod cursor;
mod forward;
mod keys;
mod limbo;
mod litmus;
mod locks;
mod owner;
mod parking;
mod refused;
mod ring;
mod sender;
mod span;
mod take;
mod taker;
mod thread;
mod topic;
mod wake;
mod watch;
mod words;
mod wrap;
