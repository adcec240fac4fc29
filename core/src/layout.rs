//! Where everything lies in a segment. Described for other languages in `docs/layout.md`; sizes and offsets are asserted here.

mod geometry;
#[cfg(all(test, not(loom)))]
mod table;

pub use geometry::Geometry;

use crate::sync::{WakeWord, Word};
use crossbeam_utils::CachePadded;

/// First word of every segment: "SWARMBUS" in the byte order of the machine.
pub const MAGIC: u64 = u64::from_le_bytes(*b"SWARMBUS");
/// Rises with every change of this file's structs.
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

/// Size classes of the heap: payloads of 64 B, 128 B, … 16 MiB.
pub const CLASSES: usize = 19;
/// Bytes of a chunk's header.
pub const CHUNK_HEADER: u64 = 64;
/// Longest payload, bytes.
pub const PAYLOAD_MAX: u64 = class_payload(CLASSES - 1);
/// Most chunks in a span; the low bits of a chunk's index.
pub const SPAN_CHUNKS: u64 = 4096;
/// Bytes of a span: 2 MiB of payloads and a page for headers, so that payloads of 2ⁿ fill it.
pub const SPAN_BYTES: u64 = 2 * 1024 * 1024 + PAGE;
/// Most spans: what the map of a member entry holds.
pub const SPANS_MAX: u64 = (SPAN_MAP_WORDS * 64) as u64;
const SPAN_MAP_WORDS: usize = 192;

/// Payload bytes of a class.
pub const fn class_payload(class: usize) -> u64 {
    64 << class
}

/// Bytes from chunk to chunk in a span of a class.
pub const fn class_stride(class: usize) -> u64 {
    CHUNK_HEADER + class_payload(class)
}

/// Spans that one chunk of a class needs: 1 up to 2 MiB.
pub const fn class_spans(class: usize) -> u64 {
    SPANS_AND_CHUNKS[class].0 as u64
}

/// Chunks in a span (or run of spans) of a class; none of a class that does not exist.
pub const fn class_chunks(class: usize) -> u64 {
    SPANS_AND_CHUNKS[class].1 as u64
}

/// Of each class, as a table: it is asked several times with every message. As long as what a span word can say of its class.
static SPANS_AND_CHUNKS: [(u32, u32); 32] = {
    let mut table = [(0, 0); 32];
    let mut class = 0;
    while class < CLASSES {
        let spans = class_stride(class).div_ceil(SPAN_BYTES);
        let fit = spans * SPAN_BYTES / class_stride(class);
        table[class] = (spans as u32, if fit > SPAN_CHUNKS { SPAN_CHUNKS } else { fit } as u32);
        class += 1;
    }
    table
};

/// The smallest class whose payload holds `length` bytes; `None` when the length is over [`PAYLOAD_MAX`].
pub fn class_of(length: u64) -> Option<usize> {
    // 64 is 2⁶: of a length of b bits, less one, the class is b − 6.
    (length <= PAYLOAD_MAX).then(|| (64 - (length.max(64) - 1).leading_zeros()) as usize - 6)
}

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

/// What all locks share.
#[repr(C)]
pub struct LockClock {
    /// The last ticket or token that was drawn.
    pub drawn: Word,
    /// How many entries of the lock table are committed. Never falls.
    pub committed: Word,
}

/// [`Header::state`]: in use.
pub const STATE_READY: u64 = 1;
/// [`Header::state`]: being destroyed; whoever meets it finishes.
pub const STATE_DESTROYING: u64 = 2;

/// One row of the roster: what a scanner needs to know of a cell before it touches it.
#[repr(C, align(32))]
pub struct RosterEntry {
    /// [`crate::word::ClaimWord`]: the member that has this index.
    pub claim: Word,
    /// [`crate::word::RecordWord`]: the queue that has this index.
    pub queue: Word,
    /// 1 once the cell's first page is committed.
    pub committed: Word,
    /// 1 once the cell's second page, its board, is committed.
    pub board: Word,
}

/// One row of the topic table.
#[repr(C, align(32))]
pub struct TopicRow {
    /// [`crate::word::RecordWord`]: the topic that has this index.
    pub record: Word,
    /// 1 once the first page of the topic's cell and its slots are committed.
    pub committed: Word,
    spare: [Word; 2],
}

/// A topic without its slots and cursors.
#[repr(C)]
pub struct TopicControl {
    /// Name, zero-padded.
    pub name: [Word; 8],
    /// What a publisher does about a subscriber that is slow.
    pub policy: Word,
    /// log₂ of its slots: twice as many as a subscriber may be behind.
    pub shift: Word,
    /// How many messages a subscriber gets that came before it.
    pub retain: Word,
    /// How many messages a subscriber may be behind.
    pub limit: Word,
    /// Messages before this position may have been taken out.
    pub trimmed: Word,
    spare: [Word; 3],
    /// Where the next message probably goes.
    pub tail: CachePadded<Word>,
    /// No cursor is behind this position: what the last look at all of them found, and a count of joins.
    pub floor: CachePadded<Word>,
    /// Rung when a message comes; wakes everybody.
    pub items: CachePadded<WakeWord>,
    /// Rung when a subscriber moves on.
    pub room: CachePadded<TopicRoom>,
    /// Messages that were dropped for want of room.
    pub dropped: CachePadded<Word>,
    /// Bit p: page p of the cursors is committed.
    pub cursor_pages: [Word; 4],
}

/// Where publishers wait.
#[repr(C)]
pub struct TopicRoom {
    /// Rung when a subscriber moves on for which somebody waits.
    pub room: WakeWord,
    /// Keeps the next word aligned.
    pub pad: WakeWord,
    /// The member index, plus 1, for which all publishers wait that sleep; a hint.
    pub awaited: Word,
}

/// The cursor of one member in one topic.
#[repr(C)]
pub struct CursorEntry {
    /// Who subscribes, and the position that it reads next.
    pub word: Word,
    /// How many messages it missed. Written by the subscriber alone.
    pub missed: Word,
}

/// One row of the lock table: somebody who holds a lock or waits for it.
#[repr(C, align(64))]
pub struct LockEntry {
    /// Whose it is, and what for.
    pub word: Word,
    /// Its place in the order of those who want the same.
    pub ticket: Word,
    /// The fencing token, once it holds the lock.
    pub token: Word,
    /// Of the name; lowest bit: it is a pattern.
    pub hash: Word,
    /// Length of the name, bytes.
    pub length: Word,
    /// When it asked, ns of `CLOCK_MONOTONIC`.
    pub since_ns: Word,
    /// Rung when it gives way; wakes everybody who waits for that.
    pub gone: WakeWord,
    /// Keeps the next word aligned.
    pub pad: WakeWord,
    spare: Word,
    /// The name, as many bytes as `length` says.
    pub name: [Word; LOCK_NAME_WORDS],
}

#[cfg(any(loom, test))]
impl LockEntry {
    /// An entry outside shared memory: nobody's.
    pub fn blank() -> LockEntry {
        let zero = || Word::new(0);
        let (gone, pad) = (WakeWord::new(0), WakeWord::new(0));
        let name = std::array::from_fn(|_| zero());
        let [word, ticket, token, hash, length, since_ns, spare] = std::array::from_fn(|_| zero());
        LockEntry { word, ticket, token, hash, length, since_ns, gone, pad, spare, name }
    }
}

/// The second page of a cell: the status of the agent whose mailbox has this index, and the histograms of the member that has it.
#[repr(C)]
pub struct Board {
    /// Of the agent.
    pub status: StatusBoard,
    /// Of the member; written by it alone.
    pub histograms: [[Word; BUCKETS]; HISTOGRAMS],
}

/// An agent's status, twice: one copy is read while the other is written.
#[repr(C)]
pub struct StatusBoard {
    /// Which copy counts, which version it is, and who may write.
    pub head: Word,
    /// When the agent last gave a sign of life, ns of `CLOCK_MONOTONIC`.
    pub beat_ns: Word,
    spare: [Word; 6],
    /// The copies.
    pub copies: [[Word; STATUS_WORDS]; 2],
}

/// One row of the span table.
#[repr(C, align(64))]
pub struct SpanControl {
    /// [`crate::word::SpanWord`].
    pub word: Word,
    /// Bit g: the 64 chunk words of group g may have a free one. A hint.
    pub summary: Word,
    /// How many of the span's chunk words are committed. Never falls: they outlive the span's classes (I18).
    pub words: Word,
    /// What the chunk words were when a sweep last found all of them free: see [`crate::span::unused`]. A hint.
    pub unused: Word,
    spare: [Word; 4],
}

#[cfg(any(loom, test))]
impl SpanControl {
    /// A row outside shared memory.
    pub fn with_word(word: crate::word::SpanWord) -> SpanControl {
        let zero = || Word::new(0);
        let spare = std::array::from_fn(|_| zero());
        SpanControl { word: Word::new(word.0), summary: zero(), words: zero(), unused: zero(), spare }
    }
}

/// A member's notes to its reaper. Written by the member alone; reset by the next owner of the index.
#[repr(C)]
pub struct MemberEntry {
    /// What is written with every message: see [`Notes`].
    pub notes: Notes,
    /// What it did so far.
    pub counters: Counters,
    /// The mailbox that it owns (queue name plus 1), or 0.
    pub mailbox: Word,
    /// The queue record that it makes (index plus 1), or 0.
    pub declaring: Word,
    /// Whom its messages say they are from (queue name plus 1), or 0.
    pub sender: Word,
    /// [`crate::word::ThreadWord`]: the thread to which the handle is bound, or 0: to the process alone.
    pub thread: Word,
    /// The queue whose messages it taps (name plus 1), or 0.
    pub taps: Word,
    /// The deduplication key of the message that it is sending.
    pub key: Word,
    /// The queue (name plus 1) in which it may have a stripe of keys, or 0.
    pub keyed_in: Word,
    /// A bit for each topic to which it subscribes: set before the cursor is claimed.
    pub topics: [Word; TOPICS / 64],
    /// 1: it may have entries in the lock table.
    pub locks: Word,
    /// When it joined, ns of `CLOCK_MONOTONIC`; for people.
    pub joined_ns: Word,
    spare: [Word; 35],
    /// Spans in which it claimed chunks: bit set before the first claim there.
    pub spans: [Word; SPAN_MAP_WORDS],
}

/// The notes that change with messages, on lines of their own.
#[repr(C, align(64))]
pub struct Notes {
    /// [`crate::word::Intent`].
    pub intent: Word,
    /// The queue (name plus 1) whose receivers it may owe a wake.
    pub sends_to: Word,
    /// The queue (name plus 1) whose senders it may owe a wake.
    pub takes_from: Word,
    /// The queue (name plus 1) on which it waits, and whose wake it may have swallowed; [`WAITS_ANYWHERE`]: on several.
    pub waits_on: Word,
    /// [`crate::word::Intent`]: the message that its next one pushes out of a topic.
    pub evicts: Word,
}

/// What a member did so far, for people. Written by it alone, reset by the next owner of the index.
#[repr(C, align(64))]
pub struct Counters {
    /// Messages sent and published.
    pub sent: Word,
    /// Bytes of these.
    pub sent_bytes: Word,
    /// Messages received.
    pub received: Word,
    /// Bytes of these.
    pub received_bytes: Word,
    /// Messages released.
    pub released: Word,
    /// Messages given back to their queue.
    pub given_back: Word,
    /// Sends that were refused.
    pub refused: Word,
    /// How often it went to sleep.
    pub sleeps: Word,
}

/// [`Notes::waits_on`]: any queue's wake may have been swallowed.
pub const WAITS_ANYWHERE: u64 = u64::MAX;

#[cfg(any(loom, test))]
impl Notes {
    /// Notes outside shared memory: none.
    pub fn blank() -> Notes {
        let none = || Word::new(0);
        Notes { intent: none(), sends_to: none(), takes_from: none(), waits_on: none(), evicts: none() }
    }
}

/// A ring's hints. `head` and `tail` are positions; the truth is in the slots.
#[repr(C)]
pub struct RingControl {
    /// Where the next message probably goes.
    pub tail: CachePadded<Word>,
    /// What takers write.
    pub front: CachePadded<RingFront>,
}

/// The taker's end of a ring.
#[repr(C)]
pub struct RingFront {
    /// Where the oldest message probably is.
    pub head: Word,
    /// Rung when room comes.
    pub room: WakeWord,
}

#[cfg(any(loom, test))]
impl RingControl {
    /// Hints outside shared memory, of an empty ring whose next message comes to `position`.
    pub fn starting_at(position: u64) -> RingControl {
        let front = RingFront { head: Word::new(position), room: WakeWord::new(0) };
        RingControl { tail: CachePadded::new(Word::new(position)), front: CachePadded::new(front) }
    }
}

/// A queue without its slots.
#[repr(C)]
pub struct QueueControl {
    /// Name, zero-padded.
    pub name: [Word; 8],
    /// [`crate::word::RecordWord`]: the member that owns the mailbox, and the epoch.
    pub owner: Word,
    /// [`QUEUE_CLOSED`] and others; an epoch above ([`QUEUE_EPOCH`]).
    pub flags: Word,
    /// Most messages in a lane.
    pub limit: Word,
    /// Bit r: ring r is committed.
    pub lanes: Word,
    /// How often a message is delivered at most; 0: without end.
    pub max_deliveries: Word,
    /// The queue (name plus 1) to which messages go that are not delivered; 0: nowhere.
    pub dead_letters: Word,
    /// Lowest bit: messages of this queue wait for room in its redelivery ring, owned by nobody living; a count above it.
    pub deferred: Word,
    /// [`crate::word::RecordWord`]: the member whose mailbox gets a copy of every message sent here.
    pub tap: Word,
    /// Rung when a message comes.
    pub items: CachePadded<WakeWord>,
    /// What became of messages that were not delivered.
    pub losses: CachePadded<Losses>,
    /// Hints of the rings.
    pub rings: [RingControl; RINGS],
    /// What belongs to messages that wait for a time, and to keys.
    pub later: CachePadded<Later>,
}

/// A queue's parking lot and keys, without the words of either.
#[repr(C)]
pub struct Later {
    /// When the next parked message is due: `count:24 · due_ms:40`. A hint that is never too late.
    pub due: Word,
    /// How many keys were remembered so far.
    pub keys: Word,
    /// Rung when a stripe of keys is given up.
    pub stripes: WakeWord,
    /// Rung when the mailbox has no owner any more, or another.
    pub vacant: WakeWord,
}

/// Counters of a queue, for people.
#[repr(C)]
pub struct Losses {
    /// Messages moved to the dead letters, or dropped for want of such a queue.
    pub undelivered: Word,
    /// Messages dropped for good: old dead letters, late answers, expired ones without a queue for dead letters.
    pub dropped: Word,
}

/// [`QueueControl::flags`]: intake is stopped.
pub const QUEUE_CLOSED: u64 = 1;
/// [`QueueControl::flags`]: a message for a full lane moves the oldest of the lane to the dead letters.
pub const QUEUE_MAKES_ROOM: u64 = 2;
/// [`QueueControl::flags`]: closed, and no sender can get a message in any more.
pub const QUEUE_SEALED: u64 = 4;
/// [`QueueControl::flags`]: what is added whenever the queue is closed or opened, above the bits.
pub const QUEUE_EPOCH: u64 = 1 << 32;

/// A chunk's header. Written by the chunk's owner; words, so that a late reader reads something and then finds out that it
/// is out of date.
#[repr(C, align(64))]
pub struct ChunkHeader {
    /// `flags:16 · content:8 · lane:8 · length:32`.
    pub meta: Word,
    /// Home queue in the low half, sender's mailbox (name plus 1) in the high half.
    pub home: Word,
    /// Message id.
    pub id: Word,
    /// Chosen by the sender; ties an answer to its question.
    pub correlation: Word,
    /// When it was sent, ns of `CLOCK_MONOTONIC`; 0: not stamped.
    pub sent_ns: Word,
    /// Next chunk of a batch; 0: none.
    pub next: Word,
    /// When it ceases to matter, ns of `CLOCK_MONOTONIC`; 0: never.
    pub expires_ns: Word,
    /// How often it was taken, in the low half; in the high half, for a dead letter, the queue (name plus 1) it was sent to.
    pub deliveries: Word,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_has_the_smallest_class_that_holds_it() {
        for (length, class) in [(0, 0), (1, 0), (64, 0), (65, 1), (128, 1), (129, 2), (1024, 4), (16 << 20, 18)] {
            assert_eq!(class_of(length), Some(class), "{length}");
        }
        assert_eq!(class_of((16 << 20) + 1), None);
    }

    #[test]
    fn chunks_of_every_class_fit_their_spans() {
        for class in 0..CLASSES {
            assert!(class_chunks(class) * class_stride(class) <= class_spans(class) * SPAN_BYTES);
            assert!(class_chunks(class) >= 1 && class_stride(class).is_multiple_of(64));
        }
    }
}
