//! What befalls a stepped victim: its course is written down, it is killed, or it is paused.

use super::course::{Course, Place};
use super::snapshot::Snapshot;
use super::tracee::Tracee;
use crate::Result;
use crate::case::{Case, Fate, Survivor, VICTIM};
use crate::company::take_one;
use crate::crash::Point;
use crate::fault::{Fault, Harm, blame};
use crate::killer::Process;
use crate::mistake::Mistake;
use crate::scene::{Scene, patience};
use crate::victim::{Operation, Orders};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use swarmbus_core::{Lane, Reaped};

/// Courses of operations whose dead a victim is to find.
pub type Courses = BTreeMap<String, Course>;

/// How often a victim tries next to a peer, who may be faster, until it comes to its operation.
const TIMES: u64 = 50;

fn start(
    case: &Case<'_>,
    scene: &Scene,
    courses: &Courses,
    others: &mut Survivor<'_>,
) -> Result<(Process, Option<Tracee>)> {
    leave_corpses(case, scene, courses, others)?;
    start_one(case, case.operation, VICTIM, scene)
}

fn start_one(case: &Case<'_>, operation: Operation, first: u64, scene: &Scene) -> Result<(Process, Option<Tracee>)> {
    let times = if case.contended { TIMES } else { 1 };
    let mistake = case.mistake;
    let orders = Orders { bus: scene.name().to_owned(), operation, at: Point::Stepped, times, first, mistake };
    let process = Process::start(case.program, &orders.arguments())?;
    let tracee = Tracee::at_operation(&process)?;
    Ok((process, tracee))
}

/// Lets others die first, if the operation finds the dead: of the same operation each further on in its course than the one before.
fn leave_corpses(case: &Case<'_>, scene: &Scene, courses: &Courses, others: &mut Survivor<'_>) -> Result<()> {
    let corpses = case.operation.corpses();
    for (number, (operation, at)) in corpses.iter().enumerate() {
        let alike = |corpses: &[(Operation, Point)]| corpses.iter().filter(|(other, _)| other == operation).count();
        let course = courses.get(&operation.name()).ok_or("a corpse without a course")?;
        let (nth, of) = (alike(&corpses[..number]) + 1, alike(&corpses) + 1);
        let place = course.place(match at {
            // It is about what it had before.
            Point::Write(0) => 0,
            _ => course.changes.get(course.changes.len() * nth / of).copied().unwrap_or(0),
        });
        let first = VICTIM + 1_000_000 * (number as u64 + 1);
        let (mut corpse, tracee) = start_one(case, *operation, first, scene)?;
        if let (Some(mut tracee), Some(place)) = (tracee, place) {
            tracee.run_to(&place)?;
            tracee.kill()?;
        }
        corpse.end()?;
        others.ledgers.push(corpse.events()?);
    }
    Ok(())
}

/// Steps a victim through and writes down where the bus changed.
pub struct Witnessed<'a> {
    /// Of those whose corpses it finds.
    pub courses: &'a Courses,
    /// What was written down.
    pub course: Course,
}

impl Fate for Witnessed<'_> {
    fn meet(&mut self, case: &Case<'_>, scene: &Scene, others: &mut Survivor<'_>) -> Result<Process> {
        let (mut process, tracee) = start(case, scene, self.courses, others)?;
        let mut tracee = tracee.ok_or("it did not come to its operation")?;
        let mut files = vec![Snapshot::of(scene.name())?];
        files.extend(Snapshot::of(&scene.second()).ok());
        loop {
            self.course.trail.push(tracee.spot()?);
            let calls = tracee.is_before_a_system_call()?;
            if calls {
                self.course.calls.push(tracee.steps());
            }
            if !tracee.step()? {
                break;
            }
            if calls {
                self.course.calls.push(tracee.steps());
                if files.len() == 1 {
                    // What it makes has a name since this call.
                    files.extend(Snapshot::of(&scene.second()).ok());
                }
            }
            let mut changed = false;
            for file in &mut files {
                changed |= file.has_changed()?;
            }
            if changed {
                self.course.changes.push(tracee.steps());
            }
        }
        tracee.let_go(None)?;
        expect_well(&mut process)?;
        Ok(process)
    }
}

/// Kills a victim in its operation.
pub struct Killed<'a> {
    /// Where.
    pub at: Place,
    /// Of those whose corpses it finds.
    pub courses: &'a Courses,
    /// Whether it came there.
    pub came: bool,
    killed: Option<Instant>,
    /// From the kill until all that it had was given back.
    pub healed_after: Duration,
}

impl<'a> Killed<'a> {
    /// There.
    pub fn at(at: Place, courses: &'a Courses) -> Killed<'a> {
        Killed { at, courses, came: false, killed: None, healed_after: Duration::ZERO }
    }
}

impl Fate for Killed<'_> {
    fn meet(&mut self, case: &Case<'_>, scene: &Scene, others: &mut Survivor<'_>) -> Result<Process> {
        let (mut process, tracee) = start(case, scene, self.courses, others)?;
        if let Some(mut tracee) = tracee {
            // At the end of its operation it dies as well.
            self.came = tracee.run_to(&self.at)?;
            self.killed = Some(Instant::now());
            tracee.kill()?;
            process.expect_killed()?;
        } else {
            expect_well(&mut process)?;
        }
        Ok(process)
    }

    fn buried(&mut self) {
        self.healed_after = self.killed.map_or(Duration::ZERO, |killed| killed.elapsed());
    }
}

/// Stops a victim in its operation, lets others work and reap, and lets it go on.
pub struct Paused<'a> {
    /// Where.
    pub at: Place,
    /// Of those whose corpses it finds.
    pub courses: &'a Courses,
    /// Whether it came there.
    pub came: bool,
    /// How long it stood still.
    pub stood: Duration,
}

impl<'a> Paused<'a> {
    /// There.
    pub fn at(at: Place, courses: &'a Courses) -> Paused<'a> {
        Paused { at, courses, came: false, stood: Duration::ZERO }
    }
}

impl Fate for Paused<'_> {
    fn meet(&mut self, case: &Case<'_>, scene: &Scene, others: &mut Survivor<'_>) -> Result<Process> {
        let (mut process, tracee) = start(case, scene, self.courses, others)?;
        if let Some(mut tracee) = tracee {
            self.came = tracee.run_to(&self.at)?;
            let stopped = Instant::now();
            if case.mistake == Some(Mistake::KillThePaused) {
                tracee.kill()?;
            } else {
                tracee.let_go(Some(Signal::SIGSTOP))?;
                process.wait_until_stopped()?;
            }
            blame(Harm::Stuck, work_on(others))?;
            let reaped = others.member.reap()?;
            // The dead whom it was to bury, or threads of its own that have ended, are buried by whoever comes.
            if reaped != Reaped::default() && !case.operation.finds_the_dead() {
                return Err(Fault::new(Harm::Lost, format!("reclaimed from who was paused: {reaped:?}")).into());
            }
            process.signal(Signal::SIGCONT)?;
            self.stood = stopped.elapsed();
        }
        expect_well(&mut process)?;
        Ok(process)
    }
}

/// A victim that lived did what it was to do.
fn expect_well(process: &mut Process) -> Result<()> {
    let status = process.end()?;
    if status.success() { Ok(()) } else { Err(Fault::new(Harm::Stuck, format!("it ended with {status}")).into()) }
}

/// What others do while one stands still: they use the same queue, and look after the dead.
fn work_on(others: &mut Survivor<'_>) -> Result<()> {
    let Survivor { member, clerk, .. } = others;
    for _ in 0..2 {
        clerk.send(member, "q", 40, &patience(Lane::Normal, Duration::ZERO))?;
    }
    take_one(clerk, member, "q", false, Duration::ZERO)
}
