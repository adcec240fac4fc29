//! Storms, fuzzing, flips, mutants, the models, a soak.

use super::grouped;
use crate::Result;
use crate::mutants::Totals;
use crate::storm::{Report, Run};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{Display, Write};

/// What the fuzzer did.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Fuzzed {
    /// Where chance began.
    pub seed: u64,
    /// For how long.
    pub seconds: f64,
    /// Programs that were run.
    pub programs: u64,
    /// Edges of the code that these reached.
    pub edges: u64,
    /// Programs that reached something new.
    pub kept: u64,
    /// Of the slowest, processor time.
    pub slowest_ms: u64,
    /// Programs that crashed or hung.
    pub failures: u64,
}

/// What was written over in a living segment.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Flipped {
    /// Where chance began.
    pub seed: u64,
    /// Processes at work.
    pub processes: u64,
    /// Fields.
    pub fields: u64,
    /// Words written over.
    pub writes: u64,
    /// Operations that the processes came to the end of.
    pub operations: u64,
    /// Buses that were repaired afterwards and worked.
    pub repaired: u64,
    /// Buses whose header did not say any more that they are any.
    pub refused: u64,
}

/// One run of the model on paper, as `docs/model/check.sh` writes it.
#[derive(Deserialize)]
struct Examined {
    /// The property, or the mistake.
    what: String,
    /// `holds`, or by what the mistake was noticed.
    verdict: String,
    states: u64,
    seconds: f64,
}

/// What is read of a soak.
#[derive(Deserialize)]
struct Soaked {
    seed: u64,
    minutes: f64,
    agents: u64,
    kills: u64,
    verdicts: Vec<Judged>,
}

#[derive(Deserialize)]
struct Judged {
    figure: String,
    middle: f64,
    last: f64,
    is_flat: bool,
}

fn figure<T: Display>(figure: Option<T>) -> String {
    figure.map_or("-".to_owned(), |figure| figure.to_string())
}

/// What the books say, if anybody kept some.
fn books(storms: &[&Run]) -> String {
    let sent: u64 = storms.iter().filter_map(|run| run.sent).sum();
    let balances: Vec<bool> = storms.iter().filter_map(|run| run.books_balance).collect();
    let lost = if balances.contains(&false) { "some lost" } else { "none lost" };
    if balances.is_empty() { String::new() } else { format!("; {} acknowledged sends, {lost}", grouped(sent)) }
}

pub(super) fn storms(text: &str) -> Result<String> {
    let Report { at_once, storms, long } = serde_json::from_str(text)?;
    let all: Vec<&Run> = storms.iter().chain(&long).collect();
    let seed = all.first().ok_or("there was no storm")?.seed;
    let sum = |of: fn(&Run) -> u64| grouped(all.iter().map(|run| of(run)).sum());
    let mut table = format!(
        "`--seed {seed}`, {at_once} processes at a time: **{} killed, {} within 50 ms of their exec; {} members, {} chunks, {} files left, {} hangs{}.**\n\n\
         | storm | killed | within 50 ms | members left | chunks | files | hangs | sent | lost | fresh, ms | all, s |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        sum(|run| run.kills.into()),
        sum(|run| run.kills_in_50_ms.into()),
        sum(|run| run.leaked_members),
        all.iter().map(|run| run.leaked_chunks).sum::<Option<u64>>().map_or("?".to_owned(), grouped),
        sum(|run| run.leaked_files),
        sum(|run| run.hangs.len() as u64),
        books(&all),
    );
    let named = storms.iter().enumerate().map(|(at, run)| ((at + 1).to_string(), run));
    for (name, run) in named.chain(long.iter().map(|run| ("long".to_owned(), run))) {
        let Run { kills, kills_in_50_ms, leaked_members, leaked_chunks, leaked_files, .. } = run;
        let _ = writeln!(
            table,
            "| {name} | {kills} | {kills_in_50_ms} | {leaked_members} | {} | {leaked_files} | {} | {} | {} | {} | {:.1} |",
            figure(*leaked_chunks),
            run.hangs.len(),
            figure(run.sent.map(grouped)),
            figure(run.books_balance.map(|balance| if balance { "0" } else { "some" })),
            figure(run.fresh_ms.map(|ms| format!("{ms:.1}"))),
            run.seconds,
        );
    }
    Ok(table)
}

pub(super) fn fuzzed(text: &str) -> Result<String> {
    let Fuzzed { seed, seconds, programs, edges, slowest_ms, failures, .. } = serde_json::from_str(text)?;
    Ok(format!(
        "{seconds:.0} s of fuzzing, `--seed {seed}`: {} programs, {} edges, the slowest took {slowest_ms} ms of a processor; \
         **{failures} crashed or hung**.",
        grouped(programs),
        grouped(edges)
    ))
}

pub(super) fn flipped(text: &str) -> Result<String> {
    let Flipped { seed, processes, fields, writes, operations, repaired, refused } = serde_json::from_str(text)?;
    Ok(format!(
        "Every field of a living segment beside {processes} processes at work, `--seed {seed}`: {fields} fields, {} words written over, \
         {} operations; **none crashed, none hung**. Of the {fields} buses that were left {repaired} were repaired by `fsck`, and everything worked; \
         {refused} were refused, their header being no bus' any more.",
        grouped(writes),
        grouped(operations)
    ))
}

pub(super) fn mutants(text: &str) -> Result<String> {
    let totals: Totals = serde_json::from_str(text)?;
    let Totals { mutants, places, tests, suites, seed, schedules, .. } = &totals;
    let Totals { tried, killed, killed_by, spare, survived, undecided, not_reached, .. } = &totals;
    let by: Vec<String> = killed_by.iter().map(|(suite, count)| format!("{count} by `{suite}`")).collect();
    Ok(format!(
        "{mutants} mutants in {places} places, passed by {tests} tests of `{}` (`--seed {seed}`, {schedules} schedules for each test of shuttle):\n\n\
         | tried | killed | spare | survived | undecided | not reached |\n| ---: | ---: | ---: | ---: | ---: | ---: |\n\
         | {tried} | {killed} ({}) | {spare} | {survived} | {undecided} | {not_reached} |",
        suites.join(","),
        by.join(", ")
    ))
}

pub(super) fn model(text: &str) -> Result<String> {
    let rows: Vec<Examined> = serde_json::from_str(text)?;
    let mut table = String::from("| model | | states | s |\n| --- | --- | ---: | ---: |\n");
    for Examined { what, verdict, states, seconds } in &rows {
        let said = if verdict == "holds" { "holds".to_owned() } else { format!("noticed by {verdict}") };
        let _ = writeln!(table, "| {what} | {said} | {} | {seconds:.1} |", grouped(*states));
    }
    Ok(table)
}

/// How far one exploration of a loom model came, as `core/tests/loom` writes it.
#[derive(Deserialize)]
struct Explored {
    model: String,
    bound: u64,
    runs: u64,
    complete: bool,
}

pub(super) fn loom(text: &str) -> Result<String> {
    let explored: Vec<Explored> =
        serde_json::Deserializer::from_str(text).into_iter().collect::<serde_json::Result<_>>()?;
    let bound = explored.iter().map(|one| one.bound).min().ok_or("no model was explored")?;
    let mut cut_off: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for one in &explored {
        let (all, cut) = cut_off.entry(&one.model).or_default();
        *all += 1;
        *cut += u64::from(!one.complete);
    }
    let models = cut_off.len();
    cut_off.retain(|_, (_, cut)| *cut > 0);
    let mut text = format!(
        "At least {bound} preemptions, {} explorations (one for each death), {} orders in all, no failure. **Through: {} of {models} models**",
        grouped(explored.len() as u64),
        grouped(explored.iter().map(|one| one.runs).sum()),
        models - cut_off.len(),
    );
    let longest = explored.iter().filter(|one| !one.complete).map(|one| one.runs).max();
    match longest {
        None => text.push('.'),
        Some(runs) => {
            let _ = write!(text, "; cut off after {} orders, of so many explorations:\n\n", grouped(runs));
            text.push_str("| model | explorations | cut off |\n| --- | ---: | ---: |\n");
            for (model, (all, cut)) in &cut_off {
                let _ = writeln!(text, "| `{model}` | {all} | {cut} |");
            }
        }
    }
    Ok(text)
}

pub(super) fn soak(text: &str) -> Result<String> {
    let Soaked { seed, minutes, agents, kills, verdicts } = serde_json::from_str(text)?;
    let mut table = format!(
        "{minutes} minutes, {agents} agents, {} of them killed, `--seed {seed}`:\n\n\
         | figure | middle third | last third | |\n| --- | ---: | ---: | --- |\n",
        grouped(kills)
    );
    for Judged { figure, middle, last, is_flat } in &verdicts {
        let verdict = if *is_flat { "flat" } else { "**rises**" };
        let _ = writeln!(table, "| {figure} | {middle:.1} | {last:.1} | {verdict} |");
    }
    Ok(table)
}
