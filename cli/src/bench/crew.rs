//! The agents of a measurement: started on a bus of their own, ended with it, also when something fails.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use std::os::unix::process::CommandExt;
use swarmbus_core::{Agent, Bus, CreateOptions, Error};

use super::agent::{self, Duty};
use crate::exit::{self, Failure};
use crate::interrupt::Interrupt;

/// The mailbox of the command itself.
pub const COORDINATOR: &str = "coordinator";

/// What a Python agent does: as [`Duty::Answer`].
const PYTHON: &str = "\
import swarmbus
with swarmbus.connect() as me:
    me.send('coordinator', b'ready')
    try:
        while True:
            me.recv().release()
            me.send('coordinator', b'done')
    except swarmbus.Closed:
        pass
";

/// Agents that a process forks which has imported what they need. They end with it, and it ends with the first of them.
const FORKER: &str = "\
import ctypes, os, sys
program, count = compile(sys.argv[1], 'agent', 'exec'), int(sys.argv[2])
import swarmbus
prctl = ctypes.CDLL(None).prctl
for number in range(count):
    try:
        child = os.fork()
    except OSError as error:
        sys.exit(f'cannot fork agent {number} of {count}: {error.strerror}; swarmbus doctor tells the limits')
    if child == 0:
        prctl(1, 9)
        os.environ['SWARMBUS_AGENT'] = f'agent-{number}'
        exec(program)
        os._exit(0)
os.wait()
";

/// Bytes of messages that wait at most.
const WAITING: u64 = 64 << 20;
/// How long nobody may say anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether the agents live, while nobody says anything.
const LOOK: Duration = Duration::from_secs(1);

/// What the agents run.
pub enum Program<'a> {
    /// This one.
    Native { duty: Duty, size: u64, spin: bool },
    /// A script in this interpreter; `fork`: in processes that one interpreter forks.
    Python { interpreter: &'a Path, fork: bool },
}

/// A bus with a coordinator, which is this process, and its agents.
pub struct Crew {
    bus: Bus,
    pub coordinator: Agent,
    agents: Vec<Child>,
    interrupt: Interrupt,
    /// When it was last looked whether the agents live.
    looked: Instant,
}

impl Crew {
    /// Starts `count` agents and waits until each has said that it is there; says how long that took.
    pub fn gather(count: u32, size: u64, program: &Program<'_>) -> Result<(Crew, Duration), Failure> {
        let interrupt = Interrupt::install()?;
        let limit = (WAITING / size.max(1)).clamp(4, 1000).max(u64::from(count));
        let options = CreateOptions {
            agents: count + 16,
            heap: (1 << 30).max(2 * size * limit),
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            ..CreateOptions::default()
        };
        let bus = Bus::create(&format!("bench-{}", std::process::id()), &options)?;
        let coordinator = bus.attach(COORDINATOR).inspect_err(|_| drop(bus.destroy()))?;
        let started = Instant::now();
        let mut crew = Crew { bus, coordinator, agents: Vec::new(), interrupt, looked: started };
        let starts = if matches!(program, Program::Python { fork: true, .. }) { 1 } else { count };
        for number in 0..starts {
            let agent = crew.start(number, count, program)?;
            crew.agents.push(agent);
        }
        for _ in 0..count {
            crew.hear(false)?;
        }
        Ok((crew, started.elapsed()))
    }

    fn start(&self, number: u32, count: u32, program: &Program<'_>) -> Result<Child, Failure> {
        let mut command = match program {
            Program::Native { duty, size, spin } => {
                let mut command = Command::new("/proc/self/exe");
                let duty = duty.to_possible_value().map(|duty| duty.get_name().to_owned()).unwrap_or_default();
                command.args(["bench", "agent", "--duty", &duty, "--size", &size.to_string()]);
                command.args(spin.then_some("--spin"));
                command
            }
            Program::Python { interpreter, fork } => {
                let mut command = Command::new(interpreter);
                command.arg("-c");
                if *fork {
                    command.args([FORKER, PYTHON, &count.to_string()]);
                } else {
                    command.arg(PYTHON);
                }
                command
            }
        };
        command.env("SWARMBUS", self.bus.name()).env("SWARMBUS_AGENT", name(number)).stdin(Stdio::null());
        // SAFETY: between fork and exec there is one system call.
        unsafe { command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGKILL)?)) };
        command.spawn().map_err(|error| {
            let limits = if error.kind() == ErrorKind::WouldBlock { "; swarmbus doctor tells the limits" } else { "" };
            Failure::system(format!("cannot start agent {number} of {count}: {error}{limits}"))
        })
    }

    /// Waits for a message of an agent, while all of them live. `spin`: without sleeping.
    pub fn hear(&mut self, spin: bool) -> Result<(), Failure> {
        let mut silent = Duration::ZERO;
        while silent < PATIENCE {
            let interrupted = &mut || self.interrupt.pending().is_some();
            match agent::next(&self.coordinator, spin, Some(LOOK), interrupted) {
                Ok(message) => return Ok(message.release()?),
                Err(Error::Timeout) => silent += LOOK,
                Err(Error::Interrupted) => self.interrupt.check()?,
                Err(error) => return Err(error.into()),
            }
            self.check_alive()?;
        }
        let what = format!("no agent has said anything for {} s", PATIENCE.as_secs());
        Err(Failure::new(exit::TEMPORARY, what))
    }

    /// Fails if an agent has ended: what the others do is not what is to be measured.
    pub fn check_alive(&mut self) -> Result<(), Failure> {
        for agent in &mut self.agents {
            if let Ok(Some(status)) = agent.try_wait() {
                let what = format!("agent {} ended early: {status}; what it said stands above", agent.id());
                return Err(Failure::system(what));
            }
        }
        Ok(())
    }

    /// Fails if the user has had enough or, as is looked now and then, an agent has ended.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.interrupt.check()?;
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        self.check_alive()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // Who waits is told that the bus is closed. Nothing else can be done about a failure here.
        let _ = self.bus.destroy();
        for agent in &mut self.agents {
            let _ = agent.kill();
        }
        for agent in &mut self.agents {
            let _ = agent.wait();
        }
    }
}

/// The name of an agent.
pub fn name(number: u32) -> String {
    format!("agent-{number}")
}
