//! Topics: `pub`, `sub`, `unsub`.

use swarmbus_core::{PublishOptions, Sample, StartAt};

use super::sending::{content, no_room, tell, to_and_data, trace};
use super::{Given, Opt, State};
use crate::failure::Failure;
use crate::payload::{self, Sink};
use crate::state::{interrupted, nothing_came};

pub fn publish(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let sink = Sink::without_file(given, false)?;
    let (topic, word) = to_and_data(given)?;
    let (at, name) = state.speaker(topic, given)?;
    let data = payload::given(given, word)?;
    let options = PublishOptions {
        timeout: given.time(Opt::Timeout)?,
        correlation: given.number(Opt::Correlation)?.unwrap_or(0),
        content: content(given)?,
        trace: trace(),
    };
    let published = state.handles[at].member().publish_until(name, &data, &options, &mut interrupted);
    let published = published.map_err(|error| no_room(error, topic, given))?;
    let position = published.position.map(|position| position.to_string()).unwrap_or_default();
    tell(state, &sink, &position);
    Ok(())
}

pub fn subscribe(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let sink = Sink::of(given, false)?;
    let [topic] = given.words("TOPIC")?;
    let topic = given.plain(topic)?;
    let from = match (given.has(Opt::Retained), given.number(Opt::Last)?) {
        (false, None) => StartAt::Now,
        (true, None) => StartAt::Retained,
        (false, Some(count)) => StartAt::Last(count),
        (true, Some(_)) => return Err(given.wrong("give --retained or --last N, not both")),
    };
    let timeout = given.time(Opt::Timeout)?;
    let (at, name) = state.speaker(topic, given)?;
    let (handle, staged) = state.handle_and_staged(at);
    if handle.subscription(name).is_none() {
        handle.subscribe(name, from)?;
    } else if from != StartAt::Now || !sink.is_there() {
        return Err(Failure::usage(format!("this shell subscribes to {topic} already: take with -v VAR")));
    }
    if !sink.is_there() {
        return Ok(());
    }
    let Some(subscription) = handle.subscription(name) else { return Ok(()) };
    match subscription.recv_until(timeout, &mut interrupted) {
        Ok(sample) => {
            sink.put(&sample, staged)?;
            if let Some(assoc) = sink.assoc {
                staged.assoc(assoc.name, &about(&sample));
            }
            Ok(())
        }
        Err(error) => Err(nothing_came(error, &format!("message in {topic}"), given)),
    }
}

fn about(sample: &Sample<'_>) -> [(&'static str, String); 8] {
    [
        ("id", sample.id().0.to_string()),
        ("sender", sample.sender().unwrap_or_default()),
        ("position", sample.position().to_string()),
        ("missed", sample.missed().to_string()),
        ("correlation", sample.correlation().to_string()),
        ("content", sample.content().to_string()),
        ("length", sample.len().to_string()),
        ("traceparent", sample.trace().map(|trace| trace.to_string()).unwrap_or_default()),
    ]
}

pub fn unsubscribe(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let [topic] = given.words("TOPIC")?;
    let topic = given.plain(topic)?;
    let (at, name) = state.speaker(topic, given)?;
    match state.handles[at].unsubscribe(name) {
        true => Ok(()),
        false => Err(Failure::usage(format!("this shell does not subscribe to {topic}"))),
    }
}
