//! Who and what is there, found by name, tag or role.

use super::Observer;
use crate::member::status;
use crate::name::{from_words, name_matches};
use crate::registry;
use crate::sync::S6;
use crate::word::{Name, RecordWord};
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

/// What a name on a bus is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum NameKind {
    /// A mailbox: it has, or had, an owner.
    Mailbox,
    /// A work queue: nobody ever owned it.
    Queue,
    /// A role, `@role`: a work queue of all agents that have it.
    Role,
    /// A topic.
    Topic,
}

impl NameKind {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            NameKind::Mailbox => "mailbox",
            NameKind::Queue => "queue",
            NameKind::Role => "role",
            NameKind::Topic => "topic",
        }
    }
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name on a bus.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NameInfo {
    /// The name; of a role with its `@`.
    pub name: String,
    /// What it is of.
    pub kind: NameKind,
    /// The process that owns the mailbox.
    pub owner: Option<u32>,
}

/// An agent: a mailbox that has, or had, an owner.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AgentInfo {
    /// Its name.
    pub name: String,
    /// Its process, if its mailbox is owned by one that lives. It counts as living until somebody has asked the kernel.
    pub pid: Option<u32>,
    /// How often its mailbox has changed hands: see [`Agent::epoch`](crate::Agent::epoch).
    pub epoch: u64,
    /// What it says that it is or has. What a dead agent said stays.
    pub tags: Vec<String>,
    /// The roles that it has, without their `@`; none if it is dead.
    pub roles: Vec<String>,
}

/// Which agents somebody looks for: those of whom all of this is true.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct AgentFilter<'a> {
    /// What the name looks like, with `*` and `?`: see [`name_matches`].
    pub pattern: Option<&'a str>,
    /// A tag that it has.
    pub tag: Option<&'a str>,
    /// A role that it has, with or without its `@`.
    pub role: Option<&'a str>,
    /// Whether its process lives.
    pub alive: Option<bool>,
}

impl AgentFilter<'_> {
    fn wants(&self, agent: &AgentInfo) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|one| one == wanted);
        self.tag.is_none_or(|tag| has(&agent.tags, tag))
            && self.role.is_none_or(|role| has(&agent.roles, role.strip_prefix('@').unwrap_or(role)))
            && self.alive.is_none_or(|alive| agent.pid.is_some() == alive)
    }
}

impl Observer {
    /// The names that look like `pattern` (`*`: any characters, `?`: one), and what each is of; sorted.
    pub fn names(&self, pattern: &str) -> Vec<NameInfo> {
        let mut names: Vec<NameInfo> = self
            .all_names()
            .filter(|(_, name)| name_matches(pattern, name))
            .map(|(of, name)| self.about_name(of, name))
            .collect();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        names
    }

    /// The agents that somebody looks for; sorted by name.
    pub fn agents(&self, filter: &AgentFilter<'_>) -> Vec<AgentInfo> {
        let wanted = |name: &str| filter.pattern.is_none_or(|pattern| name_matches(pattern, name));
        let found = self.all_names().filter(|(_, name)| wanted(name));
        let agents = found.filter(|(of, name)| self.kind_of(*of, name) == NameKind::Mailbox);
        let mut agents: Vec<AgentInfo> =
            agents.map(|(of, name)| self.about_agent(of, name)).filter(|agent| filter.wants(agent)).collect();
        agents.sort_by(|a, b| a.name.cmp(&b.name));
        agents
    }

    /// Every name of the directory that can be read, with what it is of. A word that makes no sense is none.
    fn all_names(&self) -> impl Iterator<Item = (Name, String)> {
        self.0.directory().iter().filter_map(|word| {
            let word = RecordWord(word.load(S6.acquire()));
            let of = Some(word.member()).filter(|_| word.0 != 0)?;
            // Relaxed: written before the directory referred to it (S6).
            let words = |words: &[crate::sync::Word; 8]| std::array::from_fn(|at| words[at].load(Relaxed));
            let name = match of.topic() {
                Some(_) => words(&self.0.topic_control(of)?.name),
                None => words(&self.0.queue_control(of.index())?.name),
            };
            Some((of, from_words(&name)?))
        })
    }

    fn kind_of(&self, of: Name, name: &str) -> NameKind {
        // Relaxed: whether it ever had an owner, for people.
        let was_owned = || self.0.queue_control(of.index()).is_some_and(|control| control.owner.load(Relaxed) != 0);
        match of.topic() {
            Some(_) => NameKind::Topic,
            None if name.starts_with('@') => NameKind::Role,
            None if was_owned() => NameKind::Mailbox,
            None => NameKind::Queue,
        }
    }

    fn owner_of(&self, of: Name) -> Option<u32> {
        let owner = of.topic().is_none().then(|| registry::owner_of(&self.0, of))??;
        registry::pid_of(&self.0, owner)
    }

    /// Whether a mailbox is owned by this member, who lives as far as is known.
    pub(super) fn is_owned_by(&self, of: Name, member: Name) -> bool {
        registry::owner_of(&self.0, of) == Some(member) && registry::pid_of(&self.0, member).is_some()
    }

    fn about_name(&self, of: Name, name: String) -> NameInfo {
        NameInfo { kind: self.kind_of(of, &name), owner: self.owner_of(of), name }
    }

    fn about_agent(&self, of: Name, name: String) -> AgentInfo {
        let control = self.0.queue_control(of.index());
        // Relaxed: a figure by itself.
        let epoch = control.map_or(0, |control| RecordWord(control.owner.load(Relaxed)).counter());
        let (pid, said) = (self.owner_of(of), status::read_said(&self.0, of).ok().flatten());
        let (tags, roles) = said.map_or_else(Default::default, |(status, by)| {
            // Of roles, those of the owner alone: of one before, the status tells what that had.
            let roles = if self.is_owned_by(of, by) { status.roles } else { Vec::new() };
            (status.tags, roles)
        });
        AgentInfo { name, pid, epoch, tags, roles }
    }
}
