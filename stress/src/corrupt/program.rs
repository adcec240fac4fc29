//! A program: writes and operations, as numbers that a fuzzer may change at will and as lines that people may read.

use super::fields::Field;
use super::operations::OPERATIONS;
use super::scribbler::WAYS;
use crate::Result;

/// Most steps of a program.
pub const STEPS_MAX: usize = 48;
/// Bytes of a step.
pub const STEP_BYTES: usize = 12;

/// A step. Every number has a meaning: no program is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Step {
    /// Below 128: a write, in the way `kind` modulo [`WAYS`]; else an operation.
    pub kind: u8,
    /// The field that is written; for an operation, who does it.
    pub a: u8,
    /// Which word of the field.
    pub b: u16,
    /// What is written.
    pub value: u64,
}

impl Step {
    /// Whether it is a write.
    pub fn is_write(&self) -> bool {
        self.kind < 128
    }

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; STEP_BYTES] {
        let mut bytes = [0; STEP_BYTES];
        (bytes[0], bytes[1]) = (self.kind, self.a);
        bytes[2..4].copy_from_slice(&self.b.to_le_bytes());
        bytes[4..].copy_from_slice(&self.value.to_le_bytes());
        bytes
    }

    /// From its bytes.
    pub fn from_bytes(bytes: &[u8]) -> Step {
        let value = bytes[4..12].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        Step { kind: bytes[0], a: bytes[1], b: u16::from_le_bytes([bytes[2], bytes[3]]), value }
    }

    /// What it does, for people.
    pub fn describe(&self, fields: &[Field]) -> String {
        if self.is_write() {
            let ways = ["set", "zero", "ones", "add 1", "flip", "add", "copy from", "xor"];
            let field = fields.get(self.a as usize % fields.len().max(1));
            let place = field.map_or_else(String::new, |field| {
                let number = u64::from(self.b) % field.count();
                format!("{} [{}.{}]", field.name, number / field.words(), number % field.words())
            });
            return format!("{} {place} {:#x}", ways[self.kind as usize % WAYS], self.value);
        }
        format!(
            "{} by {}, {:#x} {:#x}",
            OPERATIONS[self.kind as usize % OPERATIONS.len()].0,
            self.a,
            self.b,
            self.value
        )
    }
}

/// Programs as text: a line for each step, numbers first, an empty line after each program.
pub fn to_text(program: &[Step], fields: &[Field]) -> String {
    let line = |step: &Step| {
        format!("{:02x} {:02x} {:04x} {:x}  # {}\n", step.kind, step.a, step.b, step.value, step.describe(fields))
    };
    program.iter().map(line).collect::<String>() + "\n"
}

/// The programs of a text.
pub fn from_text(text: &str) -> Result<Vec<Vec<Step>>> {
    let mut programs = vec![Vec::new()];
    for line in text.lines() {
        let mut numbers = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(kind) = numbers.next() else {
            programs.push(Vec::new());
            continue;
        };
        let mut next = || u64::from_str_radix(numbers.next().unwrap_or("0"), 16);
        let (a, b, value) = (next()? as u8, next()? as u16, next()?);
        programs.last_mut().ok_or("no program")?.push(Step { kind: u8::from_str_radix(kind, 16)?, a, b, value });
    }
    programs.retain(|program| !program.is_empty());
    Ok(programs)
}
