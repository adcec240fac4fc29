//! The only door to the operating system.

#[cfg(not(loom))]
pub mod cache;
#[cfg(not(loom))]
pub mod clock;
#[cfg(not(loom))]
pub mod event;
#[cfg(not(loom))]
pub mod file;
#[cfg(not(loom))]
pub mod fork;
#[cfg(not(loom))]
pub mod futex;
#[cfg(not(loom))]
pub mod lifeline;
#[cfg(not(loom))]
pub mod own;
#[cfg(not(loom))]
pub mod process;
#[cfg(not(loom))]
pub mod sign;
