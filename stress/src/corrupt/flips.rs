//! Every field of a living segment is written over while processes use it: none of them crashes, and each comes to the end of every operation.
//!
//! The processes read typed messages by a copy: what is read in place shows whatever is written to it, also after it was checked (`docs/trust.md`).

use super::Dice;
use super::operations::{How, OPERATIONS, Stage};
use super::scribbler::Scribbler;
use super::template::{furnish, small};
use crate::Result;
use crate::killer::Process;
use crate::peer::stop_flag;
use crate::scene::file_of;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use swarmbus_core::Bus;

/// No operation takes so long on any machine: it guards against hanging only.
const PATIENCE: Duration = Duration::from_secs(100);
/// Operations that every process comes to the end of before the next word is written over.
const OPERATIONS_BETWEEN: u64 = 2;
/// The ways in which a word is changed, and with what value: 0, all ones, one more, a low bit, a high one, another's word, anything.
const CHANGES: [(usize, u64); 7] = [(1, 0), (2, 0), (3, 0), (4, 2), (4, 47), (6, 1), (0, 0x9e37_79b9_7f4a_7c15)];

/// How much is swept.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Words of each field.
    pub words: u64,
    /// Processes at work.
    pub processes: usize,
    /// Where chance begins.
    pub seed: u64,
}

/// What was swept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Swept {
    /// Fields.
    pub fields: usize,
    /// Words written over.
    pub writes: u64,
    /// Operations that the processes came to the end of.
    pub operations: u64,
}

/// A process at work.
struct Worker(Process);

impl Worker {
    fn start(program: &Path, bus: &str, number: u64) -> Result<Worker> {
        Ok(Worker(Process::start(program, &["scribbled", "--bus", bus, "--seed", &number.to_string()])?))
    }

    /// Operations so far, and the one that it is at: its ledger has these two words.
    fn progress(&self) -> Result<(u64, usize)> {
        Ok(match self.0.words()?[..] {
            [count, operation] => (count, operation as usize),
            _ => (0, 0),
        })
    }

    /// Waits until it has come to the end of some operations.
    fn wait(&mut self, what: &str) -> Result<()> {
        let (begun, (before, _)) = (Instant::now(), self.progress()?);
        while let (count, operation) = self.progress()?
            && count < before + OPERATIONS_BETWEEN
        {
            let name = OPERATIONS[operation % OPERATIONS.len()].0;
            if self.0.has_ended()? {
                return Err(format!("{what}: a process crashed at '{name}' ({})", self.0.end()?).into());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{what}: a process hangs at '{name}'").into());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
}

/// A bus that is made anew for each field under one name.
struct Ground {
    name: String,
    bus: Option<Bus>,
}

impl Ground {
    fn renew(&mut self) -> Result<Scribbler> {
        self.clear();
        let bus = Bus::create(&self.name, &small())?;
        furnish(&bus)?;
        self.bus = Some(bus);
        Scribbler::open(&file_of(&self.name), 64)
    }

    fn clear(&mut self) {
        if let Some(bus) = self.bus.take() {
            let _ = bus.destroy();
        }
        // Also what cannot be opened any more.
        let _ = std::fs::remove_file(file_of(&self.name));
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Sweeps all fields. `program`: this crate's.
///
/// # Errors
/// When a process crashed or hangs: the field, the change and the operation.
pub fn sweep(program: &Path, sweep: Sweep) -> Result<Swept> {
    let mut ground = Ground { name: format!("stress-{}-flips", std::process::id()), bus: None };
    let (mut dice, mut swept) = (Dice::new(sweep.seed), Swept::default());
    let fields = ground.renew()?.fields.len();
    let start = |number| Worker::start(program, &ground.name, number + sweep.seed);
    let mut workers = (0..sweep.processes as u64).map(start).collect::<Result<Vec<_>>>()?;
    for number in 0..fields {
        let scribbler = ground.renew()?;
        let field = &scribbler.fields[number];
        for worker in &mut workers {
            worker.wait(&field.name)?;
        }
        for _ in 0..sweep.words {
            let word = a_used_one(&scribbler, number, &mut dice)?;
            for (way, value) in CHANGES {
                scribbler.change(number, word, way, value)?;
                swept.writes += 1;
                let what = format!("{} [{word}], way {way}", field.name);
                workers.iter_mut().try_for_each(|worker| worker.wait(&what))?;
            }
        }
        swept.fields += 1;
    }
    for worker in &mut workers {
        swept.operations += worker.progress()?.0;
        worker.0.stop()?;
    }
    Ok(swept)
}

/// The number of a word of a field, if possible of one that says something.
fn a_used_one(scribbler: &Scribbler, field: usize, dice: &mut Dice) -> Result<u64> {
    let field = &scribbler.fields[field];
    let mut number = 0;
    for _ in 0..64 {
        number = dice.roll() % field.count();
        if scribbler.read(field.at(number))? != 0 {
            break;
        }
    }
    Ok(number)
}

/// Uses a bus until standard input ends, opening it anew all the time: it may be another by then.
///
/// # Errors
/// Those of its ledger.
pub fn work(bus: &str, seed: u64) -> Result<()> {
    let (stop, ledger) = (stop_flag(), File::from(std::io::stdout().as_fd().try_clone_to_owned()?));
    let (mut dice, mut count) = (Dice::new(seed), 0u64);
    while !stop.load(Relaxed) {
        let note = |count: u64, operation: usize| {
            let words = [count.to_ne_bytes(), (operation as u64).to_ne_bytes()].concat();
            ledger.write_all_at(&words, 0)
        };
        count += 1;
        note(count, 0)?;
        let Ok(bus) = Bus::open(bus) else {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        let names = ["a", "b", "c"];
        let Ok(agent) = bus.attach(names[dice.below(names.len())]) else { continue };
        let agents = [agent];
        let mut stage = Stage::new(&bus, &agents, false);
        for _ in 0..20 {
            let operation = dice.below(OPERATIONS.len());
            count += 1;
            note(count, operation)?;
            OPERATIONS[operation].1(&mut stage, How { who: 0, which: dice.roll() as u16, value: dice.roll() >> 8 });
        }
    }
    Ok(())
}
