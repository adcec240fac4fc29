//! Queues: what they are said to be, their rings, parking lots and keys, and who owns and taps them.

use super::tables::QUEUE_FLAGS;
use super::{Look, RING_NAMES, Remedy};
use crate::layout::{KEYED, QueueControl};
use crate::memory::Memory;
use crate::queue::Queue;
use crate::ring::Ring;
use crate::sync::{S1, S3, S7, S8, S9, S10, Word};
use crate::word::{ChunkState, ChunkWord, Name, PlaceWord, RecordState, RecordWord, SlotWord};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

impl<'s> Look<'s> {
    pub(super) fn queues(&mut self) {
        let queues: Vec<Queue<'s>> = self.segment.queues().collect();
        for queue in queues {
            let Some(control) = self.segment.queue_control(queue.name.index()) else { continue };
            self.settings(&queue, control);
            self.owner(&queue, "owner", &control.owner, |entry| &entry.mailbox);
            self.owner(&queue, "tap", &control.tap, |entry| &entry.taps);
            self.unused(&queue);
            for (number, ring) in queue.active() {
                self.ring(&queue, number, &ring);
            }
            self.lot(&queue);
            self.stripes(&queue);
            if let Err(crate::error::Error::Corrupt { .. }) = crate::member::status::read_said(self.segment, queue.name)
            {
                let place = self.spoken(queue.name);
                let head = self.segment.board(queue.name.index()).map_or(0, |board| board.status.head.load(Relaxed));
                self.find("status", place, "its status cannot be read", &[head], Remedy::Forget(queue.name));
            }
        }
    }

    fn settings(&mut self, queue: &Queue<'s>, control: &'s QueueControl) {
        let slots = 1 << self.segment.geometry().ring_shift;
        let place = self.spoken(queue.name);
        let mut wrong = |name: &str, word: &'s Word, seen: u64, right: u64| {
            let problem = format!("'{name}' is {seen:#x}, which it cannot be");
            self.find("queue", place.clone(), problem, &[seen], Remedy::Set(word, seen, right));
        };
        let limit = control.limit.load(Relaxed);
        if limit == 0 || limit > slots {
            wrong("limit", &control.limit, limit, slots);
        }
        let flags = control.flags.load(S10.acquire());
        if flags & 0xffff_ffff & !QUEUE_FLAGS != 0 {
            wrong("flags", &control.flags, flags, flags & (QUEUE_FLAGS | !0xffff_ffff));
        }
        let lanes = control.lanes.load(S7.acquire());
        if lanes >> (KEYED + 1) != 0 {
            wrong("lanes", &control.lanes, lanes, lanes & ((1 << (KEYED + 1)) - 1));
        }
        let most = control.max_deliveries.load(Relaxed);
        if most > u64::from(u32::MAX) {
            wrong("max_deliveries", &control.max_deliveries, most, 0);
        }
        let letters = control.dead_letters.load(Relaxed);
        let is_queue = |bits: u64| bits >> 26 == 0 && self.segment.queue(Name::from_bits(bits)).is_some();
        if letters.checked_sub(1).is_some_and(|bits| !is_queue(bits) || Name::from_bits(bits) == queue.name) {
            let problem = format!("its dead letters go to {letters:#x}, which is no other queue");
            let remedy = Remedy::Set(&control.dead_letters, letters, 0);
            self.find("queue", self.spoken(queue.name), problem, &[letters], remedy);
        }
    }

    /// The word that says who owns or taps a queue, and that member's note of it: without the note its reaper does not know.
    fn owner(
        &mut self,
        queue: &Queue<'s>,
        what: &str,
        word: &'s Word,
        note: impl Fn(&'s crate::layout::MemberEntry) -> &'s Word,
    ) {
        let seen = RecordWord(word.load(S9.acquire()));
        let freed = RecordWord::new(seen.counter().wrapping_add(1), seen.member(), RecordState::Free).0;
        let place = self.spoken(queue.name);
        if !matches!(seen.0 & 3, 0 | 2) {
            let problem = format!("the word of its {what} {:#x} is in no state", seen.0);
            return self.find("owner", place, problem, &[seen.0], Remedy::Set(word, seen.0, freed));
        }
        if seen.state() != RecordState::Live {
            return;
        }
        let member = seen.member();
        let noted = self.segment.member(member.index()).map(|entry| note(entry).load(S8.acquire()));
        if !self.is_there(member) {
            let problem = format!("its {what} is a member that does not exist");
            self.find("owner", place, problem, &[seen.0], Remedy::Set(word, seen.0, freed));
        } else if noted != Some(queue.name.bits() + 1) && word.load(S9.acquire()) == seen.0 {
            let problem =
                format!("its {what}, member {}, does not note that: it stays when that one dies", member.index());
            self.find("owner", place, problem, &[seen.0], Remedy::Set(word, seen.0, freed));
        }
    }

    /// Lanes that are said to have no memory yet: nobody has been there.
    fn unused(&mut self, queue: &Queue<'s>) {
        for (number, ring) in queue.rings.iter().enumerate() {
            let positions = ring.positions();
            let lanes = queue.lanes.load(S7.acquire());
            // The lanes were read last: who is on its way to the first message has said so before.
            if lanes & 1 << number == 0 && positions != (0, 0) {
                let place = format!("{}, {} lane", self.spoken(queue.name), RING_NAMES[number]);
                let problem = "messages were in it, and 'lanes' says that it has no memory";
                self.find(
                    "queue",
                    place,
                    problem,
                    &[lanes, positions.0, positions.1],
                    Remedy::CommitLane(queue.name, number),
                );
            }
        }
    }

    fn ring(&mut self, queue: &Queue<'s>, number: usize, ring: &Ring<'s>) {
        let place = format!("{}, {} lane", self.spoken(queue.name), RING_NAMES[number]);
        if !ring.is_sound() {
            let (tail, head) = ring.positions();
            let problem = "its hints and slots do not fit together: messages in it are not found, or no room";
            self.find("ring", place.clone(), problem, &[tail, head], Remedy::Mend(queue.name));
        }
        let shift = self.segment.geometry().ring_shift;
        let slots = self.segment.slots_of(queue.name.index());
        let (tail, head) = ring.positions();
        // Both are hints, and the tail may be the one behind.
        let count = (tail.wrapping_sub(head) as i64).clamp(0, 1 << shift) as u64;
        // Of each chunk the slot that speaks of it: of several, one where a message is looked for before others, else the first.
        let mut told = BTreeMap::new();
        for position in (0..count).map(|step| head.wrapping_add(step)) {
            // Every slot before the tail was filled; one that waits to be filled holds up all behind it.
            let slot = ring.slot(position);
            let seen = SlotWord(slot.load(S1.acquire()));
            let lap = position >> shift;
            if seen == SlotWord::ready(lap, seen.chunk()) {
                told.entry(seen.chunk()).or_insert(slot);
            }
            if seen.filled_since(lap) < 1 {
                let problem = "it was never filled, and holds up the messages behind it";
                let remedy = Remedy::Set(slot, seen.0, SlotWord::empty(lap + 1).0);
                self.find("slot", format!("{place}, position {position}"), problem, &[seen.0], remedy);
            }
        }
        for (at, slot) in slots[number << shift..][..1 << shift].iter().enumerate() {
            let seen = SlotWord(slot.load(S1.acquire()));
            let place = format!("{place}, slot {at}");
            let emptied = SlotWord::empty(seen.lap() + 1).0;
            if seen.0 & 2 != 0 {
                self.find("slot", place, "it is in no state", &[seen.0], Remedy::Set(slot, seen.0, emptied));
            } else if seen.is_ready() {
                let is_told = !std::ptr::eq(*told.entry(seen.chunk()).or_insert(slot), slot);
                self.reference("slot", place, (slot, seen.0, emptied), (queue.name, seen.chunk()), is_told);
            }
        }
    }

    /// A slot or place that speaks of a chunk: of one that waits in this queue, or was taken a moment ago (I4).
    fn reference(
        &mut self,
        kind: &'static str,
        place: String,
        (word, seen, emptied): (&'s Word, u64, u64),
        (queue, chunk): (Name, u32),
        is_told: bool,
    ) {
        let remedy = Remedy::Set(word, seen, emptied);
        let Some(found) = self.segment.chunk(chunk).map(|shared| ChunkWord(shared.load(S3.acquire()))) else {
            return self.find(
                kind,
                place,
                format!("it speaks of chunk {chunk}, which does not exist"),
                &[seen],
                remedy,
            );
        };
        let fits = found.is(ChunkState::Queued, queue) || found.state() == ChunkState::InFlight;
        if !fits && word.load(S1.acquire()) == seen {
            let problem = format!("it speaks of chunk {chunk}, which does not wait in this queue");
            self.find(kind, place, problem, &[seen, found.0], remedy);
        } else if is_told {
            self.find(
                kind,
                place,
                format!("it speaks of chunk {chunk}, of which another speaks as well"),
                &[seen],
                remedy,
            );
        }
    }

    fn lot(&mut self, queue: &Queue<'s>) {
        let Some(lot) = queue.lot() else { return };
        let mut first: Option<(u64, PlaceWord)> = None;
        let now_ms = crate::platform::clock::monotonic_ms();
        for (at, place) in lot.places.iter().enumerate() {
            let seen = PlaceWord(place.load(S1.acquire()));
            if !seen.is_taken() {
                continue;
            }
            let name = format!("{}, parking place {at}", self.spoken(queue.name));
            self.reference("place", name, (place, seen.0, seen.emptied().0), (queue.name, seen.chunk()), false);
            let due = now_ms.wrapping_add(seen.due_in_ms(now_ms) as u64);
            if first.is_none_or(|(before, _)| due < before) {
                first = Some((due, seen));
            }
        }
        // I25, with the milliseconds that pass between two looks at the clock.
        let Some((due, seen)) = first else { return };
        if lot.due_ms().is_none_or(|noted| noted as i64 - due as i64 > 1000) {
            let problem = "a message is parked that is due before anybody looks for it";
            let word = lot.due.load(S10.acquire());
            let remedy = Remedy::Set(lot.due, word, crate::word::DueWord(word).next(Some(1)).0);
            self.find("due", self.spoken(queue.name), problem, &[word, seen.0], remedy);
        }
    }

    fn stripes(&mut self, queue: &Queue<'s>) {
        let Some(keys) = self.segment.keys(queue.name) else { return };
        for (at, word) in keys.stripes.iter().enumerate() {
            let seen = RecordWord(word.load(S9.acquire()));
            let is_wrong = match seen.0 & 3 {
                0 => false,
                2 => !self.is_there(seen.member()),
                _ => true,
            };
            if is_wrong {
                let freed = RecordWord::new(seen.counter().wrapping_add(1), seen.member(), RecordState::Free).0;
                let place = format!("{}, stripe {at} of its keys", self.spoken(queue.name));
                let problem = "it is of a member that does not exist";
                self.find("stripe", place, problem, &[seen.0], Remedy::Set(word, seen.0, freed));
            }
        }
    }
}
