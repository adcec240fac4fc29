//! Events as structured lines: time, level, event; in the run directory, on the bus, and for whoever follows.

use crate::event::{Event, Next};
use crate::rotate::{Plan, archive};
use crate::rundir;
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use swarmbus_core::{ContentType, Member, Policy, PublishOptions, TopicOptions};

/// The topic on which a supervisor publishes what happens.
pub const TOPIC: &str = "swarmbus.events";

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// How far something is.
    Debug,
    /// Something happened.
    Info,
    /// Something failed, and is mended.
    Warning,
    /// Something failed for good.
    Error,
}

/// How much an event matters.
pub fn level(event: &Event) -> Level {
    match event {
        Event::Starting { .. } | Event::DrainLeft { .. } => Level::Debug,
        Event::Ended { next: Next::GivenUp(_), .. } | Event::PoolFailed { .. } => Level::Error,
        Event::Ended { next: Next::Restart(_), .. } | Event::Warning { .. } => Level::Warning,
        Event::Signalled { .. } | Event::Unread { .. } => Level::Warning,
        Event::Stalled { .. } | Event::Overflow { .. } | Event::Memory { .. } | Event::Shed { .. } => Level::Warning,
        _ => Level::Info,
    }
}

/// An event with its time and level.
#[derive(Serialize)]
pub struct Record<'a> {
    time: String,
    level: Level,
    #[serde(flatten)]
    event: &'a Event,
}

impl Record<'_> {
    /// Of an event that happens now.
    pub fn of(event: &Event) -> Record<'_> {
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        Record { time, level: level(event), event }
    }

    /// As a line of JSON, without its end.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Where events are kept: a file in the run directory, and a topic of the bus.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// As of agents' logs.
    pub plan: Plan,
}

impl Records {
    /// Goes on with the file of a run directory.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(dir: &Path, plan: Plan) -> io::Result<Records> {
        let path = rundir::events(dir);
        let file = append_to(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Records { path, file, bytes, plan })
    }

    /// Keeps an event and tells the bus. How far something is, is not kept. Neither a full disk nor a full bus is a reason to stop.
    pub fn tell(&mut self, event: &Event, member: &Member) {
        if level(event) == Level::Debug {
            return;
        }
        let line = Record::of(event).line();
        let options = PublishOptions { content: ContentType::Json, ..PublishOptions::default() };
        let _ = member.publish(TOPIC, line.as_bytes(), &options);
        if self.write(line + "\n").is_err() {
            // Half a line is ended, so that the next one can be read.
            let _ = self.file.write_all(b"\n");
        }
    }

    fn write(&mut self, line: String) -> io::Result<()> {
        if self.plan.size > 0 && self.bytes >= self.plan.size {
            self.rotate()?;
        }
        self.bytes += line.len() as u64;
        self.file.write_all(line.as_bytes())
    }

    /// Nobody else writes here, so a new file will do.
    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.plan.count).rev() {
            let _ = fs::rename(archive(&self.path, number), archive(&self.path, number + 1));
        }
        match self.plan.count {
            0 => fs::remove_file(&self.path)?,
            _ => fs::rename(&self.path, archive(&self.path, 1))?,
        }
        (self.file, self.bytes) = (append_to(&self.path)?, 0);
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// The topic's nature: whoever is slow misses events, and nobody is held up.
pub fn topic() -> TopicOptions {
    TopicOptions { policy: Policy::Lossy, ..TopicOptions::default() }
}
