//! Where the sections of a segment are.

use super::{KEYS_BYTES, LOCKS, PAGE, RINGS, SLOTS_IN_CELL, SLOTS_IN_TOPIC, SPAN_BYTES, SPAN_CHUNKS, TOPICS, pages};

/// The sizes that a bus was created with, and every offset that follows from them. Worked out once: they are asked several times with every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Cells.
    pub agents: u64,
    /// log₂ of the slots of a ring.
    pub ring_shift: u32,
    /// Spans of the heap.
    pub spans: u64,
    /// Offset of the roster.
    pub roster_at: u64,
    /// Offset of the directory.
    pub directory_at: u64,
    /// Words of the directory: at least twice the cells and topics, so that probing stays short.
    pub directory_words: u64,
    /// Offset of the span table.
    pub spans_at: u64,
    /// Offset of the topic table.
    pub topics_at: u64,
    /// Offset of the chunk words; everything before it is committed at birth.
    pub chunks_at: u64,
    /// Offset of the cells.
    pub cells_at: u64,
    /// Bytes of one ring's slots.
    pub ring_bytes: u64,
    /// Offset of the keys in a cell.
    pub keys_in_cell: u64,
    /// Bytes from cell to cell.
    pub cell_bytes: u64,
    /// Offset of the topics' cells.
    pub topic_cells_at: u64,
    /// Offset of the cursors in a topic's cell, after twice as many slots as a ring has.
    pub cursors_in_topic: u64,
    /// Bytes from a topic's cell to the next.
    pub topic_cell_bytes: u64,
    /// Offset of the lock table.
    pub locks_at: u64,
    /// Offset of the heap.
    pub heap_at: u64,
    /// Size of the file.
    pub bytes: u64,
}

impl Geometry {
    /// Of a segment with so many cells, slots of a ring (log₂) and spans.
    pub const fn new(agents: u64, ring_shift: u32, spans: u64) -> Geometry {
        let roster_at = PAGE;
        let directory_at = roster_at + pages(agents * 32);
        let directory_words = ((agents + TOPICS as u64) * 2).next_power_of_two();
        let spans_at = directory_at + pages(directory_words * 8);
        let topics_at = spans_at + pages(spans * 64);
        // Whoever has a message looks at the words of chunks, most of them at the first: beside the tables, these lie on the same page of page tables.
        let chunks_at = topics_at + pages(TOPICS as u64 * 32);
        let cells_at = chunks_at + spans * SPAN_CHUNKS * 8;
        let ring_bytes = 8 << ring_shift;
        let keys_in_cell = SLOTS_IN_CELL + pages((RINGS as u64 + 1) * ring_bytes);
        let cell_bytes = keys_in_cell + KEYS_BYTES;
        let topic_cells_at = cells_at + agents * cell_bytes;
        let cursors_in_topic = SLOTS_IN_TOPIC + pages(2 * ring_bytes);
        let topic_cell_bytes = cursors_in_topic + pages(agents * 16);
        let locks_at = topic_cells_at + TOPICS as u64 * topic_cell_bytes;
        let heap_at = locks_at + pages(LOCKS as u64 * 320);
        let bytes = heap_at + spans * SPAN_BYTES;
        Geometry {
            agents,
            ring_shift,
            spans,
            roster_at,
            directory_at,
            directory_words,
            spans_at,
            topics_at,
            chunks_at,
            cells_at,
            ring_bytes,
            keys_in_cell,
            cell_bytes,
            topic_cells_at,
            cursors_in_topic,
            topic_cell_bytes,
            locks_at,
            heap_at,
            bytes,
        }
    }
}
