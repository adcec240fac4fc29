//! What a peer does besides its rounds, so that the victim meets it wherever its operation leads.

use crate::Result;
use crate::boards;
use crate::ledger::Mark::Expendable;
use crate::scene::{Clerk, patience};
use crate::victim::{Operation, keyed, locking, owning, speaking, topics};
use std::time::Duration;
use swarmbus_core::{Agent, Bus, Lane, LockMode, Member, Observer};

/// A peer's part in the operation of its victim.
pub struct Company {
    operation: Operation,
    asker: Option<Agent>,
    observer: Observer,
}

impl Company {
    /// For that operation.
    ///
    /// # Errors
    /// When an agent that it needs cannot be attached.
    pub fn new(bus: &Bus, operation: Operation) -> Result<Company> {
        let asks = operation.is_asking();
        Ok(Company {
            operation,
            asker: if asks { Some(bus.attach("asker")?) } else { None },
            observer: bus.observer()?,
        })
    }

    /// Does it once.
    ///
    /// # Errors
    /// Whatever the bus says that it should not.
    pub fn keep(&self, clerk: &mut Clerk, member: &Member, round: u64) -> Result<()> {
        use Operation::{DeadLetter, DeadLetterFull, Expire, ExpireDropped};
        use Operation::{Fetch, Forward, ForwardFull, MakeRoom, Purge, Redrive};
        let odd = round.is_multiple_of(2);
        let options = patience(Lane::Normal, Duration::ZERO);
        match self.operation {
            Forward => {
                if let Some((number, message)) = clerk.take(member, "q", Duration::ZERO)? {
                    clerk.forward(number, message, "quiet", Duration::ZERO)?;
                }
                take_one(clerk, member, "quiet", odd, Duration::ZERO)
            }
            ForwardFull => take_one(clerk, member, "crowded", false, Duration::ZERO),
            Fetch => {
                clerk.send(member, "crowded", 40, &options)?;
                take_one(clerk, member, "crowded", odd, Duration::ZERO)
            }
            DeadLetter | DeadLetterFull | Expire | Redrive => {
                clerk.send_marked(self.operation.marks(), member, "mortal", &options)?;
                take_one(clerk, member, "mortal", odd, Duration::ZERO)?;
                if self.operation == Redrive && round.is_multiple_of(4) {
                    member.redrive("dead", 2)?;
                }
                take_one(clerk, member, "dead", odd, Duration::ZERO)
            }
            ExpireDropped => take_one(clerk, member, "quiet", false, Duration::ZERO),
            MakeRoom => {
                clerk.send_marked(&[Expendable], member, "roomy", &options)?;
                if odd {
                    take_one(clerk, member, "roomy", false, Duration::ZERO)?;
                }
                take_one(clerk, member, "dead", odd, Duration::ZERO)
            }
            Purge => {
                clerk.send_marked(&[Expendable], member, "crowded", &options)?;
                take_one(clerk, member, "crowded", odd, Duration::ZERO)
            }
            _ if self.operation.is_asking() => {
                if let Some((number, question)) = clerk.take(member, "questions", Duration::ZERO)? {
                    clerk.reply(&question)?;
                    clerk.release(number, question)?;
                }
                match &self.asker {
                    Some(asker) if round.is_multiple_of(4) => {
                        clerk.call(asker, "questions", Duration::from_micros(200)).map(drop)
                    }
                    _ => Ok(()),
                }
            }
            // The first lock is its victim's.
            _ if self.operation.is_locking() && self.operation != Operation::LockFirst => {
                let mode = if odd { LockMode::Exclusive } else { LockMode::Shared };
                let name = locking::NAMES[round as usize % 3];
                let patience = Duration::from_micros(if round.is_multiple_of(4) { 200 } else { 0 });
                match locking::lock(clerk, member, name, mode, patience)? {
                    Some(guard) => locking::unlock(clerk, guard),
                    None => Ok(()),
                }
            }
            _ if self.operation.changes_hands() => {
                clerk.send(member, self.operation.mailbox(), 40, &options)?;
                if round.is_multiple_of(8) {
                    let owner = owning::own(member.bus(), self.operation)?;
                    if let Some((number, message)) = owning::take(clerk, &owner)? {
                        clerk.release(number, message)?;
                    }
                }
                Ok(())
            }
            _ if self.operation.speaks() => {
                for info in self.observer.statuses("speaker-*") {
                    boards::number_of(&self.observer.status(&info.agent)?.ok_or("a status is gone")?)?;
                }
                // After its victim, who is to find the board as nobody has used it.
                if odd
                    && self.observer.status(&boards::speaker(0)).ok().flatten().is_some()
                    && let Some(agent) = speaking::attach(member.bus(), 0)?
                {
                    speaking::say(clerk, &agent, 0)?;
                }
                Ok(())
            }
            _ if self.operation.is_topical() => topics::keep_company(clerk, member, round),
            _ if self.operation.is_keyed() => {
                // Seldom, or its keys push those of its victim out of what is remembered.
                if round.is_multiple_of(32) {
                    keyed::send(clerk, member)?;
                }
                take_one(clerk, member, keyed::QUEUE, odd, Duration::ZERO)
            }
            _ => Ok(()),
        }
    }
}

/// Takes a message, if there is one, and releases it or gives it back.
pub(crate) fn take_one(clerk: &mut Clerk, member: &Member, queue: &str, nack: bool, timeout: Duration) -> Result<()> {
    if let Some((number, message)) = clerk.take(member, queue, timeout)? {
        if nack {
            drop(message);
        } else {
            clerk.release(number, message)?;
        }
    }
    Ok(())
}
