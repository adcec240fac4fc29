//! Kills, or pauses, one operation at its machine instructions.
//!
//! A victim tells its parent where its operation begins and ends ([`crate::crash`]); its parent watches it by `ptrace`, in the build that users run. First a victim is
//! stepped through, one instruction at a time: after which of them are the bytes of the bus others than before, and where are its system calls? Between two such points a death looks the
//! same to all who live. Then fresh victims run to each of these points, by a breakpoint of the processor, and end there: alone, and beside a peer that keeps the same things busy.
//! Beside a peer some take another way and end at the end of their operation.

mod command;
mod course;
mod fates;
mod report;
mod snapshot;
mod tracee;

pub use command::{Orders, obey};
pub use report::{Row, as_json, as_table};

use crate::Result;
use crate::case::{Case, Fate};
use crate::fault::{Fault, Harm};
use crate::kills::Dice;
use crate::mistake::Mistake;
use crate::victim::Operation;
use clap::ValueEnum;
use course::{Course, Place};
use fates::{Courses, Killed, Paused, Witnessed};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Up to so many instructions an operation may have for each of them to be a point.
const SHORT: u64 = 2000;
/// What befalls the victims.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Kind {
    /// SIGKILL.
    Kill,
    /// SIGSTOP, and SIGCONT when others have worked on.
    Pause,
}

/// How much of it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What befalls the victims.
    pub kind: Kind,
    /// What the instructions are drawn with.
    pub seed: u64,
    /// How many instructions of a short operation are drawn besides its states, alone and beside a peer each; `None`: all.
    pub instructions: Option<usize>,
    /// How many states are drawn; `None`: all.
    pub states: Option<usize>,
    /// What is done wrong, so that there is something to find.
    pub mistake: Option<Mistake>,
    /// Whether standard error hears of each operation that is done.
    pub says_progress: bool,
}

/// What a sweep found.
#[derive(Default, Debug)]
pub struct Swept {
    /// Of each operation.
    pub rows: Vec<Row>,
    /// What could not be tried, and why.
    pub untried: Vec<String>,
}

/// Sweeps operations, as many at a time as there are processors. Faults are said on standard error as they are found, and what is done.
pub fn sweep(program: &Path, operations: &[Operation], plan: &Plan) -> Swept {
    let (todo, done) = (Mutex::new(operations.iter()), Mutex::new(Swept::default()));
    let work = || {
        while let Some(operation) = lock(&todo).next() {
            let swept = sweep_one(program, *operation, plan);
            if let (Ok(row), true) = (&swept, plan.says_progress) {
                eprintln!("{}: {} victims, {} faults", row.operation, row.ends, row.faults());
            }
            match swept {
                Ok(row) => lock(&done).rows.push(row),
                Err(error) => lock(&done).untried.push(format!("{} cannot be swept: {error}", operation.name())),
            }
        }
    };
    std::thread::scope(|threads| {
        (0..std::thread::available_parallelism().map_or(1, NonZeroUsize::get)).for_each(|_| drop(threads.spawn(work)));
    });
    let mut swept = std::mem::take(&mut *lock(&done));
    let place = |row: &Row| operations.iter().position(|operation| operation.name() == row.operation);
    swept.rows.sort_by_key(place);
    swept
}

/// Nobody leaves what these protect half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sweeps one operation.
fn sweep_one(program: &Path, operation: Operation, plan: &Plan) -> Result<Row> {
    let alone = Case { program, operation, contended: false, mistake: plan.mistake };
    let mut courses = Courses::new();
    for (corpse, _) in operation.corpses() {
        let course = watch(&Case { operation: corpse, mistake: None, ..alone }, &Courses::new())?;
        courses.insert(corpse.name(), course);
    }
    let course = watch(&alone, &courses)?;
    let mut row = Row::new(operation, &course);
    let mut dice = Dice::seeded(plan.seed ^ operation as u64);
    for contended in [false, true] {
        let case = Case { contended, ..alone };
        for at in points(&course, plan, &mut dice) {
            let place = course.place(at).ok_or("a point beyond the end")?;
            end_at(&case, (at, place), &courses, plan.kind, &mut row)?;
        }
    }
    Ok(row)
}

/// The course of an operation that nobody disturbs.
fn watch(case: &Case<'_>, courses: &Courses) -> Result<Course> {
    let mut fate = Witnessed { courses, course: Course::default() };
    // A mistake that is found without a death is none of these.
    case.run(&mut fate).map_err(|error| format!("undisturbed, it fails: {error}"))?;
    Ok(fate.course)
}

/// After how many instructions victims end: at every state, and of a short operation at its instructions.
fn points(course: &Course, plan: &Plan, dice: &mut Dice) -> BTreeSet<u64> {
    let mut states: Vec<u64> = course.changes.iter().chain(&course.calls).copied().collect();
    draw(&mut states, plan.states.unwrap_or(usize::MAX), dice);
    let mut instructions = Vec::new();
    if course.instructions() <= SHORT {
        instructions.extend(0..=course.instructions());
        draw(&mut instructions, plan.instructions.unwrap_or(usize::MAX), dice);
    }
    states.into_iter().chain(instructions).collect()
}

/// Leaves so many of them.
fn draw(points: &mut Vec<u64>, most: usize, dice: &mut Dice) {
    if points.len() <= most {
        return;
    }
    let mut kept = BTreeSet::new();
    while kept.len() < most {
        kept.insert(dice.below(points.len() as u64) as usize);
    }
    *points = kept.into_iter().map(|at| points[at]).collect();
}

/// One victim; what it cost is counted and said.
fn end_at(case: &Case<'_>, (at, place): (u64, Place), courses: &Courses, kind: Kind, row: &mut Row) -> Result<()> {
    let (result, came) = match kind {
        Kind::Kill => {
            let mut fate = Killed::at(place, courses);
            let result = case.run(&mut fate as &mut dyn Fate);
            row.healed_after.push(fate.healed_after);
            (result, fate.came)
        }
        Kind::Pause => {
            let mut fate = Paused::at(place, courses);
            let result = case.run(&mut fate as &mut dyn Fate);
            row.healed_after.push(fate.stood);
            (result, fate.came)
        }
    };
    row.ends += 1;
    row.missed += u64::from(!came);
    let Err(failure) = result else { return Ok(()) };
    let company = if case.contended { "beside a peer" } else { "alone" };
    let fault = failure.downcast::<Fault>().map_err(|other| format!("after {at} instructions, {company}: {other}"))?;
    eprintln!("{} after {at} instructions, {company}: {:?}: {fault}", case.operation.name(), fault.harm);
    *match fault.harm {
        Harm::Lost => &mut row.lost,
        Harm::Duplicated => &mut row.duplicated,
        Harm::Stuck => &mut row.stuck,
        Harm::Leaked => &mut row.leaked,
    } += 1;
    Ok(())
}
