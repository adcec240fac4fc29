//! The bytes of a bus' file as they were last seen, to tell whether an instruction has changed any.

use crate::Result;
use crate::scene::file_of;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// What a file was.
pub struct Snapshot {
    file: File,
    data: Vec<(Range<u64>, Vec<u8>)>,
}

impl Snapshot {
    /// Of a bus, as it is.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn of(bus: &str) -> Result<Snapshot> {
        let mut snapshot = Snapshot { file: File::open(file_of(bus))?, data: Vec::new() };
        snapshot.has_changed()?;
        Ok(snapshot)
    }

    /// Whether it is another than it was when this was last asked. Holes are skipped: nobody has written there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn has_changed(&mut self) -> Result<bool> {
        let extents = self.extents()?;
        let mut changed = extents.len() != self.data.len();
        self.data.resize(extents.len(), Default::default());
        for (extent, (range, bytes)) in extents.into_iter().zip(&mut self.data) {
            let mut now = vec![0; (extent.end - extent.start) as usize];
            self.file.read_exact_at(&mut now, extent.start)?;
            if *range != extent || *bytes != now {
                changed = true;
                (*range, *bytes) = (extent, now);
            }
        }
        Ok(changed)
    }

    fn extents(&self) -> Result<Vec<Range<u64>>> {
        let mut extents = Vec::new();
        let mut at = 0;
        loop {
            at = match lseek(&self.file, at, Whence::SeekData) {
                Ok(start) => start,
                Err(Errno::ENXIO) => return Ok(extents),
                Err(error) => return Err(error.into()),
            };
            let end = lseek(&self.file, at, Whence::SeekHole)?;
            extents.push(at as u64..end as u64);
            at = end;
        }
    }
}
