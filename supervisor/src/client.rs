//! The other side of the control socket; and what can be done when nobody answers there.

use crate::note::{self, Entry};
use crate::pool::State;
use crate::process::{self, Stranger, room_for, start_ticks, uptime_s};
use crate::protocol::{Answer, LogFile, Request};
use crate::rundir;
use crate::status::{Known, Status, status};
use crate::strays;
use crate::tally::Report;
use rustix::process::Signal;
use serde::Serialize;
use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use swarmbus_core::{Bus, Error, Observer};

/// Why a supervisor could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The bus said no, or is not there.
    #[error(transparent)]
    Bus(#[from] Error),
    /// There is nobody to ask.
    #[error(
        "{bus} has no supervisor that could do that: `swarmbus up FILE` gives it one, `swarmbus down {bus}` stops its agents and removes it"
    )]
    Unsupervised {
        /// The bus.
        bus: String,
    },
    /// The supervisor does not answer.
    #[error(
        "the supervisor of {bus} (pid {pid}) does not answer ({error}); end it with `kill -9 {pid}`, which harms no agent"
    )]
    NoAnswer {
        /// The bus.
        bus: String,
        /// The supervisor.
        pid: u32,
        /// What the system said.
        error: io::Error,
    },
    /// It went away while it was working.
    #[error(
        "the supervisor of {bus} died before it was done: `swarmbus up FILE` goes on with it, `swarmbus ps {bus}` shows what is left"
    )]
    Lost {
        /// The bus.
        bus: String,
    },
    /// The one after it has ended the run, too.
    #[error(
        "the run of {bus} is over, its agents have ended and what they left is cleared away; how the drain went nobody can tell, since the supervisor \
         that was asked died, and the next was gone before it could be asked"
    )]
    Over {
        /// The bus.
        bus: String,
    },
    /// It understood something else.
    #[error("the supervisor of {bus} answered: {message}")]
    Refused {
        /// The bus.
        bus: String,
        /// What it said.
        message: String,
    },
    /// The system refused.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        error: io::Error,
    },
}

/// How a stop went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// The bus.
    pub bus: String,
    /// Whether a supervisor did it.
    pub supervised: bool,
    /// Agents that were signalled here, without a supervisor.
    pub signalled: usize,
    /// Those of them that had to be killed.
    pub killed: usize,
    /// Messages that nobody read.
    pub unread: u64,
}

/// How a drain went.
#[derive(Clone, Debug, PartialEq)]
pub struct Drained {
    /// The exit code of `swarmbus up`; 0 for a drain of some agents.
    pub code: u8,
    /// What it has done.
    pub report: Report,
}

/// How long a supervisor may take for an answer that needs no waiting.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long agents have between TERM and KILL when there is no supervisor.
const ORPHAN_GRACE: Duration = Duration::from_secs(2);

/// How long killed processes may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);

struct Supervisor {
    bus: String,
    pid: u32,
    reader: BufReader<UnixStream>,
}

impl Supervisor {
    /// The supervisor of a bus, if it lives.
    fn of(bus: &str) -> Result<Option<Supervisor>, ClientError> {
        let Some((dir, pid)) = rundir::find(bus).and_then(|dir| rundir::supervisor(&dir).map(|pid| (dir, pid))) else {
            return Ok(None);
        };
        match UnixStream::connect(rundir::socket(&dir)) {
            Ok(stream) => Ok(Some(Supervisor { bus: bus.to_owned(), pid, reader: BufReader::new(stream) })),
            // It may have ended a moment ago.
            Err(_) if rundir::supervisor(&dir).is_none() => Ok(None),
            Err(error) => Err(ClientError::NoAnswer { bus: bus.to_owned(), pid, error }),
        }
    }

    fn no_answer(&self, error: io::Error) -> ClientError {
        ClientError::NoAnswer { bus: self.bus.clone(), pid: self.pid, error }
    }

    fn ask(&mut self, request: &Request, within: Option<Duration>) -> Result<(), ClientError> {
        let line = serde_json::to_string(request).map_err(|error| self.no_answer(error.into()))? + "\n";
        let stream = self.reader.get_mut();
        let asked = stream.set_read_timeout(within).and_then(|()| stream.write_all(line.as_bytes()));
        asked.map_err(|error| self.no_answer(error))
    }

    fn answer(&mut self) -> Result<Answer, ClientError> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => Err(ClientError::Lost { bus: self.bus.clone() }),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                Err(ClientError::Lost { bus: self.bus.clone() })
            }
            Err(error) => Err(self.no_answer(error)),
            Ok(_) => match serde_json::from_str(&line) {
                Ok(Answer::Error { message }) => Err(ClientError::Refused { bus: self.bus.clone(), message }),
                Ok(answer) => Ok(answer),
                Err(error) => Err(ClientError::Refused { bus: self.bus.clone(), message: error.to_string() }),
            },
        }
    }

    /// Hears the answers up to the last one.
    fn follow(&mut self, heard: &mut dyn FnMut(&Answer)) -> Result<Drained, ClientError> {
        loop {
            let answer = self.answer()?;
            heard(&answer);
            match answer {
                Answer::Done { code, report, .. } => return Ok(Drained { code, report }),
                Answer::Drained { report } => return Ok(Drained { code: 0, report }),
                _ => {}
            }
        }
    }
}

/// The status of a bus: from its supervisor or, if there is none, from the segment and what the supervisor left behind.
pub fn ps(bus: &str) -> Result<Status, ClientError> {
    if let Some(mut supervisor) = Supervisor::of(bus)? {
        supervisor.ask(&Request::Ps, Some(ANSWER_WITHIN))?;
        match supervisor.answer() {
            Ok(Answer::Status(status)) => return Ok(status),
            Ok(other) => {
                let message = format!("{other:?}");
                return Err(ClientError::Refused { bus: bus.to_owned(), message });
            }
            // It ended between the question and the answer, or hangs: the segment tells without it.
            Err(ClientError::Lost { .. } | ClientError::NoAnswer { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let observer = Observer::open(bus)?;
    let entries = rundir::find(bus).map(|dir| note::journal(&dir)).unwrap_or_default();
    let known = entries.into_iter().map(|entry| {
        let alive = entry.is_alive();
        Known {
            pid: alive.then_some(entry.pid),
            state: unsupervised(&entry, alive).to_owned(),
            uptime_s: if alive { start_ticks(entry.pid).and_then(uptime_s) } else { None },
            restarts: entry.restarts,
            name: entry.agent,
            pool: entry.pool,
            last_exit: entry.last.map(|exit| exit.to_string()),
        }
    });
    Ok(status(&observer, "unsupervised", None, known.collect()))
}

/// The state of an agent that nobody watches.
fn unsupervised(entry: &Entry, alive: bool) -> &'static str {
    match entry.state {
        _ if alive => "running",
        State::Finished | State::Failed | State::Stopped => entry.state.word(),
        _ => "dead",
    }
}

/// Asks the supervisor for something that is answered at once.
pub fn ask(bus: &str, request: &Request) -> Result<Answer, ClientError> {
    let Some(mut supervisor) = Supervisor::of(bus)? else {
        Observer::open(bus)?;
        return Err(ClientError::Unsupervised { bus: bus.to_owned() });
    };
    supervisor.ask(request, Some(ANSWER_WITHIN))?;
    supervisor.answer()
}

/// Asks for what happens, and hears it until `heard` says that it is enough or the run ends.
pub fn events(bus: &str, heard: &mut dyn FnMut(&serde_json::Value) -> bool) -> Result<(), ClientError> {
    let Some(mut supervisor) = Supervisor::of(bus)? else {
        Observer::open(bus)?;
        return Err(ClientError::Unsupervised { bus: bus.to_owned() });
    };
    supervisor.ask(&Request::Events, None)?;
    loop {
        match supervisor.answer() {
            Ok(Answer::Event { event }) => {
                let last = event["event"] == "down";
                if !heard(&event) || last {
                    return Ok(());
                }
            }
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Where the output of agents goes; also when the supervisor is dead.
pub fn logs(bus: &str) -> Result<Vec<LogFile>, ClientError> {
    if let Ok(Answer::Logs { files }) = ask(bus, &Request::Logs { names: Vec::new() }) {
        return Ok(files);
    }
    let entries = rundir::find(bus).map(|dir| note::journal(&dir)).unwrap_or_default();
    if entries.is_empty() {
        Observer::open(bus)?;
    }
    Ok(entries.into_iter().filter_map(|entry| Some(LogFile { agent: entry.agent, path: entry.log? })).collect())
}

/// Asks the supervisor for a drain, of all or of those named, and waits for its end. `heard` is told how it goes. If the supervisor dies meanwhile, its
/// successor is waited for, for a while, and heard to the end.
pub fn drain(bus: &str, names: &[String], heard: &mut dyn FnMut(&Answer)) -> Result<Drained, ClientError> {
    let Some(mut supervisor) = Supervisor::of(bus)? else {
        Observer::open(bus)?;
        return Err(ClientError::Unsupervised { bus: bus.to_owned() });
    };
    loop {
        supervisor.ask(&Request::Drain { names: names.to_vec() }, None)?;
        match supervisor.follow(heard) {
            Err(ClientError::Lost { .. }) => supervisor = successor(bus)?,
            result => return result,
        }
    }
}

/// For how long a client waits for a standby to take over, and how often it looks.
const SUCCESSOR_WITHIN: Duration = Duration::from_secs(5);
const SUCCESSOR_EVERY: Duration = Duration::from_millis(50);

fn successor(bus: &str) -> Result<Supervisor, ClientError> {
    let begun = Instant::now();
    loop {
        if let Ok(Some(supervisor)) = Supervisor::of(bus) {
            return Ok(supervisor);
        }
        if rundir::find(bus).is_none() {
            return Err(ClientError::Over { bus: bus.to_owned() });
        }
        if begun.elapsed() > SUCCESSOR_WITHIN {
            return Err(ClientError::Lost { bus: bus.to_owned() });
        }
        std::thread::sleep(SUCCESSOR_EVERY);
    }
}

/// Stops a bus now and removes it; without a supervisor, does its work.
pub fn down(bus: &str, heard: &mut dyn FnMut(&Answer)) -> Result<Stopped, ClientError> {
    if let Some(mut supervisor) = Supervisor::of(bus)? {
        supervisor.ask(&Request::Down, Some(ANSWER_WITHIN))?;
        let unread = supervisor.follow(heard)?.report.unread;
        return Ok(Stopped { bus: bus.to_owned(), supervised: true, signalled: 0, killed: 0, unread });
    }
    down_alone(bus)
}

fn down_alone(bus: &str) -> Result<Stopped, ClientError> {
    let dir: Option<PathBuf> = rundir::find(bus);
    let observer = match Observer::open(bus) {
        Err(error @ Error::UnknownBus { .. }) if dir.is_none() => return Err(error.into()),
        observer => observer.ok(),
    };
    let agents = orphans(bus, dir.as_deref(), observer.as_ref());
    for agent in &agents {
        agent.signal(Signal::TERM);
    }
    wait_for(&agents, ORPHAN_GRACE);
    let stubborn: Vec<&Stranger> = agents.iter().filter(|agent| agent.is_alive()).collect();
    let killed = stubborn.len();
    for agent in stubborn {
        agent.signal(Signal::KILL);
    }
    wait_for(&agents, GONE_WITHIN);
    let unread = observer.map_or(0, |observer| observer.queues().iter().map(|queue| queue.queued).sum());
    // One that cannot be opened (damaged, of an earlier boot) can still be removed.
    let removed = match Bus::open(bus) {
        Ok(bus) => bus.destroy(),
        Err(_) => Bus::remove(bus),
    };
    match removed {
        Ok(()) | Err(Error::UnknownBus { .. } | Error::Closed { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    if let Some(dir) = dir {
        rundir::remove(&dir)
            .map_err(|error| ClientError::System { what: format!("cannot remove {}", dir.display()), error })?;
    }
    Ok(Stopped { bus: bus.to_owned(), supervised: false, signalled: agents.len(), killed, unread })
}

/// The agents of a supervisor that is dead: those it noted, with their groups, those that its variables tell, and whoever else is on the bus as an agent.
fn orphans(bus: &str, dir: Option<&std::path::Path>, observer: Option<&Observer>) -> Vec<Stranger> {
    let mut seen: HashSet<u32> = HashSet::from([std::process::id()]);
    let mut agents = Vec::new();
    let entries = dir.map(note::journal).unwrap_or_default();
    let members = observer.map_or(0, |observer| observer.members().len());
    room_for((entries.len() + members) as u32);
    for entry in entries {
        if let Some(agent) = Stranger::hold(entry.pid, true, || entry.is_alive()) {
            seen.insert(entry.pid);
            agents.push(agent);
        }
    }
    // Those that it had started and not yet noted when it was killed, and what agents had started in sessions of their own.
    for pid in strays::all_of(bus) {
        let is_led = process::group_of(pid).is_some_and(|leader| seen.contains(&leader));
        if !is_led
            && !seen.contains(&pid)
            && let Some(process) = Stranger::hold(pid, true, || strays::is_of_run(pid, bus))
        {
            seen.insert(pid);
            agents.push(process);
        }
    }
    let Some(observer) = observer else { return agents };
    let live = |pid: u32| observer.members().iter().any(|member| member.pid == pid && member.state == "live");
    for member in observer.members() {
        if member.state == "live"
            && member.agent.is_some()
            && seen.insert(member.pid)
            && let Some(agent) = Stranger::hold(member.pid, false, || live(member.pid))
        {
            agents.push(agent);
        }
    }
    agents
}

fn wait_for(agents: &[Stranger], within: Duration) {
    let deadline = Instant::now() + within;
    for agent in agents {
        agent.wait(deadline);
    }
}
