//! Runs a program on a copy of the template.

use super::engine::Target;
use crate::Result;
use crate::corrupt::operations::{How, OPERATIONS, Stage};
use crate::corrupt::program::Step;
use crate::corrupt::scribbler::Scribbler;
use crate::corrupt::template::Template;
use std::path::Path;
use swarmbus_core::Bus;

/// A segment to be copied for each program.
pub struct Runner {
    template: Template,
}

impl Runner {
    /// For buses of this name.
    ///
    /// # Errors
    /// Those of the bus.
    pub fn new(name: &str) -> Result<Runner> {
        Ok(Runner { template: Template::new(name, Path::new("/proc/self/exe"))? })
    }

    /// The fields that programs write to, for people.
    ///
    /// # Errors
    /// The system's.
    pub fn scribbler(&mut self) -> Result<Scribbler> {
        self.template.copy()?;
        Scribbler::open(&self.template.path(), 64)
    }

    /// Runs a program, telling `before` of each step first.
    ///
    /// # Errors
    /// Before the first step only.
    pub fn play(&mut self, program: &[Step], mut before: impl FnMut(&Step, &Scribbler)) -> Result<()> {
        let scribbler = self.scribbler()?;
        let bus = Bus::open(self.template.name())?;
        let agents = [bus.attach("a")?, bus.attach("c")?, bus.attach("g")?];
        let mut stage = Stage::new(&bus, &agents, true);
        for step in program {
            before(step, &scribbler);
            if step.is_write() {
                scribbler.change(step.a as usize, u64::from(step.b), step.kind as usize, step.value)?;
            } else {
                let (_, operation) = OPERATIONS[step.kind as usize % OPERATIONS.len()];
                operation(&mut stage, How { who: step.a, which: step.b, value: step.value });
            }
        }
        Ok(())
    }
}

impl Target for Runner {
    fn run(&mut self, program: &[Step]) {
        if let Err(error) = self.play(program, |_, _| {}) {
            panic!("before the first step: {error}");
        }
    }
}
