//! The processes of a storm on a Swarmbus: each makes or opens the bus, declares, attaches, and then does all that one can do with it, in a random order,
//! again and again.

use crate::Result;
use crate::company::take_one;
use crate::kills::Dice;
use crate::ledger::{Event, Mark};
use crate::peer::stop_flag;
use crate::scene::{Clerk, patience, payload};
use crate::victim::{keyed, locking, make_second, speaking, topics};
use clap::Args;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use swarmbus_core::{Agent, Bus, CreateOptions, Error, Lane, LockMode, Member, Message, QueueOptions, SendOptions};

/// Names of agents; there are fewer than processes, so that they meet.
const AGENTS: u64 = 12;
const SPEAKERS: u64 = 6;
/// Things done between attaching and closing, at most.
const ROUNDS: u64 = 60;
/// The same of every second life, so that coming and going is a good part of all.
const FEW: u64 = 4;
/// Messages taken at a time, at most.
const BITE: u32 = 12;
const QUEUES: [&str; 6] = ["q", "quiet", "questions", keyed::QUEUE, "mortal", "dead"];

/// What a process says that it does.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
enum Step {
    Create,
    CreateAndDestroy,
    Declare,
    Attach,
    Send,
    Batch,
    Publish,
    Receive,
    GiveBack,
    Forward,
    Detach,
    Ask,
    Answer,
    Keyed,
    DeadLetter,
    Lock,
    Status,
    Topic,
    Subscribe,
    Reap,
    Close,
}

/// The names of the steps, in their order.
pub const STEPS: &[&str] = &[
    "create",
    "create and destroy",
    "declare",
    "attach",
    "send",
    "batch",
    "publish",
    "receive",
    "give back",
    "forward",
    "detach",
    "ask",
    "answer",
    "keyed",
    "dead letter",
    "lock",
    "status",
    "topic",
    "subscribe",
    "reap",
    "close",
];

/// What a process of a storm is told.
#[derive(Args, Clone, Debug)]
pub struct Orders {
    /// The bus.
    #[arg(long)]
    pub bus: String,
    /// Its first number.
    #[arg(long)]
    pub first: u64,
    /// Of its order of things.
    #[arg(long)]
    pub seed: u64,
    /// Whether somebody reads all news, from before it began.
    #[arg(long)]
    pub news: bool,
    /// Whether it ends when its standard input does.
    #[arg(long)]
    pub resident: bool,
    /// What it rests after each thing that it does.
    #[arg(long, default_value_t = 20)]
    pub pause_us: u64,
    /// Whether it writes nothing down.
    #[arg(long)]
    pub forgetful: bool,
    /// Whether it borrows a chunk with each thing that it does, and keeps it.
    #[arg(long)]
    pub leaks: bool,
}

impl Orders {
    /// As arguments of the binary.
    pub fn arguments(&self) -> Vec<String> {
        let [first, seed, pause] = [self.first, self.seed, self.pause_us].map(|number| number.to_string());
        let mut words =
            vec!["storm-work", "--bus", &self.bus, "--first", &first, "--seed", &seed, "--pause-us", &pause];
        words.extend(self.news.then_some("--news"));
        words.extend(self.resident.then_some("--resident"));
        words.extend(self.forgetful.then_some("--forgetful"));
        words.extend(self.leaks.then_some("--leaks"));
        words.into_iter().map(str::to_owned).collect()
    }
}

/// The bus of a storm.
pub fn options() -> CreateOptions {
    CreateOptions { agents: 128, heap: 64 << 20, limit: 256, ..CreateOptions::default() }
}

struct Worker {
    bus: Bus,
    clerk: Clerk,
    dice: Dice,
    orders: Orders,
    /// Who keeps what it borrows.
    greedy: Option<Member>,
    round: u64,
}

/// Works until it is killed, or told to end.
///
/// # Errors
/// Whatever the bus says that it should not.
pub fn work(orders: Orders) -> Result<()> {
    let stop = if orders.resident { stop_flag() } else { Arc::new(AtomicBool::new(false)) };
    let mut clerk = if orders.forgetful { Clerk::forgetful(orders.first) } else { Clerk::new(orders.first, false) };
    clerk.say(Event::Doing(Step::Create as u64));
    let bus = Bus::open_or_create(&orders.bus, &options())?;
    let greedy = if orders.leaks { Some(bus.join()?) } else { None };
    let dice = Dice::seeded(orders.seed);
    let mut worker = Worker { bus, clerk, dice, orders, greedy, round: 0 };
    while !stop.load(Relaxed) {
        worker.life(&stop)?;
    }
    Ok(())
}

impl Worker {
    fn doing(&mut self, step: Step) {
        self.clerk.say(Event::Doing(step as u64));
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.dice.below(chances) == 0
    }

    /// From coming to going.
    fn life(&mut self, stop: &AtomicBool) -> Result<()> {
        self.doing(Step::Create);
        self.bus = Bus::open_or_create(&self.orders.bus, &options())?;
        if self.one_in(2) {
            self.doing(Step::CreateAndDestroy);
            make_second(&self.orders.bus)?.destroy()?;
        }
        self.doing(Step::Declare);
        for queue in QUEUES {
            let mortal = queue == "mortal";
            let (max_deliveries, dead_letters) = (mortal.then_some(1), mortal.then(|| "dead".into()));
            self.bus.declare(queue, &QueueOptions { max_deliveries, dead_letters, ..QueueOptions::default() })?;
        }
        self.doing(Step::Attach);
        let bus = self.bus.clone();
        let agent = match bus.attach(&format!("agent-{}", self.dice.below(AGENTS))) {
            Ok(agent) => Some(agent),
            Err(Error::AgentBusy { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let joined = if agent.is_none() { Some(bus.join()?) } else { None };
        let member: &Member = match (&agent, &joined) {
            (Some(agent), _) => agent,
            (None, Some(member)) => member,
            (None, None) => return Ok(()),
        };
        let rounds = if self.one_in(2) { FEW } else { ROUNDS };
        for _ in 0..self.dice.below(rounds) {
            if stop.load(Relaxed) {
                break;
            }
            self.round += 1;
            self.turn(member, agent.as_ref())?;
            if let Some(greedy) = &self.greedy {
                let _kept = greedy.loan(40)?.into_raw();
            }
            // A little idleness, or two processors have no room for so many.
            std::thread::sleep(Duration::from_micros(self.orders.pause_us));
        }
        self.doing(Step::Close);
        drop(agent);
        drop(joined);
        Ok(())
    }

    fn turn(&mut self, member: &Member, agent: Option<&Agent>) -> Result<()> {
        match self.dice.below(20) {
            0..3 => self.send(member),
            3 => {
                self.doing(Step::Batch);
                let count = 2 + self.dice.below(6);
                self.clerk.send_batch(member, "q", count, &patience(Lane::Low, Duration::ZERO)).map(drop)
            }
            4 => self.publish(member),
            5..10 => self.receive(member, agent),
            10 => {
                self.doing(Step::Forward);
                match self.clerk.take(member, "q", Duration::ZERO)? {
                    Some((number, message)) => self.clerk.forward(number, message, "quiet", Duration::ZERO).map(drop),
                    None => Ok(()),
                }
            }
            11 => {
                self.doing(Step::Detach);
                match self.clerk.take(member, "quiet", Duration::ZERO)? {
                    Some((number, message)) => self.clerk.detach(number, message),
                    None => Ok(()),
                }
            }
            12 => self.ask(member, agent),
            13 => {
                self.doing(Step::Keyed);
                keyed::send(&mut self.clerk, member)?;
                take_one(&mut self.clerk, member, keyed::QUEUE, false, Duration::ZERO)?;
                take_one(&mut self.clerk, member, keyed::QUEUE, false, Duration::ZERO)
            }
            14 => {
                self.doing(Step::DeadLetter);
                let options = patience(Lane::Normal, Duration::ZERO);
                self.clerk.send_marked(&[Mark::Expendable], member, "mortal", &options)?;
                let nack = self.one_in(2);
                take_one(&mut self.clerk, member, "mortal", nack, Duration::ZERO)?;
                take_one(&mut self.clerk, member, "mortal", false, Duration::ZERO)?;
                take_one(&mut self.clerk, member, "dead", false, Duration::ZERO)?;
                take_one(&mut self.clerk, member, "dead", false, Duration::ZERO)
            }
            15 | 16 => self.lock(member),
            17 => self.speak(),
            18 => self.topics(member),
            _ if self.one_in(8) => {
                self.doing(Step::Reap);
                member.reap()?;
                Ok(())
            }
            _ => self.send(member),
        }
    }

    /// To a work queue or to somebody's mailbox; seldom something large.
    fn send(&mut self, member: &Member) -> Result<()> {
        self.doing(Step::Send);
        let lanes = [Lane::Urgent, Lane::High, Lane::Normal, Lane::Low];
        let lane = lanes[self.dice.below(4) as usize];
        let length = match self.dice.below(100) {
            0..80 => 40,
            80..98 => 3000,
            98 => 100_000,
            _ => 3 << 20,
        };
        let wait = Duration::from_micros(if self.one_in(8) { 500 } else { 0 });
        let to = match self.dice.below(3) {
            0 => format!("agent-{}", self.dice.below(AGENTS)),
            1 => "quiet".into(),
            _ => "q".into(),
        };
        self.bus.declare(&to, &QueueOptions::default())?;
        self.clerk.send(member, &to, length, &patience(lane, wait)).map(drop)
    }

    /// Written in place.
    fn publish(&mut self, member: &Member) -> Result<()> {
        self.doing(Step::Publish);
        let mut loan = match member.loan(400) {
            Ok(loan) => loan,
            Err(Error::OutOfMemory { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let number = self.clerk.reserve(1);
        loan.copy_from_slice(&payload(number, 400));
        self.clerk.say(Event::Trying(number));
        let options = SendOptions { timeout: Some(Duration::ZERO), ..SendOptions::default() };
        let said = match loan.publish("q", 400, &options) {
            Ok(_) => Event::Sent(number),
            Err(refused) if matches!(refused.error, Error::Full { .. }) => Event::Refused(number),
            Err(refused) => return Err(refused.error.into()),
        };
        self.clerk.say(said);
        Ok(())
    }

    /// Takes more than it sends, so that queues do not run full for good.
    fn receive(&mut self, member: &Member, agent: Option<&Agent>) -> Result<()> {
        self.doing(Step::Receive);
        let wait = Duration::from_micros(if self.one_in(8) { 300 } else { 0 });
        let from = match agent {
            Some(agent) if self.one_in(2) => agent.name(),
            _ if self.one_in(2) => "quiet",
            _ => "q",
        };
        for _ in 0..BITE {
            let Some((number, message)) = self.clerk.take(member, from, wait)? else { break };
            self.finish(number, message)?;
        }
        Ok(())
    }

    /// Releases a message, or gives it back, for now or for later.
    fn finish(&mut self, number: u64, message: Message<'_>) -> Result<()> {
        match self.dice.below(20) {
            0 => {
                self.doing(Step::GiveBack);
                Ok(message.nack()?)
            }
            1 => {
                self.doing(Step::GiveBack);
                match message.nack_after(Duration::from_millis(1 + self.dice.below(20))) {
                    Ok(()) => Ok(()),
                    Err(refused) if matches!(refused.error, Error::Full { .. }) => {
                        self.clerk.release(number, refused.message)
                    }
                    Err(refused) => Err(refused.error.into()),
                }
            }
            _ => self.clerk.release(number, message),
        }
    }

    fn ask(&mut self, member: &Member, agent: Option<&Agent>) -> Result<()> {
        match agent {
            Some(agent) if self.one_in(2) => {
                self.doing(Step::Ask);
                self.clerk.call(agent, "questions", Duration::from_millis(2)).map(drop)
            }
            _ => {
                self.doing(Step::Answer);
                for _ in 0..BITE {
                    let patience = Duration::from_micros(500);
                    let Some((number, question)) = self.clerk.take(member, "questions", patience)? else { break };
                    self.clerk.reply(&question)?;
                    self.clerk.release(number, question)?;
                }
                Ok(())
            }
        }
    }

    fn lock(&mut self, member: &Member) -> Result<()> {
        self.doing(Step::Lock);
        let name = locking::NAMES[self.dice.below(3) as usize];
        let mode = if self.one_in(3) { LockMode::Exclusive } else { LockMode::Shared };
        let wait = Duration::from_micros(self.dice.below(2) * 500);
        let Some(guard) = locking::lock(&mut self.clerk, member, name, mode, wait)? else { return Ok(()) };
        std::thread::sleep(Duration::from_micros(self.dice.below(200)));
        locking::unlock(&mut self.clerk, guard)
    }

    fn speak(&mut self) -> Result<()> {
        self.doing(Step::Status);
        let who = self.dice.below(SPEAKERS);
        match speaking::attach(&self.bus, who)? {
            Some(agent) => speaking::say(&mut self.clerk, &agent, who),
            None => Ok(()),
        }
    }

    fn topics(&mut self, member: &Member) -> Result<()> {
        self.doing(if self.orders.news { Step::Topic } else { Step::Subscribe });
        if self.orders.news {
            return topics::keep_company(&mut self.clerk, member, self.round);
        }
        topics::visit(member, self.dice.below(4))
    }
}
