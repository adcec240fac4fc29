//! The run itself: one loop that starts what is due, sleeps, and answers what woke it.

mod adopting;
mod asked;
mod beginning;
mod ending;
mod forking;
mod health;
mod metrics;
mod noting;
mod parting;
mod readiness;
mod reaping;
mod reload;
mod scaling;
mod settings;
mod starting;
mod stopping;

use crate::config::Topology;
use crate::control::Control;
use crate::drain::{Drain, Mode};
use crate::ending::Ending;
use crate::event::{Event, Next};
use crate::exit::Exit;
use crate::log;
use crate::note::Beginning;
use crate::pool::{Fleet, Slot, State};
use crate::process::{Spawner, collect, has_ended, signal_group};
use crate::ready::Probe;
use crate::record::Records;
use crate::restart::{Chance, Verdict};
use crate::rotate::Rotator;
use crate::rundir::{RunDir, RunDirError};
use crate::scale::Scaler;
use crate::show::Show;
use crate::status::{Known, Status, status};
use crate::stop::Stop;
use crate::systemd::{self, Systemd};
use crate::tally::Tally;
use crate::watch::{self, Watch};
use crate::zygote::Zygote;
use parting::Part;
use reaping::REAP_AGAIN;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use swarmbus_core::{Bus, Error, Member, Observer, Reaped};

pub use beginning::{stand_by, up};

/// Why a run could not begin, or broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpError {
    /// The bus is there already.
    #[error(
        "the bus {bus} exists: remove it with `swarmbus down {bus}`, or take it as it is with keep = true in [bus]"
    )]
    BusExists {
        /// The bus.
        bus: String,
    },
    /// An earlier run cannot be cleared away.
    #[error("{bus}: an earlier run cannot be cleared away ({reason}); `swarmbus down {bus}` ends what is left of it")]
    LeftOver {
        /// The bus.
        bus: String,
        /// Why.
        reason: String,
    },
    /// There is a run without a supervisor, and it cannot be gone on with.
    #[error(
        "{bus} has a run whose supervisor is dead, and this one cannot take it over: {reason}; `swarmbus down {bus}` ends it"
    )]
    TakeOver {
        /// The bus.
        bus: String,
        /// Why.
        reason: String,
    },
    /// There is no run to stand by for.
    #[error("{bus} has no run to stand by for: start it first, with `swarmbus up`")]
    NobodyToStandByFor {
        /// The bus.
        bus: String,
    },
    /// The bus said no.
    #[error(transparent)]
    Bus(#[from] Error),
    /// The run directory could not be had.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The system does not let us have so many children.
    #[error(
        "{agents} processes need a descriptor each, and the limit of open files allows {most}: raise it (ulimit -n), or make the pools smaller"
    )]
    TooManyProcesses {
        /// Processes of the topology.
        agents: u32,
        /// How many there could be.
        most: u64,
    },
    /// A pool requires what the system does not allow.
    #[error("{missing}; leave it out, or take `required` away to go on without it")]
    NotAllowed {
        /// What, and what would allow it.
        missing: String,
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

fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> UpError {
    let what = what.into();
    move |error| UpError::System { what, error }
}

/// Processes started in one turn of the loop; then signals and deaths get their turn.
const STARTS_PER_TURN: usize = 16;

/// The process in a slot.
struct Child {
    pidfd: OwnedFd,
    /// Where its output begins in its log.
    log_from: u64,
    /// Another supervisor started it, so it is not our child.
    adopted: bool,
}

struct Run<'a> {
    /// What runs: the file, and what was changed since by hand. Pools keep their places; one that was removed has a size of 0.
    topology: Topology,
    /// What the file said when it was last read.
    loaded: Topology,
    show: &'a mut dyn Show,
    beginning: Beginning,
    begun: Instant,
    bus: Bus,
    member: Member,
    observer: Observer,
    rundir: RunDir,
    logs: PathBuf,
    rotator: Rotator,
    records: Records,
    watch: Watch,
    control: Control,
    systemd: Systemd,
    spawner: Spawner,
    fleet: Fleet,
    /// By slot.
    children: Vec<Option<Child>>,
    chance: Chance,
    next_reap: Duration,
    /// When everybody is looked after, our children as well, whose deaths we are told of.
    next_pass: Duration,
    /// When those are looked for whom nobody looks after.
    next_strays: Duration,
    /// Slots whose processes have ended in this turn, and may have left something.
    just_ended: Vec<usize>,
    /// By slot: agents that are being stopped while the others go on.
    stops: BTreeMap<usize, Stop>,
    /// Slots whose mailboxes were closed for that, and are to be opened again.
    closed: BTreeSet<usize>,
    /// Drains of some agents.
    parts: Vec<Part>,
    /// Slots whose processes are ready; known only of those that somebody depends on.
    ready: BTreeSet<usize>,
    /// By slot: what is looked at until it is ready.
    probes: BTreeMap<usize, Probe>,
    next_look: Duration,
    /// By pool: those that grow and shrink.
    scalers: BTreeMap<usize, Scaler>,
    next_scale: Duration,
    /// By pool.
    zygotes: BTreeMap<usize, Zygote>,
    /// Children that were there before us, from before an `exec`: they are none of our business.
    others: BTreeSet<u32>,
    exporter: metrics::Exporter,
    drain: Option<Drain>,
    /// What the drain has done.
    tally: Option<Tally>,
    ending: Option<Ending>,
    announced: bool,
    /// Another supervisor began this run.
    took_over: bool,
    /// An agent has ended that another supervisor had started, and may have left something outside its group.
    may_be_left: bool,
    redelivered: u64,
    told_left: usize,
    /// Until when somebody may come back who had asked a dead supervisor for a drain.
    asker_until: Duration,
    guard: health::Guard,
}

impl Run<'_> {
    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn turn_until_over(&mut self) -> Result<(), UpError> {
        loop {
            self.look_for_the_ready();
            self.start_due();
            if self.ending.is_none() && self.fleet.is_over() {
                self.end(Ending::AllEnded, Mode::Gently);
            }
            self.scale_pools();
            self.look_after_health();
            self.stop_on();
            self.parts_on();
            self.drain_on();
            self.note();
            self.systemd.look(self.now());
            if self.drain.as_ref().is_some_and(Drain::is_done) && self.asker_until().is_none() {
                return Ok(());
            }
            let timeout = self.next_deadline().map(|at| at.saturating_sub(self.now()));
            for event in self.watch.wait(timeout).map_err(system("cannot wait for events"))? {
                match event {
                    watch::Event::Signal(signal) => self.signalled(signal),
                    watch::Event::Ended(slot) => self.ended(slot),
                    watch::Event::Zygote(pool) => self.zygote_speaks(pool),
                    watch::Event::Knock => self.control.knock(&self.watch),
                    watch::Event::Client(id) => self.asked(id),
                }
            }
            self.end_strays_of_ended();
            if self.now() >= self.next_reap {
                self.reap_all();
            }
        }
    }

    fn next_deadline(&self) -> Option<Duration> {
        let drain = self.drain.as_ref().and_then(Drain::deadline);
        let now = self.now();
        let stops = self.stops.values().filter_map(|stop| stop.deadline(now)).min();
        let guard = self.guard.deadline(now);
        let look = self.fleet.slots().iter().any(|slot| slot.blocked).then_some(self.next_look);
        let scale = self.scales().then_some(self.next_scale);
        let (systemd, asker) = (self.systemd.deadline(), self.asker_until());
        [self.fleet.next_due(), drain, stops, look, scale, systemd, guard, asker, Some(self.next_reap)]
            .into_iter()
            .flatten()
            .min()
    }

    fn ended(&mut self, at: usize) {
        let Some(pid) = self.fleet.slot(at).state.pid() else { return };
        let Some(child) = self.children[at].take() else { return };
        let Some(exit) = collect(pid, &child.pidfd) else {
            self.children[at] = Some(child);
            return;
        };
        self.watch.forget(&child.pidfd);
        self.gone(at, pid, exit, child.log_from, child.adopted);
    }

    /// The process of a slot is no more.
    fn gone(&mut self, at: usize, pid: u32, exit: Exit, log_from: u64, adopted: bool) {
        self.stops.remove(&at);
        self.ready.remove(&at);
        self.probes.remove(&at);
        // First of all: somebody waits for what it held.
        let reaped = self.reap(|member| member.reap_process(pid));
        if adopted {
            self.end_group(pid);
        } else {
            self.just_ended.push(at);
        }
        self.part_handed_back(at, reaped.redelivered);
        // What is left of its group was killed just now and has memberships of its own.
        self.next_reap = self.next_reap.min(self.now() + REAP_AGAIN);
        let slot = self.fleet.slot(at);
        let told = matches!(slot.state, State::Stopping { .. });
        let failed = !exit.is_success() && slot.pool.is_some() && !told;
        let tail = if failed { log::tail(&self.logs.join(format!("{}.log", slot.name)), log_from) } else { Vec::new() };
        self.settle(at, Some(pid), exit, None, reaped, tail);
    }

    fn settle(
        &mut self,
        at: usize,
        pid: Option<u32>,
        exit: Exit,
        error: Option<String>,
        reaped: Reaped,
        tail: Vec<String>,
    ) {
        let chance = self.chance.draw();
        let finishing = self.drain.as_ref().is_some_and(Drain::lets_pools_finish);
        let unfinished = finishing && self.fleet.slot(at).pool.is_some() && reaped.redelivered > 0;
        let told = self.ending.is_none() && matches!(self.fleet.slot(at).state, State::Stopping { .. });
        let verdict = self.fleet.ended(at, exit, unfinished, self.now(), chance);
        let slot = self.fleet.slot(at);
        let next = match &verdict {
            _ if told => Next::AsAsked,
            Verdict::Retry { after } => Next::Restart(after.as_secs_f64()),
            Verdict::Finished => Next::Nothing,
            Verdict::Failed(why) => Next::GivenUp(why.clone()),
        };
        let pool = slot.pool;
        let pool_name = pool.map(|pool| self.topology.pools[pool].name.clone());
        let agent = slot.name.clone();
        let redelivered = reaped.redelivered;
        self.say(Event::Ended { agent, pool: pool_name.clone(), pid, exit, error, redelivered, next, tail });
        if told {
            self.tell_what_waits(at);
        }
        if let (Verdict::Retry { after }, false, Some(pool), None) = (&verdict, told, &pool_name, &self.ending) {
            self.restart_group(at, pool, *after);
        }
        let over = !told && matches!(verdict, Verdict::Finished | Verdict::Failed(_));
        match (pool, pool_name) {
            (None, _) if over => self.end(Ending::Coordinator(exit), Mode::Gently),
            (Some(number), Some(name)) if over && self.fleet.pool_has_failed(number) => {
                self.say(Event::PoolFailed { pool: name.clone() });
                self.end(Ending::PoolFailed(name), Mode::Gently);
            }
            _ => {}
        }
    }

    /// Signals the group of an agent.
    fn signal_agent(&self, at: usize, signal: Signal) {
        let Some(pid) = self.fleet.slot(at).state.pid() else { return };
        // The number of one that is not our child may mean another as soon as it has ended.
        if !self.children[at].as_ref().is_some_and(|child| child.adopted && has_ended(&child.pidfd)) {
            signal_group(pid, signal);
        }
    }

    fn signalled(&mut self, signal: i32) {
        let force = self.drain.is_some() || signal == signal_hook::consts::SIGQUIT;
        self.end(Ending::Signal(signal), if force { Mode::Forcibly } else { Mode::Gently });
    }

    fn status(&self) -> Status {
        let now = self.now();
        let known = |slot: &Slot| {
            let pid = slot.state.pid();
            let uptime_s = slot.state.since().map(|since| now.saturating_sub(since).as_secs_f64());
            let state = if self.drain.is_some() && pid.is_some() { "draining" } else { slot.state.word() };
            Known {
                name: slot.name.clone(),
                pool: slot.pool.map(|pool| self.topology.pools[pool].name.clone()),
                pid,
                state: state.to_owned(),
                restarts: slot.restarts,
                uptime_s,
                last_exit: slot.last.map(|exit| exit.to_string()),
            }
        };
        let state = match (&self.drain, self.announced) {
            (Some(_), _) => "draining",
            (None, false) => "starting",
            (None, true) => "running",
        };
        status(&self.observer, state, Some(std::process::id()), self.present().map(known).collect())
    }

    /// The slots that are filled or may be.
    fn present(&self) -> impl Iterator<Item = &Slot> {
        self.fleet.slots().iter().filter(|slot| slot.state != State::Gone)
    }

    /// Tells whoever watches.
    fn say(&mut self, event: Event) {
        self.show.show(&event);
        self.tell(&event);
    }

    /// Tells those who are not at the terminal.
    fn tell(&mut self, event: &Event) {
        systemd::tell(event);
        self.records.tell(event, &self.member);
        self.control.tell_event(event, &self.watch);
        self.hook(event);
    }

    fn warn(&mut self, text: String) {
        self.say(Event::Warning { text });
    }
}
