//! The core's raw handles inside the opaque words of a C struct.
//!
//! What is read back may have been scribbled over by the caller. That is why the core looks at shared memory before it
//! believes a raw handle, and why only types that any bytes are a value of are stored here.
use std::mem::{MaybeUninit, align_of, size_of};
use swarmbus_core::{RawLoan, RawMessage};

/// The opaque words of a message or a loan; the padding inside a raw handle leaves some bytes unset.
pub type Words = [MaybeUninit<u64>; 6];

/// A raw handle of the core.
///
/// # Safety
/// Any initialised bytes are a value of the type: it is made of pointers and integers.
pub unsafe trait Raw: Copy {}
// SAFETY: a pointer, a length, a chunk index and a chunk word.
unsafe impl Raw for RawMessage {}
// SAFETY: as above.
unsafe impl Raw for RawLoan {}

/// The words of a struct that stands for nothing.
pub const NONE: Words = [MaybeUninit::new(0); 6];

/// The first word says whose it is, the others hold the raw handle.
pub fn store<T: Raw>(owner: u64, raw: T) -> Words {
    const { assert!(size_of::<T>() <= size_of::<[u64; 5]>() && align_of::<T>() <= align_of::<u64>()) };
    let mut words = NONE;
    words[0] = MaybeUninit::new(owner);
    // SAFETY: the five words after the first have room for the handle and its alignment, as asserted.
    unsafe { words[1..].as_mut_ptr().cast::<T>().write(raw) };
    words
}

/// Whose the struct is.
///
/// # Safety
/// The first word is initialised.
pub unsafe fn owner(words: &Words) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { words[0].assume_init() }
}

/// What [`store`] put there, or what a caller made of it.
///
/// # Safety
/// The words came from [`store`] of the same type, or a caller's initialised bytes.
pub unsafe fn load<T: Raw>(words: &Words) -> T {
    // SAFETY: room and alignment as in `store`; the bytes are a value of T, as `Raw` and the caller promise.
    unsafe { words[1..].as_ptr().cast::<T>().read() }
}
