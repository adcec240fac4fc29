//! Boards under fire: statuses whose every field follows from one number, so that a reader can tell whether it has a whole one.

use crate::killer::{PATIENCE, Process};
use crate::kills::{Dice, scene};
use crate::ledger::Event;
use crate::scene::Scene;
use crate::{Result, wakes};
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use swarmbus_core::{AgentState, Bus, Error, Observer, Status};

/// The status that has this number.
pub fn status_of(number: u64) -> Status {
    let states = [
        AgentState::Idle,
        AgentState::WaitingForDependencies,
        AgentState::InProgress,
        AgentState::Completed,
        AgentState::Blocked,
    ];
    let texts = |count: u64, prefix: &str| (0..count).map(|at| format!("{prefix}{at}-{number}")).collect::<Vec<_>>();
    Status {
        state: states[(number % 5) as usize],
        done: number as u32,
        total: !number as u32,
        task: number.to_string(),
        note: number.to_string().repeat((number % 30) as usize),
        blockers: texts(number % 3, "blocked by "),
        ..Status::default()
    }
}

/// The number of a status, all of which must say so.
///
/// # Errors
/// When it does not.
pub fn number_of(status: &Status) -> Result<u64> {
    let number = status.task.parse()?;
    let expected = Status { since_ns: status.since_ns, ..status_of(number) };
    if *status == expected { Ok(number) } else { Err(format!("a status is torn: {status:?}").into()) }
}

/// The agent whose statuses victims and their peers set.
pub fn speaker(number: u64) -> String {
    format!("speaker-{number}")
}

/// Compares what agents say with what ledgers say that they were told to: of each, the last that somebody set, or was about to set.
///
/// # Errors
/// A status that is torn, old, or nobody's.
pub fn check(bus: &Bus, ledgers: &[Vec<Event>]) -> Result<()> {
    let mut possible = BTreeMap::<u64, Vec<u64>>::new();
    let mut set = BTreeSet::new();
    for ledger in ledgers {
        // Of each speaker, what this process was about to say last, and said last.
        let mut last = BTreeMap::<u64, [u64; 2]>::new();
        for event in ledger {
            match *event {
                Event::Saying(who, number) => last.entry(who).or_insert([number; 2])[0] = number,
                Event::Said(who, number) => {
                    last.insert(who, [number; 2]);
                    set.insert(who);
                }
                _ => {}
            }
        }
        last.into_iter().for_each(|(who, numbers)| possible.entry(who).or_default().extend(numbers));
    }
    for (who, numbers) in possible {
        let found = match bus.status_of(&speaker(who)) {
            Ok(status) => status.as_ref().map(number_of).transpose()?,
            Err(Error::UnknownAgent { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        if !found.map_or(!set.contains(&who), |found| numbers.contains(&found)) {
            return Err(format!("{} says {found:?}, and should one of {numbers:?}", speaker(who)).into());
        }
    }
    Ok(())
}

/// A process that sets statuses as fast as it can until it is killed or told to end: for good, or `turns` at a time, before it leaves the mailbox; in between it takes the
/// mailbox from whoever has it. Its ledger has two numbers: the status that it is about to set, and the last that it has set.
///
/// # Errors
/// Those of attaching and of setting a status.
pub fn say(bus: &str, name: &str, first: u64, turns: u64, is_booked: bool) -> Result<()> {
    let (bus, ledger, stop) = (Bus::open(bus)?, wakes::ledger()?, crate::peer::stop_flag());
    ledger.write_all_at(&[0u64.to_ne_bytes(), 0u64.to_ne_bytes()].concat(), 0)?;
    let mut number = first;
    let mut rounds = 0u64;
    while !stop.load(Relaxed) {
        rounds += 1;
        let agent = match if turns > 0 && rounds.is_multiple_of(2) { bus.take_over(name) } else { bus.attach(name) } {
            Ok(agent) => agent,
            Err(Error::AgentBusy { .. }) => {
                std::thread::sleep(Duration::from_micros(50));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let last = if turns == 0 { u64::MAX } else { number + turns };
        while number < last && !stop.load(Relaxed) {
            number += 1;
            if is_booked {
                ledger.write_all_at(&number.to_ne_bytes(), 0)?;
            }
            match agent.set_status(&status_of(number)) {
                Err(Error::HandedOver { .. }) if turns > 0 => break,
                result => result?,
            }
            if is_booked {
                ledger.write_all_at(&number.to_ne_bytes(), 8)?;
            }
        }
    }
    Ok(())
}

fn sayer(program: &Path, scene: &Scene, name: &str, first: u64, turns: u64, booked: bool) -> Result<Process> {
    let (first, turns) = (first.to_string(), turns.to_string());
    let arguments = ["say", "--bus", scene.name(), "--name", name, "--first", &first, "--turns", &turns];
    let booked: &[&str] = if booked { &["--booked"] } else { &[] };
    Process::start(program, &[&arguments[..], booked].concat())
}

/// What a reader saw of one agent.
#[derive(Default)]
struct Seen {
    reads: u64,
    changes: u64,
    last: u64,
}

/// Reads statuses, each of which must be whole, until `done`; looks at `agents` one after the other. Of one writer they come in order (`in_order`).
fn read(observer: &Observer, agents: &[String], in_order: bool, done: impl Fn(&[Seen]) -> bool) -> Result<Vec<Seen>> {
    let (start, mut seen) = (Instant::now(), Vec::new());
    seen.resize_with(agents.len(), Seen::default);
    while !done(&seen) {
        for (agent, seen) in agents.iter().zip(&mut seen) {
            let status = match observer.status(agent) {
                Ok(Some(status)) => status,
                Ok(None) | Err(Error::UnknownAgent { .. }) => continue,
                Err(error) => return Err(format!("status of {agent}: {error}").into()),
            };
            let number = number_of(&status)?;
            if in_order && number < seen.last {
                return Err(format!("{agent} said {number} after {}", seen.last).into());
            }
            seen.reads += 1;
            seen.changes += (number != seen.last) as u64;
            seen.last = number;
        }
        if start.elapsed() > PATIENCE {
            let counts: Vec<_> = seen.iter().map(|seen| (seen.reads, seen.changes)).collect();
            return Err(format!("writers do not write: reads and changes {counts:?}").into());
        }
    }
    Ok(seen)
}

/// Writers at full speed, each on its own board, and two readers of all of them, until each has read every board so often.
///
/// # Errors
/// A torn status, or one that goes back in time.
pub fn full_speed(program: &Path, writers: u64, reads: u64) -> Result<String> {
    let scene = scene(16)?;
    let agents: Vec<String> = (0..writers).map(speaker).collect();
    let mut processes = Vec::new();
    for (number, agent) in agents.iter().enumerate() {
        processes.push(sayer(program, &scene, agent, number as u64 * 1_000_000_000, 0, false)?);
    }
    // On few processors a reader seldom runs at the same time as a certain writer.
    let is_enough = |seen: &[Seen]| seen.iter().all(|seen| seen.reads >= reads && seen.changes >= 20);
    let (observer, second) = (scene.observer()?, scene.observer()?);
    let seen = std::thread::scope(|threads| -> Result<Vec<Seen>> {
        let other = threads.spawn(|| read(&second, &agents, true, is_enough));
        let mut seen = read(&observer, &agents, true, is_enough)?;
        seen.extend(other.join().map_err(|_| "a reader panicked")??);
        Ok(seen)
    })?;
    for process in &mut processes {
        process.stop()?;
    }
    let sum = |of: fn(&Seen) -> u64| seen.iter().map(of).sum::<u64>();
    Ok(format!(
        "{writers} writers at full speed: {} reads, {} of them of another status than before, none torn",
        sum(|seen| seen.reads),
        sum(|seen| seen.changes)
    ))
}

/// Several processes that take one mailbox from each other, also from one that lives or is stopped, and set statuses; now and then one of them is stopped for a moment,
/// or killed and started anew. What a stopped one was about to write it writes, or tries to, when it goes on and has lost the mailbox.
///
/// # Errors
/// A torn status.
pub fn fight(program: &Path, rounds: u32) -> Result<String> {
    let (scene, mut dice) = (scene(16)?, Dice::new());
    let agents = [speaker(0)];
    let mut first = 0;
    let mut fighter = || {
        first += 1_000_000_000;
        sayer(program, &scene, &speaker(0), first, 20, false)
    };
    let mut fighters = vec![fighter()?, fighter()?, fighter()?];
    let (done, observer) = (AtomicBool::new(false), scene.observer()?);
    let (kills, seen) = std::thread::scope(|threads| -> Result<(u32, Vec<Seen>)> {
        let reader = threads.spawn(|| read(&observer, &agents, false, |_| done.load(Relaxed)));
        let fought = (|| -> Result<u32> {
            let mut kills = 0;
            for round in 0..rounds {
                let who = dice.below(3) as usize;
                fighters[who].signal(Signal::SIGSTOP)?;
                std::thread::sleep(Duration::from_micros(dice.below(3000)));
                if round % 3 == 0 {
                    fighters[who].kill()?;
                    fighters[who] = fighter()?;
                    kills += 1;
                } else {
                    fighters[who].signal(Signal::SIGCONT)?;
                }
                std::thread::sleep(Duration::from_micros(dice.below(3000)));
            }
            Ok(kills)
        })();
        done.store(true, Relaxed);
        let seen = reader.join().map_err(|_| "the reader panicked")??;
        Ok((fought?, seen))
    })?;
    for fighter in &mut fighters {
        fighter.stop()?;
    }
    Ok(format!("{rounds} stops and {kills} kills of who fought for a board: {} reads, none torn", seen[0].reads))
}

/// Kills a writer at a random moment; afterwards it says what it said last, or what it was about to say, and its successor goes on.
///
/// # Errors
/// A status that is torn, older or newer.
pub fn kill_writers(program: &Path, kills: u32) -> Result<String> {
    let (scene, mut dice) = (scene(16)?, Dice::new());
    let (mut new, mut old) = (0, 0);
    for round in 0..kills as u64 {
        let mut writer = sayer(program, &scene, &speaker(0), (round + 1) * 1_000_000_000, 0, true)?;
        writer.wait_for_words(|words| words.get(1).is_some_and(|said| *said > 0))?;
        std::thread::sleep(Duration::from_nanos(dice.below(200_000)));
        let is_paused = round % 2 == 0;
        if is_paused {
            writer.signal(Signal::SIGSTOP)?;
            writer.wait_until_stopped()?;
        } else {
            writer.kill()?;
        }
        let words = writer.words()?;
        let status = scene.status_of(&speaker(0))?.ok_or("there is no status")?;
        let (number, saying, said) = (number_of(&status)?, words[0], words[1]);
        if number != saying && number != said {
            return Err(format!("it says {number}; it was about to say {saying}, and had said {said}").into());
        }
        new += (number == saying && saying != said) as u32;
        old += (number == said && saying != said) as u32;
        if is_paused {
            writer.kill()?;
        }
    }
    Ok(format!(
        "{kills} writers killed or stopped: {old} in the midst of a status that nobody sees, {new} after it was there"
    ))
}
