//! `swarmbus queue`.

use std::collections::HashSet;
use std::process::ExitCode;

use serde::Serialize;
use swarmbus_core::{Bus, Error, NameKind, Observer, QueueInfo};

use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::ls::or_dash;
use crate::output::Output;
use crate::take::interrupted;
use crate::watch::List;
use crate::{declare, tail};

/// Look after work queues: list, declare, close, empty, move, tap.
///
/// All but 'ls' do the same for mailboxes, and for roles, written @NAME.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus queue ls demo --watch
  swarmbus queue declare demo/jobs --max-deliveries 3 --dead-letters failed
  swarmbus queue close demo/jobs
  swarmbus queue move demo/jobs later -n 100
  swarmbus queue purge demo/jobs
  swarmbus queue tap demo/jobs

TRIES is how often a message is delivered at most, DROPPED counts messages that
are gone for good.

Exit codes: 64 the name is a topic's, 68 unknown bus or name, 75 a mailbox that
another process owns, or a queue that is full or tapped")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// List the work queues and roles of a bus
    Ls(List),
    /// Declare a queue, as 'swarmbus declare' does
    Declare(declare::Args),
    /// Stop intake: senders are refused, receivers get what waits still
    #[command(visible_alias = "stop")]
    Close(Address),
    /// Let messages in again
    Reopen(Address),
    /// Drop everything that waits
    Purge(Address),
    /// Move waiting messages to another queue of the bus
    Move {
        /// The queue they wait in: [BUS/]NAME
        from: String,

        /// The queue they go to: NAME
        to: String,

        /// Most messages to move [default: all that wait]
        #[arg(short = 'n', long, value_name = "N")]
        count: Option<u64>,
    },
    /// Follow what is sent to a queue, as 'swarmbus tail' does
    Tap(tail::Args),
}

#[derive(clap::Args)]
struct Address {
    /// The queue: [BUS/]NAME
    queue: String,
}

#[derive(Serialize)]
struct Changed {
    bus: String,
    queue: String,
    closed: bool,
}

#[derive(Serialize)]
struct Purged {
    purged: u64,
}

#[derive(Serialize)]
struct Moved {
    moved: u64,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    match args.what {
        What::Ls(list) => return list.show(output, |bus| ls(bus, output)),
        What::Declare(args) => return declare::run(args, output),
        What::Tap(args) => return tail::run(args, output),
        What::Close(Address { queue }) => set_closed(&queue, true, output)?,
        What::Reopen(Address { queue }) => set_closed(&queue, false, output)?,
        What::Purge(Address { queue }) => {
            let (bus, queue) = output.address(&queue)?;
            let purged = Bus::open(&bus)?.join()?.purge(&queue)?;
            output.record(&format!("{purged} dropped"), &Purged { purged })?;
        }
        What::Move { from, to, count } => move_messages(&from, &to, count, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn ls(bus: &str, output: &Output) -> Result<(), Failure> {
    let observer = Observer::open(bus)?;
    let names = observer.names("*").into_iter();
    let is_queue = |kind| matches!(kind, NameKind::Queue | NameKind::Role);
    let wanted: HashSet<String> = names.filter(|name| is_queue(name.kind)).map(|name| name.name).collect();
    let queues: Vec<QueueInfo> = observer.queues().into_iter().filter(|queue| wanted.contains(&queue.name)).collect();
    let headers = ["name", "state", "queued", "in flight", "limit", "tries", "dead letters", "dropped"];
    output.records(&headers, queues.iter().map(row).collect(), &queues)
}

fn row(queue: &QueueInfo) -> Vec<String> {
    vec![
        queue.name.clone(),
        if queue.closed { "closed" } else { "open" }.to_owned(),
        queue.queued.to_string(),
        queue.in_flight.to_string(),
        queue.limit.to_string(),
        or_dash(queue.max_deliveries),
        or_dash(queue.dead_letters.as_deref()),
        queue.dropped.to_string(),
    ]
}

fn set_closed(address: &str, closed: bool, output: &Output) -> Result<(), Failure> {
    let (bus, queue) = output.address(address)?;
    let member = Bus::open(&bus)?.join()?;
    if closed {
        member.close_queue(&queue)?
    } else {
        member.reopen_queue(&queue)?
    }
    let word = if closed { "closed" } else { "open" };
    let text = if output.verbose() { format!("{bus}/{queue} is {word}") } else { String::new() };
    output.record(&text, &Changed { bus, queue, closed })
}

fn move_messages(from: &str, to: &str, count: Option<u64>, output: &Output) -> Result<(), Failure> {
    let (bus, from) = output.address(from)?;
    let interrupt = Interrupt::install()?;
    let observer = Observer::open(&bus)?;
    if from == to {
        return Err(Failure::usage(format!("the messages of {from} are there already: name another queue")));
    }
    // What comes meanwhile is not meant, or a queue in use would never be moved to its end.
    let queue = observer.queues().into_iter().find(|queue| queue.name == from);
    let waiting = queue.ok_or_else(|| Error::UnknownAgent { name: from.clone(), bus: bus.clone() })?.queued;
    let member = Bus::open(&bus)?.join()?;
    let mut moved = 0;
    while moved < count.unwrap_or(waiting) {
        interrupt.check()?;
        let Some(message) = member.try_receive(&from)? else { break };
        let forwarded = message.forward_until(to, None, &mut || interrupt.pending().is_some());
        // A message that cannot go stays where it was.
        forwarded.map_err(|refused| interrupted(refused.error, &interrupt))?;
        moved += 1;
    }
    output.record(&format!("{moved} moved"), &Moved { moved })
}
