//! What a sweep found, for tools and for people.

use super::course::Course;
use crate::victim::Operation;
use std::fmt::Write;
use std::time::Duration;

/// What a sweep found of one operation.
#[derive(Clone, Debug)]
pub struct Row {
    /// The operation.
    pub operation: String,
    /// Instructions of its machine code.
    pub instructions: u64,
    /// Instructions after which the bytes of the bus were others than before.
    pub states: u64,
    /// Victims, alone and beside a peer.
    pub ends: u64,
    /// Of these, those that did not come to the point, beside a peer or because others were faster, and ended after their operation.
    pub missed: u64,
    /// Where something acknowledged was gone.
    pub lost: u64,
    /// Where something came too often.
    pub duplicated: u64,
    /// Where the living could not go on.
    pub stuck: u64,
    /// Where something belonged to nobody.
    pub leaked: u64,
    /// From each kill until all was given back; of a pause, how long it was.
    pub healed_after: Vec<Duration>,
}

impl Row {
    pub(super) fn new(operation: Operation, course: &Course) -> Row {
        Row {
            operation: operation.name(),
            instructions: course.instructions(),
            states: course.changes.len() as u64,
            ends: 0,
            missed: 0,
            lost: 0,
            duplicated: 0,
            stuck: 0,
            leaked: 0,
            healed_after: Vec::new(),
        }
    }

    /// Everything that went wrong.
    pub fn faults(&self) -> u64 {
        self.lost + self.duplicated + self.stuck + self.leaked
    }

    /// The middle and the longest of the times, µs.
    fn times_us(&self) -> (u128, u128) {
        let mut times: Vec<_> = self.healed_after.iter().map(Duration::as_micros).collect();
        times.sort_unstable();
        (times.get(times.len() / 2).copied().unwrap_or(0), times.last().copied().unwrap_or(0))
    }
}

/// For tools.
pub fn as_json(rows: &[Row]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let (p50, max) = row.times_us();
            let Row { operation, instructions, states, ends, missed, lost, duplicated, stuck, leaked, .. } = row;
            format!(
                "{{\"op\": \"{operation}\", \"instructions\": {instructions}, \"states\": {states}, \"kills\": {ends}, \
                 \"lost\": {lost}, \"duplicated\": {duplicated}, \"stuck\": {stuck}, \"leaked\": {leaked}, \
                 \"heal_us_p50\": {p50}, \"heal_us_max\": {max}, \"after_the_end\": {missed}}}"
            )
        })
        .collect();
    format!("[\n  {}\n]\n", rows.join(",\n  "))
}

/// For people, as Markdown.
pub fn as_table(rows: &[Row]) -> String {
    let mut table = String::from(
        "| operation | instructions | states | victims | lost | duplicated | stuck | leaked | p50, µs | max, µs |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for row in rows {
        let (p50, max) = row.times_us();
        let Row { operation, instructions, states, ends, lost, duplicated, stuck, leaked, .. } = row;
        let _ = writeln!(
            table,
            "| `{operation}` | {instructions} | {states} | {ends} | {lost} | {duplicated} | {stuck} | {leaked} | {p50} | {max} |"
        );
    }
    let sum = |of: fn(&Row) -> u64| rows.iter().map(of).sum::<u64>();
    let _ = writeln!(
        table,
        "\n{} operations, {} states, {} victims: {} lost, {} duplicated, {} stuck, {} leaked.",
        rows.len(),
        sum(|row| row.states),
        sum(|row| row.ends),
        sum(|row| row.lost),
        sum(|row| row.duplicated),
        sum(|row| row.stuck),
        sum(|row| row.leaked),
    );
    table
}
