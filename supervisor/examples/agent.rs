//! Agents of a small swarm, one per word:
//!
//! * `work QUEUE [MS]` answers whatever comes from a queue, after so many milliseconds; on a message `hold` that comes for the first
//!   time, if no time is given, it notes its process in the file `held` and waits to be killed.
//! * `file NAME MS` appends whatever comes to its mailbox to a file, after so many milliseconds each; no more than the
//!   number in the file `wait` says, as long as there is one.
//! * `hash QUEUE NAME` takes tasks, each a number and the path of a file, and appends the number and the hash of the file to a file.
//! * `ask QUEUE COUNT` is a coordinator: sends COUNT messages and ends when all are answered.
//! * `ledger QUEUE COUNT` does the same with numbered tasks, and ends when each of them was answered, however often; as long as there is a
//!   file `wait` it gives more of them. At the end it says how many it gave.
//! * `talk PEER FILE` exchanges messages with a peer that does the same, and appends a line to FILE for each.
//! * `listen` takes what comes to its own mailbox until that is closed.
//! * `answer` tells the queue `coordinator` that it is there, and again whenever something came to its own mailbox.
//! * `hang [TASK]` says that it is in progress if there is a task, takes one message from its mailbox, and then nothing any more.
//! * `grip QUEUE` takes one message from a queue and keeps it.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::time::Duration;
use swarmbus_core::{Agent, AgentState, Error, SendOptions, Status};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["work", queue] => work(queue, None),
        ["work", queue, ms] => work(queue, Some(millis(ms))),
        ["hash", queue, name] => hash(queue, name),
        ["file", name, ms] => file(name, millis(ms)),
        ["ask", queue, count] => ask(queue, count.parse().expect("a number")),
        ["ledger", queue, count] => ledger(queue, count.parse().expect("a number")),
        ["talk", peer, file] => talk(peer, file),
        ["listen"] => listen(),
        ["answer"] => answer(),
        ["hang"] => hang(None),
        ["hang", task] => hang(Some(task)),
        ["grip", queue] => grip(queue),
        _ => panic!(
            "usage: agent work QUEUE [MS] | file NAME MS | hash QUEUE NAME | ask QUEUE COUNT | ledger QUEUE COUNT | talk PEER FILE | listen \
             | answer | hang [TASK] | grip QUEUE"
        ),
    };
    match result {
        Ok(()) | Err(Error::Closed { .. }) => {}
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}

fn millis(word: &str) -> Duration {
    Duration::from_millis(word.parse().expect("a number"))
}

fn work(queue: &str, takes: Option<Duration>) -> Result<(), Error> {
    let me: Agent = swarmbus_core::connect()?;
    loop {
        let message = me.receive(queue, None)?;
        std::thread::sleep(takes.unwrap_or_default());
        if takes.is_none() && &message[..] == b"hold" && message.deliveries() == 1 {
            std::fs::write("held", std::process::id().to_string()).expect("the folder is writable");
            loop {
                std::thread::park();
            }
        }
        let sender = message.sender().unwrap_or_default();
        let answer =
            format!("{} by {} delivery {}", String::from_utf8_lossy(&message), me.name(), message.deliveries());
        me.send(&sender, answer.as_bytes(), &SendOptions::default())?;
        message.release()?;
    }
}

fn hash(queue: &str, name: &str) -> Result<(), Error> {
    let me = swarmbus_core::connect()?;
    let mut out = std::fs::OpenOptions::new().append(true).create(true).open(name).expect("the file is writable");
    loop {
        let message = me.receive(queue, None)?;
        let text = String::from_utf8_lossy(&message).into_owned();
        let (number, path) = text.split_once(' ').expect("a task has a number and a path");
        let mut hasher = DefaultHasher::new();
        hasher.write(&std::fs::read(path).expect("the file is there"));
        // One write for a line: who is killed has written all of it or nothing.
        let line = format!("{number} {:x}\n", hasher.finish());
        out.write_all(line.as_bytes()).expect("the file is writable");
        message.release()?;
    }
}

fn is_to_wait() -> bool {
    std::path::Path::new("wait").exists()
}

fn file(name: &str, takes: Duration) -> Result<(), Error> {
    let me = swarmbus_core::connect()?;
    let mut out = std::fs::OpenOptions::new().append(true).create(true).open(name).expect("the file is writable");
    for done in 0.. {
        while done >= allowed() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let message = me.recv(None)?;
        std::thread::sleep(takes);
        let line = [&message[..], b"\n"].concat();
        out.write_all(&line).expect("the file is writable");
        message.release()?;
    }
    Ok(())
}

/// How many messages each may take: what the file `wait` says, and none as long as it says nothing.
fn allowed() -> u64 {
    std::fs::read_to_string("wait").map_or(u64::MAX, |text| text.trim().parse().unwrap_or(0))
}

/// Tasks that may be unanswered; fewer than a queue holds, or both sides could end up waiting for room.
const OPEN_MAX: usize = 500;

fn ask(queue: &str, count: usize) -> Result<(), Error> {
    let me = swarmbus_core::connect()?;
    let mut sent = 0;
    for answered in 0..count {
        while sent < count && sent - answered < OPEN_MAX {
            let text = if sent == count / 2 { "hold".to_owned() } else { format!("task {sent}") };
            me.send(queue, text.as_bytes(), &SendOptions::default())?;
            sent += 1;
        }
        let answer = me.recv(None)?;
        println!("{}", String::from_utf8_lossy(&answer));
        answer.release()?;
    }
    Ok(())
}

fn ledger(queue: &str, count: usize) -> Result<(), Error> {
    let me = swarmbus_core::connect()?;
    let mut sent = 0;
    let mut unanswered = BTreeSet::new();
    loop {
        while unanswered.len() < OPEN_MAX && (sent < count || is_to_wait()) {
            me.send(queue, format!("task {sent}").as_bytes(), &SendOptions::default())?;
            unanswered.insert(sent);
            sent += 1;
        }
        if unanswered.is_empty() {
            println!("tasks given: {sent}");
            return Ok(());
        }
        let answer = me.recv(None)?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        println!("{text}");
        let number: Option<usize> = text.split(' ').nth(1).and_then(|number| number.parse().ok());
        unanswered.remove(&number.expect("an answer names its task"));
        answer.release()?;
    }
}

fn talk(peer: &str, file: &str) -> Result<(), Error> {
    let me = swarmbus_core::connect()?;
    let mut out = std::fs::OpenOptions::new().append(true).create(true).open(file).expect("the file is writable");
    loop {
        me.send(peer, b"hello", &SendOptions::default())?;
        let message = me.recv(None)?;
        writeln!(out, "{} of {}", me.name(), message.sender().unwrap_or_default()).expect("the file is writable");
        message.release()?;
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn hang(task: Option<&str>) -> Result<(), Error> {
    let me = swarmbus_core::connect()?;
    if let Some(task) = task {
        me.set_status(&Status { state: AgentState::InProgress, task: task.into(), ..Status::default() })?;
    }
    me.recv(None)?.release()?;
    loop {
        std::thread::park();
    }
}

fn grip(queue: &str) -> Result<(), Error> {
    let me = swarmbus_core::connect()?;
    let _kept = me.receive(queue, None)?;
    loop {
        std::thread::park();
    }
}

fn answer() -> Result<(), Error> {
    let me = swarmbus_core::connect()?;
    me.send("coordinator", b"ready", &SendOptions::default())?;
    loop {
        me.recv(None)?.release()?;
        me.send("coordinator", b"done", &SendOptions::default())?;
    }
}

fn listen() -> Result<(), Error> {
    let me = swarmbus_core::connect()?;
    loop {
        me.recv(None)?.release()?;
    }
}
