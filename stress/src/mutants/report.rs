//! Who was noticed and who was not: for people, and in `verify/mutants.json`.

use super::catalogue::{Mutant, Spares, described};
use super::trial::{Outcome, Verdict};
use crate::Result;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Default)]
struct Count {
    killed: usize,
    spare: usize,
    survived: usize,
    undecided: usize,
    not_reached: usize,
}

/// Prints and writes what became of the mutants. How many survived for no known reason.
pub fn report(
    root: &Path,
    target: &Path,
    all: &[Mutant],
    outcomes: &[(&Mutant, Outcome)],
    spares: &Spares,
    seed: Option<u64>,
) -> Result<usize> {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let mut total = Count::default();
    let mut survivors = Vec::new();
    let mut rows = Vec::new();
    for (mutant, outcome) in outcomes {
        let (file, line) = described(root, mutant);
        let is_spare = spares.hold(root, mutant);
        let by_file = counts.entry(file.clone()).or_default();
        let (verdict, by) = match &outcome.verdict {
            Verdict::Killed(by) => ("killed", Some(by)),
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
            survivors.push(format!("| `{file}` | `{line}` | {} | ({}) |", mutant.change(), mutant.name));
        }
        rows.push(json!({
            "number": mutant.number, "mutant": mutant.name, "line": line, "verdict": verdict, "by": by,
            "runs": outcome.runs, "seconds": outcome.took.as_secs_f64(),
        }));
    }
    let path = target.join("verify/mutants.json");
    let found = json!({ "mutants": all.len(), "tried": outcomes.len(), "seed": seed, "outcomes": rows });
    std::fs::write(&path, serde_json::to_string_pretty(&found)?)?;

    println!("\n{:<34} {:>7} {:>6} {:>9} {:>10} {:>12}", "", "killed", "spare", "survived", "undecided", "not reached");
    counts.insert("all".to_owned(), total);
    for (file, count) in &counts {
        let Count { killed, spare, survived, undecided, not_reached } = count;
        println!("{file:<34} {killed:>7} {spare:>6} {survived:>9} {undecided:>10} {not_reached:>12}");
    }
    println!("{} of {} mutants tried; {}", outcomes.len(), all.len(), path.display());
    if !survivors.is_empty() {
        println!("\nsurvivors, as rows for docs/mutants.md (where a reason is wanted):\n{}", survivors.join("\n"));
    }
    Ok(survivors.len())
}
