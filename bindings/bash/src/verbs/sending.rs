//! `send`.

use std::fmt::Write;

use swarmbus_core::{ContentType, Error, Lane, SendOptions, TraceContext, key_of};

use super::{Given, Opt, State};
use crate::failure::Failure;
use crate::payload::{self, Sink};
use crate::shell;
use crate::state::interrupted;

pub fn send(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let sink = Sink::without_file(given, false)?;
    match (given.has(Opt::Batch), given.has(Opt::Each), given.has(Opt::Lines)) {
        (false, false, false) => {}
        (true, false, false) => return send_batch(state, given, &sink),
        (false, true, false) | (false, false, true) => return send_each(state, given, &sink),
        _ => return Err(given.wrong("give one of --each, --lines and --batch")),
    }
    let (to, word) = to_and_data(given)?;
    // The address is looked at before standard input is read.
    let (at, name) = state.speaker(to, given)?;
    let data = payload::given(given, word)?;
    let options = options(given)?;
    let handle = &state.handles[at];
    let sent = handle.member().send_until(name, &data, &options, &mut interrupted);
    let id = sent.map_err(|error| no_room(error, to, given))?;
    tell(state, &sink, &id.0.to_string());
    Ok(())
}

/// Sends every word, or every line, as a message of its own. Those before one that fails are sent.
fn send_each(state: &mut State, given: &Given<'_>, sink: &Sink<'_>) -> Result<(), Failure> {
    let (to, words) = match (given.words.as_slice(), given.has(Opt::Lines)) {
        ([to], true) => (to, None),
        ([_, ..], true) => return Err(given.wrong("--lines takes its data from standard input or -f FILE")),
        ([to, words @ ..], false) => (to, Some(words)),
        ([], lines) => return Err(given.count(if lines { "TO" } else { "TO and DATA..." })),
    };
    if given.has(Opt::Key) {
        return Err(given.wrong("of messages with one KEY the queue takes one: leave out -k, or send one message"));
    }
    let to = given.plain(to)?;
    let (at, name) = state.speaker(to, given)?;
    let options = options(given)?;
    let member = state.handles[at].member();
    let (mut sent, mut ids) = (0_u64, String::new());
    let mut each = |data: &[u8]| {
        // As long as there is room nothing waits, and a wait is what a signal ends.
        if let Some(signal) = shell::signal() {
            return Err(Failure::signal(signal));
        }
        let id =
            member.send_until(name, data, &options, &mut interrupted).map_err(|error| no_room(error, to, given))?;
        sent += 1;
        if sink.var.is_some() {
            // A String never refuses.
            let _ = write!(ids, "{}{}", if sent > 1 { " " } else { "" }, id.0);
        }
        Ok(())
    };
    let all = match words {
        Some(words) => words.iter().try_for_each(|word| each(&payload::given(given, Some(word))?)),
        None => payload::lines(given, each),
    };
    all.map_err(|failure| failure.after(sent))?;
    tell(state, sink, &ids);
    Ok(())
}

fn send_batch(state: &mut State, given: &Given<'_>, sink: &Sink<'_>) -> Result<(), Failure> {
    let [to, words @ ..] = given.words.as_slice() else { return Err(given.count("TO and DATA...")) };
    let to = given.plain(to)?;
    let (at, name) = state.speaker(to, given)?;
    let data: Vec<_> = words.iter().map(|word| payload::given(given, Some(word))).collect::<Result<_, _>>()?;
    let payloads: Vec<&[u8]> = data.iter().map(AsRef::as_ref).collect();
    let options = options(given)?;
    let member = state.handles[at].member();
    let loans = payloads.iter().map(|payload| {
        let mut loan = member.loan(payload.len())?;
        loan.copy_from_slice(payload);
        Ok(loan)
    });
    let loans = loans.collect::<Result<Vec<_>, Error>>()?;
    let sent = member.publish_batch_until(name, loans, &options, &mut interrupted);
    let ids = sent.map_err(|refused| no_room(refused.error, to, given))?;
    let ids: Vec<_> = ids.iter().map(|id| id.0.to_string()).collect();
    tell(state, sink, &ids.join(" "));
    Ok(())
}

/// The words of what sends something: an address, and the data if it is a word.
pub fn to_and_data<'a>(given: &Given<'a>) -> Result<(&'a str, Option<&'a [u8]>), Failure> {
    match given.words.as_slice() {
        [to] => Ok((given.plain(to)?, None)),
        [to, data] => Ok((given.plain(to)?, Some(*data))),
        _ => Err(given.count("whom to send to and DATA")),
    }
}

pub fn options(given: &Given<'_>) -> Result<SendOptions, Failure> {
    Ok(SendOptions {
        lane: match given.text(Opt::Lane)? {
            Some(name) => {
                lane(name).ok_or_else(|| given.wrong(&format!("'{name}' is not urgent, high, normal or low")))?
            }
            None => Lane::Normal,
        },
        timeout: given.time(Opt::Timeout)?,
        correlation: given.number(Opt::Correlation)?.unwrap_or(0),
        content: content(given)?,
        time_to_live: given.time(Opt::Ttl)?,
        key: given.value(Opt::Key).map(key_of),
        trace: trace(),
    })
}

/// The trace in which the shell is. A variable that holds none is no reason not to send.
pub fn trace() -> Option<TraceContext> {
    shell::variable(c"TRACEPARENT")?.parse().ok()
}

fn lane(name: &str) -> Option<Lane> {
    // Answers have a verb of their own.
    name.parse().ok().filter(|lane| *lane != Lane::Reply)
}

pub fn content(given: &Given<'_>) -> Result<ContentType, Failure> {
    match given.text(Opt::Content)? {
        Some(name) => name.parse().map_err(|_| given.wrong(&format!("'{name}' is not bytes, json or rkyv"))),
        None => Ok(ContentType::Bytes),
    }
}

/// A result that goes into a variable if one is named.
pub fn tell(state: &mut State, sink: &Sink<'_>, value: &str) {
    if let Some(var) = sink.var {
        state.staged().text(var.name, value.as_bytes());
    }
}

/// `Timeout` of a verb that waited for room.
pub fn no_room(error: Error, to: &str, given: &Given<'_>) -> Failure {
    match (error, given.value(Opt::Timeout)) {
        (Error::Timeout, Some(time)) => {
            let time = String::from_utf8_lossy(time);
            Failure::late(format!("no room in {to} within {time}: try again, or give more time with -t"))
        }
        (error, _) => error.into(),
    }
}
