//! Victims that send with a key, and who sends again what they may have sent.

use super::Victim;
use crate::Result;
use crate::ledger::Event;
use crate::scene::{Clerk, patience, payload};
use std::collections::BTreeSet;
use std::time::Duration;
use swarmbus_core::{Error, Lane, Member, SendOptions};

/// The queue to which they send.
pub const QUEUE: &str = "keyed";

/// Of one stripe, all of them, so that senders meet.
fn options(number: u64) -> SendOptions {
    SendOptions { key: Some(number * 64), ..patience(Lane::Normal, Duration::ZERO) }
}

/// Sends the next number with a key of its own. `None`: refused for want of room, or of the stripe.
///
/// # Errors
/// Any but `Full` and `Timeout`; if it is taken for one that was sent before.
pub fn send(clerk: &mut Clerk, member: &Member) -> Result<Option<u64>> {
    let number = clerk.reserve(1);
    clerk.say(Event::Trying(number));
    match member.send(QUEUE, &payload(number, 40), &options(number)) {
        Ok(id) if id.is_duplicate() => {
            Err(format!("message {number} was never sent and is taken for a duplicate").into())
        }
        Ok(_) => {
            clerk.say(Event::Sent(number));
            Ok(Some(number))
        }
        Err(Error::Full { .. } | Error::Timeout) => {
            clerk.say(Event::Refused(number));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Sends again, with their keys, the numbers of which their sender did not live to say whether they were sent: now they were, and each once.
///
/// # Errors
/// If one cannot be sent.
pub fn send_again(clerk: &mut Clerk, member: &Member, ledger: &[Event]) -> Result<()> {
    let numbers = |of: fn(&Event) -> Option<u64>| ledger.iter().filter_map(of).collect::<BTreeSet<u64>>();
    let tried = numbers(|event| if let Event::Trying(number) = event { Some(*number) } else { None });
    let known = numbers(|event| match event {
        Event::Sent(number) | Event::Refused(number) => Some(*number),
        _ => None,
    });
    for number in tried.difference(&known) {
        while let Some((number, message)) = clerk.take(member, QUEUE, Duration::ZERO)? {
            clerk.release(number, message)?;
        }
        member.send(QUEUE, &payload(*number, 40), &options(*number))?;
        clerk.say(Event::Sent(*number));
    }
    Ok(())
}

impl Victim {
    /// The first key commits their memory and is remembered before it is armed.
    pub(super) fn send_keyed(&mut self, again: bool) -> Result<()> {
        let member = self.bus.join()?;
        let number = send(&mut self.clerk, &member)?;
        if !again {
            return self.armed(|clerk| send(clerk, &member).map(drop));
        }
        let Some(number) = number else { return Ok(()) };
        self.armed(|_| match member.send(QUEUE, &payload(number, 40), &options(number)) {
            Ok(id) if id.is_duplicate() => Ok(()),
            Ok(_) => Err(format!("message {number} was sent twice").into()),
            Err(Error::Timeout) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }

    pub(super) fn send_keyed_full(&mut self) -> Result<()> {
        let member = self.bus.join()?;
        for _ in 0..16 {
            send(&mut self.clerk, &member)?;
        }
        self.armed(|clerk| send(clerk, &member).map(drop))
    }
}
