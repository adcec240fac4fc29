//! What others do with a bus over which somebody scribbles: they may fail, and lose or repeat messages; they do not crash, and do not hang.
//!
//! A **program** is a list of steps: writes to words of a small segment, and operations that real handles do between them. The [`fuzz`]er
//! looks for programs that reach code which no program has reached before; [`flips`] goes through every field of a living segment while processes are
//! at work.

pub mod fields;
pub mod flips;
pub mod fuzz;
pub mod judge;
pub mod operations;
pub mod program;
pub mod scribbler;
pub mod template;

/// Numbers that repeat with their seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Of this seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// One below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        ((self.roll() >> 11) % limit as u64) as usize
    }

    /// Whether one of `of` came up.
    pub fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
}
