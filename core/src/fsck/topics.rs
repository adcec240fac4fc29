//! Topics: what they are said to be, their slots and cursors.

use super::{Look, Remedy};
use crate::memory::Memory;
use crate::sync::{S1, S3, S5, S8, S11, S12};
use crate::topic::{CursorWord, FloorWord, Topic};
use crate::word::{ChunkState, ChunkWord, Name, SlotWord};
use std::sync::atomic::Ordering::Relaxed;

impl<'s> Look<'s> {
    pub(super) fn topics(&mut self) {
        let topics: Vec<Topic<'s>> = self.segment.living_topics().collect();
        for topic in topics {
            let Some(control) = self.segment.topic_control(topic.name) else { continue };
            let place = self.spoken(topic.name);
            let most = 1 << (topic.shift - 1);
            let settings = [
                ("policy", &control.policy, topic.policy as u64),
                ("shift", &control.shift, u64::from(topic.shift)),
                ("limit", &control.limit, topic.limit),
                ("retain", &control.retain, topic.retain.min(most)),
            ];
            for (name, word, right) in settings {
                let seen = word.load(Relaxed);
                if seen != right {
                    let problem = format!("'{name}' is {seen:#x}, which it cannot be");
                    self.find("topic", place.clone(), problem, &[seen], Remedy::Set(word, seen, right));
                }
            }
            if !topic.is_sound() {
                let tail = topic.tail.load(S5.acquire());
                let problem = "its hints and slots do not fit together";
                self.find("topic", place.clone(), problem, &[tail], Remedy::Mend(topic.name));
            }
            let trimmed = topic.trimmed.load(S12.acquire());
            if trimmed.wrapping_sub(topic.tail.load(S5.acquire())) as i64 > 0 {
                let problem = "messages were taken out of it that were never published";
                self.find("topic", place.clone(), problem, &[trimmed], Remedy::Mend(topic.name));
            }
            self.topic_slots(&topic, &place);
            self.cursors(&topic, &place);
        }
    }

    fn topic_slots(&mut self, topic: &Topic<'s>, place: &str) {
        for (at, slot) in topic.slots.iter().enumerate() {
            let seen = SlotWord(slot.load(S1.acquire()));
            if seen.0 & 3 > 1 {
                let remedy = Remedy::Set(slot, seen.0, SlotWord::empty(seen.lap()).0);
                self.find("slot", format!("{place}, slot {at}"), "it is in no state", &[seen.0], remedy);
                continue;
            }
            if !seen.is_ready() {
                continue;
            }
            let word = self.segment.chunk(seen.chunk()).map(|shared| ChunkWord(shared.load(S3.acquire())));
            let fits = word.is_some_and(|word| word.is(ChunkState::Queued, topic.name));
            if !fits && slot.load(S1.acquire()) == seen.0 {
                // Its place in the order stays: who reads on goes past it.
                let problem =
                    format!("it speaks of chunk {}, which is not a message of this topic: it is missed", seen.chunk());
                let emptied = SlotWord::empty(seen.lap() + 1).0;
                self.find(
                    "slot",
                    format!("{place}, slot {at}"),
                    problem,
                    &[seen.0],
                    Remedy::Set(slot, seen.0, emptied),
                );
            }
        }
    }

    fn cursors(&mut self, topic: &Topic<'s>, place: &str) {
        let number = topic.name.topic().unwrap_or(0);
        let end = topic.tail.load(S5.acquire());
        let mut lowest = 0;
        for (index, cursor) in topic.cursors() {
            let word = CursorWord(cursor.word.load(S11.acquire()));
            if word.0 & 3 == 0 {
                continue;
            }
            let (member, place) = (word.member(index), format!("{place}, cursor of member {index}"));
            let noted = self
                .segment
                .member(index)
                .is_some_and(|entry| entry.topics[number / 64].load(S8.acquire()) & 1 << (number % 64) != 0);
            if !word.is_live() || !self.is_there(member) {
                let problem = "a member subscribes that does not exist: publishers may wait for it";
                self.find("cursor", place, problem, &[word.0], Remedy::Mend(topic.name));
            } else if !noted && cursor.word.load(S11.acquire()) == word.0 {
                let remedy = Remedy::Set(&cursor.word, word.0, word.freed().0);
                self.find(
                    "cursor",
                    place,
                    "its member does not note that it subscribes: it stays when that one dies",
                    &[word.0],
                    remedy,
                );
            } else if topic.may_have_joined(word.behind(end)) {
                lowest = lowest.max(word.behind(end));
            }
        }
        let floor = FloorWord(topic.floor.load(S12.acquire()));
        if floor.behind(end) < lowest && topic.tail.load(S5.acquire()) == end {
            let problem = "its floor is above a subscriber: that one may miss messages";
            self.find("topic", place.to_owned(), problem, &[floor.0], Remedy::Mend(topic.name));
        }
    }

    /// Whether a slot of its topic speaks of a chunk.
    pub(super) fn is_in_topic(&self, topic: Name, chunk: u32) -> bool {
        self.segment.living_topic(topic).is_some_and(|topic| topic.refers_to(chunk))
    }
}
