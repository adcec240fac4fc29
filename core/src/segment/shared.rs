//! What agents share besides queues: topics, locks, boards. Here where they lie, and that no more of them is touched than is committed (I12).

use super::Segment;
use crate::error::Result;
use crate::layout::*;
use crate::lock::Locks;
use crate::sync::{S7, Word, window};
use crate::word::Name;
use std::mem::size_of;

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

    /// The slots of a topic, as many as there may be at most, if its cell is committed.
    pub fn topic_slots(&self, topic: Name) -> Option<&[Word]> {
        self.topic_cell(topic).map(|cell| self.slice(cell + SLOTS_IN_TOPIC, 2 << self.geometry.ring_shift))
    }

    /// Commits a topic's first page, and all of its slots. Idempotent.
    pub fn commit_topic(&self, topic: Name) -> Result<()> {
        let Some(number) = topic.topic() else { return Ok(()) };
        let row = &self.topics()[number];
        if row.committed.load(S7.acquire()) != 1 {
            let cell = self.geometry.topic_cells_at + number as u64 * self.geometry.topic_cell_bytes;
            self.commit(cell, self.geometry.cursors_in_topic)?;
            row.committed.store(1, S7.release());
        }
        Ok(())
    }

    /// The cursor of a member in a topic, if its page is committed.
    pub fn cursor(&self, topic: Name, member: u16) -> Option<&CursorEntry> {
        let (page, offset) = self.cursor_at(topic, member)?;
        let pages = &self.topic_control(topic)?.cursor_pages;
        (pages[page / 64].load(S7.acquire()) & 1 << (page % 64) != 0).then(|| self.at(offset))
    }

    /// Commits the page of a member's cursor in a topic. Idempotent.
    pub fn commit_cursor(&self, topic: Name, member: u16) -> Result<()> {
        let Some(((page, offset), control)) = self.cursor_at(topic, member).zip(self.topic_control(topic)) else {
            return Ok(());
        };
        let word = &control.cursor_pages[page / 64];
        if word.load(S7.acquire()) & 1 << (page % 64) == 0 {
            self.commit(offset / PAGE * PAGE, PAGE)?;
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
        let committed = &self.header().locks.committed;
        let seen = committed.load(S7.acquire());
        if seen >= LOCKS as u64 {
            return Ok(false);
        }
        // 64 of them are 5 pages.
        let (entry, more) = (size_of::<LockEntry>() as u64, (LOCKS as u64 - seen).min(64));
        let (from, to) = (self.geometry.locks_at + seen * entry, self.geometry.locks_at + (seen + more) * entry);
        self.commit(from / PAGE * PAGE, pages(to) - from / PAGE * PAGE)?;
        window(119);
        // From the number seen: who was faster has committed the same, or more.
        let _ = committed.compare_exchange(seen, seen + more, S7.release());
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
