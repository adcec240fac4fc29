//! What a rival has to offer: two ends of a star, the lead and its followers.

use crate::trial::{Face, Kind, Manner, Outcome, Trial, Work};
use crate::work;
use anyhow::{Result, bail};
use std::any::Any;
use std::process::Command;

/// A process' end of the star.
///
/// A lead sends to all its followers at once and receives from any of them; a follower sends to the lead and receives from it.
pub trait End {
    /// Completes what takes both sides, once all of them are there.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    /// Sends a message of `length` bytes, which `write` writes: in place where the rival can, else into a buffer that it copies. Called
    /// once for each copy that is written. Waits for room in the trial's manner.
    fn send(&mut self, length: usize, write: impl FnMut(&mut [u8])) -> Result<()>;

    /// Sends `count` messages as one batch, by what the rival has for that.
    fn send_batch(&mut self, _count: usize, _length: usize, _write: impl FnMut(&mut [u8])) -> Result<()> {
        bail!("it has no batches")
    }

    /// Sends what is held back to make a batch.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Shows what has arrived to `read`, and says how many messages that was: at least one, or none if the trial polls.
    fn receive(&mut self, read: impl FnMut(&[u8])) -> Result<usize>;

    /// Asks the lead a question of `length` bytes and waits, in the trial's manner, for the answer.
    fn call(&mut self, _length: usize, _write: impl FnMut(&mut [u8]), _read: impl FnMut(&[u8])) -> Result<()> {
        bail!("it has no questions and answers")
    }

    /// Answers questions with `length` bytes each, which `reply` writes: at least one, or none if the trial polls. Says how many.
    fn answer(&mut self, _length: usize, _reply: impl FnMut(&[u8], &mut [u8])) -> Result<usize> {
        bail!("it has no questions and answers")
    }
}

/// A rival, or ourselves.
pub trait Peer: Sync {
    /// What its processes hold.
    type End: End;

    /// Its name on the command line and in the results.
    fn name(&self) -> &'static str;

    /// Its version, as measured.
    fn version(&self) -> String;

    /// The manners it knows.
    fn manners(&self) -> &'static [Manner];

    /// Settings that matter for this work.
    fn settings(&self, work: &Work, manner: Manner) -> String;

    /// Why it does not do this work, if it does not.
    fn refuses(&self, _work: &Work, _manner: Manner) -> Option<String> {
        None
    }

    /// Its processes have no helping threads or servers, so each may have a core of its own.
    fn is_alone(&self) -> bool {
        true
    }

    /// Makes what must be there before the processes start. Dropped, it takes that away again.
    fn prepare(&self, _trial: &Trial) -> Result<Box<dyn Any>> {
        Ok(Box::new(()))
    }

    /// It has a server to run beside the processes.
    fn has_server(&self) -> bool {
        false
    }

    /// Is the server, in a process of its own; does not return unless it fails.
    fn serve(&self, _trial: &Trial) -> Result<()> {
        Ok(())
    }

    /// Whether the server takes connections.
    fn serves(&self, _trial: &Trial) -> bool {
        true
    }

    /// The lead's end.
    fn lead(&self, trial: &Trial) -> Result<Self::End>;

    /// A follower's end.
    fn follower(&self, trial: &Trial, index: u32) -> Result<Self::End>;
}

/// A process' place in a trial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seat {
    /// The server.
    Server,
    /// The lead.
    Lead,
    /// A follower, by number.
    Follower(u32),
}

/// What happens between a process' end being there and its work: it says so, and waits for the word to go on.
pub type Ready<'a> = &'a mut dyn FnMut() -> Result<()>;

/// A peer without its types.
pub trait Rival: Sync {
    /// See [`Peer::name`].
    fn name(&self) -> &'static str;
    /// The language that its processes are written in.
    fn face(&self) -> Face;
    /// The program that is a process of a trial instead of this one; it speaks as [`crate::harness::children`] does.
    fn program(&self, trial: &Trial) -> Result<Option<Command>>;
    /// See [`Peer::version`].
    fn version(&self) -> String;
    /// See [`Peer::manners`].
    fn manners(&self) -> &'static [Manner];
    /// See [`Peer::settings`].
    fn settings(&self, work: &Work, manner: Manner) -> String;
    /// See [`Peer::refuses`].
    fn refuses(&self, work: &Work, manner: Manner) -> Option<String>;
    /// See [`Peer::is_alone`].
    fn is_alone(&self) -> bool;
    /// See [`Peer::prepare`].
    fn prepare(&self, trial: &Trial) -> Result<Box<dyn Any>>;
    /// See [`Peer::has_server`].
    fn has_server(&self) -> bool;
    /// See [`Peer::serve`].
    fn serve(&self, trial: &Trial) -> Result<()>;
    /// See [`Peer::serves`].
    fn serves(&self, trial: &Trial) -> bool;
    /// Does a process' part of a trial; the lead's outcome is the trial's.
    fn work(&self, trial: &Trial, seat: Seat, ready: Ready<'_>) -> Result<Outcome>;
}

impl<P: Peer> Rival for P {
    fn name(&self) -> &'static str {
        Peer::name(self)
    }
    fn face(&self) -> Face {
        Face::Native
    }
    fn program(&self, _trial: &Trial) -> Result<Option<Command>> {
        Ok(None)
    }
    fn version(&self) -> String {
        Peer::version(self)
    }
    fn manners(&self) -> &'static [Manner] {
        Peer::manners(self)
    }
    fn settings(&self, work: &Work, manner: Manner) -> String {
        Peer::settings(self, work, manner)
    }
    fn refuses(&self, work: &Work, manner: Manner) -> Option<String> {
        Peer::refuses(self, work, manner)
    }
    fn is_alone(&self) -> bool {
        Peer::is_alone(self)
    }
    fn prepare(&self, trial: &Trial) -> Result<Box<dyn Any>> {
        Peer::prepare(self, trial)
    }
    fn has_server(&self) -> bool {
        Peer::has_server(self)
    }
    fn serve(&self, trial: &Trial) -> Result<()> {
        Peer::serve(self, trial)
    }
    fn serves(&self, trial: &Trial) -> bool {
        Peer::serves(self, trial)
    }

    fn work(&self, trial: &Trial, seat: Seat, ready: Ready<'_>) -> Result<Outcome> {
        let mut end = match seat {
            Seat::Server => bail!("a server has no work"),
            Seat::Lead => self.lead(trial)?,
            Seat::Follower(index) => self.follower(trial, index)?,
        };
        ready()?;
        end.settle()?;
        let outcome = match (trial.kind, seat) {
            (Kind::OneWay | Kind::Batch, Seat::Lead) => work::one_way::lead(&mut end, trial),
            (Kind::OneWay | Kind::Batch, _) => work::one_way::follower(&mut end, trial),
            (Kind::RoundTrip, Seat::Lead) => work::round_trip::lead(&mut end, trial),
            (Kind::RoundTrip, _) => work::round_trip::follower(&mut end, trial),
            (Kind::FanOut, Seat::Lead) => work::fan_out::lead(&mut end, trial),
            (Kind::FanOut, _) => work::fan_out::follower(&mut end, trial),
            (Kind::WorkQueue, Seat::Follower(index)) => work::work_queue::follower(&mut end, trial, index),
            (Kind::WorkQueue, _) => work::work_queue::lead(&mut end, trial),
            (Kind::Calls, Seat::Follower(index)) => work::calls::follower(&mut end, trial, index),
            (Kind::Calls, _) => work::calls::lead(&mut end, trial),
        };
        // Nobody takes its end away while another may still read from it: that comes with the process' end.
        std::mem::forget(end);
        outcome
    }
}
