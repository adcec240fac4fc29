//! Which mutants there are, and which of them may live.

use super::survey::{Suite, Test};
use crate::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A mistake at a place.
#[derive(Debug)]
pub struct Mutant {
    /// Its number: the same for as long as the source is.
    pub number: usize,
    /// What `SWARMBUS_MUTANT` says.
    pub name: String,
    /// Who passes the place: indices of tests.
    pub tests: Vec<usize>,
}

impl Mutant {
    /// File and line, if it is at a place.
    pub fn place(&self) -> Option<(&str, usize)> {
        let (place, _) = self.name.split_once(' ')?;
        let mut parts = place.split(':');
        Some((parts.next()?, parts.next()?.parse().ok()?))
    }

    /// The mistake at the place.
    pub fn change(&self) -> &str {
        self.name.split_once(' ').map_or("", |(_, change)| change)
    }
}

/// What can go wrong at a place where this is done, and can be noticed by these tests. On the machines that run real processes a missing edge or fence seldom shows,
/// and among the threads of shuttle never.
fn changes(suite: Suite, operation: &str, order: &str) -> &'static [&'static str] {
    match (suite, operation, order) {
        (Suite::Models, "Load", "ordered") => &["relaxed"],
        (Suite::Models, "Store", "ordered") => &["skip", "late", "again", "relaxed"],
        (Suite::Models, "Store", _) => &["skip", "late", "again"],
        (Suite::Models, "CompareExchange", _) => &["skip", "blind", "late", "relaxed"],
        (Suite::Models, "WakeExchange", _) => &["skip", "blind", "relaxed"],
        (Suite::Models, "Fetch", "ordered") => &["skip", "late", "relaxed"],
        (Suite::Models, "Fetch", _) => &["skip", "late"],
        (Suite::Models, "Fence", _) | (_, "Wake", _) => &["skip"],
        (Suite::Shuttle, "Store", _) => &["skip", "late", "again"],
        (Suite::Shuttle, "CompareExchange", _) => &["skip", "blind", "late"],
        (Suite::Shuttle, "WakeExchange", _) => &["skip", "blind"],
        (Suite::Shuttle, "Fetch", _) => &["skip", "late"],
        (Suite::Sweeps | Suite::Tests, "Store", _) => &["skip"],
        (Suite::Sweeps | Suite::Tests, "CompareExchange" | "WakeExchange", _) => &["skip", "blind"],
        // Without an order it is a figure for people.
        (Suite::Sweeps | Suite::Tests, "Fetch", "ordered") => &["skip"],
        _ => &[],
    }
}

/// Where a mutant stands in the order of the source: file, line, column, mistake.
type Place = (String, u32, u32, String);

/// All mutants, in the order of the source.
pub fn catalogue(tests: &[Test]) -> Vec<Mutant> {
    let mut found: BTreeMap<Place, (String, BTreeSet<usize>)> = BTreeMap::new();
    for (index, test) in tests.iter().enumerate() {
        for site in &test.sites {
            let mut add = |key, name: String| found.entry(key).or_insert((name, BTreeSet::new())).1.insert(index);
            let (place, rest) = site.split_once(' ').unwrap_or((site, ""));
            let mut parts = place.rsplitn(3, ':');
            let numbers = (parts.next().and_then(|n| n.parse().ok()), parts.next().and_then(|n| n.parse().ok()));
            if let ((Some(column), Some(line)), Some(file)) = (numbers, parts.next()) {
                // Tests pass the door as well, to set a scene.
                if !file.starts_with("core/src/") {
                    continue;
                }
                let (operation, order) = rest.split_once(' ').unwrap_or((rest, ""));
                for change in changes(test.suite, operation, order) {
                    add((file.to_owned(), line, column, (*change).to_owned()), format!("{place} {change}"));
                }
            } else if place == "mistake" || test.suite == Suite::Models {
                add((place.to_owned(), 0, 0, rest.to_owned()), site.clone());
            }
        }
    }
    let numbered = found.into_values().enumerate();
    numbered
        .map(|(number, (name, passed_by))| {
            let mut passed_by: Vec<usize> = passed_by.into_iter().collect();
            passed_by.sort_by_key(|test| tests[*test].takes);
            Mutant { number, name, tests: passed_by }
        })
        .collect()
}

/// How many places of the source they are in.
pub fn places(mutants: &[Mutant]) -> usize {
    mutants
        .iter()
        .filter_map(|mutant| mutant.name.rsplit_once(' '))
        .map(|(place, _)| place)
        .collect::<BTreeSet<_>>()
        .len()
}

/// Which mutants may live, by file, by text of the line, and by mistake: so a reason holds when lines move.
pub struct Spares(BTreeSet<(String, String, String)>);

impl Spares {
    /// Reads the table of `docs/mutants.md`: file, line, mistakes, reason.
    pub fn read(root: &Path) -> Result<Spares> {
        let text = std::fs::read_to_string(root.join("docs/mutants.md"))?;
        let mut spares = BTreeSet::new();
        for row in text.lines().filter_map(|line| line.strip_prefix("| `")) {
            // A line of source may hold what separates columns.
            let Some((file, rest)) = row.split_once("` | `") else { continue };
            let Some((line, rest)) = rest.split_once("` | ") else { continue };
            let Some((mistakes, _)) = rest.split_once(" | ") else { continue };
            for mistake in mistakes.split(", ") {
                spares.insert((file.to_owned(), line.to_owned(), mistake.to_owned()));
            }
        }
        Ok(Spares(spares))
    }

    /// Whether there is a reason why this one may live.
    pub fn hold(&self, root: &Path, mutant: &Mutant) -> bool {
        let (file, lines) = described(root, mutant);
        lines.into_iter().any(|line| self.0.contains(&(file.clone(), line, mutant.change().to_owned())))
    }
}

/// File and text of the line, as the table may have them: alone, or behind the name of its function where the same text stands elsewhere, too.
pub fn described(root: &Path, mutant: &Mutant) -> (String, [String; 2]) {
    let Some((file, line)) = mutant.place() else {
        let (kind, _) = mutant.name.split_once(' ').unwrap_or_default();
        return (kind.to_owned(), ["-".to_owned(), "-".to_owned()]);
    };
    let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
    (file.to_owned(), lines(&text).nth(line - 1).unwrap_or_default())
}

/// Each line of a source as the table may have it.
fn lines(text: &str) -> impl Iterator<Item = [String; 2]> {
    let mut function = "";
    text.lines().map(move |line| {
        let line = line.trim();
        function = name_of_function(line).unwrap_or(function);
        let shown = line.replace('|', "¦");
        let within = format!("{function}: {shown}");
        [shown, within]
    })
}

/// The name of the function that begins on this line.
fn name_of_function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let begins = before.split_whitespace().all(|word| word.starts_with("pub") || matches!(word, "const" | "unsafe"));
    after.split(['(', '<']).next().filter(|_| begins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::time::Duration;

    fn test(suite: Suite, takes_ms: u64, sites: &[&str]) -> Test {
        Test {
            suite,
            program: PathBuf::new(),
            name: String::new(),
            takes: Duration::from_millis(takes_ms),
            sites: sites.iter().map(|site| (*site).to_owned()).collect(),
        }
    }

    #[test]
    fn a_mutant_is_given_to_all_who_pass_its_place_the_quickest_first() {
        let store = "core/src/ring.rs:7:9 Store relaxed";
        let tests = [
            test(Suite::Models, 9, &[store, "mistake no-doorway"]),
            test(Suite::Models, 3, &[store, "core/tests/loom/ring.rs:1:1 Store relaxed"]),
        ];
        let mutants = catalogue(&tests);
        let names: Vec<&str> = mutants.iter().map(|mutant| mutant.name.as_str()).collect();
        let at = |change: &str| format!("core/src/ring.rs:7:9 {change}");
        assert_eq!(names, [at("again"), at("late"), at("skip"), "mistake no-doorway".to_owned()]);
        assert_eq!((mutants[0].tests.as_slice(), mutants[3].tests.as_slice()), ([1, 0].as_slice(), [0].as_slice()));
        assert_eq!((mutants[0].place(), mutants[0].change()), (Some(("core/src/ring.rs", 7)), "again"));
    }

    #[test]
    fn a_missing_edge_is_for_loom_and_the_rest_for_shuttle_too() {
        let sites = ["core/src/ring.rs:7:9 Store ordered", "core/src/wait.rs:3:5 Fence ordered", "edge 1 release"];
        let mutants = catalogue(&[test(Suite::Models, 9, &sites), test(Suite::Shuttle, 3, &sites)]);
        let asked: Vec<_> = mutants.iter().map(|mutant| (mutant.change(), mutant.tests.as_slice())).collect();
        let (loom, both) = ([0].as_slice(), [1, 0].as_slice());
        let wanted =
            [("again", both), ("late", both), ("relaxed", loom), ("skip", both), ("skip", loom), ("1 release", loom)];
        assert_eq!(asked, wanted);
    }

    #[test]
    fn every_reason_speaks_of_a_line_that_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let Spares(spares) = Spares::read(root).unwrap();
        assert!(!spares.is_empty());
        for (file, line, _) in spares.iter().filter(|(_, line, _)| line != "-") {
            let text = std::fs::read_to_string(root.join(file)).unwrap();
            assert!(lines(&text).any(|found| found.contains(line)), "{file} has no line {line}");
        }
    }

    #[test]
    fn a_line_may_be_told_by_its_function() {
        let text = "pub(crate) fn first(x: u64) -> u64 {\n    x | 1\n}\n// fn is a word\nfn second<T>() {\n    let f: fn (u64);\n    x | 1\n}";
        let found: Vec<String> = lines(text).filter(|[line, _]| line == "x ¦ 1").map(|[_, within]| within).collect();
        assert_eq!(found, ["first: x ¦ 1", "second: x ¦ 1"]);
    }
}
