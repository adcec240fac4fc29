//! Sweeps over machine instructions.

use super::grouped;
use crate::Result;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// What a sweep found of one operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Swept {
    /// The operation.
    pub op: String,
    /// Instructions of its machine code.
    pub instructions: u64,
    /// Instructions after which the bytes of the bus were others than before.
    pub states: u64,
    /// Victims that were killed, or paused, alone and beside a peer.
    pub kills: u64,
    /// Where something acknowledged was gone.
    pub lost: u64,
    /// Where something came too often.
    pub duplicated: u64,
    /// Where the living could not go on.
    pub stuck: u64,
    /// Where something belonged to nobody.
    pub leaked: u64,
    /// From a kill until all was given back; of a pause, how long it was.
    pub heal_us_p50: u64,
    /// The longest.
    pub heal_us_max: u64,
    /// Victims that did not come to the point and ended after their operation.
    pub after_the_end: u64,
    /// What was drawn was drawn from this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// One row for each operation.
pub fn as_table(rows: &[Swept]) -> String {
    let mut table = String::from(
        "| operation | instructions | states | victims | lost | duplicated | stuck | leaked | p50, µs | max, µs |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for row in rows {
        let Swept { op, instructions, states, kills, lost, duplicated, stuck, leaked, .. } = row;
        let Swept { heal_us_p50, heal_us_max, .. } = row;
        let _ = writeln!(
            table,
            "| `{op}` | {instructions} | {states} | {kills} | {lost} | {duplicated} | {stuck} | {leaked} | {heal_us_p50} | {heal_us_max} |"
        );
    }
    table
}

/// All of them in a sentence.
pub fn sums(rows: &[Swept], befell: &str) -> String {
    let sum = |of: fn(&Swept) -> u64| grouped(rows.iter().map(of).sum::<u64>());
    let seed = rows.first().and_then(|row| row.seed).map(|seed| format!(" (`--seed {seed}`)")).unwrap_or_default();
    format!(
        "**{} operations, {} states found, {} processes {befell}, {} of them at the end since others were faster: {} lost, {} duplicated, {} stuck, {} leaked**{seed}.",
        rows.len(),
        sum(|row| row.states),
        sum(|row| row.kills),
        sum(|row| row.after_the_end),
        sum(|row| row.lost),
        sum(|row| row.duplicated),
        sum(|row| row.stuck),
        sum(|row| row.leaked),
    )
}

fn read(text: &str) -> Result<Vec<Swept>> {
    Ok(serde_json::from_str(text)?)
}

pub(super) fn killed(text: &str) -> Result<String> {
    let rows = read(text)?;
    let mut middles: Vec<u64> = rows.iter().map(|row| row.heal_us_p50).collect();
    middles.sort_unstable();
    let middle = middles.get(middles.len() / 2).copied().unwrap_or(0);
    let longest = rows.iter().max_by_key(|row| row.heal_us_max).ok_or("no operation was swept")?;
    Ok(format!(
        "{} Half of the operations heal in {middle} µs or less at the median; the longest heal took {:.1} ms (`{}`).\n\n{}",
        sums(&rows, "killed"),
        longest.heal_us_max as f64 / 1000.0,
        longest.op,
        as_table(&rows)
    ))
}

pub(super) fn paused(text: &str) -> Result<String> {
    let rows = read(text)?;
    let longest = rows.iter().max_by_key(|row| row.heal_us_max).ok_or("no operation was swept")?;
    Ok(format!(
        "{} The longest stood still for {:.1} ms (`{}`).",
        sums(&rows, "paused"),
        longest.heal_us_max as f64 / 1000.0,
        longest.op
    ))
}
