//! A command handles a message: what 'recv' and 'reply' do with one after '--'.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use swarmbus_core::Message;

use crate::command::{Running, command_for, ending};
use crate::exit::Failure;
use crate::output::Output;
use crate::take::{Source, Taker};

/// How long a message stays away whose command failed, so that one that always fails is not tried without pause.
const PAUSE: Duration = Duration::from_secs(1);

/// How a command did with a message.
pub enum Handled {
    /// It exited with 0.
    Well,
    /// It did not; how it ended.
    Badly(String),
}

/// Runs a command for a message; `said` gets the pieces of its standard output, if that is piped.
pub fn handle(
    message: &Message<'_>,
    words: &[OsString],
    taker: &Taker,
    stdout: Stdio,
    said: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<Handled, Failure> {
    let mut command = command_for(words, message, taker.bus.name())?;
    if let Source::Mailbox(agent) = &taker.source {
        command.env("SWARMBUS_AGENT", agent.name());
    }
    command.stdout(stdout);
    let mut running = Running::start(command)?;
    if let Err(failure) = running.read(&taker.interrupt, said) {
        running.stop(&taker.interrupt);
        return Err(failure);
    }
    let status = running.wait(&taker.interrupt)?;
    // A command that was interrupted with us may have said 0 all the same: then it has done its work.
    if status.success() { Ok(Handled::Well) } else { Ok(Handled::Badly(ending(status))) }
}

/// Gives a message back whose command failed.
pub fn hand_back(message: Message<'_>, how: &str, output: &Output) -> Result<(), Failure> {
    let (id, deliveries) = (message.id().0, message.deliveries());
    output.note(&format!("swarmbus: the command {how} at delivery {deliveries} of message {id}, which goes back"));
    match message.nack_after(PAUSE) {
        Ok(()) => Ok(()),
        // As many wait for a time as may: it comes again at once.
        Err(refused) => Ok(refused.message.nack()?),
    }
}
