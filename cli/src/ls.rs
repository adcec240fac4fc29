//! `swarmbus ls`.

use std::process::ExitCode;

use serde::Serialize;
use swarmbus_core::{Bus, BusInfo, Error, Observer};

use crate::exit::Failure;
use crate::output::Output;
use crate::units;
use crate::watch::Watch;

/// List the buses of this host, or the mailboxes and queues of one.
///
/// Looking costs the agents nothing: the segment is mapped read-only.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus ls
  swarmbus ls demo --watch
  swarmbus ls demo -o jsonl | jq -r 'select(.queued > 0) | .name'

MEMORY is what the bus has committed. OWNER is the process that owns a mailbox.
A bus that cannot be looked into is listed with the reason as its state.

Exit codes: 68 unknown bus")]
pub struct Args {
    /// Bus whose mailboxes and queues to list [default: --bus, else all buses]
    bus: Option<String>,

    #[command(flatten)]
    watch: Watch,
}

/// A bus in the list. One that cannot be looked into has the error's name as its state, and no numbers.
#[derive(Serialize)]
struct Listed {
    name: String,
    state: String,
    error: Option<String>,
    agents: Option<u32>,
    agents_max: Option<u32>,
    queues: Option<u32>,
    committed_bytes: Option<u64>,
    supervisor_pid: Option<u32>,
}

impl Listed {
    fn new(name: String, info: Result<BusInfo, Error>) -> Self {
        let state = info.as_ref().map_or_else(Error::name, |info| info.state).to_owned();
        let (info, error) = match info {
            Ok(info) => (Some(info), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let info = info.as_ref();
        Self {
            name,
            state,
            error,
            agents: info.map(|info| info.members),
            agents_max: info.map(|info| info.agents_max),
            queues: info.map(|info| info.queues),
            committed_bytes: info.map(|info| info.committed_bytes),
            supervisor_pid: info.and_then(|info| info.supervisor_pid),
        }
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.state.clone(),
            or_dash(self.agents),
            or_dash(self.queues),
            or_dash(self.committed_bytes.map(units::bytes)),
            or_dash(self.supervisor_pid),
        ]
    }
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let bus = args.bus.or_else(|| output.named_bus().map(str::to_owned));
    args.watch.show(output, || match &bus {
        Some(bus) => queues(bus, output),
        None => buses(output),
    })
}

fn buses(output: &Output) -> Result<(), Failure> {
    let mut listed = Vec::new();
    for name in Bus::list()? {
        match Observer::open(&name).map(|observer| observer.bus()) {
            // Destroyed since it was listed.
            Err(Error::UnknownBus { .. }) => {}
            info => listed.push(Listed::new(name, info)),
        }
    }
    let rows = listed.iter().map(Listed::row).collect();
    output.records(&["name", "state", "agents", "queues", "memory", "supervisor"], rows, &listed)
}

fn queues(bus: &str, output: &Output) -> Result<(), Failure> {
    let queues = Observer::open(bus)?.queues();
    output.records(QUEUE_HEADERS, queues.iter().map(queue_row).collect(), &queues)
}

/// The columns of a table of queues.
pub const QUEUE_HEADERS: &[&str] = &["name", "owner", "state", "queued", "in flight", "limit", "sent", "taken"];

/// A queue's row under `QUEUE_HEADERS`.
pub fn queue_row(queue: &swarmbus_core::QueueInfo) -> Vec<String> {
    vec![
        queue.name.clone(),
        or_dash(queue.owner),
        if queue.closed { "closed" } else { "open" }.to_owned(),
        queue.queued.to_string(),
        queue.in_flight.to_string(),
        queue.limit.to_string(),
        queue.sent.to_string(),
        queue.taken.to_string(),
    ]
}

/// What there is, or a dash.
pub fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
