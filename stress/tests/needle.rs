//! The fuzzer tries itself out: a needle that coverage finds, and chance does not. Only of a build that counts (`stress/fuzz/rustc`) can this be asked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use swarmbus_stress::corrupt::fuzz::coverage;
use swarmbus_stress::corrupt::fuzz::engine::{Engine, Target};
use swarmbus_stress::corrupt::program::Step;

/// Panics when five steps in a row say the right thing, one of them a number of 64 bits that is compared with one in its way.
struct Haystack;

impl Target for Haystack {
    fn run(&mut self, program: &[Step]) {
        let mut depth = 0;
        for step in program {
            depth = match depth {
                0 if step.kind == 17 => 1,
                1 if step.b > 0xfff0 => 2,
                2 if step.value == 0x5f3a_91c4_0b7d_2e68 => 3,
                3 if step.a == 200 => 4,
                4 if step.kind == 99 => panic!("the needle"),
                depth => depth,
            };
        }
    }
}

fn finds(runs: u64, seed: u64, is_blind: bool) -> Option<u64> {
    let mut engine = Engine::new(Haystack, seed, is_blind);
    while engine.runs < runs {
        let program = engine.propose();
        if catch_unwind(AssertUnwindSafe(|| engine.try_out(&program))).is_err() {
            return Some(engine.runs);
        }
    }
    None
}

#[test]
fn coverage_finds_what_chance_does_not() {
    if coverage::edges() == 0 {
        println!("this build does not count edges");
        return;
    }
    for seed in 1..=3 {
        // The needle itself is not news.
        std::panic::set_hook(Box::new(|_| {}));
        let (found, blindly) = (finds(4_000_000, seed, false), finds(4_000_000, seed, true));
        let _ = std::panic::take_hook();
        println!("seed {seed}: found in run {found:?}");
        assert!(found.is_some() && blindly.is_none(), "seed {seed}: {found:?}, blindly {blindly:?}");
    }
}
