//! Benchmarks live in `benches/`; see `make bench`. Here what they share.

use swarmbus_core::{Bus, CreateOptions, Result};

/// A bus of a run's own, gone when the run is, also when it fails.
pub struct Scratch(pub Bus);

impl Scratch {
    /// A new bus; `name` tells it from others of this process.
    ///
    /// # Errors
    /// Those of [`Bus::create`].
    pub fn new(name: &str, options: &CreateOptions) -> Result<Scratch> {
        Ok(Scratch(Bus::create(&format!("bench-{}-{name}", std::process::id()), options)?))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = self.0.destroy();
    }
}
