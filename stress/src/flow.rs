//! A flow past a message that somebody holds: the owner of a mailbox, or one of many consumers of a work queue.

use crate::Result;
use crate::killer::{PATIENCE, Process};
use crate::kills::scene;
use crate::ledger::{Event, Tally};
use crate::scene::{Clerk, Scene, expect_bare, number_of, patience, payload};
use crate::sweep::reap_all;
use nix::sys::signal::Signal;
use std::path::Path;
use std::time::{Duration, Instant};
use swarmbus_core::{Bus, Lane, Reaped, SendOptions};

/// Most messages that wait.
const LIMIT: u32 = 1000;

/// Tells a consumer that nothing comes any more.
const END: u64 = 0;

fn start_flow(program: &Path, scene: &Scene, first: u64, count: u64) -> Result<Process> {
    let (first, count) = (first.to_string(), count.to_string());
    Process::start(program, &["flow", "--bus", scene.name(), "--first", &first, "--count", &count])
}

/// The process that makes the flow.
///
/// # Errors
/// Those of sending.
pub fn flow(bus: &str, first: u64, count: u64) -> Result<()> {
    let bus = Bus::open(bus)?;
    let member = bus.join()?;
    for number in first..first + count {
        member.send("q", &payload(number, 40), &SendOptions::default())?;
    }
    Ok(())
}

/// `count` messages flow through a mailbox of limit 1000 while its owner holds the first that it got.
///
/// # Errors
/// When the flow stops, or what arrives is not what was sent, in order.
pub fn mailbox(program: &Path, count: u64) -> Result<String> {
    let (scene, start) = (scene(LIMIT)?, Instant::now());
    let (owner, mut clerk) = (scene.join()?, Clerk::new(count + 1, true));
    owner.own("q")?;
    clerk.send(&owner, "q", 40, &patience(Lane::Normal, Duration::ZERO))?;
    let (number, held) = clerk.take(&owner, "q", PATIENCE)?.ok_or("nothing to hold")?;
    let mut sender = start_flow(program, &scene, 1, count)?;
    for expected in 1..=count {
        let message = owner.receive("q", Some(PATIENCE))?;
        let number = number_of(&message)?;
        if number != expected || message.deliveries() != 1 {
            return Err(format!("message {number} (delivery {}) instead of {expected}", message.deliveries()).into());
        }
        message.release()?;
    }
    sender.stop()?;
    expect_held(&scene)?;
    clerk.release(number, held)?;
    owner.close();
    expect_bare(&scene)?;
    let elapsed = start.elapsed().as_secs_f64();
    Ok(format!(
        "{count} messages flowed, in order, past one that the owner of a mailbox of limit {LIMIT} held: {elapsed:.2} s"
    ))
}

/// What becomes of a consumer that was stopped while it held a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It goes on, and its release counts.
    GoesOn,
    /// It is killed, and its message comes back.
    Killed,
}

/// Consumers of the work queue, the stopped one among them.
const CONSUMERS: usize = 8;

/// `count` messages flow from two senders through a work queue of limit 1000 with 8 consumers, one of which is stopped while it holds a message.
///
/// # Errors
/// When the flow stops, a message is lost or comes twice, or the held one has another end than its holder's fate asks for.
pub fn work_queue(program: &Path, count: u64, fate: Fate) -> Result<String> {
    let (scene, start) = (scene(LIMIT)?, Instant::now());
    let (member, mut clerk) = (scene.join()?, Clerk::new(count + 1, true));
    clerk.send(&member, "q", 40, &patience(Lane::Normal, Duration::ZERO))?;
    let mut holder = Process::start(program, &["hold", "--bus", scene.name()])?;
    holder.wait_for(|event| matches!(event, Event::Got(..)))?;
    holder.signal(Signal::SIGSTOP)?;

    let mut consumers = Vec::new();
    for _ in 1..CONSUMERS {
        consumers.push(Process::start(program, &["consume", "--bus", scene.name()])?);
    }
    let half = count / 2;
    let mut senders = [start_flow(program, &scene, 1, half)?, start_flow(program, &scene, half + 1, count - half)?];
    for sender in &mut senders {
        sender.stop()?;
    }
    wait_until_drained(&scene)?;
    let reaped = member.reap()?;
    if reaped != Reaped::default() {
        return Err(format!("a stopped consumer was taken for dead: {reaped:?}").into());
    }
    expect_held(&scene)?;
    let elapsed = start.elapsed();

    match fate {
        Fate::GoesOn => {
            holder.signal(Signal::SIGCONT)?;
            holder.stop()?;
            if !holder.events()?.contains(&Event::Released(count + 1)) {
                return Err("the stopped consumer did not release its message".into());
            }
        }
        Fate::Killed => {
            holder.kill()?;
            reap_all(&scene, &member)?;
            wait_until_drained(&scene)?;
        }
    }
    for _ in &consumers {
        member.send("q", &payload(END, 40), &SendOptions::default())?;
    }
    let mut tallies = Vec::new();
    for consumer in &mut consumers {
        consumer.stop()?;
        tallies.extend(consumer.events()?.into_iter().filter_map(|event| match event {
            Event::Consumed(tally) => Some(tally),
            _ => None,
        }));
    }
    let mut expected = Tally::default();
    (1..=count).for_each(|number| expected.count(number, 1));
    if fate == Fate::Killed {
        expected.count(count + 1, 2);
    }
    let all = tallies.iter().fold(Tally::default(), |all, one| all.plus(one));
    if all != expected {
        return Err(format!("consumed {all:?}, not {expected:?}").into());
    }
    member.close();
    expect_bare(&scene)?;
    let (least, end) = (
        tallies.iter().map(|tally| tally.messages).min().unwrap_or(0),
        match fate {
            Fate::GoesOn => "continued, it released it",
            Fate::Killed => "killed, its message was delivered once more",
        },
    );
    Ok(format!(
        "{count} messages flowed through a work queue of limit {LIMIT} past one that a stopped consumer held: {:.2} s, \
         {least} at least to each of {} others, none twice; {end}",
        elapsed.as_secs_f64(),
        consumers.len()
    ))
}

/// A consumer that tallies what it takes until it is told that nothing comes any more.
///
/// # Errors
/// Those of receiving; a torn payload.
pub fn consume(bus: &str) -> Result<()> {
    let bus = Bus::open(bus)?;
    let (member, mut tally) = (bus.join()?, Tally::default());
    loop {
        let message = member.receive("q", Some(PATIENCE))?;
        let number = number_of(&message)?;
        if number != END {
            tally.count(number, message.deliveries());
        }
        message.release()?;
        if number == END {
            Event::Consumed(tally).say();
            return Ok(());
        }
    }
}

/// Waits until everything but the held message was taken and released.
fn wait_until_drained(scene: &Scene) -> Result<()> {
    let (observer, start) = (scene.observer()?, Instant::now());
    while observer.queues().iter().any(|queue| queue.queued > 0 || queue.in_flight > 1) {
        if start.elapsed() > PATIENCE {
            return Err(format!("the flow stopped: {:?}", observer.queues()).into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn expect_held(scene: &Scene) -> Result<()> {
    let in_flight: u64 = scene.observer()?.queues().iter().map(|queue| queue.in_flight).sum();
    if in_flight == 1 {
        Ok(())
    } else {
        Err(format!("{in_flight} messages are in flight, not the held one alone").into())
    }
}
