//! What each operation costs, in one process and between two threads that wait for each other.
//!
//! `cargo bench -p swarmbus-benches`. Figures move from machine to machine; compare runs on one machine only.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use swarmbus_core::{Bus, CreateOptions, Error, QueueOptions, SendOptions};

struct Scratch(Bus);

impl Scratch {
    fn new(name: &str) -> Scratch {
        Scratch(Bus::create(&format!("bench-{}-{name}", std::process::id()), &CreateOptions::default()).unwrap())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = self.0.destroy();
    }
}

fn at_once() -> SendOptions {
    SendOptions { timeout: Some(Duration::ZERO), ..SendOptions::default() }
}

/// One message through a queue and back into the sender's cache, by one thread: every instruction, no cache line in motion.
fn there_and_back(criterion: &mut Criterion) {
    let bus = Scratch::new("there");
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
    let bus = Scratch::new("small");
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
    let bus = Scratch::new("trip");
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
    let bus = Scratch::new("way");
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

criterion_group!(operations, there_and_back, small_things, round_trip, one_way);
criterion_main!(operations);
