//! Time, cheap enough to be read in the middle of a message and comparable between processes.

use std::time::Duration;

/// Nanoseconds of the system's monotonic clock, the same for every process.
pub fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills a timespec that we own; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Ticks of the cheapest clock there is, the same for every process; never 0. [`Scale`] makes nanoseconds of them.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and it touches no memory.
    let ticks = unsafe { core::arch::x86_64::_rdtsc() };
    // Kept clear of the mark that ends a stream of messages.
    ticks & (u64::MAX >> 1) | 1
}

/// Ticks of the cheapest clock there is, the same for every process; never 0. [`Scale`] makes nanoseconds of them.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub fn ticks() -> u64 {
    now_ns() | 1
}

/// Learns over the length of a measurement how long a tick is.
pub struct Scale {
    ns: u64,
    ticks: u64,
}

impl Scale {
    /// Begins.
    pub fn begin() -> Scale {
        Scale { ns: now_ns(), ticks: ticks() }
    }

    /// Nanoseconds since it began.
    pub fn elapsed_ns(&self) -> u64 {
        now_ns() - self.ns
    }

    /// Nanoseconds in a tick, by now.
    pub fn ns_per_tick(&self) -> f64 {
        let (ns, ticks) = (now_ns() - self.ns, ticks() - self.ticks);
        if ticks == 0 { 1.0 } else { ns as f64 / ticks as f64 }
    }
}

/// What reading the system's clock costs, in nanoseconds.
pub fn reading_costs_ns() -> f64 {
    const READINGS: u32 = 100_000;
    let began = now_ns();
    for _ in 0..READINGS {
        std::hint::black_box(now_ns());
    }
    (now_ns() - began) as f64 / f64::from(READINGS)
}

/// What reading the ticks costs, in nanoseconds.
pub fn ticking_costs_ns() -> f64 {
    const READINGS: u32 = 100_000;
    let began = now_ns();
    for _ in 0..READINGS {
        std::hint::black_box(ticks());
    }
    (now_ns() - began) as f64 / f64::from(READINGS)
}

/// A duration as whole nanoseconds.
pub fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
