//! What snapshots tell: a struct for each kind of row.
use crate::batch::swarmbus_bytes;
use crate::options::Sized32;
use crate::text::SWARMBUS_NAME_SIZE;
use std::ffi::c_char;

/// Room for the longest name of a lock and its NUL.
pub const SWARMBUS_LOCK_NAME_SIZE: usize = 256;

/// What a name is of: a mailbox, which has or had an owner.
pub const SWARMBUS_KIND_MAILBOX: i32 = 0;
/// What a name is of: a work queue, which nobody ever owned.
pub const SWARMBUS_KIND_QUEUE: i32 = 1;
/// What a name is of: a role, `@role`.
pub const SWARMBUS_KIND_ROLE: i32 = 2;
/// What a name is of: a topic.
pub const SWARMBUS_KIND_TOPIC: i32 = 3;
/// What a name is of: a bus.
pub const SWARMBUS_KIND_BUS: i32 = 4;

/// Lane in a snapshot: of messages that came back to their queue. Not to be sent in.
pub const SWARMBUS_LANE_REDELIVERY: i32 = 5;
/// Lane in a snapshot: of messages that wait for a time. Not to be sent in.
pub const SWARMBUS_LANE_PARKED: i32 = 6;

/// Chunks of the heap by state.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_chunk_counts {
    /// Nobody's.
    pub free: u64,
    /// Loans, and kept in members' caches.
    pub held: u64,
    /// Sent and not received.
    pub queued: u64,
    /// Received and not released.
    pub in_flight: u64,
}

/// A bus at a glance.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_bus_info {
    /// sizeof(swarmbus_bus_info).
    pub struct_size: u32,
    /// Layout version of the segment.
    pub layout: u32,
    /// Its name.
    pub name: [c_char; SWARMBUS_NAME_SIZE],
    /// Creation, seconds since 1970.
    pub created_unix_s: u64,
    /// Size of the file, bytes.
    pub segment_bytes: u64,
    /// Memory in use, bytes.
    pub committed_bytes: u64,
    /// Size of the heap, bytes; little of it is committed.
    pub heap_bytes: u64,
    /// All chunks of the heap.
    pub chunks: swarmbus_chunk_counts,
    /// Words that made no sense and were skipped.
    pub corrupt: u64,
    /// Not 0: the bus is destroyed.
    pub destroyed: u32,
    /// Most agents and members.
    pub agents_max: u32,
    /// Default limit of a lane, messages.
    pub limit: u32,
    /// Members, living and dead.
    pub members: u32,
    /// Mailboxes and queues.
    pub queues: u32,
    /// The supervisor's process; 0 if none reaps.
    pub supervisor_pid: u32,
}

/// A size class of the heap that is in use.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_class_info {
    /// sizeof(swarmbus_class_info).
    pub struct_size: u32,
    /// Spans that belong to it.
    pub spans: u32,
    /// Longest payload, bytes.
    pub payload_bytes: u64,
    /// Its chunks.
    pub chunks: swarmbus_chunk_counts,
}

/// A member of a bus, and what it did since it joined.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_member_info {
    /// sizeof(swarmbus_member_info).
    pub struct_size: u32,
    /// Its process.
    pub pid: u32,
    /// The mailbox that it owns; empty: none.
    pub agent: [c_char; SWARMBUS_NAME_SIZE],
    /// Its index.
    pub index: u32,
    /// Its incarnation: an index is used again.
    pub incarnation: u32,
    /// Not 0: dead and not yet reaped.
    pub dead: u32,
    /// 0.
    pub reserved: u32,
    /// Chunks that it holds.
    pub held: u64,
    /// Messages in flight with it.
    pub in_flight: u64,
    /// Messages sent, published or passed on.
    pub sent: u64,
    /// Bytes of their payloads.
    pub sent_bytes: u64,
    /// Messages received, redeliveries included.
    pub received: u64,
    /// Bytes of their payloads.
    pub received_bytes: u64,
    /// Messages released or detached.
    pub released: u64,
    /// Messages given back to their queue.
    pub given_back: u64,
    /// Sends that were refused: full, closed, out of memory, out of time.
    pub refused: u64,
    /// How often it went to sleep.
    pub sleeps: u64,
}

/// A mailbox or queue.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_queue_info {
    /// sizeof(swarmbus_queue_info).
    pub struct_size: u32,
    /// Its owner's process; 0: it has none.
    pub owner_pid: u32,
    /// Its name.
    pub name: [c_char; SWARMBUS_NAME_SIZE],
    /// Where its dead letters go; empty: they are dropped.
    pub dead_letters: [c_char; SWARMBUS_NAME_SIZE],
    /// Not 0: intake is stopped.
    pub closed: u32,
    /// Most messages per lane.
    pub limit: u32,
    /// How often a message is delivered at most; 0: without end.
    pub max_deliveries: u32,
    /// 0.
    pub reserved: u32,
    /// Messages that wait, in all lanes.
    pub queued: u64,
    /// Messages received from it and not released.
    pub in_flight: u64,
    /// Messages put in so far, redeliveries included.
    pub sent: u64,
    /// Messages taken so far, redeliveries included.
    pub taken: u64,
    /// Messages that became dead letters, or were dropped for want of a queue for them.
    pub undelivered: u64,
    /// Messages dropped for good.
    pub dropped: u64,
    /// Messages that wait in each lane, a batch counted as one, by SWARMBUS_LANE_ number: 0 is SWARMBUS_LANE_NORMAL, 6
    /// SWARMBUS_LANE_PARKED, and 7 nothing yet.
    pub depths: [u64; 8],
}

/// A topic.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_topic_info {
    /// sizeof(swarmbus_topic_info).
    pub struct_size: u32,
    /// One of the SWARMBUS_POLICY_ numbers.
    pub policy: i32,
    /// Its name.
    pub name: [c_char; SWARMBUS_NAME_SIZE],
    /// How many messages a subscriber may be behind.
    pub capacity: u32,
    /// How many of the last messages a late subscriber can have.
    pub retain: u32,
    /// How many subscribe.
    pub subscribers: u32,
    /// 0.
    pub reserved: u32,
    /// Messages published so far.
    pub published: u64,
    /// Messages dropped for want of room.
    pub dropped: u64,
    /// Messages that it keeps in memory.
    pub retained_messages: u64,
    /// The memory of these, bytes.
    pub retained_bytes: u64,
}

/// A subscriber of a topic.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_subscriber_info {
    /// sizeof(swarmbus_subscriber_info).
    pub struct_size: u32,
    /// Its process.
    pub pid: u32,
    /// The topic.
    pub topic: [c_char; SWARMBUS_NAME_SIZE],
    /// The mailbox that it owns; empty: none.
    pub agent: [c_char; SWARMBUS_NAME_SIZE],
    /// How many messages it has not read: its lag.
    pub behind: u64,
    /// How many it missed, of a lossy topic.
    pub missed: u64,
}

/// A lock that somebody has or waits for.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_lock_info {
    /// sizeof(swarmbus_lock_info).
    pub struct_size: u32,
    /// SWARMBUS_LOCK_EXCLUSIVE or SWARMBUS_LOCK_SHARED.
    pub mode: i32,
    /// As it was asked for; may be a pattern.
    pub name: [c_char; SWARMBUS_LOCK_NAME_SIZE],
    /// The agent that has or wants it; empty: a member without a mailbox.
    pub agent: [c_char; SWARMBUS_NAME_SIZE],
    /// Not 0: held; 0: waited for.
    pub held: u32,
    /// Its process; 0: that is gone and nobody has reaped it.
    pub pid: u32,
    /// How many that conflict with it were asked for before, of one that is waited for.
    pub waits_behind: u32,
    /// 0.
    pub reserved: u32,
    /// The fencing token, of one that is held; else 0.
    pub token: u64,
    /// When it was asked for, nanoseconds of CLOCK_MONOTONIC, to a few ms.
    pub since_ns: u64,
}

/// A name on a bus, or the name of a bus.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_name_info {
    /// sizeof(swarmbus_name_info).
    pub struct_size: u32,
    /// One of the SWARMBUS_KIND_ numbers.
    pub kind: i32,
    /// The name; of a role with its `@`.
    pub name: [c_char; SWARMBUS_NAME_SIZE],
    /// The process that owns the mailbox; 0: none.
    pub owner_pid: u32,
    /// 0.
    pub reserved: u32,
}

/// An agent: a mailbox that has, or had, an owner. Its tags and roles are texts: swarmbus_snapshot_text().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_agent_info {
    /// sizeof(swarmbus_agent_info).
    pub struct_size: u32,
    /// Its process; 0: it has left, or was found dead.
    pub pid: u32,
    /// Its name.
    pub name: [c_char; SWARMBUS_NAME_SIZE],
    /// How often its mailbox has changed hands: swarmbus_agent_epoch().
    pub epoch: u64,
    /// How many tags it has.
    pub tag_count: u32,
    /// How many roles it has; none if it is dead.
    pub role_count: u32,
}

/// What an agent says of itself, or said last. Its task, note, blockers, tags and roles are texts: swarmbus_snapshot_text().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_status_info {
    /// sizeof(swarmbus_status_info).
    pub struct_size: u32,
    /// One of the SWARMBUS_STATE_ numbers.
    pub state: i32,
    /// Its name.
    pub agent: [c_char; SWARMBUS_NAME_SIZE],
    /// Its process; 0: it has left, or was found dead.
    pub pid: u32,
    /// How many goals of its task are done.
    pub done: u32,
    /// How many goals its task has; 0: that is not known.
    pub total: u32,
    /// How many blockers.
    pub blocker_count: u32,
    /// How many tags.
    pub tag_count: u32,
    /// How many roles.
    pub role_count: u32,
    /// When it came into this state, nanoseconds of CLOCK_MONOTONIC.
    pub since_ns: u64,
    /// How long ago it last gave a sign of life, nanoseconds; -1: it never did.
    pub beat_age_ns: i64,
}

/// A message seen in its queue.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_message_info {
    /// sizeof(swarmbus_message_info).
    pub struct_size: u32,
    /// One of the SWARMBUS_LANE_ numbers.
    pub lane: i32,
    /// The mailbox of its sender; empty: it has none.
    pub sender: [c_char; SWARMBUS_NAME_SIZE],
    /// Its id.
    pub id: u64,
    /// The number that the sender gave it.
    pub correlation: u64,
    /// How often it was received so far.
    pub deliveries: u32,
    /// One of the SWARMBUS_CONTENT_ numbers.
    pub content: i32,
    /// A copy of the payload, which is the snapshot's.
    pub payload: swarmbus_bytes,
}

/// What was measured of one kind: upper bounds in nanoseconds, less than half too high. From 137 s on they are UINT64_MAX.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_latency {
    /// Samples.
    pub count: u64,
    /// Half of the samples are below.
    pub p50_ns: u64,
    /// Nine of ten samples are below.
    pub p90_ns: u64,
    /// 99 of 100 samples are below.
    pub p99_ns: u64,
    /// All samples are below.
    pub max_ns: u64,
}

/// What members measured, each or all together. Of calls each is measured, of messages every 64th that a member sends.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct swarmbus_latency_info {
    /// sizeof(swarmbus_latency_info).
    pub struct_size: u32,
    /// The member's process; 0: all members together.
    pub pid: u32,
    /// The mailbox that it owns; empty: none.
    pub agent: [c_char; SWARMBUS_NAME_SIZE],
    /// From the call of send to the moment when the message is received.
    pub queueing: swarmbus_latency,
    /// From there to its release.
    pub handling: swarmbus_latency,
    /// The call of send, with the wait for room.
    pub sending: swarmbus_latency,
    /// From a question to its answer.
    pub coordination: swarmbus_latency,
}

macro_rules! plain {
    ($($info:ident),* $(,)?) => {
        $(
            // SAFETY: integers, all of them; of a message a pointer too, which this library does not follow.
            unsafe impl Sized32 for $info {}
        )*
    };
}

plain!(
    swarmbus_bus_info,
    swarmbus_class_info,
    swarmbus_member_info,
    swarmbus_queue_info,
    swarmbus_topic_info,
    swarmbus_subscriber_info,
    swarmbus_lock_info,
    swarmbus_name_info,
    swarmbus_agent_info,
    swarmbus_status_info,
    swarmbus_message_info,
    swarmbus_latency_info,
);
