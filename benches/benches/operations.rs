//! What each operation costs, in one process and between two threads that wait for each other.
//!
//! `cargo bench -p swarmbus-benches`. Figures move from machine to machine; compare runs on one machine only.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use swarmbus_benches::Scratch;
use swarmbus_core::{AgentState, ContentType, CreateOptions, Error, QueueOptions, SendOptions, Status};

fn scratch(name: &str) -> Scratch {
    Scratch::new(name, &CreateOptions::default()).unwrap()
}

fn at_once() -> SendOptions {
    SendOptions { timeout: Some(Duration::ZERO), ..SendOptions::default() }
}

/// One message through a queue and back into the sender's cache, by one thread: every instruction, no cache line in motion.
fn there_and_back(criterion: &mut Criterion) {
    let bus = scratch("there");
    let agent = bus.0.attach("agent").unwrap();
    let mut group = criterion.benchmark_group("send, receive, release");
    for bytes in [64usize, 1024, 64 << 10, 1 << 20] {
        let payload = vec![7u8; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_with_input(BenchmarkId::new("copied in", bytes), &payload, |bencher, payload| {
            bencher.iter(|| {
                agent.send("agent", payload, &at_once()).unwrap();
                black_box(agent.try_recv().unwrap().unwrap()).release().unwrap();
            });
        });
        group.bench_with_input(BenchmarkId::new("handed over", bytes), &bytes, |bencher, bytes| {
            bencher.iter(|| {
                agent.loan(*bytes).unwrap().publish("agent", *bytes, &at_once()).unwrap();
                black_box(agent.try_recv().unwrap().unwrap()).release().unwrap();
            });
        });
    }
    group.finish();
}

fn small_things(criterion: &mut Criterion) {
    let bus = scratch("small");
    let agent = bus.0.attach("agent").unwrap();
    criterion.bench_function("receive from an empty mailbox", |bencher| {
        bencher.iter(|| assert!(agent.try_recv().unwrap().is_none()));
    });
    bus.0.declare("full", &QueueOptions { limit: Some(1), ..QueueOptions::default() }).unwrap();
    agent.send("full", b"", &at_once()).unwrap();
    criterion.bench_function("send to a full queue", |bencher| {
        bencher.iter(|| assert!(matches!(agent.send("full", b"", &at_once()), Err(Error::Full { .. }))));
    });
    criterion.bench_function("attach and close", |bencher| bencher.iter(|| bus.0.attach("guest").unwrap().close()));
    criterion.bench_function("reap when nobody has died", |bencher| bencher.iter(|| agent.reap().unwrap()));
    criterion.bench_function("raw: clock_gettime", |bencher| bencher.iter(Instant::now));
}

/// A message each way between two threads. *Spinning* asks again and again, *blocking* sleeps.
fn round_trip(criterion: &mut Criterion) {
    let bus = scratch("trip");
    let mut group = criterion.benchmark_group("round trip, 64 B");
    for (name, timeout) in [("spinning", Some(Duration::ZERO)), ("blocking", None)] {
        let (ping, pong) = (format!("ping-{name}"), format!("pong-{name}"));
        let here = bus.0.attach(&pong).unwrap();
        let there = bus.0.attach(&ping).unwrap();
        let (stop, stopped) = mpsc::channel::<()>();
        let echo = std::thread::spawn(move || {
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                match there.recv(timeout.or(Some(Duration::from_millis(100)))) {
                    Ok(message) => {
                        there.send(&pong, &message, &at_once()).unwrap();
                        message.release().unwrap();
                    }
                    Err(Error::Timeout) => std::hint::spin_loop(),
                    Err(error) => panic!("{error}"),
                }
            }
        });
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                here.send(&ping, &[0; 64], &at_once()).unwrap();
                loop {
                    match here.recv(timeout) {
                        Ok(message) => break message.release().unwrap(),
                        Err(Error::Timeout) => std::hint::spin_loop(),
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        });
        drop(stop);
        echo.join().unwrap();
    }
    group.finish();
}

/// 64 B from one thread to another as fast as both can, a full queue being waited for.
fn one_way(criterion: &mut Criterion) {
    let bus = scratch("way");
    let mut group = criterion.benchmark_group("one way, 64 B");
    group.throughput(Throughput::Elements(1));
    group.bench_function("spinning", |bencher| {
        bencher.iter_custom(|count| {
            let (sender, receiver) = (bus.0.join().unwrap(), bus.0.attach("sink").unwrap());
            let started = Instant::now();
            let sending = std::thread::spawn(move || {
                for number in 0..count {
                    let payload = [number; 8];
                    // SAFETY: eight integers are 64 bytes of plain data.
                    let bytes = unsafe { std::slice::from_raw_parts(payload.as_ptr().cast::<u8>(), 64) };
                    while sender.send("sink", bytes, &at_once()).is_err() {
                        std::hint::spin_loop();
                    }
                }
            });
            for _ in 0..count {
                loop {
                    if let Some(message) = receiver.try_recv().unwrap() {
                        black_box((message[0], message[63]));
                        break message.release().unwrap();
                    }
                    std::hint::spin_loop();
                }
            }
            let elapsed = started.elapsed();
            sending.join().unwrap();
            elapsed
        });
    });
    group.finish();
}

/// What queues do beyond there and back. Each begins and ends with the same queue, by one thread.
fn queue_things(criterion: &mut Criterion) {
    let bus = scratch("queues");
    for queue in ["work", "other", "tapped"] {
        bus.0.declare(queue, &QueueOptions::default()).unwrap();
    }
    let (agent, viewer) = (bus.0.attach("agent").unwrap(), bus.0.attach("viewer").unwrap());
    let mut group = criterion.benchmark_group("queue");
    let take = |queue: &str| agent.receive(queue, Some(Duration::ZERO)).unwrap();
    group.throughput(Throughput::Elements(100));
    let payloads = [&[7u8; 64][..]; 100];
    group.bench_function("100 messages, sent and received as a batch", |bencher| {
        bencher.iter(|| {
            agent.send_batch("work", &payloads, &at_once()).unwrap();
            for message in agent.receive_batch("work", 100, Some(Duration::ZERO)).unwrap() {
                message.release().unwrap();
            }
        });
    });
    group.bench_function("100 messages, one by one", |bencher| {
        bencher.iter(|| {
            for payload in payloads {
                agent.send("work", payload, &at_once()).unwrap();
            }
            payloads.iter().for_each(|_| take("work").release().unwrap());
        });
    });
    group.throughput(Throughput::Elements(1));
    agent.send("work", &[7; 64], &at_once()).unwrap();
    group.bench_function("take and nack", |bencher| bencher.iter(|| take("work").nack().unwrap()));
    group.bench_function("take, forward, and back", |bencher| {
        bencher.iter(|| {
            take("work").forward("other", Some(Duration::ZERO)).unwrap();
            take("other").forward("work", Some(Duration::ZERO)).unwrap();
        });
    });
    group.bench_function("take, detach and publish", |bencher| {
        bencher.iter(|| take("work").detach().unwrap().publish("work", 64, &at_once()).unwrap());
    });
    group.bench_function("take, park and purge, and send anew", |bencher| {
        bencher.iter(|| {
            take("work").nack_after(Duration::from_secs(3600)).unwrap();
            assert_eq!(agent.purge("work").unwrap(), 1);
            agent.send("work", &[7; 64], &at_once()).unwrap();
        });
    });
    take("work").release().unwrap();
    let mut key = 0;
    group.bench_function("send with a key, receive, release", |bencher| {
        bencher.iter(|| {
            key += 1;
            agent.send("work", &[7; 64], &SendOptions { key: Some(key), ..at_once() }).unwrap();
            take("work").release().unwrap();
        });
    });
    viewer.tap("tapped").unwrap();
    group.bench_function("send to a tapped queue, receive both, release", |bencher| {
        bencher.iter(|| {
            agent.send("tapped", &[7; 64], &at_once()).unwrap();
            take("tapped").release().unwrap();
            viewer.try_recv().unwrap().unwrap().release().unwrap();
        });
    });
    for count in [8, 100, 500] {
        let names: Vec<_> = (0..count).map(|number| format!("source-{number}")).collect();
        names.iter().for_each(|name| bus.0.declare(name, &QueueOptions::default()).unwrap());
        let sources = agent.sources(&names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        group.bench_function(BenchmarkId::new("send, receive from any of", count), |bencher| {
            bencher.iter(|| {
                agent.send(&names[count / 2], &[7; 64], &at_once()).unwrap();
                sources.try_receive().unwrap().unwrap().release().unwrap();
            });
        });
    }
    group.finish();
}

/// A question and its answer, between two threads that sleep.
fn question(criterion: &mut Criterion) {
    let bus = scratch("question");
    let (asker, answerer) = (bus.0.attach("asker").unwrap(), bus.0.attach("answerer").unwrap());
    let answering = std::thread::spawn(move || {
        while let Ok(question) = answerer.recv(None) {
            question.reply(&question, ContentType::Bytes).unwrap();
            question.release().unwrap();
        }
    });
    criterion.bench_function("call and answer, blocking", |bencher| {
        bencher.iter(|| asker.call("answerer", &[7; 64], &SendOptions::default()).unwrap().release().unwrap());
    });
    asker.close_queue("answerer").unwrap();
    answering.join().unwrap();
}

/// What agents say of themselves. *Whole* is a status that fills its board, *short* one of a task and a state.
fn boards(criterion: &mut Criterion) {
    let bus = scratch("boards");
    let (agent, observer) = (bus.0.attach("agent").unwrap(), bus.0.observer().unwrap());
    let mut group = criterion.benchmark_group("board");
    let short = Status { state: AgentState::InProgress, task: "count the words".into(), ..Status::default() };
    let whole = Status { note: "n".repeat(Status::BYTES_MAX - 24 - 3 - 18), ..short.clone() };
    for (name, status) in [("short", &short), ("whole", &whole)] {
        group.bench_function(BenchmarkId::new("set a status", name), |bencher| {
            bencher.iter(|| agent.set_status(status).unwrap());
        });
        group.bench_function(BenchmarkId::new("read a status", name), |bencher| {
            bencher.iter(|| black_box(agent.status().unwrap()));
        });
        group.bench_function(BenchmarkId::new("read another's status by name, read-only", name), |bencher| {
            bencher.iter(|| black_box(observer.status("agent").unwrap()));
        });
    }
    group.bench_function("beat", |bencher| bencher.iter(|| agent.beat().unwrap()));
    group.finish();
}

criterion_group!(operations, there_and_back, small_things, queue_things, boards, question, round_trip, one_way);
criterion_main!(operations);
