//! `swarmbus events`.

use std::process::ExitCode;
use std::time::SystemTime;

use serde_json::Value;
use swarmbus_core::Observer;
use swarmbus_supervisor::health::judge::span;
use swarmbus_supervisor::rundir;

use crate::exit::Failure;
use crate::growing::Tail;
use crate::logs::LOOK_EVERY;
use crate::message::harmless;
use crate::output::{Format, Output, compact};
use crate::units;

/// Show what happened in a run: starts, ends, restarts, drains.
///
/// Reads the file in which the supervisor notes it, so it works with the supervisor dead, and after
/// a run that left its logs.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  swarmbus events demo --since 10m
  swarmbus events demo -f -o jsonl
  swarmbus events demo -o jsonl | jq -r 'select(.event == \"ended\") | .agent'

Times are in UTC. Agents get the same lines from the topic swarmbus.events.

Exit codes: 68 unknown bus, 69 nothing is known of what happened on it")]
pub struct Args {
    /// Name of the bus [default: --bus, then $SWARMBUS]
    bus: Option<String>,

    /// Only what happened since: 10m ago, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<SystemTime>,

    /// Go on with what happens, until interrupted or the run ends
    #[arg(short, long)]
    follow: bool,
}

/// Parses a point in time: how long ago, or when.
fn since(text: &str) -> Result<SystemTime, String> {
    if let Ok(ago) = units::duration(text) {
        return SystemTime::now().checked_sub(ago).ok_or_else(|| format!("{text} ago is too long ago"));
    }
    humantime::parse_rfc3339_weak(text)
        .map_err(|_| "write how long ago, such as 10m, or a time in UTC such as 2026-01-31T12:00:00Z".to_owned())
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let bus = output.bus(args.bus.as_deref())?;
    let Some(dir) = rundir::find_with_events(&bus) else {
        Observer::open(&bus)?;
        return Err(Failure::unavailable(format!("nothing is known of what happened on {bus}: it has no supervisor")));
    };
    let mut tail = Tail::from_the_start(rundir::events(&dir));
    let wanted = |event: &Value| args.since.is_none_or(|since| time_of(event).is_none_or(|time| time >= since));
    let mut list: Vec<Value> = parsed(&tail.more()).into_iter().filter(wanted).collect();
    if output.format() == Format::Json && !args.follow {
        output.record("", &list)?;
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        // Whether it lives is asked first: what it wrote before it ended is read then.
        let is_over = rundir::supervisor(&dir).is_none();
        for event in &list {
            print(event, output)?;
        }
        if !args.follow || is_over || list.iter().any(|event| event["event"] == "down") {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(LOOK_EVERY);
        list = parsed(&tail.more());
    }
}

/// A line that a killed supervisor left half-written is no event.
fn parsed(lines: &[String]) -> Vec<Value> {
    lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn time_of(event: &Value) -> Option<SystemTime> {
    humantime::parse_rfc3339(event["time"].as_str()?).ok()
}

fn print(event: &Value, output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        return output.line(&compact(event)?);
    }
    let time = time_of(event).map_or_else(|| "-".to_owned(), clock);
    let word = |key: &str| event[key].as_str().unwrap_or("-").to_owned();
    let whom = WHOM.iter().find_map(|key| event[*key].as_str()).unwrap_or("-");
    let line = format!("{time}  {:7}  {:9}  {whom:12}  {}", word("level"), word("event"), said(event));
    output.line(line.trim_end())
}

/// A time for people: without milliseconds, and without the day if that is today.
fn clock(time: SystemTime) -> String {
    let [time, now] = [time, SystemTime::now()].map(|time| humantime::format_rfc3339_seconds(time).to_string());
    match (time.split_once('T'), now.split_once('T')) {
        (Some((day, clock)), Some((today, _))) if day == today => clock.to_owned(),
        _ => time,
    }
}

/// Whom an event is about: the first of these that it has.
const WHOM: [&str; 6] = ["agent", "pool", "bus", "subject", "queue", "what"];

/// What an event says beside its kind and whom it is about.
fn said(event: &Value) -> String {
    let Some(fields) = event.as_object() else { return String::new() };
    if let (Some(messages), Some(limit)) = (event["messages"].as_u64(), event["limit"].as_u64()) {
        return format!("{messages} of {limit} messages in a lane");
    }
    let whom = WHOM.iter().find(|key| !event[**key].is_null()).copied().unwrap_or_default();
    let known = ["time", "level", "event", "agent", "pool", "bus", "pid", "tail", whom];
    let parts = fields.iter().filter(|(key, value)| !known.contains(&key.as_str()) && !is_nothing(value));
    let parts = parts.map(|(key, value)| match key.as_str() {
        "text" | "reason" => plain(value),
        "quiet_s" => format!("took nothing for {}", span(value.as_f64().unwrap_or(0.0))),
        "after_s" => format!("after {}", span(value.as_f64().unwrap_or(0.0))),
        "restarts" if *value == true => "starts anew".to_owned(),
        "seconds" => format!("after {:.1} s", value.as_f64().unwrap_or(0.0)),
        "next" => next(value),
        _ => format!("{} {}", key.replace('_', " "), plain(value)),
    });
    harmless(&parts.collect::<Vec<_>>().join(", "))
}

fn is_nothing(value: &Value) -> bool {
    value.is_null()
        || *value == 0
        || *value == false
        || *value == "nothing"
        || value.as_array().is_some_and(Vec::is_empty)
}

fn next(next: &Value) -> String {
    match (next["restart"].as_f64(), next["given-up"].is_null()) {
        (Some(after_s), _) => format!("starts again in {after_s:.1} s"),
        (None, false) => "given up".to_owned(),
        (None, true) if *next == "as-asked" => "as asked".to_owned(),
        (None, true) => plain(next),
    }
}

/// A value in words; of a list the first few.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            let some: Vec<String> = list.iter().take(5).map(plain).collect();
            let more = list.len().saturating_sub(5);
            if more > 0 { format!("{} and {more} more", some.join(" ")) } else { some.join(" ") }
        }
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| format!("{key} {}", plain(value))).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn since_is_how_long_ago_or_when() {
        let ago = SystemTime::now().duration_since(since("10m").unwrap()).unwrap();
        assert!(ago > Duration::from_secs(590) && ago < Duration::from_secs(660), "{ago:?}");
        let time = humantime::format_rfc3339_seconds(since("2026-01-31T12:00:00Z").unwrap()).to_string();
        assert_eq!(time, "2026-01-31T12:00:00Z");
        assert_eq!(since("2026-01-31 12:00:00"), since("2026-01-31T12:00:00Z"));
        assert!(since("yesterday").is_err());
    }

    #[test]
    fn events_are_said_in_words() {
        let ended = json!({"event": "ended", "agent": "a-1", "pid": 7, "exit": {"signal": 9}, "error": null,
            "redelivered": 1, "next": {"restart": 0.25}, "tail": ["x"]});
        assert_eq!(said(&ended), "exit signal 9, starts again in 0.2 s, redelivered 1");
        let asked = json!({"event": "asked", "verb": "stop", "agents": ["a-1", "a-2", "a-3", "a-4", "a-5", "a-6"]});
        assert_eq!(said(&asked), "agents a-1 a-2 a-3 a-4 a-5 and 1 more, verb stop");
        assert_eq!(said(&json!({"event": "warning", "text": "a\nb"})), "a\\nb");
        assert_eq!(
            said(&json!({"event": "overflow", "queue": "q", "messages": 9, "limit": 10})),
            "9 of 10 messages in a lane"
        );
        let stalled = json!({"event": "stalled", "agent": "a-1", "queue": "q", "quiet_s": 5.25, "restarts": false});
        assert_eq!(said(&stalled), "queue q, took nothing for 5.2 s");
        let recovered = json!({"event": "recovered", "from": "overflow", "subject": "q", "after_s": 0.51});
        assert_eq!(said(&recovered), "after 510 ms, from overflow");
    }
}
