//! What a topic costs a publisher and a subscriber, in one process.
//!
//! `cargo bench -p swarmbus-benches --bench topics`. Figures move from machine to machine; compare runs on one machine only.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use swarmbus_benches::Scratch;
use swarmbus_core::{CreateOptions, Member, Policy, PublishOptions, StartAt, TopicOptions};

fn scratch(name: &str) -> Scratch {
    Scratch::new(name, &CreateOptions::default()).unwrap()
}

fn at_once() -> PublishOptions {
    PublishOptions { timeout: Some(Duration::ZERO), ..PublishOptions::default() }
}

/// One message published and read by one thread, under each policy.
fn there_and_back(criterion: &mut Criterion) {
    let bus = scratch("topic");
    let (publisher, reader) = (bus.0.join().unwrap(), bus.0.join().unwrap());
    let mut group = criterion.benchmark_group("publish, read");
    for policy in [Policy::BackPressure, Policy::DropNew, Policy::Lossy] {
        bus.0.declare_topic(policy.as_str(), &TopicOptions { policy, ..TopicOptions::default() }).unwrap();
        let mut subscription = reader.subscribe(policy.as_str(), StartAt::Now).unwrap();
        for bytes in [64usize, 64 << 10] {
            group.bench_with_input(BenchmarkId::new(policy.as_str(), bytes), &bytes, |bencher, bytes| {
                bencher.iter(|| {
                    publisher.loan(*bytes).unwrap().publish_to(policy.as_str(), *bytes, &at_once()).unwrap();
                    drop(black_box(subscription.try_recv().unwrap().unwrap()));
                });
            });
        }
    }
    group.finish();
}

/// What subscribers cost a publisher that does not have to wake them: a look at all cursors now and then.
fn many_subscribers(criterion: &mut Criterion) {
    let bus = scratch("topic-many");
    bus.0.declare_topic("news", &TopicOptions { policy: Policy::DropNew, ..TopicOptions::default() }).unwrap();
    let publisher = bus.0.join().unwrap();
    let mut group = criterion.benchmark_group("publish to subscribers that read in between");
    for count in [1, 10, 100, 1000] {
        let members: Vec<Member> = (0..count).map(|_| bus.0.join().unwrap()).collect();
        let mut subscriptions: Vec<_> =
            members.iter().map(|member| member.subscribe("news", StartAt::Now).unwrap()).collect();
        group.bench_with_input(BenchmarkId::from_parameter(count), &count, |bencher, _| {
            let mut published = 0u64;
            bencher.iter_custom(|rounds| {
                let mut took = Duration::ZERO;
                for _ in 0..rounds {
                    if published.is_multiple_of(32) {
                        for subscription in &mut subscriptions {
                            while subscription.try_recv().unwrap().is_some() {}
                        }
                    }
                    let begun = std::time::Instant::now();
                    assert!(publisher.publish("news", &[7; 64], &at_once()).unwrap().position.is_some());
                    took += begun.elapsed();
                    published += 1;
                }
                took
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(20);
    targets = there_and_back, many_subscribers
}
criterion_main!(benches);
