//! Hand-over, stand-by, roles, and finding who is there by name, in one process.

#[path = "../common/mod.rs"]
mod common;

mod deposed;
mod found;
mod hand_over;
mod roles;
mod stand_by;

use std::os::fd::AsRawFd;
use std::time::Duration;
use swarmbus_core::Error;

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(30);

fn is_handed_over<T>(result: Result<T, Error>, name: &str) -> bool {
    matches!(result, Err(Error::HandedOver { name: found, pid }) if found == name && pid == std::process::id())
}

fn wait_until_readable(descriptor: &impl AsRawFd) {
    let mut ready = [libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    // SAFETY: one descriptor, which is open as long as it is borrowed.
    assert_eq!(unsafe { libc::poll(ready.as_mut_ptr(), 1, 30_000) }, 1);
}
