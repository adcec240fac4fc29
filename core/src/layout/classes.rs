//! The size classes of the heap, and the spans that hold their chunks.

use super::PAGE;

/// Size classes of the heap: payloads of 64 B, 128 B, … 16 MiB.
pub const CLASSES: usize = 19;
/// Bytes of a chunk's header.
pub const CHUNK_HEADER: u64 = 64;
/// Longest payload, bytes.
pub const PAYLOAD_MAX: u64 = class_payload(CLASSES - 1);
/// Most chunks in a span; the low bits of a chunk's index.
pub const SPAN_CHUNKS: u64 = 4096;
/// Chunks for which one bit of a span's summary stands.
pub const GROUP_CHUNKS: usize = SPAN_CHUNKS as usize / 64;
/// Bytes of a span: 2 MiB of payloads and a page for headers, so that payloads of 2ⁿ fill it.
pub const SPAN_BYTES: u64 = 2 * 1024 * 1024 + PAGE;
/// Most spans: what the map of a member entry holds.
pub const SPANS_MAX: u64 = (SPAN_MAP_WORDS * 64) as u64;
pub(super) const SPAN_MAP_WORDS: usize = 192;

/// Payload bytes of a class.
pub const fn class_payload(class: usize) -> u64 {
    64 << class
}

/// Bytes from chunk to chunk in a span of a class.
pub const fn class_stride(class: usize) -> u64 {
    CHUNK_HEADER + class_payload(class)
}

/// Spans that one chunk of a class needs: 1 up to 2 MiB.
pub const fn class_spans(class: usize) -> u64 {
    SPANS_AND_CHUNKS[class].0 as u64
}

/// Chunks in a span (or run of spans) of a class; none of a class that does not exist.
pub const fn class_chunks(class: usize) -> u64 {
    SPANS_AND_CHUNKS[class].1 as u64
}

/// Of each class, as a table: it is asked several times with every message. As long as what a span word can say of its class.
static SPANS_AND_CHUNKS: [(u32, u32); 32] = {
    let mut table = [(0, 0); 32];
    let mut class = 0;
    while class < CLASSES {
        let spans = class_stride(class).div_ceil(SPAN_BYTES);
        let fit = spans * SPAN_BYTES / class_stride(class);
        table[class] = (spans as u32, if fit > SPAN_CHUNKS { SPAN_CHUNKS } else { fit } as u32);
        class += 1;
    }
    table
};

/// The smallest class whose payload holds `length` bytes; `None` when the length is over [`PAYLOAD_MAX`].
pub fn class_of(length: u64) -> Option<usize> {
    // 64 is 2⁶: of a length of b bits, less one, the class is b − 6.
    (length <= PAYLOAD_MAX).then(|| (64 - (length.max(64) - 1).leading_zeros()) as usize - 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_has_the_smallest_class_that_holds_it() {
        for (length, class) in [(0, 0), (1, 0), (64, 0), (65, 1), (128, 1), (129, 2), (1024, 4), (16 << 20, 18)] {
            assert_eq!(class_of(length), Some(class), "{length}");
        }
        assert_eq!(class_of((16 << 20) + 1), None);
    }

    #[test]
    fn chunks_of_every_class_fit_their_spans() {
        for class in 0..CLASSES {
            assert!(class_chunks(class) * class_stride(class) <= class_spans(class) * SPAN_BYTES);
            assert!(class_chunks(class) >= 1 && class_stride(class).is_multiple_of(64));
        }
    }
}
