//! Looking at a bus without taking part: a read-only mapping, of a living segment or of a copy of its file.
//!
//! Figures are read word by word while the bus works on; each is right by itself, their sums may be off by what is in motion.

mod latencies;
mod locks;
mod names;
mod pulse;
mod statuses;
mod topics;

pub use latencies::{
    BUCKET_ENDS_NS, CounterInfo, Histogram, Latencies, LatencyKinds, MemberHistograms, MemberLatencies,
};
pub use locks::LockInfo;
pub use names::{AgentFilter, AgentInfo, NameInfo, NameKind};
pub use pulse::{BoardPulse, MemberPulse, Pulse, QueueId, QueuePulse};
pub use statuses::StatusInfo;
pub use topics::{SubscriberInfo, TopicInfo};

use crate::error::{Error, Result};
use crate::layout::{
    CHUNK_HEADER, CLASSES, ChunkHeader, PAGE, PARKING, QUEUE_CLOSED, REDELIVERY, SPAN_CHUNKS, class_payload,
};
use crate::memory::Memory;
use crate::message::{ContentType, Meta, RING_NAMES, TraceContext};
use crate::platform::file;
use crate::queue::{BATCH_MAX, Queue};
use crate::registry;
use crate::segment::Segment;
use crate::sync::{S3, S9, S10};
use crate::word::{ChunkState, ChunkWord, ClaimState, ClaimWord, Link, Name};
use std::mem::offset_of;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

/// A read-only view of a bus. Costs its agents nothing.
pub struct Observer(Segment);

/// Chunks by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ChunkCounts {
    /// Nobody's.
    pub free: u64,
    /// Loans, and kept in members' caches.
    pub held: u64,
    /// Sent and not taken.
    pub queued: u64,
    /// Taken and not released.
    pub in_flight: u64,
}

impl ChunkCounts {
    fn add(&mut self, state: ChunkState) {
        *match state {
            ChunkState::Free => &mut self.free,
            ChunkState::Held => &mut self.held,
            ChunkState::Queued => &mut self.queued,
            ChunkState::InFlight => &mut self.in_flight,
        } += 1;
    }

    fn merge(&mut self, other: ChunkCounts) {
        self.free += other.free;
        self.held += other.held;
        self.queued += other.queued;
        self.in_flight += other.in_flight;
    }
}

/// A size class in use.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ClassInfo {
    /// Longest payload, bytes.
    pub payload_bytes: u64,
    /// Spans that belong to it.
    pub spans: u32,
    /// Its chunks.
    pub chunks: ChunkCounts,
}

/// The heap.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct HeapInfo {
    /// Its size, bytes; little of it is committed.
    pub bytes: u64,
    /// Spans in all.
    pub spans: u32,
    /// Spans given to a class.
    pub spans_active: u32,
    /// All chunks of active spans.
    pub chunks: ChunkCounts,
    /// Classes in use.
    pub classes: Vec<ClassInfo>,
}

/// A bus at a glance.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BusInfo {
    /// Its name.
    pub name: String,
    /// Layout version.
    pub layout: u32,
    /// `ready` or `destroying`.
    pub state: &'static str,
    /// Creation, seconds since 1970.
    pub created_unix_s: u64,
    /// Most agents.
    pub agents_max: u32,
    /// Default limit of a lane, messages.
    pub limit: u32,
    /// Size of the file, bytes.
    pub segment_bytes: u64,
    /// Memory in use, bytes.
    pub committed_bytes: u64,
    /// The supervisor's process, if one reaps.
    pub supervisor_pid: Option<u32>,
    /// The heap.
    pub heap: HeapInfo,
    /// Members, living and dead.
    pub members: u32,
    /// Mailboxes and queues.
    pub queues: u32,
    /// Words that made no sense and were skipped.
    pub corrupt: u64,
}

/// A member.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MemberInfo {
    /// Its index.
    pub index: u16,
    /// Its incarnation.
    pub incarnation: u16,
    /// Its process.
    pub pid: u32,
    /// `live`, or `dead` and not yet reaped. A member counts as live until somebody has asked the kernel.
    pub state: &'static str,
    /// The mailbox that it owns.
    pub agent: Option<String>,
    /// When it joined, ns of `CLOCK_MONOTONIC`; 0 if its program is older than this figure.
    pub joined_ns: u64,
    /// Chunks that it holds.
    pub held: u64,
    /// Messages in flight with it.
    pub in_flight: u64,
    /// What it did so far.
    pub counters: CounterInfo,
}

/// One ring of a queue.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LaneInfo {
    /// `redelivery`, `reply`, `urgent`, `high`, `normal`, `low`; `parked`: those that wait for a time.
    pub lane: &'static str,
    /// Messages that wait; a batch counts as one.
    pub depth: u64,
}

/// A mailbox or queue.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct QueueInfo {
    /// Its name.
    pub name: String,
    /// Its owner's process.
    pub owner: Option<u32>,
    /// Whether intake is stopped.
    pub closed: bool,
    /// Most messages per lane.
    pub limit: u32,
    /// Lanes that were ever used.
    pub lanes: Vec<LaneInfo>,
    /// Messages that wait, in all lanes, each of a batch as one.
    pub queued: u64,
    /// Messages taken from it and not released.
    pub in_flight: u64,
    /// Messages put in so far, redeliveries included.
    pub sent: u64,
    /// Messages taken so far, redeliveries included.
    pub taken: u64,
    /// How often a message is delivered at most.
    pub max_deliveries: Option<u32>,
    /// Where its dead letters go.
    pub dead_letters: Option<String>,
    /// Messages that became dead letters, or were dropped for want of a queue for them.
    pub undelivered: u64,
    /// Messages dropped for good.
    pub dropped: u64,
}

/// A message seen in its queue.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Peeked {
    /// Its identity.
    pub id: u64,
    /// The mailbox of its sender.
    pub sender: Option<String>,
    /// The ring in which it waits.
    pub lane: &'static str,
    /// How often it was taken so far.
    pub deliveries: u32,
    /// The number that the sender gave it.
    pub correlation: u64,
    /// What the payload is.
    pub content: ContentType,
    /// The trace that it belongs to.
    pub trace: Option<TraceContext>,
    /// Of a dead letter: the queue to which it was sent.
    pub origin: Option<String>,
    /// The payload.
    pub data: Vec<u8>,
}

impl Observer {
    /// Looks at a bus of this host.
    ///
    /// # Errors
    /// `UnknownBus`, `NotReady`, `WrongVersion`, `Permission`, `Corrupt`.
    pub fn open(bus: &str) -> Result<Observer> {
        crate::name::check_name(bus)?;
        Ok(Observer(Segment::observe(&file::path_of(bus), bus)?))
    }

    /// Looks at a copy of a segment file.
    ///
    /// # Errors
    /// As [`Observer::open`].
    pub fn open_file(path: &Path) -> Result<Observer> {
        Ok(Observer(Segment::observe(path, &path.display().to_string())?))
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.0
    }

    /// Whether the bus is still there: nobody has destroyed it or removed its file. For those who look at it for long.
    pub fn is_there(&self) -> bool {
        self.0.check_open().is_ok() && self.0.file().about().is_ok_and(|about| about.linked)
    }

    /// The bus at a glance.
    pub fn bus(&self) -> BusInfo {
        let (segment, header) = (&self.0, self.0.header());
        BusInfo {
            name: segment.name().into(),
            layout: header.layout.load(Relaxed) as u32,
            state: if segment.check_open().is_ok() { "ready" } else { "destroying" },
            created_unix_s: header.created_s.load(Relaxed),
            agents_max: segment.geometry().agents as u32 - 1,
            limit: header.limit.load(Relaxed) as u32,
            segment_bytes: segment.geometry().bytes,
            committed_bytes: segment.file().about().map_or(0, |about| about.committed),
            supervisor_pid: self.supervisor_pid(),
            heap: self.heap(),
            members: self.claims().count() as u32,
            queues: self.0.queues().count() as u32,
            corrupt: header.corrupt.load(Relaxed),
        }
    }

    fn heap(&self) -> HeapInfo {
        let segment = &self.0;
        let spans = segment.spans().len() as u32;
        let mut classes: Vec<ClassInfo> = (0..CLASSES)
            .map(|class| ClassInfo { payload_bytes: class_payload(class), spans: 0, chunks: ChunkCounts::default() })
            .collect();
        for span in 0..spans {
            if let Some((class, words)) = segment.span_class(span).zip(segment.chunk_words(span)) {
                classes[class].spans += 1;
                words.iter().for_each(|word| classes[class].chunks.add(ChunkWord(word.load(Relaxed)).state()));
            }
        }
        classes.retain(|class| class.spans > 0);
        let mut chunks = ChunkCounts::default();
        classes.iter().for_each(|class| chunks.merge(class.chunks));
        let spans_active = classes.iter().map(|class| class.spans).sum();
        HeapInfo { bytes: spans as u64 * crate::layout::SPAN_BYTES / PAGE * PAGE, spans, spans_active, chunks, classes }
    }

    fn claims(&self) -> impl Iterator<Item = (u16, ClaimWord)> {
        self.0.roster().iter().enumerate().filter_map(|(index, row)| {
            let claim = ClaimWord(row.claim.load(S9.acquire()));
            (claim.state() != ClaimState::Free).then_some((index as u16, claim))
        })
    }

    /// The members, by index.
    pub fn members(&self) -> Vec<MemberInfo> {
        let mut counts = vec![(0u64, 0u64); self.0.roster().len()];
        self.for_each_chunk(|_, word| {
            if let Some((held, in_flight)) = counts.get_mut(word.name().index() as usize) {
                match word.state() {
                    ChunkState::Held => *held += 1,
                    ChunkState::InFlight => *in_flight += 1,
                    ChunkState::Free | ChunkState::Queued => {}
                }
            }
        });
        self.claims()
            .map(|(index, claim)| MemberInfo {
                index,
                incarnation: claim.incarnation(),
                pid: claim.pid(),
                state: if claim.state() == ClaimState::Live { "live" } else { "dead" },
                agent: self.agent_of(index, claim),
                joined_ns: self.0.member(index).map_or(0, |entry| entry.joined_ns.load(Relaxed)),
                held: counts[index as usize].0,
                in_flight: counts[index as usize].1,
                counters: self.0.member(index).map_or_else(Default::default, |entry| CounterInfo::of(&entry.counters)),
            })
            .collect()
    }

    /// The mailbox that a member owns.
    fn agent_of(&self, index: u16, claim: ClaimWord) -> Option<String> {
        let mailbox = Name::from_bits(self.0.member(index)?.mailbox.load(Relaxed).checked_sub(1)?);
        let is_owner = registry::owner_of(&self.0, mailbox) == Some(Name::new(index, claim.incarnation()));
        self.0.queue_name(mailbox).filter(|_| is_owner)
    }

    fn for_each_chunk(&self, mut see: impl FnMut(u32, ChunkWord)) {
        for span in 0..self.0.spans().len() as u32 {
            for (slot, word) in self.0.chunk_words(span).unwrap_or_default().iter().enumerate() {
                see(span * SPAN_CHUNKS as u32 + slot as u32, ChunkWord(word.load(S3.acquire())));
            }
        }
    }

    /// The mailboxes and queues, by name.
    pub fn queues(&self) -> Vec<QueueInfo> {
        // Of each queue, the messages that wait and those in flight.
        let mut counts = vec![(0u64, 0u64); self.0.roster().len()];
        self.for_each_chunk(|chunk, word| {
            let queue = match word.state() {
                ChunkState::Queued => word.name(),
                ChunkState::InFlight => Name::from_bits(self.0.home_of_another(chunk).unwrap_or(0)),
                ChunkState::Free | ChunkState::Held => return,
            };
            if let Some((queued, in_flight)) = counts.get_mut(queue.index() as usize) {
                *(if word.state() == ChunkState::Queued { queued } else { in_flight }) += 1;
            }
        });
        let mut queues: Vec<QueueInfo> =
            self.0.queues().filter_map(|queue| self.queue_info(queue, counts[queue.name.index() as usize])).collect();
        queues.sort_by(|a, b| a.name.cmp(&b.name));
        queues
    }

    fn queue_info(&self, queue: Queue<'_>, (queued, in_flight): (u64, u64)) -> Option<QueueInfo> {
        let name = queue.name;
        let control = self.0.queue_control(name.index())?;
        let dead_letters = control.dead_letters.load(Relaxed).checked_sub(1).map(Name::from_bits);
        let mut lanes = Vec::new();
        let (mut sent, mut taken) = (0, 0);
        for (number, ring) in queue.active() {
            let (tail, head) = ring.positions();
            sent = tail.wrapping_add(sent);
            taken = head.wrapping_add(taken);
            lanes.push(LaneInfo { lane: RING_NAMES[number], depth: ring.waiting().count() as u64 });
        }
        if let Some(lot) = queue.lot() {
            lanes.push(LaneInfo { lane: RING_NAMES[PARKING], depth: lot.parked().count() as u64 });
        }
        Some(QueueInfo {
            name: self.0.queue_name(name)?,
            owner: registry::owner_of(&self.0, name).and_then(|owner| registry::pid_of(&self.0, owner)),
            closed: queue.flags.load(S10.acquire()) & QUEUE_CLOSED != 0,
            limit: queue.limit as u32,
            queued,
            lanes,
            in_flight,
            sent,
            taken,
            max_deliveries: Some(control.max_deliveries.load(Relaxed) as u32).filter(|most| *most > 0),
            dead_letters: dead_letters.and_then(|queue| self.0.queue_name(queue)),
            undelivered: control.losses.undelivered.load(Relaxed),
            dropped: control.losses.dropped.load(Relaxed),
        })
    }

    /// Up to `most` messages that wait in a queue, in the order in which they would be taken. Consumes nothing.
    ///
    /// # Errors
    /// `UnknownAgent`, `InvalidName`.
    pub fn peek(&self, queue: &str, most: usize) -> Result<Vec<Peeked>> {
        crate::name::check_queue_name(queue)?;
        let name = registry::look_up_only(&self.0, queue)
            .ok_or_else(|| Error::UnknownAgent { name: queue.into(), bus: self.0.name().into() })?;
        registry::check_kind(queue, name, false)?;
        let Some(queue) = self.0.queue(name) else { return Ok(Vec::new()) };
        let waiting = queue.active().flat_map(|(number, ring)| ring.waiting().map(move |chunk| (number, chunk)));
        let lot = queue.lot();
        let parked = lot.iter().flat_map(|lot| lot.parked().map(|chunk| (PARKING, chunk)));
        let batches = waiting.chain(parked).flat_map(|(number, chunk)| self.copy_batch(name, number, chunk, most));
        Ok(batches.take(most).collect())
    }

    /// Copies a queued message and those that hang on it, `most` in all.
    fn copy_batch(&self, queue: Name, ring: usize, first: u32, most: usize) -> Vec<Peeked> {
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(chunk) = next.filter(|_| batch.len() < most.min(BATCH_MAX)) {
            let Some((peeked, link)) = self.copy(queue, ring, chunk) else { break };
            batch.push(peeked);
            let hangs =
                |chunk: &u32| self.0.chunk(*chunk).is_some_and(|word| link.holds(ChunkWord(word.load(S3.acquire()))));
            next = link.chunk().filter(hangs);
        }
        batch
    }

    /// Copies a queued message, and the link to the next one of its batch; `None` if it was taken meanwhile (its word has changed then).
    fn copy(&self, queue: Name, ring: usize, chunk: u32) -> Option<(Peeked, Link)> {
        let shared = self.0.chunk(chunk)?;
        let before = shared.load(S3.acquire());
        if !ChunkWord(before).is(ChunkState::Queued, queue) {
            return None;
        }
        // Read from the file: in place it could be a hole by now, which on a full tmpfs raises SIGBUS (I20).
        let mut header = [0; CHUNK_HEADER as usize];
        self.0.read_chunk(chunk, 0, &mut header)?;
        let word =
            |offset: usize| u64::from_ne_bytes(header[offset..][..8].try_into().expect("eight bytes of the header"));
        let meta = Meta(word(offset_of!(ChunkHeader, meta)));
        let capacity = class_payload(self.0.chunk_class(chunk)?) as usize;
        let length = meta.length().min(capacity);
        let behind = if meta.is_traced() { TraceContext::BYTES } else { 0 };
        let mut data = vec![0; (length + behind).min(capacity)];
        self.0.read_chunk(chunk, CHUNK_HEADER, &mut data)?;
        let trace = TraceContext::behind(meta, &data);
        data.truncate(length);
        let sender = (word(offset_of!(ChunkHeader, home)) >> 32).checked_sub(1);
        // Of a copy it is the queue that was tapped.
        let origin = Some(word(offset_of!(ChunkHeader, deliveries)) >> 32).filter(|_| !meta.is_copy());
        let origin = origin.and_then(|origin| origin.checked_sub(1));
        let peeked = Peeked {
            id: word(offset_of!(ChunkHeader, id)),
            sender: sender.and_then(|sender| self.0.queue_name(Name::from_bits(sender))),
            lane: if matches!(ring, REDELIVERY | PARKING) { RING_NAMES[ring] } else { meta.lane().as_str() },
            deliveries: word(offset_of!(ChunkHeader, deliveries)) as u32,
            correlation: word(offset_of!(ChunkHeader, correlation)),
            content: meta.content(),
            trace,
            origin: origin.and_then(|queue| self.0.queue_name(Name::from_bits(queue))),
            data,
        };
        std::sync::atomic::fence(std::sync::atomic::Ordering::Acquire);
        (shared.load(Relaxed) == before).then_some((peeked, Link(word(offset_of!(ChunkHeader, next)))))
    }
}
