//! What agents say of themselves, living and dead.

use super::Observer;
use crate::error::Result;
use crate::member::status;
use crate::name::name_matches;
use crate::platform::clock;
use crate::registry;
use crate::status::Status;
use crate::word::Name;
use std::sync::atomic::Ordering::Relaxed;

/// The status of an agent: see [`Status`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StatusInfo {
    /// Its name.
    pub agent: String,
    /// Its process; `None` if it has left, or was found dead.
    pub pid: Option<u32>,
    /// `idle`, `waiting_for_dependencies`, `in_progress`, `completed`, `blocked`; `unreadable` if somebody has scribbled over it, or it changes so fast that it could
    /// not be read once in a thousand times; the rest is empty then.
    pub state: &'static str,
    /// Goals that are done.
    pub done: u32,
    /// Goals of its task; 0 if that is not known.
    pub total: u32,
    /// Its task.
    pub task: String,
    /// What else it wants people to know.
    pub note: String,
    /// What keeps it from going on.
    pub blockers: Vec<String>,
    /// Its tags: [`Agent::set_tags`](crate::Agent::set_tags).
    pub tags: Vec<String>,
    /// The roles that it has; none if it is gone, or the next owner of its name has said nothing yet.
    pub roles: Vec<String>,
    /// When it came into this state, ns of `CLOCK_MONOTONIC`.
    pub since_ns: u64,
    /// How long ago it last gave a sign of life ([`Agent::beat`](crate::Agent::beat)), ns; of a copied segment, up to now and not to the copy. `None`: it never did.
    pub beat_age_ns: Option<u64>,
}

impl Observer {
    /// What the agent of this name says of itself, or said last if it is gone; `None` if it never said anything.
    ///
    /// # Errors
    /// `UnknownAgent`, `InvalidName`, `Corrupt`; `Timeout` if it changes so fast that it could not be read once in a thousand times.
    pub fn status(&self, name: &str) -> Result<Option<Status>> {
        status::read(&self.0, status::find(&self.0, name)?)
    }

    /// What all agents say of themselves whose names match `pattern` (`*` any characters, `?` any one), by name; without those that never said anything and
    /// never gave a sign of life.
    pub fn statuses(&self, pattern: &str) -> Vec<StatusInfo> {
        let mut statuses: Vec<StatusInfo> =
            self.0.queues().filter_map(|queue| self.status_info(queue.name, pattern)).collect();
        statuses.sort_by(|a, b| a.agent.cmp(&b.agent));
        statuses
    }

    fn status_info(&self, mailbox: Name, pattern: &str) -> Option<StatusInfo> {
        let page = self.0.board(mailbox.index())?;
        let agent = self.0.queue_name(mailbox).filter(|agent| name_matches(pattern, agent))?;
        // Relaxed: a figure by itself.
        let beat_ns = Some(page.status.beat_ns.load(Relaxed)).filter(|beat_ns| *beat_ns != 0);
        let (state, status) = match status::read_said(&self.0, mailbox) {
            Ok(Some((status, by))) => {
                let roles = if self.is_owned_by(mailbox, by) { status.roles } else { Vec::new() };
                (status.state.as_str(), Status { roles, ..status })
            }
            Ok(None) if beat_ns.is_some() => ("idle", Status::default()),
            Ok(None) => return None,
            Err(_) => ("unreadable", Status::default()),
        };
        let Status { done, total, task, note, blockers, tags, roles, since_ns, .. } = status;
        let pid = registry::owner_of(&self.0, mailbox).and_then(|owner| registry::pid_of(&self.0, owner));
        let beat_age_ns = beat_ns.map(|beat_ns| clock::monotonic_ns().saturating_sub(beat_ns));
        Some(StatusInfo { agent, pid, state, done, total, task, note, blockers, tags, roles, since_ns, beat_age_ns })
    }
}
