//! The dated record.

use super::Results;
use super::table::{settings, tables, troubles};
use crate::trial::LONGER;
use std::fmt::Write;

/// What is to be known before the figures of a work are compared: the beginning of the work's name, and that.
const LIKE_FOR_LIKE: &[(&str, &str)] = &[
    (
        "batch",
        "Batches: Swarmbus' goes into the queue whole or not at all, and to one receiver; a pipe's or stream's is one write of bytes that only \
         their known length separates; NATS' is a flush, Redis' a pipeline. ZeroMQ makes batches by itself: its one-way-64 is what to look at.",
    ),
    (
        "work-queue",
        "Work queue: what a Swarmbus worker holds goes to another when it dies; what a worker of the others holds dies with it, or what was sent \
         ahead to it (ZeroMQ and NATS choose the worker when a message is sent). Every message arrived exactly once, or the round failed.",
    ),
    (
        "request-reply",
        "Request and reply: Unix sockets have a connection for each asker, made by hand. With one asker, rivals without threads or servers have a \
         core for each process, so that blocking ones wake another core; ZeroMQ and NATS may share one.",
    ),
    (
        "python",
        "Python: messages are bytes objects at hand, copied into shared memory where there is any and read there in place; zenoh's package shows \
         what came through shared memory as a copy. multiprocessing forks one side.",
    ),
    (
        "bash",
        "bash: files and fifo know one reader, and a message is a line; a Swarmbus message is there until somebody has taken it. Each round of \
         bash-stream includes the starting of its commands.",
    ),
];

/// Its text, with a plot beside it.
pub fn text(results: &Results, drawing: &str) -> String {
    let mut text = String::new();
    let day = results.began.split('T').next().unwrap_or_default();
    let machine = &results.machine;
    let how = &results.settings;
    // Writing to a string does not fail.
    let mut line = |line: &str| {
        let _ = writeln!(text, "{line}");
    };
    line(&format!("# Swarmbus and its rivals, {day}\n"));
    line(&format!(
        "{} · {} cores · {} GiB · Linux {} · began {} · load {:.1} before, {:.1} after\n",
        machine.processor,
        machine.cores,
        machine.memory_gib,
        machine.kernel,
        results.began,
        machine.load_before,
        machine.load_after
    ));
    line(&format!(
        "Medians of {} interleaved rounds of {} s each, after {} s of warm-up. Real processes; the sender writes all of every message, the receiver reads its \
         beginning and its last byte. Pollers that stream pause {} times between two looks, up to {} times where little comes of them, once in round trips, and yield \
         where there are more processes than cores. Where a rival has no threads or servers of its own, two processes have a core \
         each. Reading the clock of the latencies costs {:.0} ns. Absolute figures move from machine to machine; ratios in one \
         run are what counts.{}",
        how.rounds,
        how.seconds,
        how.warm_up,
        how.pauses,
        how.pauses * LONGER,
        machine.ticks_ns,
        if how.whole_cores { " Before and after each round two cores were whole." } else { "" }
    ));
    for (heading, table) in tables(results) {
        line(&format!("\n## {heading}\n\n{table}"));
    }
    line(&format!("\n![Medians, on a logarithmic scale]({drawing})"));
    let mut list = |heading: &str, items: Vec<String>| {
        if !items.is_empty() {
            line(&format!("\n## {heading}\n"));
            items.iter().for_each(|item| line(&format!("- {item}")));
        }
    };
    let is_there = |work: &str| results.series.iter().any(|one| one.work.starts_with(work));
    let known = LIKE_FOR_LIKE.iter().filter(|(work, _)| is_there(work));
    list("What is like for like, and what is not", known.map(|(_, text)| (*text).to_owned()).collect());
    list("Did not run, or not always", troubles(results));
    list("Versions", results.versions.iter().map(|(peer, version)| format!("{peer}: {version}")).collect());
    list("Settings", settings(results));
    text
}
