//! The words of a bus' file, for tests that look at them or write over them.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use swarmbus_core::Bus;
use swarmbus_core::layout::Geometry;

/// The file, and where things are in it.
pub struct Words {
    file: File,
    /// Where things are.
    pub geometry: Geometry,
}

impl Words {
    /// Those of a bus that is there.
    pub fn of(bus: &Bus) -> Words {
        Words::open(format!("/dev/shm/swarmbus.{}", bus.name()).as_ref())
    }

    /// Those of a file.
    pub fn open(path: &Path) -> Words {
        let file = File::options().read(true).write(true).open(path).unwrap();
        let mut words = Words { file, geometry: Geometry::new(2, 4, 1) };
        words.geometry = Geometry::new(words.read(80), words.read(88) as u32, words.read(104));
        words
    }

    /// The word at a place.
    pub fn read(&self, at: u64) -> u64 {
        let mut word = [0; 8];
        self.file.read_exact_at(&mut word, at).unwrap();
        u64::from_ne_bytes(word)
    }

    /// Writes a word.
    pub fn write(&self, at: u64, word: u64) {
        self.file.write_all_at(&word.to_ne_bytes(), at).unwrap();
    }

    /// Where a cell begins.
    pub fn cell(&self, index: u64) -> u64 {
        self.geometry.cells_at + index * self.geometry.cell_bytes
    }
}
