//! What stands in a column of a row: something that can be compared, and written in a few characters.

use std::cmp::Ordering;

use crate::units;

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Words.
    Text(&'a str),
    /// A number of things.
    Count(u64),
    /// Things a second.
    Rate(f64),
    /// Bytes.
    Bytes(u64),
    /// A short time, ns.
    Time(u64),
    /// For how long, ns; `true`: at least.
    Age(u64, bool),
    /// So many of so many.
    Done(u32, u32),
    /// Nothing is known, or there is nothing.
    Absent,
}

impl Cell<'_> {
    /// Which of two cells of a column comes first, counted upwards; what is absent comes before everything.
    pub fn order(&self, other: &Cell<'_>) -> Ordering {
        match (self, other) {
            (Cell::Text(a), Cell::Text(b)) => natural(a, b),
            (Cell::Done(a, of_a), Cell::Done(b, of_b)) => {
                (u64::from(*a) * u64::from(*of_b).max(1)).cmp(&(u64::from(*b) * u64::from(*of_a).max(1)))
            }
            _ => self.number().total_cmp(&other.number()),
        }
    }

    fn number(&self) -> f64 {
        match *self {
            Cell::Count(number) | Cell::Bytes(number) | Cell::Time(number) | Cell::Age(number, _) => number as f64,
            Cell::Rate(rate) => rate,
            Cell::Done(..) | Cell::Text(_) => 0.0,
            Cell::Absent => -1.0,
        }
    }

    /// Whether somebody who filters by `wanted`, in small letters, means this.
    pub fn contains(&self, wanted: &str) -> bool {
        matches!(self, Cell::Text(text) if text.to_lowercase().contains(wanted))
    }

    /// In a few characters.
    pub fn text(&self) -> String {
        match *self {
            Cell::Text("") | Cell::Absent => "-".to_owned(),
            Cell::Text(text) => crate::message::harmless(text),
            Cell::Count(count) => many(count as f64, 0),
            Cell::Rate(rate) => many(rate, usize::from(rate < 9.95 && rate > 0.0)),
            Cell::Bytes(bytes) => units::bytes(bytes),
            Cell::Time(ns) => units::nanoseconds(ns),
            Cell::Age(ns, at_least) => format!("{}{}", if at_least { "≥" } else { "" }, age(ns)),
            Cell::Done(done, of) => format!("{done}/{of}"),
        }
    }
}

/// A number in at most six characters.
fn many(value: f64, digits: usize) -> String {
    match value {
        ..1e5 => format!("{value:.digits$}"),
        ..1e7 => format!("{:.0}k", value / 1e3),
        ..1e10 => format!("{:.1}M", value / 1e6),
        _ => format!("{:.1}G", value / 1e9),
    }
}

/// A span of time in at most six characters.
pub fn age(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    match seconds {
        0..10 => format!("{:.1}s", ns as f64 / 1e9),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Names in the order in which people count: `worker-2` before `worker-10`.
pub fn natural(a: &str, b: &str) -> Ordering {
    let parts = |name: &str| {
        let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count().min(18);
        name.len() - digits
    };
    let ((stem_a, number_a), (stem_b, number_b)) = (a.split_at(parts(a)), b.split_at(parts(b)));
    let number = |digits: &str| digits.parse::<u64>().unwrap_or(0);
    stem_a.cmp(stem_b).then_with(|| number(number_a).cmp(&number(number_b))).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_counted() {
        let mut names = ["worker-10", "worker-2", "alice", "worker-1", "worker-02"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["alice", "worker-1", "worker-02", "worker-2", "worker-10"]);
    }

    #[test]
    fn what_is_absent_is_less_than_nothing() {
        assert_eq!(Cell::Absent.order(&Cell::Count(0)), Ordering::Less);
        assert_eq!(Cell::Rate(0.5).order(&Cell::Rate(12.0)), Ordering::Less);
        assert_eq!(Cell::Done(1, 2).order(&Cell::Done(2, 3)), Ordering::Less);
    }

    #[test]
    fn everything_is_short() {
        let cells = [Cell::Count(99_999), Cell::Count(123_456), Cell::Count(12_345_678), Cell::Rate(3.21)];
        assert_eq!(cells.map(|cell| cell.text()), ["99999", "123k", "12.3M", "3.2"]);
        assert_eq!([Cell::Rate(0.0), Cell::Rate(412.7), Cell::Absent].map(|cell| cell.text()), ["0", "413", "-"]);
        let ages = [900_000_000, 59_000_000_000, 185_000_000_000, 7_380_000_000_000, 180_000_000_000_000];
        assert_eq!(ages.map(age), ["0.9s", "59s", "3m05s", "2h03m", "2d02h"]);
        assert_eq!(Cell::Age(5_000_000_000, true).text(), "≥5.0s");
    }
}
