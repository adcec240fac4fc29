//! Swarmbus in a storm: what its processes are told, and what must be left of them.

use super::worker::{self, Orders, options};
use super::{Aftermath, Contender, Role, within};
use crate::Result;
use crate::boards;
use crate::books::Books;
use crate::ledger::Event;
use crate::scene::{collect, expect_bare, expect_capacity, file_of, probe};
use crate::sweep::reap_all;
use crate::victim::{locking, topics};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use swarmbus_core::Bus;

/// Guards against a hang.
const PATIENCE: Duration = Duration::from_secs(120);

static STORMS: AtomicUsize = AtomicUsize::new(0);

/// A bus that the processes of a storm make, and that is gone when this is.
pub struct Swarmbus {
    program: PathBuf,
    bus: String,
    witness: Option<JoinHandle<Result<Vec<u64>>>>,
    over: Arc<AtomicBool>,
}

impl Swarmbus {
    /// For one storm.
    pub fn new(program: &Path) -> Swarmbus {
        let bus = format!("stress-{}-storm-{}", std::process::id(), STORMS.fetch_add(1, Relaxed));
        Swarmbus { program: program.into(), bus, witness: None, over: Arc::default() }
    }

    /// Its name.
    pub fn bus(&self) -> &str {
        &self.bus
    }

    /// The files that bear its name.
    fn files(&self) -> Vec<PathBuf> {
        let own = file_of(&self.bus);
        let prefix = own.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let entries = std::fs::read_dir("/dev/shm").into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
            .map(|entry| entry.path())
            .collect()
    }

    /// Ends the buses of the storm by the ordinary means, and counts the files that stay.
    fn destroy(&self) -> (u64, Vec<String>) {
        let mut failures = Vec::new();
        let buses = Bus::list().unwrap_or_default();
        for name in buses.iter().filter(|name| name.starts_with(&self.bus)) {
            // A bus that its destroyer left half destroyed is finished by whoever wants its name.
            let destroyed = Bus::open_or_create(name, &options()).and_then(|bus| bus.destroy());
            failures.extend(destroyed.err().map(|error| format!("cannot destroy bus '{name}': {error}")));
        }
        (self.files().len() as u64, failures)
    }
}

impl Drop for Swarmbus {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        self.files().iter().for_each(|file| {
            let _ = std::fs::remove_file(file);
        });
    }
}

impl Contender for Swarmbus {
    fn name(&self) -> &str {
        "swarmbus"
    }

    fn program(&self) -> &Path {
        &self.program
    }

    fn arguments(&self, role: Role, number: u64, seed: u64) -> Vec<String> {
        if role == Role::Fresh {
            return ["storm-fresh", "--bus", &self.bus].map(str::to_owned).to_vec();
        }
        let (bus, first) = (self.bus.clone(), number << 32);
        let (news, resident) = (self.witness.is_some(), role == Role::Resident);
        Orders { bus, first, seed, news, resident, pause_us: 20, forgetful: false, leaks: false }.arguments()
    }

    fn steps(&self) -> &'static [&'static str] {
        worker::STEPS
    }

    fn must_survive(&self) -> bool {
        true
    }

    /// From here on somebody reads all news.
    fn begin(&mut self) -> Result<()> {
        let bus = Bus::open_or_create(&self.bus, &options())?;
        topics::prepare(&bus)?;
        let (ready, over) = (Arc::new(AtomicBool::new(false)), Arc::clone(&self.over));
        let reads = Arc::clone(&ready);
        let witness = std::thread::spawn(move || topics::witness(&bus, &reads, &over));
        while !ready.load(Relaxed) && !witness.is_finished() {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.witness = Some(witness);
        Ok(())
    }

    fn settle(&mut self, ledgers: &[Vec<Event>]) -> Aftermath {
        self.over.store(true, Relaxed);
        let mut books = Books::default();
        ledgers.iter().for_each(|events| books.add(events));
        // Only what the boards are compared with.
        let is_said = |event: &&Event| matches!(event, Event::Saying(..) | Event::Said(..));
        let said = ledgers.iter().map(|events| events.iter().filter(is_said).cloned().collect()).collect();
        let (bus, witness) = (self.bus.clone(), self.witness.take());
        let settled = within(PATIENCE, move || settle(&bus, witness, books, said));
        let mut aftermath = settled.unwrap_or_else(|| Aftermath {
            hangs: vec!["burying the dead and collecting what they left".into()],
            ..Aftermath::default()
        });
        let (files, failures) = self.destroy();
        aftermath.files_leaked = files;
        aftermath.failures.extend(failures);
        aftermath
    }
}

type Witness = Option<JoinHandle<Result<Vec<u64>>>>;

fn settle(bus: &str, witness: Witness, books: Books, said: Vec<Vec<Event>>) -> Aftermath {
    let mut aftermath = Aftermath::default();
    if let Err(wrong) = look(&mut aftermath, bus, witness, books, &said) {
        aftermath.failures.push(wrong.to_string());
    }
    aftermath
}

fn look(aftermath: &mut Aftermath, bus: &str, witness: Witness, mut books: Books, said: &[Vec<Event>]) -> Result<()> {
    let bus = Bus::open(bus)?;
    let member = bus.join()?;
    let begun = Instant::now();
    let buried = reap_all(&bus, &member);
    aftermath.reap_ms = buried.is_ok().then(|| begun.elapsed().as_secs_f64() * 1e3);
    if let Some(witness) = witness {
        topics::enter(&mut books, &witness.join().map_err(|_| "the witness panicked")??);
    }
    drop(member);
    let observer = bus.observer()?;
    aftermath.members_leaked = observer.members().len() as u64;
    collect(&bus, &mut books)?;
    aftermath.books = Some(books.balance().map_err(|fault| fault.to_string()));
    buried?;
    topics::fill(&bus)?;
    let kept: u64 = observer.topics().iter().map(|topic| topic.retained_messages).sum();
    let chunks = observer.bus().heap.chunks;
    aftermath.chunks_leaked = Some((chunks.held + chunks.queued + chunks.in_flight).saturating_sub(kept));
    expect_bare(&bus)?;
    if observer.bus().corrupt > 0 {
        return Err(format!("{} words made no sense", observer.bus().corrupt).into());
    }
    boards::check(&bus, said)?;
    locking::probe_locks(&bus)?;
    probe(&bus, "q")?;
    topics::probe(&bus)?;
    expect_bare(&bus)?;
    expect_capacity(&bus, true)
}
