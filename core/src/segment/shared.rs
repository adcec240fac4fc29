//! What agents share besides queues: topics, locks, boards. Here where they lie, and that no more of them is touched than is committed (I12).

use super::Segment;
use crate::error::Result;
use crate::layout::*;
use crate::lock::Locks;
use crate::sync::{S6, S7, window};
use crate::topic::{Policy, Topic};
use crate::word::{Name, RecordWord};
use std::mem::size_of;
use std::sync::atomic::Ordering::Relaxed;

impl Segment {
    /// The topic table.
    pub fn topics(&self) -> &[TopicRow] {
        self.slice(self.geometry.topics_at, TOPICS)
    }

    fn topic_cell(&self, topic: Name) -> Option<u64> {
        let number = topic.topic()?;
        let row = &self.topics()[number];
        (row.committed.load(S7.acquire()) == 1)
            .then(|| self.geometry.topic_cells_at + number as u64 * self.geometry.topic_cell_bytes)
    }

    /// The control of a topic, if its cell is committed.
    pub fn topic_control(&self, topic: Name) -> Option<&TopicControl> {
        self.topic_cell(topic).map(|cell| self.at(cell))
    }

    /// Commits a topic's first page, and all of its slots. Idempotent.
    pub fn commit_topic(&self, topic: Name) -> Result<()> {
        let Some(number) = topic.topic() else { return Ok(()) };
        let row = &self.topics()[number];
        if row.committed.load(S7.acquire()) != 1 {
            let cell = self.geometry.topic_cells_at + number as u64 * self.geometry.topic_cell_bytes;
            self.commit(cell, self.geometry.cursors_in_topic)?;
            window(108);
            row.committed.store(1, S7.release());
        }
        Ok(())
    }

    /// A living topic.
    pub fn living_topic(&self, topic: Name) -> Option<Topic<'_>> {
        let word = RecordWord(self.topics()[topic.topic()?].record.load(S6.acquire()));
        if !word.is_of_living(topic) {
            return None;
        }
        let (cell, control) = (self.topic_cell(topic)?, self.topic_control(topic)?);
        // Relaxed: set before the topic is named (S6). Checked, for they are indices or divisors (I5).
        let shift = control.shift.load(Relaxed).clamp(1, self.geometry.ring_shift as u64 + 1) as u32;
        Some(Topic {
            name: topic,
            policy: Policy::from_number(control.policy.load(Relaxed)),
            limit: control.limit.load(Relaxed).clamp(1, 1 << (shift - 1)),
            slots: self.slice(cell + SLOTS_IN_TOPIC, 1 << shift),
            shift,
            tail: &control.tail,
            floor: &control.floor,
            trimmed: &control.trimmed,
            retain: control.retain.load(Relaxed),
            cursors: self.slice(cell + self.geometry.cursors_in_topic, self.geometry.agents as usize),
            cursor_pages: &control.cursor_pages,
            items: &control.items,
            room: &control.room,
        })
    }

    /// The living topics.
    pub fn living_topics(&self) -> impl Iterator<Item = Topic<'_>> {
        (0..TOPICS).filter_map(|number| self.topic_at(number))
    }

    /// The living topic with this number.
    pub fn topic_at(&self, number: usize) -> Option<Topic<'_>> {
        let word = RecordWord(self.topics().get(number)?.record.load(S6.acquire()));
        self.living_topic(Name::new(FIRST_TOPIC + number as u16, (word.counter() & 1023) as u16))
    }

    /// Commits the page of a member's cursor in a topic. Idempotent.
    pub fn commit_cursor(&self, topic: Name, member: u16) -> Result<()> {
        let Some(((page, offset), control)) = self.cursor_at(topic, member).zip(self.topic_control(topic)) else {
            return Ok(());
        };
        let word = &control.cursor_pages[page / 64];
        if word.load(S7.acquire()) & 1 << (page % 64) == 0 {
            self.commit(offset / PAGE * PAGE, PAGE)?;
            window(109);
            word.fetch_or(1 << (page % 64), S7.release());
        }
        Ok(())
    }

    /// The page of a cursor among the topic's, and its offset in the segment.
    fn cursor_at(&self, topic: Name, member: u16) -> Option<(usize, u64)> {
        let cell = self.topic_cell(topic).filter(|_| (member as u64) < self.geometry.agents)?;
        let within = member as u64 * size_of::<CursorEntry>() as u64;
        Some(((within / PAGE) as usize, cell + self.geometry.cursors_in_topic + within))
    }

    /// The lock table; of its entries, those that are committed may be touched.
    pub fn locks(&self) -> Locks<'_> {
        Locks { entries: self.slice(self.geometry.locks_at, LOCKS), clock: &self.header().locks }
    }

    /// Commits further entries of the lock table. `false`: all are.
    pub fn commit_locks(&self) -> Result<bool> {
        let seen = self.header().locks.committed.load(S7.acquire());
        if seen >= LOCKS as u64 {
            return Ok(false);
        }
        // 64 of them are 5 pages.
        let (entry, more) = (size_of::<LockEntry>() as u64, (LOCKS as u64 - seen).min(64));
        let (from, to) = (self.geometry.locks_at + seen * entry, self.geometry.locks_at + (seen + more) * entry);
        self.commit(from / PAGE * PAGE, pages(to) - from / PAGE * PAGE)?;
        window(119);
        self.locks().say_committed(seen, more);
        Ok(true)
    }

    /// The board of a cell, if it is committed.
    pub fn board(&self, index: u16) -> Option<&Board> {
        let row = self.roster().get(index as usize)?;
        (row.board.load(S7.acquire()) == 1).then(|| self.at(self.cell_at(index) + BOARD_IN_CELL))
    }

    /// Commits the board of a cell. Idempotent.
    pub fn commit_board(&self, index: u16) -> Result<()> {
        let row = &self.roster()[index as usize];
        if row.board.load(S7.acquire()) != 1 {
            self.commit(self.cell_at(index) + BOARD_IN_CELL, PAGE)?;
            window(120);
            row.board.store(1, S7.release());
        }
        Ok(())
    }
}
