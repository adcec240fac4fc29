//! What a sweep found, for tools and for people.

use super::Kind;
use super::course::Course;
use crate::figures::{self, Swept};
use crate::victim::Operation;
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

    /// As it is written down.
    fn written(&self, seed: Option<u64>) -> Swept {
        let mut times_us: Vec<_> = self.healed_after.iter().map(|time| time.as_micros() as u64).collect();
        times_us.sort_unstable();
        Swept {
            op: self.operation.clone(),
            instructions: self.instructions,
            states: self.states,
            kills: self.ends,
            lost: self.lost,
            duplicated: self.duplicated,
            stuck: self.stuck,
            leaked: self.leaked,
            heal_us_p50: times_us.get(times_us.len() / 2).copied().unwrap_or(0),
            heal_us_max: times_us.last().copied().unwrap_or(0),
            after_the_end: self.missed,
            seed,
        }
    }
}

/// For tools: a line for each operation, with the seed that drew its points if any were drawn.
///
/// # Errors
/// None that these figures could have.
pub fn as_json(rows: &[Row], seed: Option<u64>) -> serde_json::Result<String> {
    let lines =
        rows.iter().map(|row| serde_json::to_string(&row.written(seed))).collect::<serde_json::Result<Vec<_>>>()?;
    Ok(format!("[\n  {}\n]\n", lines.join(",\n  ")))
}

/// For people, as Markdown.
pub fn as_table(rows: &[Row], kind: Kind) -> String {
    let rows: Vec<Swept> = rows.iter().map(|row| row.written(None)).collect();
    let befell = if kind == Kind::Kill { "killed" } else { "paused" };
    format!("{}\n{}\n", figures::as_table(&rows), figures::sums(&rows, befell))
}
