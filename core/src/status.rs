//! What an agent says of itself, and the bytes in which its board holds that. Described for other languages in `docs/layout.md`.

use crate::board::CONTENT_MAX;
use crate::error::{Error, Result};
use crate::word::Name;

/// What an agent does at the moment.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum AgentState {
    /// It has no task.
    #[default]
    Idle,
    /// Its task cannot begin, or go on, before others have done theirs.
    WaitingForDependencies,
    /// It works on its task.
    InProgress,
    /// Its task is done.
    Completed,
    /// Its task cannot go on unless somebody helps: the blockers say with what.
    Blocked,
}

impl AgentState {
    /// All of them, by their numbers in a board.
    const ALL: [(u8, AgentState, &'static str); 5] = [
        (1, AgentState::Idle, "idle"),
        (2, AgentState::WaitingForDependencies, "waiting_for_dependencies"),
        (3, AgentState::InProgress, "in_progress"),
        (4, AgentState::Completed, "completed"),
        (5, AgentState::Blocked, "blocked"),
    ];

    /// As it is written: `idle`, `waiting_for_dependencies`, `in_progress`, `completed`, `blocked`.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, state, _)| *state == self).map_or("idle", |(_, _, text)| text)
    }

    /// The reverse of [`AgentState::as_str`].
    pub fn parse(text: &str) -> Option<AgentState> {
        Self::ALL.iter().find(|(_, _, known)| *known == text).map(|(_, state, _)| *state)
    }

    fn number(self) -> u8 {
        Self::ALL.iter().find(|(_, state, _)| *state == self).map_or(1, |(number, ..)| *number)
    }

    fn of_number(number: u8) -> Option<AgentState> {
        Self::ALL.iter().find(|(known, ..)| *known == number).map(|(_, state, _)| *state)
    }
}

/// What an agent says of itself: see [`Agent::set_status`](crate::Agent::set_status).
///
/// All of it has to fit into [`Status::BYTES_MAX`] bytes: 24, and for each text that is not empty (task, note, every blocker, tag and role) its
/// UTF-8 bytes and 3 more.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Status {
    /// What it does.
    pub state: AgentState,
    /// How many goals of its task are done.
    pub done: u32,
    /// How many goals its task has; 0 if that is not known.
    pub total: u32,
    /// Its task.
    pub task: String,
    /// What else it wants people to know.
    pub note: String,
    /// What keeps it from going on, one text each.
    pub blockers: Vec<String>,
    /// Its tags. The bus notes them, from [`Agent::set_tags`](crate::Agent::set_tags); what is said here when a status is set does not matter.
    pub tags: Vec<String>,
    /// Its roles. The bus notes them, from [`Agent::take_role`](crate::Agent::take_role), in the same way.
    pub roles: Vec<String>,
    /// When it came into this state, ns of `CLOCK_MONOTONIC`. The bus notes that; what is said here when a status is set does not matter.
    pub since_ns: u64,
}

/// Bytes before the texts.
const FIXED: usize = 24;
/// Bytes before each text.
const PREFIX: usize = 3;
const TASK: u8 = 1;
const NOTE: u8 = 2;
const BLOCKER: u8 = 3;
const TAG: u8 = 4;
const ROLE: u8 = 5;

impl Status {
    /// Most bytes of a status.
    pub const BYTES_MAX: usize = CONTENT_MAX;

    fn texts(&self) -> impl Iterator<Item = (u8, &str)> {
        let single = [(TASK, self.task.as_str()), (NOTE, self.note.as_str())];
        let lists = [(BLOCKER, &self.blockers), (TAG, &self.tags), (ROLE, &self.roles)];
        let listed = lists.into_iter().flat_map(|(kind, texts)| texts.iter().map(move |text| (kind, text.as_str())));
        single.into_iter().chain(listed).filter(|(_, text)| !text.is_empty())
    }

    /// As a board holds it, said by `member`.
    pub(crate) fn encode(&self, member: Name) -> Result<Vec<u8>> {
        let length = FIXED + self.texts().map(|(_, text)| PREFIX + text.len()).sum::<usize>();
        if length > CONTENT_MAX {
            let what = format!(
                "a status of {} bytes; the most is {}: say {} bytes less in task, note, blockers, tags and roles",
                length,
                Status::BYTES_MAX,
                length - CONTENT_MAX
            );
            return Err(Error::InvalidArgument { what });
        }
        let mut bytes = Vec::with_capacity(length);
        bytes.extend((length as u16).to_le_bytes());
        bytes.extend([self.state.number(), 0]);
        bytes.extend(self.done.to_le_bytes());
        bytes.extend(self.total.to_le_bytes());
        bytes.extend(self.since_ns.to_le_bytes());
        bytes.extend((member.bits() as u32).to_le_bytes());
        for (kind, text) in self.texts() {
            bytes.push(kind);
            bytes.extend((text.len() as u16).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
        Ok(bytes)
    }

    /// The state, since when, and who said it, of any bytes.
    pub(crate) fn decode_state(bytes: &[u8]) -> Option<(AgentState, u64, Name)> {
        let fixed: &[u8; FIXED] = bytes.first_chunk()?;
        let since_ns = u64::from_le_bytes(std::array::from_fn(|byte| fixed[12 + byte]));
        let member = u32::from_le_bytes(std::array::from_fn(|byte| fixed[20 + byte]));
        Some((AgentState::of_number(fixed[2])?, since_ns, Name::from_bits(member as u64)))
    }

    /// Whether bytes name a task, or have a note; these come before all other texts.
    pub(crate) fn names_task(bytes: &[u8]) -> bool {
        matches!(bytes.get(FIXED), Some(&(TASK | NOTE)))
    }

    /// The reverse of [`Status::encode`], of any bytes. Texts of kinds that this library does not know are left out; bytes that are no UTF-8 are replaced. `None`: lengths or
    /// state make no sense.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Status> {
        let (state, since_ns, _) = Status::decode_state(bytes)?;
        let fixed: &[u8; FIXED] = bytes.first_chunk()?;
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| fixed[at + byte]));
        let mut status = Status { state, done: number(4), total: number(8), since_ns, ..Status::default() };
        let mut rest = &bytes[FIXED..];
        while let Some((prefix, after)) = rest.split_first_chunk::<PREFIX>() {
            let (text, after) = after.split_at_checked(u16::from_le_bytes([prefix[1], prefix[2]]) as usize)?;
            let text = String::from_utf8_lossy(text).into_owned();
            match prefix[0] {
                TASK => status.task = text,
                NOTE => status.note = text,
                BLOCKER => status.blockers.push(text),
                TAG => status.tags.push(text),
                ROLE => status.roles.push(text),
                _ => {}
            }
            rest = after;
        }
        rest.is_empty().then_some(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Name = Name::new(3, 5);

    fn full() -> Status {
        Status {
            state: AgentState::Blocked,
            done: 3,
            total: u32::MAX,
            task: "count größe".into(),
            note: "waits for bob".into(),
            blockers: vec!["no key".into(), "no time".into()],
            tags: vec!["fast".into()],
            roles: vec!["counter".into(), "scout".into()],
            since_ns: u64::MAX - 1,
        }
    }

    #[test]
    fn a_status_is_read_as_it_was_written() {
        for status in [Status::default(), full()] {
            assert_eq!(Status::decode(&status.encode(ME).unwrap()), Some(status));
        }
        for (_, state, text) in AgentState::ALL {
            assert_eq!((AgentState::parse(text), state.as_str()), (Some(state), text));
            let status = Status { state, ..full() };
            assert_eq!(Status::decode(&status.encode(ME).unwrap()), Some(status));
        }
        let (state, since_ns, member) = Status::decode_state(&full().encode(ME).unwrap()).unwrap();
        assert_eq!((state, since_ns, member), (AgentState::Blocked, u64::MAX - 1, ME));
        assert_eq!(AgentState::parse("asleep"), None);
    }

    #[test]
    fn what_is_too_long_is_refused_with_the_limit() {
        let longest = Status { note: "x".repeat(Status::BYTES_MAX - FIXED - PREFIX), ..Status::default() };
        assert_eq!(longest.encode(ME).unwrap().len(), CONTENT_MAX);
        let longer = Status { task: "y".into(), ..longest };
        let error = longer.encode(ME).unwrap_err();
        assert!(matches!(&error, Error::InvalidArgument { what } if what.contains("say 4 bytes less")), "{error}");
    }

    #[test]
    fn any_bytes_are_a_status_or_none() {
        let right = full().encode(ME).unwrap();
        for at in 0..right.len() {
            for value in [0, 1, 5, 6, 127, 255, right[at] ^ 1] {
                let mut bytes = right.clone();
                bytes[at] = value;
                let _ = Status::decode(&bytes);
            }
            assert!(Status::decode(&right[..at]).is_none_or(|cut| cut != full()));
        }
        let mut unknown = right.clone();
        unknown.extend([9, 2, 0, b'n', b'o']);
        assert_eq!(Status::decode(&unknown), Some(full()), "kinds to come");
        let mut latin = right;
        latin[FIXED + PREFIX] = 0xff;
        assert!(Status::decode(&latin).unwrap().task.starts_with('\u{fffd}'));
    }
}
