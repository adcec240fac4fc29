//! Many processes at once: a crowd that answers, a mailbox that is full.

use crate::Result;
use crate::books::Books;
use crate::killer::{PATIENCE, Process};
use crate::ledger::Event;
use crate::scene::{Clerk, Scene, expect_bare, number_of, patience, payload};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use swarmbus_core::{Bus, CreateOptions, Error, Lane, QueueOptions, SendOptions};

/// Child processes without ledgers, gone with this.
pub(crate) struct Crowd(pub(crate) Vec<Child>);

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            if matches!(child.try_wait(), Ok(None)) {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

/// `agents` processes attach to one segment; when all are there, a coordinator asks each of them `rounds` questions.
///
/// # Errors
/// A question without its answer, an agent that does not end well.
pub fn crowd(program: &Path, agents: u32, rounds: u64) -> Result<String> {
    let options = CreateOptions { agents: agents + 8, heap: 256 << 20, limit: 1000, ..CreateOptions::default() };
    let (scene, start) = (Scene::new(&options)?, Instant::now());
    let coordinator = scene.attach("coordinator")?;
    let mut crowd = Crowd(Vec::new());
    for number in 0..agents {
        let mut command = Command::new(program);
        command.args(["answer", "--bus", scene.name(), "--name", &format!("agent-{number}")]);
        crowd.0.push(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?);
    }
    let mut names = std::collections::BTreeSet::new();
    while names.len() < agents as usize {
        let message = coordinator.recv(Some(PATIENCE))?;
        names.insert(message.sender().ok_or("a greeting without a sender")?);
        message.release()?;
    }
    let attached = start.elapsed();
    let observer = scene.observer()?;
    let (members, committed) = (observer.bus().members, observer.bus().committed_bytes);
    if members != agents + 1 {
        return Err(format!("{members} members of {}", agents + 1).into());
    }
    let begun = Instant::now();
    for round in 1..=rounds {
        for (place, name) in names.iter().enumerate() {
            let question = round << 32 | place as u64;
            coordinator.send(name, &payload(question, 64), &SendOptions::default())?;
        }
        let mut answered = std::collections::BTreeSet::new();
        while answered.len() < names.len() {
            let message = coordinator.recv(Some(PATIENCE))?;
            let answer = !number_of(&message)?;
            let name = names.iter().nth(answer as u32 as usize);
            if answer >> 32 != round || name != message.sender().as_ref() {
                return Err(format!("a wrong answer from {:?}", message.sender()).into());
            }
            answered.insert(answer);
            message.release()?;
        }
    }
    let asked = begun.elapsed();
    for name in &names {
        coordinator.send(name, b"bye", &SendOptions::default())?;
    }
    for child in &mut crowd.0 {
        let status = child.wait()?;
        if !status.success() {
            return Err(format!("an agent ended with {status}").into());
        }
    }
    drop(coordinator);
    expect_bare(&scene)?;
    Ok(format!(
        "{agents} processes attached in {:.1} s ({} MiB of shared memory in use); {} questions, all answered, in {:.2} s",
        attached.as_secs_f64(),
        committed >> 20,
        agents as u64 * rounds,
        asked.as_secs_f64()
    ))
}

/// A process of the crowd.
///
/// # Errors
/// Those of attaching, receiving and sending.
pub fn answer(bus: &str, name: &str) -> Result<()> {
    let bus = Bus::open(bus)?;
    let agent = bus.attach(name)?;
    agent.send("coordinator", b"hello", &SendOptions::default())?;
    loop {
        let question = agent.recv(Some(PATIENCE))?;
        if &*question == b"bye" {
            question.release()?;
            return Ok(());
        }
        let asker = question.sender().ok_or("a question without a sender")?;
        let answer = payload(!number_of(&question)?, 64);
        question.release()?;
        agent.send(&asker, &answer, &SendOptions::default())?;
    }
}

/// Ten processes send more than a mailbox of limit 1000 takes while its owner dawdles: some without patience, some with a little.
///
/// # Errors
/// A message lost, or received though refused; nobody refused at all.
pub fn full_mailbox(program: &Path) -> Result<String> {
    let scene = Scene::new(&CreateOptions { agents: 64, heap: 64 << 20, ..CreateOptions::default() })?;
    scene.declare("q", &QueueOptions { limit: Some(1000), ..QueueOptions::default() })?;
    let (member, mut clerk) = (scene.join()?, Clerk::new(1, true));
    member.own("q")?;
    // So that nobody gets all of its thousand in before the others begin.
    clerk.send(&member, "q", 40, &patience(Lane::Normal, Duration::ZERO))?;
    let mut senders = Vec::new();
    for number in 0..10u64 {
        let (first, patience_ms) = ((number + 1) * 1_000_000, if number % 2 == 0 { "0" } else { "3" });
        let arguments = ["send", "--bus", scene.name(), "--first", &first.to_string(), "--count", "1000"];
        senders.push(Process::start(program, &[&arguments[..], &["--patience-ms", patience_ms]].concat())?);
    }
    // Nobody takes anything until somebody of each kind was refused.
    for sender in &mut senders {
        sender.wait_for(|event| matches!(event, Event::Refused(_)))?;
    }
    let full = member.send("q", b"one more", &patience(Lane::Normal, Duration::ZERO));
    let timeout = member.send("q", b"one more", &patience(Lane::Normal, Duration::from_millis(5)));
    if !matches!(full, Err(Error::Full { limit: 1000, .. })) || timeout != Err(Error::Timeout) {
        return Err(format!("a full mailbox said {full:?} and {timeout:?}").into());
    }
    let mut books = Books::default();
    for sender in &mut senders {
        // Slowly enough that it fills up again and again.
        while !sender.has_ended()? {
            if let Some((number, message)) = clerk.take(&member, "q", Duration::from_millis(1))? {
                clerk.release(number, message)?;
            }
        }
        sender.stop()?;
    }
    while let Some((number, message)) = clerk.take(&member, "q", Duration::ZERO)? {
        clerk.release(number, message)?;
    }
    let mut refused = 0;
    for sender in &senders {
        let events = sender.events()?;
        refused += events.iter().filter(|event| matches!(event, Event::Refused(_))).count();
        books.add(&events);
    }
    books.add(&clerk.events);
    let balance = books.balance()?;
    drop(member);
    expect_bare(&scene)?;
    if balance.sent + refused as u64 != 10_001 {
        return Err(format!("{} sent and {refused} refused of 10,001", balance.sent).into());
    }
    Ok(format!(
        "10 senders at a mailbox of limit 1000: {} sent, all received; {refused} refused, none received",
        balance.sent
    ))
}
