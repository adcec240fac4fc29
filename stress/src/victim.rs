//! What a victim does when it dies.

use crate::Result;
use crate::crash::{self, Point};
use crate::killer::PATIENCE;
use crate::ledger::Event;
use crate::scene::{Clerk, patience, second_of};
use clap::ValueEnum;
use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;
use swarmbus_core::{Bus, CreateOptions, Error, Lane, Member, QueueOptions};

/// One thing to do with a bus. The scene has the queues `q` (with messages unless said otherwise) and `quiet` (empty).
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Operation {
    /// Send; everything it needs is in the member's cache.
    Send,
    /// Send a message of a size that nobody has used: a span is made.
    SendCold,
    /// Send 5 MiB: a run of spans.
    SendLarge,
    /// Send a message of a size that nobody has used while another size has the whole heap: a run of spans changes its class.
    SendStarved,
    /// Send on a lane that nobody has used.
    SendLane,
    /// Send and ring for a sleeper.
    SendWaking,
    /// Send to a full queue without patience.
    SendFull,
    /// Send to a full queue with a little patience.
    SendWait,
    /// Borrow a chunk and give it back unpublished.
    Loan,
    /// Publish a loan.
    Publish,
    /// Take a message.
    Receive,
    /// Take a message that was given back before.
    ReceiveAgain,
    /// Wait for a message that does not come.
    ReceiveWait,
    /// Release a message; its chunk goes to the member's cache.
    Release,
    /// Release a large message; its chunk goes to everybody.
    ReleaseLarge,
    /// Give a message back to its queue.
    Nack,
    /// Give a message back to a queue whose redelivery ring is full.
    NackFull,
    /// Take a member's index.
    Join,
    /// Attach an agent that there was not.
    Attach,
    /// Attach an agent whose mailbox exists.
    AttachAgain,
    /// Declare a queue.
    Declare,
    /// Name the sender of its messages.
    SetSender,
    /// Leave, with a mailbox, chunks and a message in flight.
    Close,
    /// Leave as the last who has used a span: its memory goes back.
    CloseUnused,
    /// Stop a queue's intake and let messages in again.
    CloseQueue,
    /// Say that it supervises.
    Supervise,
    /// Reap processes that died with messages.
    ReapMessages,
    /// Reap processes that died while they took memory.
    ReapHeap,
    /// Reap processes that died while they attached or waited.
    ReapNames,
    /// Create a bus.
    Create,
    /// Destroy a bus.
    Destroy,
}

impl Operation {
    /// As it is written on the command line and in `docs/crash-windows.md`.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The dead whom this operation finds: what they did, and where they died.
    fn corpses(self) -> Vec<(Operation, Point)> {
        use Operation::{Attach, Close, CloseUnused, Nack, ReapHeap, ReapMessages, ReapNames, Receive, ReceiveWait};
        use Operation::{Release, Send, SendCold, SendLarge};
        fn at(number: u32) -> Point {
            Point::Window { number, nth: 0 }
        }
        match self {
            ReapMessages => {
                vec![(Release, Point::Write(0)), (Send, at(4)), (Receive, at(12)), (Nack, at(4)), (Close, at(37))]
            }
            ReapHeap => vec![
                (SendCold, at(57)),
                (SendLarge, at(19)),
                (SendLarge, at(22)),
                (SendLarge, at(23)),
                (CloseUnused, at(51)),
                (CloseUnused, at(53)),
            ],
            ReapNames => vec![(Attach, at(28)), (Attach, at(30)), (Attach, at(32)), (ReceiveWait, at(34))],
            _ => Vec::new(),
        }
    }
}

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
        victim.once()?;
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
        crash::arm(self.orders.at);
        let result = deed(&mut self.clerk);
        self.passed = crash::disarm();
        result
    }

    fn once(&mut self) -> Result<()> {
        use Operation as O;
        let bus = self.bus.clone();
        match self.orders.operation {
            O::Send => self.send("q", 40, Lane::Normal, LONG, true),
            O::SendCold => self.send("q", 3000, Lane::Normal, LONG, false),
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
            O::Loan => {
                let member = bus.join()?;
                self.armed(|_| {
                    drop(member.loan(40)?);
                    Ok(())
                })
            }
            O::Publish => {
                let member = bus.join()?;
                self.armed(|clerk| clerk.publish(&member, "q", 40, &patience(Lane::High, PATIENCE)))
            }
            O::Receive => {
                let member = bus.join()?;
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
                self.armed(|_| {
                    member.close_queue("closing")?;
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
            O::ReapMessages | O::ReapHeap | O::ReapNames => self.reap(&bus.join()?),
            O::Create => self.armed(|_| Ok(make_second(bus.name())?)).map(drop),
            O::Destroy => match rehearse_second(bus.name()) {
                Ok(second) => self.armed(|_| Ok(second.destroy()?)),
                // Its peer was faster.
                Err(Error::Closed { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            },
        }
    }

    fn send(&mut self, to: &str, length: usize, lane: Lane, timeout: Duration, warm: bool) -> Result<()> {
        let member = self.bus.join()?;
        if warm {
            self.clerk.send(&member, to, length, &patience(Lane::Normal, timeout))?;
        }
        self.armed(|clerk| clerk.send(&member, to, length, &patience(lane, timeout)).map(|_| ()))
    }

    fn send_starved(&mut self, member: &Member) -> Result<()> {
        let mut loans = Vec::new();
        for length in [5 << 20, 2 << 20] {
            while let Ok(loan) = member.loan(length) {
                loans.push(loan);
            }
        }
        // Next to a peer there may be nothing to drop; then there is nothing to take, either.
        drop((!loans.is_empty()).then(|| loans.swap_remove(0)));
        self.armed(|clerk| clerk.send(member, "q", 3000, &patience(Lane::Normal, LONG)).map(|_| ()))
    }

    fn send_waking(&mut self, member: &Member) -> Result<()> {
        // Its own sleep leaves the sleepers' bit set, as that of anybody who was not found asleep.
        if let Some((number, message)) = self.clerk.take(member, "quiet", Duration::from_millis(1))? {
            self.clerk.release(number, message)?;
        }
        self.armed(|clerk| clerk.send(member, "quiet", 40, &patience(Lane::Normal, LONG)).map(|_| ()))
    }

    fn release(&mut self, member: &Member) -> Result<()> {
        let Some((number, message)) = self.clerk.take(member, "q", LONG)? else { return Ok(()) };
        self.armed(|clerk| clerk.release(number, message))
    }

    fn nack_full(&mut self, member: &Member) -> Result<()> {
        while let Some((number, message)) = self.clerk.take(member, "crowded", Duration::ZERO)? {
            self.clerk.release(number, message)?;
        }
        // One message more than a ring has slots, all of them in flight.
        let mut messages = Vec::new();
        for _ in 0..17 {
            self.clerk.send(member, "crowded", 40, &patience(Lane::Normal, Duration::ZERO))?;
            messages.extend(self.clerk.take(member, "crowded", Duration::ZERO)?);
        }
        let Some((_, last)) = messages.pop() else { return Ok(()) };
        for (_, message) in messages {
            message.nack()?;
        }
        self.armed(|_| Ok(last.nack()?))
    }

    fn attach(&mut self, name: &str) -> Result<()> {
        let bus = self.bus.clone();
        match self.armed(|_| Ok(bus.attach(name)))? {
            // Released outside the crash points; that is `Close`'s business.
            Ok(agent) => drop(agent),
            Err(Error::AgentBusy { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let agent = match self.bus.attach(&format!("victim-{}", self.round % 20)) {
            Ok(agent) => agent,
            Err(Error::AgentBusy { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let member: &Member = &agent;
        member.supervise()?;
        // Kept alive by number alone, as a binding does: closing gives it back.
        let _held = self.clerk.take(member, "q", LONG)?.map(|(_, message)| message.into_raw());
        let _loan = member.loan(40)?.into_raw();
        self.armed(|_| {
            agent.close();
            Ok(())
        })
    }

    fn reap(&mut self, member: &Member) -> Result<()> {
        for (operation, at) in self.orders.operation.corpses() {
            let first = self.clerk.reserve(1000);
            let arguments =
                Orders { bus: self.orders.bus.clone(), operation, at, times: self.orders.times.min(2), first }
                    .arguments();
            // Its ledger is ours: the same open file.
            let status = Command::new("/proc/self/exe").args(arguments).status()?;
            // A peer may have been there before it: then there is nothing to die of.
            let alone = self.orders.times == 1;
            if !status.success() && status.signal() != Some(Signal::SIGKILL as i32) || alone && status.success() {
                return Err(format!("the corpse of {operation:?} at {at} ended with {status}").into());
            }
        }
        self.armed(|_| {
            member.reap()?;
            Ok(())
        })
    }
}

/// The second bus, made anew if a dead victim or a peer left it in whatever state.
///
/// # Errors
/// Those of [`Bus::open_or_create`].
pub fn make_second(bus: &str) -> swarmbus_core::Result<Bus> {
    let options = CreateOptions { agents: 4, heap: 4 << 20, limit: 16, ..CreateOptions::default() };
    Bus::open_or_create(&second_of(bus), &options)
}

/// The second bus with a queue in which a bit says that somebody sleeps, so that its destroyer rings.
fn rehearse_second(bus: &str) -> swarmbus_core::Result<Bus> {
    let second = make_second(bus)?;
    second.declare("sleepers", &QueueOptions::default())?;
    match second.join()?.receive("sleepers", Some(Duration::from_millis(1))) {
        Ok(_) | Err(Error::Timeout) => Ok(second),
        Err(error) => Err(error),
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
            .collect()
    }
}
