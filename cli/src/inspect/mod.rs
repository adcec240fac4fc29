//! `swarmbus inspect`.

pub mod shared;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use swarmbus_core::{
    BusInfo, Error, Latencies, LockInfo, MemberInfo, Observer, QueueInfo, StatusInfo, TopicInfo, check_name,
};

use crate::exit::Failure;
use crate::ls::{QUEUE_HEADERS, or_dash, queue_row};
use crate::output::Output;
use crate::units;

/// Show everything about a bus, or about an agent, queue or topic.
///
/// The segment is the whole system, so a copy of its file can be inspected as well: on another day,
/// on another host, after everything has died.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus inspect demo
  swarmbus inspect demo bob
  swarmbus inspect demo -o json | jq '.locks[] | select(.waits_behind > 0)'
  swarmbus inspect demo/bob -o json
  cp --sparse=always /dev/shm/swarmbus.demo post-mortem
  swarmbus inspect --file post-mortem

Exit codes: 65 corrupt segment or no segment, 66 no such copy, 68 unknown bus or
name, 77 permission")]
pub struct Args {
    /// BUS, or BUS/NAME; with --file: NAME [default: --bus, then $SWARMBUS]
    address: Option<String>,

    /// Agent, queue, @role or topic to show
    name: Option<String>,

    /// Inspect a copy of a segment instead of a live one
    #[arg(long, value_name = "COPY", conflicts_with = "name")]
    file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Whole {
    bus: BusInfo,
    members: Vec<MemberInfo>,
    queues: Vec<QueueInfo>,
    topics: Vec<TopicInfo>,
    locks: Vec<LockInfo>,
    statuses: Vec<StatusInfo>,
    latencies: Latencies,
}

#[derive(Serialize)]
struct One {
    queue: QueueInfo,
    owner: Option<MemberInfo>,
    status: Option<StatusInfo>,
    locks: Vec<LockInfo>,
}

#[derive(Serialize)]
struct OneTopic {
    topic: TopicInfo,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let (observer, name) = match &args.file {
        Some(copy) => (open_copy(copy)?, args.address),
        None => {
            let (bus, name) = match args.address.as_deref().map(|address| address.split_once('/').ok_or(address)) {
                None => (None, None),
                Some(Err(bus)) => (Some(bus), args.name),
                Some(Ok((bus, name))) if args.name.is_none() => (Some(bus), Some(name.to_owned())),
                Some(Ok(_)) => return Err(Failure::usage("the name is given twice: write BUS NAME or BUS/NAME")),
            };
            (Observer::open(&output.bus(bus)?)?, name)
        }
    };
    match name {
        Some(name) => one(&observer, name, output)?,
        None => whole(&observer, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A copy of a segment, to be looked at.
pub fn open_copy(copy: &Path) -> Result<Observer, Failure> {
    // What the core says of a bus, such as to create it, does not fit a file.
    File::open(copy).map_err(|error| Failure::no_input(copy, &error))?;
    Observer::open_file(copy).map_err(|error| match error {
        Error::NotReady { .. } => Failure::data(format!("{} is no complete copy of a segment", copy.display())),
        error => Failure::from(error).within(copy.display()),
    })
}

fn whole(observer: &Observer, output: &Output) -> Result<(), Failure> {
    let data = Whole {
        bus: observer.bus(),
        members: observer.members(),
        queues: observer.queues(),
        topics: observer.topics(),
        locks: observer.locks(),
        statuses: observer.statuses("*"),
        latencies: observer.latencies(),
    };
    let mut sections = vec![facts(&data.bus)];
    let classes = data.bus.heap.classes.iter().map(|class| {
        let chunks = [class.chunks.free, class.chunks.held, class.chunks.queued, class.chunks.in_flight];
        let mut row = vec![units::bytes(class.payload_bytes), class.spans.to_string()];
        row.extend(chunks.map(|count| count.to_string()));
        row
    });
    let headers = ["payload", "spans", "free", "held", "queued", "in flight"];
    section(&mut sections, output, "Size classes", &headers, classes.collect());
    let members = data.members.iter().map(|member| {
        vec![
            member.index.to_string(),
            member.incarnation.to_string(),
            member.pid.to_string(),
            member.state.to_owned(),
            or_dash(member.agent.as_deref()),
            member.held.to_string(),
            member.in_flight.to_string(),
        ]
    });
    let headers = ["index", "incarnation", "pid", "state", "agent", "held", "in flight"];
    section(&mut sections, output, "Members", &headers, members.collect());
    section(&mut sections, output, "Queues", QUEUE_HEADERS, data.queues.iter().map(queue_row).collect());
    section(&mut sections, output, "Topics", shared::TOPIC_HEADERS, data.topics.iter().map(shared::topic).collect());
    section(&mut sections, output, "Locks", shared::LOCK_HEADERS, data.locks.iter().map(shared::lock).collect());
    let statuses = data.statuses.iter().map(shared::status).collect();
    section(&mut sections, output, "Agents", shared::STATUS_HEADERS, statuses);
    section(&mut sections, output, "Latencies", shared::LATENCY_HEADERS, shared::latencies(&data.latencies.all));
    output.record(&sections.join("\n\n"), &data)
}

fn one(observer: &Observer, name: String, output: &Output) -> Result<(), Failure> {
    // A role has a queue as well, `@role`.
    check_name(name.strip_prefix('@').unwrap_or(&name))?;
    if let Some(topic) = observer.topics().into_iter().find(|topic| topic.name == name) {
        let mut sections = vec![aligned(&shared::topic_facts(&topic))];
        let subscribers = topic.subscribers.iter().map(shared::subscriber).collect();
        section(&mut sections, output, "Subscribers", shared::SUBSCRIBER_HEADERS, subscribers);
        return output.record(&sections.join("\n\n"), &OneTopic { topic });
    }
    let Some(queue) = observer.queues().into_iter().find(|queue| queue.name == name) else {
        return Err(Error::UnknownAgent { name, bus: observer.bus().name }.into());
    };
    let owner = queue.owner.and_then(|pid| {
        observer.members().into_iter().find(|member| member.pid == pid && member.agent.as_ref() == Some(&queue.name))
    });
    let lines = [
        ("queue", queue.name.clone()),
        ("state", if queue.closed { "closed" } else { "open" }.to_owned()),
        (
            "owner",
            match (&owner, queue.owner) {
                (Some(member), _) => format!("process {} ({}), member {}", member.pid, member.state, member.index),
                (None, Some(pid)) => format!("process {pid}"),
                (None, None) => "nobody".to_owned(),
            },
        ),
        ("limit", format!("{} messages per lane", queue.limit)),
        ("waiting", queue.queued.to_string()),
        ("in flight", queue.in_flight.to_string()),
        ("sent", queue.sent.to_string()),
        ("taken", queue.taken.to_string()),
    ];
    let mut sections = vec![aligned(&lines)];
    let lanes = queue.lanes.iter().map(|lane| vec![lane.lane.to_owned(), lane.depth.to_string()]);
    section(&mut sections, output, "Lanes", &["lane", "depth"], lanes.collect());
    let status = observer.statuses(&name).into_iter().next();
    if let Some(status) = &status {
        sections.push(format!("Status:\n{}", aligned(&shared::status_facts(status))));
    }
    let locks: Vec<LockInfo> =
        observer.locks().into_iter().filter(|lock| lock.agent.as_ref() == Some(&queue.name)).collect();
    section(&mut sections, output, "Locks", shared::LOCK_HEADERS, locks.iter().map(shared::lock).collect());
    output.record(&sections.join("\n\n"), &One { queue, owner, status, locks })
}

fn facts(bus: &BusInfo) -> String {
    let created = UNIX_EPOCH + Duration::from_secs(bus.created_unix_s);
    let age = SystemTime::now().duration_since(created).unwrap_or_default();
    let chunks = &bus.heap.chunks;
    aligned(&[
        ("bus", bus.name.clone()),
        ("state", bus.state.to_owned()),
        ("created", format!("{} ({} ago)", humantime::format_rfc3339_seconds(created), units::age(age))),
        ("layout", bus.layout.to_string()),
        ("agents", format!("{} of {}", bus.members, bus.agents_max)),
        ("queues", bus.queues.to_string()),
        ("limit", format!("{} messages per lane", bus.limit)),
        ("segment", format!("{}, {} committed", units::bytes(bus.segment_bytes), units::bytes(bus.committed_bytes))),
        ("supervisor", bus.supervisor_pid.map_or_else(|| "none".to_owned(), |pid| format!("process {pid}"))),
        (
            "heap",
            format!("{}, {} of {} spans in use", units::bytes(bus.heap.bytes), bus.heap.spans_active, bus.heap.spans),
        ),
        (
            "chunks",
            format!(
                "{} free, {} held, {} queued, {} in flight",
                chunks.free, chunks.held, chunks.queued, chunks.in_flight
            ),
        ),
    ])
}

/// Labels and facts, one a line.
pub fn aligned(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    lines.iter().map(|(label, value)| format!("{label:width$}  {value}")).collect::<Vec<_>>().join("\n")
}

fn section(sections: &mut Vec<String>, output: &Output, title: &str, headers: &[&str], rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        sections.push(format!("{title}:\n{}", output.list(headers, rows)));
    }
}
