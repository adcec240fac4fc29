//! `swarmbus peek`.

use std::process::ExitCode;

use swarmbus_core::Observer;

use crate::exit::Failure;
use crate::message::{Record, summary};
use crate::output::Output;

/// Columns of a payload that the table shows where lines may be as long as they like.
const PREVIEW: usize = 60;

/// Columns that the rest of the table takes.
const REST: usize = 56;

/// Show waiting messages without taking them.
///
/// They come in the order in which they will be taken. Nothing is consumed and nobody is disturbed: the segment is mapped read-only. DELIVERIES counts
/// how often a message was taken so far.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus peek demo/bob
  swarmbus peek demo/bob -n 0 -o jsonl | jq .data

JSON fields: id, sender, lane, deliveries, correlation, content, traceparent (of
a trace), schema (of an archive), and data (text) or data_base64.

Exit codes: 68 unknown bus or name")]
pub struct Args {
    /// Where to look: [BUS/]NAME
    address: String,

    /// Most messages to show, 0 for all
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 10)]
    count: usize,
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let (bus, name) = output.address(&args.address)?;
    let most = if args.count == 0 { usize::MAX } else { args.count };
    let messages = Observer::open(&bus)?.peek(&name, most)?;
    let shown = output.width().map_or(PREVIEW, |width| usize::from(width).saturating_sub(REST).max(REST / 4));
    let rows = messages.iter().map(|message| {
        vec![
            message.id.to_string(),
            message.sender.clone().unwrap_or_else(|| "-".to_owned()),
            message.lane.to_owned(),
            message.deliveries.to_string(),
            message.data.len().to_string(),
            summary(message.content, &message.data, shown),
        ]
    });
    let records: Vec<Record<'_>> = messages.iter().map(Record::from).collect();
    output.records(&["id", "sender", "lane", "deliveries", "bytes", "data"], rows.collect(), &records)?;
    Ok(ExitCode::SUCCESS)
}
