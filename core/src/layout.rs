//! Where everything lies in a segment. Described for other languages in `docs/layout.md`; sizes and offsets are asserted here.

mod classes;
mod geometry;
mod members;
mod queues;
#[cfg(all(test, not(loom)))]
mod table;
mod tables;
mod topics;

pub use classes::*;
pub use geometry::Geometry;
pub use members::*;
pub use queues::*;
pub use tables::*;
pub use topics::*;

use crate::sync::{WakeWord, Word};
use crossbeam_utils::CachePadded;

/// First word of every segment: "SWARMBUS" in the byte order of the machine.
pub const MAGIC: u64 = u64::from_le_bytes(*b"SWARMBUS");
/// Rises with every change of a struct of this module.
pub const LAYOUT_VERSION: u64 = 4;
/// The unit of committing.
pub const PAGE: u64 = 4096;
/// Longest name of a bus, queue or agent, bytes.
pub const NAME_MAX: usize = 63;

/// Rings of a queue, in the order in which takers read them: redelivery, reply, urgent, high, normal, low.
pub const RINGS: usize = 6;
/// The redelivery ring.
pub const REDELIVERY: usize = 0;
/// The ring of answers: only a call hands them out, anybody else drops them as late.
pub const REPLY: usize = 1;

/// Stripes of a queue's keys: two sends with keys of one stripe wait for each other.
pub const KEY_STRIPES: usize = 64;
/// The deduplication keys that a queue remembers: the last so many.
pub const KEYS: usize = 960;
/// Words that sleepers on many queues sleep on: queue i rings word i modulo this.
pub const GROUPS: usize = 64;

/// Most topics of a bus.
pub const TOPICS: usize = 256;
/// Index in the name of the first topic. Those below are cells, the one above all is [`crate::queue::LIMBO`].
pub const FIRST_TOPIC: u16 = u16::MAX - TOPICS as u16;
/// Most agents of a bus: as many cells as have names, but one for a reaper.
pub const AGENTS_MAX: u32 = FIRST_TOPIC as u32 - 1;
/// Most locks held and waited for at a time.
pub const LOCKS: usize = 8192;
/// Longest name of a lock, bytes.
pub const LOCK_NAME_MAX: usize = 255;
/// Words of a lock's name. The models tell names by their hashes.
pub const LOCK_NAME_WORDS: usize = if cfg!(loom) { 0 } else { 32 };
/// Words of one copy of a status.
pub const STATUS_WORDS: usize = 124;
/// Buckets of a histogram.
pub const BUCKETS: usize = 64;
/// Histograms of a member.
pub const HISTOGRAMS: usize = 4;

/// The first page of a segment. In every version [`Header::magic`], `layout`, `state`, `birth` and `library` are where they are, so that each can say
/// of the other's segments which made them.
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: Word,
    /// [`LAYOUT_VERSION`].
    pub layout: Word,
    /// `0` not ready, [`STATE_READY`], or [`STATE_DESTROYING`].
    pub state: Word,
    /// A random number given at birth: tells this segment from another of the same name.
    pub birth: Word,
    /// The kernel's boot id, 16 bytes.
    pub boot: [Word; 2],
    /// Inode of the pid namespace in which the pids of claims mean something.
    pub pid_namespace: Word,
    /// User id of the owner.
    pub owner: Word,
    /// Creation, seconds since 1970.
    pub created_s: Word,
    /// Size of the segment's file, bytes.
    pub bytes: Word,
    /// Cells: most agents (and most queues), and one that is kept for a reaper.
    pub agents: Word,
    /// log₂ of the slots of a ring.
    pub ring_shift: Word,
    /// Default limit of a lane, messages.
    pub limit: Word,
    /// Spans of the heap.
    pub spans: Word,
    /// Offset of the roster.
    pub roster_at: Word,
    /// Offset of the directory.
    pub directory_at: Word,
    /// Words of the directory, a power of two.
    pub directory_words: Word,
    /// Offset of the span table.
    pub spans_at: Word,
    /// Offset of the cells.
    pub cells_at: Word,
    /// Bytes from cell to cell.
    pub cell_bytes: Word,
    /// Offset of the chunk words.
    pub chunks_at: Word,
    /// Offset of the heap.
    pub heap_at: Word,
    /// 1: a member's stamp is the inode of its pidfd; 0: its start time in clock ticks.
    pub stamp_is_inode: Word,
    /// Length of the bus' name, bytes.
    pub name_length: Word,
    /// The bus' name.
    pub name: [Word; 8],
    /// The member that supervises (its 26 bits plus 1), or 0.
    pub supervisor: CachePadded<Word>,
    /// When a peer last looked for dead members, ns of `CLOCK_MONOTONIC`.
    pub looked_ns: CachePadded<Word>,
    /// Where the next claim of an index starts its search: a hint.
    pub next_index: CachePadded<Word>,
    /// Slots and words that made no sense and were skipped.
    pub corrupt: CachePadded<Word>,
    /// When somebody last swept the heap for spans that nobody uses, ns of `CLOCK_MONOTONIC`.
    pub swept_ns: CachePadded<Word>,
    /// Rung with a queue's own wake word, for who sleeps on more queues than the kernel takes words. Written only while somebody does, so
    /// they may share cache lines.
    pub groups: [WakeWord; GROUPS],
    /// Version of the library that made the segment, zero-padded.
    pub library: [Word; 2],
    /// Offset of the topic table.
    pub topics_at: Word,
    /// Offset of the topics' cells.
    pub topic_cells_at: Word,
    /// Bytes from a topic's cell to the next.
    pub topic_cell_bytes: Word,
    /// Offset of the lock table.
    pub locks_at: Word,
    /// What all locks share.
    pub locks: CachePadded<LockClock>,
}

/// [`Header::state`]: in use.
pub const STATE_READY: u64 = 1;
/// [`Header::state`]: being destroyed; whoever meets it finishes.
pub const STATE_DESTROYING: u64 = 2;

/// Offset of a member entry in its cell.
pub const MEMBER_IN_CELL: u64 = 0;
/// Offset of a queue's control in its cell.
pub const QUEUE_IN_CELL: u64 = 2048;
/// Offset of the board in a cell.
pub const BOARD_IN_CELL: u64 = PAGE;
/// Offset of the rings' slots in a cell; the page before is its board. The places of the parking lot follow, as many as
/// a ring has slots, then the keys.
pub const SLOTS_IN_CELL: u64 = 2 * PAGE;
/// Offset of the slots in a topic's cell; the cursors follow.
pub const SLOTS_IN_TOPIC: u64 = PAGE;
/// Number of the parking lot among the areas of a queue that are committed on demand; those before are its rings.
pub const PARKING: usize = RINGS;
/// Number of the keys among these areas.
pub const KEYED: usize = RINGS + 1;
/// Bytes of the keys, stripes first.
pub const KEYS_BYTES: u64 = (KEY_STRIPES + KEYS) as u64 * 8;

#[cfg(not(loom))]
const _: () = {
    use std::mem::{offset_of, size_of};
    assert!(size_of::<Header>() <= PAGE as usize && offset_of!(Header, supervisor) == 256);
    assert!(
        offset_of!(Header, swept_ns) == 768
            && offset_of!(Header, groups) == 896
            && offset_of!(SpanControl, unused) == 24
    );
    assert!(size_of::<RosterEntry>() == 32 && size_of::<SpanControl>() == 64);
    assert!(offset_of!(Header, layout) == 8 && offset_of!(Header, state) == 16 && offset_of!(Header, birth) == 24);
    assert!(offset_of!(Header, library) == 1152 && offset_of!(Header, locks) == 1280);
    assert!(size_of::<TopicRow>() == 32 && size_of::<CursorEntry>() == 16 && size_of::<LockEntry>() == 320);
    assert!(offset_of!(TopicControl, tail) == 128 && offset_of!(TopicControl, floor) == 256);
    assert!(offset_of!(TopicControl, items) == 384 && offset_of!(TopicControl, room) == 512);
    assert!(offset_of!(TopicControl, dropped) == 640 && offset_of!(TopicControl, cursor_pages) == 768);
    assert!(offset_of!(LockEntry, gone) == 48 && offset_of!(LockEntry, name) == 64);
    assert!(LOCK_NAME_MAX < LOCK_NAME_WORDS * 8 && size_of::<TopicControl>() <= PAGE as usize);
    assert!(offset_of!(StatusBoard, copies) == 64 && offset_of!(Board, histograms) == 2048);
    assert!(size_of::<Board>() == PAGE as usize);
    assert!(size_of::<Notes>() == 64 && offset_of!(MemberEntry, counters) == 64);
    assert!(offset_of!(MemberEntry, mailbox) == 128 && offset_of!(MemberEntry, topics) == 184);
    assert!(
        offset_of!(MemberEntry, thread) == 152
            && offset_of!(MemberEntry, spans) == 512
            && size_of::<MemberEntry>() == 2048
    );
    assert!(size_of::<RingControl>() == 256 && offset_of!(RingControl, front) == 128);
    assert!(offset_of!(QueueControl, owner) == 64 && offset_of!(QueueControl, items) == 128);
    assert!(offset_of!(RingFront, room) == 8 && offset_of!(QueueControl, losses) == 256);
    assert!(offset_of!(QueueControl, rings) == 384 && size_of::<QueueControl>() == 2048);
    assert!(offset_of!(QueueControl, tap) == 120 && offset_of!(QueueControl, later) == 1920);
    assert!(offset_of!(Later, stripes) == 16 && offset_of!(Later, vacant) == 20);
    assert!(QUEUE_IN_CELL + 2048 <= PAGE && KEYS_BYTES.is_multiple_of(PAGE));
    assert!(size_of::<ChunkHeader>() == CHUNK_HEADER as usize && offset_of!(ChunkHeader, deliveries) == 56);
    assert!(class_payload(CLASSES - 1) == 16 << 20 && class_chunks(14) == 2 && class_spans(CLASSES - 1) == 8);
};

/// Rounds up to whole pages.
pub const fn pages(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE) * PAGE
}
