//! Who was noticed and who was not: for people, and in `verify/mutants.json` (of a sample in `verify/mutants-sample.json`).

use super::before;
use super::catalogue::{Mutant, Spares, described, places};
use super::survey::{Schedules, Suite};
use super::trial::{Outcome, Verdict};
use crate::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// What was run.
pub struct Ran<'a> {
    /// All mutants that there are.
    pub all: &'a [Mutant],
    /// Those that were tried.
    pub outcomes: &'a [(&'a Mutant, Outcome)],
    /// Who was to notice.
    pub suites: &'a [Suite],
    /// Tests of these.
    pub tests: usize,
    /// What shuttle drew; with its seed the sample was drawn as well.
    pub schedules: Schedules,
    /// Whether only some were to be tried.
    pub is_sample: bool,
}

/// What became of the mutants, as it is written down.
#[derive(Debug, Serialize, Deserialize)]
pub struct Totals {
    /// Tells the source that they are in from another.
    #[serde(default)]
    pub source: String,
    /// All that there are.
    pub mutants: usize,
    /// Places of the source that they are in.
    pub places: usize,
    /// Tests that were to notice.
    pub tests: usize,
    /// Suites of these.
    pub suites: Vec<String>,
    /// With what the sample was drawn, and the schedules of shuttle.
    pub seed: u64,
    /// Schedules of each test of shuttle.
    pub schedules: u32,
    /// Mutants that were tried.
    pub tried: usize,
    /// Of these, those that a test noticed.
    pub killed: usize,
    /// By suite.
    pub killed_by: BTreeMap<String, usize>,
    /// Those that survived for a known reason.
    pub spare: usize,
    /// Those that survived for none.
    pub survived: usize,
    /// Those with a test that did not end.
    pub undecided: usize,
    /// Those whose tests are all too long.
    pub not_reached: usize,
    /// Each of them.
    pub outcomes: Vec<Value>,
}

#[derive(Default)]
struct Count {
    killed: usize,
    spare: usize,
    survived: usize,
    undecided: usize,
    not_reached: usize,
}

/// Prints and writes what became of the mutants. How many survived for no known reason.
pub fn report(root: &Path, target: &Path, ran: &Ran<'_>, spares: &Spares) -> Result<usize> {
    let Ran { all, outcomes, .. } = ran;
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let mut total = Count::default();
    let names: Vec<String> = ran.suites.iter().map(|suite| suite.name().to_owned()).collect();
    let mut killed_by: BTreeMap<String, usize> = names.iter().map(|name| (name.clone(), 0)).collect();
    let mut survivors = Vec::new();
    let mut rows = Vec::new();
    for (mutant, outcome) in *outcomes {
        let (file, [line, within]) = described(root, mutant);
        let is_spare = spares.hold(root, mutant);
        let by_file = counts.entry(file.clone()).or_default();
        let (verdict, by) = match &outcome.verdict {
            Verdict::Killed(suite, by) => {
                *killed_by.entry(suite.name().to_owned()).or_default() += 1;
                ("killed", Some(by))
            }
            Verdict::Survived if is_spare => ("spare", None),
            Verdict::Survived => ("survived", None),
            Verdict::Undecided(by) => ("undecided", Some(by)),
            Verdict::NotReached => ("not reached", None),
        };
        for count in [by_file, &mut total] {
            *match verdict {
                "killed" => &mut count.killed,
                "spare" => &mut count.spare,
                "survived" => &mut count.survived,
                "undecided" => &mut count.undecided,
                _ => &mut count.not_reached,
            } += 1;
        }
        if verdict == "survived" {
            survivors.push(format!("| `{file}` | `{within}` | {} | ({}) |", mutant.change(), mutant.name));
        }
        rows.push(json!({
            "number": mutant.number, "mutant": mutant.name, "line": line, "verdict": verdict, "by": by,
            "runs": outcome.runs, "seconds": outcome.took.as_secs_f64(),
        }));
    }
    // A sample leaves what a complete run found where it is.
    let name = if ran.is_sample { "mutants-sample.json" } else { "mutants.json" };
    let path = target.join("verify").join(name);
    let by: Vec<String> = killed_by.iter().map(|(suite, count)| format!("{suite} {count}")).collect();
    let totals = Totals {
        source: before::source(root)?,
        mutants: all.len(),
        places: places(all),
        tests: ran.tests,
        suites: names,
        seed: ran.schedules.seed,
        schedules: ran.schedules.each,
        tried: outcomes.len(),
        killed: total.killed,
        killed_by,
        spare: total.spare,
        survived: total.survived,
        undecided: total.undecided,
        not_reached: total.not_reached,
        outcomes: rows,
    };
    std::fs::write(&path, serde_json::to_string_pretty(&totals)?)?;

    println!("\n{:<34} {:>7} {:>6} {:>9} {:>10} {:>12}", "", "killed", "spare", "survived", "undecided", "not reached");
    counts.insert("all".to_owned(), total);
    for (file, count) in &counts {
        let Count { killed, spare, survived, undecided, not_reached } = count;
        println!("{file:<34} {killed:>7} {spare:>6} {survived:>9} {undecided:>10} {not_reached:>12}");
    }
    println!("{} of {} mutants tried, killed by: {}; {}", outcomes.len(), all.len(), by.join(", "), path.display());
    if !survivors.is_empty() {
        println!("\nsurvivors, as rows for docs/mutants.md (where a reason is wanted):\n{}", survivors.join("\n"));
    }
    Ok(survivors.len())
}
