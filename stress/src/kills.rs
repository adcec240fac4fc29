//! Random kills: of senders, of holders, of sleepers; and the processes that are killed.

use crate::Result;
use crate::books::{Balance, Books};
use crate::killer::{PATIENCE, Process};
use crate::ledger::Event;
use crate::peer::stop_flag;
use crate::scene::{Clerk, Scene, collect, expect_bare, patience, probe};
use crate::sweep::reap_all;
use nix::sys::signal::Signal;
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};
use swarmbus_core::{Bus, CreateOptions, Lane, QueueOptions, SendOptions};

/// Processes that run, and are killed, at the same time.
const WAVE: u32 = 10;

/// A limit at which senders are killed in their work, not in their waits.
const ROOMY: u32 = 1 << 16;

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    what: &'static str,
    /// Processes killed.
    pub kills: u32,
    /// The sum of all balances.
    pub balance: Balance,
    /// How long it took.
    pub elapsed: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Balance { sent, committed_in_doubt, vanished_in_doubt, redelivered } = self.balance;
        write!(
            f,
            "{} kills {}: {sent} messages acknowledged to their senders, none lost; unfinished sends: {committed_in_doubt} there, \
             {vanished_in_doubt} not; {redelivered} redelivered; {:.1} s",
            self.kills,
            self.what,
            self.elapsed.as_secs_f64()
        )
    }
}

impl Report {
    fn add(&mut self, balance: Balance) {
        self.balance.sent += balance.sent;
        self.balance.committed_in_doubt += balance.committed_in_doubt;
        self.balance.vanished_in_doubt += balance.vanished_in_doubt;
        self.balance.redelivered += balance.redelivered;
    }
}

/// Moments that nobody planned.
pub struct Dice(u64);

impl Default for Dice {
    fn default() -> Dice {
        Dice::new()
    }
}

impl Dice {
    /// Another row of moments each time.
    pub fn new() -> Dice {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Dice(now.as_nanos() as u64 | 1)
    }

    /// The same row for the same seed; seeds that are close to each other have rows that are not.
    pub fn seeded(seed: u64) -> Dice {
        let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Dice(mixed ^ mixed >> 31 | 1)
    }

    /// One of so many numbers.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A bus with a work queue `q`.
pub(crate) fn scene(limit: u32) -> Result<Scene> {
    let scene = Scene::new(&CreateOptions { agents: 256, heap: 64 << 20, limit, ..CreateOptions::default() })?;
    scene.declare("q", &QueueOptions::default())?;
    Ok(scene)
}

/// Kills processes while they send as fast as they can, a consumer taking what comes.
///
/// # Errors
/// The first message that is lost or there twice, or anything left behind.
pub fn kill_senders(program: &Path, kills: u32) -> Result<Report> {
    let (scene, start, mut dice) = (scene(ROOMY)?, Instant::now(), Dice::new());
    let mut report = Report { what: "while sending", ..Report::default() };
    let mut first = 1u64;
    while report.kills < kills {
        let wave = WAVE.min(kills - report.kills);
        let done = AtomicBool::new(false);
        let mut books = Books::default();
        std::thread::scope(|threads| -> Result<()> {
            let consumer = threads.spawn(|| consume(&scene, &done));
            let killed = (|| {
                let mut senders = Vec::new();
                for _ in 0..wave {
                    let numbers = first.to_string();
                    first += 1_000_000_000;
                    senders.push(Process::start(program, &["send", "--bus", scene.name(), "--first", &numbers])?);
                }
                for sender in &mut senders {
                    sender.wait_for(|event| *event == Event::Ready)?;
                }
                senders.iter_mut().for_each(Process::let_go);
                for sender in &senders {
                    std::thread::sleep(Duration::from_nanos(dice.below(200_000)));
                    sender.signal(Signal::SIGKILL)?;
                }
                for sender in &mut senders {
                    sender.expect_killed()?;
                    report.kills += 1;
                    books.add(&sender.events()?);
                }
                Ok(())
            })();
            done.store(true, Relaxed);
            books.add(&consumer.join().map_err(|_| "the consumer panicked")??);
            killed
        })?;
        let member = scene.join()?;
        reap_all(&scene, &member)?;
        drop(member);
        collect(&scene, &mut books)?;
        report.add(books.balance()?);
    }
    probe(&scene, "q")?;
    expect_bare(&scene)?;
    report.elapsed = start.elapsed();
    Ok(report)
}

fn consume(bus: &Bus, done: &AtomicBool) -> Result<Vec<Event>> {
    let (member, mut clerk) = (bus.join()?, Clerk::new(0, true));
    while !done.load(Relaxed) {
        if let Some((number, message)) = clerk.take(&member, "q", Duration::from_millis(5))? {
            clerk.release(number, message)?;
        }
    }
    Ok(clerk.events)
}

/// Kills processes while each holds a message; the successor of each must see `deliveries` 2.
///
/// # Errors
/// As [`kill_senders`], and other deliveries.
pub fn kill_holders(program: &Path, kills: u32) -> Result<Report> {
    let (scene, start, mut dice) = (scene(ROOMY)?, Instant::now(), Dice::new());
    let mut report = Report { what: "while holding a message", ..Report::default() };
    let (mut clerk, member) = (Clerk::new(1, true), scene.join()?);
    while report.kills < kills {
        let wave = WAVE.min(kills - report.kills);
        let mut books = Books::default();
        let mut holders = Vec::new();
        for _ in 0..wave {
            holders.push(Process::start(program, &["hold", "--bus", scene.name()])?);
            clerk.send(&member, "q", 40, &patience(Lane::Normal, Duration::ZERO))?;
        }
        for holder in &mut holders {
            holder.wait_for(|event| matches!(event, Event::Got(..)))?;
            std::thread::sleep(Duration::from_nanos(dice.below(300_000)));
            holder.kill()?;
            report.kills += 1;
            books.add(&holder.events()?);
        }
        reap_all(&scene, &member)?;
        for _ in 0..wave {
            let Some((number, message)) = clerk.take(&member, "q", PATIENCE)? else {
                return Err("a held message did not come back".into());
            };
            if message.deliveries() != 2 {
                return Err(format!("message {number} came back with deliveries {}", message.deliveries()).into());
            }
            clerk.release(number, message)?;
        }
        books.add(&std::mem::take(&mut clerk.events));
        report.add(books.balance()?);
    }
    drop(member);
    expect_bare(&scene)?;
    if report.balance.redelivered != kills as u64 {
        return Err(format!("{kills} holders were killed, {} messages redelivered", report.balance.redelivered).into());
    }
    report.elapsed = start.elapsed();
    Ok(report)
}

/// A process that sends `count` numbers with a pause after each, or waits until its standard input ends and then sends until it is killed.
///
/// # Errors
/// Any but a full queue.
pub fn send(
    bus: &str,
    queue: &str,
    first: u64,
    (count, patience_ms, pause): (Option<u64>, Option<u64>, Duration),
) -> Result<()> {
    let bus = Bus::open(bus)?;
    let (mut clerk, member) = (Clerk::new(first, false), bus.join()?);
    clerk.say(Event::Ready);
    if count.is_none() {
        std::io::stdin().read_to_end(&mut Vec::new())?;
    }
    let options =
        SendOptions { timeout: patience_ms.map(Duration::from_millis), correlation: first, ..SendOptions::default() };
    for _ in 0..count.unwrap_or(u64::MAX) {
        clerk.send(&member, queue, 40, &options)?;
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
    }
    Ok(())
}

/// A process that holds one message until standard input ends.
///
/// # Errors
/// Those of receiving.
pub fn hold(bus: &str) -> Result<()> {
    let (bus, stop) = (Bus::open(bus)?, stop_flag());
    let (mut clerk, member) = (Clerk::new(0, false), bus.join()?);
    let Some((number, message)) = clerk.take(&member, "q", PATIENCE)? else { return Err("nothing to hold".into()) };
    while !stop.load(Relaxed) {
        std::thread::sleep(Duration::from_millis(5));
    }
    clerk.release(number, message)
}

/// Kills sleepers: receivers of an empty queue and senders to a full one. The wake that a dead sleeper was given goes to another.
///
/// # Errors
/// When the other one sleeps on, or a message is lost.
pub fn kill_sleepers(program: &Path, rounds: u32) -> Result<String> {
    let scene = Scene::new(&CreateOptions { agents: 64, heap: 16 << 20, limit: 16, ..CreateOptions::default() })?;
    scene.declare("q", &QueueOptions { limit: Some(1), ..QueueOptions::default() })?;
    let (member, mut clerk) = (scene.join()?, Clerk::new(1, true));
    // Peers nap longer now: it is the reaper who has to pass the wake on.
    member.supervise()?;
    for round in 0..rounds {
        let mut books = Books::default();
        let mut sleepers = Vec::new();
        for _ in 0..2 {
            sleepers.push(asleep(program, &["hold", "--bus", scene.name()], &Event::Taking)?);
        }
        // Stopped, the first sleeper is given the wake and cannot use it; killed before, it is not given any.
        let stopped = round % 2 == 0;
        if stopped {
            sleepers[0].signal(Signal::SIGSTOP)?;
        } else {
            sleepers[0].kill()?;
        }
        clerk.send(&member, "q", 40, &patience(Lane::Normal, Duration::ZERO))?;
        if stopped {
            sleepers[0].kill()?;
        }
        reap_all(&scene, &member)?;
        sleepers[1].wait_for(|event| matches!(event, Event::Got(..)))?;
        sleepers[1].stop()?;

        clerk.send(&member, "q", 40, &patience(Lane::Normal, Duration::ZERO))?;
        let mut senders = Vec::new();
        for number in 0..2u64 {
            let first = (round as u64 * 2 + number + 1) * 1_000_000;
            let arguments = ["send", "--bus", scene.name(), "--first", &first.to_string(), "--count", "1"];
            senders.push(asleep(program, &arguments, &Event::Trying(first))?);
        }
        if stopped {
            senders[0].signal(Signal::SIGSTOP)?;
        } else {
            senders[0].kill()?;
        }
        let Some((number, message)) = clerk.take(&member, "q", PATIENCE)? else { return Err("no message".into()) };
        clerk.release(number, message)?;
        if stopped {
            senders[0].kill()?;
        }
        reap_all(&scene, &member)?;
        senders[1].wait_for(|event| matches!(event, Event::Sent(_)))?;
        senders[1].stop()?;
        for process in sleepers.iter().chain(&senders) {
            books.add(&process.events()?);
        }
        books.add(&std::mem::take(&mut clerk.events));
        collect(&scene, &mut books)?;
        books.balance()?;
    }
    drop(member);
    expect_bare(&scene)?;
    Ok(format!("{} sleepers killed, receivers and senders; the others woke", rounds * 2))
}

/// Starts a process and waits until it says `event` and then sleeps.
fn asleep(program: &Path, arguments: &[&str], event: &Event) -> Result<Process> {
    let mut process = Process::start(program, arguments)?;
    process.wait_for(|said| said == event)?;
    let start = Instant::now();
    while !process.is_asleep() {
        if start.elapsed() > PATIENCE {
            return Err(format!("'{}' does not sleep", arguments.join(" ")).into());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(process)
}
