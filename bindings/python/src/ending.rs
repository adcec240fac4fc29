//! How messages, loans, locks and answers end.

use std::sync::Arc;

use pyo3::Python;
use swarmbus_core::{Agent, Error, Loan, LockGuard, Message, MessageId, RawLoan, RawLock, RawMessage, Result};

use crate::reader::Reader;

/// How a message ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Acknowledged.
    Release,
    /// Back to its queue.
    Nack,
    /// To another queue.
    Forward,
    /// Made a loan of.
    Detach,
}

impl Fate {
    /// What has happened to it then.
    pub fn as_str(self) -> &'static str {
        match self {
            Fate::Release => "released",
            Fate::Nack => "nacked",
            Fate::Forward => "forwarded",
            Fate::Detach => "detached",
        }
    }
}

/// What another thread left for the agent's own thread to end.
pub enum Left {
    /// A message that is to be released.
    Released(RawMessage),
    /// A message that goes back to its queue.
    Forgotten(RawMessage),
    /// A loan that nobody published.
    Loan(RawLoan),
    /// A lock that nobody released.
    Lock(RawLock),
    /// An answer of which nobody wants more.
    Answers(MessageId),
    /// A subscription that has something to see to.
    Reader(Arc<Reader>),
}

impl Left {
    /// A message that ends of itself: with its last view, or forgotten.
    pub fn message(raw: RawMessage, fate: Fate) -> Left {
        if fate == Fate::Release { Left::Released(raw) } else { Left::Forgotten(raw) }
    }
}

/// Ends one thing. Nobody is there to hear of an error, and the only one possible is that it is no longer ours.
pub fn end(py: Python<'_>, agent: &Agent, what: Left) {
    match what {
        Left::Released(raw) => {
            let _ = release(agent, raw);
        }
        Left::Forgotten(raw) => {
            let _ = nack(agent, raw);
        }
        // SAFETY: the object that had the raw loan has left it to us and is gone.
        Left::Loan(raw) => drop(unsafe { Loan::from_raw(agent, raw) }),
        Left::Lock(raw) => drop(LockGuard::from_raw(agent, raw)),
        Left::Answers(question) => drop(agent.answers_from_raw(question)),
        Left::Reader(reader) => reader.settle(py),
    }
}

/// Releases the message behind `raw`.
#[inline]
pub fn release(agent: &Agent, raw: RawMessage) -> Result<()> {
    // SAFETY: each raw message is ended once: by its object, or here after the object left it to us.
    unsafe { Message::from_raw(agent, raw) }?.release()
}

/// Gives the message behind `raw` back to its queue.
pub fn nack(agent: &Agent, raw: RawMessage) -> Result<()> {
    // SAFETY: as in `release`.
    match unsafe { Message::from_raw(agent, raw) }?.nack() {
        // With no room for it yet, it goes back as soon as there is: the core tries again.
        Err(Error::Full { .. }) => Ok(()),
        result => result,
    }
}
