//! A bus of its own for each test, gone when the test is, also when it fails; and what tests do with one.
#![allow(dead_code, reason = "each test file uses what it needs")]

use proptest::test_runner::{Config as ProptestConfig, FileFailurePersistence, RngSeed};
use std::ops::Deref;
use std::time::{Duration, Instant};
use swarmbus_core::{Bus, CreateOptions, Member, QueueInfo, SendOptions};

/// A batch.
pub const BATCH: [&[u8]; 3] = [b"one", b"two", b"three"];

/// Guards against hangs only.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The same, as what a call may wait.
pub const HANGS: Option<Duration> = Some(PATIENCE);

/// Waits until something holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Without patience.
pub fn at_once() -> SendOptions {
    SendOptions { timeout: Some(Duration::ZERO), ..SendOptions::default() }
}

/// What an observer sees of a queue.
pub fn info(bus: &Bus, queue: &str) -> QueueInfo {
    bus.observer().unwrap().queues().into_iter().find(|info| info.name == queue).unwrap()
}

/// Receives and releases what is there, `most` messages in all.
pub fn texts(member: &Member, queue: &str, most: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < most
        && let Some(message) = member.try_receive(queue).unwrap()
    {
        texts.push(String::from_utf8(message.to_vec()).unwrap());
        message.release().unwrap();
    }
    texts
}

/// Receives and releases all that is there.
pub fn drain(member: &Member, queue: &str) -> Vec<String> {
    texts(member, queue, usize::MAX)
}

/// Messages of the queue `work` that are parked; the text of each is its delay in milliseconds.
pub struct Parked(Vec<Park>);

/// When a message was parked at the earliest and at the latest: who parks it may be kept from the processor.
struct Park {
    delay_ms: u64,
    between: [Instant; 2],
}

impl Parked {
    /// Sends and takes a message for each delay, and parks them.
    pub fn for_ms(member: &Member, delays_ms: [u64; 3]) -> Parked {
        for delay_ms in delays_ms {
            member.send("work", delay_ms.to_string().as_bytes(), &at_once()).unwrap();
        }
        let held = delays_ms.map(|delay_ms| (delay_ms, member.receive("work", None).unwrap()));
        let park = |(delay_ms, message): (u64, swarmbus_core::Message<'_>)| {
            let before = Instant::now();
            message.nack_after(Duration::from_millis(delay_ms)).unwrap();
            Park { delay_ms, between: [before, Instant::now()] }
        };
        Parked(held.into_iter().map(park).collect())
    }

    /// That all came, and none before one that was due earlier.
    pub fn assert_in_order(&self, texts: &[String]) {
        let of = |text: &String| self.0.iter().find(|park| park.delay_ms.to_string() == *text).unwrap();
        let due = |park: &Park| park.between.map(|at| at + Duration::from_millis(park.delay_ms));
        let parks: Vec<&Park> = texts.iter().map(of).collect();
        assert_eq!(parks.len(), self.0.len(), "{texts:?}");
        for (at, park) in parks.iter().enumerate() {
            // The bus counts milliseconds.
            let earliest = due(park)[0] - Duration::from_millis(2);
            assert!(parks[at + 1..].iter().all(|later| due(later)[1] > earliest), "{texts:?}");
        }
    }
}

/// Cases of a model, the same in every run: one that fails has failed before. Others by `PROPTEST_RNG_SEED` or, with as many as you like,
/// `PROPTEST_CASES`.
pub fn drawn(cases: u32) -> ProptestConfig {
    let asked = |name: &str| std::env::var_os(name).is_some();
    let usual = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match (asked("PROPTEST_RNG_SEED"), asked("PROPTEST_CASES")) {
        (false, false) => ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), ..usual },
        (true, false) => ProptestConfig { cases, ..usual },
        (_, true) => usual,
    }
}

/// The same for a model whose failures are kept, next to the test. What a mutant does wrong is not.
pub fn kept(cases: u32) -> ProptestConfig {
    let is_kept = std::env::var_os("SWARMBUS_MUTANT").is_none();
    let place = is_kept.then(|| Box::new(FileFailurePersistence::WithSource("regressions")) as Box<_>);
    ProptestConfig { failure_persistence: place, ..drawn(cases) }
}

pub struct TestBus(Bus);

impl TestBus {
    pub fn new(test: &str) -> TestBus {
        Self::with(test, CreateOptions { agents: 64, heap: 256 << 20, ..CreateOptions::default() })
    }

    pub fn with(test: &str, options: CreateOptions) -> TestBus {
        TestBus(Bus::create(&format!("test-{}-{test}", std::process::id()), &options).unwrap())
    }
}

impl Deref for TestBus {
    type Target = Bus;
    fn deref(&self) -> &Bus {
        &self.0
    }
}

impl Drop for TestBus {
    fn drop(&mut self) {
        let _ = self.0.destroy();
    }
}
