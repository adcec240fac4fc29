//! Tables, the same on a terminal and in a record.

use super::{Results, Series, title};
use crate::peers::is_ours;
use crate::trial::{Face, Kind, Latency, Manner, WORKS, Work};
use comfy_table::{CellAlignment, Table, presets};

/// A number with three digits and a letter for its thousands.
pub fn amount(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e9 => (value / 1e9, " G"),
        value if value >= 1e6 => (value / 1e6, " M"),
        value if value >= 1e3 => (value / 1e3, " k"),
        value => (value, ""),
    };
    format!("{}{unit}", digits(value))
}

/// Three digits.
fn digits(value: f64) -> String {
    match value {
        value if value >= 99.95 => format!("{value:.0}"),
        value if value >= 9.995 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// A time that begins as nanoseconds.
fn time(ns: f64) -> String {
    match ns {
        ns if ns >= 1e6 => format!("{} ms", digits(ns / 1e6)),
        ns if ns >= 1e3 => format!("{} µs", digits(ns / 1e3)),
        ns => format!("{ns:.0} ns"),
    }
}

/// What the heading of a face's table begins with.
pub fn face(face: Face) -> &'static str {
    match face {
        Face::Native => "",
        Face::Python => "Python: ",
        Face::Bash => "bash, 64 B: ",
    }
}

type Figure = fn(&Series, Option<f64>) -> Option<String>;

fn with_ratio(text: &str, value: f64, ours: Option<f64>) -> String {
    ours.map_or_else(|| text.to_owned(), |ours| format!("{text} ({}×)", digits(value / ours)))
}

fn median_latency(series: &Series) -> Option<Latency> {
    let of = |pick: fn(&Latency) -> f64| series.median(|outcome| outcome.latency.as_ref().map(pick));
    Some(Latency {
        mean: of(|one| one.mean)?,
        p50: of(|one| one.p50)?,
        p99: of(|one| one.p99)?,
        p999: of(|one| one.p999)?,
    })
}

fn rate(series: &Series, ours: Option<f64>) -> Option<String> {
    let rate = series.main_figure(Kind::OneWay)?;
    Some(with_ratio(&amount(rate), rate, ours))
}

fn latency_at_rate(series: &Series, _ours: Option<f64>) -> Option<String> {
    median_latency(series).map(|latency| format!("{} / {}", time(latency.p50), time(latency.p99)))
}

fn round_trip(series: &Series, ours: Option<f64>) -> Option<String> {
    let latency = median_latency(series)?;
    let us = |ns: f64| digits(ns / 1e3);
    let [mean, p50, p99, p999] = [latency.mean, latency.p50, latency.p99, latency.p999].map(us);
    let text = format!("{mean}; {p50} / {p99} / {p999}");
    Some(with_ratio(&text, latency.p50, ours))
}

fn calls(series: &Series, ours: Option<f64>) -> Option<String> {
    let latency = median_latency(series)?;
    let us = |ns: f64| digits(ns / 1e3);
    let text = with_ratio(&format!("{} / {}", us(latency.p50), us(latency.p99)), latency.p50, ours);
    Some(format!("{text} · {}", amount(series.median(|outcome| outcome.rate)?)))
}

fn work_queue(series: &Series, ours: Option<f64>) -> Option<String> {
    let least = series.median(|outcome| outcome.shares.map(|shares| shares.0))?;
    let most = series.median(|outcome| outcome.shares.map(|shares| shares.1))?;
    Some(format!("{} · {} – {}", rate(series, ours)?, digits(least), digits(most)))
}

fn fan_out(series: &Series, ours: Option<f64>) -> Option<String> {
    let latency = median_latency(series)?;
    let ms = |ns: f64| digits(ns / 1e6);
    let memory = series.median(|outcome| outcome.memory)?;
    let text = with_ratio(&format!("{} / {}", ms(latency.p50), ms(latency.p99)), latency.p50, ours);
    Some(format!("{text} · {} KiB", digits(memory / 1024.0)))
}

fn table(results: &Results, works: &[&Work], figure: Figure) -> Option<String> {
    let works: Vec<&Work> =
        works.iter().copied().filter(|work| results.series.iter().any(|one| one.work == work.name)).collect();
    if works.is_empty() {
        return None;
    }
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(std::iter::once(String::new()).chain(works.iter().map(|work| work.title.to_owned())));
    for (peer, manner) in results.rows(&works) {
        let cells = works.iter().map(|work| {
            let Some(series) = results.of(&peer, manner, work) else { return String::new() };
            let ours = results.ours(manner, work).and_then(|ours| ours.main_figure(work.kind));
            match figure(series, ours.filter(|_| !is_ours(&peer))) {
                Some(text) => text,
                None if series.refused.is_some() => "–".into(),
                None => "failed".into(),
            }
        });
        let name = title(&peer, manner);
        let name = if is_ours(&peer) { format!("**{name}**") } else { name };
        table.add_row(std::iter::once(name).chain(cells));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    Some(table.to_string())
}

/// All tables, each with its heading.
pub fn tables(results: &Results) -> Vec<(String, String)> {
    const ONE_WAY: &str =
        "One way, messages per second (ratio to Swarmbus in the same manner: above 1 is faster than Swarmbus)";
    const ROUND_TRIP: &str = "Round trip, µs: mean; p50 / p99 / p99.9 (ratio of p50: above 1 is slower than Swarmbus)";
    let of = |kind: Kind, face: Face| {
        WORKS.iter().filter(move |work| work.kind == kind && work.face == face).collect::<Vec<_>>()
    };
    let native: [(&str, Kind, Figure); 7] = [
        (ONE_WAY, Kind::OneWay, rate),
        ("One way, latency at that rate, from writing to reading: p50 / p99", Kind::OneWay, latency_at_rate),
        ("One way in batches, messages per second (ratio: above 1 is faster than Swarmbus)", Kind::Batch, rate),
        (
            "Work queue, messages per second that all workers together took (ratio: above 1 is faster than Swarmbus) · least and most that a worker took, in even shares",
            Kind::WorkQueue,
            work_queue,
        ),
        (ROUND_TRIP, Kind::RoundTrip, round_trip),
        (
            "Request and reply of 64 B, µs: p50 / p99 (ratio of p50: above 1 is slower than Swarmbus) · answers per second",
            Kind::Calls,
            calls,
        ),
        (
            "Fan-out of 64 KiB to processes until all have answered, ms: p50 / p99 (ratio of p50: above 1 is slower than Swarmbus) · memory per process",
            Kind::FanOut,
            fan_out,
        ),
    ];
    let faces: [(Face, &str, Kind, Figure); 3] = [
        (Face::Python, ONE_WAY, Kind::OneWay, rate),
        (Face::Python, ROUND_TRIP, Kind::RoundTrip, round_trip),
        (
            Face::Bash,
            "One way, messages per second (ratio to Swarmbus: above 1 is faster than Swarmbus)",
            Kind::OneWay,
            rate,
        ),
    ];
    let native = native.into_iter().map(|(heading, kind, figure)| (Face::Native, heading, kind, figure));
    let all = native.chain(faces).filter_map(|(language, heading, kind, figure)| {
        Some((format!("{}{heading}", face(language)), table(results, &of(kind, language), figure)?))
    });
    all.collect()
}

/// Rows that did not run, or not always: who, at what, why.
pub fn troubles(results: &Results) -> Vec<String> {
    let mut troubles: Vec<(String, Vec<&str>)> = Vec::new();
    for one in &results.series {
        let Some(why) = one.trouble() else { continue };
        let text = format!("{}: {why}", one.title());
        match troubles.iter_mut().find(|trouble| trouble.0 == text) {
            Some(trouble) => trouble.1.push(one.work),
            None => troubles.push((text, vec![one.work])),
        }
    }
    let absent = results.absent.iter().map(|(peer, why)| format!("{peer}: {why}"));
    absent.chain(troubles.into_iter().map(|(text, works)| format!("{text} ({})", works.join(", ")))).collect()
}

/// Settings, once for all works that share them.
pub fn settings(results: &Results) -> Vec<String> {
    let mut settings: Vec<(String, Manner, String, Vec<&str>)> = Vec::new();
    for one in results.series.iter().filter(|one| one.refused.is_none()) {
        match settings.iter_mut().find(|set| set.0 == one.peer && set.1 == one.manner && set.2 == one.settings) {
            Some(set) => set.3.push(one.work),
            None => settings.push((one.peer.clone(), one.manner, one.settings.clone(), vec![one.work])),
        }
    }
    let order = |peer: &str| crate::peers::ALL.iter().position(|rival| rival.name() == peer);
    settings.sort_by_key(|set| (order(&set.0), set.1));
    settings
        .into_iter()
        .map(|(peer, manner, text, works)| format!("{} ({}): {text}", title(&peer, manner), works.join(", ")))
        .collect()
}
