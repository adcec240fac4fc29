//! A process that lives on and uses the same queues, names and heap as the victim, all the time.

use crate::Result;
use crate::company::{Company, take_one};
use crate::ledger::Event;
use crate::scene::{Clerk, patience};
use crate::victim::{Operation, make_second};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use swarmbus_core::{Bus, Error, Lane};

/// A flag that rises when standard input ends.
pub fn stop_flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        raised.store(true, Relaxed);
    });
    flag
}

/// Runs until standard input ends.
///
/// # Errors
/// Whatever the bus says that it should not say to a peer of the dead.
pub fn run(bus: &str, first: u64, operation: Operation) -> Result<()> {
    let (bus, stop) = (Bus::open(bus)?, stop_flag());
    let (mut clerk, member) = (Clerk::new(first, false), bus.join()?);
    let company = Company::new(&bus, operation)?;
    let mut round = 0u64;
    while !stop.load(Relaxed) {
        round += 1;
        for _ in 0..2 {
            clerk.send(&member, "q", 40, &patience(Lane::Normal, Duration::ZERO))?;
        }
        take_one(&mut clerk, &member, "q", round.is_multiple_of(5), Duration::ZERO)?;
        if round.is_multiple_of(8) {
            clerk.send(&member, "quiet", 40, &patience(Lane::Normal, Duration::ZERO))?;
            take_one(&mut clerk, &member, "quiet", false, Duration::from_millis(1))?;
        }
        if round.is_multiple_of(16) {
            drop(bus.join()?);
            let _loan = member.loan(5 << 20);
        }
        if round.is_multiple_of(32) {
            let name = format!("victim-{}", 20u64.saturating_sub(round / 32 % 20));
            match bus.attach(&name) {
                Ok(_) | Err(Error::AgentBusy { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if round.is_multiple_of(24) {
            make_second(bus.name())?.destroy()?;
        }
        if round.is_multiple_of(256) {
            member.reap()?;
        }
        company.keep(&mut clerk, &member, round)?;
        if round == 1 {
            clerk.say(Event::Ready);
        }
        // A little idleness, or the victim's processor is ours.
        std::thread::sleep(Duration::from_micros(20));
    }
    Ok(())
}
