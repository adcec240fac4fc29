//! The dated record.

use super::Results;
use super::table::{settings, tables, troubles};
use std::fmt::Write;

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
         beginning and its last byte. Pollers that stream pause {} times between two looks, once in round trips, and yield where \
         there are more processes than cores. Where a rival has no threads or servers of its own, two processes have a core \
         each. Reading the clock of the latencies costs {:.0} ns. Absolute figures move from machine to machine; ratios in one \
         run are what counts.",
        how.rounds, how.seconds, how.warm_up, how.pauses, machine.ticks_ns
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
    list("Did not run, or not always", troubles(results));
    list("Versions", results.versions.iter().map(|(peer, version)| format!("{peer}: {version}")).collect());
    list("Settings", settings(results));
    text
}
