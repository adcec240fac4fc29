//! Says what has become faster or slower since a revision: runs criterion's benchmarks of both alternately, several rounds, and compares.
//!
//! `make bench-compare BASE=<revision>`. Works in `target/bench-compare`; a build of the base is there for the next time.

use clap::Parser;
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use swarmbus_benches::{interval, median};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Parser)]
#[command(about = "Compares the benchmarks of a revision with those of the working tree; fails if something is slower")]
struct Arguments {
    /// The revision to compare with.
    base: String,
    /// How often both are run, one after the other.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..))]
    rounds: u32,
    /// Percent by which something must be slower, with its whole interval, for a failure.
    #[arg(long, default_value_t = 5.0)]
    threshold: f64,
    /// Run these programs of `benches/benches` only.
    #[arg(long = "bench", value_name = "NAME")]
    benches: Vec<String>,
    /// Run those benchmarks only whose name matches, as criterion understands it.
    #[arg(long)]
    filter: Option<String>,
    /// Seconds that each benchmark is measured in each round.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
}

/// The two that are compared.
#[derive(Clone, Copy)]
enum Side {
    Base,
    Now,
}

/// What each program measured: of each benchmark, by round, nanoseconds per iteration.
type Measured = BTreeMap<String, Vec<Vec<f64>>>;

fn main() -> ExitCode {
    match compare(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-compare: {error}");
            ExitCode::from(2)
        }
    }
}

fn compare(arguments: &Arguments) -> Result<bool> {
    let root = PathBuf::from(said("git", &["rev-parse", "--show-toplevel"], Path::new("."))?);
    let place = root.join("target/bench-compare");
    fs::create_dir_all(&place)?;
    let revision = check_out(&root, &place.join("base"), &arguments.base)?;
    eprintln!("building {} ({revision}) and the working tree", arguments.base);
    let base = build(&place.join("base"), Some(&place.join("build")), &arguments.benches)?;
    let now = build(&root, None, &arguments.benches)?;
    let wanted = |name: &&String| arguments.benches.is_empty() || arguments.benches.contains(name);
    let programs: Vec<_> = now.keys().filter(wanted).filter(|name| base.contains_key(*name)).collect();
    if programs.is_empty() {
        return Err(
            format!("nothing to compare; there is {}", now.keys().cloned().collect::<Vec<_>>().join(", ")).into()
        );
    }
    let mut measured = [Measured::new(), Measured::new()];
    for round in 0..arguments.rounds {
        for program in &programs {
            // Who is first takes turns as well.
            let turns = if round % 2 == 0 { [Side::Base, Side::Now] } else { [Side::Now, Side::Base] };
            for side in turns {
                let (name, executable) = match side {
                    Side::Base => ("base", &base[*program]),
                    Side::Now => ("now", &now[*program]),
                };
                eprintln!("round {} of {}: {program}, {name}", round + 1, arguments.rounds);
                let results = place.join("results").join(name);
                measure(executable, &root.join("benches"), &results, arguments)?;
                collect(&results, &mut measured[side as usize])?;
            }
        }
    }
    for program in base.keys().filter(wanted).filter(|name| !now.contains_key(*name)) {
        println!("only in the base: the program {program}");
    }
    for program in now.keys().filter(wanted).filter(|name| !base.contains_key(*name)) {
        println!("only here: the program {program}");
    }
    let [base, now] = &measured;
    Ok(report(base, now, arguments.threshold / 100.0))
}

/// What a program says on its standard output.
fn said(program: &str, arguments: &[&str], folder: &Path) -> Result<String> {
    let output = Command::new(program).args(arguments).current_dir(folder).output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} {}: {}", arguments.join(" "), why.trim()).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Puts a revision into a working tree of its own; its short name.
fn check_out(root: &Path, tree: &Path, revision: &str) -> Result<String> {
    let commit = said("git", &["rev-parse", "--verify", "--short", &format!("{revision}^{{commit}}")], root)?;
    if tree.join("Cargo.toml").exists() {
        said("git", &["checkout", "--quiet", "--force", "--detach", &commit], tree)?;
    } else {
        // A tree that was deleted is still in git's list.
        said("git", &["worktree", "prune"], root)?;
        let tree = tree.to_str().ok_or("the folder's name is no text")?;
        said("git", &["worktree", "add", "--quiet", "--force", "--detach", tree, &commit], root)?;
    }
    Ok(commit)
}

/// Builds the benchmarks of a tree, or only these; the programs by name.
fn build(tree: &Path, target: Option<&Path>, only: &[String]) -> Result<BTreeMap<String, PathBuf>> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(tree).args(["bench", "--quiet", "-p", "swarmbus-benches", "--no-run"]);
    // The other tree may not have all of them.
    let there = only.iter().filter(|name| tree.join(format!("benches/benches/{name}.rs")).exists());
    let wanted: Vec<_> = there.map(|name| format!("--bench={name}")).collect();
    match (only.is_empty(), wanted.is_empty()) {
        (true, _) => cargo.arg("--benches"),
        (_, false) => cargo.args(&wanted),
        _ => return Ok(BTreeMap::new()),
    };
    cargo.arg("--message-format=json-render-diagnostics").stderr(std::process::Stdio::inherit());
    if let Some(target) = target {
        cargo.arg("--target-dir").arg(target);
    }
    let output = cargo.output()?;
    if !output.status.success() {
        return Err(format!("the benchmarks of {} cannot be built", tree.display()).into());
    }
    let mut programs = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line)?;
        let target = &message["target"];
        if target["kind"][0] == "bench"
            && let (Some(name), Some(executable)) = (target["name"].as_str(), message["executable"].as_str())
        {
            programs.insert(name.to_owned(), executable.into());
        }
    }
    Ok(programs)
}

/// Runs a program once; its results replace those that are there.
fn measure(executable: &Path, folder: &Path, results: &Path, arguments: &Arguments) -> Result<()> {
    let _ = fs::remove_dir_all(results);
    let mut program = Command::new(executable);
    program.current_dir(folder).env("CRITERION_HOME", results).args(["--bench", "--noplot", "--sample-size", "20"]);
    program.args(["--warm-up-time", "0.3", "--measurement-time", &arguments.seconds.to_string()]);
    program.args(&arguments.filter);
    let output = program.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}\n{}", executable.display(), output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// Adds the results of a run to those of earlier ones.
fn collect(folder: &Path, measured: &mut Measured) -> Result<()> {
    // Where nothing matches the filter, there are no results.
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name == "new") {
            let benchmark = read(&path.join("benchmark.json"))?;
            let name = benchmark["full_id"].as_str().ok_or("a benchmark without a name")?;
            let sample = read(&path.join("sample.json"))?;
            let values = |field: &str| -> Vec<f64> {
                sample[field].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
            };
            let each = values("times").iter().zip(values("iters")).map(|(time, count)| time / count).collect();
            measured.entry(name.to_owned()).or_default().push(each);
        } else if path.is_dir() {
            collect(&path, measured)?;
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Value> {
    let text = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(serde_json::from_slice(&text)?)
}

/// Prints what became of each benchmark; whether none is slower by more than the threshold.
fn report(base: &Measured, now: &Measured, threshold: f64) -> bool {
    let width = now.keys().map(|name| name.chars().count()).max().unwrap_or(0).max(9);
    println!("{:width$}  {:>10} {:>10}  {:>6}  {:^15}", "benchmark", "base", "now", "ratio", "95 %");
    let mut worse = 0;
    for (name, now) in now {
        let Some(base) = base.get(name) else {
            println!("{name:width$}  only here");
            continue;
        };
        let [low, ratio, high] = interval(base, now);
        let verdict = match () {
            () if low > 1.0 + threshold => "SLOWER, beyond the threshold",
            () if low > 1.0 => "slower",
            () if high < 1.0 => "faster",
            () => "same",
        };
        worse += (low > 1.0 + threshold) as u32;
        let [was, is] =
            [base, now].map(|rounds| duration(median(rounds.iter().map(|round| median(round.clone())).collect())));
        println!("{name:width$}  {was:>10} {is:>10}  {ratio:>6.3}  {low:>6.3} … {high:<6.3}  {verdict}");
    }
    base.keys().filter(|name| !now.contains_key(*name)).for_each(|name| println!("{name:width$}  only in the base"));
    if worse > 0 {
        println!("{worse} slower by more than {} %", threshold * 100.0);
    }
    worse == 0
}

fn duration(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.1} ns"),
        ns if ns < 1e6 => format!("{:.2} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five rounds of twenty samples around a mean, each round in another mood of the machine.
    fn rounds(mean: f64) -> Vec<Vec<f64>> {
        let mood = [1.0, 1.3, 0.9, 2.0, 1.1];
        mood.iter()
            .map(|mood| (0..20).map(|sample| mean * mood * (1.0 + f64::from(sample % 5) / 100.0)).collect())
            .collect()
    }

    #[test]
    fn what_is_equal_is_neither_faster_nor_slower() {
        let [low, ratio, high] = interval(&rounds(100.0), &rounds(100.0));
        assert!(low <= 1.0 && (0.99..1.01).contains(&ratio) && high >= 1.0, "{low} {ratio} {high}");
    }

    #[test]
    fn what_is_a_tenth_slower_is_found_in_every_mood() {
        let [low, ratio, high] = interval(&rounds(100.0), &rounds(110.0));
        assert!(low > 1.05 && (1.09..1.11).contains(&ratio) && high < 1.15, "{low} {ratio} {high}");
    }

    #[test]
    fn slower_than_the_threshold_fails_and_what_is_new_does_not() {
        let measured = |mean| Measured::from([("one".to_owned(), rounds(mean))]);
        let mut now = measured(110.0);
        now.insert("new".into(), rounds(1.0));
        assert!(!report(&measured(100.0), &now, 0.05));
        assert!(report(&measured(100.0), &now, 0.2));
        assert!(report(&now, &measured(100.0), 0.05));
    }
}
