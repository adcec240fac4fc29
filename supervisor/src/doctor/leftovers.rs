//! Segments and run directories that nobody uses any more.

use super::{Finding, State};
use crate::{janitor, rundir};
use bytesize::ByteSize;
use swarmbus_core::{Bus, Error, Observer};

/// What is left of a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The bus.
    pub bus: String,
    /// Memory that its segment holds.
    pub segment_bytes: u64,
    /// Messages in it that nobody read.
    pub unread: u64,
    /// The run that left it, if a supervisor did.
    run: Option<janitor::Leftover>,
}

/// All that is left of buses whose agents and supervisors are all dead. Nothing is touched.
pub fn find() -> Vec<Leftover> {
    let runs = janitor::find().into_iter().map(|run| Leftover {
        bus: run.bus.clone(),
        segment_bytes: run.segment_bytes,
        unread: run.unread,
        run: Some(run),
    });
    let mut found: Vec<Leftover> = runs.collect();
    found.extend(Bus::list().unwrap_or_default().into_iter().filter_map(look));
    found
}

/// What is left of a bus that has no run; `None` if somebody may use it.
fn look(bus: String) -> Option<Leftover> {
    if rundir::find(&bus).is_some() {
        return None;
    }
    // Somebody else's, or one that cannot be understood: `ls` tells.
    let observer = Observer::open(&bus).ok()?;
    let members = observer.pulse().members;
    // One that nobody is on may have been made for somebody who is still to come.
    if members.is_empty() || !members.iter().all(|member| observer.has_died(member)) {
        return None;
    }
    let unread = observer.queues().iter().map(|queue| queue.queued + queue.in_flight).sum();
    Some(Leftover { segment_bytes: observer.bus().committed_bytes, bus, unread, run: None })
}

impl Leftover {
    /// Whether it can be removed without a loss.
    pub fn is_safe(&self) -> bool {
        self.unread == 0
    }

    /// For people.
    pub fn finding(&self) -> Finding {
        let segment = format!("{} of memory", ByteSize::b(self.segment_bytes));
        let unread =
            if self.unread > 0 { format!(", {} messages that nobody read", self.unread) } else { String::new() };
        let finding = Finding::ok(&format!("leftover {}", self.bus), format!("{segment}{unread}"));
        let means = "its agents and its supervisor are dead, and nobody will use it";
        let verb = if self.run.is_some() { "down" } else { "destroy" };
        let fix = format!("swarmbus {verb} {}", self.bus);
        let fix = if self.is_safe() { fix } else { format!("{fix}, if the messages do not matter") };
        Finding { fixable: self.is_safe(), ..finding.but(State::Warn, means, fix) }
    }

    /// Removes it, if nothing is lost by that; looks again first.
    pub fn mend(&self) -> Result<(), String> {
        if !self.is_safe() {
            return Err(format!("{} messages wait in it", self.unread));
        }
        if let Some(run) = &self.run {
            return janitor::mend(run).map(drop).map_err(|error| error.to_string());
        }
        let now = look(self.bus.clone()).ok_or("somebody uses it by now")?;
        if !now.is_safe() {
            return Err(format!("{} messages wait in it", now.unread));
        }
        match Bus::open(&now.bus).and_then(|bus| bus.destroy()) {
            Ok(()) | Err(Error::UnknownBus { .. }) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}
