//! Fuzzing by coverage: programs that reach something new of the library are kept and changed.
//!
//! The library is built with the compiler's own counters at its edges, on a stable toolchain (`stress/fuzz/rustc`); see ADR 22.

pub mod coverage;
pub mod engine;
pub mod guard;
pub mod runner;
