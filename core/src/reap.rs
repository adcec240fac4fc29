//! Reaping in a segment: finds the dead, gives back what they had, frees their indices. All dead members in one pass.

use crate::claim;
use crate::heap;
use crate::keys::KeyNotes;
use crate::layout::{MemberEntry, SPAN_BYTES, SPAN_CHUNKS, WAITS_ANYWHERE, class_spans};
use crate::memory::Memory;
use crate::platform::clock;
use crate::queue::Queue;
use crate::recover::{Decision, Evidence, Reaped, Reaper, classify};
use crate::registry;
use crate::segment::Segment;
use crate::span;
use crate::sync::{S6, S8, S9, S10, window};
use crate::tap;
use crate::word::{ChunkWord, ClaimState, ClaimWord, Name, RecordState, RecordWord};
use std::sync::atomic::Ordering::Relaxed;

/// Queues whose rings one pass looks at.
const MENDED_AT_A_TIME: usize = 64;

/// The dead members of a pass.
struct Dead<'s> {
    segment: &'s Segment,
    /// Their claims, exactly as marked: a later member with the same index and incarnation is another.
    claims: Vec<(Name, ClaimWord)>,
    /// The same by index, as far as the last of them; zero: not dead.
    by_index: Vec<u64>,
}

impl Dead<'_> {
    /// Whether a member that a word names is dead. Asked after the word was read: as long as the claim stands as it was marked, nobody else can
    /// have the index, so the word was the dead member's.
    fn has(&self, member: Name) -> bool {
        let index = member.index() as usize;
        // A name out of range is nobody's: it counts as dead. So do all who had the reserve before (I15 does not hold for it).
        if index >= self.segment.roster().len() {
            return true;
        }
        if index == registry::reserve_of(self.segment) as usize && !is_current(self.segment, member) {
            return true;
        }
        self.by_index.get(index).is_some_and(|marked| {
            ClaimWord(*marked).incarnation() == member.incarnation()
                && *marked != 0
                && self.still_has(member.index(), *marked)
        })
    }

    fn still_has(&self, index: u16, marked: u64) -> bool {
        self.segment.roster()[index as usize].claim.load(S9.acquire()) == marked
    }
}

/// Whether a member has its index now.
fn is_current(segment: &Segment, member: Name) -> bool {
    let claim = ClaimWord(segment.roster()[member.index() as usize].claim.load(S9.acquire()));
    claim.state() != ClaimState::Free && claim.incarnation() == member.incarnation()
}

/// Looks for dead members (`only`: those of one process) and reaps them.
pub fn reap(segment: &Segment, me: Name, only: Option<u32>) -> Reaped {
    let Some(entry) = segment.member(me.index()) else { return Reaped::default() };
    let mut reaper = Reaper::new(segment, me, &entry.notes);
    let reserve = me.index() == registry::reserve_of(segment);
    if reserve {
        // The entry tells what the holders before us left; we have published nothing yet.
        reaper.intent(&entry.notes, || true);
        reaper.eviction(&entry.notes, || true);
    }
    let dead = find_dead(segment, me, only);
    if reserve || !dead.claims.is_empty() {
        bury(segment, &dead, &mut reaper);
    }
    if only.is_none() {
        mend_rings(segment);
    }
    heap::sweep_if_due(segment, me);
    if only.is_none() {
        // It has looked at others' cells. The idle make such passes in turn, and in the end each would have page tables as large as the bus.
        segment.let_go_of_cells();
    }
    reaper.reaped
}

/// Puts topics and the rings of some queues right that somebody has scribbled over.
fn mend_rings(segment: &Segment) {
    for topic in segment.living_topics() {
        if topic.mend(|member| registry::is_past(segment, member)) {
            // Relaxed: a counter for people.
            segment.header().corrupt.fetch_add(1, Relaxed);
            topic.wake_all();
        }
    }
    // Other queues in the next pass: a pass is to be short.
    let roster = segment.roster();
    let first = clock::monotonic_ms() as usize / 1000 * MENDED_AT_A_TIME % roster.len();
    let named = (first..roster.len()).chain(0..first).filter_map(|index| {
        let record = RecordWord(roster[index].queue.load(S6.acquire()));
        (record.state() == RecordState::Live).then(|| Name::new(index as u16, (record.counter() & 1023) as u16))
    });
    for queue in named.take(MENDED_AT_A_TIME).filter_map(|name| segment.queue(name)) {
        for (_, ring) in queue.active() {
            if ring.mend() {
                // Relaxed: a counter for people.
                segment.header().corrupt.fetch_add(1, Relaxed);
                queue.wake_all(u32::MAX);
            }
        }
    }
}

/// Fetches the messages of a queue from limbo, as far as there is room. `true` if some came.
#[cold]
pub fn unshelve(segment: &Segment, me: Name, queue: &Queue<'_>) -> bool {
    let deferred = queue.deferred.load(S10.acquire());
    let Some(entry) = segment.member(me.index()).filter(|_| deferred & 1 != 0) else { return false };
    let mut reaper = Reaper::new(segment, me, &entry.notes);
    let chunks =
        |span: u32| (0..segment.committed_words(span).len() as u32).map(move |at| span * SPAN_CHUNKS as u32 + at);
    reaper.fetch_from_limbo(queue, deferred, (0..segment.spans().len() as u32).flat_map(chunks));
    reaper.reaped.redelivered > 0
}

/// Marks as dead every claim whose process or thread the kernel says is dead, and collects those and the ones marked before.
fn find_dead(segment: &Segment, me: Name, only: Option<u32>) -> Dead<'_> {
    registry::forget_buried(segment);
    let roster = segment.roster();
    let mut dead = Dead { segment, claims: Vec::new(), by_index: Vec::new() };
    for (index, row) in roster.iter().enumerate() {
        let seen = ClaimWord(row.claim.load(S9.acquire()));
        let is_asked = only.is_none_or(|pid| pid == seen.pid()) && index != me.index() as usize;
        let marked = match seen.state() {
            ClaimState::Live if is_asked && registry::has_died(segment, index as u16, seen) => {
                claim::mark(&row.claim, seen)
            }
            ClaimState::Free | ClaimState::Live => None,
            // Also one in no state, as it stands.
            ClaimState::Dead => Some(seen),
        };
        if let Some(marked) = marked {
            window(39);
            // No longer than need be: thousands of idle members look in their turn, and mostly nobody is dead.
            dead.by_index.resize(index + 1, 0);
            dead.by_index[index] = marked.0;
            dead.claims.push((Name::new(index as u16, seen.incarnation()), marked));
        }
    }
    dead
}

fn bury(segment: &Segment, dead: &Dead<'_>, reaper: &mut Reaper<'_, Segment>) {
    let entries: Vec<(Name, ClaimWord, &MemberEntry)> =
        dead.claims.iter().filter_map(|(name, claim)| Some((*name, *claim, segment.member(name.index())?))).collect();
    for (member, claim, entry) in &entries {
        let key_notes = KeyNotes { key: &entry.key, keyed_in: &entry.keyed_in };
        // Of all of them before anything is done about a message of any (I29).
        reaper.stripe(*member, &entry.notes, key_notes, || dead.still_has(member.index(), claim.0));
    }
    for (member, claim, entry) in &entries {
        reaper.intent(&entry.notes, || dead.still_has(member.index(), claim.0));
        reaper.eviction(&entry.notes, || dead.still_has(member.index(), claim.0));
    }
    let reserve = segment.member(registry::reserve_of(segment));
    let maps = entries.iter().map(|(_, _, entry)| *entry).chain(reserve);
    let unfinished = give_back_chunks(segment, reaper, maps, |member| dead.has(member));
    window(42);
    for (member, claim, entry) in &entries {
        if !dead.still_has(member.index(), claim.0) {
            continue;
        }
        give_back_records(segment, *member, entry, || dead.still_has(member.index(), claim.0));
        reaper.wakes(&entry.notes);
    }
    if entries.iter().any(|(_, _, entry)| entry.notes.waits_on.load(S8.acquire()) == WAITS_ANYWHERE) {
        // One of them slept on several queues: any of these may owe its wake to somebody else.
        segment.queues().for_each(|queue| queue.ring_items(1));
        segment.living_topics().for_each(|topic| topic.wake_all());
    }
    if entries.iter().any(|(_, _, entry)| entry.locks.load(S8.acquire()) != 0) {
        segment.locks().reap(|member| dead.has(member));
    }
    // Relaxed: who reads it treats it as a hint and asks the kernel.
    let supervisor = segment.header().supervisor.load(Relaxed);
    if supervisor != 0 && dead.has(Name::from_bits(supervisor - 1)) {
        let _ = segment.header().supervisor.compare_exchange(supervisor, 0, Relaxed);
    }
    window(44);
    for (member, marked) in dead.claims.iter().filter(|(member, _)| !unfinished.contains(member)) {
        reaper.reaped.members += claim::bury(&segment.roster()[member.index() as usize].claim, *marked) as u32;
    }
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
        // Before anything there is changed: whoever recovers this reaper finds what it has begun, in limbo or in the span.
        segment.touch(reaper.me, span * SPAN_CHUNKS as u32);
        // All words that there are, not those of the present class: a claimer may have died with a chunk of the class before (I18).
        let words = segment.committed_words(span);
        for slot in 0..words.len() as u32 {
            let chunk = span * SPAN_CHUNKS as u32 + slot;
            if reaper.chunk(chunk, &is_dead) {
                unfinished.push(ChunkWord(words[slot as usize].load(Relaxed)).name());
            }
        }
        let row = &segment.spans()[span as usize];
        let uncommit = || segment.file().uncommit(segment.span_at(span), SPAN_BYTES);
        span::recover(row, reaper.me, &is_dead, || is_covered(segment, span), uncommit);
        // What they used may now be unused.
        heap::give_back_span(segment, reaper.me, span);
    }
    unfinished
}

/// Frees the cursors of a member, which is the caller or dead, and wakes the publishers that may wait for it.
pub fn end_subscriptions(segment: &Segment, member: Name, entry: &MemberEntry, is_so: impl Fn() -> bool) {
    for (at, word) in entry.topics.iter().enumerate() {
        let mut bits = word.load(S8.acquire());
        while bits != 0 {
            let number = at * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            if let Some(topic) = segment.topic_at(number) {
                topic.leave(member, &is_so);
            }
        }
    }
}

fn is_covered(segment: &Segment, span: u32) -> bool {
    (span.saturating_sub(8)..span)
        .any(|head| segment.span_class(head).is_some_and(|class| head as u64 + class_spans(class) > span as u64))
}

/// The queue that a dead member was declaring, and the mailbox that it owned. `is_still_dead` is asked after each was read: a reaper that was paused
/// for a thousand lives of the index meets a living member of the same name.
fn give_back_records(segment: &Segment, member: Name, entry: &MemberEntry, is_still_dead: impl Fn() -> bool) {
    if let Some(index) = entry.declaring.load(S8.acquire()).checked_sub(1)
        && let Some(record) = u16::try_from(index).ok().and_then(|index| segment.record(index))
    {
        let seen = RecordWord(record.load(S6.acquire()));
        if seen.member() == member {
            let named = registry::is_named(segment, index as u16, seen.counter());
            let state = match classify(Evidence::Record { state: seen.state(), named }) {
                Decision::Finish => Some(RecordState::Live),
                Decision::Free => Some(RecordState::Free),
                Decision::Keep | Decision::Redeliver | Decision::Undo => None,
            };
            if let Some(state) = state
                && is_still_dead()
            {
                claim::settle_record(record, seen, state);
            }
        }
    }
    end_subscriptions(segment, member, entry, &is_still_dead);
    if let Some(queue) = tap::noted(segment, member) {
        tap::give_up(segment, member, queue, &is_still_dead);
    }
    if let Some(mailbox) = entry.mailbox.load(S8.acquire()).checked_sub(1) {
        registry::disown(segment, member, Name::from_bits(mailbox), is_still_dead);
        window(43);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{Bus, QueueOptions, Removed};

    /// The name of a member comes round after 1024 lives of its index.
    #[test]
    fn a_reaper_that_slept_for_a_thousand_lives_spares_the_namesake() {
        let name = format!("test-{}-namesake", std::process::id());
        let removed = Removed(Bus::create(&name, &crate::CreateOptions { agents: 4, ..Default::default() }).unwrap());
        let (bus, segment) = (&removed.0, removed.0.segment());
        let first = crate::Member::name(&bus.attach("box").unwrap());
        let mut lives = 1;
        let namesake = loop {
            let agent = bus.attach("box").unwrap();
            if crate::Member::name(&agent) == first {
                break agent;
            }
            lives += 1;
        };
        assert_eq!(lives, 1024);
        // What the reaper saw before: the first of that name, in a process that is dead.
        let marked = ClaimWord::new(7, 7, first.incarnation(), ClaimState::Dead);
        let mut by_index = vec![0; segment.roster().len()];
        by_index[first.index() as usize] = marked.0;
        let dead = Dead { segment, claims: vec![(first, marked)], by_index };
        let entry = segment.member(first.index()).unwrap();
        // The namesake is about to declare a queue.
        let record = segment.roster().iter().position(|row| row.queue.load(S6.acquire()) == 0).unwrap();
        let claimed = RecordWord::new(1, first, RecordState::Claimed);
        segment.roster()[record].queue.store(claimed.0, S6.release());
        entry.declaring.store(record as u64 + 1, S8.release());

        give_back_records(segment, first, entry, || dead.still_has(first.index(), marked.0));
        let mut reaper = Reaper::new(segment, first, &entry.notes);
        bury(segment, &dead, &mut reaper);
        assert_eq!(reaper.reaped, Reaped::default());
        assert_eq!(segment.roster()[record].queue.load(S6.acquire()), claimed.0);
        let mailbox = registry::look_up(segment, "box").unwrap();
        assert_eq!(registry::owner_of(segment, mailbox), Some(first), "it keeps its mailbox");
        segment.roster()[record].queue.store(0, S6.release());
        drop(namesake);
        bus.declare("other", &QueueOptions::default()).unwrap();
    }
}
