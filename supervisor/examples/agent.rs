//! Agents of a small swarm, one per word:
//!
//! * `work QUEUE` answers whatever comes from a queue; on a message `hold` that comes for the first time it notes its
//!   process in the file `held` and waits to be killed.
//! * `ask QUEUE COUNT` is a coordinator: sends COUNT messages and ends when all are answered.
//! * `talk PEER FILE` exchanges messages with a peer that does the same, and appends a line to FILE for each.
//! * `listen` takes what comes to its own mailbox until that is closed.

use std::io::Write;
use std::time::Duration;
use swarmbus_core::{Agent, Error, SendOptions};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["work", queue] => work(queue),
        ["ask", queue, count] => ask(queue, count.parse().expect("a number")),
        ["talk", peer, file] => talk(peer, file),
        ["listen"] => listen(),
        _ => panic!("usage: agent work QUEUE | ask QUEUE COUNT | talk PEER FILE | listen"),
    };
    match result {
        Ok(()) | Err(Error::Closed { .. }) => {}
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}

fn work(queue: &str) -> Result<(), Error> {
    let me: Agent = swarmbus_core::connect()?;
    loop {
        let message = me.receive(queue, None)?;
        if &message[..] == b"hold" && message.deliveries() == 1 {
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

fn listen() -> Result<(), Error> {
    let me = swarmbus_core::connect()?;
    loop {
        me.recv(None)?.release()?;
    }
}
