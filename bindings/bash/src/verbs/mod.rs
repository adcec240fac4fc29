//! The verbs: what each takes, does, and says of itself.

mod asking;
mod lives;
mod messages;
mod opening;
mod queues;
mod sending;
mod topics;

use crate::failure::Failure;
use crate::shell::Words;
use crate::state::State;
use crate::words::{Given, Opt};

pub struct Verb {
    pub name: &'static str,
    options: &'static [Opt],
    run: fn(&mut State, &Given<'_>) -> Result<(), Failure>,
    /// What `swarmbus help VERB` prints; the first line is its synopsis.
    pub help: &'static str,
}

use Opt::*;

/// The most used ones first: they are looked for in this order.
pub const VERBS: &[Verb] = &[
    Verb {
        name: "send",
        options: &[Var, Timeout, Lane, Key, Bus, File, Content, Base64, Batch, Each, Lines, Correlation, From, Ttl],
        run: sending::send,
        help: "send [-t TIME] [-p LANE] [-k KEY] [-c TYPE] [--ttl TIME]
            [--correlation N] [--from NAME] [--base64] [-v VAR]
            TO [DATA | -f FILE]
swarmbus send --each|--batch [options] TO DATA...
swarmbus send --lines [options] [-f FILE] TO
Sends DATA, the content of FILE (- is standard input), or else standard input.
  -t TIME    longest wait for room in a full queue; without it, no limit
  -p LANE    urgent, high, normal or low
  -k KEY     of all messages with one KEY the queue takes the first
  --ttl TIME after this time the message is a dead letter
  -v VAR     gets the id of the message, or the ids of all, a space between
             them; 0 if KEY was there before
  --each     sends each word after TO as a message of its own
  --lines    sends each line of FILE or standard input as a message of its own
  --batch    sends all words after TO as one batch: all of them or none, one
             after the other, to one taker",
    },
    Verb {
        name: "recv",
        options: &[Var, Timeout, Assoc, Queue, File, Count, Base64, Bus],
        run: messages::recv,
        help: "recv [-t TIME] [-v VAR | -f FILE] [-a ASSOC] [--base64] [-n N]
            [-q QUEUE]... [NAME]
Takes the next message of the mailbox (of agent NAME, which is opened if need
be), or of work queues. Without -v, -f and -a it prints the payload.
The message is yours until you release it, give it back (nack) or take the next
one, which releases it. If the shell ends with status 0 it is released as well;
if it fails or is killed, the message is delivered again.
  -t TIME    longest wait; 0 only looks; without it, no limit
  -a ASSOC   id, queue, sender, lane, deliveries, correlation, content, length
  -q QUEUE   from a work queue; more than one: each in its turn
  -n N       up to N messages at once; VAR is an array then",
    },
    Verb {
        name: "release",
        options: &[Bus, From],
        run: messages::release,
        help: "release [ID]...\nIs done with the messages that this shell holds, or with these.",
    },
    Verb {
        name: "nack",
        options: &[Delay, Bus, From],
        run: messages::nack,
        help: "nack [-d TIME] [ID]...
Gives back the messages that this shell holds, or these: the next taker gets
them, with -d not before TIME has passed.",
    },
    Verb {
        name: "data",
        options: &[Var, Assoc, File, Base64, Id, Bus, From],
        run: messages::data,
        help: "data [-v VAR | -f FILE] [-a ASSOC] [--base64] [-i ID]
Gets the message that was taken last (or message ID of those held) once more.",
    },
    Verb {
        name: "forward",
        options: &[Timeout, Id, Bus, From],
        run: messages::forward,
        help: "forward [-t TIME] [-i ID] TO\nPasses the message on that was taken last (or message ID), without a copy.",
    },
    Verb {
        name: "reply",
        options: &[Timeout, File, Content, Base64, Part, Id, Bus, From],
        run: asking::reply,
        help: "reply [-c TYPE] [--base64] [--part [-t TIME]] [-i ID] [DATA | -f FILE]
Answers the message that was taken last (or message ID), which came by 'call'.
With --part more follows; a reply without it is the end.",
    },
    Verb {
        name: "call",
        options: &[Var, Timeout, Lane, Assoc, File, Content, Base64, Bus, Correlation, From, Ttl],
        run: asking::call,
        help: "call [-t TIME] [-v VAR] [-a ASSOC] [-p LANE] [-c TYPE] [--base64]
            TO [DATA | -f FILE]
Sends a question and waits for its answer; prints it unless -v or -a is given.
This shell needs a mailbox for the answer: open NAME first. 'ask' and 'answer'
take it part by part, and into files.",
    },
    Verb {
        name: "ask",
        options: &[Timeout, Lane, File, Content, Base64, Bus, Correlation, From, Ttl],
        run: asking::ask,
        help: "ask [-t TIME] [-p LANE] [-c TYPE] [--base64] TO [DATA | -f FILE]
Sends a question whose answer may come in parts: take them with 'answer'.",
    },
    Verb {
        name: "answer",
        options: &[Var, Timeout, Assoc, File, Base64, Bus, From],
        run: asking::answer,
        help: "answer [-t TIME] [-v VAR | -f FILE] [-a ASSOC] [--base64]
Takes the next part of the answer to 'ask'; status 1 after the last one.",
    },
    Verb {
        name: "pub",
        options: &[Var, Timeout, File, Content, Base64, Correlation, Bus, From],
        run: topics::publish,
        help: "pub [-t TIME] [-c TYPE] [--correlation N] [--base64] [-v VAR]
            TOPIC [DATA | -f FILE]
Publishes DATA for everybody who subscribes to TOPIC.
  -v VAR     gets its place in the topic; nothing if it was dropped",
    },
    Verb {
        name: "sub",
        options: &[Var, Timeout, Assoc, File, Base64, Retained, Last, Bus, From],
        run: topics::subscribe,
        help: "sub [--retained | --last N] [-t TIME] [-v VAR | -f FILE] [-a ASSOC] TOPIC
Subscribes to TOPIC; with -v, -f or -a takes the next message, and subscribes
first if need be. Publishers wait for a subscriber that does not take.
  --retained begin with what the topic retains; --last N: with the last N
  -a ASSOC   id, sender, position, missed, correlation, content, length",
    },
    Verb { name: "unsub", options: &[Bus, From], run: topics::unsubscribe, help: "unsub TOPIC\nEnds a subscription." },
    Verb {
        name: "lock",
        options: &[Var, Timeout, Shared, Bus, From],
        run: lives::lock,
        help: "lock [-s] [-t TIME] [-v VAR] NAME
Takes the lock of this name, which may be a pattern such as 'src/**'; it is
released by 'unlock', by the end of this shell, and by its death.
  -s         shared with others that share it
  -v VAR     gets the fencing token",
    },
    Verb {
        name: "unlock",
        options: &[All, Bus, From],
        run: lives::unlock,
        help: "unlock NAME | --all\nReleases a lock that this shell has.",
    },
    Verb {
        name: "status",
        options: &[Var, Assoc, Task, Note, Done, Total, Blocker, Bus, From],
        run: lives::status,
        help: "status set [--task TEXT] [--note TEXT] [--done N] [--total N]
            [--blocker TEXT]... [STATE]
swarmbus status get [-v VAR] [-a ASSOC] [NAME]
Says what this agent does, or gets what an agent said last. STATE is idle,
waiting_for_dependencies, in_progress, completed or blocked. What is not given
stays as it was; a state other than blocked has no blockers but those given.
  -v VAR     gets the state
  -a ASSOC   state, done, total, task, note, blockers, tags, roles (a line each)",
    },
    Verb { name: "beat", options: &[Bus, From], run: lives::beat, help: "beat\nGives a sign of life." },
    Verb {
        name: "open",
        options: &[TakeOver, StandBy, Timeout, Bus],
        run: opening::open,
        help: "open [-b BUS] [--take-over | --stand-by [-t TIME]] [[BUS/]NAME]
Makes this shell the agent NAME (or $SWARMBUS_AGENT), with its mailbox. From now
on addresses without a bus are on this bus. Open again: it speaks from now on.
  --take-over takes the mailbox from whoever has it
  --stand-by  waits until nobody has it",
    },
    Verb {
        name: "close",
        options: &[All, Bus],
        run: opening::close,
        help: "close [NAME | --all]
Leaves as this agent (or as all) and releases what was taken last.",
    },
    Verb {
        name: "declare",
        options: &[Topic, Limit, MaxDeliveries, DeadLetters, MakesRoom, Policy, Capacity, Retain, Bus],
        run: queues::declare,
        help: "declare [--limit N] [--max-deliveries N] [--dead-letters QUEUE]
            [--makes-room] NAME
swarmbus declare --topic [--policy back-pressure|drop-new|lossy] [--capacity N]
            [--retain N] NAME
Declares a mailbox, queue or topic unless it is there.",
    },
    Verb {
        name: "queue",
        options: &[Count, Bus],
        run: queues::queue,
        help: "queue purge|stop|reopen NAME
swarmbus queue redrive [-n N] NAME
Throws away what waits in a queue, stops or reopens its intake, or sends dead
letters back to where they came from.",
    },
    Verb {
        name: "role",
        options: &[Drop, Bus, From],
        run: lives::role,
        help: "role [--drop] ROLE...\nTakes roles, whose messages this agent receives as well; or drops them.",
    },
    Verb {
        name: "tag",
        options: &[Bus, From],
        run: lives::tag,
        help: "tag [TAG]...\nSets the tags by which others find this agent.",
    },
    Verb {
        name: "tap",
        options: &[Bus, From],
        run: queues::tap,
        help: "tap QUEUE\nFrom now on this agent gets a copy of what is sent to QUEUE.",
    },
    Verb { name: "untap", options: &[Bus, From], run: queues::untap, help: "untap\nEnds the tap." },
];

/// Does what a call of the builtin asks for. What has to be done in bash is staged.
pub fn run(state: &mut State, words: Words<'_>) -> Result<(), Failure> {
    let mut rest = words;
    let Some(verb) = rest.next() else {
        return Err(Failure::usage("which verb? see 'swarmbus help'"));
    };
    if let Some(found) = VERBS.iter().find(|known| known.name.as_bytes() == verb) {
        let given = Given::parse(found.name, rest, found.options)?;
        return (found.run)(state, &given);
    }
    if matches!(verb, b"help" | b"--help" | b"-h") {
        return crate::help::print(state, rest.next(), words);
    }
    crate::help::delegate(state, words);
    Ok(())
}

/// The handle that a verb without an address is about: the agent that was named, or else the current one.
fn member_at(state: &mut State, given: &Given<'_>) -> Result<usize, Failure> {
    match given.text(From)? {
        Some(_) => state.speaker("", given).map(|(at, _)| at),
        None => state.on_bus(None, given),
    }
}
