//! The physical limits: a bare single-producer ring in shared memory, and a bare futex.
//!
//! No names, no ownership, no crash safety, one message length: what memory and kernel allow, and nothing else.

mod broadcast;
mod ring;
mod shared;

use crate::peer::{End, Peer};
use crate::trial::{Kind, Manner, Trial, Work, depth};
use anyhow::{Context, Result, bail};
use broadcast::Broadcast;
use ring::Ring;
pub use shared::Shared;
use std::any::Any;

/// The limits.
pub struct Raw;

enum Way {
    /// Whom we send to, whom we receive from, and whose turn it is.
    Rings(Option<Ring>, Vec<Ring>, usize),
    Lead(Broadcast),
    Follower(Broadcast),
}

/// An end of it.
pub struct RawEnd {
    way: Way,
    trial: Trial,
}

impl End for RawEnd {
    #[inline]
    fn send(&mut self, _length: usize, write: impl FnMut(&mut [u8])) -> Result<()> {
        match &mut self.way {
            Way::Rings(out, ..) => out.as_mut().context("this end only receives")?.send(write, || self.trial.idle()),
            Way::Lead(broadcast) => broadcast.send(self.trial.followers, write),
            Way::Follower(broadcast) => broadcast.answer(),
        }
        Ok(())
    }

    fn send_batch(&mut self, count: usize, _length: usize, mut write: impl FnMut(&mut [u8])) -> Result<()> {
        let Way::Rings(Some(out), ..) = &mut self.way else { bail!("this end only receives") };
        for _ in 0..count {
            out.put(&mut write, || self.trial.idle());
        }
        out.show();
        Ok(())
    }

    #[inline]
    fn receive(&mut self, mut read: impl FnMut(&[u8])) -> Result<usize> {
        match &mut self.way {
            Way::Rings(_, rings, turn) => {
                for _ in 0..rings.len() {
                    *turn = if *turn + 1 >= rings.len() { 0 } else { *turn + 1 };
                    let count = rings[*turn].receive(&mut read);
                    if count > 0 {
                        return Ok(count);
                    }
                }
                Ok(0)
            }
            Way::Lead(broadcast) => {
                broadcast.gather();
                Ok(self.trial.followers as usize)
            }
            Way::Follower(broadcast) => {
                broadcast.receive(read);
                Ok(1)
            }
        }
    }
}

impl Peer for Raw {
    type End = RawEnd;

    fn name(&self) -> &'static str {
        "raw"
    }

    fn version(&self) -> String {
        "shared memory and futex of this kernel".into()
    }

    fn manners(&self) -> &'static [Manner] {
        Manner::ALL
    }

    fn settings(&self, work: &Work, _manner: Manner) -> String {
        match work.kind {
            Kind::FanOut => "one payload for all, FUTEX_WAKE of all, answers counted down in one word".into(),
            Kind::Batch => format!("a ring of {} slots, a batch shown by one store", depth(work.bytes)),
            _ => format!("a ring of {} slots for each sender, up to half of them taken at once", depth(work.bytes)),
        }
    }

    fn refuses(&self, work: &Work, manner: Manner) -> Option<String> {
        match (work.kind, manner) {
            (Kind::WorkQueue, _) => Some("a bare ring has one receiver".into()),
            (Kind::Calls, _) => Some("a pair of rings is all there is for it: round-trip-64 shows it".into()),
            (Kind::OneWay, Manner::Blocking) if work.followers > 1 => {
                Some("a bare ring has one sender: nothing bare to sleep on for many".into())
            }
            (Kind::FanOut, Manner::Polling) => {
                Some("more processes than cores: nobody would be served by asking".into())
            }
            _ => None,
        }
    }

    fn prepare(&self, trial: &Trial) -> Result<Box<dyn Any>> {
        let bytes = match trial.kind {
            Kind::OneWay | Kind::Batch => Ring::bytes(trial.bytes) * trial.followers as usize,
            Kind::WorkQueue | Kind::Calls => bail!("rings are not made for this"),
            Kind::RoundTrip => 2 * Ring::bytes(trial.bytes),
            Kind::FanOut => Broadcast::bytes(trial.bytes),
        };
        // The harness sweeps away what bears the trial's tag.
        Shared::create(trial, bytes)?;
        Ok(Box::new(()))
    }

    fn lead(&self, trial: &Trial) -> Result<RawEnd> {
        let shared = Shared::open(trial)?;
        let ring =
            |number: u32| Ring::at(&shared, number as usize * Ring::bytes(trial.bytes), trial.bytes, !trial.polls());
        let way = match trial.kind {
            Kind::WorkQueue | Kind::Calls => bail!("rings are not made for this"),
            Kind::OneWay | Kind::Batch => Way::Rings(None, (0..trial.followers).map(ring).collect::<Result<_>>()?, 0),
            Kind::RoundTrip => Way::Rings(Some(ring(0)?), vec![ring(1)?], 0),
            Kind::FanOut => Way::Lead(Broadcast::open(&shared, trial.bytes)?),
        };
        Ok(RawEnd { way, trial: trial.clone() })
    }

    fn follower(&self, trial: &Trial, index: u32) -> Result<RawEnd> {
        let shared = Shared::open(trial)?;
        let ring =
            |number: u32| Ring::at(&shared, number as usize * Ring::bytes(trial.bytes), trial.bytes, !trial.polls());
        let way = match trial.kind {
            Kind::WorkQueue | Kind::Calls => bail!("rings are not made for this"),
            Kind::OneWay | Kind::Batch => Way::Rings(Some(ring(index)?), Vec::new(), 0),
            Kind::RoundTrip => Way::Rings(Some(ring(1)?), vec![ring(0)?], 0),
            Kind::FanOut => Way::Follower(Broadcast::open(&shared, trial.bytes)?),
        };
        Ok(RawEnd { way, trial: trial.clone() })
    }
}
