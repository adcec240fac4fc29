//! Victims that tap a queue, or send to one that is tapped.

use super::{LONG, Victim};
use crate::Result;
use crate::company::take_one;
use crate::scene::patience;
use std::time::Duration;
use swarmbus_core::{Agent, Error, Lane};

/// Messages that are taken out before the one that is about the tap.
const ROOM: usize = 8;

impl Victim {
    fn viewer(&self) -> Result<Option<Agent>> {
        match self.bus.attach("viewer") {
            Ok(viewer) => Ok(Some(viewer)),
            Err(Error::AgentBusy { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn tap(&mut self) -> Result<()> {
        let Some(viewer) = self.viewer()? else { return Ok(()) };
        look(&viewer)?;
        self.armed(|_| {
            viewer.tap("q")?;
            Ok(viewer.untap()?)
        })
    }

    pub(super) fn send_tapped(&mut self) -> Result<()> {
        let Some(viewer) = self.viewer()? else { return Ok(()) };
        viewer.tap("q")?;
        let (member, other) = (self.bus.join()?, self.bus.join()?);
        // A peer keeps the queue full, and what is refused is not copied: there is to be room for more than it sends meanwhile. Somebody else makes it, who
        // keeps the chunks: the sender has none in stock.
        for _ in 0..ROOM {
            take_one(&mut self.clerk, &other, "q", false, Duration::ZERO)?;
        }
        self.clerk.send(&member, "q", 40, &patience(Lane::Normal, LONG))?;
        look(&viewer)?;
        self.armed(|clerk| clerk.send(&member, "q", 40, &patience(Lane::Normal, LONG)))?;
        look(&viewer)
    }
}

/// Looks at all copies that came.
fn look(viewer: &Agent) -> Result<()> {
    while let Some(copy) = viewer.try_recv()? {
        copy.release()?;
    }
    Ok(())
}
