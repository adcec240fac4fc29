//! Every field of a segment: where its words are. Offsets come from the structs themselves.

use std::mem::{offset_of, size_of};
use swarmbus_core::layout::*;

/// Words of one kind: those of a field in every row of its section.
#[derive(Clone, Debug)]
pub struct Field {
    /// Section and field.
    pub name: String,
    /// Offset of the first one.
    first: u64,
    /// Bytes from row to row, and how many rows there are.
    rows: (u64, u64),
    /// Words in a row, one after the other.
    words: u64,
}

impl Field {
    /// How many words there are.
    pub fn count(&self) -> u64 {
        self.rows.1 * self.words
    }

    /// Words of a row.
    pub fn words(&self) -> u64 {
        self.words
    }

    /// Offset of the word with this number, counted round.
    pub fn at(&self, number: u64) -> u64 {
        let number = number % self.count();
        self.first + number / self.words * self.rows.0 + number % self.words * 8
    }
}

/// The rows of a section that a small bus uses.
struct Section<'a> {
    name: &'static str,
    at: u64,
    rows: (u64, u64),
    fields: &'a mut Vec<Field>,
}

impl Section<'_> {
    fn field(&mut self, name: &str, offset: usize, bytes: usize) {
        let (first, words) = (self.at + offset as u64, bytes.div_ceil(8) as u64);
        self.fields.push(Field { name: format!("{}.{name}", self.name), first, rows: self.rows, words });
    }
}

/// The named fields of a struct: their offsets and sizes. Wake words are half a word; two lie in one.
macro_rules! fields {
    ($section:expr, $struct:ty: $($field:ident $bytes:expr),* $(,)?) => {
        $($section.field(stringify!($field), offset_of!($struct, $field) / 8 * 8, $bytes);)*
    };
}

/// Rows at the most of sections that have thousands: a small bus uses the first.
const TOPIC_ROWS: u64 = 3;
const LOCK_ROWS: u64 = 6;
const CHUNKS: u64 = 96;

/// All fields of a segment, headers of chunks and payloads among them. Chunks are looked for where those of messages up to `payload` bytes lie,
/// in the first spans.
pub fn all(geometry: &Geometry, payload: u64) -> Vec<Field> {
    let mut fields = Vec::new();
    header(&mut fields);
    tables(&mut fields, geometry);
    cells(&mut fields, geometry);
    topics(&mut fields, geometry);
    heap(&mut fields, geometry, payload);
    fields
}

fn header(fields: &mut Vec<Field>) {
    let mut section = Section { name: "header", at: 0, rows: (PAGE, 1), fields };
    fields!(section, Header:
        magic 8, layout 8, state 8, birth 8, boot 16, pid_namespace 8, owner 8, created_s 8, bytes 8, agents 8, ring_shift 8, limit 8, spans 8,
        roster_at 8, directory_at 8, directory_words 8, spans_at 8, cells_at 8, cell_bytes 8, chunks_at 8, heap_at 8, stamp_is_inode 8,
        name_length 8, name 64, supervisor 8, looked_ns 8, next_index 8, corrupt 8, swept_ns 8, groups GROUPS * 4, library 16, topics_at 8,
        topic_cells_at 8, topic_cell_bytes 8, locks_at 8,
    );
    let clock = offset_of!(Header, locks);
    section.field("locks.drawn", clock + offset_of!(LockClock, drawn), 8);
    section.field("locks.committed", clock + offset_of!(LockClock, committed), 8);
}

fn tables(fields: &mut Vec<Field>, geometry: &Geometry) {
    let rows = (size_of::<RosterEntry>() as u64, geometry.agents);
    let mut roster = Section { name: "roster", at: geometry.roster_at, rows, fields };
    fields!(roster, RosterEntry: claim 8, queue 8, committed 8, board 8);
    let mut directory =
        Section { name: "directory", at: geometry.directory_at, rows: (8, geometry.directory_words), fields };
    directory.field("word", 0, 8);
    let rows = (size_of::<SpanControl>() as u64, geometry.spans);
    let mut spans = Section { name: "span", at: geometry.spans_at, rows, fields };
    fields!(spans, SpanControl: word 8, summary 8, words 8, unused 8);
    let rows = (size_of::<TopicRow>() as u64, TOPIC_ROWS);
    let mut topics = Section { name: "topics", at: geometry.topics_at, rows, fields };
    fields!(topics, TopicRow: record 8, committed 8);
    let rows = (size_of::<LockEntry>() as u64, LOCK_ROWS);
    let mut locks = Section { name: "lock", at: geometry.locks_at, rows, fields };
    fields!(locks, LockEntry: word 8, ticket 8, token 8, hash 8, length 8, since_ns 8, gone 8, name LOCK_NAME_WORDS * 8);
}

fn cells(fields: &mut Vec<Field>, geometry: &Geometry) {
    let rows = (geometry.cell_bytes, geometry.agents);
    let mut member = Section { name: "member", at: geometry.cells_at + MEMBER_IN_CELL, rows, fields };
    let notes = offset_of!(MemberEntry, notes);
    for (name, offset) in [
        ("intent", offset_of!(Notes, intent)),
        ("sends_to", offset_of!(Notes, sends_to)),
        ("takes_from", offset_of!(Notes, takes_from)),
        ("waits_on", offset_of!(Notes, waits_on)),
        ("evicts", offset_of!(Notes, evicts)),
    ] {
        member.field(name, notes + offset, 8);
    }
    fields!(member, MemberEntry:
        counters 64, mailbox 8, declaring 8, sender 8, thread 8, taps 8, key 8, keyed_in 8, topics TOPICS / 8, locks 8, joined_ns 8, spans 16,
    );
    let mut queue = Section { name: "queue", at: geometry.cells_at + QUEUE_IN_CELL, rows, fields };
    fields!(queue, QueueControl:
        name 64, owner 8, flags 8, limit 8, lanes 8, max_deliveries 8, dead_letters 8, deferred 8, tap 8, items 8, losses 16,
    );
    let rings = offset_of!(QueueControl, rings);
    for (number, name) in ["redelivery", "reply", "urgent", "high", "normal", "low"].into_iter().enumerate() {
        let ring = rings + number * size_of::<RingControl>();
        queue.field(&format!("{name}.tail"), ring + offset_of!(RingControl, tail), 8);
        let front = ring + offset_of!(RingControl, front);
        queue.field(&format!("{name}.head"), front + offset_of!(RingFront, head), 8);
        queue.field(&format!("{name}.room"), front + offset_of!(RingFront, room), 8);
    }
    let later = offset_of!(QueueControl, later);
    queue.field("due", later + offset_of!(Later, due), 8);
    queue.field("keys", later + offset_of!(Later, keys), 8);
    queue.field("stripes", later + offset_of!(Later, stripes), 8);
    let mut board = Section { name: "board", at: geometry.cells_at + BOARD_IN_CELL, rows, fields };
    let status = offset_of!(Board, status);
    board.field("head", status + offset_of!(StatusBoard, head), 8);
    board.field("beat_ns", status + offset_of!(StatusBoard, beat_ns), 8);
    board.field("copies", status + offset_of!(StatusBoard, copies), 2 * STATUS_WORDS * 8);
    board.field("histograms", offset_of!(Board, histograms), HISTOGRAMS * BUCKETS * 8);
    let ring_bytes = geometry.ring_bytes as usize;
    let mut slots = Section { name: "slots", at: geometry.cells_at + SLOTS_IN_CELL, rows, fields };
    for (number, name) in ["redelivery", "reply", "urgent", "high", "normal", "low"].into_iter().enumerate() {
        slots.field(name, number * ring_bytes, ring_bytes);
    }
    slots.field("places", RINGS * ring_bytes, ring_bytes);
    let mut keys = Section { name: "keys", at: geometry.cells_at + geometry.keys_in_cell, rows, fields };
    keys.field("stripes", 0, KEY_STRIPES * 8);
    keys.field("window", KEY_STRIPES * 8, 64);
}

fn topics(fields: &mut Vec<Field>, geometry: &Geometry) {
    let rows = (geometry.topic_cell_bytes, TOPIC_ROWS);
    let mut topic = Section { name: "topic", at: geometry.topic_cells_at, rows, fields };
    fields!(topic, TopicControl:
        name 64, policy 8, shift 8, retain 8, limit 8, trimmed 8, tail 8, floor 8, items 8, room 16, dropped 8, cursor_pages 32,
    );
    topic.field("slots", SLOTS_IN_TOPIC as usize, 2 * geometry.ring_bytes as usize);
    topic.field("cursors", geometry.cursors_in_topic as usize, geometry.agents as usize * size_of::<CursorEntry>());
}

fn heap(fields: &mut Vec<Field>, geometry: &Geometry, payload: u64) {
    let spans = geometry.spans.min(2);
    let mut words = Section { name: "chunk", at: geometry.chunks_at, rows: (SPAN_CHUNKS * 8, spans), fields };
    words.field("word", 0, CHUNKS as usize * 8);
    let class = class_of(payload).unwrap_or(0);
    let rows = (class_stride(class), CHUNKS);
    let mut chunks = Section { name: "chunk", at: geometry.heap_at, rows, fields };
    fields!(chunks, ChunkHeader: meta 8, home 8, id 8, correlation 8, sent_ns 8, next 8, expires_ns 8, deliveries 8);
    chunks.field("payload", CHUNK_HEADER as usize, 64);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields that the table of layouts has and this one has not are not swept.
    #[test]
    fn every_field_of_the_layout_is_here() {
        let layouts = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/layouts");
        let path = format!("{layouts}/{LAYOUT_VERSION}.txt");
        let table = std::fs::read_to_string(path).unwrap();
        let all = all(&Geometry::new(7, 4, 3), 64);
        let offsets: Vec<u64> = all.iter().flat_map(|field| (0..field.count()).map(|word| field.at(word))).collect();
        let geometry = Geometry::new(7, 4, 3);
        let member = geometry.cells_at + MEMBER_IN_CELL;
        let queue = geometry.cells_at + QUEUE_IN_CELL;
        let ring = queue + offset_of!(QueueControl, rings) as u64;
        let starts = [
            ("Header", 0),
            ("LockClock", offset_of!(Header, locks) as u64),
            ("RosterEntry", geometry.roster_at),
            ("TopicRow", geometry.topics_at),
            ("TopicControl", geometry.topic_cells_at),
            ("TopicRoom", geometry.topic_cells_at + offset_of!(TopicControl, room) as u64),
            ("CursorEntry", geometry.topic_cells_at + geometry.cursors_in_topic),
            ("LockEntry", geometry.locks_at),
            ("Board", geometry.cells_at + BOARD_IN_CELL),
            ("StatusBoard", geometry.cells_at + BOARD_IN_CELL),
            ("SpanControl", geometry.spans_at),
            ("MemberEntry", member),
            ("Notes", member),
            ("Counters", member + offset_of!(MemberEntry, counters) as u64),
            ("RingControl", ring),
            ("RingFront", ring + offset_of!(RingControl, front) as u64),
            ("QueueControl", queue),
            ("Later", queue + offset_of!(QueueControl, later) as u64),
            ("Losses", queue + offset_of!(QueueControl, losses) as u64),
            ("ChunkHeader", geometry.heap_at),
        ];
        let (mut start, mut seen) = (None, 0);
        for line in table.lines().skip_while(|line| !line.starts_with("Header")).take_while(|line| !line.is_empty()) {
            let parts: Vec<&str> = line.split_whitespace().collect();
            if !line.starts_with(' ') {
                start = starts.iter().find(|(name, _)| *name == parts[0]).map(|(_, at)| *at);
                assert!(start.is_some(), "{line}: where is it?");
                continue;
            }
            let at = start.unwrap() + parts[0].parse::<u64>().unwrap();
            seen += 1;
            assert!(parts[2] == "spare" || offsets.contains(&(at / 8 * 8)), "{line} is not swept");
        }
        assert!(seen > 100, "{seen}");
    }
}
