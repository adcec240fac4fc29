//! Hints to the processor.

use std::arch::asm;

/// Says that a cache line will be written soon: it is fetched for that while the caller goes on. Any address will do, and nothing is read there.
#[inline(always)]
pub fn expect_write<T>(place: *const T) {
    // SAFETY: a hint; it does not fault.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("prefetchw [{}]", in(reg) place, options(nostack, preserves_flags, readonly))
    };
    // SAFETY: a hint; it does not fault.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("prfm pstl1keep, [{}]", in(reg) place, options(nostack, preserves_flags, readonly))
    };
}

/// Says that a cache line will be read soon. Any address will do, and nothing is read there.
#[inline(always)]
pub fn expect_read<T>(place: *const T) {
    // SAFETY: a hint; it does not fault.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("prefetcht0 [{}]", in(reg) place, options(nostack, preserves_flags, readonly))
    };
    // SAFETY: a hint; it does not fault.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("prfm pldl1keep, [{}]", in(reg) place, options(nostack, preserves_flags, readonly))
    };
}
