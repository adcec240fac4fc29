//! Mailboxes that change hands under traffic: taken over from a process that is stopped, inherited from one that is killed; and roles whose holders are
//! killed. Senders go on all the while.

use crate::Result;
use crate::books::Books;
use crate::killer::{PATIENCE, Process};
use crate::kills::Dice;
use crate::ledger::Event;
use crate::peer::stop_flag;
use crate::scene::{Clerk, Scene, collect, expect_bare, number_of};
use crate::sweep::reap_all;
use clap::ValueEnum;
use nix::sys::signal::Signal;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use swarmbus_core::{Agent, Bus, CreateOptions, Error, QueueOptions};

/// How a process comes by its mailbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum How {
    /// It is nobody's.
    Attach,
    /// From whoever has it.
    TakeOver,
    /// When nobody alive has it any more.
    StandBy,
}

/// A process that owns a mailbox, and may have a role: it takes and releases until it is told to end. Deposed, it asks for more until then, and must not
/// get any.
///
/// # Errors
/// Those of receiving; a message after it was deposed.
pub fn lead(bus: &str, name: &str, how: How, role: Option<&str>) -> Result<()> {
    let (bus, stop) = (Bus::open(bus)?, stop_flag());
    let mut clerk = Clerk::new(0, false);
    let agent = match how {
        How::Attach => bus.attach(name)?,
        How::TakeOver => bus.take_over(name)?,
        How::StandBy => bus.stand_by(name, None)?,
    };
    role.map_or(Ok(()), |role| agent.take_role(role))?;
    clerk.say(Event::Ready);
    let mut deposed = false;
    while !stop.load(Relaxed) {
        let handed_over = !take(&mut clerk, &agent)?;
        if deposed && !handed_over {
            return Err("a deposed owner was not told so once more".into());
        }
        if handed_over {
            if !deposed {
                clerk.say(Event::Deposed);
            }
            deposed = true;
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    Ok(())
}

/// Takes a message, if there is one, and releases it. `false`: the mailbox was taken over.
fn take(clerk: &mut Clerk, agent: &Agent) -> Result<bool> {
    clerk.say(Event::Taking);
    match agent.recv(Some(Duration::from_millis(20))) {
        Ok(message) => {
            let number = number_of(&message)?;
            clerk.say(Event::Got(number, message.deliveries()));
            clerk.release(number, message)?;
            Ok(true)
        }
        Err(Error::Timeout) => {
            clerk.say(Event::Nothing);
            Ok(true)
        }
        Err(Error::HandedOver { .. }) => {
            clerk.say(Event::Nothing);
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// The mailbox of the runs.
const MAILBOX: &str = "q";

/// Between two messages of a sender: the ledgers are read again and again, so they must not grow too long.
const PAUSE_US: &str = "500";

struct Stage<'a> {
    program: &'a Path,
    scene: Scene,
    dice: Dice,
    senders: Vec<Process>,
    books: Books,
}

impl<'a> Stage<'a> {
    /// So many processes send to a queue without end, each numbers of its own.
    fn new(program: &'a Path, queue: &str, senders: u64) -> Result<Stage<'a>> {
        let options = CreateOptions { agents: 128, heap: 64 << 20, limit: 64, ..CreateOptions::default() };
        let scene = Scene::new(&options)?;
        scene.declare(queue, &QueueOptions::default())?;
        let mut stage = Stage { program, scene, dice: Dice::new(), senders: Vec::new(), books: Books::default() };
        for sender in 1..=senders {
            let first = (sender * 1_000_000_000).to_string();
            let arguments =
                ["send", "--bus", stage.scene.name(), "--queue", queue, "--first", &first, "--pause-us", PAUSE_US];
            let mut process = Process::start(program, &arguments)?;
            process.wait_for(|event| *event == Event::Ready)?;
            process.let_go();
            stage.senders.push(process);
        }
        Ok(stage)
    }

    fn lead(&self, name: &str, how: How, role: Option<&str>) -> Result<Process> {
        let how = how.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let arguments = ["lead", "--bus", self.scene.name(), "--name", name, "--how", &how];
        let role = role.map_or(Vec::new(), |role| vec!["--role", role]);
        Process::start(self.program, &[&arguments[..], &role].concat())
    }

    fn pause(&mut self, most: Duration) {
        std::thread::sleep(Duration::from_nanos(self.dice.below(most.as_nanos() as u64)));
    }

    /// Ends the senders, takes what is left, and balances.
    fn settle(mut self, leaders: Vec<Process>) -> Result<(u64, u64)> {
        for sender in &mut self.senders {
            sender.kill()?;
        }
        for mut leader in leaders {
            leader.stop()?;
            self.books.add(&leader.events()?);
        }
        for sender in &self.senders {
            self.books.add(&sender.events()?);
        }
        let member = self.scene.join()?;
        reap_all(&self.scene, &member)?;
        drop(member);
        collect(&self.scene, &mut self.books)?;
        let balance = self.books.balance()?;
        expect_bare(&self.scene)?;
        Ok((balance.sent, balance.redelivered))
    }
}

/// A process owns a mailbox to which `senders` send. Again and again it is stopped at a random moment, another takes the mailbox over, and the stopped one is
/// continued, or killed: it gets nothing more but what it was about to be handed, and is told why.
///
/// # Errors
/// A message that a deposed owner gets, or that is lost, or doubled but for the messages that the killed had in flight.
pub fn hand_over(program: &Path, senders: u64, rounds: u32) -> Result<String> {
    let (start, mut stage) = (Instant::now(), Stage::new(program, MAILBOX, senders)?);
    let mut leader = stage.lead(MAILBOX, How::Attach, None)?;
    leader.wait_for(|event| matches!(event, Event::Got(..)))?;
    let (mut continued, mut in_hand) = (0, 0);
    for round in 0..rounds {
        stage.pause(Duration::from_millis(20));
        leader.signal(Signal::SIGSTOP)?;
        leader.wait_until_stopped()?;
        let before = received(&leader)?;
        let mut next = stage.lead(MAILBOX, How::TakeOver, None)?;
        next.wait_for(|event| matches!(event, Event::Got(..)))?;
        if round % 3 == 2 {
            leader.kill()?;
        } else {
            leader.signal(Signal::SIGCONT)?;
            leader.wait_for(|event| *event == Event::Deposed)?;
            stage.pause(Duration::from_millis(5));
            leader.stop()?;
            let more = received(&leader)? - before;
            if more > 1 {
                return Err(
                    format!("a process that was stopped took {more} messages of a mailbox that was another's").into()
                );
            }
            continued += 1;
            in_hand += more;
        }
        stage.books.add(&leader.events()?);
        leader = next;
    }
    let (sent, redelivered) = stage.settle(vec![leader])?;
    Ok(format!(
        "{rounds} hand-overs under {senders} senders, the old owner stopped: {sent} messages acknowledged, none lost; {continued} old owners were \
         continued and told, {in_hand} had a message in hand; of {} that were killed {redelivered} messages came again; {:.1} s",
        rounds - continued,
        start.elapsed().as_secs_f64()
    ))
}

fn received(process: &Process) -> Result<usize> {
    Ok(process.events()?.iter().filter(|event| matches!(event, Event::Got(..))).count())
}

/// One process owns a mailbox, some stand by. The owner is killed again and again, now and then somebody who stands by, too.
///
/// # Errors
/// When nobody follows, when two do, or a message is lost.
pub fn succession(program: &Path, kills: u32, supervised: bool) -> Result<String> {
    let mut stage = Stage::new(program, MAILBOX, 4)?;
    // With a supervisor others nap for longer. It would reap as soon as the kernel tells it; here it leaves that to them.
    let supervisor = if supervised { Some(stage.scene.join()?) } else { None };
    supervisor.as_ref().map_or(Ok(()), |member| member.supervise())?;
    let mut leader = stage.lead(MAILBOX, How::Attach, None)?;
    leader.wait_for(|event| matches!(event, Event::Got(..)))?;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(stage.lead(MAILBOX, How::StandBy, None)?);
    }
    let mut times = Vec::new();
    for round in 0..kills {
        stage.pause(Duration::from_millis(30));
        if round % 4 == 3 {
            let who = stage.dice.below(waiting.len() as u64) as usize;
            waiting[who].kill()?;
            stage.books.add(&waiting[who].events()?);
            waiting[who] = stage.lead(MAILBOX, How::StandBy, None)?;
        }
        if !waiting.iter().any(Process::is_asleep) {
            // The heirs have hardly started: give them the time to stand by.
            std::thread::sleep(Duration::from_millis(20));
        }
        let killed = Instant::now();
        leader.kill()?;
        let heir = loop {
            let first = |process: &Process| -> Result<bool> {
                Ok(process.events()?.iter().any(|event| matches!(event, Event::Got(..))))
            };
            let heirs: Vec<usize> = (0..waiting.len()).filter(|at| first(&waiting[*at]).unwrap_or(false)).collect();
            match heirs[..] {
                [] if killed.elapsed() > PATIENCE => return Err("nobody follows a killed owner".into()),
                [] => std::thread::sleep(Duration::from_micros(100)),
                [heir] => break heir,
                _ => return Err("two own a mailbox".into()),
            }
        };
        times.push(killed.elapsed());
        stage.books.add(&leader.events()?);
        leader = waiting.swap_remove(heir);
        waiting.push(stage.lead(MAILBOX, How::StandBy, None)?);
    }
    for mut process in waiting {
        process.kill()?;
    }
    times.sort_unstable();
    drop(supervisor);
    let (sent, redelivered) = stage.settle(vec![leader])?;
    let ms = |time: &Duration| time.as_secs_f64() * 1e3;
    Ok(format!(
        "{kills} owners killed {}: {sent} messages acknowledged, none lost, {redelivered} redelivered; from the kill to the first message of who stood by: \
         {:.1} ms (median), {:.1} ms (longest)",
        if supervised { "while others nap for 5 s" } else { "without a supervisor" },
        times.get(times.len() / 2).map_or(0.0, ms),
        times.last().map_or(0.0, ms)
    ))
}

/// Four agents have a role; they are killed and replaced again and again.
///
/// # Errors
/// When a message is lost, or doubled but for those in flight.
pub fn role(program: &Path, kills: u32) -> Result<String> {
    let mut stage = Stage::new(program, "@tester", 4)?;
    let mut holders = Vec::new();
    for number in 0..4 {
        holders.push(stage.lead(&format!("worker-{number}"), How::Attach, Some("tester"))?);
    }
    for kill in 0..kills {
        stage.pause(Duration::from_millis(10));
        let who = (kill % 4) as usize;
        holders[who].wait_for(|event| matches!(event, Event::Got(..)))?;
        holders[who].kill()?;
        stage.books.add(&holders[who].events()?);
        // The next one finds the mailbox with a dead owner.
        holders[who] = stage.lead(&format!("worker-{who}"), How::Attach, Some("tester"))?;
    }
    for holder in &mut holders {
        holder.wait_for(|event| matches!(event, Event::Got(..)))?;
    }
    let (sent, redelivered) = stage.settle(holders)?;
    Ok(format!("{kills} holders of a role killed: {sent} messages acknowledged, none lost, {redelivered} redelivered"))
}
