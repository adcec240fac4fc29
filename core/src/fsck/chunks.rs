//! The heap: spans, and every chunk in exactly one place.

use super::{Look, Remedy};
use crate::layout::{CLASSES, ChunkHeader, SPAN_CHUNKS, class_chunks, class_payload, class_spans};
use crate::memory::Memory;
use crate::message::Meta;
use crate::queue::LIMBO;
use crate::sync::{S3, S7, S8};
use crate::word::{ChunkState, ChunkWord, Intent, Link, Name, PlaceWord, SlotWord, SpanState, SpanWord};
use std::collections::BTreeSet;
use std::mem::offset_of;

impl<'s> Look<'s> {
    pub(super) fn chunks(&mut self) {
        let told = self.told();
        for span in 0..self.segment.spans().len() as u32 {
            self.span(span);
            let fits = self.segment.span_class(span).map_or(0, |class| class_chunks(class) as usize);
            for (slot, word) in self.segment.committed_words(span).iter().enumerate() {
                let seen = ChunkWord(word.load(S3.acquire()));
                if seen.state() != ChunkState::Free {
                    let chunk = span * SPAN_CHUNKS as u32 + slot as u32;
                    self.chunk(chunk, seen, slot < fits, &told);
                }
            }
        }
    }

    fn span(&mut self, span: u32) {
        let row = &self.segment.spans()[span as usize];
        let seen = SpanWord(row.word.load(S7.acquire()));
        let place = format!("span {span}");
        let class = seen.class();
        // A span without a class is given back; what is in it is looked at as that of no span.
        let freed = seen.next(0, Name::new(0, 0), SpanState::Free).0;
        let remedy = Remedy::Set(&row.word, seen.0, freed);
        if seen.0 & 7 > 4 {
            self.find("span", place, "it is in no state", &[seen.0], remedy);
        } else if seen.is_in_use() {
            let is_whole = class < CLASSES && u64::from(span) + class_spans(class) <= self.segment.geometry().spans;
            let words = row.words.load(S7.acquire());
            if !is_whole {
                self.find(
                    "span",
                    place,
                    format!("its class is {class}, and the heap ends before that"),
                    &[seen.0],
                    remedy,
                );
            } else if words < class_chunks(class) || words > SPAN_CHUNKS {
                let problem = format!("{words} of its chunk words are said to be there, of {}", class_chunks(class));
                let right = words.clamp(class_chunks(class), SPAN_CHUNKS);
                self.find("span", place, problem, &[words], Remedy::Set(&row.words, words, right));
            } else if seen.state() == SpanState::Retiring && !self.may_own(seen.name()) {
                let active = seen.next(class, seen.name(), SpanState::Active).0;
                let problem = "a member that does not exist takes it from its class";
                self.find("span", place, problem, &[seen.0], Remedy::Set(&row.word, seen.0, active));
            }
        } else if seen.state() == SpanState::Claimed && !self.may_own(seen.name())
            || seen.state() == SpanState::Tail && !self.is_covered(span) && !self.may_own(seen.name())
        {
            self.find("span", place, "a member that does not exist has it: its memory is not used", &[seen.0], remedy);
        }
    }

    fn is_covered(&self, span: u32) -> bool {
        (span.saturating_sub(8)..span).any(|head| {
            self.segment.span_class(head).is_some_and(|class| u64::from(head) + class_spans(class) > u64::from(span))
        })
    }

    /// The chunks of which somebody knows without owning them: by slot, place, intent, or as the rest of a batch.
    fn told(&self) -> BTreeSet<u32> {
        let mut told = BTreeSet::new();
        for queue in self.segment.queues() {
            let shift = self.segment.geometry().ring_shift;
            let slots = self.segment.slots_of(queue.name.index());
            for (ring, _) in queue.active() {
                let slots = slots[ring << shift..][..1 << shift].iter().map(|slot| SlotWord(slot.load(S3.acquire())));
                told.extend(slots.filter(|slot| slot.is_ready()).map(SlotWord::chunk));
            }
            let places = queue.lot().into_iter().flat_map(|lot| lot.places);
            let places = places.map(|place| PlaceWord(place.load(S3.acquire())));
            told.extend(places.filter(|place| place.is_taken()).map(PlaceWord::chunk));
        }
        // Whoever had the reserve leaves its notes to the next; of others that are gone they mean nothing.
        let reserve = self.segment.roster().len() as u16 - 1;
        let indices = self.members().map(Name::index).chain([reserve]);
        for entry in indices.filter_map(|index| self.segment.member(index)) {
            for note in [&entry.notes.intent, &entry.notes.evicts] {
                let intent = Intent(note.load(S8.acquire()));
                let word = self.segment.chunk(intent.chunk()).map(|shared| ChunkWord(shared.load(S3.acquire())));
                if intent.kind().is_some() && word.is_some_and(|word| word.generation() == intent.generation()) {
                    told.insert(intent.chunk());
                }
            }
        }
        told.extend(self.linked());
        told
    }

    /// The rest of batches: what hangs on a chunk that is somebody's (I26).
    fn linked(&self) -> Vec<u32> {
        let mut linked = Vec::new();
        for span in 0..self.segment.spans().len() as u32 {
            for (slot, word) in self.segment.chunk_words(span).unwrap_or_default().iter().enumerate() {
                let is_somebodys = ChunkWord(word.load(S3.acquire())).state() != ChunkState::Free;
                let chunk = span * SPAN_CHUNKS as u32 + slot as u32;
                if is_somebodys
                    && let Some(link) = self.segment.rest_of_another(chunk).map(Link)
                    && let Some(next) = link.chunk()
                    && let Some(shared) = self.segment.chunk(next)
                    && link.holds(ChunkWord(shared.load(S3.acquire())))
                {
                    linked.push(next);
                }
            }
        }
        linked
    }

    fn chunk(&mut self, chunk: u32, seen: ChunkWord, is_in_use: bool, told: &BTreeSet<u32>) {
        let place = format!("chunk {chunk}");
        let owner = seen.name();
        if !is_in_use {
            let by_whom = matches!(seen.state(), ChunkState::Held | ChunkState::InFlight) && self.is_there(owner);
            if !by_whom {
                let problem = "it is not free, and its span has no such chunk";
                self.find("chunk", place, problem, &[seen.0], Remedy::Free(chunk));
            }
            return;
        }
        match seen.state() {
            ChunkState::Free => {}
            ChunkState::Held if !self.may_own(owner) => {
                self.find("chunk", place, "a member that does not exist holds it", &[seen.0], Remedy::Free(chunk));
            }
            ChunkState::InFlight if !self.may_own(owner) => {
                let problem = "its message is in flight with a member that does not exist";
                self.find("message", place, problem, &[seen.0], Remedy::Deliver(chunk));
            }
            ChunkState::Held | ChunkState::InFlight => self.owned(chunk, place, seen),
            ChunkState::Queued if !self.is_named(owner) => {
                let problem = format!("its message waits in {}, which does not exist", self.spoken(owner));
                self.find("message", place, problem, &[seen.0], Remedy::Deliver(chunk));
            }
            ChunkState::Queued => self.queued(chunk, place, seen, told),
        }
    }

    /// A chunk of a member's: its reaper looks for it where its map says (I13).
    fn owned(&mut self, chunk: u32, place: String, seen: ChunkWord) {
        let member = seen.name();
        let span = chunk / SPAN_CHUNKS as u32;
        if self.is_there(member) && member.index() as usize + 1 < self.segment.roster().len() {
            let Some(entry) = self.segment.member(member.index()) else { return };
            let Some(map) = entry.spans.get(span as usize / 64) else { return };
            let bits = map.load(S8.acquire());
            let still = self.segment.chunk(chunk).is_some_and(|shared| shared.load(S3.acquire()) == seen.0);
            if bits & 1 << (span % 64) == 0 && still {
                let problem = format!(
                    "member {} has not noted that it is in span {span}: nobody frees it when that one dies",
                    member.index()
                );
                self.find("note", place.clone(), problem, &[seen.0], Remedy::Set(map, bits, bits | 1 << (span % 64)));
            }
        }
        if seen.state() == ChunkState::InFlight {
            let home = self.segment.home_of_another(chunk).map(Name::from_bits);
            if home.is_some_and(|home| !self.is_named(home) || home.topic().is_some()) {
                let problem = "its message was taken from a queue that does not exist: should its owner die, it has nowhere to go";
                self.find("message", place, problem, &[seen.0], Remedy::Deliver(chunk));
            } else if member == LIMBO
                && home.and_then(|home| self.queue(home)).is_some_and(|queue| !queue.has_in_limbo())
            {
                let problem = "its message waits for room in its queue, and the queue does not know";
                self.find("message", place, problem, &[seen.0], Remedy::Deliver(chunk));
            }
        }
    }

    fn queued(&mut self, chunk: u32, place: String, seen: ChunkWord, told: &BTreeSet<u32>) {
        let queue = seen.name();
        let is_told = told.contains(&chunk) || queue.topic().is_some() && self.is_in_topic(queue, chunk);
        if !is_told {
            let problem = format!("its message waits in {}, where no slot speaks of it", self.spoken(queue));
            return self.find("message", place, problem, &[seen.0], Remedy::Deliver(chunk));
        }
        let mut header = [0; 64];
        let Some(class) = self.segment.chunk_class(chunk) else { return };
        if self.segment.read_chunk(chunk, 0, &mut header).is_none() {
            return;
        }
        let word = |offset: usize| u64::from_ne_bytes(header[offset..][..8].try_into().unwrap_or_default());
        let (meta, home) = (Meta(word(offset_of!(ChunkHeader, meta))), word(offset_of!(ChunkHeader, home)));
        let still = self.segment.chunk(chunk).is_some_and(|shared| shared.load(S3.acquire()) == seen.0);
        // Not read in place: its words are named for who repairs it.
        let Some(own) = self.segment.chunk_of_mine(chunk).filter(|_| still) else { return };
        let most = class_payload(class);
        if meta.length() as u64 > most {
            let problem = format!("its message is said to be {} bytes long, of {most} at most", meta.length());
            let right = meta.0 & !0xffff_ffff | most;
            self.find(
                "header",
                place.clone(),
                problem,
                &[seen.0, meta.0],
                Remedy::Set(&own.header().meta, meta.0, right),
            );
        }
        if Name::from_bits(home) != queue {
            let problem = format!("its message waits in {}, and says that it is at home elsewhere", self.spoken(queue));
            let right = home & !0xffff_ffff | queue.bits();
            self.find("header", place, problem, &[seen.0, home], Remedy::Set(&own.header().home, home, right));
        }
    }
}
