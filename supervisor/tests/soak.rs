//! That nothing grows: `cargo test --release -p swarmbus-supervisor --test soak -- --ignored --nocapture`, five minutes, or as many seconds as
//! `SWARMBUS_TEST_SOAK_S` says.

mod common;

use common::{Swarm, code, own_kib};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};
use swarmbus_core::{Bus, Error, SendOptions};

/// Tasks that are on their way at the same time.
const OPEN: usize = 400;
/// What grows by less than this does not grow: a supervisor has less than a megabyte, of which two percent are four pages.
const NOISE_KIB: u64 = 32;

/// What must stay as it is.
#[derive(Debug)]
struct Sample {
    supervisor_kib: u64,
    segment_kib: u64,
    descriptors: usize,
}

impl Sample {
    fn of(swarm: &Swarm) -> Sample {
        let segment = std::fs::metadata(swarm.segment()).unwrap();
        Sample {
            supervisor_kib: own_kib(swarm.pid()),
            segment_kib: segment.blocks() / 2,
            descriptors: std::fs::read_dir(format!("/proc/{}/fd", swarm.pid())).unwrap().count(),
        }
    }
}

fn is_level(before_kib: u64, now_kib: u64) -> bool {
    before_kib.abs_diff(now_kib) <= (before_kib / 50).max(NOISE_KIB)
}

#[test]
#[ignore = "500 agents for five minutes"]
fn nothing_grows_while_500_agents_work() {
    let for_s = std::env::var("SWARMBUS_TEST_SOAK_S").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let mut swarm = Swarm::up(
        "[bus]\nname = \"<bus>\"\nqueues = [\"tasks\"]\n[pool.w]\ncommand = [\"<agent>\", \"work\", \"tasks\", \"250\"]\nsize = 500\n",
    );
    swarm.wait_until_attached();
    let guest = Bus::open(&swarm.bus).unwrap().attach("guest").unwrap();
    let (begun, duration) = (Instant::now(), Duration::from_secs(for_s));
    let (mut sent, mut answered, mut samples) = (0, 0, Vec::new());
    // The first tenth is for what is made once.
    let mut next = duration / 10;
    while begun.elapsed() < duration {
        while sent - answered < OPEN {
            guest.send("tasks", format!("task {sent}").as_bytes(), &SendOptions::default()).unwrap();
            sent += 1;
        }
        match guest.recv(Some(Duration::from_secs(1))) {
            Ok(answer) => answer.release().unwrap(),
            Err(Error::Timeout) => continue,
            Err(error) => panic!("{error}"),
        }
        answered += 1;
        if begun.elapsed() >= next {
            samples.push(Sample::of(&swarm));
            next += duration / 10;
        }
    }
    samples.push(Sample::of(&swarm));
    let (first, last) = (&samples[0], &samples[samples.len() - 1]);
    println!("{answered} tasks in {for_s} s; {samples:#?}");
    assert!(is_level(first.supervisor_kib, last.supervisor_kib), "the supervisor grows");
    assert!(is_level(first.segment_kib, last.segment_kib), "the segment grows");
    assert_eq!(first.descriptors, last.descriptors);
    while answered < sent {
        guest.recv(Some(common::PATIENCE)).unwrap().release().unwrap();
        answered += 1;
    }
    drop(guest);
    assert!(swarm.verb("drain").status.success(), "{}", swarm.err());
    assert_eq!(code(swarm.wait()), 0);
    swarm.assert_nothing_left();
}
