//! Who scribbles: writes to words of a segment's file, past everything that the library does.

use super::fields::{self, Field};
use crate::Result;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use swarmbus_core::layout::Geometry;

/// How a word is changed.
pub const WAYS: usize = 8;

/// The file of a bus, and what is where in it.
pub struct Scribbler {
    file: File,
    /// Its fields.
    pub fields: Vec<Field>,
}

impl Scribbler {
    /// Of a segment's file whose messages have payloads up to so many bytes.
    pub fn open(path: &Path, payload: u64) -> Result<Scribbler> {
        let file = File::options().read(true).write(true).open(path)?;
        let mut scribbler = Scribbler { file, fields: Vec::new() };
        let (agents, shift, spans) = (scribbler.read(80)?, scribbler.read(88)?, scribbler.read(104)?);
        scribbler.fields = fields::all(&Geometry::new(agents, shift as u32, spans), payload);
        Ok(scribbler)
    }

    /// A word.
    pub fn read(&self, at: u64) -> Result<u64> {
        let mut word = [0; 8];
        self.file.read_exact_at(&mut word, at)?;
        Ok(u64::from_ne_bytes(word))
    }

    /// Writes a word.
    pub fn write(&self, at: u64, word: u64) -> Result<()> {
        Ok(self.file.write_all_at(&word.to_ne_bytes(), at)?)
    }

    /// Changes a word of a field in one of the [`WAYS`].
    pub fn change(&self, field: usize, number: u64, way: usize, value: u64) -> Result<()> {
        let field = &self.fields[field % self.fields.len()];
        let at = field.at(number);
        let seen = self.read(at)?;
        let word = match way % WAYS {
            0 => value,
            1 => 0,
            2 => u64::MAX,
            3 => seen.wrapping_add(1),
            4 => seen ^ 1 << (value % 64),
            5 => seen.wrapping_add(value as i8 as u64),
            // What stands in another place of this kind: words that make sense, but not here.
            6 => self.read(field.at(number.wrapping_add(value % field.count().max(1))))?,
            _ => seen ^ (value & 0xffff) << (value >> 16 & 63),
        };
        self.write(at, word)
    }
}
