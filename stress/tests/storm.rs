//! The short form of the kill storms and of the soak; `swarmbus-stress storm` and `swarmbus-stress soak` are the long ones.

use std::path::{Path, PathBuf};
use std::time::Duration;
use swarmbus_core::{Bus, Member};
use swarmbus_stress::Result;
use swarmbus_stress::killer::PATIENCE;
use swarmbus_stress::kills::Dice;
use swarmbus_stress::ledger::Event;
use swarmbus_stress::soak::Soak;
use swarmbus_stress::storm::{Aftermath, Contender, Role, Shape, Swarmbus, rage};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_swarmbus-stress"))
}

fn expect_calm_after(shape: &Shape) {
    let seed = Dice::new().below(u64::MAX);
    let run = rage(&mut Swarmbus::new(program()), shape, seed).unwrap();
    assert!(run.is_clean(), "seed {seed}: {run:#?}");
    assert_eq!(run.kills, shape.kills);
    println!("{run:?}");
}

#[test]
fn killed_on_their_way_in_they_leave_nothing_behind() {
    expect_calm_after(&Shape { patience: PATIENCE, ..Shape::early(100) });
}

#[test]
fn killed_in_their_work_they_lose_nothing() {
    expect_calm_after(&Shape { patience: PATIENCE, ..Shape::loaded(40) });
}

#[test]
fn a_soak_notices_who_keeps_what_it_borrows() {
    let json = std::env::temp_dir().join("nowhere");
    let found = Soak { minutes: 0.1, agents: 3, seed: None, leak: true, json }.soak(program()).unwrap();
    let held = found.verdict("chunks held").unwrap();
    assert!(!held.is_flat, "{held}");
}

/// Swarmbus with faults that a storm must notice: newcomers that come to no end, a member that nobody can bury, with a chunk, a file, and a message that is
/// in the ledgers alone.
struct Faulty {
    inner: Swarmbus,
    undead: Option<Member>,
    file: Option<PathBuf>,
}

impl Contender for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }

    fn program(&self) -> &Path {
        self.inner.program()
    }

    fn arguments(&self, role: Role, number: u64, seed: u64) -> Vec<String> {
        match role {
            Role::Fresh => ["soak-echo", "--bus", self.inner.bus()].map(str::to_owned).to_vec(),
            role => self.inner.arguments(role, number, seed),
        }
    }

    fn steps(&self) -> &'static [&'static str] {
        self.inner.steps()
    }

    fn must_survive(&self) -> bool {
        true
    }

    fn begin(&mut self) -> Result<()> {
        self.inner.begin()?;
        Bus::open(self.inner.bus())?.declare("echo", &Default::default())?;
        Ok(())
    }

    fn settle(&mut self, ledgers: &[Vec<Event>]) -> Aftermath {
        let member = Bus::open(self.inner.bus()).and_then(|bus| bus.join()).unwrap();
        let _kept = member.loan(40).unwrap().into_raw();
        self.undead = Some(member);
        let file = PathBuf::from(format!("/dev/shm/swarmbus.{}-half", self.inner.bus()));
        std::fs::write(&file, "no segment").unwrap();
        self.file = Some(file);
        self.inner.settle(&[ledgers, &[vec![Event::Trying(1), Event::Sent(1)]]].concat())
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.file.iter().for_each(|file| {
            let _ = std::fs::remove_file(file);
        });
    }
}

#[test]
fn a_storm_notices_what_hangs_leaks_or_is_lost() {
    let mut faulty = Faulty { inner: Swarmbus::new(program()), undead: None, file: None };
    let shape = Shape { residents: 0, patience: Duration::from_secs(1), ..Shape::early(4) };
    let run = rage(&mut faulty, &shape, 1).unwrap();
    assert_eq!((run.hangs.len(), run.leaked_members, run.leaked_files), (2, 1, 1), "{run:#?}");
    assert!(run.leaked_chunks > Some(0), "{run:#?}");
    assert_eq!(run.books_balance, Some(false), "{run:#?}");
}
