//! Reaping in a segment: finds the dead, gives back what they had, frees their indices. All dead members in one pass.

use crate::heap;
use crate::layout::{MemberEntry, SPAN_BYTES, SPAN_CHUNKS, WAITS_ANYWHERE, class_spans};
use crate::memory::Memory;
use crate::recover::{Decision, Evidence, Reaped, Reaper, classify};
use crate::registry;
use crate::segment::Segment;
use crate::span;
use crate::sync::{S6, S8, S9, window};
use crate::wait;
use crate::word::{ChunkWord, ClaimState, ClaimWord, Name, RecordWord};
use std::sync::atomic::Ordering::Relaxed;

/// The dead members of a pass, by index.
struct Dead {
    incarnations: Vec<Option<u16>>,
    names: Vec<Name>,
}

impl Dead {
    fn has(&self, member: Name) -> bool {
        // A name out of range is nobody's: it counts as dead.
        self.incarnations.get(member.index() as usize).is_none_or(|dead| *dead == Some(member.incarnation()))
    }
}

/// Looks for dead members (`only`: those of one process) and reaps them. `adopted`: what earlier passes of `me` could not publish.
pub fn reap(segment: &Segment, me: Name, only: Option<u32>, adopted: &mut Vec<(u32, ChunkWord)>) -> Reaped {
    let Some(entry) = segment.member(me.index()) else { return Reaped::default() };
    let mut reaper = Reaper::new(segment, me, &entry.notes);
    for (chunk, word) in std::mem::take(adopted) {
        reaper.publish_adopted(chunk, word);
    }
    let dead = find_dead(segment, me, only);
    if !dead.names.is_empty() {
        bury(segment, &dead, &mut reaper);
    }
    heap::sweep_if_due(segment, me);
    adopted.append(&mut reaper.adopted);
    reaper.reaped
}

/// Marks as dead every claim whose process the kernel says is dead, and collects those and the ones marked before.
fn find_dead(segment: &Segment, me: Name, only: Option<u32>) -> Dead {
    let roster = segment.roster();
    let mut dead = Dead { incarnations: vec![None; roster.len()], names: Vec::new() };
    for (index, row) in roster.iter().enumerate() {
        let claim = ClaimWord(row.claim.load(S9.acquire()));
        let asked = only.is_none_or(|pid| pid == claim.pid());
        let is_dead = match claim.state() {
            ClaimState::Free => false,
            ClaimState::Dead => true,
            ClaimState::Live => {
                asked
                    && index != me.index() as usize
                    && registry::has_died(segment, index as u16, claim)
                    && row
                        .claim
                        .compare_exchange(claim.0, claim.with_state(ClaimState::Dead).0, S9.acquire_then(S9))
                        .is_ok()
            }
        };
        if is_dead {
            window(39);
            dead.incarnations[index] = Some(claim.incarnation());
            dead.names.push(Name::new(index as u16, claim.incarnation()));
        }
    }
    dead
}

fn bury(segment: &Segment, dead: &Dead, reaper: &mut Reaper<'_, Segment>) {
    let entries: Vec<(Name, &MemberEntry)> =
        dead.names.iter().filter_map(|name| Some((*name, segment.member(name.index())?))).collect();
    for (member, entry) in &entries {
        reaper.intent(&entry.notes, || is_dead_claim(segment, *member));
    }
    let unfinished =
        give_back_chunks(segment, reaper, entries.iter().map(|(_, entry)| *entry), |member| dead.has(member));
    window(42);
    for (member, entry) in &entries {
        give_back_records(segment, *member, entry);
        reaper.wakes(&entry.notes);
    }
    if entries.iter().any(|(_, entry)| entry.notes.waits_on.load(S8.acquire()) == WAITS_ANYWHERE) {
        // One of them slept on several queues: any of these may owe its wake to somebody else.
        segment.queues().for_each(|queue| wait::ring(queue.items, 1));
    }
    // Relaxed: who reads it treats it as a hint and asks the kernel.
    let supervisor = segment.header().supervisor.load(Relaxed);
    if supervisor != 0 && dead.has(Name::from_bits(supervisor - 1)) {
        let _ = segment.header().supervisor.compare_exchange(supervisor, 0, Relaxed);
    }
    window(44);
    for member in &dead.names {
        if unfinished.contains(member) {
            continue;
        }
        let claim = &segment.roster()[member.index() as usize].claim;
        let seen = ClaimWord(claim.load(S9.acquire()));
        let buried = is_dead_claim(segment, *member)
            && claim.compare_exchange(seen.0, seen.freed().0, S9.acquire_then(S9)).is_ok();
        reaper.reaped.members += buried as u32;
    }
}

/// Whether an index still is a dead member's: not yet buried by another reaper.
fn is_dead_claim(segment: &Segment, member: Name) -> bool {
    let claim = ClaimWord(segment.roster()[member.index() as usize].claim.load(S9.acquire()));
    claim.state() == ClaimState::Dead && claim.incarnation() == member.incarnation()
}

/// Gives back every chunk and span of the members for which `is_dead`, in the spans that their entries note. Returns those whose
/// messages did not all find room.
pub fn give_back_chunks<'s>(
    segment: &'s Segment,
    reaper: &mut Reaper<'_, Segment>,
    entries: impl Iterator<Item = &'s MemberEntry>,
    is_dead: impl Fn(Name) -> bool,
) -> Vec<Name> {
    let mut map = vec![0u64; segment.spans().len().div_ceil(64)];
    for entry in entries {
        for (bits, word) in map.iter_mut().zip(&entry.spans) {
            *bits |= word.load(S8.acquire());
        }
    }
    let mut unfinished = Vec::new();
    for span in (0..segment.spans().len() as u32).filter(|span| map[*span as usize / 64] & 1 << (span % 64) != 0) {
        // All words that there are, not those of the present class: a claimer may have died with a chunk of the class before (I18).
        let words = segment.committed_words(span);
        for slot in 0..words.len() as u32 {
            let chunk = span * SPAN_CHUNKS as u32 + slot;
            if reaper.chunk(chunk, &is_dead) {
                unfinished.push(ChunkWord(words[slot as usize].load(Relaxed)).name());
            }
        }
        let row = &segment.spans()[span as usize];
        segment.touch(reaper.me, span * SPAN_CHUNKS as u32);
        let uncommit = || segment.file().uncommit(segment.span_at(span), SPAN_BYTES);
        span::recover(row, reaper.me, &is_dead, || is_covered(segment, span), uncommit);
        // What they used may now be unused.
        heap::give_back_span(segment, reaper.me, span);
    }
    unfinished
}

fn is_covered(segment: &Segment, span: u32) -> bool {
    (span.saturating_sub(8)..span)
        .any(|head| segment.span_class(head).is_some_and(|class| head as u64 + class_spans(class) > span as u64))
}

/// The queue that a dead member was declaring, and the mailbox that it owned.
fn give_back_records(segment: &Segment, member: Name, entry: &MemberEntry) {
    if let Some(index) = entry.declaring.load(S8.acquire()).checked_sub(1)
        && let Some(row) = segment.roster().get(index as usize)
    {
        let seen = RecordWord(row.queue.load(S6.acquire()));
        if seen.member() == member {
            let named = registry::is_named(segment, index as u16, seen.counter());
            let state = match classify(Evidence::Record { state: seen.state(), named }) {
                Decision::Finish => Some(crate::word::RecordState::Live),
                Decision::Free => Some(crate::word::RecordState::Free),
                Decision::Keep | Decision::Redeliver | Decision::Undo => None,
            };
            if let Some(state) = state {
                let _ =
                    row.queue.compare_exchange(seen.0, RecordWord::new(seen.counter(), member, state).0, S6.release());
            }
        }
    }
    if let Some(mailbox) = entry.mailbox.load(S8.acquire()).checked_sub(1) {
        registry::disown(segment, member, Name::from_bits(mailbox));
        window(43);
    }
}
