//! A bus of its own for each test, gone when the test is, also when it fails; and what tests do with one.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::ops::Deref;
use std::time::Duration;
use swarmbus_core::{Bus, CreateOptions, Member, QueueInfo, SendOptions};

/// A batch.
pub const BATCH: [&[u8]; 3] = [b"one", b"two", b"three"];

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
