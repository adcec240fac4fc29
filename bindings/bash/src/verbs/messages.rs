//! Messages that this shell takes and holds: `recv`, `release`, `nack`, `data`, `forward`.

use std::time::Duration;

use swarmbus_core::{Message, MessageId, RawMessage};

use super::{Given, Opt, State, member_at};
use crate::failure::Failure;
use crate::handle::Fate;
use crate::payload::Sink;
use crate::shell::{Shape, Target};
use crate::state::{interrupted, nothing_came, split};

/// Most messages of one `recv -n`.
const COUNT_MAX: usize = 4096;

pub fn recv(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let count = given.number::<usize>(Opt::Count)?;
    let shape = if count.is_some() { Shape::Array } else { Shape::Text };
    let sink = Sink::shaped(given, true, shape)?;
    let timeout = given.time(Opt::Timeout)?;
    let (at, origin) = origin(state, given)?;
    state.handles[at].settle()?;
    match count {
        Some(count) => recv_many(state, given, at, &origin, (count, timeout), &sink),
        None => recv_one(state, given, at, &origin, timeout, &sink),
    }
}

/// Where messages are taken from.
enum Origin<'a> {
    Mailbox,
    Queues(Vec<&'a str>),
}

fn origin<'a>(state: &mut State, given: &Given<'a>) -> Result<(usize, Origin<'a>), Failure> {
    let name = given.word_if_any("one NAME")?;
    if !given.has(Opt::Queue) {
        return Ok((state.receiver(name, given)?, Origin::Mailbox));
    }
    if name.is_some() {
        return Err(given.wrong("give -q QUEUE or NAME, not both"));
    }
    let mut bus = None;
    let mut queues = Vec::new();
    for word in given.values(Opt::Queue) {
        let (on, queue) = split(given.plain(word)?);
        if !queues.is_empty() && on != bus {
            return Err(given.wrong("these queues are on several buses: take from one bus at a time"));
        }
        bus = on;
        queues.push(queue);
    }
    Ok((state.on_bus(bus, given)?, Origin::Queues(queues)))
}

impl Origin<'_> {
    fn waited_for(&self, state: &State, at: usize) -> String {
        match self {
            Origin::Mailbox => format!("message for {}", state.handles[at].name().unwrap_or_default()),
            Origin::Queues(queues) => format!("message in {}", queues.join(", ")),
        }
    }
}

fn recv_one(
    state: &mut State,
    given: &Given<'_>,
    at: usize,
    origin: &Origin<'_>,
    timeout: Option<Duration>,
    sink: &Sink<'_>,
) -> Result<(), Failure> {
    let handle = &state.handles[at];
    let taken = match origin {
        Origin::Mailbox => handle.agent()?.recv_until(timeout, &mut interrupted),
        Origin::Queues(queues) => match queues.as_slice() {
            [queue] => handle.member().receive_until(queue, timeout, &mut interrupted),
            queues => handle.member().receive_any_until(queues, timeout, &mut interrupted),
        },
    };
    let taken = taken.map(let_go).map_err(|error| nothing_came(error, &origin.waited_for(state, at), given))?;
    state.handles[at].keep([taken]);
    hand_out(state, at, None, sink)
}

/// A message without its member, for its handle to keep.
fn let_go(message: Message<'_>) -> (MessageId, RawMessage) {
    (message.id(), message.into_raw())
}

/// Gives a message that is held to the script.
fn hand_out(state: &mut State, at: usize, id: Option<MessageId>, sink: &Sink<'_>) -> Result<(), Failure> {
    let (handle, staged) = state.handle_and_staged(at);
    handle.with_message(id, |message| {
        sink.put(message, staged)?;
        if let Some(assoc) = sink.assoc {
            staged.assoc(assoc.name, &about(message));
        }
        Ok(())
    })?;
    state.deliver(at);
    Ok(())
}

/// What is known of a message.
pub fn about(message: &Message<'_>) -> Vec<(&'static str, String)> {
    vec![
        ("id", message.id().0.to_string()),
        ("queue", message.queue()),
        ("sender", message.sender().unwrap_or_default()),
        ("lane", message.lane().to_string()),
        ("deliveries", message.deliveries().to_string()),
        ("correlation", message.correlation().to_string()),
        ("content", message.content().to_string()),
        ("length", message.len().to_string()),
        ("tapped", message.tapped().unwrap_or_default()),
        ("traceparent", message.trace().map(|trace| trace.to_string()).unwrap_or_default()),
    ]
}

fn recv_many(
    state: &mut State,
    given: &Given<'_>,
    at: usize,
    origin: &Origin<'_>,
    (count, timeout): (usize, Option<Duration>),
    sink: &Sink<'_>,
) -> Result<(), Failure> {
    let (Some(var), None) = (sink.var, sink.assoc) else {
        return Err(given.wrong("-n N needs -v VAR, which will be an array, and no -a"));
    };
    if !(1..=COUNT_MAX).contains(&count) {
        return Err(given.wrong(&format!("-n takes 1 to {COUNT_MAX}")));
    }
    let handle = &state.handles[at];
    let queue = match origin {
        Origin::Mailbox => handle.agent()?.name(),
        Origin::Queues(queues) => match queues.as_slice() {
            [queue] => queue,
            _ => return Err(given.wrong("-n takes from one queue at a time")),
        },
    };
    let taken = handle
        .member()
        .receive_batch_until(queue, count, timeout, &mut interrupted)
        .map(|messages| messages.into_iter().map(let_go).collect::<Vec<_>>());
    let taken = taken.map_err(|error| nothing_came(error, &origin.waited_for(state, at), given))?;
    state.handles[at].keep(taken);
    stage_all(state, at, var, sink)
}

fn stage_all(state: &mut State, at: usize, var: Target<'_>, sink: &Sink<'_>) -> Result<(), Failure> {
    let (handle, staged) = state.handle_and_staged(at);
    staged.array(var.name);
    let mut index = 0;
    handle.with_each(|message| {
        staged.element(index, &sink.value(message, var)?);
        index += 1;
        Ok(())
    })?;
    state.deliver(at);
    Ok(())
}

pub fn release(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    end(state, given, |handle, ids| handle.end(|id| ids.is_empty() || ids.contains(&id), Fate::Release))
}

pub fn nack(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let Some(delay) = given.time(Opt::Delay)?.filter(|delay| *delay > Duration::ZERO) else {
        return end(state, given, |handle, ids| handle.end(|id| ids.is_empty() || ids.contains(&id), Fate::GiveBack));
    };
    let at = member_at(state, given)?;
    let ids = ids(given)?;
    let held = state.handles[at].ids();
    let chosen = if ids.is_empty() { held } else { ids };
    if chosen.is_empty() {
        return Err(nothing_held());
    }
    chosen.into_iter().try_for_each(|id| {
        state.handles[at].give_away(Some(id), |message| {
            message.nack_after(delay).map_err(|refused| (refused.error, refused.message))
        })
    })
}

fn end(
    state: &mut State,
    given: &Given<'_>,
    how: impl FnOnce(&mut crate::handle::Handle, &[MessageId]) -> swarmbus_core::Result<usize>,
) -> Result<(), Failure> {
    let at = member_at(state, given)?;
    let ids = ids(given)?;
    let ended = how(&mut state.handles[at], &ids)?;
    match ended {
        0 if ids.is_empty() => Err(nothing_held()),
        ended if ended < ids.len() => Err(Failure::usage(format!(
            "this shell holds {ended} of these {} messages: the others were released or given back before",
            ids.len()
        ))),
        _ => Ok(()),
    }
}

fn nothing_held() -> Failure {
    Failure::usage("this shell holds no message: take one first (swarmbus recv)")
}

fn ids(given: &Given<'_>) -> Result<Vec<MessageId>, Failure> {
    given.words.iter().map(|word| parse_id(given, word)).collect()
}

fn parse_id(given: &Given<'_>, word: &[u8]) -> Result<MessageId, Failure> {
    let text = String::from_utf8_lossy(word);
    text.parse().map(MessageId).map_err(|_| given.wrong(&format!("'{text}' is no id of a message, which is a number")))
}

/// The message that is meant: the one with the id given, or the last one taken.
pub fn chosen(given: &Given<'_>) -> Result<Option<MessageId>, Failure> {
    given.value(Opt::Id).map(|word| parse_id(given, word)).transpose()
}

pub fn data(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    given.words::<0>("no words")?;
    let sink = Sink::of(given, true)?;
    let at = member_at(state, given)?;
    hand_out(state, at, chosen(given)?, &sink)
}

pub fn forward(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let [to] = given.words("TO")?;
    let to = given.plain(to)?;
    let timeout = given.time(Opt::Timeout)?;
    let id = chosen(given)?;
    let at = member_at(state, given)?;
    let (bus, name) = split(to);
    if bus.is_some_and(|bus| bus != state.handles[at].bus()) {
        return Err(Failure::usage("a message is forwarded on its own bus: send its data to another"));
    }
    let mut late = None;
    let forwarded = state.handles[at].give_away(id, |message| {
        message.forward_until(name, timeout, &mut interrupted).map_err(|refused| {
            late = Some(refused.error.clone());
            (refused.error, refused.message)
        })
    });
    forwarded.map_err(|failure| match late {
        Some(error @ swarmbus_core::Error::Timeout) => super::sending::no_room(error, to, given),
        _ => failure,
    })
}
