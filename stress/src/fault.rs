//! What a death, or a pause, cost.

use crate::{Failure, Result};
use std::fmt;

/// The ways in which it can cost something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Harm {
    /// What was acknowledged is gone.
    Lost,
    /// What was there once is there twice, or came more often than it may.
    Duplicated,
    /// The living cannot go on.
    Stuck,
    /// What the dead had is nobody's.
    Leaked,
}

/// What it cost, for people.
#[derive(Debug)]
pub struct Fault {
    /// The kind.
    pub harm: Harm,
    what: String,
}

impl Fault {
    /// A fault of a kind.
    pub fn new(harm: Harm, what: impl fmt::Display) -> Fault {
        Fault { harm, what: what.to_string() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Fault {}

/// Says what kind of harm a failure is, if it does not say so itself.
///
/// # Errors
/// The failure, as a [`Fault`].
pub fn blame<T>(harm: Harm, result: Result<T>) -> Result<T> {
    result.map_err(|failure| if failure.is::<Fault>() { failure } else { Failure::from(Fault::new(harm, failure)) })
}
