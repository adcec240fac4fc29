//! Victims that tap a queue, or send to one that is tapped.

use super::{LONG, Victim};
use crate::Result;
use crate::scene::patience;
use std::time::Duration;
use swarmbus_core::{Agent, Error, Lane};

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
        let member = self.bus.join()?;
        self.clerk.send(&member, "q", 40, &patience(Lane::Normal, LONG))?;
        look(&viewer)?;
        self.armed(|clerk| clerk.send(&member, "q", 40, &patience(Lane::Normal, Duration::ZERO)))?;
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
