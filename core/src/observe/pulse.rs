//! A quick look at everybody: a few words of each member and each queue, and no walk through the heap. For who looks often, or at thousands.

use super::Observer;
use crate::board::{Board, CONTENT_MAX};
use crate::layout::{ChunkHeader, REPLY};
use crate::memory::Memory;
use crate::owner;
use crate::platform::clock;
use crate::queue::Queue;
use crate::registry;
use crate::ring::{RUN, Ring};
use crate::status::{AgentState, Status};
use crate::sync::{S7, S9};
use crate::word::{ChunkState, ChunkWord, ClaimState, ClaimWord, Name};
use std::collections::BTreeSet;
use std::mem::offset_of;
use std::sync::atomic::Ordering::Relaxed;

/// A bus at one moment.
#[derive(Clone, Debug)]
pub struct Pulse {
    /// When it was looked, ns of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// The members, by index.
    pub members: Vec<MemberPulse>,
    /// Mailboxes and queues, by index.
    pub queues: Vec<QueuePulse>,
    /// Spans of the heap.
    pub spans: u32,
    /// Spans that are given to a class.
    pub spans_active: u32,
}

/// Which queue: another one as soon as the queue of this index is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueId {
    /// Its index.
    pub index: u16,
    /// Its incarnation.
    pub incarnation: u16,
}

impl QueueId {
    fn of(name: Name) -> QueueId {
        QueueId { index: name.index(), incarnation: name.incarnation() }
    }
}

/// A member at one moment.
#[derive(Clone, Copy, Debug)]
pub struct MemberPulse {
    /// Its index.
    pub index: u16,
    /// Its incarnation: who has the same index later has another.
    pub incarnation: u16,
    /// Its process.
    pub pid: u32,
    /// Whether it lives, as far as somebody has asked the kernel: see [`Observer::has_died`].
    pub live: bool,
    /// The mailbox that it owns: [`QueuePulse::id`].
    pub mailbox: Option<QueueId>,
    /// The queue that it last looked into for a message: [`QueuePulse::id`].
    pub takes_from: Option<QueueId>,
    /// Whether it sleeps until something comes. (One that has a descriptor in an event loop always does.)
    pub sleeps: bool,
    /// Messages that it received so far.
    pub received: u64,
    /// What the owner of its mailbox says of itself, if anything was ever said.
    pub board: Option<BoardPulse>,
    /// When its mailbox's owner last gave a sign of life, ns of `CLOCK_MONOTONIC`.
    pub beat_ns: Option<u64>,
}

/// What an agent says of itself, in short: see [`Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardPulse {
    /// What it does.
    pub state: AgentState,
    /// Since when, ns of `CLOCK_MONOTONIC`.
    pub since_ns: u64,
    /// Whether it names a task, or has a note.
    pub has_task: bool,
}

/// A queue at one moment.
#[derive(Clone, Debug)]
pub struct QueuePulse {
    /// Which.
    pub id: QueueId,
    /// Its name.
    pub name: String,
    /// Whether it has, or had, an owner: a mailbox.
    pub is_mailbox: bool,
    /// Whether intake is stopped.
    pub closed: bool,
    /// Most messages per lane.
    pub limit: u64,
    /// Messages that wait in the fullest lane, give or take those in motion; a batch counts as one.
    pub fullest: u64,
    /// Messages that wait for somebody to receive them: all lanes but that of answers, which only a call takes.
    pub waiting: u64,
    /// Messages taken so far, redeliveries included.
    pub taken: u64,
    /// When the oldest one that waits was sent at the latest, ns of `CLOCK_MONOTONIC`. Only some messages are stamped, so this is a bound; and it is not
    /// looked for in a mailbox that has an owner.
    pub sent_before_ns: Option<u64>,
}

/// How many cells before its turn one is asked for.
const AHEAD: u16 = 8;
/// How many waiting messages of a lane are looked at for a stamp: every 64th that a member sends has one.
const STAMPS_LOOKED_FOR: usize = 128;

impl Observer {
    /// The name of the bus; of a copy, its path.
    pub fn name(&self) -> String {
        self.0.name().into()
    }

    /// The supervisor's process, if one reaps.
    pub fn supervisor_pid(&self) -> Option<u32> {
        let supervisor = self.0.header().supervisor.load(Relaxed).checked_sub(1).map(Name::from_bits)?;
        registry::pid_of(&self.0, supervisor)
    }

    /// A quick look at everybody.
    pub fn pulse(&self) -> Pulse {
        let spans = self.0.spans().len() as u32;
        // Each cell is a page: most of the time goes by until its lines are there.
        let expect = |index: u16| self.0.expect_cell(index.saturating_add(AHEAD));
        let (at_ns, most, mut buffer) = (clock::monotonic_ns(), self.0.roster().len(), [0; CONTENT_MAX]);
        let mut members = Vec::with_capacity(most);
        let claims = self.claims().inspect(|(index, _)| expect(*index));
        members.extend(claims.filter_map(|(index, claim)| self.member_pulse(index, claim, &mut buffer)));
        let mut queues = Vec::with_capacity(most);
        queues.extend(
            self.0.queues().inspect(|queue| expect(queue.name.index())).filter_map(|queue| self.queue_pulse(&queue)),
        );
        Pulse {
            at_ns,
            members,
            queues,
            spans,
            spans_active: (0..spans).filter(|span| self.0.span_class(*span).is_some()).count() as u32,
        }
    }

    /// The processes of the members, each once: a look at the roster alone, some µs for thousands.
    pub fn processes(&self) -> BTreeSet<u32> {
        self.claims().map(|(_, claim)| claim.pid()).collect()
    }

    /// Whether a member's process is dead or has become another program: asks the kernel, some µs.
    pub fn has_died(&self, member: &MemberPulse) -> bool {
        let Some(row) = self.0.roster().get(member.index as usize) else { return true };
        let claim = ClaimWord(row.claim.load(S9.acquire()));
        claim.state() != ClaimState::Live
            || claim.incarnation() != member.incarnation
            || registry::has_process_died(&self.0, member.index, claim)
    }

    fn member_pulse(&self, index: u16, claim: ClaimWord, buffer: &mut [u8; CONTENT_MAX]) -> Option<MemberPulse> {
        let entry = self.0.member(index)?;
        // Relaxed: figures, each by itself.
        let id = |word: u64| word.checked_sub(1).map(|bits| QueueId::of(Name::from_bits(bits)));
        let mailbox = entry.mailbox.load(Relaxed).checked_sub(1).map(Name::from_bits);
        let me = Name::new(index, claim.incarnation());
        let mailbox = mailbox.filter(|mailbox| registry::owner_of(&self.0, *mailbox) == Some(me));
        let page = mailbox.and_then(|mailbox| self.0.board(mailbox.index()));
        let board = page.and_then(|page| {
            let content = Board::of(&page.status).read(buffer).ok()??;
            let (state, since_ns, _) = Status::decode_state(content)?;
            Some(BoardPulse { state, since_ns, has_task: Status::names_task(content) })
        });
        Some(MemberPulse {
            index,
            incarnation: claim.incarnation(),
            pid: claim.pid(),
            live: claim.state() == ClaimState::Live,
            mailbox: mailbox.map(QueueId::of),
            takes_from: id(entry.notes.takes_from.load(Relaxed)),
            sleeps: entry.notes.waits_on.load(Relaxed) != 0,
            received: entry.counters.received.load(Relaxed),
            board,
            beat_ns: page.map(|page| page.status.beat_ns.load(Relaxed)).filter(|beat_ns| *beat_ns != 0),
        })
    }

    fn queue_pulse(&self, queue: &Queue<'_>) -> Option<QueuePulse> {
        let (mut fullest, mut waiting, mut taken) = (0, 0, 0u64);
        let mut sent_before_ns: Option<u64> = None;
        let lanes = queue.lanes.load(S7.acquire());
        let (name, owner) = (queue.name, owner::owner(queue.owner));
        for (number, ring) in queue.rings.iter().enumerate().filter(|(number, _)| lanes & 1 << number != 0) {
            let (tail, head) = ring.positions();
            taken = taken.wrapping_add(head);
            let depth = (tail.wrapping_sub(head) as i64).clamp(0, ring.slots() as i64) as u64;
            // The hints may lag: a slot says whether something really waits.
            if depth == 0 || self.oldest(name, ring, depth).next().is_none() {
                continue;
            }
            fullest = fullest.max(depth);
            if number != REPLY {
                waiting += depth;
                // Of who has an owner, that tells more: its silence. So thousands of stamps are not asked for.
                if owner.is_some() {
                    continue;
                }
                let stamps = self.oldest(name, ring, depth).take(STAMPS_LOOKED_FOR);
                let stamp = stamps.filter_map(|chunk| self.sent_ns(chunk)).next();
                sent_before_ns = [sent_before_ns, stamp].into_iter().flatten().min();
            }
        }
        Some(QueuePulse {
            id: QueueId::of(queue.name),
            name: self.0.queue_name(queue.name)?,
            is_mailbox: queue.owner.load(Relaxed) != 0,
            closed: !queue.is_open(),
            limit: queue.limit,
            fullest,
            waiting,
            taken,
            sent_before_ns,
        })
    }

    /// The chunks that wait at the front of a ring, oldest first.
    fn oldest<'a>(&'a self, queue: Name, ring: &'a Ring<'a>, depth: u64) -> impl Iterator<Item = u32> + 'a {
        let head = ring.head();
        (0..depth + RUN as u64).filter_map(move |ahead| {
            let chunk = ring.peek(head.wrapping_add(ahead))?;
            let word = ChunkWord(self.0.chunk(chunk)?.load(Relaxed));
            word.is(ChunkState::Queued, queue).then_some(chunk)
        })
    }

    /// When the message of a chunk was sent, if that was noted.
    fn sent_ns(&self, chunk: u32) -> Option<u64> {
        let mut stamp = [0; 8];
        self.0.read_chunk(chunk, offset_of!(ChunkHeader, sent_ns) as u64, &mut stamp)?;
        Some(u64::from_ne_bytes(stamp)).filter(|sent_ns| *sent_ns != 0)
    }
}
