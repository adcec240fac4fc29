//! Names on a bus and what is under them: `declare`, `queue`, `tap`, `untap`.

use swarmbus_core::{Policy, QueueOptions, TopicOptions};

use super::{Given, Opt, State, member_at};
use crate::failure::Failure;

pub fn declare(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let [name] = given.words("NAME")?;
    let name = given.plain(name)?;
    let of_topics = [Opt::Policy, Opt::Capacity, Opt::Retain];
    let of_queues = [Opt::Limit, Opt::MaxDeliveries, Opt::DeadLetters, Opt::MakesRoom];
    let is_topic = given.has(Opt::Topic);
    let (wrong, what) = if is_topic { (&of_queues[..], "a topic") } else { (&of_topics[..], "a queue") };
    if wrong.iter().any(|opt| given.has(*opt)) {
        return Err(given.wrong(&format!("{what} has no such option")));
    }
    let (at, name) = state.speaker(name, given)?;
    let bus = state.handles[at].member().bus();
    if is_topic {
        let options = TopicOptions {
            policy: policy(given)?,
            capacity: given.number(Opt::Capacity)?,
            retain: given.number(Opt::Retain)?.unwrap_or(0),
        };
        return Ok(bus.declare_topic(name, &options)?);
    }
    let options = QueueOptions {
        limit: given.number(Opt::Limit)?,
        max_deliveries: given.number(Opt::MaxDeliveries)?,
        dead_letters: given.text(Opt::DeadLetters)?.map(str::to_owned),
        makes_room: given.has(Opt::MakesRoom),
    };
    Ok(bus.declare(name, &options)?)
}

fn policy(given: &Given<'_>) -> Result<Policy, Failure> {
    let Some(name) = given.text(Opt::Policy)? else { return Ok(Policy::default()) };
    let policies = [Policy::BackPressure, Policy::DropNew, Policy::Lossy];
    policies
        .into_iter()
        .find(|policy| policy.as_str() == name)
        .ok_or_else(|| given.wrong(&format!("'{name}' is not back-pressure, drop-new or lossy")))
}

pub fn queue(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let [what, rest @ ..] = given.words.as_slice() else {
        return Err(given.wrong("say purge, redrive, stop or reopen"));
    };
    let given = &given.after(rest)?;
    let [name] = given.words("NAME")?;
    let name = given.plain(name)?;
    let most = given.number(Opt::Count)?;
    let (at, name) = state.speaker(name, given)?;
    let member = state.handles[at].member();
    match *what {
        b"purge" => drop(member.purge(name)?),
        b"redrive" => drop(member.redrive(name, most.unwrap_or(u64::MAX))?),
        b"stop" => member.close_queue(name)?,
        b"reopen" => member.reopen_queue(name)?,
        _ => return Err(given.wrong("say purge, redrive, stop or reopen")),
    }
    Ok(())
}

pub fn tap(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    let [queue] = given.words("QUEUE")?;
    let queue = given.plain(queue)?;
    let (at, name) = state.speaker(queue, given)?;
    Ok(state.handles[at].agent()?.tap(name)?)
}

pub fn untap(state: &mut State, given: &Given<'_>) -> Result<(), Failure> {
    given.words::<0>("no words")?;
    let at = member_at(state, given)?;
    Ok(state.handles[at].agent()?.untap()?)
}
