//! Flips.
