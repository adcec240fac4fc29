//! A bus of its own for each test, gone when the test is, also when it fails.

use std::ops::Deref;
use swarmbus_core::{Bus, CreateOptions};

pub struct TestBus(Bus);

impl TestBus {
    #[allow(dead_code, reason = "each test file uses what it needs")]
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
