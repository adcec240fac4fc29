//! A piece of shared memory, and sleeping on a word of it.

use crate::trial::Trial;
use anyhow::{Context, Result, bail};
use memmap2::MmapOptions;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;

/// A word and nothing else within two cache lines, because the processor fetches them in pairs.
#[repr(C, align(128))]
pub struct Word(pub AtomicU32);

/// Sleeps while the word is `seen`. May return early: callers look again.
pub fn sleep(word: &AtomicU32, seen: u32) {
    // SAFETY: the word outlives the call; no time-out is given.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, seen, std::ptr::null::<libc::timespec>())
    };
}

/// Wakes up to `most` sleepers.
pub fn wake(word: &AtomicU32, most: i32) {
    // SAFETY: the word outlives the call, which only uses its address.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, most) };
}

/// Memory that all processes of a trial have mapped, for as long as each lives.
pub struct Shared {
    base: *mut u8,
    bytes: usize,
}

impl Shared {
    fn path(trial: &Trial) -> PathBuf {
        PathBuf::from("/dev/shm").join(&trial.tag)
    }

    /// Makes it: all zeros.
    pub fn create(trial: &Trial, bytes: usize) -> Result<()> {
        let path = Shared::path(trial);
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.with_context(|| format!("cannot make {}", path.display()))?;
        file.set_len(bytes as u64).with_context(|| format!("cannot make {} {bytes} bytes long", path.display()))
    }

    /// Maps it.
    pub fn open(trial: &Trial) -> Result<Shared> {
        let path = Shared::path(trial);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        let map = MmapOptions::new().map_raw(&file).with_context(|| format!("cannot map {}", path.display()))?;
        let shared = Shared { base: map.as_mut_ptr(), bytes: map.len() };
        std::mem::forget(map);
        Ok(shared)
    }

    /// `bytes` of it from `offset` on, aligned to 128 bytes.
    pub fn at(&self, offset: usize, bytes: usize) -> Result<*mut u8> {
        if !offset.is_multiple_of(128) || offset + bytes > self.bytes {
            bail!("{bytes} bytes at {offset} do not lie within {} bytes of shared memory", self.bytes);
        }
        // SAFETY: within the mapping by the check above.
        Ok(unsafe { self.base.add(offset) })
    }
}
