//! Whether two cores are whole: what a virtual machine calls so may be halves of one core, share one with a neighbour, or stand far apart, and be something else
//! a moment later. Then two processes exchange a line in four times the time, or one of them has half of its instructions, and rivals cannot be compared.

use crate::clock;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::hint::black_box;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread;
use std::time::Duration;

/// Looks before the first round, by which it is known what the machine can do.
const LOOKS: u32 = 20;
/// How long each core counts.
const COUNTED: Duration = Duration::from_millis(20);
/// Steps that a core counts between two looks at the clock.
const STEPS: u64 = 10_000;
/// How often a line goes there and back.
const TRIPS: u64 = 20_000;
/// What is still whole: this part of the greatest speed, and so many times the shortest trip.
const SLOWEST: f64 = 0.8;
const LONGEST: f64 = 1.8;

/// What two cores can do at a moment.
#[derive(Clone, Copy)]
struct Ability {
    /// Steps in a nanosecond of the slower one, while both count.
    speed: f64,
    /// How long a line takes from one to the other and back, ns.
    trip_ns: f64,
}

/// Two cores, and the best that was seen of them.
pub struct Cores {
    pair: (usize, usize),
    best: Ability,
}

impl Cores {
    /// Looks at them for the first times.
    pub fn new(pair: (usize, usize)) -> Cores {
        let mut cores = Cores { pair, best: Ability { speed: 0.0, trip_ns: f64::INFINITY } };
        (0..LOOKS).for_each(|_| _ = cores.are_whole());
        cores
    }

    /// Whether they can do about as much as they ever could.
    pub fn are_whole(&mut self) -> bool {
        let (now, best) = (look(self.pair), self.best);
        self.best = Ability { speed: best.speed.max(now.speed), trip_ns: best.trip_ns.min(now.trip_ns) };
        now.speed >= self.best.speed * SLOWEST && now.trip_ns <= self.best.trip_ns * LONGEST
    }
}

fn pin(core: usize) {
    let mut set = CpuSet::new();
    // One that may not be used stays unused, and then so it was for the trials.
    let _ = set.set(core).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
}

fn look((first, second): (usize, usize)) -> Ability {
    let ball = AtomicU64::new(0);
    let on = |core: usize, parity: u64| {
        let ball = &ball;
        move || {
            pin(core);
            // Both begin at once: with the ball.
            let trip_ns = play(ball, parity);
            (count(), trip_ns)
        }
    };
    // Threads of their own, so that this one stays where it may be.
    let (one, other) = thread::scope(|scope| {
        let (one, other) = (scope.spawn(on(first, 0)), scope.spawn(on(second, 1)));
        (one.join(), other.join())
    });
    match (one, other) {
        (Ok((one, trip_ns)), Ok((other, _))) => Ability { speed: one.min(other), trip_ns },
        _ => Ability { speed: 0.0, trip_ns: f64::INFINITY },
    }
}

/// Throws a line to and fro; nanoseconds of a throw and its answer, without those of the first half, in which the other may not be there yet.
fn play(ball: &AtomicU64, parity: u64) -> f64 {
    let mut began_ns = 0;
    for trip in 0..TRIPS {
        while ball.load(Acquire) != 2 * trip + parity {
            std::hint::spin_loop();
        }
        ball.store(2 * trip + parity + 1, Release);
        if trip == TRIPS / 2 {
            began_ns = clock::now_ns();
        }
    }
    (clock::now_ns() - began_ns) as f64 / (TRIPS - TRIPS / 2 - 1) as f64
}

/// Steps in a nanosecond.
fn count() -> f64 {
    let (began_ns, mut steps) = (clock::now_ns(), 0);
    while clock::now_ns() - began_ns < clock::ns(COUNTED) {
        // Four that do not wait for each other: half of a core's units do not suffice for them.
        let mut sums = [0u64; 4];
        for step in 0..STEPS {
            sums = sums.map(|sum| black_box(sum.wrapping_add(step)));
        }
        black_box(sums);
        steps += STEPS;
    }
    steps as f64 / (clock::now_ns() - began_ns) as f64
}
