//! The search: programs that reached something new are kept, changed, and tried.

use super::coverage::{self, Reached};
use crate::corrupt::Dice;
use crate::corrupt::program::{STEPS_MAX, Step};

/// What is searched.
pub trait Target {
    /// Runs a program. What it must not do ends the process, or keeps it from returning.
    fn run(&mut self, program: &[Step]);
}

/// Numbers that mean something in many places.
const INTERESTING: [u64; 18] = [
    0,
    1,
    2,
    3,
    7,
    64,
    255,
    4095,
    4096,
    0xffff,
    1 << 16,
    0x3ff_ffff,
    1 << 28,
    1 << 36,
    u64::MAX >> 28 << 28,
    1 << 63,
    i64::MAX as u64,
    u64::MAX,
];

/// A search.
pub struct Engine<T> {
    /// What is searched.
    pub target: T,
    /// Programs that reached something new, oldest first.
    pub corpus: Vec<Vec<Step>>,
    /// How many were run.
    pub runs: u64,
    reached: Reached,
    dice: Dice,
    is_blind: bool,
}

impl<T: Target> Engine<T> {
    /// A search that has found nothing yet. `is_blind`: it does not look at what is reached, as a yardstick.
    pub fn new(target: T, seed: u64, is_blind: bool) -> Engine<T> {
        Engine { target, corpus: Vec::new(), runs: 0, reached: Reached::default(), dice: Dice::new(seed), is_blind }
    }

    /// Edges reached so far.
    pub fn edges(&self) -> usize {
        self.reached.edges()
    }

    /// Runs a program as it is. `true`: it reached an edge, or passed one in a number, that none did before.
    pub fn try_out(&mut self, program: &[Step]) -> bool {
        coverage::reset();
        self.target.run(program);
        self.runs += 1;
        let (_, new) = self.reached.add();
        let keep = new > 0 && !self.is_blind;
        if keep {
            self.corpus.push(program.to_vec());
        }
        keep
    }

    /// The next program to try.
    pub fn propose(&mut self) -> Vec<Step> {
        let mut program = match self.corpus.len() {
            0 => Vec::new(),
            // The later half is the more wondrous one.
            count if self.dice.once_in(2) => self.corpus[count - 1 - self.dice.below(count.div_ceil(2))].clone(),
            count => self.corpus[self.dice.below(count)].clone(),
        };
        for _ in 0..1 << self.dice.below(5) {
            self.change(&mut program);
        }
        program.truncate(STEPS_MAX);
        program
    }

    fn random_step(&mut self) -> Step {
        let dice = &mut self.dice;
        let (kind, a, b) = (dice.roll() >> 16, dice.roll() >> 16, dice.roll() >> 16);
        Step { kind: kind as u8, a: a as u8, b: b as u16, value: self.value() }
    }

    fn value(&mut self) -> u64 {
        match self.dice.below(5) {
            0 => INTERESTING[self.dice.below(INTERESTING.len())],
            1 | 2 if !self.is_blind => coverage::compared(self.dice.below(usize::MAX >> 11)),
            3 => self.dice.roll() >> self.dice.below(64),
            _ => self.dice.roll(),
        }
    }

    fn change(&mut self, program: &mut Vec<Step>) {
        let at = self.dice.below(program.len().max(1));
        match self.dice.below(12) {
            _ if program.is_empty() => program.push(self.random_step()),
            0..3 => program.insert(self.dice.below(program.len() + 1), self.random_step()),
            3 => drop(program.remove(at)),
            4 => program.insert(at, program[at]),
            5 => {
                let other = self.dice.below(program.len());
                program.swap(at, other);
            }
            6 if !self.corpus.is_empty() => {
                let other = &self.corpus[self.dice.below(self.corpus.len())];
                let from = self.dice.below(other.len() + 1);
                program.splice(at.., other[from..].iter().copied());
            }
            7 => program[at].kind = (self.dice.roll() >> 16) as u8,
            8 => program[at].a = program[at].a.wrapping_add(self.dice.below(7) as u8).wrapping_sub(3),
            9 => program[at].b = program[at].b.wrapping_add(self.dice.below(17) as u16).wrapping_sub(8),
            10 => program[at].value ^= 1 << self.dice.below(64),
            _ => program[at].value = self.value(),
        }
    }
}
