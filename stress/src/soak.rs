//! A soak: agents do everything that one can do with a bus for as long as is asked for, some being killed, and what they take is sampled: memory,
//! descriptors, chunks, time. At the end each figure must be flat, by the rule of [`flat`].

pub mod flat;

use crate::Result;
use crate::killer::{PATIENCE, Process};
use crate::kills::Dice;
use crate::scene::{Scene, expect_bare, patience};
use crate::storm::{Orders, options, save};
use crate::sweep::reap_all;
use crate::victim::topics;
use clap::Args;
use flat::{Allowed, Verdict};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use swarmbus_core::{Agent, Bus, ContentType, Error, Lane, Member, Observer, QueueOptions};

/// Samples of a soak, at least; and the longest time between two of them.
const SAMPLES: u32 = 60;
const SELDOM: Duration = Duration::from_secs(5);
/// Messages and questions that are timed for a sample.
const MESSAGES: usize = 200;
const QUESTIONS: usize = 100;
/// Agents that are not killed: the figures of an agent are theirs.
const SPARED: usize = 2;

/// How long, and with whom.
#[derive(Args, Clone, Debug)]
pub struct Soak {
    /// How long.
    #[arg(long, default_value_t = 5.0)]
    pub minutes: f64,
    /// Agents at work.
    #[arg(long, default_value_t = 12)]
    pub agents: usize,
    /// Of what they do, and who is killed. Another each time if not given.
    #[arg(long)]
    pub seed: Option<u64>,
    /// One of them keeps what it borrows: the soak must notice that.
    #[arg(long, hide = true)]
    pub leak: bool,
    /// Where the figures go.
    #[arg(long, default_value = "target/verify/soak.json", value_name = "FILE")]
    pub json: PathBuf,
}

/// Everything at one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sample {
    /// Since the beginning, seconds.
    pub at_s: f64,
    /// Of the segment, KiB.
    pub committed_kib: f64,
    /// Chunks of each state.
    pub chunks_held: f64,
    /// Sent and not taken.
    pub chunks_queued: f64,
    /// Taken and not released.
    pub chunks_in_flight: f64,
    /// Spans of the heap that are in use.
    pub spans: f64,
    /// Of an agent, the mean of those that are spared: its share of all that it has mapped, KiB.
    pub agent_pss_kib: f64,
    /// All that it has touched, KiB.
    pub agent_rss_kib: f64,
    /// What it has for itself alone, KiB.
    pub agent_private_kib: f64,
    /// Its open descriptors.
    pub agent_descriptors: f64,
    /// Living members.
    pub members: f64,
    /// Files in /dev/shm that are this bus'.
    pub files: f64,
    /// A message to oneself: send, receive, release, µs.
    pub message_p50_us: f64,
    /// The same, 99 of 100.
    pub message_p99_us: f64,
    /// A question to another process and its answer, µs.
    pub call_p50_us: f64,
    /// The same, 99 of 100.
    pub call_p99_us: f64,
}

type Figure = (&'static str, fn(&Sample) -> f64, Allowed);

const fn allowed(share: f64, more: f64) -> Allowed {
    Allowed { share, more }
}

/// What is judged, and how far it may rise: of memory a tenth, of chunks as many as the queues of so few agents swing by, of time what a machine on which
/// others work needs.
const FIGURES: &[Figure] = &[
    ("segment, KiB", |sample| sample.committed_kib, allowed(0.1, 4096.0)),
    ("spans in use", |sample| sample.spans, allowed(0.1, 3.0)),
    ("chunks held", |sample| sample.chunks_held, allowed(0.1, 64.0)),
    ("chunks queued", |sample| sample.chunks_queued, allowed(0.1, 200.0)),
    ("chunks in flight", |sample| sample.chunks_in_flight, allowed(0.1, 16.0)),
    ("members", |sample| sample.members, allowed(0.0, 4.0)),
    ("files in /dev/shm", |sample| sample.files, allowed(0.0, 1.0)),
    ("agent: PSS, KiB", |sample| sample.agent_pss_kib, allowed(0.1, 512.0)),
    ("agent: RSS, KiB", |sample| sample.agent_rss_kib, allowed(0.1, 4096.0)),
    ("agent: private, KiB", |sample| sample.agent_private_kib, allowed(0.05, 64.0)),
    ("agent: descriptors", |sample| sample.agent_descriptors, allowed(0.0, 1.0)),
    ("message p50, µs", |sample| sample.message_p50_us, allowed(0.5, 1.0)),
    ("message p99, µs", |sample| sample.message_p99_us, allowed(1.0, 50.0)),
    ("call p50, µs", |sample| sample.call_p50_us, allowed(0.5, 50.0)),
    ("call p99, µs", |sample| sample.call_p99_us, allowed(1.0, 5000.0)),
];

/// What a soak found.
#[derive(Debug, Serialize)]
pub struct Found {
    /// With this the same can be had again, as far as a scheduler lets it.
    pub seed: u64,
    /// How long it took.
    pub minutes: f64,
    /// Agents at work.
    pub agents: usize,
    /// Processes killed.
    pub kills: u32,
    /// Words that made no sense to anybody.
    pub corrupt: u64,
    /// Each figure.
    pub verdicts: Vec<Verdict>,
    /// All that was seen.
    pub samples: Vec<Sample>,
}

impl Found {
    /// Whether all figures are flat.
    pub fn is_flat(&self) -> bool {
        self.corrupt == 0 && self.verdicts.iter().all(|verdict| verdict.is_flat)
    }

    /// What was found of one figure.
    pub fn verdict(&self, figure: &str) -> Option<&Verdict> {
        self.verdicts.iter().find(|verdict| verdict.figure == figure)
    }
}

impl Soak {
    /// Soaks, prints what was found and writes it down.
    ///
    /// # Errors
    /// What is not flat; whatever hangs or fails.
    pub fn run(&self, program: &Path) -> Result<()> {
        let found = self.soak(program)?;
        println!("{:<28} {:>14} {:>14} {:>16}", "median of", "middle third", "last third", "may rise by");
        found.verdicts.iter().for_each(|verdict| println!("{verdict}"));
        let Found { minutes, agents, kills, corrupt, .. } = found;
        println!("{minutes:.1} minutes, {agents} agents, {kills} killed, {corrupt} corrupt words, seed {}", found.seed);
        save(&found, &self.json)?;
        if found.is_flat() { Ok(()) } else { Err("what is marked rises, or words were corrupt".into()) }
    }

    /// Soaks.
    ///
    /// # Errors
    /// Whatever hangs or fails, or is left at the end.
    pub fn soak(&self, program: &Path) -> Result<Found> {
        let seed = self.seed.unwrap_or_else(|| Dice::new().below(u64::MAX));
        eprintln!("seed {seed}");
        let length = Duration::try_from_secs_f64(self.minutes * 60.0)?;
        let scene = Scene::new(&options())?;
        topics::prepare(&scene)?;
        scene.declare("echo", &QueueOptions::default())?;
        scene.declare("probe", &QueueOptions::default())?;
        let mut field =
            Field { soak: self, program, scene: &scene, dice: Dice::seeded(seed), agents: Vec::new(), started: 0 };
        for _ in 0..self.agents.max(SPARED + 1) {
            let agent = field.agent()?;
            field.agents.push(agent);
        }
        let mut echo = Process::start(program, &["soak-echo", "--bus", scene.name()])?;
        let (samples, kills) = field.watch(length)?;
        for mut agent in std::mem::take(&mut field.agents) {
            agent.stop()?;
        }
        echo.stop()?;
        let corrupt = field.scene.observer()?.bus().corrupt;
        leave_nothing(field.scene)?;
        let judge = |(figure, read, allowed): &Figure| {
            Verdict::on(figure, &samples.iter().map(read).collect::<Vec<_>>(), *allowed)
        };
        let verdicts = FIGURES.iter().map(judge).collect();
        Ok(Found { seed, minutes: self.minutes, agents: self.agents, kills, corrupt, verdicts, samples })
    }
}

struct Field<'a> {
    soak: &'a Soak,
    program: &'a Path,
    scene: &'a Scene,
    dice: Dice,
    agents: Vec<Process>,
    started: u64,
}

impl Field<'_> {
    fn agent(&mut self) -> Result<Process> {
        self.started += 1;
        let orders = Orders {
            bus: self.scene.name().into(),
            first: self.started << 32,
            seed: self.dice.below(u64::MAX),
            // Nobody keeps books of what is read.
            news: true,
            resident: true,
            pause_us: 1000,
            forgetful: true,
            leaks: self.soak.leak && self.started == 1,
        };
        Process::start(self.program, &orders.arguments())
    }

    /// Until it is over, samples, and kills one agent after every second sample.
    fn watch(&mut self, length: Duration) -> Result<(Vec<Sample>, u32)> {
        let (scene, begun) = (self.scene, Instant::now());
        let (observer, agent) = (scene.observer()?, scene.attach("prober")?);
        agent.supervise()?;
        let every = (length / SAMPLES).min(SELDOM);
        let (mut samples, mut kills) = (Vec::new(), 0);
        while begun.elapsed() < length {
            std::thread::sleep(every);
            samples.push(self.sample(&observer, &agent, begun)?);
            if samples.len().is_multiple_of(2) {
                let at = SPARED + self.dice.below((self.agents.len() - SPARED) as u64) as usize;
                let next = self.agent()?;
                let mut killed = std::mem::replace(&mut self.agents[at], next);
                killed.kill()?;
                agent.reap_process(killed.pid())?;
                kills += 1;
            }
            for agent in &mut self.agents {
                if agent.has_ended()? {
                    agent.stop()?;
                    return Err("an agent has ended by itself".into());
                }
            }
        }
        Ok((samples, kills))
    }

    fn sample(&self, observer: &Observer, prober: &Agent, begun: Instant) -> Result<Sample> {
        let [message_p50_us, message_p99_us] = quantiles(MESSAGES, || {
            prober.send("probe", b"probe", &patience(Lane::Normal, PATIENCE))?;
            Ok(prober.receive("probe", Some(PATIENCE))?.release()?)
        })?;
        let [call_p50_us, call_p99_us] = quantiles(QUESTIONS, || {
            Ok(prober.call("echo", b"question", &patience(Lane::Normal, PATIENCE))?.release()?)
        })?;
        let bus = observer.bus();
        let spared: Vec<u32> = self.agents.iter().take(SPARED).map(Process::pid).collect();
        let mean = |of: &dyn Fn(u32) -> f64| spared.iter().map(|pid| of(*pid)).sum::<f64>() / spared.len() as f64;
        let private = |pid| kib(pid, "smaps_rollup", "Private_Clean:") + kib(pid, "smaps_rollup", "Private_Dirty:");
        let prefix = format!("swarmbus.{}", self.scene.name());
        let own = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&prefix);
        Ok(Sample {
            at_s: begun.elapsed().as_secs_f64(),
            committed_kib: bus.committed_bytes as f64 / 1024.0,
            chunks_held: bus.heap.chunks.held as f64,
            chunks_queued: bus.heap.chunks.queued as f64,
            chunks_in_flight: bus.heap.chunks.in_flight as f64,
            spans: f64::from(bus.heap.spans_active),
            agent_pss_kib: mean(&|pid| kib(pid, "smaps_rollup", "Pss:")),
            agent_rss_kib: mean(&|pid| kib(pid, "smaps_rollup", "Rss:")),
            agent_private_kib: mean(&private),
            agent_descriptors: mean(&|pid| entries(Path::new(&format!("/proc/{pid}/fd"))).count() as f64),
            members: f64::from(bus.members),
            files: entries(Path::new("/dev/shm")).filter(own).count() as f64,
            message_p50_us,
            message_p99_us,
            call_p50_us,
            call_p99_us,
        })
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = std::fs::DirEntry> + use<> {
    std::fs::read_dir(folder).into_iter().flatten().flatten()
}

/// A line of a file in `/proc/PID`.
fn kib(pid: u32, file: &str, field: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(f64::NAN)
}

/// Does it so often; the times below which half of them and 99 of 100 are, µs.
fn quantiles(times: usize, mut deed: impl FnMut() -> Result<()>) -> Result<[f64; 2]> {
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        deed()?;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    Ok([took[times / 2], took[times * 99 / 100]].map(|time| time.as_secs_f64() * 1e6))
}

/// With everybody gone, what is queued is taken, and then there is nothing.
fn leave_nothing(scene: &Scene) -> Result<()> {
    let member: Member = scene.join()?;
    reap_all(scene, &member)?;
    // What a queue does not deliver any more goes to another, which may have been looked at before.
    for _ in 0..2 {
        for queue in scene.observer()?.queues() {
            let has_parked = queue.lanes.iter().any(|lane| lane.lane == "parked");
            while let Some(message) = next(&member, &queue.name, has_parked)? {
                message.release()?;
            }
        }
    }
    drop(member);
    topics::fill(scene)?;
    expect_bare(scene)
}

/// What comes next, also if it has to be waited for: nobody parks a message for longer than this.
fn next<'m>(member: &'m Member, queue: &str, has_parked: bool) -> Result<Option<swarmbus_core::Message<'m>>> {
    match member.receive(queue, Some(Duration::from_millis(if has_parked { 50 } else { 0 }))) {
        Ok(message) => Ok(Some(message)),
        Err(Error::Timeout) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Answers every question until standard input ends.
///
/// # Errors
/// Those of receiving and answering.
pub fn echo(bus: &str) -> Result<()> {
    let (bus, stop) = (Bus::open(bus)?, crate::peer::stop_flag());
    let member = bus.join()?;
    while !stop.load(Relaxed) {
        match member.receive("echo", Some(Duration::from_millis(50))) {
            Ok(question) => {
                question.reply(&question, ContentType::Bytes)?;
                question.release()?;
            }
            Err(Error::Timeout) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
