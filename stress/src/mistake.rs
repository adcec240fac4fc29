//! Mistakes that a victim or its undertaker makes when it is told to, each of a kind that some check has to find: a harness that cannot fail shows nothing.

use clap::ValueEnum;

/// What is done wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Mistake {
    /// A sender says that a message is sent, and then sends it.
    SayBeforeSending,
    /// A receiver says that a message is released, and then releases it.
    SayBeforeReleasing,
    /// A sender closes the queue, sends nothing, and opens it again.
    CloseMeanwhile,
    /// The dead are not buried.
    BuryNobody,
    /// Who is to be paused is killed.
    KillThePaused,
}

impl Mistake {
    /// As it is written on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
