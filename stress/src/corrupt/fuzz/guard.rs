//! A fuzzer and the one who watches it: the search runs in a process that may crash or hang; its parent notes the program at which it did, and begins anew.

use super::coverage;
use super::engine::Engine;
use super::runner::Runner;
use crate::Result;
use crate::corrupt::program::{STEP_BYTES, STEPS_MAX, Step, from_text, to_text};
use crate::figures::Fuzzed;
use crate::storm::save;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{ForkResult, Pid, fork};
use std::fs::OpenOptions;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// No program takes so long on any machine: it guards against hanging only.
const PATIENCE: Duration = Duration::from_secs(100);
/// A program that keeps a processor busy for so long is worth a look.
const SLOW: Duration = Duration::from_secs(2);
/// How often the parent looks, and says how things stand.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// What to do.
#[derive(Clone, Debug)]
pub struct Orders {
    /// For how long at most.
    pub time: Duration,
    /// How many programs at most.
    pub programs: usize,
    /// Where chance begins.
    pub seed: u64,
    /// Programs to begin with, as text.
    pub seeds: Option<PathBuf>,
    /// Where what is found goes: `corpus.txt`, and a file for each crash or hang.
    pub found: PathBuf,
    /// Give up after so many crashes and hangs.
    pub failures: u32,
    /// Where the figures go.
    pub json: Option<PathBuf>,
}

/// What the two share.
#[repr(C)]
struct Shared {
    runs: AtomicUsize,
    edges: AtomicUsize,
    corpus: AtomicUsize,
    slowest_us: AtomicUsize,
    steps: AtomicUsize,
    bytes: [AtomicU8; STEPS_MAX * STEP_BYTES],
}

impl Shared {
    fn new() -> Result<&'static Shared> {
        let bytes = NonZeroUsize::new(size_of::<Shared>()).ok_or("nothing is shared")?;
        // SAFETY: a new mapping at a place that the kernel chooses.
        let at =
            unsafe { mmap_anonymous(None, bytes, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED) }?;
        // SAFETY: zeroed, long and aligned enough, made of atomics, never unmapped.
        Ok(unsafe { at.cast().as_ref() })
    }

    fn figures(&self, seed: u64, begun: Instant, failures: u32) -> Fuzzed {
        Fuzzed {
            seed,
            seconds: begun.elapsed().as_secs_f64(),
            programs: self.runs.load(Relaxed) as u64,
            edges: self.edges.load(Relaxed) as u64,
            kept: self.corpus.load(Relaxed) as u64,
            slowest_ms: self.slowest_us.load(Relaxed) as u64 / 1000,
            failures: failures.into(),
        }
    }

    fn say(&self, program: &[Step]) {
        let bytes = program.iter().flat_map(|step| step.to_bytes());
        self.bytes.iter().zip(bytes).for_each(|(place, byte)| place.store(byte, Relaxed));
        self.steps.store(program.len(), Relaxed);
    }

    fn program(&self) -> Vec<Step> {
        let bytes: Vec<u8> = self.bytes.iter().map(|byte| byte.load(Relaxed)).collect();
        bytes.chunks(STEP_BYTES).take(self.steps.load(Relaxed)).map(Step::from_bytes).collect()
    }
}

/// Fuzzes. The caller has no other thread.
///
/// # Errors
/// When a program crashed or hung: they are in files. When the build has no counters.
pub fn fuzz(orders: &Orders) -> Result<()> {
    if coverage::edges() == 0 {
        return Err(
            "this build does not count edges: RUSTC_WORKSPACE_WRAPPER=stress/fuzz/rustc cargo build --profile fuzz"
                .into(),
        );
    }
    std::fs::create_dir_all(&orders.found)?;
    let (shared, begun) = (Shared::new()?, Instant::now());
    let mut failures = 0;
    println!(
        "swarmbus-stress fuzz --seed {} --seconds {}: {} edges counted",
        orders.seed,
        orders.time.as_secs(),
        coverage::edges()
    );
    while failures < orders.failures && begun.elapsed() < orders.time {
        let left = orders.time - begun.elapsed();
        let seed = orders.seed + u64::from(failures);
        let life = Life { shared, begun, left };
        match life.live(orders, seed)? {
            None => break,
            Some(why) => {
                failures += 1;
                let path = orders.found.join(format!("failure-{seed}.txt"));
                std::fs::write(&path, to_text(&shared.program(), &[]))?;
                println!("seed {seed}: {why}; again: swarmbus-stress fuzz --replay {}", path.display());
            }
        }
    }
    life_report(shared, begun);
    if let Some(path) = &orders.json {
        save(&shared.figures(orders.seed, begun, failures), path)?;
    }
    match failures {
        0 => Ok(()),
        failures => Err(format!(
            "seed {}: {failures} programs crashed or hung; each is run again by the command that stands above",
            orders.seed
        )
        .into()),
    }
}

fn life_report(shared: &Shared, begun: Instant) {
    let (runs, seconds) = (shared.runs.load(Relaxed), begun.elapsed().as_secs_f64());
    println!(
        "{seconds:.0} s: {runs} programs, {:.0} a second, {} edges, {} programs kept, slowest {} ms of processor time",
        runs as f64 / seconds,
        shared.edges.load(Relaxed),
        shared.corpus.load(Relaxed),
        shared.slowest_us.load(Relaxed) / 1000,
    );
}

/// A process that searches, as its parent sees it.
struct Life {
    shared: &'static Shared,
    begun: Instant,
    left: Duration,
}

impl Life {
    /// `Some`: it died, or had to.
    fn live(&self, orders: &Orders, seed: u64) -> Result<Option<String>> {
        // SAFETY: this process has one thread, so its child may do whatever it wants.
        let child = match unsafe { fork() }? {
            ForkResult::Child => {
                std::panic::set_hook(Box::new(|panic| {
                    eprintln!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
                    std::process::abort();
                }));
                let result = search(orders, seed, self.left, self.shared);
                std::process::exit(result.map_or_else(|error| (eprintln!("{error}"), 2).1, |()| 0));
            }
            ForkResult::Parent { child } => child,
        };
        let outcome = self.watch(child);
        let _ = std::fs::remove_file(crate::scene::file_of(&bus_of(child)));
        outcome
    }

    fn watch(&self, child: Pid) -> Result<Option<String>> {
        let (mut reported, mut moved, mut runs) = (Instant::now(), Instant::now(), 0);
        loop {
            match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::StillAlive => {}
                WaitStatus::Exited(_, 0) => return Ok(None),
                WaitStatus::Exited(_, code) => return Err(format!("the search ended with {code}").into()),
                WaitStatus::Signaled(_, signal, _) => return Ok(Some(format!("a program crashed ({signal})"))),
                status => return Err(format!("{status:?}").into()),
            }
            let now = self.shared.runs.load(Relaxed);
            if now != runs {
                (runs, moved) = (now, Instant::now());
            }
            if moved.elapsed() > PATIENCE {
                kill(child, Signal::SIGKILL)?;
                waitpid(child, None)?;
                return Ok(Some(format!("a program hangs: {PATIENCE:?}")));
            }
            if reported.elapsed() > REPORT_EVERY {
                reported = Instant::now();
                life_report(self.shared, self.begun);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// How long this process has kept a processor busy.
fn cpu_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

fn bus_of(pid: Pid) -> String {
    format!("stress-{pid}-fuzz")
}

fn search(orders: &Orders, seed: u64, time: Duration, shared: &Shared) -> Result<()> {
    let begun = Instant::now();
    let mut runner = Runner::new(&bus_of(Pid::this()))?;
    let fields = runner.scribbler()?.fields;
    let mut engine = Engine::new(runner, seed, false);
    let corpus = orders.found.join("corpus.txt");
    let mut known = Vec::new();
    for path in orders.seeds.iter().chain([&corpus]).filter(|path| path.exists()) {
        known.extend(from_text(&std::fs::read_to_string(path)?)?);
    }
    let mut file = OpenOptions::new().create(true).append(true).open(&corpus)?;
    let mut known = known.into_iter();
    while begun.elapsed() < time && shared.runs.load(Relaxed) < orders.programs {
        let (program, is_known) = known.next().map_or_else(|| (engine.propose(), false), |program| (program, true));
        shared.say(&program);
        let started = cpu_time()?;
        let is_new = engine.try_out(&program);
        let took = cpu_time()? - started;
        shared.slowest_us.fetch_max(took.as_micros() as usize, Relaxed);
        if took > SLOW {
            std::fs::write(orders.found.join(format!("slow-{}.txt", took.as_millis())), to_text(&program, &fields))?;
        }
        shared.runs.fetch_add(1, Relaxed);
        if is_new {
            shared.edges.store(engine.edges(), Relaxed);
            shared.corpus.store(engine.corpus.len(), Relaxed);
            if !is_known {
                file.write_all(to_text(&program, &fields).as_bytes())?;
            }
        }
    }
    Ok(())
}

/// Of the programs of a file, those that are needed to reach what all of them reach, short ones first, as far as the time allows; written to another
/// file.
///
/// # Errors
/// The system's. A crash is a crash.
pub fn merge(from: &Path, to: &Path, time: Duration) -> Result<()> {
    let begun = Instant::now();
    let mut runner = Runner::new(&bus_of(Pid::this()))?;
    let fields = runner.scribbler()?.fields;
    let mut engine = Engine::new(runner, 1, false);
    let mut programs = from_text(&std::fs::read_to_string(from)?)?;
    programs.sort_by_key(Vec::len);
    let mut text = String::new();
    for program in programs.into_iter().take_while(|_| begun.elapsed() < time) {
        let before = engine.edges();
        engine.try_out(&program);
        if engine.edges() > before {
            text += &to_text(&program, &fields);
        }
    }
    println!("{} edges", engine.edges());
    Ok(std::fs::write(to, text)?)
}

/// Runs the programs of a file, in this process, saying each step before it is done.
///
/// # Errors
/// The system's. A crash is a crash.
pub fn replay(path: &Path) -> Result<()> {
    let mut runner = Runner::new(&bus_of(Pid::this()))?;
    for program in from_text(&std::fs::read_to_string(path)?)? {
        runner.play(&program, |step, scribbler| println!("{}", step.describe(&scribbler.fields)))?;
    }
    Ok(())
}
