//! How much room the host has: memory, and the file system that segments lie on.

use std::fs;

/// How much there is of something, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// In all.
    pub total: u64,
    /// What is free of it.
    pub free: u64,
}

/// Memory; what can be had without swapping is free.
pub fn memory() -> Option<Room> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib << 10)
    };
    Some(Room { total: bytes("MemTotal")?, free: bytes("MemAvailable")? })
}

/// The tmpfs of segments. One without a limit has a total of 0.
pub fn shared_memory() -> Option<Room> {
    let stat = rustix::fs::statvfs("/dev/shm").ok()?;
    Some(Room { total: stat.f_blocks * stat.f_frsize, free: stat.f_bavail * stat.f_frsize })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_memory_and_a_tmpfs() {
        let memory = memory().unwrap();
        assert!(0 < memory.free && memory.free <= memory.total, "{memory:?}");
        assert!(shared_memory().is_some());
    }
}
