//! `swarmbus dead-letter`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Serialize;
use swarmbus_core::{Bus, Error, Observer};

use crate::exit::Failure;
use crate::message::{Record, summary};
use crate::output::Output;
use crate::watch::List;

/// Columns of a payload that the table shows where lines may be as long as they like.
const PREVIEW: usize = 60;

/// Columns that the rest of the table takes.
const REST: usize = 58;

/// See to dead letters: messages that could not be delivered.
///
/// A message becomes a dead letter when it was delivered too often, when its time is over, or when
/// it was pushed out of a full lane. It goes to the queue that 'declare --dead-letters' names, and
/// keeps in mind where it was sent. There it is a message like any: 'recv --shared' takes it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus dead-letter ls demo
  swarmbus dead-letter show demo/failed
  swarmbus dead-letter redrive demo/failed -n 10
  swarmbus dead-letter drop demo/failed

Exit codes: 68 unknown bus or name, 75 the queue they come from is full")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// List the queues of dead letters, and whose they are
    Ls(List),
    /// Show dead letters and where they were sent, and take none
    Show {
        /// The queue of dead letters: [BUS/]NAME
        queue: String,

        /// Most messages to show, 0 for all
        #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
        count: usize,
    },
    /// Send dead letters to where they were sent before, oldest first
    Redrive {
        /// The queue of dead letters: [BUS/]NAME
        queue: String,

        /// Most messages to send [default: all]
        #[arg(short = 'n', long, value_name = "N")]
        count: Option<u64>,
    },
    /// Drop dead letters for good, oldest first
    Drop {
        /// The queue of dead letters: [BUS/]NAME
        queue: String,

        /// Most messages to drop [default: all]
        #[arg(short = 'n', long, value_name = "N")]
        count: Option<u64>,
    },
}

#[derive(Serialize)]
struct Listed {
    name: String,
    queued: u64,
    from: Vec<String>,
}

#[derive(Serialize)]
struct Redriven {
    redriven: u64,
    left: u64,
}

#[derive(Serialize)]
struct Dropped {
    dropped: u64,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    match args.what {
        What::Ls(list) => return list.show(output, |bus| ls(bus, output)),
        What::Show { queue, count } => show(&queue, count, output)?,
        What::Redrive { queue, count } => {
            let (bus, queue) = output.address(&queue)?;
            let redriven = Bus::open(&bus)?.join()?.redrive(&queue, count.unwrap_or(u64::MAX))?;
            let left = waiting(&Observer::open(&bus)?, &queue);
            let text = format!("{redriven} sent again, {left} left");
            output.record(&text, &Redriven { redriven, left })?;
        }
        What::Drop { queue, count } => {
            let (bus, queue) = output.address(&queue)?;
            let dropped = drop_letters(&bus, &queue, count)?;
            output.record(&format!("{dropped} dropped"), &Dropped { dropped })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn ls(bus: &str, output: &Output) -> Result<(), Failure> {
    let queues = Observer::open(bus)?.queues();
    let mut sources: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for queue in &queues {
        if let Some(letters) = &queue.dead_letters {
            sources.entry(letters.clone()).or_default().push(queue.name.clone());
        }
    }
    let queued = |name: &str| queues.iter().find(|queue| queue.name == name).map_or(0, |queue| queue.queued);
    let listed: Vec<Listed> =
        sources.into_iter().map(|(name, from)| Listed { queued: queued(&name), name, from }).collect();
    let rows = listed.iter().map(|one| vec![one.name.clone(), one.queued.to_string(), one.from.join(", ")]);
    output.records(&["name", "letters", "from"], rows.collect(), &listed)
}

fn waiting(observer: &Observer, name: &str) -> u64 {
    observer.queues().iter().find(|queue| queue.name == name).map_or(0, |queue| queue.queued)
}

fn show(address: &str, count: usize, output: &Output) -> Result<(), Failure> {
    let (bus, queue) = output.address(address)?;
    let most = if count == 0 { usize::MAX } else { count };
    let letters = Observer::open(&bus)?.peek(&queue, most)?;
    let width = output.width().map_or(PREVIEW, |width| usize::from(width).saturating_sub(REST).max(REST / 4));
    let rows = letters.iter().map(|letter| {
        vec![
            letter.id.to_string(),
            letter.sender.clone().unwrap_or_else(|| "-".to_owned()),
            letter.origin.clone().unwrap_or_else(|| "-".to_owned()),
            letter.deliveries.to_string(),
            summary(letter.content, &letter.data, width),
        ]
    });
    let records: Vec<Record<'_>> = letters.iter().map(Record::from).collect();
    output.records(&["id", "sender", "sent to", "deliveries", "data"], rows.collect(), &records)
}

fn drop_letters(bus: &str, queue: &str, count: Option<u64>) -> Result<u64, Failure> {
    let member = Bus::open(bus)?.join()?;
    let Some(count) = count else { return Ok(member.purge(queue)?) };
    let mut dropped = 0;
    while dropped < count {
        match member.try_receive(queue) {
            Ok(Some(letter)) => letter.release()?,
            Ok(None) | Err(Error::Closed { .. }) => break,
            Err(error) => return Err(error.into()),
        }
        dropped += 1;
    }
    Ok(dropped)
}
