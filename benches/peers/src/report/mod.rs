//! What all runs came to, and how it is shown.

pub mod machine;
mod plot;
mod record;
mod table;

use crate::peers::is_ours;
use crate::trial::{Face, Kind, Manner, Outcome, Work};
use anyhow::{Context, Result};
use machine::Machine;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

pub use table::{amount, tables, troubles};

/// All rounds of one rival at one work in one manner.
#[derive(Serialize)]
pub struct Series {
    /// The rival.
    pub peer: String,
    /// How it waits.
    pub manner: Manner,
    /// The work's name.
    pub work: &'static str,
    /// Settings that matter.
    pub settings: String,
    /// Each round's outcome, or why there is none.
    pub rounds: Vec<Round>,
    /// Why it did not run, if it did not.
    pub refused: Option<String>,
}

/// A round.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Round {
    /// What it came to.
    Outcome(Outcome),
    /// Why it came to nothing.
    Failure(String),
}

impl Series {
    /// The median over the rounds of what `figure` picks; none unless most rounds have it.
    pub fn median(&self, figure: impl Fn(&Outcome) -> Option<f64>) -> Option<f64> {
        let mut figures: Vec<f64> = self
            .rounds
            .iter()
            .filter_map(|round| match round {
                Round::Outcome(outcome) => figure(outcome),
                Round::Failure(_) => None,
            })
            .collect();
        if figures.is_empty() || figures.len() * 2 <= self.rounds.len() {
            return None;
        }
        figures.sort_by(f64::total_cmp);
        let middle = figures.len() / 2;
        Some(if figures.len() % 2 == 1 { figures[middle] } else { (figures[middle - 1] + figures[middle]) / 2.0 })
    }

    /// The figure that its work is about: messages per second, or nanoseconds.
    pub fn main_figure(&self, kind: Kind) -> Option<f64> {
        match kind {
            Kind::OneWay | Kind::Batch | Kind::WorkQueue => self.median(|outcome| outcome.rate),
            Kind::RoundTrip | Kind::FanOut | Kind::Calls => {
                self.median(|outcome| outcome.latency.map(|latency| latency.p50))
            }
        }
    }

    /// Why there is no figure, or how many rounds are missing from it.
    pub fn trouble(&self) -> Option<String> {
        if let Some(why) = &self.refused {
            return Some(why.clone());
        }
        let failures: Vec<&String> = self
            .rounds
            .iter()
            .filter_map(|round| match round {
                Round::Failure(why) => Some(why),
                Round::Outcome(_) => None,
            })
            .collect();
        failures.first().map(|why| format!("{} of {} rounds failed: {why}", failures.len(), self.rounds.len()))
    }

    /// It does not run, or has failed from the beginning: another round would only take time.
    pub fn is_hopeless(&self) -> bool {
        let has_failed = self.rounds.iter().all(|round| matches!(round, Round::Failure(_)));
        self.refused.is_some() || self.rounds.len() >= 2 && has_failed
    }

    /// How it is called in a table.
    pub fn title(&self) -> String {
        title(&self.peer, self.manner)
    }
}

/// How a rival in a manner is called in a table.
pub fn title(peer: &str, manner: Manner) -> String {
    format!("{peer}, {}", manner.as_str())
}

/// How the runs were made.
#[derive(Serialize)]
pub struct Settings {
    /// Rounds of each.
    pub rounds: u32,
    /// Seconds that are measured in a round.
    pub seconds: f64,
    /// Seconds before them.
    pub warm_up: f64,
    /// Pauses between two looks of a poller that streams; one in round trips.
    pub pauses: u32,
    /// Whether two cores were whole before and after every round.
    pub whole_cores: bool,
}

/// Everything.
#[derive(Serialize)]
pub struct Results {
    /// When it began, in UTC.
    pub began: String,
    /// Where.
    pub machine: Machine,
    /// How.
    pub settings: Settings,
    /// The rivals' versions.
    pub versions: Vec<(String, String)>,
    /// Rivals that were not there at all, and why.
    pub absent: Vec<(String, String)>,
    /// All figures.
    pub series: Vec<Series>,
}

impl Results {
    /// The series of one rival at a work.
    pub fn of(&self, peer: &str, manner: Manner, work: &Work) -> Option<&Series> {
        self.series.iter().find(|one| one.peer == peer && one.manner == manner && one.work == work.name)
    }

    /// Our own series at a work: in that manner, or the one there is where a face has only one.
    pub fn ours(&self, manner: Manner, work: &Work) -> Option<&Series> {
        let mut ours = self.series.iter().filter(|one| is_ours(&one.peer) && one.work == work.name);
        let same = ours.clone().find(|one| one.manner == manner);
        same.or_else(|| ours.next().filter(|_| work.face == Face::Bash))
    }

    /// Rivals and manners in order of appearance, of those that have something to do with one of `works`.
    pub fn rows(&self, works: &[&Work]) -> Vec<(String, Manner)> {
        let mut rows: Vec<(String, Manner)> = Vec::new();
        for one in self.series.iter().filter(|one| works.iter().any(|work| work.name == one.work)) {
            let row = (one.peer.clone(), one.manner);
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        let order = |peer: &str| crate::peers::ALL.iter().position(|rival| rival.name() == peer);
        rows.sort_by_key(|(peer, manner)| (*manner, order(peer)));
        rows
    }

    /// Writes all samples as JSON.
    pub fn write_json(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let text = serde_json::to_string_pretty(self).context("writing the results as JSON")?;
        fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes the record and its plot, named by the day; says where.
    pub fn write_record(&self, folder: &Path) -> Result<PathBuf> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let day = self.began.split('T').next().unwrap_or("undated");
        let drawing = format!("{day}-peers.svg");
        plot::draw(self, &folder.join(&drawing))?;
        let path = folder.join(format!("{day}-peers.md"));
        fs::write(&path, record::text(self, &drawing)).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}
