//! The tests that are to notice mutants: which there are, which places each passes, and how long it takes.

use crate::Result;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A build and its tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Suite {
    /// The loom models.
    Models,
    /// The models of many threads, in schedules drawn by chance.
    Shuttle,
    /// Every operation of real processes, killed in each crash window and before each shared write; owners that are stopped, killed and followed.
    Sweeps,
    /// The core's ordinary tests.
    Tests,
}

impl Suite {
    /// What the build is for; the models share one, and so do those that run real processes.
    fn cfg(self) -> &'static str {
        match self {
            Suite::Models | Suite::Shuttle => "loom",
            Suite::Sweeps | Suite::Tests => "crash",
        }
    }

    /// Whether its tests run the core as it is, and not a model of threads.
    pub fn runs_processes(self) -> bool {
        self.cfg() == "crash"
    }

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Suite::Models => "models",
            Suite::Shuttle => "shuttle",
            Suite::Sweeps => "sweeps",
            Suite::Tests => "tests",
        }
    }

    fn tests(self) -> &'static [&'static str] {
        match self {
            Suite::Models => &["-p", "swarmbus-core", "--test", "loom"],
            Suite::Shuttle => &["-p", "swarmbus-core", "--features", "shuttle", "--test", "shuttle"],
            Suite::Sweeps => &["-p", "swarmbus-stress", "--test", "windows", "--test", "handover"],
            Suite::Tests => &["-p", "swarmbus-core", "--lib", "--tests"],
        }
    }
}

/// Which schedules the tests of many threads draw: the same ones with the same seed, so that a verdict comes again.
#[derive(Clone, Copy, Debug)]
pub struct Schedules {
    /// What they are drawn with.
    pub seed: u64,
    /// So many for each test.
    pub each: u32,
}

impl Schedules {
    /// Those of a survey, which is kept: with one seed mutants keep their numbers.
    fn of_a_survey(self) -> Schedules {
        Schedules { seed: 1, ..self }
    }
}

/// One test of a program, in a process of its own.
pub fn alone(program: &Path, name: &str, schedules: Schedules) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--exact", name, "--test-threads", "1"])
        .env("SWARMBUS_SHUTTLE_SEED", schedules.seed.to_string())
        .env("SWARMBUS_SHUTTLE_RUNS", schedules.each.to_string())
        .env_remove("SWARMBUS_LOOM_BOUND")
        .env_remove("SWARMBUS_MUTANT")
        .env_remove("SWARMBUS_SITES")
        .stdin(Stdio::null());
    command
}

/// A test, and what it passes when nothing is wrong.
#[derive(Debug)]
pub struct Test {
    /// Its build.
    pub suite: Suite,
    /// The program that holds it.
    pub program: PathBuf,
    /// Its name there.
    pub name: String,
    /// How long it takes.
    pub takes: Duration,
    /// What it passes, as the door writes it down.
    pub sites: BTreeSet<String>,
}

/// Builds a suite and runs each test once; what that showed is kept for as long as its program is the same.
pub fn survey(root: &Path, suite: Suite, target: &Path, jobs: usize, schedules: Schedules) -> Result<Vec<Test>> {
    let kept = target.join("verify");
    std::fs::create_dir_all(&kept)?;
    let schedules = schedules.of_a_survey();
    let mut tests = Vec::new();
    for (source, program) in build(root, suite, target)? {
        let kept = kept.join(format!("survey-{}-{source}.txt", suite.name()));
        let mut age = age(&program)?;
        if suite == Suite::Shuttle {
            let _ = write!(age, " {} schedules", schedules.each);
        }
        let known = std::fs::read_to_string(&kept).ok().and_then(|text| parse(suite, &program, &text, &age));
        tests.extend(match known {
            Some(known) => known,
            None => {
                let found = look(suite, &program, jobs, schedules)?;
                std::fs::write(&kept, written(&found, &age))?;
                found
            }
        });
    }
    Ok(tests)
}

/// The programs of a suite, each with the name of its source.
fn build(root: &Path, suite: Suite, target: &Path) -> Result<Vec<(String, PathBuf)>> {
    let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .env("RUSTFLAGS", format!("--cfg {}", suite.cfg()))
        .args(["test", "--release", "--no-run", "--target-dir"])
        .arg(std::path::absolute(target)?.join(suite.cfg()))
        .args(suite.tests())
        .output()?;
    let said = String::from_utf8_lossy(&built.stderr);
    if !built.status.success() {
        return Err(format!("the {suite:?} do not build:\n{said}").into());
    }
    let named = said
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("Executable")?.rsplit_once('(')?.1.strip_suffix(')'));
    let programs: Vec<_> = named.filter_map(|path| Some((source_of(path)?, PathBuf::from(path)))).collect();
    if programs.is_empty() {
        return Err("cargo does not say which programs it has built".into());
    }
    Ok(programs)
}

/// `ring` of `target/release/deps/ring-0123456789abcdef`.
fn source_of(program: &str) -> Option<String> {
    Some(program.rsplit('/').next()?.rsplit_once('-')?.0.to_owned())
}

fn age(program: &Path) -> Result<String> {
    let about = std::fs::metadata(program)?;
    Ok(format!("{} {:?}", about.len(), about.modified()?))
}

fn look(suite: Suite, program: &Path, jobs: usize, schedules: Schedules) -> Result<Vec<Test>> {
    let listed = Command::new(program).args(["--list", "--format", "terse"]).output()?;
    let listed = String::from_utf8(listed.stdout)?;
    let names: Vec<&str> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    println!("{}: looking which places {} tests pass", program.display(), names.len());
    let (next, tests) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let test = look_at(suite, program, name, schedules);
                    tests.lock().expect("nobody panics here").push(test);
                }
            });
        }
    });
    tests.into_inner().expect("nobody panics here").into_iter().collect()
}

fn look_at(suite: Suite, program: &Path, name: &str, schedules: Schedules) -> Result<Test> {
    let sites = std::env::temp_dir().join(format!("swarmbus-sites-{}-{name}", std::process::id()));
    let begun = Instant::now();
    let ran = alone(program, name, schedules).env("SWARMBUS_SITES", &sites).output()?;
    let takes = begun.elapsed();
    let passed = std::fs::read_to_string(&sites).unwrap_or_default();
    let _ = std::fs::remove_file(&sites);
    if !ran.status.success() {
        let said = String::from_utf8_lossy(&ran.stdout);
        return Err(format!("{name} fails without a mutant, so it can judge none:\n{said}").into());
    }
    let sites = passed.lines().map(str::to_owned).collect();
    Ok(Test { suite, program: program.to_owned(), name: name.to_owned(), takes, sites })
}

fn written(tests: &[Test], age: &str) -> String {
    let mut text = format!("program {age}\n");
    for test in tests {
        let _ = writeln!(text, "test {} {}", test.takes.as_millis(), test.name);
        test.sites.iter().for_each(|site| text.extend([site.as_str(), "\n"]));
    }
    text
}

fn parse(suite: Suite, program: &Path, text: &str, age: &str) -> Option<Vec<Test>> {
    let mut lines = text.lines();
    lines.next()?.strip_prefix("program ").filter(|kept| *kept == age)?;
    let mut tests: Vec<Test> = Vec::new();
    for line in lines {
        if let Some(test) = line.strip_prefix("test ") {
            let (takes, name) = test.split_once(' ')?;
            tests.push(Test {
                suite,
                program: program.to_owned(),
                name: name.to_owned(),
                takes: Duration::from_millis(takes.parse().ok()?),
                sites: BTreeSet::new(),
            });
        } else {
            tests.last_mut()?.sites.insert(line.to_owned());
        }
    }
    Some(tests)
}
