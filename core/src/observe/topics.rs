//! Topics, as an observer sees them.

use super::Observer;
use crate::layout::{CHUNK_HEADER, class_payload};
use crate::registry;
use crate::sync::{S5, S9, S11};
use crate::topic::{CursorWord, Policy, Topic};
use crate::word::{ChunkState, ClaimState, ClaimWord, Name};
use std::sync::atomic::Ordering::Relaxed;

/// A subscriber of a topic.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SubscriberInfo {
    /// The mailbox that it owns.
    pub agent: Option<String>,
    /// Its member index.
    pub member: u16,
    /// Its process.
    pub pid: u32,
    /// How many messages it has not read.
    pub behind: u64,
    /// How many it missed, of a lossy topic.
    pub missed: u64,
}

/// A topic.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TopicInfo {
    /// Its name.
    pub name: String,
    /// What happens to a message for which a subscriber leaves no room.
    pub policy: Policy,
    /// How many messages a subscriber may be behind.
    pub capacity: u32,
    /// How many of the last messages a late subscriber can have.
    pub retain: u32,
    /// Messages published so far.
    pub published: u64,
    /// Messages dropped for want of room.
    pub dropped: u64,
    /// Messages that it keeps in memory.
    pub retained_messages: u64,
    /// The memory of these, bytes.
    pub retained_bytes: u64,
    /// Who subscribes, by member index.
    pub subscribers: Vec<SubscriberInfo>,
}

impl Observer {
    /// The topics, by name.
    pub fn topics(&self) -> Vec<TopicInfo> {
        let mut kept = std::collections::BTreeMap::<Name, (u64, u64)>::new();
        self.for_each_chunk(|chunk, word| {
            if word.state() == ChunkState::Queued && word.name().topic().is_some() {
                let bytes = self.0.chunk_class(chunk).map_or(0, |class| class_payload(class) + CHUNK_HEADER);
                let (messages, sum) = kept.entry(word.name()).or_default();
                (*messages, *sum) = (*messages + 1, *sum + bytes);
            }
        });
        let info = |topic: Topic<'_>| self.topic_info(&topic, kept.get(&topic.name).copied().unwrap_or_default());
        let mut topics: Vec<TopicInfo> = self.0.living_topics().filter_map(info).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        topics
    }

    fn topic_info(&self, topic: &Topic<'_>, (messages, bytes): (u64, u64)) -> Option<TopicInfo> {
        let control = self.0.topic_control(topic.name)?;
        let published = topic.tail.load(S5.acquire());
        let subscribers = topic.cursors().filter_map(|(member, cursor)| {
            let word = CursorWord(cursor.word.load(S11.acquire()));
            let claim = ClaimWord(self.0.roster().get(member as usize)?.claim.load(S9.acquire()));
            if !word.is_live() || claim.state() == ClaimState::Free {
                return None;
            }
            let mailbox = self.0.member(member)?.mailbox.load(Relaxed).checked_sub(1).map(Name::from_bits);
            let mine =
                |queue: &Name| registry::owner_of(&self.0, *queue) == Some(Name::new(member, claim.incarnation()));
            Some(SubscriberInfo {
                agent: mailbox.filter(mine).and_then(|queue| self.0.queue_name(queue)),
                member,
                pid: claim.pid(),
                behind: word.behind(published).max(0) as u64,
                missed: cursor.missed.load(Relaxed),
            })
        });
        Some(TopicInfo {
            name: self.0.queue_name(topic.name)?,
            policy: topic.policy,
            capacity: topic.limit as u32,
            retain: control.retain.load(Relaxed) as u32,
            published,
            dropped: control.dropped.load(Relaxed),
            retained_messages: messages,
            retained_bytes: bytes,
            subscribers: subscribers.collect(),
        })
    }
}
