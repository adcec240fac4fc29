//! How a supervisor comes to its run: it begins one, or takes over one whose supervisor is dead.

use super::adopting::Found;
use super::health::Guard;
use super::metrics::Exporter;
use super::noting::first;
use super::reaping::REAP_EVERY;
use super::{Run, UpError, settings, system};
use crate::config::Topology;
use crate::control::Control;
use crate::drain::Drain;
use crate::event::Event;
use crate::janitor;
use crate::note::Beginning;
use crate::pool::Fleet;
use crate::process::Spawner;
use crate::record::{self, Records};
use crate::restart::Chance;
use crate::rotate::Rotator;
use crate::rundir::{Claim, RunDir, RunDirError};
use crate::show::Show;
use crate::systemd::{self, Systemd};
use crate::watch::Watch;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use swarmbus_core::{Bus, Error, Member, QueueOptions};

/// Starts a topology and stays with it until it ends; if its supervisor is dead and its agents live, takes it over as it is. The answer
/// is the exit code.
///
/// Takes over SIGINT, SIGTERM, SIGHUP and SIGQUIT of the process for that time.
pub fn up(topology: &Topology, show: &mut dyn Show) -> Result<u8, UpError> {
    let means = Means::have(topology)?;
    sweep(&topology.bus.name, show);
    let claim = Claim::take(&topology.bus.name)?;
    match Found::look(&claim, topology)? {
        Some(found) if found.is_to_go_on() => found.take_over(claim, means, topology, show),
        _ => begin(claim, means, topology, show),
    }
}

/// Waits until the supervisor of a run dies, and takes over then. The answer is the exit code: 0 if the run ends before that.
pub fn stand_by(topology: &Topology, show: &mut dyn Show) -> Result<u8, UpError> {
    let bus = &topology.bus.name;
    let Some(dir) = crate::rundir::find(bus) else { return Err(UpError::NobodyToStandByFor { bus: bus.clone() }) };
    show.show(&Event::StandingBy { bus: bus.clone(), supervisor_pid: crate::rundir::supervisor(&dir) });
    systemd::stands_by(bus);
    let (sender, receiver) = channel();
    // Signals end a standby as they end any program. A thread waits for the lock, since a watchdog wants to hear from us meanwhile.
    std::thread::spawn(move || sender.send(Claim::wait(&dir)));
    let every = Systemd::of_environment().every().unwrap_or(Duration::MAX);
    let claim = loop {
        match receiver.recv_timeout(every) {
            Ok(claim) => break claim?,
            Err(RecvTimeoutError::Timeout) => systemd::alive(),
            Err(RecvTimeoutError::Disconnected) => break None,
        }
    };
    let found = match &claim {
        Some(claim) => Found::look(claim, topology)?,
        None => None,
    };
    match (claim, found) {
        (Some(claim), Some(found)) => found.take_over(claim, Means::have(topology)?, topology, show),
        // The run ended as it should, at the latest when it was cleared away.
        (claim, _) => {
            if let Some(claim) = claim {
                claim.clear(true);
            }
            show.show(&Event::NotNeeded { bus: bus.clone() });
            Ok(0)
        }
    }
}

/// Removes what dead runs of other buses have left.
fn sweep(bus: &str, show: &mut dyn Show) {
    for leftover in janitor::find().into_iter().filter(|leftover| leftover.bus != bus) {
        // What cannot be removed now stays for the next one, or for whoever asks.
        if let Ok(logs) = janitor::mend(&leftover) {
            show.show(&Event::Swept { bus: leftover.bus, unread: leftover.unread, logs });
        }
    }
}

/// What a supervisor needs of the system before it touches a run.
pub(super) struct Means {
    pub(super) watch: Watch,
    pub(super) spawner: Spawner,
}

impl Means {
    fn have(topology: &Topology) -> Result<Means, UpError> {
        let agents = topology.agents();
        let spawner = Spawner::new(agents).map_err(|most| UpError::TooManyProcesses { agents, most })?;
        crate::strays::adopt_orphans();
        Ok(Means { watch: Watch::new().map_err(system("cannot watch for signals"))?, spawner })
    }
}

fn begin(claim: Claim, means: Means, topology: &Topology, show: &mut dyn Show) -> Result<u8, UpError> {
    let plan = &topology.bus;
    if let Err(error) = settings::check_required(topology) {
        claim.clear(false);
        return Err(error);
    }
    if let Err(error) = janitor::sweep(&plan.name, claim.path())
        && !plan.keep
    {
        claim.clear(false);
        return Err(UpError::LeftOver { bus: plan.name.clone(), reason: error.to_string() });
    }
    // A bus that is not ours must not look as if this run had made it.
    if !plan.keep && !matches!(Bus::open(&plan.name), Err(Error::UnknownBus { .. })) {
        claim.clear(false);
        return Err(UpError::BusExists { bus: plan.name.clone() });
    }
    let begun = Beginning::now();
    let dir = claim.path().to_owned();
    let mut rundir = claim.begin().map_err(|error| RunDirError::System { path: dir, error })?;
    let made = match rundir.notes.run(first(topology, begun)) {
        Ok(()) => make_bus(topology),
        Err(error) => Err(system("cannot write to the run directory")(error)),
    };
    let bus = match made {
        Ok(bus) => bus,
        Err(error) => {
            rundir.finish(false);
            return Err(error);
        }
    };
    let result = prepare(&bus, topology).and_then(|member| {
        let fleet = Fleet::new(topology);
        let parts =
            Parts { loaded: topology.clone(), topology: topology.clone(), fleet, begun, bus: &bus, member, rundir };
        parts.assemble(means, show)
    });
    let result = result.and_then(Run::stay);
    if result.is_err() && !plan.keep {
        let _ = bus.destroy();
    }
    result
}

fn make_bus(topology: &Topology) -> Result<Bus, UpError> {
    let plan = &topology.bus;
    let made =
        if plan.keep { Bus::open_or_create(&plan.name, &plan.create) } else { Bus::create(&plan.name, &plan.create) };
    made.map_err(|error| match error {
        Error::BusExists { bus } => UpError::BusExists { bus },
        other => UpError::Bus(other),
    })
}

fn prepare(bus: &Bus, topology: &Topology) -> Result<Member, UpError> {
    let fleet = Fleet::new(topology);
    let member = bus.join()?;
    for name in topology.bus.queues.iter().chain(fleet.slots().iter().map(|slot| &slot.name)) {
        bus.declare(name, &QueueOptions::default())?;
        if topology.bus.keep {
            // The drain of an earlier run has closed it.
            member.reopen_queue(name)?;
        }
    }
    Ok(member)
}

/// What a run is made of.
pub(super) struct Parts<'b> {
    pub(super) topology: Topology,
    pub(super) loaded: Topology,
    pub(super) fleet: Fleet,
    pub(super) begun: Beginning,
    pub(super) bus: &'b Bus,
    pub(super) member: Member,
    pub(super) rundir: RunDir,
}

impl Parts<'_> {
    pub(super) fn assemble<'a>(self, means: Means, show: &'a mut dyn Show) -> Result<Run<'a>, UpError> {
        let Parts { topology, loaded, fleet, begun, bus, member, rundir } = self;
        member.supervise()?;
        let logs = topology.logs.clone().unwrap_or_else(|| rundir.path().to_owned());
        std::fs::create_dir_all(&logs)
            .map_err(system(format!("cannot make the folder for logs {}", logs.display())))?;
        let rotator = Rotator::start(topology.log).map_err(system("cannot start a thread that rotates logs"))?;
        let records = Records::open(rundir.path(), topology.log).map_err(system("cannot write down what happens"))?;
        bus.declare_topic(record::TOPIC, &record::topic())?;
        let socket = rundir.socket();
        let control =
            Control::listen(&socket, &means.watch).map_err(system(format!("cannot listen at {}", socket.display())))?;
        let pid = std::process::id();
        let seed = u64::from(pid) ^ crate::process::start_ticks(pid).unwrap_or(1).rotate_left(32);
        Ok(Run {
            topology,
            loaded,
            show,
            beginning: begun,
            begun: begun.instant(),
            bus: bus.clone(),
            member,
            observer: bus.observer()?,
            rundir,
            logs,
            rotator,
            records,
            watch: means.watch,
            control,
            systemd: Systemd::of_environment(),
            spawner: means.spawner,
            children: fleet.slots().iter().map(|_| None).collect(),
            fleet,
            chance: Chance::new(seed),
            next_reap: begun.instant().elapsed() + REAP_EVERY,
            next_pass: Duration::ZERO,
            just_ended: Vec::new(),
            next_strays: Duration::ZERO,
            stops: BTreeMap::new(),
            closed: BTreeSet::new(),
            parts: Vec::new(),
            ready: BTreeSet::new(),
            probes: BTreeMap::new(),
            next_look: Duration::ZERO,
            scalers: BTreeMap::new(),
            next_scale: Duration::ZERO,
            zygotes: BTreeMap::new(),
            exporter: Exporter::default(),
            others: crate::strays::children().into_iter().collect(),
            drain: None::<Drain>,
            tally: None,
            ending: None,
            announced: false,
            took_over: false,
            may_be_left: false,
            redelivered: 0,
            told_left: usize::MAX,
            asker_until: Duration::ZERO,
            guard: Guard::default(),
        })
    }
}

impl Run<'_> {
    /// Turns until the run is over, and cleans up.
    pub(super) fn stay(mut self) -> Result<u8, UpError> {
        for pool in 0..self.topology.pools.len() {
            self.prepare_settings(pool);
        }
        self.keep_exporting();
        let result = self.turn_until_over();
        self.finish(result)
    }
}
