//! Somebody who comes when a storm is over.

use super::worker::options;
use crate::Result;
use crate::ledger::Event;
use crate::scene::{number_of, patience, payload};
use std::time::{Duration, Instant};
use swarmbus_core::{Bus, Lane};

/// Opens the bus, attaches, sends itself a message, receives it, and says how long that took, ns.
///
/// # Errors
/// Those of all that.
pub fn fresh(bus: &str) -> Result<()> {
    let begun = Instant::now();
    let bus = Bus::open_or_create(bus, &options())?;
    let name = format!("fresh-{}", std::process::id());
    let agent = bus.attach(&name)?;
    agent.send(&name, &payload(7, 40), &patience(Lane::Normal, Duration::from_secs(10)))?;
    let message = agent.recv(Some(Duration::from_secs(10)))?;
    let number = number_of(&message)?;
    message.release()?;
    let took = begun.elapsed();
    if number != 7 {
        return Err("its message came back changed".into());
    }
    Event::Found(vec![took.as_nanos() as u64]).say();
    Ok(())
}
