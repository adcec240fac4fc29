//! The heap: chunks of nineteen size classes, from spans that are given to a class on demand.
//!
//! A member keeps a few chunks for itself (`HELD`, so nothing is lost when it dies) and refills them by claiming free chunk words.
//! What is remembered here is a hint; the chunk words and span words are the truth.
//!
//! - **I13** A span's bit in the member's map is set before the first claim of a chunk or span there, so its reaper looks there.
//! - **I14** A span word becomes `ACTIVE` only after the span and its chunk words are committed. A chunk is claimed only in an
//!   active span; the span word is read again after the claim, which is undone if it changed.

use crate::error::{Error, Result};
use crate::layout::{CLASSES, PAYLOAD_MAX, SPAN_CHUNKS, class_of, class_payload, class_spans, class_stride};
use crate::memory::Memory;
use crate::queue::{claim_free, release};
use crate::segment::{CLASS_CHUNKS, Segment};
use crate::sync::{S7, S9, window};
use crate::word::{ChunkWord, Name, SpanState, SpanWord};
use std::sync::atomic::Ordering::Relaxed;

/// Payloads up to this size are kept for the member's next send, bytes.
const KEEP_PAYLOAD: u64 = 4096;
/// Bytes of chunks that a member keeps at most, so that a thousand idle ones do not hoard.
const KEEP_BYTES: u64 = 64 * 1024;
/// Bytes and chunks claimed at once when the cache is empty.
const REFILL_BYTES: u64 = 16 * 1024;
const REFILL_CHUNKS: u64 = 16;
/// A request may be served from a class this many steps larger before the heap counts as full.
const LARGER_CLASSES: usize = 4;

#[derive(Default)]
struct Class {
    kept: Vec<(u32, ChunkWord)>,
    spans: Vec<u32>,
}

/// A member's private part of the heap.
pub struct Heap {
    me: Name,
    classes: [Class; CLASSES],
    kept_bytes: u64,
}

impl Heap {
    /// An empty cache.
    pub fn new(me: Name) -> Heap {
        Heap { me, classes: std::array::from_fn(|_| Class::default()), kept_bytes: 0 }
    }

    /// A chunk whose payload holds `length` bytes, held by this member.
    ///
    /// # Errors
    /// `TooLarge`; `OutOfMemory`, and then nothing has changed.
    pub fn allocate(&mut self, segment: &Segment, length: u64) -> Result<(u32, ChunkWord)> {
        let Some(class) = class_of(length) else { return Err(Error::TooLarge { length, limit: PAYLOAD_MAX }) };
        if let Some(chunk) = self.pop(class) {
            return Ok(chunk);
        }
        if self.refill(segment, class) {
            return self.pop(class).ok_or(Error::OutOfMemory { wanted: length });
        }
        let larger = class + 1..CLASSES.min(class + 1 + LARGER_CLASSES);
        for class in larger {
            if self.classes[class].kept.is_empty() && !self.claim_somewhere(segment, class, 1) {
                continue;
            }
            return self.pop(class).ok_or(Error::OutOfMemory { wanted: length });
        }
        Err(Error::OutOfMemory { wanted: length })
    }

    fn pop(&mut self, class: usize) -> Option<(u32, ChunkWord)> {
        let chunk = self.classes[class].kept.pop()?;
        self.kept_bytes -= class_stride(class);
        Some(chunk)
    }

    fn push(&mut self, class: usize, chunk: (u32, ChunkWord)) {
        self.classes[class].kept.push(chunk);
        self.kept_bytes += class_stride(class);
    }

    /// Gives up a chunk of this member's: into its cache, or to everybody. One store, see [`release`].
    pub fn give_back(&mut self, segment: &Segment, chunk: u32, word: ChunkWord) {
        let class = segment.chunk_class(chunk);
        let keep = class.filter(|class| {
            class_payload(*class) <= KEEP_PAYLOAD && self.kept_bytes + class_stride(*class) <= KEEP_BYTES
        });
        let word = release(segment, chunk, word, keep.map(|_| self.me));
        if let Some(class) = keep {
            self.push(class, (chunk, word));
        }
    }

    fn refill(&mut self, segment: &Segment, class: usize) -> bool {
        let want = (REFILL_BYTES / class_stride(class)).clamp(1, REFILL_CHUNKS);
        if self.claim_somewhere(segment, class, want) {
            return true;
        }
        // Every span of this class looks full: take a new one; failing that, believe no hint and look at every chunk.
        if let Some(span) = activate(segment, self.me, class) {
            self.classes[class].spans.push(span);
            if self.claim_in(segment, class, span, want) {
                return true;
            }
        }
        let spans = self.classes[class].spans.clone();
        spans.into_iter().any(|span| {
            segment.spans()[span as usize].summary.store(u64::MAX, Relaxed);
            self.claim_in(segment, class, span, want)
        })
    }

    /// Claims up to `want` chunks in some span of the class: in those known, the latest first, then in those of other members.
    fn claim_somewhere(&mut self, segment: &Segment, class: usize, want: u64) -> bool {
        let known = self.classes[class].spans.len();
        for at in (0..known).rev() {
            let span = self.classes[class].spans[at];
            if self.claim_in(segment, class, span, want) {
                // The next search begins where this one succeeded.
                self.classes[class].spans.swap(at, known - 1);
                return true;
            }
        }
        for span in 0..segment.geometry().spans as u32 {
            if segment.span_class(span) == Some(class) && !self.classes[class].spans.contains(&span) {
                self.classes[class].spans.push(span);
                if self.claim_in(segment, class, span, want) {
                    return true;
                }
            }
        }
        false
    }

    fn claim_in(&mut self, segment: &Segment, class: usize, span: u32, want: u64) -> bool {
        let control = &segment.spans()[span as usize];
        let span_word = control.word.load(S7.acquire());
        if segment.span_class(span) != Some(class) {
            self.classes[class].spans.retain(|known| *known != span);
            return false;
        }
        let Some(words) = segment.chunk_words(span) else { return false };
        let first = span * SPAN_CHUNKS as u32;
        let mut claimed = 0;
        // Relaxed: a hint.
        let mut groups = control.summary.load(Relaxed) & groups_of(class);
        while groups != 0 && claimed < want {
            let group = groups.trailing_zeros();
            groups &= groups - 1;
            let range = group as usize * 64..words.len().min(group as usize * 64 + 64);
            segment.touch(self.me, first);
            window(17);
            for slot in range {
                let Some(word) = claim_free(&words[slot], self.me) else { continue };
                window(18);
                let chunk = first + slot as u32;
                if control.word.load(S7.acquire()) != span_word {
                    release(segment, chunk, word, None);
                    return claimed > 0;
                }
                self.push(class, (chunk, word));
                claimed += 1;
                if claimed == want {
                    return true;
                }
            }
            control.summary.fetch_and(!(1 << group), Relaxed);
        }
        claimed > 0
    }
}

/// Bits of the summary that stand for chunks of the class.
fn groups_of(class: usize) -> u64 {
    u64::MAX >> (64 - CLASS_CHUNKS[class].div_ceil(64))
}

/// Gives a free span (for large chunks, a run of them) to a class. `None`: no span is free, or no memory to commit it.
fn activate(segment: &Segment, me: Name, class: usize) -> Option<u32> {
    let (spans, run) = (segment.spans(), class_spans(class) as usize);
    // Large chunks come from the end of the heap and small ones from its start, so that runs stay whole for longer.
    let starts: Box<dyn Iterator<Item = usize>> =
        if run > 1 { Box::new((0..=spans.len().checked_sub(run)?).rev()) } else { Box::new(0..spans.len()) };
    for start in starts {
        if !claim_run(segment, me, class, start..start + run) {
            continue;
        }
        window(20);
        if commit_run(segment, class, start as u32).is_err() {
            let first = start as u32;
            segment.file().uncommit(segment.span_at(first), CLASS_CHUNKS[class] * class_stride(class));
            free_run(segment, me, start..start + run);
            return None;
        }
        window(21);
        for span in &spans[start + 1..start + run] {
            let seen = SpanWord(span.word.load(Relaxed));
            span.word.store(seen.next(class, me, SpanState::Tail).0, S9.release());
            window(22);
        }
        window(23);
        spans[start].summary.store(groups_of(class), Relaxed);
        let seen = SpanWord(spans[start].word.load(Relaxed));
        spans[start].word.store(seen.next(class, me, SpanState::Active).0, S7.release());
        return Some(start as u32);
    }
    None
}

fn claim_run(segment: &Segment, me: Name, class: usize, run: std::ops::Range<usize>) -> bool {
    let spans = segment.spans();
    if !spans[run.clone()].iter().all(|span| SpanWord(span.word.load(Relaxed)).state() == SpanState::Free) {
        return false;
    }
    for at in run.clone() {
        segment.touch(me, (at as u64 * SPAN_CHUNKS) as u32);
        let seen = SpanWord(spans[at].word.load(S9.acquire()));
        let claimed = seen.next(class, me, SpanState::Claimed);
        if seen.state() != SpanState::Free || spans[at].word.compare_exchange(seen.0, claimed.0, S9.acquire()).is_err()
        {
            free_run(segment, me, run.start..at);
            return false;
        }
        window(19);
    }
    true
}

fn free_run(segment: &Segment, me: Name, run: std::ops::Range<usize>) {
    for span in &segment.spans()[run] {
        // Relaxed: our own claim.
        let seen = SpanWord(span.word.load(Relaxed));
        span.word.store(seen.next(0, me, SpanState::Free).0, S9.release());
    }
}

fn commit_run(segment: &Segment, class: usize, span: u32) -> Result<()> {
    segment.commit(segment.chunk_words_at(span), CLASS_CHUNKS[class] * 8)?;
    segment.commit(segment.span_at(span), CLASS_CHUNKS[class] * class_stride(class))
}
