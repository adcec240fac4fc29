//! Questions and answers: `call`, `ask`, `answer`, `reply`.

use swarmbus_core::{Error, Message};

use super::messages::{about, chosen};
use super::sending::{content, no_room, options, to_and_data};
use super::{Given, Opt, State, member_at};
use crate::failure::Failure;
use crate::payload::{self, Sink};
use crate::staged::Staged;
use crate::state::{interrupted, nothing_came};

pub fn call(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let (to, word) = to_and_data(given)?;
    // A file is where the question comes from.
    let sink = Sink::without_file(given, true)?;
    let (at, name) = state.speaker(to, given)?;
    let data = payload::given(given, word)?;
    let options = options(given)?;
    let (handle, staged) = state.handle_and_staged(at);
    match handle.agent()?.call_until(name, &data, &options, &mut interrupted) {
        Ok(answer) => hand_out(answer, &sink, staged),
        Err(error) => Err(nothing_came(error, &format!("answer from {to}"), given)),
    }
}

/// Gives an answer to the script. An answer is for who waits for it now, and is done with.
fn hand_out(answer: Message<'_>, sink: &Sink<'_>, staged: &mut Staged) -> Result<(), Failure> {
    let put = sink.put(&answer, staged);
    if let Some(assoc) = sink.assoc {
        staged.assoc(assoc.name, &about(&answer));
    }
    answer.release()?;
    put
}

pub fn ask(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let (to, word) = to_and_data(given)?;
    let (at, name) = state.speaker(to, given)?;
    let data = payload::given(given, word)?;
    let options = options(given)?;
    let handle = &mut state.handles[at];
    let agent = handle.agent()?;
    if let Some(before) = handle.question {
        // What comes still for the question before is late.
        drop(agent.answers_from_raw(before));
    }
    let asked = agent.call_stream_until(name, &data, &options, &mut interrupted);
    let question = asked.map_err(|error| no_room(error, to, given))?.into_raw();
    handle.question = Some(question);
    Ok(())
}

pub fn answer(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    given.words::<0>("no words")?;
    let sink = Sink::of(given, true)?;
    let timeout = given.time(Opt::Timeout)?;
    let at = member_at(state, given)?;
    let (handle, staged) = state.handle_and_staged(at);
    let Some(question) = handle.question else {
        return Err(Failure::usage("this shell has asked nothing: swarmbus ask TO DATA first"));
    };
    let mut answers = handle.agent()?.answers_from_raw(question);
    let part = answers.next_until(timeout, &mut interrupted);
    let goes_on = matches!(part, Ok(Some(_)) | Err(Error::Timeout | Error::Interrupted));
    let part = part.map_err(|error| nothing_came(error, "part of the answer", given));
    let handed = part.and_then(|part| hand_out(part.ok_or_else(Failure::end)?, &sink, staged));
    if goes_on {
        answers.into_raw();
    } else {
        drop(answers);
        handle.question = None;
    }
    handed
}

pub fn reply(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let word = match given.words.as_slice() {
        [] => None,
        [word] => Some(*word),
        _ => return Err(given.count("DATA")),
    };
    let content = content(given)?;
    let timeout = given.time(Opt::Timeout)?;
    let at = member_at(state, given)?;
    let data = payload::given(given, word)?;
    state.handles[at].with_message(chosen(given)?, |message| {
        let sent = match given.has(Opt::Part) {
            true => message.reply_part_until(&data, content, timeout, &mut interrupted),
            false => message.reply(&data, content),
        };
        sent.map(drop).map_err(|error| no_room(error, "the asker's mailbox", given))
    })
}
