//! The run before, whose result is put together with this one.

use super::catalogue::Mutant;
use super::report::Totals;
use super::survey::Test;
use super::trial::{Outcome, Verdict};
use crate::Result;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A mutant as it is written down.
#[derive(Deserialize)]
struct Written {
    mutant: String,
    verdict: String,
    by: Option<String>,
    runs: usize,
    seconds: f64,
}

/// What became of mutants in the run before, by name.
pub struct Before(BTreeMap<String, Outcome>);

impl Before {
    /// No run.
    pub fn nothing() -> Before {
        Before(BTreeMap::new())
    }

    /// Reads `verify/mutants.json`. An error if that was about another source: a mutant's name says where it is, and its verdict holds for what is there.
    pub fn read(root: &Path, target: &Path, tests: &[Test]) -> Result<Before> {
        let path = target.join("verify/mutants.json");
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let totals: Totals = serde_json::from_str(&text)?;
        if totals.source != source(root)? {
            return Err(format!("{} is about another core/src; run once without --rest", path.display()).into());
        }
        let mut known = BTreeMap::new();
        for row in totals.outcomes {
            let written: Written = serde_json::from_value(row)?;
            if let Some(verdict) = verdict(&written, tests) {
                let took = Duration::from_secs_f64(written.seconds);
                known.insert(written.mutant, Outcome { verdict, runs: written.runs, took });
            }
        }
        Ok(Before(known))
    }

    /// Whether a test noticed it.
    pub fn killed(&self, mutant: &Mutant) -> bool {
        self.0.get(&mutant.name).is_some_and(|outcome| matches!(outcome.verdict, Verdict::Killed(..)))
    }

    /// Whether no test noticed it.
    pub fn survived(&self, mutant: &Mutant) -> bool {
        self.0.get(&mutant.name).is_some_and(|outcome| matches!(outcome.verdict, Verdict::Survived))
    }

    /// Whether it was tried.
    pub fn tried(&self, mutant: &Mutant) -> bool {
        self.0.contains_key(&mutant.name)
    }

    /// Adds to the outcomes of this run those of mutants that it did not try.
    pub fn complete<'a>(mut self, all: &'a [Mutant], outcomes: &mut Vec<(&'a Mutant, Outcome)>) {
        outcomes.iter().for_each(|(mutant, _)| drop(self.0.remove(&mutant.name)));
        outcomes.extend(all.iter().filter_map(|mutant| Some((mutant, self.0.remove(&mutant.name)?))));
        outcomes.sort_by_key(|(mutant, _)| mutant.number);
    }
}

/// `None`: the test that noticed it is there no more.
fn verdict(written: &Written, tests: &[Test]) -> Option<Verdict> {
    let by = written.by.clone().unwrap_or_default();
    Some(match written.verdict.as_str() {
        "killed" => Verdict::Killed(tests.iter().find(|test| test.name == by)?.suite, by),
        "undecided" => Verdict::Undecided(by),
        "not reached" => Verdict::NotReached,
        _ => Verdict::Survived,
    })
}

/// Tells one source of the core from another.
pub fn source(root: &Path) -> Result<String> {
    let mut files = Vec::new();
    list(&root.join("core/src"), &mut files)?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.strip_prefix(root)?.hash(&mut hasher);
        std::fs::read(&file)?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { list(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::survey::Suite;
    use super::*;

    #[test]
    fn what_was_not_tried_again_is_as_it_was_before() {
        let mutant = |number| Mutant { number, name: format!("core/src/ring.rs:{number}:9 skip"), tests: Vec::new() };
        let all: Vec<Mutant> = (1..=3).map(mutant).collect();
        let outcome = |verdict| Outcome { verdict, runs: 1, took: Duration::ZERO };
        let noticed = || Verdict::Killed(Suite::Models, "ring".to_owned());
        let before = Before(BTreeMap::from([
            (all[0].name.clone(), outcome(noticed())),
            (all[1].name.clone(), outcome(Verdict::Survived)),
        ]));
        assert_eq!(all.iter().map(|mutant| before.killed(mutant)).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(all.iter().map(|mutant| before.tried(mutant)).collect::<Vec<_>>(), [true, true, false]);
        let mut outcomes = vec![(&all[1], outcome(noticed()))];
        before.complete(&all, &mut outcomes);
        let killed = outcomes.iter().filter(|(_, outcome)| matches!(outcome.verdict, Verdict::Killed(..))).count();
        assert_eq!((outcomes.len(), killed), (2, 2), "the first as it was, the second noticed since");
    }
}
