//! The layout of this version is the one that was written down: a change without a new number would let two versions meet that take the same bytes for
//! different things. See `docs/versions.md`.

use super::*;
use crate::topic::{CursorWord, FloorWord};
use crate::word::*;
use std::fmt::Write;
use std::mem::{align_of, offset_of, size_of};
use std::path::Path;

fn size_of_field<S, F>(_: fn(&S) -> &F) -> usize {
    size_of::<F>()
}

/// A line for every struct that is shared, and for every field of it. A field that is missing here does not compile.
macro_rules! table {
    ($($name:ident { $($field:ident),* $(,)? })*) => {{
        let mut table = String::new();
        $(
            let _: fn($name) = |value| {
                let $name { $($field: _),* } = value;
            };
            writeln!(table, "{} {} bytes, aligned to {}", stringify!($name), size_of::<$name>(), align_of::<$name>()).unwrap();
            $(
                let size = size_of_field(|value: &$name| &value.$field);
                writeln!(table, "  {} {} {}", offset_of!($name, $field), size, stringify!($field)).unwrap();
            )*
        )*
        table
    }};
}

fn structs() -> String {
    table! {
        Header {
            magic, layout, state, birth, boot, pid_namespace, owner, created_s, bytes, agents, ring_shift, limit, spans, roster_at, directory_at,
            directory_words, spans_at, cells_at, cell_bytes, chunks_at, heap_at, stamp_is_inode, name_length, name, supervisor, looked_ns, next_index,
            corrupt, swept_ns, groups, library, topics_at, topic_cells_at, topic_cell_bytes, locks_at, locks,
        }
        LockClock { drawn, committed }
        RosterEntry { claim, queue, committed, board }
        TopicRow { record, committed, spare }
        TopicControl { name, policy, shift, retain, limit, trimmed, spare, tail, floor, items, room, dropped, cursor_pages }
        TopicRoom { room, pad, awaited }
        CursorEntry { word, missed }
        LockEntry { word, ticket, token, hash, length, since_ns, gone, pad, spare, name }
        Board { status, histograms }
        StatusBoard { head, beat_ns, spare, copies }
        SpanControl { word, summary, words, unused, spare }
        MemberEntry { notes, counters, mailbox, declaring, sender, thread, taps, key, keyed_in, topics, locks, joined_ns, spare, spans }
        Notes { intent, sends_to, takes_from, waits_on, evicts }
        Counters { sent, sent_bytes, received, received_bytes, released, given_back, refused, sleeps }
        RingControl { tail, front }
        RingFront { head, room }
        QueueControl {
            name, owner, flags, limit, lanes, max_deliveries, dead_letters, deferred, tap, items, losses, rings, later,
        }
        Later { due, keys, stripes, vacant }
        Losses { undelivered, dropped }
        ChunkHeader { meta, home, id, correlation, sent_ns, next, expires_ns, deliveries }
    }
}

/// How words are packed: one of each, every part with a value of its own.
fn words() -> String {
    let (name, generation, chunk) = (Name::new(0x1234, 0x2ab), 0x9_8765_4321, 0x2bc_def1);
    let words = [
        ("Name", name.bits()),
        ("ChunkWord", ChunkWord::new(generation, name, ChunkState::InFlight).0),
        ("SlotWord ready", SlotWord::ready(generation, chunk).0),
        ("SlotWord empty", SlotWord::empty(generation).0),
        ("Intent", Intent::new(generation, chunk, IntentKind::Batch).0),
        ("Link", Link::new(generation, chunk).0),
        ("PlaceWord", PlaceWord(5 << 60).taken(chunk, 0x1_2345_6789).0),
        ("DueWord", DueWord(0xabcde << 40).next(Some(0x12_3456_789a)).0),
        ("ClaimWord", ClaimWord::new(0x2345_6789, 0x2a_bcde, 0x2ab, ClaimState::Dead).0),
        ("ThreadWord", ThreadWord::new(0x2a_bcde, 0x5432_1012, 0x2ab).condemned().0),
        ("RecordWord", RecordWord::new(generation, name, RecordState::Live).0),
        ("SpanWord", SpanWord::new(0x876_5432, 18, name, SpanState::Retiring).0),
        ("CursorWord", CursorWord::live(0x7_6543_2109_8765, name).0),
        ("FloorWord", FloorWord::new(0xab_cdef, 0x98_7654_3210).0),
    ];
    words.into_iter().map(|(name, word)| format!("{name} {word:016x}\n")).collect()
}

/// Where sections are, of a small segment and a large one, and the numbers from which that follows.
fn sections() -> String {
    let mut text = String::new();
    for geometry in [Geometry::new(5, 4, 3), Geometry::new(4097, 10, 512)] {
        writeln!(text, "{geometry:?}").unwrap();
    }
    let places = [MEMBER_IN_CELL, QUEUE_IN_CELL, BOARD_IN_CELL, SLOTS_IN_CELL, SLOTS_IN_TOPIC, CHUNK_HEADER];
    writeln!(text, "in cells and chunks {places:?}, first topic {FIRST_TOPIC}, flags {QUEUE_CLOSED} {QUEUE_MAKES_ROOM} {QUEUE_SEALED} {QUEUE_EPOCH}").unwrap();
    for class in 0..CLASSES {
        let (payload, stride) = (class_payload(class), class_stride(class));
        writeln!(text, "class {class}: {payload} {stride} {} {}", class_spans(class), class_chunks(class)).unwrap();
    }
    text
}

#[test]
fn the_layout_of_this_version_is_the_one_that_was_written_down() {
    let found = format!("Layout {LAYOUT_VERSION}\n\n{}\n{}\n{}", structs(), words(), sections());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/layouts/{LAYOUT_VERSION}.txt"));
    if std::env::var_os("SWARMBUS_WRITE_LAYOUT").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((was, is)) = written.lines().zip(found.lines()).find(|(was, is)| was != is) {
        panic!(
            "the layout has changed, e.g. '{was}' is '{is}', and LAYOUT_VERSION still is {LAYOUT_VERSION}. If {LAYOUT_VERSION} was released, raise it; then write the new \
             layout down: SWARMBUS_WRITE_LAYOUT=1 cargo test -p swarmbus-core --lib the_layout (docs/versions.md)"
        );
    }
    assert_eq!(written, found, "{} is missing or not whole", path.display());
}
