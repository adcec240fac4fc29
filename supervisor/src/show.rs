//! Shows a run to people: a bar while processes start and end, a line for what is worth a line.
//!
//! Everything goes to stderr, since stdout is the coordinator's; a terminal that has gone is no reason to stop.

use crate::event::{Event, Next};
use crate::health::judge as health;
use crate::restart::Why;
use crate::tally::Report;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};

/// Somebody who is told what happens.
pub trait Show {
    /// Something happened.
    fn show(&mut self, event: &Event);
}

/// How much to show, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A bar if stderr is a terminal, plain lines otherwise.
    People,
    /// Failures and warnings only.
    Quiet,
    /// One JSON object per line.
    Json,
}

/// Shows on stderr.
pub fn on_stderr(style: Style) -> Box<dyn Show> {
    match style {
        Style::Json => Box::new(Json),
        _ => Box::new(Lines {
            quiet: style == Style::Quiet,
            terminal: io::stderr().is_terminal(),
            bar: None,
            last_tail: HashMap::new(),
            repeated: HashMap::new(),
        }),
    }
}

struct Json;

impl Show for Json {
    fn show(&mut self, event: &Event) {
        let _ = writeln!(io::stderr().lock(), "{}", crate::record::Record::of(event).line());
    }
}

struct Lines {
    quiet: bool,
    terminal: bool,
    bar: Option<ProgressBar>,
    /// What the last failure of each pool wrote, so that the same trace is not shown a hundred times.
    last_tail: HashMap<String, Vec<String>>,
    repeated: HashMap<String, usize>,
}

/// Failures of one pool with the same output that are told one by one, without the output; further ones are not.
const REPEATS_SHOWN_MAX: usize = 5;

/// Agents that are given up are told one by one up to this many failures of the same kind.
const GIVEN_UP_SHOWN_MAX: usize = 50;

impl Show for Lines {
    fn show(&mut self, event: &Event) {
        match event {
            Event::Starting { begun, total, .. } if self.terminal && !self.quiet => {
                self.bar("starting", *begun, *total)
            }
            Event::DrainLeft { phase, left } if self.terminal && !self.quiet => self.countdown(phase, *left),
            Event::Starting { .. } | Event::DrainLeft { .. } => {}
            Event::Ended { .. } => self.ended(event),
            other => {
                if matches!(other, Event::Up { .. } | Event::Down { .. }) {
                    self.clear();
                }
                if let Some(line) = self.line_of(other) {
                    self.line(&line);
                }
            }
        }
    }
}

impl Lines {
    fn bar(&mut self, what: &str, done: usize, total: usize) {
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
            bar
        });
        bar.set_message(what.to_owned());
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    }

    fn countdown(&mut self, phase: &str, left: usize) {
        let total = self.bar.as_ref().and_then(ProgressBar::length).unwrap_or(0).max(left as u64) as usize;
        self.bar(phase, total - left, total);
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Writes a line above the bar. The coordinator may be drawing a bar of its own on the same terminal, so the line
    /// that the cursor stands on is cleared first.
    fn line(&self, text: &str) {
        let write = || {
            let mut err = io::stderr().lock();
            let clear = if self.terminal { "\r\x1b[K" } else { "" };
            let _ = writeln!(err, "{clear}{text}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn ended(&mut self, event: &Event) {
        let Event::Ended { agent, pool, pid, exit, error, redelivered, next, tail } = event else { return };
        if matches!(next, Next::Nothing | Next::AsAsked) {
            return;
        }
        let group = pool.clone().unwrap_or_else(|| agent.clone());
        // What could not be started wrote nothing; the reason stands for its output.
        let trace: Vec<String> = if tail.is_empty() { error.clone().into_iter().collect() } else { tail.clone() };
        let same = !trace.is_empty() && self.last_tail.get(&group) == Some(&trace);
        let repeats = self.repeated.entry(group.clone()).or_default();
        *repeats = if same { *repeats + 1 } else { 0 };
        let given_up = matches!(next, Next::GivenUp(_));
        if same && *repeats > REPEATS_SHOWN_MAX && !(given_up && *repeats < GIVEN_UP_SHOWN_MAX) {
            if *repeats == REPEATS_SHOWN_MAX + 1 {
                self.line(&format!("{group}: more failures of the same kind follow; not shown one by one"));
            }
            return;
        }
        let mut line = agent.clone();
        if let Some(pid) = pid {
            line.push_str(&format!(" (pid {pid})"));
        }
        line.push_str(&format!(" {exit}"));
        if let Some(error) = error {
            line.push_str(&format!(": {error}"));
        }
        match redelivered {
            0 => {}
            1 => line.push_str("; the message it held is redelivered"),
            more => line.push_str(&format!("; the {more} messages it held are redelivered")),
        }
        match next {
            Next::Restart(after_s) => line.push_str(&format!("; starting again in {after_s:.1} s")),
            Next::GivenUp(Why::TooMany { failures, within_s }) => {
                line.push_str(&format!("; given up after {failures} failures within {within_s} s"));
            }
            Next::GivenUp(Why::Asked) => line.push_str("; not started again, as the code says"),
            Next::GivenUp(Why::Policy) => line.push_str("; not started again, by its policy"),
            Next::Nothing | Next::AsAsked => {}
        }
        self.line(&line);
        if !same && !tail.is_empty() {
            self.line(&format!("  the last it wrote:\n{}", indented(tail)));
        }
        if !trace.is_empty() {
            self.last_tail.insert(group, trace);
        }
    }

    fn line_of(&self, event: &Event) -> Option<String> {
        let line = match event {
            Event::PoolFailed { pool } => format!("pool {pool}: every agent has failed for good"),
            Event::Warning { text } => format!("warning: {text}"),
            Event::Unread { queues } => {
                let mut fullest: Vec<&(String, u64)> = queues.iter().collect();
                fullest.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
                let list: Vec<String> = fullest.iter().map(|(name, count)| format!("{name} {count}")).collect();
                let all: u64 = queues.iter().map(|(_, count)| count).sum();
                format!("messages that nobody read: {all} ({})", some(&list))
            }
            Event::Signalled { signal, agents } => {
                format!(
                    "{signal} to {} that did not end by {}: {}",
                    agents.len(),
                    themselves(agents.len()),
                    some(agents)
                )
            }
            Event::Down { code, logs, .. } if self.quiet && *code != 0 && logs.is_none() => return None,
            Event::Down { code: 0, .. } if self.quiet => return None,
            Event::Down { bus, reason, seconds, restarts, redelivered, logs, .. } => {
                let mut line = format!("{bus}: ended after {seconds:.1} s ({reason})");
                if *restarts > 0 {
                    line.push_str(&format!(", {restarts} restart{}", plural(*restarts as usize)));
                }
                if *redelivered > 0 {
                    line.push_str(&format!(", {redelivered} message{} redelivered", plural(*redelivered as usize)));
                }
                if let Some(logs) = logs {
                    line.push_str(&format!("; logs are in {}", logs.display()));
                }
                line
            }
            Event::TookOver { bus, adopted, lost, ending, .. } => {
                let mut line = format!(
                    "{bus}: took over from a supervisor that is dead; {adopted} process{} go{} on",
                    if *adopted == 1 { "" } else { "es" },
                    if *adopted == 1 { "es" } else { "" }
                );
                if *lost > 0 {
                    line.push_str(&format!(", {lost} ended meanwhile"));
                }
                if let Some(reason) = ending {
                    line.push_str(&format!("; its end was under way ({reason}) and goes on"));
                }
                line
            }
            Event::Swept { bus, unread, logs } => {
                let mut line = format!("removed what a dead run of {bus} had left");
                if *unread > 0 {
                    line.push_str(&format!(", with {unread} message{} that nobody read", plural(*unread as usize)));
                }
                if let Some(logs) = logs {
                    line.push_str(&format!("; its logs are in {}", logs.display()));
                }
                line
            }
            Event::Stalled { agent, queue, quiet_s, restarts, .. } => {
                let again = if *restarts { "; it is started anew" } else { "" };
                format!("{agent} is stalled: took nothing from {queue} for {}{again}", health::span(*quiet_s))
            }
            Event::Overflow { queue, messages, limit } => {
                let nearly = if messages < limit { "nearly " } else { "" };
                format!("{queue} is {nearly}full: {messages} of {limit} messages in a lane")
            }
            Event::Memory { what, percent, .. } => format!("memory: {what} is {percent} % full"),
            Event::Shed { pool, because, percent } => {
                format!("pool {pool} stops, by its priority: {because} is {percent} % full")
            }
            _ if self.quiet => return None,
            Event::Recovered { from, subject, after_s } => {
                format!("{subject} has recovered ({from} for {})", health::span(*after_s))
            }
            Event::Restored { pool } => format!("pool {pool} starts again: there is room"),
            Event::Drained { report } => return told(report),
            Event::StandingBy { bus, supervisor_pid: Some(pid) } => {
                format!("{bus}: standing by for its supervisor (pid {pid})")
            }
            Event::StandingBy { bus, .. } => format!("{bus}: standing by"),
            Event::NotNeeded { bus } => format!("{bus}: has ended; nothing to take over"),
            Event::Asked { verb, agents } => format!("{verb}: {}", some(agents)),
            Event::Up { bus, agents, coordinator, seconds } => {
                let with = if *coordinator { "a coordinator and " } else { "" };
                format!("{bus}: {with}{agents} agent{} started in {seconds:.1} s", plural(*agents))
            }
            Event::Draining { reason, gently: true, left } if *left > 0 => {
                format!("{reason}: draining, {left} process{} left", if *left == 1 { "" } else { "es" })
            }
            Event::Draining { gently: true, .. } => return None,
            Event::Draining { reason, .. } => format!("{reason}: stopping now"),
            _ => return None,
        };
        Some(line)
    }
}

/// A drain that left nothing to tell of is not told of.
fn told(report: &Report) -> Option<String> {
    let Report { finished, handed_back, dead_lettered, forced, .. } = report;
    if *finished + *handed_back + *dead_lettered == 0 && forced.is_empty() {
        return None;
    }
    let mut line = format!("drained: {finished} message{} finished", plural(*finished as usize));
    for (count, what) in [(*handed_back, "handed back"), (*dead_lettered, "dead-lettered")] {
        if count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    if !forced.is_empty() {
        line.push_str(&format!("; forced to end: {}", some(forced)));
    }
    Some(line)
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn themselves(count: usize) -> &'static str {
    if count == 1 { "itself" } else { "themselves" }
}

fn some(names: &[String]) -> String {
    let mut text = names[..names.len().min(5)].join(", ");
    if names.len() > 5 {
        text.push_str(", …");
    }
    text
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}
