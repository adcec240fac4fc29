//! The chunks of a segment: their words, which anybody may look at, and what is in them, which is for their owner.

use super::Segment;
use crate::layout::*;
use crate::memory::Owned;
use crate::platform::cache;
use crate::span::Run;
use crate::sync::{S7, Word};
use crate::word::{SpanState, SpanWord};
use std::ptr::NonNull;

/// A chunk for who owns it (I7), or reads it while it cannot go.
#[derive(Clone, Copy)]
pub struct Chunk<'a> {
    /// Its number, and above that its class: written and read as one, since what is written in halves and read as a whole makes the processor wait.
    which: u64,
    /// Whose it is.
    pub word: &'a Word,
    /// Where its header begins, and after that its payload.
    start: NonNull<u8>,
}

// SAFETY: the memory is shared between processes; who may touch it when is what the chunk word says.
unsafe impl Send for Chunk<'_> {}

impl<'a> Chunk<'a> {
    /// Its number.
    #[inline(always)]
    pub fn number(self) -> u32 {
        self.which as u32
    }

    /// Its size class.
    #[inline(always)]
    pub fn class(self) -> usize {
        (self.which >> 32) as usize
    }

    /// Most bytes of its payload.
    #[inline]
    pub fn capacity(self) -> usize {
        class_payload(self.class()) as usize
    }

    /// Its header.
    #[inline(always)]
    pub fn header(self) -> &'a ChunkHeader {
        // SAFETY: inside the mapping and aligned: spans begin at pages, strides are multiples of 64; made of atomics, mapped as long as the segment (I11).
        unsafe { self.start.cast().as_ref() }
    }

    /// Its payload, 64-byte aligned.
    #[inline(always)]
    pub fn data(self) -> *mut u8 {
        // SAFETY: a chunk is a header and its payload.
        unsafe { self.start.add(CHUNK_HEADER as usize).as_ptr() }
    }
}

impl<'a> Owned<'a> for Chunk<'a> {
    #[inline(always)]
    fn number(self) -> u32 {
        self.number()
    }
    #[inline(always)]
    fn word(self) -> &'a Word {
        self.word
    }
    #[inline(always)]
    fn home(self) -> &'a Word {
        &self.header().home
    }
    #[inline(always)]
    fn rest(self) -> &'a Word {
        &self.header().next
    }
}

impl Segment {
    /// The class of a span in use, in range.
    pub fn span_class(&self, span: u32) -> Option<usize> {
        self.class_in(span, SpanWord(self.spans().get(span as usize)?.word.load(S7.acquire())))
    }

    #[inline]
    fn class_in(&self, span: u32, word: SpanWord) -> Option<usize> {
        let class = word.class();
        (word.is_in_use() && class < CLASSES && span as u64 + class_spans(class) <= self.geometry.spans)
            .then_some(class)
    }

    /// An active span, with its word and class, and all that one chunk of it may reach over.
    pub fn active_run(&self, span: u32) -> Option<(SpanWord, usize, Run<'_>)> {
        let row = self.spans().get(span as usize)?;
        let word = SpanWord(row.word.load(S7.acquire()));
        let class = self.class_in(span, word).filter(|_| word.state() == SpanState::Active)?;
        let rows = &self.spans()[span as usize..][..class_spans(class) as usize];
        let chunks = self.committed_words(span).get(..class_chunks(class) as usize)?;
        Some((word, class, Run { rows, chunks }))
    }

    /// The chunk words of a span that are committed (I18), whatever the span is at the moment.
    pub fn committed_words(&self, span: u32) -> &[Word] {
        let Some(row) = self.spans().get(span as usize) else { return &[] };
        let words = row.words.load(S7.acquire()).min(SPAN_CHUNKS);
        self.slice(self.chunk_words_at(span), words as usize)
    }

    /// The class of a chunk, if there is such a chunk.
    #[inline]
    pub fn chunk_class(&self, chunk: u32) -> Option<usize> {
        let class = self.span_class(chunk / SPAN_CHUNKS as u32)?;
        ((chunk as u64 % SPAN_CHUNKS) < class_chunks(class)).then_some(class)
    }

    /// The words of all chunks of a span in use.
    pub fn chunk_words(&self, span: u32) -> Option<&[Word]> {
        let class = self.span_class(span)?;
        self.committed_words(span).get(..class_chunks(class) as usize)
    }

    /// Offset of a span's chunk words.
    pub fn chunk_words_at(&self, span: u32) -> u64 {
        self.geometry.chunks_at + span as u64 * SPAN_CHUNKS * 8
    }

    /// Offset of a span's chunks.
    pub fn span_at(&self, span: u32) -> u64 {
        self.geometry.heap_at + span as u64 * SPAN_BYTES
    }

    /// Reads from a chunk, header first, without touching its memory: for who does not own it (I20). What was uncommitted reads as zero.
    pub fn read_chunk(&self, chunk: u32, offset: u64, bytes: &mut [u8]) -> Option<()> {
        let class = self.chunk_class(chunk).filter(|class| offset + bytes.len() as u64 <= class_stride(*class))?;
        self.file.read_at(bytes, self.chunk_at(chunk, class) + offset).ok()
    }

    #[inline]
    fn chunk_at(&self, chunk: u32, class: usize) -> u64 {
        self.span_at(chunk / SPAN_CHUNKS as u32) + (chunk as u64 % SPAN_CHUNKS) * class_stride(class)
    }

    /// A chunk, for its owner.
    #[inline]
    pub fn chunk_of_mine(&self, chunk: u32) -> Option<Chunk<'_>> {
        let (span, slot) = (chunk / SPAN_CHUNKS as u32, chunk as u64 % SPAN_CHUNKS);
        let row = self.spans().get(span as usize)?;
        let class = self.class_in(span, SpanWord(row.word.load(S7.acquire())))?;
        // The second: somebody scribbled, and its word is not committed (I12).
        if slot >= class_chunks(class) || slot >= row.words.load(S7.acquire()) {
            return None;
        }
        // SAFETY: just checked.
        Some(unsafe { self.chunk_at_place(chunk, class) })
    }

    /// The same, for who knows its class.
    #[inline]
    pub fn chunk_of_class(&self, chunk: u32, class: usize) -> Chunk<'_> {
        let in_heap = chunk as u64 / SPAN_CHUNKS + class_spans(class) <= self.geometry.spans;
        assert!(in_heap && chunk as u64 % SPAN_CHUNKS < class_chunks(class), "a chunk inside the heap (I5)");
        // SAFETY: just checked.
        unsafe { self.chunk_at_place(chunk, class) }
    }

    /// Says that the header and the payload of a chunk will be written soon.
    #[inline]
    pub fn expect_write(&self, chunk: u32, class: usize) {
        let header = self.base.wrapping_add(self.chunk_at(chunk, class) as usize);
        cache::expect_write(header);
        cache::expect_write(header.wrapping_add(CHUNK_HEADER as usize));
    }

    /// # Safety
    /// Spans of the heap hold a chunk of this class and number.
    #[inline]
    unsafe fn chunk_at_place(&self, chunk: u32, class: usize) -> Chunk<'_> {
        let at = self.chunk_at(chunk, class);
        // SAFETY: the heap, and with it the chunk, lies inside the mapping.
        let start = unsafe { self.base.add(at as usize) };
        // SAFETY: a mapping does not begin at zero.
        let start = unsafe { NonNull::new_unchecked(start) };
        // SAFETY: there are as many words for each span.
        let word = unsafe { self.all_chunk_words().get_unchecked(chunk as usize) };
        Chunk { which: chunk as u64 | (class as u64) << 32, word, start }
    }
}
