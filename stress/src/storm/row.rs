//! Storms by hand: as many as asked for, then the long one.

use super::{Report, Run, Shape, Swarmbus, rage, save};
use crate::Result;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Which storms.
#[derive(Args, Clone, Debug)]
pub struct Storms {
    /// How many that hit processes on their way in.
    #[arg(long, default_value_t = 8)]
    pub storms: u64,
    /// Processes killed in each.
    #[arg(long, default_value_t = 300)]
    pub kills: u32,
    /// Processes killed in the long one, in their work; 0: no long one.
    #[arg(long, default_value_t = 1500)]
    pub long: u32,
    /// Seconds without progress after which a process hangs.
    #[arg(long, default_value_t = 20)]
    pub patience: u64,
    /// Of the first storm; each further one has the next. Another each time if not given.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Where the figures go, instead of a file in target/verify.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl Storms {
    /// Lets them rage over whatever `contend` makes for each, prints what happened and writes it down in `file`.
    ///
    /// # Errors
    /// What keeps a storm from taking place.
    pub fn rage(&self, file: &str, mut contend: impl FnMut(&Shape, u64) -> Result<Run>) -> Result<Report> {
        let seed = self.seed.unwrap_or_else(|| {
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
        });
        eprintln!("seed {seed}");
        let patience = Duration::from_secs(self.patience);
        let shape = Shape { patience, ..Shape::early(self.kills) };
        let mut report = Report::new(&shape);
        for number in 0..self.storms {
            report.storms.push(contend(&shape, seed.wrapping_add(number))?);
        }
        if self.long > 0 {
            let shape = Shape { patience, ..Shape::loaded(self.long) };
            report.long = Some(contend(&shape, seed.wrapping_add(self.storms))?);
        }
        print!("{report}");
        save(&report, self.json.as_deref().unwrap_or(&Path::new("target/verify").join(file)))?;
        Ok(report)
    }

    /// Swarmbus in them.
    ///
    /// # Errors
    /// Anything lost, leaked or stuck.
    pub fn run(&self, program: &Path) -> Result<()> {
        let report = self.rage("storm.json", |shape, seed| rage(&mut Swarmbus::new(program), shape, seed))?;
        if report.is_clean() { Ok(()) } else { Err("something was lost, leaked or stuck: see above".into()) }
    }
}
