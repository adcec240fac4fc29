//! The heap: chunks of nineteen size classes, from spans that are given to a class on demand.
//!
//! A member keeps a few chunks for itself (`HELD`, so nothing is lost when it dies) and refills them by claiming free chunk words.
//! What is remembered here is a hint; the chunk words and span words are the truth.
//!
//! Spans go back to the system when nobody has a chunk in them: by whoever leaves or reaps, in what that one used; by a sweep, about
//! once a second, that finds them unused twice; and at once when a class has no memory and another has more than it uses.
//!
//! - **I13** A span's bit in the member's map is set before the first claim of a chunk or span there, so its reaper looks there.
//! - **I14** A span word becomes `ACTIVE` only after the span and its chunk words are committed. A chunk is claimed only in an
//!   active span; the span word is read again after the claim, which is undone if it changed. How a span goes: [`crate::span`].

use crate::error::{Error, Result};
use crate::layout::{
    CLASSES, GROUP_CHUNKS, PAYLOAD_MAX, SPAN_BYTES, SPAN_CHUNKS, class_chunks, class_of, class_payload, class_spans,
    class_stride, pages,
};
use crate::memory::Memory;
use crate::platform::{cache, clock};
use crate::queue::{claim_free, release};
use crate::segment::{Chunk, Segment};
use crate::span::{self, Claim};
use crate::sync::{S7, Word, window};
use crate::word::{ChunkState, ChunkWord, Name, SpanState, SpanWord};
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Payloads up to this size are kept for the member's next send, bytes.
const KEEP_PAYLOAD: u64 = 4096;
/// Bytes of chunks that a member keeps at most, so that a thousand idle ones do not hoard.
const KEEP_BYTES: u64 = 64 * 1024;
/// Bytes and chunks claimed at once when the cache is empty; so many chunk words are a cache line.
const REFILL_BYTES: u64 = 16 * 1024;
const REFILL_CHUNKS: u64 = 8;
/// So many chunks before it is used the lines of one are asked for. Asked for when they are claimed, those of all eight would come before the first could be written.
const AHEAD: usize = 3;
/// A request may be served from a class this many steps larger before the heap counts as full.
const LARGER_CLASSES: usize = 4;
/// Sweeps are at least this far apart, ns.
const SWEEP_EVERY_NS: u64 = 200_000_000;
/// A member that has released so much looks whether a sweep is due; every chunk counts [`RELEASE_COUNTS`] bytes more than it has.
const SWEEP_BYTES: u64 = 64 << 20;
const RELEASE_COUNTS: u64 = 8192;
/// While others are giving spans back or taking them, memory may be about to be free: how often to look again, and after what time.
const TRIES_IN_MOTION: u32 = 20;
const PAUSE_IN_MOTION: Duration = Duration::from_micros(100);

/// How many chunks of a class are claimed at once.
fn wanted(class: usize) -> u64 {
    (REFILL_BYTES / class_stride(class)).clamp(1, REFILL_CHUNKS)
}

#[derive(Default)]
struct Class {
    kept: Vec<(u32, ChunkWord)>,
    /// Spans that were of this class, lowest first.
    spans: Vec<u32>,
    /// The one that served last, and the chunk that was the last one there.
    last: Option<u32>,
    at: usize,
}

/// A member's private part of the heap.
pub struct Heap {
    me: Name,
    /// Apart: a handle is moved before it has its place, and what it takes of the stack for that is never given back.
    classes: Box<[Class; CLASSES]>,
    kept_bytes: u64,
    released_bytes: u64,
}

impl Heap {
    /// An empty cache.
    pub fn new(me: Name) -> Heap {
        let classes = Box::new(std::array::from_fn(|_| Class::default()));
        Heap { me, classes, kept_bytes: 0, released_bytes: 0 }
    }

    /// A chunk whose payload holds `length` bytes, held by this member: one that it has kept, or one of the next where it has claimed the last ones.
    #[inline(always)]
    pub fn allocate_kept<'s>(&mut self, segment: &'s Segment, length: u64) -> Option<(Chunk<'s>, ChunkWord)> {
        let class = class_of(length)?;
        if self.classes[class].kept.is_empty() && !self.claim_more(segment, class) {
            return None;
        }
        self.pop(segment, class)
    }

    /// Claims where it has claimed the last ones. Apart, so that what nearly every send does stays in registers.
    #[inline(never)]
    fn claim_more(&mut self, segment: &Segment, class: usize) -> bool {
        self.classes[class].last.is_some_and(|span| self.claim_in(segment, class, span, wanted(class)))
    }

    /// One that this member has not kept: for who has asked [`Heap::allocate_kept`].
    ///
    /// # Errors
    /// `TooLarge`; `OutOfMemory`, and then nothing has changed.
    pub fn allocate<'s>(&mut self, segment: &'s Segment, length: u64) -> Result<(Chunk<'s>, ChunkWord)> {
        let Some(class) = class_of(length) else { return Err(Error::TooLarge { length, limit: PAYLOAD_MAX }) };
        for _ in 0..TRIES_IN_MOTION {
            if let Some(chunk) = self.allocate_anew(segment, class) {
                return Ok(chunk);
            }
            if !is_in_motion(segment) {
                break;
            }
            std::thread::sleep(PAUSE_IN_MOTION);
        }
        Err(Error::OutOfMemory { wanted: length })
    }

    /// One that it has kept, or another, without waiting for anybody.
    pub fn allocate_at_once<'s>(&mut self, segment: &'s Segment, length: u64) -> Option<(Chunk<'s>, ChunkWord)> {
        self.allocate_kept(segment, length).or_else(|| self.allocate_anew(segment, class_of(length)?))
    }

    fn allocate_anew<'s>(&mut self, segment: &'s Segment, class: usize) -> Option<(Chunk<'s>, ChunkWord)> {
        if self.refill(segment, class) {
            return self.pop(segment, class);
        }
        if let Some(larger) = self.pop_larger(segment, class + 1..class + 2) {
            return Some(larger);
        }
        if self.take_from_others(segment, class) {
            return self.pop(segment, class);
        }
        self.pop_larger(segment, class + 2..class + 1 + LARGER_CLASSES)
    }

    fn pop_larger<'s>(&mut self, segment: &'s Segment, classes: Range<usize>) -> Option<(Chunk<'s>, ChunkWord)> {
        for larger in classes.start..classes.end.min(CLASSES) {
            if !self.classes[larger].kept.is_empty() || self.claim_somewhere(segment, larger, 1) {
                return self.pop(segment, larger);
            }
        }
        None
    }

    #[inline(always)]
    fn pop<'s>(&mut self, segment: &'s Segment, class: usize) -> Option<(Chunk<'s>, ChunkWord)> {
        let kept = &mut self.classes[class].kept;
        let (chunk, word) = kept.pop()?;
        if let Some((next, _)) = kept.len().checked_sub(AHEAD).and_then(|at| kept.get(at)) {
            segment.expect_write(*next, class);
        }
        self.kept_bytes -= class_stride(class);
        Some((segment.chunk_of_class(chunk, class), word))
    }

    fn push(&mut self, class: usize, chunk: (u32, ChunkWord)) {
        self.classes[class].kept.push(chunk);
        self.kept_bytes += class_stride(class);
    }

    /// Whether a chunk that comes this member's way is kept for its next send: then its name.
    pub fn would_keep(&self, segment: &Segment, chunk: u32) -> Option<Name> {
        let class = segment.chunk_class(chunk)?;
        self.has_room_for(class).then_some(self.me)
    }

    fn has_room_for(&self, class: usize) -> bool {
        class_payload(class) <= KEEP_PAYLOAD && self.kept_bytes + class_stride(class) <= KEEP_BYTES
    }

    /// Keeps a chunk that is this member's.
    pub fn keep(&mut self, segment: &Segment, chunk: u32, word: ChunkWord) {
        match segment.chunk_class(chunk) {
            Some(class) => self.push(class, (chunk, word)),
            None => free(segment, chunk, word),
        }
    }

    /// Gives up a chunk of this member's: into its cache, or to everybody. One store, see [`release`].
    #[inline]
    pub fn give_back(&mut self, segment: &Segment, chunk: Chunk<'_>, word: ChunkWord) {
        let keep = self.has_room_for(chunk.class());
        let word = release(segment, (chunk.number(), chunk.word), word, keep.then_some(self.me));
        if keep {
            self.push(chunk.class(), (chunk.number(), word));
        }
        self.released_bytes += RELEASE_COUNTS + class_stride(chunk.class());
        if self.released_bytes >= SWEEP_BYTES {
            self.released_bytes = 0;
            sweep_if_due(segment, self.me);
        }
    }

    fn refill(&mut self, segment: &Segment, class: usize) -> bool {
        let want = wanted(class);
        if self.claim_somewhere(segment, class, want) || self.activate(segment, class, want) {
            return true;
        }
        // No span of this class has room, no span is free: believe no hint and look at every chunk.
        let spans = self.classes[class].spans.clone();
        spans.into_iter().any(|span| {
            segment.spans()[span as usize].summary.store(u64::MAX, Relaxed);
            self.claim_in(segment, class, span, want)
        })
    }

    /// Claims up to `want` chunks in some span of the class. The one that served last comes first; then the lowest, so that the higher ones
    /// run empty and can be given back.
    fn claim_somewhere(&mut self, segment: &Segment, class: usize, want: u64) -> bool {
        if let Some(span) = self.classes[class].last
            && self.claim_in(segment, class, span, want)
        {
            return true;
        }
        let mut at = 0;
        while let Some(span) = self.classes[class].spans.get(at).copied() {
            if self.claim_in(segment, class, span, want) {
                return true;
            }
            // A span of another class by now was forgotten, and the next one stands in its place.
            at += (self.classes[class].spans.get(at) == Some(&span)) as usize;
        }
        for span in 0..segment.geometry().spans as u32 {
            if segment.span_class(span) == Some(class)
                && let Err(at) = self.classes[class].spans.binary_search(&span)
            {
                self.classes[class].spans.insert(at, span);
                if self.claim_in(segment, class, span, want) {
                    return true;
                }
            }
        }
        false
    }

    /// Claims up to `want` chunks of a span, if it is of the class. They are used in the order in which they were claimed: the first one's lines come first.
    fn claim_in(&mut self, segment: &Segment, class: usize, span: u32, want: u64) -> bool {
        let before = self.classes[class].kept.len();
        let has_claimed = self.claim_one_by_one(segment, class, span, want);
        self.classes[class].kept[before..].reverse();
        has_claimed
    }

    #[inline(always)]
    fn claim_one_by_one(&mut self, segment: &Segment, class: usize, span: u32, want: u64) -> bool {
        let Some((seen, _, run)) = segment.active_run(span).filter(|(_, now, _)| *now == class) else {
            if segment.span_class(span) != Some(class) {
                self.forget(class, span);
            }
            return false;
        };
        let row = &run.rows[0];
        let first = span * SPAN_CHUNKS as u32;
        // Small chunks among the 64 where the last one was, as long as some of these are free: so few that their lines go to and fro between sender and
        // receiver, and nowhere else. Each member begins with others. Of large chunks the first that is free: its memory is the warmest.
        let start = match class_payload(class) <= KEEP_PAYLOAD {
            true if self.classes[class].last == Some(span) => self.classes[class].at,
            true => self.me.index() as usize * GROUP_CHUNKS % run.chunks.len(),
            false => 0,
        };
        let groups = run.chunks.len().div_ceil(GROUP_CHUNKS);
        let mut claimed = 0;
        for step in 0..groups {
            let group = (start / GROUP_CHUNKS + step) % groups;
            // Relaxed: a hint.
            if row.summary.load(Relaxed) & 1 << group == 0 {
                continue;
            }
            let (begin, end) = (group * GROUP_CHUNKS, run.chunks.len().min((group + 1) * GROUP_CHUNKS));
            // Downwards: the processor of who receives fetches what comes above a message that it reads. That is not to be what the sender is about to write.
            let below = if step == 0 { start } else { end };
            segment.touch(self.me, first);
            window(17);
            for slot in (begin..below).rev().chain((below..end).rev()) {
                match span::claim(row, seen, &run.chunks[slot], self.me) {
                    Claim::Mine(word) => {
                        self.push(class, (first + slot as u32, word));
                        claimed += 1;
                        if claimed <= AHEAD as u64 {
                            segment.expect_write(first + slot as u32, class);
                        }
                    }
                    Claim::Busy => {}
                    Claim::Moved => return claimed > 0,
                }
                if claimed == want {
                    self.classes[class].last = Some(span);
                    self.classes[class].at = slot;
                    // The words that come next.
                    let next = begin + (slot + GROUP_CHUNKS - REFILL_CHUNKS as usize) % GROUP_CHUNKS;
                    run.chunks.get(next).into_iter().for_each(|word| cache::expect_write(word));
                    return true;
                }
            }
            row.summary.fetch_and(!(1 << group), Relaxed);
        }
        claimed > 0
    }

    fn know(&mut self, class: usize, span: u32) {
        if let Err(at) = self.classes[class].spans.binary_search(&span) {
            self.classes[class].spans.insert(at, span);
        }
        self.classes[class].last = Some(span);
    }

    fn forget(&mut self, class: usize, span: u32) {
        if let Ok(at) = self.classes[class].spans.binary_search(&span) {
            self.classes[class].spans.remove(at);
        }
        self.classes[class].last.take_if(|last| *last == span);
    }

    /// Gives a free span (for large chunks, a run of them) to a class, and claims up to `want` of its chunks. `false`: no span is free, or
    /// the system has no memory for it.
    fn activate(&mut self, segment: &Segment, class: usize, want: u64) -> bool {
        let (spans, run) = (segment.spans().len(), class_spans(class) as usize);
        let Some(last) = spans.checked_sub(run) else { return false };
        for start in 0..=last {
            // Large chunks come from the end of the heap and small ones from its start, so that runs stay whole for longer.
            let start = if run > 1 { last - start } else { start };
            if claim_run(segment, self.me, class, start..start + run) {
                return self.give_to(segment, class, start..start + run, want);
            }
        }
        false
    }

    /// Gives spans that are this member's alone to a class. Its first chunks are claimed before anybody else sees them: so who had a span
    /// taken from another class gets what it wanted. `false`: the system has no memory; the spans are everybody's again.
    fn give_to(&mut self, segment: &Segment, class: usize, spans: Range<usize>, want: u64) -> bool {
        let (me, start) = (self.me, spans.start as u32);
        window(20);
        if commit_run(segment, class, start).is_err() {
            give_back_run(segment, me, spans);
            return false;
        }
        window(21);
        let rows = &segment.spans()[spans];
        let first = start * SPAN_CHUNKS as u32;
        let words = &segment.committed_words(start)[..class_chunks(class) as usize];
        for (slot, word) in words.iter().enumerate() {
            if self.classes[class].kept.len() as u64 >= want {
                break;
            }
            if let Some(word) = claim_free(word, me) {
                window(57);
                self.push(class, (first + slot as u32, word));
            }
        }
        // Relaxed: a hint, of spans that are our own yet.
        rows[0].summary.store(groups_of(class), Relaxed);
        span::activate(rows, class, me);
        self.know(class, start);
        !self.classes[class].kept.is_empty()
    }

    /// The last resort: takes spans in which nobody has a chunk from other classes, until this one can be served.
    fn take_from_others(&mut self, segment: &Segment, class: usize) -> bool {
        let (spans, run) = (segment.spans().len(), class_spans(class) as usize);
        for span in 0..spans {
            let span = if run > 1 { spans - 1 - span } else { span };
            let Some((_, other, found)) = segment.active_run(span as u32) else { continue };
            if other == class || !self.is_free_but_for_kept(other, span as u32, found.chunks) {
                continue;
            }
            self.release_kept(segment, |_, chunk| chunk / SPAN_CHUNKS as u32 == span as u32);
            if !retire(segment, self.me, span as u32) {
                continue;
            }
            let taken = span..span + class_spans(other) as usize;
            let served = if taken.len() < run {
                give_back_run(segment, self.me, taken);
                // With its neighbours it may be a run that is long enough.
                self.activate(segment, class, 1)
            } else {
                give_back_run(segment, self.me, taken.start + run..taken.end);
                self.give_to(segment, class, taken.start..taken.start + run, 1)
            };
            if served {
                return true;
            }
        }
        false
    }

    fn is_free_but_for_kept(&self, class: usize, span: u32, words: &[Word]) -> bool {
        let first = span * SPAN_CHUNKS as u32;
        words.iter().enumerate().all(|(slot, word)| {
            let word = ChunkWord(word.load(Relaxed));
            let free = word.state() == ChunkState::Free;
            free || word.is(ChunkState::Held, self.me)
                && self.classes[class].kept.contains(&(first + slot as u32, word))
        })
    }

    /// Gives everybody what this member keeps for itself: for one that will not send soon.
    pub fn trim(&mut self, segment: &Segment) {
        self.release_kept(segment, |_, _| true);
    }

    fn release_kept(&mut self, segment: &Segment, which: impl Fn(usize, u32) -> bool) {
        for class in 0..CLASSES {
            let mut at = 0;
            while let Some((chunk, word)) = self.classes[class].kept.get(at).copied() {
                if which(class, chunk) {
                    self.classes[class].kept.swap_remove(at);
                    self.kept_bytes -= class_stride(class);
                    free(segment, chunk, word);
                } else {
                    at += 1;
                }
            }
        }
    }
}

fn free(segment: &Segment, chunk: u32, word: ChunkWord) {
    if let Some(shared) = segment.chunk(chunk) {
        release(segment, (chunk, shared), word, None);
    }
}

/// Bits of the summary that stand for chunks of the class.
fn groups_of(class: usize) -> u64 {
    u64::MAX >> (64 - class_chunks(class).div_ceil(GROUP_CHUNKS as u64))
}

fn claim_run(segment: &Segment, me: Name, class: usize, run: Range<usize>) -> bool {
    let spans = segment.spans();
    if !spans[run.clone()].iter().all(|span| SpanWord(span.word.load(Relaxed)).state() == SpanState::Free) {
        return false;
    }
    let touch = |at: usize| segment.touch(me, ((run.start + at) as u64 * SPAN_CHUNKS) as u32);
    span::take_free(&spans[run.clone()], class, me, touch)
}

/// Commits what a class needs of the caller's spans. When that fails, no chunk word is committed that was not before.
fn commit_run(segment: &Segment, class: usize, span: u32) -> Result<()> {
    segment.commit(segment.span_at(span), class_chunks(class) * class_stride(class))?;
    let (row, wanted) = (&segment.spans()[span as usize], class_chunks(class));
    // Relaxed: our own claim.
    let committed = row.words.load(Relaxed);
    if committed >= wanted {
        return Ok(());
    }
    let words = segment.chunk_words_at(span);
    let result = segment.commit(words, wanted * 8);
    if result.is_ok() {
        window(58);
        row.words.store(wanted, S7.release());
    } else {
        let first = pages(committed * 8);
        segment.file().uncommit(words + first, pages(wanted * 8) - first);
    }
    result
}

/// Returns the memory of the caller's spans to the system, and the spans to everybody.
fn give_back_run(segment: &Segment, me: Name, spans: Range<usize>) {
    if spans.is_empty() {
        return;
    }
    segment.file().uncommit(segment.span_at(spans.start as u32), spans.len() as u64 * SPAN_BYTES);
    window(59);
    span::give_up(&segment.spans()[spans], me);
}

/// Takes a span in which nobody has a chunk from its class. `true`: it (and its run) is the caller's.
fn retire(segment: &Segment, me: Name, span: u32) -> bool {
    let Some((seen, _, run)) = segment.active_run(span) else { return false };
    for at in span..span + run.rows.len() as u32 {
        segment.touch(me, at * SPAN_CHUNKS as u32);
    }
    span::retire(run, seen, me)
}

/// Gives a span back if nobody has a chunk in it and its class can do without.
pub fn give_back_span(segment: &Segment, me: Name, span: u32) {
    let Some((_, class, run)) = segment.active_run(span) else { return };
    if span::unused(run.chunks).is_some() && can_do_without(segment, class, span) && retire(segment, me, span) {
        give_back_run(segment, me, span as usize..span as usize + run.rows.len());
    }
}

/// Classes that serve most messages keep a span with room, so that the first message after a pause need not wait for the system.
fn can_do_without(segment: &Segment, class: usize, span: u32) -> bool {
    class_payload(class) > KEEP_PAYLOAD
        || (0..segment.spans().len() as u32).any(|other| {
            other != span
                && segment.span_class(other) == Some(class)
                // Relaxed: a hint.
                && segment.spans()[other as usize].summary.load(Relaxed) & groups_of(class) != 0
        })
}

/// Whether somebody is giving a span to a class or taking it from one.
fn is_in_motion(segment: &Segment) -> bool {
    segment.spans().iter().any(|row| {
        // Relaxed: a reason to try once more, nothing else.
        let state = SpanWord(row.word.load(Relaxed)).state();
        matches!(state, SpanState::Claimed | SpanState::Retiring)
    })
}

/// Gives back the spans that nobody used since the last sweep, unless there was one just now.
#[cold]
pub fn sweep_if_due(segment: &Segment, me: Name) {
    let swept = &segment.header().swept_ns;
    // Relaxed: only keeps sweeps apart.
    let (now, last) = (clock::monotonic_ns(), swept.load(Relaxed));
    if now.saturating_sub(last) >= SWEEP_EVERY_NS && swept.compare_exchange(last, now, Relaxed).is_ok() {
        sweep(segment, me);
    }
}

/// A span is given back by the second sweep that finds all its chunks free and none of them claimed in between: memory for a burst
/// is not returned and fetched again with every burst.
fn sweep(segment: &Segment, me: Name) {
    for span in 0..segment.spans().len() as u32 {
        let Some((_, _, run)) = segment.active_run(span) else { continue };
        let Some(unused) = span::unused(run.chunks) else { continue };
        // Relaxed: a hint.
        if run.rows[0].unused.load(Relaxed) == unused {
            give_back_span(segment, me, span);
        } else {
            run.rows[0].unused.store(unused, Relaxed);
        }
    }
}
