//! Kill storms: hundreds of processes come, work and are killed with SIGKILL at random moments, most while they are still on their way in, beside
//! a few that live through it and must not notice.
//!
//! [`rage`] knows nothing of what the processes do: a [`Contender`] names the programs and looks at what is left. So a rival can be put into the same storm.

mod aftermath;
mod fresh;
mod report;
mod row;
mod swarmbus;
mod worker;

pub use aftermath::{Aftermath, within};
pub use fresh::fresh;
pub use report::{Report, Run, save};
pub use row::Storms;
pub use swarmbus::Swarmbus;
pub use worker::{Orders, options, work};

use crate::Result;
use crate::killer::{PATIENCE, Process};
use crate::kills::Dice;
use crate::ledger::Event;
use nix::sys::signal::Signal;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How hard a storm is.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Processes that are killed.
    pub kills: u32,
    /// As many of them live at the same time.
    pub at_once: usize,
    /// Processes that live through it.
    pub residents: u64,
    /// Whether those that are killed live long enough to be killed in their work rather than on their way in.
    pub under_load: bool,
    /// After so much time without progress a process hangs.
    pub patience: Duration,
}

impl Shape {
    /// A storm that hits most processes in their first 50 ms.
    pub fn early(kills: u32) -> Shape {
        Shape { kills, at_once: 16, residents: 4, under_load: false, patience: Duration::from_secs(20) }
    }

    /// A storm that hits them in their work.
    pub fn loaded(kills: u32) -> Shape {
        Shape { residents: 8, under_load: true, ..Shape::early(kills) }
    }

    /// How long a process lives.
    fn life(&self, dice: &mut Dice) -> Life {
        let (from_first_word, longest_us) = match (self.under_load, dice.below(100)) {
            (false, 0..40) => (true, 3_000),
            (false, 40..60) => (false, 5_000),
            (false, 60..85) => (false, 50_000),
            (false, _) => (false, 300_000),
            (true, 0..10) => (true, 3_000),
            (true, _) => (false, 1_000_000),
        };
        Life { from_first_word, lasts: Duration::from_micros(dice.below(longest_us)) }
    }
}

/// How long a process lives.
struct Life {
    /// From its first line in the ledger on, when it is about to make the bus; else from the moment at which the kernel has begun its program. On a loaded
    /// machine there is a long time between the two.
    from_first_word: bool,
    lasts: Duration,
}

/// Who a process of a storm is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Is killed.
    Victim,
    /// Lives through the storm and ends when its standard input does.
    Resident,
    /// Comes when it is over, does a little, writes down how long that took ([`Event::Found`]: ns) and ends.
    Fresh,
}

/// What is put into a storm.
pub trait Contender {
    /// Its name.
    fn name(&self) -> &str;

    /// The program of its processes.
    fn program(&self) -> &Path;

    /// The arguments of one of its processes: the `number`-th of the storm, which has a seed of its own.
    fn arguments(&self, role: Role, number: u64, seed: u64) -> Vec<String>;

    /// What its processes say that they are doing, by the number in [`Event::Doing`].
    fn steps(&self) -> &'static [&'static str];

    /// Whether a process that ends before it is killed is a failure of the storm. Otherwise it is counted.
    fn must_survive(&self) -> bool;

    /// The first wave is on its way.
    ///
    /// # Errors
    /// What keeps the storm from going on.
    fn begin(&mut self) -> Result<()>;

    /// Looks at what is left when all processes are gone, and removes it.
    fn settle(&mut self, ledgers: &[Vec<Event>]) -> Aftermath;
}

/// How a process came to its end.
struct End {
    lived: Duration,
    events: Result<Vec<Event>>,
    /// It was not this kill that ended it.
    early: Option<String>,
}

/// Kills a process when it has lived so long. Each has a thread for that, so that no death waits for another.
fn doom(mut process: Process, life: Life, ends: Sender<End>) {
    let began = Instant::now();
    std::thread::spawn(move || {
        let mut due = began + life.lasts;
        if life.from_first_word {
            while process.written() == 0 && matches!(process.has_ended(), Ok(false)) && began.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_micros(50));
            }
            due = Instant::now() + life.lasts;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // Who has ended before is told by how it ended.
        let _ = process.signal(Signal::SIGKILL);
        let lived = began.elapsed();
        let early = process.expect_killed().err().map(|early| early.to_string());
        // Nobody listens any more if the storm was called off.
        let _ = ends.send(End { lived, events: process.events(), early });
    });
}

/// A resident, and when it last wrote.
struct Watched {
    process: Process,
    written: u64,
    since: Instant,
}

struct Storm<'c> {
    contender: &'c mut dyn Contender,
    shape: &'c Shape,
    dice: Dice,
    started: u64,
    /// Processes that were started to be killed.
    doomed: u32,
    run: Run,
    ledgers: Vec<Vec<Event>>,
}

/// Lets a storm rage and settle.
///
/// # Errors
/// What keeps it from taking place. What the storm does to the contender is in the report.
pub fn rage(contender: &mut dyn Contender, shape: &Shape, seed: u64) -> Result<Run> {
    let run = Run::new(contender.name(), seed, contender.steps());
    let begun = Instant::now();
    let mut storm =
        Storm { contender, shape, dice: Dice::seeded(seed), started: 0, doomed: 0, run, ledgers: Vec::new() };
    let (ends, ended) = mpsc::channel();
    storm.replenish(&ends)?;
    storm.contender.begin()?;
    let mut residents = Vec::new();
    for _ in 0..shape.residents {
        residents.push(storm.resident()?);
    }
    while storm.run.kills < shape.kills {
        match ended.recv_timeout(Duration::from_millis(100)) {
            Ok(end) => storm.count(end)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("the killers have gone".into()),
        }
        storm.replenish(&ends)?;
        storm.watch(&mut residents)?;
    }
    storm.run.storm_s = begun.elapsed().as_secs_f64();
    storm.newcomer()?;
    for resident in residents {
        storm.dismiss(resident)?;
    }
    storm.newcomer()?;
    let Storm { contender, mut run, ledgers, .. } = storm;
    run.take(contender.settle(&ledgers));
    run.seconds = begun.elapsed().as_secs_f64();
    Ok(run)
}

impl Storm<'_> {
    fn start(&mut self, role: Role) -> Result<Process> {
        self.started += 1;
        let arguments = self.contender.arguments(role, self.started, self.dice.below(u64::MAX));
        Process::start(self.contender.program(), &arguments)
    }

    fn resident(&mut self) -> Result<Watched> {
        Ok(Watched { process: self.start(Role::Resident)?, written: 0, since: Instant::now() })
    }

    /// As many processes as should live at the same time, until all have been started.
    fn replenish(&mut self, ends: &Sender<End>) -> Result<()> {
        while self.doomed - self.run.kills < self.shape.at_once as u32 && self.doomed < self.shape.kills {
            let process = self.start(Role::Victim)?;
            doom(process, self.shape.life(&mut self.dice), ends.clone());
            self.doomed += 1;
        }
        Ok(())
    }

    fn count(&mut self, end: End) -> Result<()> {
        let events = end.events?;
        self.run.count_kill(end.lived, &events);
        if let Some(early) = end.early {
            self.run.ended_early(early, self.contender.must_survive());
        }
        self.ledgers.push(events);
        Ok(())
    }

    /// Who has not written for too long is counted, killed, and replaced.
    fn watch(&mut self, residents: &mut [Watched]) -> Result<()> {
        for resident in residents {
            let written = resident.process.written();
            if written != resident.written {
                (resident.written, resident.since) = (written, Instant::now());
            }
            if resident.process.has_ended()? {
                let early = format!("a resident ended: {:?}", resident.process.events()?.last());
                self.run.ended_early(early, self.contender.must_survive());
            } else if resident.since.elapsed() > self.shape.patience {
                self.run.hang("a resident", &resident.process)?;
                resident.process.kill()?;
            } else {
                continue;
            }
            self.ledgers.push(resident.process.events()?);
            *resident = self.resident()?;
        }
        Ok(())
    }

    /// Somebody who has seen nothing of it comes and does what everybody does.
    fn newcomer(&mut self) -> Result<()> {
        let begun = Instant::now();
        let mut process = self.start(Role::Fresh)?;
        if !self.ends(&mut process, "a fresh process")? {
            return Ok(());
        }
        let events = process.events()?;
        match events.iter().find_map(|event| if let Event::Found(times) = event { times.first() } else { None }) {
            Some(ns) => self.run.newcomer(*ns as f64 / 1e6, begun.elapsed().as_secs_f64() * 1e3),
            None => self.run.failures.push(format!("a fresh process cannot work; it last said {:?}", events.last())),
        }
        self.ledgers.push(events);
        Ok(())
    }

    fn dismiss(&mut self, mut resident: Watched) -> Result<()> {
        resident.process.let_go();
        if self.ends(&mut resident.process, "a resident, told to end")?
            && let Err(bad) = resident.process.stop()
        {
            self.run.ended_early(bad, self.contender.must_survive());
        }
        self.ledgers.push(resident.process.events()?);
        Ok(())
    }

    /// Whether it ends in time; otherwise it is counted and killed.
    fn ends(&mut self, process: &mut Process, what: &str) -> Result<bool> {
        let since = Instant::now();
        while !process.has_ended()? {
            if since.elapsed() > self.shape.patience {
                self.run.hang(what, process)?;
                process.kill()?;
                return Ok(false);
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(true)
    }
}
