//! Mutants that nobody wrote: each is one place of the source that passes the door, and one mistake made there. Verification builds only.
//!
//! Which one a run has is said by `SWARMBUS_MUTANT` when it starts, so one build holds all of them:
//!
//! - `core/src/queue.rs:123:9 skip`: the mistake [`Change`] at that place,
//! - `edge 5 release`: one end of S5 is `Relaxed`,
//! - `mistake no-doorway`: the mistake of this name.
//!
//! Which there are nobody has to write down either: a run with `SWARMBUS_SITES` adds each place that it passes to that file, with what is done there.
//! `swarmbus-stress mutants` makes mutants of them and finds out who notices.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::panic::Location;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, OnceLock, PoisonError};

/// What is done at a place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Operation {
    #[cfg(loom)]
    Load,
    Store,
    CompareExchange,
    WakeExchange,
    Fetch,
    #[cfg(loom)]
    Fence,
    Wake,
}

/// The mistake that is made at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It is not done; of a compare-exchange, it is believed to be.
    Skip,
    /// It is done after the next shared write of the same thread: the two are swapped.
    Late,
    /// It is done, and once more after the next shared write of the same thread.
    Again,
    /// A compare-exchange does not compare.
    Blind,
    /// The edge that it serves is missing there.
    Relaxed,
}

impl Change {
    fn of(name: &str) -> Option<Change> {
        Some(match name {
            "skip" => Change::Skip,
            "late" => Change::Late,
            "again" => Change::Again,
            "blind" => Change::Blind,
            "relaxed" => Change::Relaxed,
            _ => return None,
        })
    }
}

enum Mutant {
    Site {
        file: String,
        line: u32,
        column: u32,
        change: Change,
    },
    #[cfg(loom)]
    Edge {
        number: u32,
        end: String,
    },
    Mistake(String),
}

impl Mutant {
    fn of(text: &str) -> Option<Mutant> {
        let (what, rest) = text.split_once(' ')?;
        match what {
            "mistake" => Some(Mutant::Mistake(rest.to_owned())),
            #[cfg(loom)]
            "edge" => {
                let (number, end) = rest.split_once(' ')?;
                Some(Mutant::Edge { number: number.parse().ok()?, end: end.to_owned() })
            }
            place => {
                let mut parts = place.rsplitn(3, ':');
                let column = parts.next()?.parse().ok()?;
                let line = parts.next()?.parse().ok()?;
                Some(Mutant::Site { file: parts.next()?.to_owned(), line, column, change: Change::of(rest)? })
            }
        }
    }
}

/// What this process does at places.
#[derive(Default)]
struct Mode {
    mutant: Option<Mutant>,
    sites: Option<Mutex<Sites>>,
}

struct Sites {
    path: PathBuf,
    known: HashSet<(usize, Operation, bool)>,
    named: HashSet<String>,
}

fn mode() -> &'static Mode {
    static MODE: OnceLock<Mode> = OnceLock::new();
    MODE.get_or_init(|| Mode {
        mutant: std::env::var("SWARMBUS_MUTANT").ok().map(|text| {
            Mutant::of(&text).unwrap_or_else(|| panic!("SWARMBUS_MUTANT: {text:?} is no mutant, nor could it be one"))
        }),
        sites: std::env::var_os("SWARMBUS_SITES")
            .map(|path| Mutex::new(Sites { path: path.into(), known: HashSet::new(), named: HashSet::new() })),
    })
}

/// Whether this run has a mutant, or looks for places where one could be: then models are run as they are, without the mistakes of their own.
pub fn is_a_run_of_mutants() -> bool {
    mode().mutant.is_some() || mode().sites.is_some()
}

/// Passes a place; returns what is done wrong there.
#[inline]
pub(super) fn pass(place: &'static Location<'static>, operation: Operation, order: Ordering) -> Option<Change> {
    let mode = mode();
    if let Some(sites) = &mode.sites {
        note_place(sites, place, operation, order != Ordering::Relaxed);
    }
    match &mode.mutant {
        Some(Mutant::Site { file, line, column, change })
            if *line == place.line() && *column == place.column() && file == place.file() =>
        {
            Some(*change)
        }
        _ => None,
    }
}

/// Whether one end of an edge is missing.
#[cfg(loom)]
pub(super) fn weakens(edge: u32, side: &str) -> bool {
    let mode = mode();
    note_name(mode, || format!("edge {edge} {side}"));
    matches!(&mode.mutant, Some(Mutant::Edge { number, end }) if *number == edge && end == side)
}

/// Whether a mistake is made that has a name.
pub(super) fn makes(mistake: &str) -> bool {
    let mode = mode();
    note_name(mode, || format!("mistake {mistake}"));
    matches!(&mode.mutant, Some(Mutant::Mistake(name)) if name == mistake)
}

fn note_place(sites: &Mutex<Sites>, place: &'static Location<'static>, operation: Operation, ordered: bool) {
    let mut sites = sites.lock().unwrap_or_else(PoisonError::into_inner);
    // A place is one object for as long as the process lives.
    if sites.known.insert((std::ptr::from_ref(place) as usize, operation, ordered)) {
        let order = if ordered { "ordered" } else { "relaxed" };
        sites.write(&format!("{place} {operation:?} {order}\n"));
    }
}

fn note_name(mode: &Mode, name: impl FnOnce() -> String) {
    if let Some(sites) = &mode.sites {
        let mut sites = sites.lock().unwrap_or_else(PoisonError::into_inner);
        let name = name();
        if !sites.named.contains(&name) {
            sites.write(&format!("{name}\n"));
            sites.named.insert(name);
        }
    }
}

impl Sites {
    /// One write for a line: several processes may share the file. Opened each time, for a program may close what it has not opened.
    fn write(&self, line: &str) {
        let file = OpenOptions::new().append(true).create(true).open(&self.path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("SWARMBUS_SITES can be written");
    }
}
