//! Answers in parts: streams, one beside the other, slow readers, dead responders.

#[path = "common/actor.rs"]
mod actor;
mod common;

use common::{HANGS, TestBus};
use std::time::Duration;
use swarmbus_core::{Agent, Answers, Bus, ContentType, Error, Message, QueueOptions, SendOptions};

fn patient() -> SendOptions {
    SendOptions { timeout: HANGS, ..SendOptions::default() }
}

fn reply_part(question: &Message<'_>, part: &str) -> swarmbus_core::Result<()> {
    question.reply_part(part.as_bytes(), ContentType::Bytes, Some(Duration::ZERO)).map(|_| ())
}

fn end(question: Message<'_>, last: &str) {
    question.reply(last.as_bytes(), ContentType::Bytes).unwrap();
    question.release().unwrap();
}

/// The next part, released.
fn next(answers: &mut Answers<'_>) -> swarmbus_core::Result<Option<String>> {
    let Some(part) = answers.next(HANGS)? else { return Ok(None) };
    let text = String::from_utf8(part.to_vec()).unwrap();
    part.release().unwrap();
    Ok(Some(text))
}

fn rest(mut answers: Answers<'_>) -> Vec<String> {
    std::iter::from_fn(|| next(&mut answers).unwrap()).collect()
}

fn dropped(bus: &Bus, queue: &str) -> u64 {
    bus.observer().unwrap().queues().into_iter().find(|info| info.name == queue).unwrap().dropped
}

fn pair(bus: &TestBus, limit: u32) -> (Agent, Agent) {
    bus.declare("asker", &QueueOptions { limit: Some(limit), ..QueueOptions::default() }).unwrap();
    (bus.attach("asker").unwrap(), bus.attach("server").unwrap())
}

#[test]
fn an_answer_comes_in_parts_as_fast_as_it_is_read() {
    let bus = TestBus::new("parts");
    let (asker, server) = pair(&bus, 4);
    // More than there are numbers of parts.
    let parts = 33_000u32;
    let serving = std::thread::spawn(move || {
        let question = server.recv(HANGS).unwrap();
        for number in 0..parts {
            question.reply_part(&number.to_le_bytes(), ContentType::Rkyv, HANGS).unwrap();
        }
        end(question, "end");
    });
    let mut answers = asker.call_stream("server", b"?", &patient()).unwrap();
    for number in 0..parts {
        let part = answers.next(HANGS).unwrap().unwrap();
        assert_eq!((part.data(), part.content()), (&number.to_le_bytes()[..], ContentType::Rkyv));
        assert!(part.more_follows());
        part.release().unwrap();
    }
    let last = answers.next(HANGS).unwrap().unwrap();
    assert_eq!((last.data(), last.more_follows()), (&b"end"[..], false));
    assert_eq!(next(&mut answers).unwrap(), None);
    assert_eq!(next(&mut answers).unwrap(), None);
    serving.join().unwrap();
    assert_eq!(dropped(&bus, "asker"), 0);
}

#[test]
fn a_plain_answer_is_a_stream_of_one_part_and_a_call_takes_no_parts() {
    let bus = TestBus::new("one-part");
    let (asker, server) = pair(&bus, 100);
    let answers = asker.call_stream("server", b"?", &patient()).unwrap();
    end(server.recv(HANGS).unwrap(), "all");
    assert_eq!(rest(answers), ["all"]);

    let serving = std::thread::spawn(move || {
        let question = server.recv(HANGS).unwrap();
        reply_part(&question, "one").unwrap();
        end(question, "two");
        end(server.recv(HANGS).unwrap(), "whole");
    });
    let refused = asker.call("server", b"?", &patient()).err().unwrap();
    assert!(matches!(refused, Error::BrokenAnswer { .. }), "{refused}");
    assert_eq!(refused.code(), -23);
    assert_eq!(asker.call("server", b"?", &patient()).unwrap().data(), b"whole", "the last part was late");
    serving.join().unwrap();
}

#[test]
fn answers_and_calls_may_be_under_way_side_by_side() {
    let bus = TestBus::new("side-by-side");
    let (asker, server) = pair(&bus, 100);
    let mut first = asker.call_stream("server", b"first", &patient()).unwrap();
    let mut second = asker.call_stream("server", b"second", &patient()).unwrap();
    let questions = [server.recv(HANGS).unwrap(), server.recv(HANGS).unwrap()];
    for number in 0..3 {
        questions.iter().for_each(|question| reply_part(question, &format!("{number}")).unwrap());
    }
    let other = bus.attach("other").unwrap();
    let serving = std::thread::spawn(move || end(other.recv(HANGS).unwrap(), "called"));
    asker.send("asker", b"mail", &patient()).unwrap();
    assert_eq!(asker.recv(HANGS).unwrap().data(), b"mail", "a look at the mail loses no parts");
    assert_eq!(asker.call("other", b"?", &patient()).unwrap().data(), b"called");
    serving.join().unwrap();
    assert_eq!(next(&mut second).unwrap().as_deref(), Some("0"));
    assert_eq!(next(&mut first).unwrap().as_deref(), Some("0"));
    // As a binding keeps it.
    let first = first.into_raw();
    questions.map(|question| question.into_raw()).iter().for_each(drop);
    assert_eq!(next(&mut second).unwrap().as_deref(), Some("1"));
    let mut first = asker.answers_from_raw(first);
    assert_eq!(next(&mut first).unwrap().as_deref(), Some("1"));
    assert_eq!(next(&mut first).unwrap().as_deref(), Some("2"));
    assert_eq!(first.next(Some(Duration::ZERO)).err(), Some(Error::Timeout), "it goes on");
    assert_eq!(dropped(&bus, "asker"), 0);
}

#[test]
fn what_comes_after_an_answer_was_dropped_is_late() {
    let bus = TestBus::new("dropped");
    let (asker, server) = pair(&bus, 4);
    let mut answers = asker.call_stream("server", b"?", &patient()).unwrap();
    let question = server.recv(HANGS).unwrap();
    reply_part(&question, "0").unwrap();
    reply_part(&question, "1").unwrap();
    let full = reply_part(&question, "2").err();
    assert!(matches!(full, Some(Error::Full { .. })), "half of the lane is for last parts: {full:?}");
    assert_eq!(next(&mut answers).unwrap().as_deref(), Some("0"));
    drop(answers);
    assert!(asker.try_recv().unwrap().is_none());
    assert_eq!(dropped(&bus, "asker"), 1);
    reply_part(&question, "2").unwrap();
    reply_part(&question, "3").unwrap();
    drop(asker);
    let gone = question.reply_part(b"4", ContentType::Bytes, None);
    assert!(matches!(gone, Err(Error::Closed { .. })), "{gone:?}");
    question.reply(b"end", ContentType::Bytes).unwrap();
}

#[test]
fn a_part_that_lost_its_place_is_missed() {
    let bus = TestBus::new("lost-part");
    let (asker, server) = pair(&bus, 2);
    let mut answers = asker.call_stream("server", b"?", &patient()).unwrap();
    asker.send("server", b"others", &patient()).unwrap();
    let (question, others) = (server.recv(HANGS).unwrap(), server.recv(HANGS).unwrap());
    reply_part(&question, "0").unwrap();
    others.reply(b"", ContentType::Bytes).unwrap();
    others.reply(b"", ContentType::Bytes).unwrap();
    question.reply(b"1", ContentType::Bytes).unwrap();
    let broken = next(&mut answers).unwrap_err();
    assert!(matches!(broken, Error::BrokenAnswer { .. }), "{broken}");
    assert_eq!(next(&mut answers).unwrap(), None, "it has ended");
}

#[test]
fn more_parts_than_are_kept_break_the_answer() {
    let bus = TestBus::new("kept");
    let (asker, server) = pair(&bus, 2);
    let mut answers = asker.call_stream("server", b"?", &patient()).unwrap();
    let question = server.recv(HANGS).unwrap();
    for number in 0..3 {
        reply_part(&question, &format!("{number}")).unwrap();
        assert!(asker.try_recv().unwrap().is_none());
    }
    end(question, "3");
    assert_eq!(dropped(&bus, "asker"), 1);
    assert_eq!(next(&mut answers).unwrap().as_deref(), Some("0"));
    assert_eq!(next(&mut answers).unwrap().as_deref(), Some("1"));
    assert!(matches!(next(&mut answers), Err(Error::BrokenAnswer { .. })));
}

#[test]
fn a_forwarded_question_is_answered_on_and_a_returned_one_anew() {
    let bus = TestBus::new("handed-on");
    bus.declare("next", &QueueOptions::default()).unwrap();
    let (asker, server) = pair(&bus, 100);
    let answers = asker.call_stream("server", b"?", &patient()).unwrap();
    let question = server.recv(HANGS).unwrap();
    reply_part(&question, "working").unwrap();
    question.forward("next", HANGS).unwrap();
    let question = server.receive("next", HANGS).unwrap();
    reply_part(&question, "still").unwrap();
    // As a binding keeps it.
    // SAFETY: there is no other message of it.
    let question = unsafe { Message::from_raw(&server, question.into_raw()).unwrap() };
    end(question, "done");
    assert_eq!(rest(answers), ["working", "still", "done"]);

    let mut answers = asker.call_stream("server", b"?", &patient()).unwrap();
    let question = server.recv(HANGS).unwrap();
    reply_part(&question, "0").unwrap();
    question.nack().unwrap();
    let question = server.recv(HANGS).unwrap();
    reply_part(&question, "0").unwrap();
    end(question, "1");
    assert_eq!(next(&mut answers).unwrap().as_deref(), Some("0"));
    let broken = next(&mut answers).unwrap_err();
    assert!(broken.to_string().contains("anew"), "{broken}");
    assert_eq!(next(&mut answers).unwrap(), None);
    let answer = asker.call_stream("asker", b"?", &patient()).unwrap();
    let question = asker.recv(HANGS).unwrap();
    question.reply(b"0", ContentType::Bytes).unwrap();
    question.nack().unwrap();
    end(asker.recv(HANGS).unwrap(), "0");
    assert_eq!(rest(answer), ["0"], "an answer that had ended does not break");
}

#[test]
fn an_answer_from_among_the_dead_letters_begins_anew() {
    let bus = TestBus::new("answered-dead");
    let worn_out =
        QueueOptions { max_deliveries: Some(1), dead_letters: Some("dead".into()), ..QueueOptions::default() };
    bus.declare("dead", &QueueOptions::default()).unwrap();
    bus.declare("server", &worn_out).unwrap();
    let (asker, server) = (bus.attach("asker").unwrap(), bus.attach("server").unwrap());
    let mut answers = asker.call_stream("server", b"?", &patient()).unwrap();
    let question = server.recv(HANGS).unwrap();
    reply_part(&question, "0").unwrap();
    question.nack().unwrap();
    assert!(server.try_recv().unwrap().is_none(), "once was all");
    let question = server.receive("dead", HANGS).unwrap();
    reply_part(&question, "0").unwrap();
    end(question, "1");
    assert_eq!(next(&mut answers).unwrap().as_deref(), Some("0"));
    let broken = next(&mut answers).unwrap_err();
    assert!(broken.to_string().contains("anew"), "{broken}");
}

#[test]
fn an_answer_whose_responder_is_killed_is_broken_and_can_be_asked_for_again() {
    let bus = TestBus::new("killed");
    let (asker, server) = pair(&bus, 100);
    drop(server);
    let mut answers = asker.call_stream("server", b"?", &patient()).unwrap();
    let mut responder = actor::spawn("answer in part", bus.name());
    assert_eq!(next(&mut answers).unwrap().as_deref(), Some("0"));
    responder.kill().unwrap();
    responder.wait().unwrap();
    let server = bus.attach("server").unwrap();
    let question = server.recv(HANGS).unwrap();
    assert_eq!(question.deliveries(), 2);
    reply_part(&question, "0").unwrap();
    end(question, "1");
    assert_eq!(next(&mut answers).unwrap().as_deref(), Some("1"));
    assert!(matches!(next(&mut answers), Err(Error::BrokenAnswer { .. })), "0, 1 of the dead, then 0");
    let answers = asker.call_stream("server", b"?", &patient()).unwrap();
    let question = server.recv(HANGS).unwrap();
    reply_part(&question, "0").unwrap();
    end(question, "1");
    assert_eq!(rest(answers), ["0", "1"]);
}

#[test]
fn actor() {
    let Some((act, bus)) = actor::role() else { return };
    let server = Bus::open(&bus).unwrap().attach("server").unwrap();
    match act.as_str() {
        "answer in part" => {
            let question = server.recv(HANGS).unwrap();
            reply_part(&question, "0").unwrap();
            reply_part(&question, "1").unwrap();
            actor::ready();
        }
        act => panic!("{act}?"),
    }
}
