//! What an agent adds to the memory of its process, step by step.

use super::company::options;
use super::dweller::{TOPIC, bare};
use crate::Result;
use crate::scene::Scene;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::wait;
use nix::unistd::fork;
use std::fmt;
use std::fs::read_to_string;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use swarmbus_core::{Agent, Bus, PublishOptions, SendOptions, StartAt, Subscription, TopicOptions};

/// The name of who walks.
const WALKER: &str = "walker";
/// Bytes of the message and of the sample.
const MESSAGE: [u8; 64] = [7; 64];
/// In which order.
const STEPS: [Step; 7] =
    [Step::Open, Step::Attach, Step::Receive, Step::Subscribe, Step::Sample, Step::Send, Step::Look];

/// What an agent does one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Opens the bus.
    Open,
    /// Attaches, and so declares its mailbox.
    Attach,
    /// Receives a message and releases it.
    Receive,
    /// Subscribes to a topic.
    Subscribe,
    /// Reads a sample of it.
    Sample,
    /// Sends itself a message.
    Send,
    /// Looks once whether others are dead.
    Look,
}

/// Memory that is a process' own, KiB.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Own {
    /// Of its stack.
    pub stack: u64,
    /// Of its heap and of whatever else it has written.
    pub rest: u64,
    /// Page tables, of all levels.
    pub tables: u64,
}

impl Own {
    /// All of it.
    #[must_use]
    pub fn all(self) -> u64 {
        self.stack + self.rest + self.tables
    }

    fn since(self, before: Own) -> Own {
        let Own { stack, rest, tables } = before;
        let grown = |now: u64, before: u64| now.saturating_sub(before);
        Own { stack: grown(self.stack, stack), rest: grown(self.rest, rest), tables: grown(self.tables, tables) }
    }

    fn of(pid: u32) -> Result<Own> {
        let mut own = Own::default();
        let (mut is_stack, mut dirty) = (false, 0);
        for line in read_to_string(format!("/proc/{pid}/smaps"))?.lines() {
            let mut words = line.split_whitespace();
            let (Some(first), Some(second)) = (words.next(), words.next()) else { continue };
            match first.strip_suffix(':') {
                // `from-to rwxp …`: the mapping of which the next lines tell.
                None => is_stack = line.ends_with("[stack]"),
                Some("Private_Dirty") => dirty = second.parse::<u64>()?,
                // Pages of a file that is not yet on its disk are dirty, too, but nobody's; of the segment nothing is anonymous.
                Some("Anonymous") => {
                    *(if is_stack { &mut own.stack } else { &mut own.rest }) += dirty.min(second.parse()?);
                }
                Some(_) => {}
            }
        }
        let status = read_to_string(format!("/proc/{pid}/status"))?;
        let tables = status.lines().find_map(|line| line.strip_prefix("VmPTE:"));
        own.tables = tables.unwrap_or_default().trim().trim_end_matches(" kB").parse()?;
        Ok(own)
    }
}

impl fmt::Display for Own {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} KiB (stack {}, other {}, page tables {})", self.all(), self.stack, self.rest, self.tables)
    }
}

/// What a process that was forked and had waited has more after each step, beside so many other agents.
///
/// # Errors
/// When the process cannot be started or watched.
pub fn footprint(program: &Path, agents: u32) -> Result<Vec<(Step, Own)>> {
    let scene = Scene::new(&options(agents))?;
    scene.declare_topic(TOPIC, &TopicOptions::default())?;
    let others = (0..agents)
        .map(|number| scene.attach(&format!("agent-{number}")))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let publisher = others.last().ok_or("nobody who could send")?;
    let mut walk = Walk::start(program, scene.name())?;
    let before = Own::of(walk.pid)?;
    let mut steps = Vec::new();
    for step in STEPS {
        match step {
            Step::Receive => drop(publisher.send(WALKER, &MESSAGE, &SendOptions::default())?),
            Step::Sample => drop(publisher.publish(TOPIC, &MESSAGE, &PublishOptions::default())?),
            _ => {}
        }
        walk.on()?;
        steps.push((step, Own::of(walk.pid)?.since(before)));
    }
    Ok(steps)
}

/// The process that goes step by step.
struct Walk {
    parent: Child,
    pid: u32,
    word: Option<ChildStdin>,
    done: ChildStdout,
}

impl Walk {
    fn start(program: &Path, bus: &str) -> Result<Walk> {
        let mut command = Command::new(program);
        let mut parent = command.args(["walk", bus, WALKER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(word), Some(done)) = (parent.stdin.take(), parent.stdout.take()) else {
            return Err("a process without a pipe".into());
        };
        let mut walk = Walk { parent, pid: 0, word: Some(word), done };
        let mut pid = [0; 4];
        walk.done.read_exact(&mut pid)?;
        walk.pid = u32::from_le_bytes(pid);
        Ok(walk)
    }

    /// The next step.
    fn on(&mut self) -> Result<()> {
        let Some(word) = &mut self.word else { return Ok(()) };
        word.write_all(&[0])?;
        self.done.read_exact(&mut [0])?;
        Ok(())
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        // Who walks ends with its standard input, and whoever has forked it after it.
        self.word = None;
        let _ = self.parent.wait();
    }
}

/// The process that forks who walks, and waits for it.
///
/// # Errors
/// Those of the walk, or when the system does not fork.
pub fn walk(bus: &str, name: &str) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    // SAFETY: this process has one thread.
    if unsafe { fork() }?.is_child() {
        return walk_on(bus, name);
    }
    wait()?;
    Ok(())
}

fn walk_on(bus: &str, name: &str) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    let (mut word, mut done) = (bare(&std::io::stdin()), bare(&std::io::stdout()));
    done.write_all(&std::process::id().to_le_bytes())?;
    let mut next = || word.read(&mut [0; 1]).map(|count| count > 0);
    let mut said = || done.write_all(&[0]);
    let (mut opened, mut agent) = (None::<Bus>, None::<&'static Agent>);
    let mut subscription = None::<Subscription<'static>>;
    for step in STEPS {
        if !next()? {
            return Ok(());
        }
        match (step, agent) {
            (Step::Open, _) => opened = Some(Bus::open(bus)?),
            (Step::Attach, _) => {
                let Some(bus) = &opened else { continue };
                // A subscription borrows it; the process ends with both.
                agent = Some(Box::leak(Box::new(bus.attach(name)?)));
            }
            (Step::Subscribe, Some(agent)) => subscription = Some(agent.subscribe(TOPIC, StartAt::Now)?),
            (Step::Receive, Some(agent)) => agent.recv(None)?.release()?,
            (Step::Sample, _) => drop(subscription.as_mut().map(|subscription| subscription.recv(None)).transpose()?),
            (Step::Send, Some(agent)) => drop(agent.send(name, &MESSAGE, &SendOptions::default())?),
            (Step::Look, Some(agent)) => drop(agent.reap()?),
            (_, None) => {}
        }
        said()?;
    }
    next()?;
    Ok(())
}
