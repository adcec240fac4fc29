//! What is in a message: a word that is 0, a time, or the end; then one byte, over and over.

/// The word of the last message of a stream.
pub const END: u64 = u64::MAX;

/// Writes all of a message.
#[inline]
pub fn write(message: &mut [u8], byte: u8, word: u64) {
    if let Ok(small) = <&mut [u8; 64]>::try_from(&mut *message) {
        *small = [byte; 64];
    } else {
        message.fill(byte);
    }
    if let Some(first) = message.first_chunk_mut::<8>() {
        *first = word.to_le_bytes();
    }
}

/// Reads the beginning and the last byte of a message: its word, and whether the two belong together.
#[inline]
pub fn read(message: &[u8]) -> (u64, bool) {
    match (message.first_chunk::<9>(), message.last()) {
        (Some(&[a, b, c, d, e, f, g, h, byte]), Some(last)) => {
            (u64::from_le_bytes([a, b, c, d, e, f, g, h]), byte == *last)
        }
        _ => (0, false),
    }
}
