//! What a victim does when it dies.

mod asking;
pub mod keyed;
mod later;
pub mod locking;
mod mistaken;
mod moving;
mod names;
mod operation;
pub mod owning;
mod receiving;
mod sending;
pub mod speaking;
mod tapping;
mod threads;
pub mod topics;
mod watching;

pub use names::make_second;
pub use operation::Operation;

use crate::Result;
use crate::crash::{self, Point};
use crate::killer::PATIENCE;
use crate::ledger::Event;
use crate::mistake::Mistake;
use crate::scene::{Clerk, patience};
use names::rehearse_second;
use std::time::Duration;
use swarmbus_core::{Bus, Error, Lane, LockMode, QueueOptions, TopicOptions};

/// A victim's orders.
#[derive(Clone, Debug)]
pub struct Orders {
    /// The bus.
    pub bus: String,
    /// What to do.
    pub operation: Operation,
    /// Where to die of it.
    pub at: Point,
    /// How often to do it, if it does not die.
    pub times: u64,
    /// The first number to send.
    pub first: u64,
    /// What to do wrong instead.
    pub mistake: Option<Mistake>,
}

struct Victim {
    bus: Bus,
    clerk: Clerk,
    orders: Orders,
    round: u64,
    passed: (u64, Vec<u32>),
}

/// Does what it is told; returns only if it was not killed.
///
/// # Errors
/// Whatever the bus says that it should not.
pub fn run(orders: Orders) -> Result<()> {
    let bus = Bus::open(&orders.bus)?;
    let clerk = Clerk::new(orders.first, false);
    let mut victim = Victim { bus, clerk, orders, round: 0, passed: Default::default() };
    victim.clerk.say(Event::Ready);
    while victim.round < victim.orders.times {
        match victim.orders.mistake {
            Some(mistake) => victim.err(mistake)?,
            None => victim.once()?,
        }
        victim.round += 1;
    }
    let (writes, windows) = std::mem::take(&mut victim.passed);
    victim.clerk.say(Event::Survived(writes, windows));
    Ok(())
}

const SOON: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_millis(50);

impl Victim {
    /// The deed itself, armed.
    fn armed<T>(&mut self, deed: impl FnOnce(&mut Clerk) -> Result<T>) -> Result<T> {
        crash::arm(self.orders.at)?;
        let result = deed(&mut self.clerk);
        self.passed = crash::disarm();
        if self.orders.at == Point::Stepped {
            // Who is not killed there is looked at no longer.
            self.orders.times = 0;
        }
        result
    }

    fn once(&mut self) -> Result<()> {
        use Operation as O;
        let bus = self.bus.clone();
        match self.orders.operation {
            O::Send => self.send("q", 40, Lane::Normal, LONG, true),
            O::SendEmpty => self.send_empty(&bus.join()?),
            O::SendNearlyFull => self.send("q", 40, Lane::Normal, LONG, true),
            O::SendCold => self.send("q", 3000, Lane::Normal, LONG, false),
            O::SendLarge if self.orders.at == Point::Stepped => self.publish_large(&bus.join()?),
            O::SendLarge => self.send("q", 5 << 20, Lane::Normal, LONG, false),
            O::SendStarved => self.send_starved(&bus.join()?),
            O::SendLane => {
                let lanes = [Lane::Low, Lane::Urgent, Lane::High];
                self.send("q", 40, lanes[self.round as usize % 3], LONG, true)
            }
            O::SendFull => self.send("q", 40, Lane::Normal, Duration::ZERO, false),
            // Now and then without any, so that it is refused next to a peer who makes room, too.
            O::SendWait => {
                self.send("q", 40, Lane::Normal, if self.round % 3 == 2 { Duration::ZERO } else { SOON }, false)
            }
            O::SendWaking => self.send_waking(&bus.join()?),
            O::SendBatch => self.send_batch(&bus.join()?),
            O::SendBatchFull => self.send_batch(&bus.join()?),
            O::Park => self.park(&bus.join()?),
            O::ReceiveParked => self.receive_parked(&bus.join()?),
            O::ReceiveBatch => self.receive_batch(&bus.join()?),
            O::SendGroup => self.send_group(&bus.join()?),
            O::Watch => self.watch(&bus.join()?),
            O::Loan => {
                let member = bus.join()?;
                self.armed(|_| {
                    drop(member.loan(40)?);
                    Ok(())
                })
            }
            O::Publish => {
                let member = bus.join()?;
                self.armed(|clerk| clerk.publish(&member, "q", (40, 40), &patience(Lane::High, PATIENCE)))
            }
            O::Receive => {
                let member = bus.join()?;
                // So that it knows the queue, as nearly every receiver does.
                member.reopen_queue("q")?;
                self.armed(|clerk| clerk.take(&member, "q", LONG)).map(drop)
            }
            O::ReceiveAgain => {
                let member = bus.join()?;
                drop(self.clerk.take(&member, "q", LONG)?);
                self.armed(|clerk| clerk.take(&member, "q", LONG)).map(drop)
            }
            O::ReceiveWait => {
                let member = bus.join()?;
                self.armed(|clerk| clerk.take(&member, "quiet", SOON)).map(drop)
            }
            O::Release => self.release(&bus.join()?),
            O::ReleaseLarge => {
                let member = bus.join()?;
                self.clerk.send(&member, "q", 100_000, &patience(Lane::Urgent, LONG))?;
                self.release(&member)
            }
            O::Nack => {
                let member = bus.join()?;
                let Some((_, message)) = self.clerk.take(&member, "q", LONG)? else { return Ok(()) };
                self.armed(|_| Ok(message.nack()?))
            }
            O::NackFull => self.nack_full(&bus.join()?),
            O::ReceiveAny => {
                let member = bus.join()?;
                self.armed(|clerk| clerk.take_any(&member, &["quiet", "q"], LONG)).map(drop)
            }
            O::ReceiveAnyWait => {
                let member = bus.join()?;
                self.armed(|clerk| clerk.take_any(&member, &["quiet", "crowded"], SOON)).map(drop)
            }
            O::Fetch => self.fetch(&bus.join()?),
            O::Detach => {
                let member = bus.join()?;
                let Some((number, message)) = self.clerk.take(&member, "q", LONG)? else { return Ok(()) };
                self.armed(|clerk| clerk.detach(number, message))
            }
            O::Forward => self.forward(&bus.join()?, "quiet"),
            O::ForwardFull => self.forward_full(&bus.join()?),
            O::DeadLetter => self.dead_letter(&bus.join()?),
            O::DeadLetterFull => self.dead_letter_full(&bus.join()?),
            O::Expire => self.expire(&bus.join()?, "mortal"),
            O::ExpireDropped => self.expire(&bus.join()?, "quiet"),
            O::MakeRoom => self.make_room(&bus.join()?),
            O::Purge => self.purge(&bus.join()?),
            O::Redrive => self.redrive(&bus.join()?),
            O::Answer => self.answer(0),
            O::AnswerFull => self.answer(16),
            O::AnswerParts => self.answer_parts(),
            O::Call => self.call(),
            O::ReadParts => self.read_parts(),
            O::SendKeyed => self.send_keyed(false),
            O::SendKeyedAgain => self.send_keyed(true),
            O::SendKeyedFull => self.send_keyed_full(),
            O::Tap => self.tap(),
            O::SendTapped => self.send_tapped(),
            O::SetStatus => self.speak(),
            O::SetStatusAgain => self.speak_again(),
            O::SetStatusAfter => self.speak_after(),
            O::Join => {
                let member = self.armed(|_| Ok(bus.join()?))?;
                drop(member);
                Ok(())
            }
            O::Attach => self.attach(&format!("victim-{}", self.round % 20)),
            O::AttachAgain => {
                bus.declare("victim-0", &QueueOptions::default())?;
                self.attach("victim-0")
            }
            O::Declare => {
                let name = format!("victim-{}", self.round % 20);
                self.armed(|_| Ok(bus.declare(&name, &QueueOptions::default())?))
            }
            O::SetSender => {
                let (member, name) = (bus.join()?, format!("victim-{}", self.round % 20));
                self.armed(|clerk| {
                    member.set_sender(&name)?;
                    clerk.send(&member, "q", 40, &patience(Lane::Normal, LONG)).map(|_| ())
                })
            }
            O::Close => self.close(),
            O::CloseUnused => {
                let member = bus.join()?;
                match member.loan(700_000) {
                    Ok(loan) => drop(loan),
                    // Next to a peer the heap may be full of messages.
                    Err(Error::OutOfMemory { .. }) => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
                self.armed(|_| {
                    member.close();
                    Ok(())
                })
            }
            O::CloseQueue => {
                let member = bus.join()?;
                let _bit = self.clerk.take(&member, "quiet", Duration::from_millis(1))?;
                bus.declare("closing", &QueueOptions::default())?;
                // A queue that was never used has no lanes to close.
                member.send("closing", b"", &patience(Lane::Normal, LONG))?;
                member.receive("closing", Some(LONG))?.release()?;
                self.armed(|_| {
                    member.close_queue("closing")?;
                    // Who finds the end seals it; next to a peer, it may be open again by then.
                    match member.try_receive("closing") {
                        Ok(None) | Err(Error::Closed { .. }) => {}
                        other => return Err(format!("a message or an error: {:?}", other.err()).into()),
                    }
                    Ok(member.reopen_queue("closing")?)
                })
            }
            O::Supervise => {
                let member = bus.join()?;
                self.armed(|_| {
                    member.supervise()?;
                    drop(member);
                    Ok(())
                })
            }
            O::LockFirst => self.lock_first(),
            O::Lock => self.lock(LockMode::Exclusive),
            O::LockShared => self.lock(LockMode::Shared),
            O::LockContended => self.lock_contended(),
            O::LockTimeout => self.lock_timeout(),
            O::Unlock => self.unlock(),
            O::ReapLocks => self.reap(&bus.join()?),
            O::Bind => self.bind(),
            O::CloseLate => self.close_late(),
            O::ReapThreads => self.reap_threads(&bus.join()?),
            O::ReapMessages | O::ReapBatches | O::ReapHeap | O::ReapNames | O::ReapKeyed | O::ReapTap => {
                self.reap(&bus.join()?)
            }
            O::TakeOver => self.take_over(),
            O::Deposed => self.deposed(),
            O::ReceiveAnothers => self.receive_anothers(),
            O::StandBy => self.stand_by(),
            O::TakeRole => self.take_role(),
            O::ReapOwners => self.reap(&bus.join()?),
            O::TrimTopic => self.trim_topic(&bus.join()?),
            O::PublishTopic => self.publish_topic(&bus.join()?),
            O::PublishWaking => self.publish_waking(&bus.join()?),
            O::PublishFull => self.publish_full(Duration::ZERO),
            O::PublishWait => self.publish_full(SOON),
            O::Subscribe => self.subscribe(&bus.join()?),
            O::Unsubscribe => self.unsubscribe(&bus.join()?),
            O::ReadTopic => self.read_topic(&bus.join()?),
            O::ReadTopicWait => self.read_topic_wait(&bus.join()?),
            O::ReadLossy => self.read_lossy(&bus.join()?),
            O::DeclareTopic => {
                let name = format!("topic-{}", self.round % 20);
                self.armed(|_| Ok(bus.declare_topic(&name, &TopicOptions::default())?))
            }
            O::ReapPublisher | O::ReapSubscriber => self.reap(&bus.join()?),
            O::Create => self.armed(|_| Ok(make_second(bus.name())?)).map(drop),
            O::Destroy => match rehearse_second(bus.name()) {
                Ok(second) => self.armed(|_| Ok(second.destroy()?)),
                // Its peer was faster.
                Err(Error::Closed { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            },
        }
    }
}

impl Orders {
    /// As arguments of the binary.
    pub fn arguments(&self) -> Vec<String> {
        ["victim", "--bus", &self.bus, "--operation", &self.operation.name()]
            .into_iter()
            .map(str::to_owned)
            .chain(["--at".into(), self.at.to_string()])
            .chain(["--times".into(), self.times.to_string()])
            .chain(["--first".into(), self.first.to_string()])
            .chain(self.mistake.iter().flat_map(|mistake| ["--mistake".into(), mistake.name()]))
            .collect()
    }
}
