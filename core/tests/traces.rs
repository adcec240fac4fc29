//! Traces: a message carries the one that its sender names, wherever it goes, and its payload stays what it is.
mod common;
#[path = "common/words.rs"]
mod words;

use common::{BATCH, TestBus, at_once};
use std::time::Duration;
use swarmbus_core::layout::{PAYLOAD_MAX, SPAN_CHUNKS, class_stride};
use swarmbus_core::{
    ContentType, Error, Lane, Policy, PublishOptions, QueueOptions, SendOptions, StartAt, TopicOptions, TraceContext,
};
use words::Words;

const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn trace() -> Option<TraceContext> {
    Some(TEXT.parse().unwrap())
}

fn traced() -> SendOptions {
    SendOptions { trace: trace(), ..at_once() }
}

#[test]
fn a_trace_comes_with_its_message_and_with_no_other() {
    let bus = TestBus::new("trace");
    let bob = bus.attach("bob").unwrap();
    // Just below, at and above what a chunk holds, of the smallest class and of larger ones; a chunk is used again by a message without.
    for capacity in [64_usize, 1024, 1 << 21] {
        for length in [0, capacity - 27, capacity - 26, capacity - 25, capacity - 1, capacity] {
            let payload = vec![b'x'; length];
            let options = SendOptions { content: ContentType::Json, lane: Lane::High, ..traced() };
            bob.send("bob", &payload, &options).unwrap();
            let mut loan = bob.loan(length).unwrap();
            loan.copy_from_slice(&payload);
            loan.publish("bob", length, &options).unwrap();
            for _ in 0..2 {
                let message = bob.recv(Some(Duration::ZERO)).unwrap();
                assert_eq!((message.trace(), message.len(), message.data() == payload), (trace(), length, true));
                assert_eq!((message.content(), message.lane()), (ContentType::Json, Lane::High));
                message.release().unwrap();
            }
            bob.send("bob", &payload, &at_once()).unwrap();
            let without = bob.recv(Some(Duration::ZERO)).unwrap();
            assert_eq!((without.trace(), without.len()), (None, length));
            without.release().unwrap();
        }
    }
    let chunks = bus.observer().unwrap().bus().heap.chunks;
    assert_eq!((chunks.queued, chunks.in_flight), (0, 0));
}

#[test]
fn the_largest_payload_leaves_no_room_for_a_trace() {
    let bus = TestBus::new("trace-largest");
    let bob = bus.attach("bob").unwrap();
    let most = PAYLOAD_MAX as usize;
    let mut loan = bob.loan(most).unwrap();
    loan[..3].copy_from_slice(b"one");
    let refused = loan.publish("bob", most, &traced()).unwrap_err();
    assert!(matches!(refused.error, Error::TooLarge { .. }), "{:?}", refused.error);
    assert_eq!((refused.loan.len(), &refused.loan[..3]), (most, &b"one"[..]));
    refused.loan.publish("bob", most - 26, &traced()).unwrap();
    let message = bob.recv(Some(Duration::ZERO)).unwrap();
    assert_eq!((message.len(), message.trace()), (most - 26, trace()));
    assert!(matches!(bob.send("bob", &vec![0; most], &traced()), Err(Error::TooLarge { .. })));
    // An answer is worth more than its trace.
    let refused = message.reply(&vec![0; most + 1], ContentType::Bytes);
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    message.reply(&vec![0; most], ContentType::Bytes).unwrap();
    message.release().unwrap();
}

#[test]
fn a_loan_that_was_exchanged_for_room_comes_back_as_it_was() {
    let bus = TestBus::new("trace-back");
    bus.declare("full", &QueueOptions { limit: Some(1), ..QueueOptions::default() }).unwrap();
    let member = bus.join().unwrap();
    member.send("full", b"first", &at_once()).unwrap();
    let loan = |byte| {
        let mut loan = member.loan(64).unwrap();
        loan.fill(byte);
        loan
    };
    let (one, at) = (loan(1), |loan: &swarmbus_core::Loan<'_>| loan.as_ptr());
    let place = at(&one);
    let refused = one.publish("full", 64, &traced()).unwrap_err();
    assert!(matches!(refused.error, Error::Full { .. }));
    assert_eq!((at(&refused.loan), &*refused.loan), (place, &[1; 64][..]));
    let loans = vec![refused.loan, member.loan(3).unwrap(), loan(2)];
    let places: Vec<_> = loans.iter().map(at).collect();
    let refused = member.publish_batch("full", loans, &traced()).unwrap_err();
    assert_eq!(refused.loans.iter().map(at).collect::<Vec<_>>(), places);
    assert_eq!((&*refused.loans[0], &*refused.loans[2]), (&[1; 64][..], &[2; 64][..]));
    member.receive("full", Some(Duration::ZERO)).unwrap().release().unwrap();
    member.publish_batch("full", refused.loans, &traced()).unwrap();
    for length in [64, 3, 64] {
        let message = member.receive("full", Some(Duration::ZERO)).unwrap();
        assert_eq!((message.len(), message.trace()), (length, trace()));
        message.release().unwrap();
    }
}

#[test]
fn a_trace_goes_where_its_message_goes() {
    let bus = TestBus::new("trace-ways");
    let options =
        QueueOptions { max_deliveries: Some(2), dead_letters: Some("dead".into()), ..QueueOptions::default() };
    bus.declare("work", &options).unwrap();
    let (alice, now) = (bus.attach("alice").unwrap(), Some(Duration::ZERO));
    for (length, trace) in [(3, trace()), (64, trace()), (64, None)] {
        alice.send("work", &vec![7; length], &SendOptions { trace, ..at_once() }).unwrap();
        for _ in 0..2 {
            let message = alice.receive("work", now).unwrap();
            assert_eq!((message.len(), message.trace()), (length, trace));
            message.nack().unwrap();
        }
        assert!(alice.try_receive("work").unwrap().is_none(), "it is a dead letter");
        let letter = bus.observer().unwrap().peek("dead", 1).unwrap().remove(0);
        assert_eq!((letter.data.len(), letter.trace), (length, trace));
        assert_eq!(alice.redrive("dead", 1).unwrap(), 1);
        alice.receive("work", now).unwrap().forward("alice", now).unwrap();
        let passed_on = alice.recv(now).unwrap();
        assert_eq!((passed_on.len(), passed_on.trace()), (length, trace));
        passed_on.detach().unwrap().publish("alice", length, &at_once()).unwrap();
        let anew = alice.recv(now).unwrap();
        assert_eq!((anew.len(), anew.trace()), (length, None), "who sends it anew says of which trace it is");
        anew.release().unwrap();
    }
}

#[test]
fn a_batch_and_its_copies_for_a_tap_have_the_trace() {
    let bus = TestBus::new("trace-batch");
    bus.declare("work", &QueueOptions::default()).unwrap();
    let (viewer, alice) = (bus.attach("viewer").unwrap(), bus.attach("alice").unwrap());
    viewer.tap("work").unwrap();
    alice.send_batch("work", &BATCH, &traced()).unwrap();
    alice.send("work", &[7; 64], &traced()).unwrap();
    alice.send("work", b"without", &at_once()).unwrap();
    let expected = [(3, trace()), (3, trace()), (5, trace()), (64, trace()), (7, None)];
    let peeked = bus.observer().unwrap().peek("work", 10).unwrap();
    assert_eq!(peeked.iter().map(|peeked| (peeked.data.len(), peeked.trace)).collect::<Vec<_>>(), expected);
    for (length, trace) in expected {
        let (message, copy) = (alice.receive("work", Some(Duration::ZERO)).unwrap(), viewer.recv(None).unwrap());
        assert_eq!((message.len(), message.trace()), (length, trace));
        assert_eq!((copy.data(), copy.trace(), copy.tapped().is_some()), (message.data(), trace, true));
        message.release().unwrap();
        copy.release().unwrap();
    }
}

#[test]
fn an_answer_belongs_to_the_trace_of_its_question() {
    let bus = TestBus::new("trace-answers");
    bus.declare("questions", &QueueOptions::default()).unwrap();
    let (alice, patient) = (bus.attach("alice").unwrap(), Some(Duration::from_secs(60)));
    for (options, expected) in [(traced(), trace()), (at_once(), None)] {
        let options = SendOptions { timeout: patient, ..options };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let bus = swarmbus_core::Bus::open(bus.name()).unwrap();
                let helper = bus.join().unwrap();
                for _ in 0..2 {
                    let question = helper.receive("questions", patient).unwrap();
                    assert_eq!(question.trace(), expected);
                    if *question == *b"in parts" {
                        question.reply_part(&[1; 64], ContentType::Bytes, patient).unwrap();
                    }
                    question.reply(b"last", ContentType::Json).unwrap();
                    question.release().unwrap();
                }
            });
            let answer = alice.call("questions", b"whole", &options).unwrap();
            assert_eq!((&*answer, answer.trace(), answer.content()), (&b"last"[..], expected, ContentType::Json));
            answer.release().unwrap();
            let mut parts = alice.call_stream("questions", b"in parts", &options).unwrap();
            for (length, more) in [(64, true), (4, false)] {
                let part = parts.next(patient).unwrap().unwrap();
                assert_eq!((part.len(), part.trace(), part.more_follows()), (length, expected, more));
                part.release().unwrap();
            }
        });
    }
}

#[test]
fn every_subscriber_reads_the_trace_of_what_is_published() {
    let bus = TestBus::new("trace-topics");
    for (name, policy) in [("kept", Policy::BackPressure), ("lossy", Policy::Lossy)] {
        bus.declare_topic(name, &TopicOptions { policy, ..TopicOptions::default() }).unwrap();
        let (publisher, reader) = (bus.join().unwrap(), bus.join().unwrap());
        let mut subscription = reader.subscribe(name, StartAt::Now).unwrap();
        let at_once = PublishOptions { timeout: Some(Duration::ZERO), ..PublishOptions::default() };
        let traced = PublishOptions { trace: trace(), ..at_once.clone() };
        for (length, options) in [(3, &traced), (64, &traced), (40, &at_once), (0, &traced)] {
            publisher.publish(name, &vec![7; length], options).unwrap();
            let mut loan = publisher.loan(length).unwrap();
            loan.fill(7);
            loan.publish_to(name, length, options).unwrap();
            for _ in 0..2 {
                let sample = subscription.try_recv().unwrap().unwrap();
                assert_eq!((sample.len(), sample.trace()), (length, options.trace), "{name}");
            }
        }
    }
}

#[test]
fn a_header_that_promises_a_trace_in_vain_stops_nobody() {
    let bus = TestBus::new("trace-corrupt");
    let bob = bus.attach("bob").unwrap();
    let words = Words::of(&bus);
    let chunk_word = |chunk| words.read(words.geometry.chunks_at + chunk * 8);
    // Behind the one there is no room, behind the other no trace.
    for length in [64, 10] {
        bob.send("bob", &vec![0; length], &at_once()).unwrap();
        let queued = (0..SPAN_CHUNKS).find(|chunk| chunk_word(*chunk) & 3 == 2).unwrap();
        let meta = words.geometry.heap_at + queued * class_stride(0);
        assert_eq!(words.read(meta) & 0xffff_ffff, length as u64, "it is in the first span");
        words.write(meta, words.read(meta) | 1 << 47);
        let observer = bus.observer().unwrap();
        let peeked = observer.peek("bob", 1).unwrap().remove(0);
        assert_eq!((peeked.trace, peeked.data.len()), (None, length));
        assert!(observer.fsck().is_empty());
        let message = bob.recv(Some(Duration::ZERO)).unwrap();
        assert_eq!((message.trace(), message.len()), (None, length));
        message.release().unwrap();
    }
}
