//! What of the library a run has reached: the compiler counts at every edge (`stress/fuzz/rustc`), here the counters are read. Values that the library
//! compares are kept as well: they are what a fuzzer could write to get past the comparison.

use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

static FIRST: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static COUNT: AtomicUsize = AtomicUsize::new(0);
const COMPARED: usize = 1 << 12;
static VALUES: [AtomicUsize; COMPARED] = [const { AtomicUsize::new(0) }; COMPARED];

/// Called when the program starts, once for each of its parts that is counted. Parts lie one after the other in one section, so the first and the last byte tell.
///
/// # Safety
/// The compiler's own call, with the bounds of its counters.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __sanitizer_cov_8bit_counters_init(first: *mut u8, end: *mut u8) {
    if FIRST.load(Relaxed).is_null() {
        FIRST.store(first, Relaxed);
        COUNT.store(end as usize - first as usize, Relaxed);
    }
}

/// No comparison in here: were this counted as well, it would call itself.
fn note(a: u64, b: u64) {
    let at = (a ^ b.rotate_left(17)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52;
    VALUES[at as usize & (COMPARED - 1)].store(b as usize, Relaxed);
    VALUES[(at as usize ^ 1) & (COMPARED - 1)].store(a as usize, Relaxed);
}

macro_rules! compared {
    ($($name:ident: $number:ty),*) => {
        $(
            /// The compiler's call at a comparison.
            #[unsafe(no_mangle)]
            pub extern "C" fn $name(a: $number, b: $number) {
                note(u64::from(a), u64::from(b));
            }
        )*
    };
}

compared! {
    __sanitizer_cov_trace_cmp4: u32,
    __sanitizer_cov_trace_cmp8: u64,
    __sanitizer_cov_trace_const_cmp4: u32,
    __sanitizer_cov_trace_const_cmp8: u64
}

macro_rules! ignored {
    ($($name:ident: $number:ty),*) => {
        $(
            /// The compiler's call at a comparison of small numbers: those are soon found anyway.
            #[unsafe(no_mangle)]
            pub extern "C" fn $name(_: $number, _: $number) {}
        )*
    };
}

ignored! {
    __sanitizer_cov_trace_cmp1: u8,
    __sanitizer_cov_trace_cmp2: u16,
    __sanitizer_cov_trace_const_cmp1: u8,
    __sanitizer_cov_trace_const_cmp2: u16
}

/// The compiler's call at a `match`.
#[unsafe(no_mangle)]
pub extern "C" fn __sanitizer_cov_trace_switch(_: u64, _: *const u64) {}

/// How many edges are counted; 0 in a program that was not built for it.
pub fn edges() -> usize {
    COUNT.load(Relaxed)
}

fn counters() -> &'static mut [u8] {
    let first = FIRST.load(Relaxed);
    if first.is_null() {
        return &mut [];
    }
    // SAFETY: the counters are static, as many as the compiler said. They are written by the code under test as well, which does not run meanwhile.
    unsafe { std::slice::from_raw_parts_mut(first, COUNT.load(Relaxed)) }
}

/// Begins anew.
pub fn reset() {
    counters().fill(0);
}

/// What was reached so far: of every edge, a bit for each order of magnitude in which it was passed.
#[derive(Clone, Debug, Default)]
pub struct Reached(Vec<u8>);

impl Reached {
    /// Adds what has been reached since [`reset`]. How much of it is new: edges, and orders of magnitude.
    pub fn add(&mut self) -> (usize, usize) {
        let counters = counters();
        self.0.resize(counters.len(), 0);
        let mut new = (0, 0);
        // Eight at a time: nearly all are 0.
        for (seen, now) in self.0.chunks_mut(8).zip(counters.chunks(8)) {
            if now.iter().all(|count| *count == 0) {
                continue;
            }
            for (seen, count) in seen.iter_mut().zip(now) {
                let bit = magnitude(*count);
                new.0 += (*seen == 0 && bit != 0) as usize;
                new.1 += (*seen & bit != bit) as usize;
                *seen |= bit;
            }
        }
        new
    }

    /// Edges.
    pub fn edges(&self) -> usize {
        self.0.iter().filter(|seen| **seen != 0).count()
    }
}

fn magnitude(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        4..8 => 8,
        8..16 => 16,
        16..32 => 32,
        32..128 => 64,
        128.. => 128,
    }
}

/// Something that was compared: the place `number` of them, counted round.
pub fn compared(number: usize) -> u64 {
    VALUES[number % COMPARED].load(Relaxed) as u64
}
