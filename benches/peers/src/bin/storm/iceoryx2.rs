//! What a storm has left of iceoryx2.

use crate::node;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use swarmbus_stress::Result;
use swarmbus_stress::killer::Process;
use swarmbus_stress::ledger::Event;
use swarmbus_stress::storm::{Aftermath, Contender, Role};

static STORMS: AtomicU32 = AtomicU32::new(0);

/// iceoryx2 with files of this storm's own, which go with it.
pub struct Iceoryx2 {
    program: PathBuf,
    /// The folder, and, with a hyphen, what names in shared memory begin with.
    tag: String,
    root: PathBuf,
    settings: PathBuf,
    patience: Duration,
}

impl Iceoryx2 {
    /// For one storm.
    pub fn new(patience: Duration) -> Result<Iceoryx2> {
        let tag = format!("swarmbus-peers-{}-storm-{}", std::process::id(), STORMS.fetch_add(1, Relaxed));
        let root = std::env::temp_dir().join(&tag);
        let settings = std::env::temp_dir().join(format!("{tag}.toml"));
        fs::create_dir_all(&root)?;
        fs::write(&settings, format!("[global]\nroot-path = \"{}\"\nprefix = \"{tag}-\"\n", root.display()))?;
        Ok(Iceoryx2 { program: std::env::current_exe()?, tag, root, settings, patience })
    }

    fn orders(&self, part: &str, number: u64, seed: u64, resident: bool) -> Vec<String> {
        let (settings, number, seed) = (self.settings.display().to_string(), number.to_string(), seed.to_string());
        let words = [part, "--settings", &settings, "--number", &number, "--seed", &seed];
        words.into_iter().chain(resident.then_some("--resident")).map(str::to_owned).collect()
    }

    /// Its files in shared memory.
    fn shared(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
        let own = |name: &str| name.strip_prefix(&self.tag).is_some_and(|rest| rest.starts_with('-'));
        entries.filter(|entry| entry.file_name().to_str().is_some_and(own)).map(|entry| entry.path()).collect()
    }

    fn bury(&self, aftermath: &mut Aftermath) -> Result<()> {
        let begun = Instant::now();
        let mut process = Process::start(&self.program, &self.orders("settle", 0, 0, false))?;
        while !process.has_ended()? {
            if begun.elapsed() > self.patience {
                aftermath.hangs.push(format!("burying the dead; it last said {:?}", process.events()?.last()));
                process.kill()?;
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let found = process.events()?.into_iter().rev().find_map(|event| match event {
            Event::Found(found) => Some(found),
            _ => None,
        });
        let Some(&[dead, undefined, alive, inaccessible, is_done]) = found.as_deref() else {
            aftermath.failures.push("nobody can tell which nodes are left".into());
            return Ok(());
        };
        aftermath.members_leaked = dead + undefined + alive + inaccessible;
        aftermath.reap_ms = (is_done == 1).then(|| begun.elapsed().as_secs_f64() * 1e3);
        if aftermath.members_leaked > 0 {
            aftermath.failures.push(format!(
                "nodes that are left: {dead} dead, {undefined} undefined, {alive} said to live, {inaccessible} inaccessible"
            ));
        }
        Ok(())
    }
}

/// Files below a folder.
fn files_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files_in(&entry.path()) } else { 1 }).sum()
}

impl Drop for Iceoryx2 {
    fn drop(&mut self) {
        // All processes are gone; what cannot be removed is another user's.
        let _ = fs::remove_dir_all(&self.root);
        let _ = fs::remove_file(&self.settings);
        self.shared().iter().for_each(|file| {
            let _ = fs::remove_file(file);
        });
    }
}

impl Contender for Iceoryx2 {
    fn name(&self) -> &str {
        "iceoryx2"
    }

    fn program(&self) -> &Path {
        &self.program
    }

    fn arguments(&self, role: Role, number: u64, seed: u64) -> Vec<String> {
        let part = if role == Role::Fresh { "fresh" } else { "work" };
        self.orders(part, number, seed, role == Role::Resident)
    }

    fn steps(&self) -> &'static [&'static str] {
        node::STEPS
    }

    fn must_survive(&self) -> bool {
        false
    }

    fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    fn settle(&mut self, ledgers: &[Vec<Event>]) -> Aftermath {
        let mut aftermath = Aftermath::default();
        if let Err(error) = self.bury(&mut aftermath) {
            aftermath.failures.push(error.to_string());
        }
        aftermath.files_leaked = files_in(&self.root) + self.shared().len() as u64;
        let mut refused = vec![0u32; node::STEPS.len()];
        for event in ledgers.iter().flatten() {
            if let Event::Refused(step) = event {
                refused[*step as usize % node::STEPS.len()] += 1;
            }
        }
        let told: Vec<_> = node::STEPS.iter().zip(&refused).filter(|(_, count)| **count > 0).collect();
        if !told.is_empty() {
            aftermath.failures.push(format!("steps that were refused to processes: {told:?}"));
        }
        aftermath
    }
}
