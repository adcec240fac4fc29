//! What the processes of a work queue tell each other beside it: counters in a file of the trial that all map.
//!
//! A follower writes only its own, on a cache line of its own: it costs each rival the same, about nothing.

use crate::trial::Trial;
use anyhow::{Context, Result};
use memmap2::MmapRaw;
use std::fs::File;
use std::sync::atomic::AtomicU64;

/// A follower's counters.
#[repr(C, align(128))]
pub struct Counters {
    /// Messages that it took.
    pub taken: AtomicU64,
    /// The sum of what [`super::work_queue`] makes of their numbers.
    pub sum: AtomicU64,
    /// Not 0 once it has taken its last.
    pub has_ended: AtomicU64,
}

/// The counters of all followers.
pub fn open(trial: &Trial) -> Result<&'static [Counters]> {
    let path = trial.folder.join("board");
    let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    let count = trial.followers as usize;
    file.set_len((count * size_of::<Counters>()) as u64).context("making room for the counters")?;
    let map: &MmapRaw = Box::leak(Box::new(MmapRaw::map_raw(&file).context("mapping the counters")?));
    // SAFETY: mapped for the process' life, page-aligned, `count` long, made of atomics that begin as zero.
    Ok(unsafe { std::slice::from_raw_parts(map.as_ptr().cast::<Counters>(), count) })
}
