//! Every field of a living segment is written over while processes use it: none of them crashes, each comes to the end of every operation, and what is
//! left is repaired by `fsck` and works again ([`judge`]).
//!
//! Words are written over one at a time, so that it is known what each did, and then many without a pause, so that what was checked is another when it is used.
//! The processes read typed messages by a copy: what is read in place shows whatever is written to it, also after it was checked (`docs/trust.md`).

use super::Dice;
use super::judge;
use super::operations::{How, OPERATIONS, Stage};
use super::scribbler::{Scribbler, WAYS};
use super::template::Template;
use crate::Result;
use crate::figures::Flipped;
use crate::killer::Process;
use crate::peer::stop_flag;
use crate::scene::file_of;
use crate::storm::save;
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
/// Operations that every process comes to the end of while words of a field are written over without a pause, for each of those that were written over alone.
const OPERATIONS_AMID: u64 = 50;
/// Words that are written over before somebody looks how the processes are.
const BURST: usize = 100;
/// The ways in which a word is changed, and with what value: 0, all ones, one more, a low bit, a high one, another's word, anything.
const CHANGES: [(usize, u64); 7] = [(1, 0), (2, 0), (3, 0), (4, 2), (4, 47), (6, 1), (0, 0x9e37_79b9_7f4a_7c15)];

/// How much is swept.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Words of each field.
    pub words: u64,
    /// Processes at work.
    pub processes: usize,
    /// Where chance begins.
    pub seed: u64,
    /// This field only.
    pub field: Option<String>,
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

    /// What it is to come to the end of: some more operations.
    fn errand(&self, operations: u64) -> Result<Errand> {
        let (count, _) = self.progress()?;
        Ok(Errand { until: count + operations, count, since: Instant::now() })
    }

    /// Whether it has come to the end of an errand.
    fn has_done(&mut self, errand: &mut Errand) -> Result<bool> {
        let (count, operation) = self.progress()?;
        let name = OPERATIONS[operation % OPERATIONS.len()].0;
        if self.0.has_ended()? {
            return Err(format!("a process crashed at '{name}' ({})", self.0.end()?).into());
        }
        if count != errand.count {
            (errand.count, errand.since) = (count, Instant::now());
        } else if errand.since.elapsed() > PATIENCE {
            return Err(format!("a process hangs at '{name}'").into());
        }
        Ok(count >= errand.until)
    }
}

/// How many operations a worker is to come to the end of, and since when it is at the one that it is at.
struct Errand {
    until: u64,
    count: u64,
    since: Instant,
}

/// Waits until each of them has come to the end of some operations, and does something again and again meanwhile.
fn wait(workers: &mut [Worker], operations: u64, mut meanwhile: impl FnMut() -> Result<()>) -> Result<()> {
    let errands = workers.iter().map(|worker| worker.errand(operations)).collect::<Result<Vec<_>>>()?;
    for (worker, mut errand) in workers.iter_mut().zip(errands) {
        while !worker.has_done(&mut errand)? {
            meanwhile()?;
        }
    }
    Ok(())
}

fn pause() -> Result<()> {
    std::thread::sleep(Duration::from_micros(200));
    Ok(())
}

/// A bus that is made anew for each field under one name. Who is at work opens it at any moment, and finds it whole.
struct Ground {
    template: Template,
    bus: Option<Bus>,
}

impl Ground {
    fn renew(&mut self) -> Result<Scribbler> {
        if let Some(bus) = self.bus.take() {
            // Whoever sleeps on it is woken.
            let _ = bus.destroy();
        }
        self.template.copy()?;
        self.bus = Some(Bus::open(self.template.name())?);
        Scribbler::open(&self.template.path(), 64)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(file_of(&judge::copy_of(self.template.name())));
    }
}

impl Sweep {
    /// The command that does the same again. What words say by then, and where the processes are, is for chance.
    fn command(&self, field: Option<&str>) -> String {
        let Sweep { words, processes, seed, .. } = self;
        let field = field.map_or_else(String::new, |field| format!(" --field {field}"));
        format!("swarmbus-stress flips --words {words} --processes {processes} --seed {seed}{field}")
    }
}

/// Sweeps, says what was found, and writes it to a file.
///
/// # Errors
/// As [`sweep`].
pub fn run(sweep: &Sweep, json: Option<&Path>) -> Result<()> {
    println!("{}", sweep.command(sweep.field.as_deref()));
    let found = self::sweep(&std::env::current_exe()?, sweep)?;
    let Flipped { fields, writes, operations, repaired, refused, .. } = found;
    println!(
        "{fields} fields, {writes} words written over, {operations} operations; {repaired} buses repaired, {refused} refused"
    );
    json.map_or(Ok(()), |path| save(&found, path))
}

/// Sweeps all fields, or the one that is wished. `program`: this crate's.
///
/// # Errors
/// When a process crashed or hangs, or a bus stays broken: the field, the change and the operation; and how to do that again.
pub fn sweep(program: &Path, sweep: &Sweep) -> Result<Flipped> {
    let name = format!("stress-{}-flips", std::process::id());
    let mut ground = Ground { template: Template::new(&name, program)?, bus: None };
    let fields = ground.renew()?.fields;
    let is_wanted = |name: &str| sweep.field.as_deref().is_none_or(|wanted| wanted == name);
    let wanted: Vec<usize> = (0..fields.len()).filter(|number| is_wanted(&fields[*number].name)).collect();
    if wanted.is_empty() {
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        return Err(format!("no such field; there are {}", names.join(", ")).into());
    }
    let (seed, processes) = (sweep.seed, sweep.processes as u64);
    let start = |number| Worker::start(program, &name, number + seed);
    let mut workers = (0..processes).map(start).collect::<Result<Vec<_>>>()?;
    let mut swept = Flipped { seed, processes, fields: 0, writes: 0, operations: 0, repaired: 0, refused: 0 };
    for number in wanted {
        let field = &fields[number].name;
        let within = |failure| format!("{field}, {failure}\nagain: {}", sweep.command(Some(field)));
        let scribbler = ground.renew()?;
        sweep_field(&scribbler, number, sweep, &mut workers, &mut swept.writes).map_err(within)?;
        let mut judge = Process::start(program, &["scribbled-judge", "--bus", &name])?;
        judge.stop().map_err(|failure| within(format!("afterwards: {failure}").into()))?;
        match judge.words()?[..] {
            [1] => swept.repaired += 1,
            _ if field.starts_with("header.") => swept.refused += 1,
            _ => return Err(within("afterwards: it is said to be no bus any more".into()).into()),
        }
        swept.fields += 1;
    }
    for worker in &mut workers {
        swept.operations += worker.progress()?.0;
        worker.0.stop()?;
    }
    Ok(swept)
}

/// Writes over words of a field, one at a time and then without a pause; `writes`: how many, in all.
fn sweep_field(
    scribbler: &Scribbler,
    field: usize,
    sweep: &Sweep,
    workers: &mut [Worker],
    writes: &mut u64,
) -> Result<()> {
    // Each field has a seed of its own, so that it can be repeated alone.
    let mut dice = Dice::new(sweep.seed.wrapping_add((field as u64) << 32));
    wait(workers, OPERATIONS_BETWEEN, pause).map_err(|failure| format!("not yet written over: {failure}"))?;
    for _ in 0..sweep.words {
        let word = a_used_one(scribbler, field, &mut dice)?;
        for (way, value) in CHANGES {
            scribbler.change(field, word, way, value)?;
            *writes += 1;
            wait(workers, OPERATIONS_BETWEEN, pause).map_err(|failure| format!("word {word}, way {way}: {failure}"))?;
        }
    }
    let burst = || {
        *writes += BURST as u64;
        (0..BURST).try_for_each(|_| {
            let word = a_used_one(scribbler, field, &mut dice)?;
            scribbler.change(field, word, dice.below(WAYS), dice.roll())
        })
    };
    wait(workers, sweep.words * OPERATIONS_AMID, burst).map_err(|failure| format!("many words: {failure}").into())
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
