//! A ledger outside the bus that tells whether a lock excludes: a mapping of its own, where holders enter themselves and look who else is there.
//!
//! It knows nothing of the bus: it asks the kernel who is alive, and compares tokens.

use crate::Result;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use swarmbus_core::sync::{Word, fence_after_rmw};

/// Things that locks protect, one bit each.
pub const THINGS: usize = 8;

const ALONE: u64 = 1 << THINGS;
const PRESENT: u64 = ALONE << 1;
const TOKEN_AT: u32 = THINGS as u32 + 2;

/// A worker's line.
#[repr(C, align(64))]
struct Line {
    /// Where it is, `token · present:1 · alone:1 · things:8`; 0: nowhere.
    place: Word,
    /// Its process.
    pid: Word,
    /// Locks that it had alone.
    alone: Word,
    /// Locks that it shared.
    shared: Word,
    /// Waits that were in vain.
    in_vain: Word,
}

#[repr(C)]
struct Page {
    /// The highest token that anybody had for each thing alone.
    last_alone: [Word; THINGS],
    /// The highest token that anybody had for it at all.
    last: [Word; THINGS],
}

/// The ledger.
pub struct Referee {
    at: NonNull<c_void>,
    workers: usize,
}

// SAFETY: all that is reached by the pointer are atomics, mapped for as long as this lives.
unsafe impl Sync for Referee {}
// SAFETY: as for Sync.
unsafe impl Send for Referee {}

/// What one worker did.
#[derive(Clone, Copy, Default, Debug)]
pub struct Grants {
    /// Locks that it had alone.
    pub alone: u64,
    /// Locks that it shared.
    pub shared: u64,
    /// Waits that were in vain.
    pub in_vain: u64,
}

const fn bytes(workers: usize) -> usize {
    size_of::<Page>() + workers * size_of::<Line>()
}

impl Referee {
    /// Maps the ledger of so many workers; an empty file becomes one.
    ///
    /// # Errors
    /// When it cannot be mapped.
    pub fn open(path: &Path, workers: usize) -> Result<Referee> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = bytes(workers);
        file.set_len(length as u64)?;
        let length = NonZeroUsize::new(length).ok_or("a ledger of nothing")?;
        // SAFETY: a new mapping at a place that the kernel chooses.
        let at = unsafe {
            mmap(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, &file, 0)
        }?;
        Ok(Referee { at, workers })
    }

    fn page(&self) -> &Page {
        // SAFETY: the mapping is that long, page-aligned, and made of atomics.
        unsafe { self.at.cast::<Page>().as_ref() }
    }

    fn lines(&self) -> &[Line] {
        // SAFETY: the lines follow the page, 128 bytes in.
        let first = unsafe { self.at.byte_add(size_of::<Page>()) }.cast::<Line>();
        // SAFETY: as many were mapped; aligned to 64; atomics.
        unsafe { std::slice::from_raw_parts(first.as_ptr(), self.workers) }
    }

    /// A process becomes a worker, in the place of one that is dead.
    pub fn begin(&self, worker: usize) {
        let line = &self.lines()[worker];
        line.place.store(0, Release);
        line.pid.store(std::process::id() as u64, Release);
    }

    /// A worker has a lock of these things. Whoever else is there must be dead, or share; and the token must be higher than any before.
    ///
    /// # Errors
    /// Who else is there, or had a higher token.
    pub fn enter(&self, worker: usize, things: u64, alone: bool, token: u64) -> Result<()> {
        let lines = self.lines();
        let place = token << TOKEN_AT | PRESENT | if alone { ALONE } else { 0 } | things;
        lines[worker]
            .place
            .compare_exchange(0, place, AcqRel)
            .map_err(|there| format!("worker {worker} is at {there:x}"))?;
        // Whoever enters after us sees us, whoever entered before us we see.
        fence_after_rmw();
        for (other, line) in lines.iter().enumerate().filter(|(other, _)| *other != worker) {
            let there = line.place.load(Acquire);
            if there & things == 0 || !alone && there & ALONE == 0 || !is_alive(line.pid.load(Acquire)) {
                continue;
            }
            if line.place.load(Acquire) == there {
                return Err(format!("worker {other} is at {there:x}, worker {worker} came to {place:x}").into());
            }
        }
        let page = self.page();
        for thing in (0..THINGS).filter(|thing| things & 1 << thing != 0) {
            let before = if alone { &page.last } else { &page.last_alone }[thing].load(Acquire);
            if before >= token {
                return Err(format!("worker {worker} has token {token} for {thing}, where {before} was before").into());
            }
            raise(&page.last[thing], token);
            if alone {
                raise(&page.last_alone[thing], token);
            }
        }
        let count = if alone { &lines[worker].alone } else { &lines[worker].shared };
        count.fetch_add(1, Release);
        Ok(())
    }

    /// It is about to release the lock.
    pub fn leave(&self, worker: usize) {
        self.lines()[worker].place.store(0, Release);
    }

    /// It waited in vain.
    pub fn in_vain(&self, worker: usize) {
        self.lines()[worker].in_vain.fetch_add(1, Release);
    }

    /// What each worker did, and those who had its place before.
    pub fn grants(&self) -> Vec<Grants> {
        let count = |word: &Word| word.load(Acquire);
        let lines = self.lines().iter();
        lines
            .map(|line| Grants {
                alone: count(&line.alone),
                shared: count(&line.shared),
                in_vain: count(&line.in_vain),
            })
            .collect()
    }
}

impl Drop for Referee {
    fn drop(&mut self) {
        // SAFETY: nothing borrows from the mapping any more.
        let _ = unsafe { munmap(self.at, bytes(self.workers)) };
    }
}

fn raise(word: &Word, to: u64) {
    let mut seen = word.load(Acquire);
    while seen < to {
        match word.compare_exchange(seen, to, AcqRel) {
            Ok(_) => return,
            Err(now) => seen = now,
        }
    }
}

/// Whether there is a process that has not ended; one that nobody has waited for has.
fn is_alive(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_at_one_place_are_noticed() {
        let path = std::env::temp_dir().join(format!("swarmbus-referee-{}", std::process::id()));
        let referee = Referee::open(&path, 3).unwrap();
        std::fs::remove_file(&path).unwrap();
        referee.begin(0);
        referee.begin(1);
        referee.enter(0, 0b11, false, 5).unwrap();
        referee.enter(1, 0b10, false, 6).unwrap();
        referee.leave(1);
        assert!(referee.enter(1, 0b110, true, 7).is_err(), "another is there");
        referee.leave(0);
        referee.leave(1);
        assert!(referee.enter(1, 0b10, true, 6).is_err(), "an old token");
        referee.leave(1);
        referee.enter(1, 0b10, true, 8).unwrap();
        assert!(referee.enter(0, 0b10, false, 9).is_err());
        referee.leave(0);
        referee.enter(0, 0b1, true, 10).unwrap();
        assert_eq!(referee.grants().iter().map(|grants| grants.alone).sum::<u64>(), 2);
    }
}
