//! What a lock costs beside other locks, and beside `flock` of a file.
//!
//! `cargo bench -p swarmbus-benches --bench locks`. Figures move from machine to machine; compare runs on one machine only.

use criterion::{BenchmarkId, Criterion};
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use swarmbus_core::{Bus, CreateOptions, LockMode, Member};

/// Processes that contend.
const CONTENDERS: usize = 8;

/// A bus and a file of this run.
struct Scratch(Bus, PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let name = format!("bench-{}-locks", std::process::id());
        let path = Path::new("/dev/shm").join(&name);
        File::create(&path).unwrap();
        Scratch(Bus::create(&name, &CreateOptions::default()).unwrap(), path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = self.0.destroy();
        let _ = std::fs::remove_file(&self.1);
    }
}

fn lock(member: &Member, name: &str) {
    member.lock(name, LockMode::Exclusive, None).unwrap().release().unwrap();
}

fn lock_file(file: &mut Option<File>) {
    let locked = Flock::lock(file.take().unwrap(), FlockArg::LockExclusive).unwrap();
    *file = Some(locked.unlock().unwrap());
}

fn uncontended(criterion: &mut Criterion, scratch: &Scratch) {
    let (member, others) = (scratch.0.join().unwrap(), scratch.0.join().unwrap());
    let mut group = criterion.benchmark_group("lock and release");
    for count in [0, 100, 1000] {
        let held: Vec<_> = (0..count)
            .map(|number| others.lock(&format!("src/file-{number}.rs"), LockMode::Exclusive, None).unwrap())
            .collect();
        group.bench_function(BenchmarkId::new("beside so many others", count), |bencher| {
            bencher.iter(|| lock(&member, "src/operators/add.rs"));
        });
        group.bench_function(BenchmarkId::new("a pattern, beside so many others", count), |bencher| {
            bencher.iter(|| lock(&member, "src/operators/*.rs"));
        });
        drop(held);
    }
    let mut file = File::options().write(true).open(&scratch.1).ok();
    group.bench_function("flock", |bencher| bencher.iter(|| lock_file(&mut file)));
    group.finish();
}

/// Time for so many locks of all contenders together.
fn contend(children: &mut [Child], count: u64) -> Duration {
    let each = count.div_ceil(CONTENDERS as u64);
    let started = Instant::now();
    for child in &mut *children {
        writeln!(child.stdin.as_mut().unwrap(), "{each}").unwrap();
    }
    for child in children {
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    }
    started.elapsed().mul_f64(count as f64 / (each * CONTENDERS as u64) as f64)
}

fn contended(criterion: &mut Criterion, scratch: &Scratch) {
    let mut group = criterion.benchmark_group(format!("{CONTENDERS} processes, one lock"));
    for (name, subject) in [("swarmbus", scratch.0.name().to_owned()), ("flock", scratch.1.display().to_string())] {
        let start = |_| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.env("SWARMBUS_BENCH_LOCKS", &subject).stdin(Stdio::piped()).stdout(Stdio::piped());
            command.spawn().unwrap()
        };
        let mut children: Vec<_> = (0..CONTENDERS).map(start).collect();
        group.bench_function(name, |bencher| bencher.iter_custom(|count| contend(&mut children, count)));
        for mut child in children {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
    group.finish();
}

/// One of them: a bus' name, or a file's.
fn contender(subject: &str) {
    let mut turn: Box<dyn FnMut()> = if subject.starts_with('/') {
        let mut file = File::options().write(true).open(subject).ok();
        Box::new(move || lock_file(&mut file))
    } else {
        let member = Bus::open(subject).unwrap().join().unwrap();
        Box::new(move || lock(&member, "contended"))
    };
    for line in std::io::stdin().lock().lines() {
        let count: u64 = line.unwrap().parse().unwrap();
        (0..count).for_each(|_| turn());
        let mut done = std::io::stdout();
        done.write_all(b".").unwrap();
        done.flush().unwrap();
    }
}

fn main() {
    if let Ok(subject) = std::env::var("SWARMBUS_BENCH_LOCKS") {
        return contender(&subject);
    }
    let (mut criterion, scratch) = (Criterion::default().configure_from_args(), Scratch::new());
    uncontended(&mut criterion, &scratch);
    contended(&mut criterion, &scratch);
    criterion.final_summary();
}
