//! From what an observer of the core sees to the structs of [`crate::info`].
use crate::batch::swarmbus_bytes;
use crate::info::*;
use crate::lock::{SWARMBUS_LOCK_EXCLUSIVE, SWARMBUS_LOCK_SHARED};
use crate::options::{content_number, lane_number};
use crate::status::state_number;
use crate::text::fixed;
use crate::topic::policy_number;
use std::ffi::{CString, c_char};
use std::mem::size_of;
use swarmbus_core::{
    AgentInfo, BusInfo, ChunkCounts, ClassInfo, Lane, LatencyInfo, LatencyKinds, LockInfo, LockMode, MemberInfo,
    MemberLatencies, NameInfo, NameKind, Peeked, QueueInfo, StatusInfo, SubscriberInfo, TopicInfo,
};

/// Text of a row: the task of a status.
pub const SWARMBUS_TEXT_TASK: i32 = 0;
/// Text of a row: the note of a status.
pub const SWARMBUS_TEXT_NOTE: i32 = 1;
/// Text of a row: a blocker of a status.
pub const SWARMBUS_TEXT_BLOCKER: i32 = 2;
/// Text of a row: a tag of a status or an agent.
pub const SWARMBUS_TEXT_TAG: i32 = 3;
/// Text of a row: a role of a status or an agent.
pub const SWARMBUS_TEXT_ROLE: i32 = 4;

/// The texts of a row by kind.
pub type Texts = Vec<(i32, CString)>;

fn name<const SIZE: usize>(text: Option<&str>) -> [c_char; SIZE] {
    fixed(text.unwrap_or(""))
}

fn size<T>() -> u32 {
    size_of::<T>() as u32
}

fn counts(chunks: ChunkCounts) -> swarmbus_chunk_counts {
    let ChunkCounts { free, held, queued, in_flight } = chunks;
    swarmbus_chunk_counts { free, held, queued, in_flight }
}

/// Of the whole bus.
pub fn bus(info: &BusInfo) -> swarmbus_bus_info {
    swarmbus_bus_info {
        struct_size: size::<swarmbus_bus_info>(),
        layout: info.layout,
        name: name(Some(&info.name)),
        created_unix_s: info.created_unix_s,
        segment_bytes: info.segment_bytes,
        committed_bytes: info.committed_bytes,
        heap_bytes: info.heap.bytes,
        chunks: counts(info.heap.chunks),
        corrupt: info.corrupt,
        destroyed: (info.state != "ready") as u32,
        agents_max: info.agents_max,
        limit: info.limit,
        members: info.members,
        queues: info.queues,
        supervisor_pid: info.supervisor_pid.unwrap_or(0),
    }
}

/// Of a size class.
pub fn class(info: &ClassInfo) -> swarmbus_class_info {
    swarmbus_class_info {
        struct_size: size::<swarmbus_class_info>(),
        spans: info.spans,
        payload_bytes: info.payload_bytes,
        chunks: counts(info.chunks),
    }
}

/// Of a member.
pub fn member(info: &MemberInfo) -> swarmbus_member_info {
    swarmbus_member_info {
        struct_size: size::<swarmbus_member_info>(),
        pid: info.pid,
        agent: name(info.agent.as_deref()),
        index: info.index.into(),
        incarnation: info.incarnation.into(),
        dead: (info.state != "live") as u32,
        reserved: 0,
        held: info.held,
        in_flight: info.in_flight,
        sent: info.counters.sent,
        sent_bytes: info.counters.sent_bytes,
        received: info.counters.received,
        received_bytes: info.counters.received_bytes,
        released: info.counters.released,
        given_back: info.counters.given_back,
        refused: info.counters.refused,
        sleeps: info.counters.sleeps,
    }
}

/// The number of a lane as observers name it.
fn lane(lane: &str) -> i32 {
    match lane {
        "redelivery" => SWARMBUS_LANE_REDELIVERY,
        "parked" => SWARMBUS_LANE_PARKED,
        _ => Lane::ALL.iter().find(|known| known.as_str() == lane).map_or(-1, |known| lane_number(*known)),
    }
}

/// Of a queue.
pub fn queue(info: &QueueInfo) -> swarmbus_queue_info {
    let mut depths = [0; 8];
    for of in &info.lanes {
        if let Some(depth) = usize::try_from(lane(of.lane)).ok().and_then(|lane| depths.get_mut(lane)) {
            *depth = of.depth;
        }
    }
    swarmbus_queue_info {
        struct_size: size::<swarmbus_queue_info>(),
        owner_pid: info.owner.unwrap_or(0),
        name: name(Some(&info.name)),
        dead_letters: name(info.dead_letters.as_deref()),
        closed: info.closed as u32,
        limit: info.limit,
        max_deliveries: info.max_deliveries.unwrap_or(0),
        reserved: 0,
        queued: info.queued,
        in_flight: info.in_flight,
        sent: info.sent,
        taken: info.taken,
        undelivered: info.undelivered,
        dropped: info.dropped,
        depths,
    }
}

/// Of a topic.
pub fn topic(info: &TopicInfo) -> swarmbus_topic_info {
    swarmbus_topic_info {
        struct_size: size::<swarmbus_topic_info>(),
        policy: policy_number(info.policy),
        name: name(Some(&info.name)),
        capacity: info.capacity,
        retain: info.retain,
        subscribers: info.subscribers.len() as u32,
        reserved: 0,
        published: info.published,
        dropped: info.dropped,
        retained_messages: info.retained_messages,
        retained_bytes: info.retained_bytes,
    }
}

/// Of a subscriber of a topic.
pub fn subscriber(topic: &TopicInfo, info: &SubscriberInfo) -> swarmbus_subscriber_info {
    swarmbus_subscriber_info {
        struct_size: size::<swarmbus_subscriber_info>(),
        pid: info.pid,
        topic: name(Some(&topic.name)),
        agent: name(info.agent.as_deref()),
        behind: info.behind,
        missed: info.missed,
    }
}

/// Of a lock.
pub fn lock(info: &LockInfo) -> swarmbus_lock_info {
    swarmbus_lock_info {
        struct_size: size::<swarmbus_lock_info>(),
        mode: if info.mode == LockMode::Shared { SWARMBUS_LOCK_SHARED } else { SWARMBUS_LOCK_EXCLUSIVE },
        name: name(Some(&info.name)),
        agent: name(info.agent.as_deref()),
        held: (info.state == "held") as u32,
        pid: info.pid,
        waits_behind: info.waits_behind,
        reserved: 0,
        token: info.token.unwrap_or(0),
        since_ns: info.since_ns,
    }
}

/// Of a name.
pub fn name_info(info: &NameInfo) -> swarmbus_name_info {
    let kind = match info.kind {
        NameKind::Mailbox => SWARMBUS_KIND_MAILBOX,
        NameKind::Queue => SWARMBUS_KIND_QUEUE,
        NameKind::Role => SWARMBUS_KIND_ROLE,
        NameKind::Topic => SWARMBUS_KIND_TOPIC,
    };
    named(&info.name, kind, info.owner)
}

/// Of the name of a bus.
pub fn bus_name(bus: &str) -> swarmbus_name_info {
    named(bus, SWARMBUS_KIND_BUS, None)
}

fn named(of: &str, kind: i32, owner: Option<u32>) -> swarmbus_name_info {
    let struct_size = size::<swarmbus_name_info>();
    swarmbus_name_info { struct_size, kind, name: name(Some(of)), owner_pid: owner.unwrap_or(0), reserved: 0 }
}

/// Of an agent.
pub fn agent(info: &AgentInfo) -> swarmbus_agent_info {
    swarmbus_agent_info {
        struct_size: size::<swarmbus_agent_info>(),
        pid: info.pid.unwrap_or(0),
        name: name(Some(&info.name)),
        epoch: info.epoch,
        tag_count: info.tags.len() as u32,
        role_count: info.roles.len() as u32,
    }
}

/// The texts of an agent.
pub fn agent_texts(info: &AgentInfo) -> Texts {
    texts(&[], &[(SWARMBUS_TEXT_TAG, &info.tags), (SWARMBUS_TEXT_ROLE, &info.roles)])
}

/// Of what an agent says of itself.
pub fn status(info: &StatusInfo) -> swarmbus_status_info {
    swarmbus_status_info {
        struct_size: size::<swarmbus_status_info>(),
        state: state_number(info.state),
        agent: name(Some(&info.agent)),
        pid: info.pid.unwrap_or(0),
        done: info.done,
        total: info.total,
        blocker_count: info.blockers.len() as u32,
        tag_count: info.tags.len() as u32,
        role_count: info.roles.len() as u32,
        since_ns: info.since_ns,
        beat_age_ns: info.beat_age_ns.map_or(-1, |age| i64::try_from(age).unwrap_or(i64::MAX)),
    }
}

/// The texts of a status.
pub fn status_texts(info: &StatusInfo) -> Texts {
    let lists =
        [(SWARMBUS_TEXT_BLOCKER, &info.blockers), (SWARMBUS_TEXT_TAG, &info.tags), (SWARMBUS_TEXT_ROLE, &info.roles)];
    texts(&[(SWARMBUS_TEXT_TASK, &info.task), (SWARMBUS_TEXT_NOTE, &info.note)], &lists)
}

fn texts(single: &[(i32, &String)], lists: &[(i32, &Vec<String>)]) -> Texts {
    let listed = lists.iter().flat_map(|(kind, texts)| texts.iter().map(move |text| (*kind, text)));
    let all = single.iter().copied().chain(listed);
    // A NUL from somebody's bytes would end the text early.
    all.map(|(kind, text)| (kind, CString::new(text.replace('\0', "\\0")).unwrap_or_default())).collect()
}

/// Of a message in its queue. It refers to `peeked`, which moves no more.
pub fn message(peeked: &Peeked) -> swarmbus_message_info {
    swarmbus_message_info {
        struct_size: size::<swarmbus_message_info>(),
        lane: lane(peeked.lane),
        sender: name(peeked.sender.as_deref()),
        id: peeked.id,
        correlation: peeked.correlation,
        deliveries: peeked.deliveries,
        content: content_number(peeked.content),
        payload: swarmbus_bytes { data: peeked.data.as_ptr().cast(), length: peeked.data.len() },
    }
}

/// Of what a member measured.
pub fn latencies(info: &MemberLatencies) -> swarmbus_latency_info {
    swarmbus_latency_info { pid: info.pid, agent: name(info.agent.as_deref()), ..all_latencies(&info.kinds) }
}

/// Of what all members measured together.
pub fn all_latencies(kinds: &LatencyKinds) -> swarmbus_latency_info {
    let latency = |info: LatencyInfo| {
        let LatencyInfo { count, p50_ns, p90_ns, p99_ns, max_ns } = info;
        swarmbus_latency { count, p50_ns, p90_ns, p99_ns, max_ns }
    };
    swarmbus_latency_info {
        struct_size: size::<swarmbus_latency_info>(),
        pid: 0,
        agent: name(None),
        queueing: latency(kinds.queueing),
        handling: latency(kinds.handling),
        sending: latency(kinds.sending),
        coordination: latency(kinds.coordination),
    }
}
