//! Runs models; requires that they fail when the code is wrong.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use swarmbus_core::sync::{is_a_run_of_mutants, mutant};

use crate::wrong::{fails, is_run_of};

/// Preemptions that the ordinary run tries at most.
pub const ORDINARY: usize = 2;

/// Preemptions that the ordinary run tries of models that are large, and whose mutants show with as many. `SWARMBUS_LOOM_BOUND=2` gives them as many as
/// the others.
pub const BRIEF: usize = 1;

thread_local! {
    static DIED: Cell<[bool; 2]> = const { Cell::new([false; 2]) };
}

fn setting(name: &str) -> Option<usize> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number is wanted")))
}

/// After how many orders a model is cut off, if it is: with more preemptions some would take days. What comes late in loom's order is not tried then, be it a mistake that
/// is to be noticed; so models are run without mistakes.
fn limit() -> Option<usize> {
    setting("SWARMBUS_LOOM_RUNS")
}

/// Runs `model` in every order with at most `bound` preemptions, or `SWARMBUS_LOOM_BOUND` if that is more.
pub fn explore(bound: usize, model: impl Fn() + Send + Sync + 'static) {
    let bound = bound.max(setting("SWARMBUS_LOOM_BOUND").unwrap_or(0));
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 10_000;
    builder.preemption_bound = Some(bound);
    builder.max_permutations = limit();
    // So often loom looks whether there were enough.
    builder.checkpoint_interval = 1000;
    let runs = Arc::new(AtomicUsize::new(0));
    builder.check({
        let runs = runs.clone();
        move || {
            runs.fetch_add(1, Relaxed);
            model();
        }
    });
    let runs = runs.load(Relaxed);
    let is_complete = limit().is_none_or(|limit| runs + 1 < limit);
    // Seen with `--nocapture`: a model with very few runs looks at nothing.
    println!("{runs} runs{}", if is_complete { "" } else { ", cut off" });
    note(bound, runs, is_complete);
}

/// Writes down for `swarmbus-stress report` how far an exploration came, in the file that `SWARMBUS_LOOM_FILE` names.
fn note(bound: usize, runs: usize, is_complete: bool) {
    let Some(path) = std::env::var_os("SWARMBUS_LOOM_FILE") else { return };
    let thread = std::thread::current();
    let model = thread.name().unwrap_or_default();
    let line =
        format!("{{\"model\": \"{model}\", \"bound\": {bound}, \"runs\": {runs}, \"complete\": {is_complete}}}\n");
    // One write for a line: several models share the file.
    let written =
        OpenOptions::new().create(true).append(true).open(path).and_then(|mut file| file.write_all(line.as_bytes()));
    written.expect("SWARMBUS_LOOM_FILE can be written");
}

/// Who dies.
#[derive(Clone, Copy)]
pub enum Mortal {
    /// The member whose death a model is about.
    Victim,
    /// The reaper that recovers it.
    Reaper,
}

/// Runs `body`, which dies before its shared write number `budget`. `None`: it died.
pub fn mortal<R>(who: Mortal, budget: u32, body: impl FnOnce() -> R) -> Option<R> {
    let result = mutant::dies_after(budget, body);
    if result.is_none() {
        let mut died = DIED.get();
        died[who as usize] = true;
        DIED.set(died);
    }
    result
}

fn counted(who: Mortal, mut model: impl FnMut(u32)) {
    for budget in 0.. {
        let mut died = DIED.get();
        died[who as usize] = false;
        DIED.set(died);
        model(budget);
        if !DIED.get()[who as usize] {
            return;
        }
    }
}

/// Explores `model` with a victim that dies before its first shared write, its second, … and last with one that lives.
pub fn every_death(bound: usize, model: impl Fn(u32) + Copy + Send + Sync + 'static) {
    counted(Mortal::Victim, |budget| explore(bound, move || model(budget)));
}

/// The same, with a reaper that dies at its every step for every death of the victim.
pub fn every_death_of_two(bound: usize, model: impl Fn(u32, u32) + Copy + Send + Sync + 'static) {
    counted(Mortal::Victim, |victim| {
        counted(Mortal::Reaper, |reaper| explore(bound, move || model(victim, reaper)));
    });
}

/// Requires that `model` notices these mistakes in the code. (A run that has one mutant is to notice that one.)
pub fn caught(mistakes: &'static [&'static str], model: impl FnOnce()) {
    if is_a_run_of_mutants() {
        if is_run_of(mistakes) {
            model();
        }
        return;
    }
    if limit().is_some() {
        return;
    }
    assert!(fails(|| mutant::with(mistakes, model)), "the model does not notice {mistakes:?}");
}

/// Requires that `model` does not notice that these edges are missing. If it does one day, the edge has become one that is needed.
pub fn spares(edges: &'static [u32], model: impl FnOnce()) {
    if is_a_run_of_mutants() || limit().is_some() {
        return;
    }
    mutant::weakening(edges, model);
}

/// Requires that `model` notices when these edges are missing.
pub fn needs(edges: &'static [u32], model: impl FnOnce()) {
    if is_a_run_of_mutants() || limit().is_some() {
        return;
    }
    assert!(fails(|| mutant::weakening(edges, model)), "the model does not notice that S{edges:?} is missing");
}
