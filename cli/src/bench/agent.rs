//! An agent of a measurement, in its own process.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use swarmbus_core::{Agent, ContentType, Error, Message, SendOptions, connect};

use super::crew::COORDINATOR;
use crate::exit::Failure;

/// What an agent does once it has said that it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Duty {
    /// After the first message it sends as fast as it can.
    Stream,
    /// It sends a message of the same length back for each.
    Echo,
    /// It answers each.
    Answer,
}

/// Be an agent of a measurement. Bus and name come from the environment.
#[derive(clap::Args)]
pub struct Args {
    #[arg(long, value_enum)]
    duty: Duty,
    #[arg(long, default_value_t = 64)]
    size: usize,
    #[arg(long)]
    spin: bool,
}

pub fn run(args: &Args) -> Result<ExitCode, Failure> {
    match serve(args) {
        // The measurement is over.
        Ok(()) | Err(Error::Closed { .. }) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
    }
}

fn serve(args: &Args) -> Result<(), Error> {
    let me = connect()?;
    me.send(COORDINATOR, b"ready", &SendOptions::default())?;
    loop {
        let message = next(&me, args.spin, None, &mut || false)?;
        match args.duty {
            Duty::Stream => {
                message.release()?;
                loop {
                    write(&me, args.size)?;
                }
            }
            Duty::Echo => {
                let length = message.data().len();
                message.release()?;
                write(&me, length)?;
            }
            Duty::Answer => {
                message.release()?;
                me.send(COORDINATOR, b"done", &SendOptions::default())?;
            }
        }
    }
}

/// Writes a message of `length` bytes in place and sends it to the coordinator.
fn write(me: &Agent, length: usize) -> Result<(), Error> {
    send(me, COORDINATOR, length)
}

/// Writes a message of `length` bytes in place and sends it.
pub fn send(me: &Agent, to: &str, length: usize) -> Result<(), Error> {
    let mut loan = me.loan(length)?;
    loan.fill(7);
    let options = SendOptions { content: ContentType::Bytes, ..SendOptions::default() };
    loan.publish(to, length, &options).map(|_| ()).map_err(|refused| refused.error)
}

/// The next message; waits for it until `timeout` (`None`: for ever). `spin`: without sleeping.
pub fn next<'a>(
    me: &'a Agent,
    spin: bool,
    timeout: Option<Duration>,
    interrupted: &mut dyn FnMut() -> bool,
) -> Result<Message<'a>, Error> {
    if !spin {
        return me.recv_until(timeout, interrupted);
    }
    // Who gets a message soon does not ask for the time.
    let mut begun = None;
    for look in 1u64.. {
        if let Some(message) = me.try_recv()? {
            return Ok(message);
        }
        if look % 1024 == 0 {
            if interrupted() {
                break;
            }
            let begun = *begun.get_or_insert_with(Instant::now);
            if timeout.is_some_and(|timeout| begun.elapsed() >= timeout) {
                return Err(Error::Timeout);
            }
        }
        std::hint::spin_loop();
    }
    Err(Error::Interrupted)
}
