//! What a storm has left.

use std::sync::mpsc;
use std::time::Duration;

/// What is left when all processes are gone.
#[derive(Clone, Debug, Default)]
pub struct Aftermath {
    /// Members (a rival's: nodes) that nobody can bury.
    pub members_leaked: u64,
    /// Blocks of message memory that belong to nobody who lives, and are in no queue. `None`: it cannot be told.
    pub chunks_leaked: Option<u64>,
    /// Files that nobody's ordinary means remove.
    pub files_leaked: u64,
    /// How long it took to bury who was left, ms. `None`: it did not come to an end.
    pub reap_ms: Option<f64>,
    /// What hung.
    pub hangs: Vec<String>,
    /// What else was wrong.
    pub failures: Vec<String>,
    /// What the ledgers say. `None`: nobody kept any.
    pub books: Option<Result<crate::books::Balance, String>>,
}

/// Does something that may hang. `None`: it did not come to an end in time; it is left to itself.
pub fn within<T: Send + 'static>(patience: Duration, deed: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sends, receives) = mpsc::channel();
    std::thread::spawn(move || sends.send(deed()));
    receives.recv_timeout(patience).ok()
}
