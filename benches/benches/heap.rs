//! What memory costs: a chunk from where it was, a span from the system and back, a span from another class.
//!
//! `cargo bench -p swarmbus-benches --bench heap`.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};
use swarmbus_benches::Scratch;
use swarmbus_core::{CreateOptions, Loan, Member};

fn scratch(name: &str, heap: u64) -> Scratch {
    Scratch::new(name, &CreateOptions { agents: 16, heap, ..CreateOptions::default() }).unwrap()
}

const SIZES: [usize; 6] = [64, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 16 << 20];

/// Up to 4 KiB from the member's own cache, above from a span that is there.
fn borrow_and_give_back(criterion: &mut Criterion) {
    let bus = scratch("borrow", 256 << 20);
    let member = bus.0.join().unwrap();
    let mut group = criterion.benchmark_group("heap: borrow and give back");
    for bytes in SIZES {
        group.bench_with_input(BenchmarkId::from_parameter(bytes), &bytes, |bencher, bytes| {
            bencher.iter(|| drop(black_box(member.loan(*bytes).unwrap())));
        });
    }
    // More than a cache holds: chunks go through their words, there and back.
    group.bench_function("1000 of 64", |bencher| {
        bencher.iter(|| drop(black_box((0..1000).map(|_| member.loan(64).unwrap()).collect::<Vec<_>>())));
    });
    group.finish();
}

/// The first chunk of a class takes a span (above 2 MiB: a run) from the system; who leaves as the last gives it back.
fn span_from_the_system(criterion: &mut Criterion) {
    let bus = scratch("system", 256 << 20);
    let mut group = criterion.benchmark_group("heap: a span");
    for bytes in [64 << 10, 1 << 20, 16 << 20] {
        let timed = |count: u64, activation: bool| {
            let mut elapsed = Duration::ZERO;
            for _ in 0..count {
                let member = bus.0.join().unwrap();
                let start = Instant::now();
                drop(black_box(member.loan(bytes).unwrap()));
                let activated = start.elapsed();
                let start = Instant::now();
                member.close();
                elapsed += if activation { activated } else { start.elapsed() };
            }
            elapsed
        };
        group.bench_function(BenchmarkId::new("activated for", bytes), |bencher| {
            bencher.iter_custom(|count| timed(count, true));
        });
        group.bench_function(BenchmarkId::new("given back after", bytes), |bencher| {
            bencher.iter_custom(|count| timed(count, false));
        });
    }
    group.finish();
}

fn fill(member: &Member, bytes: usize) -> Vec<Loan<'_>> {
    std::iter::from_fn(|| member.loan(bytes).ok()).collect()
}

/// A full heap changes from one size to the other and back; per span.
fn span_from_another_class(criterion: &mut Criterion) {
    const SPANS: u32 = 32;
    let bus = scratch("class", SPANS as u64 * ((2 << 20) + 4096));
    let member = bus.0.join().unwrap();
    criterion.bench_function("heap: a span from 64 B to 1 MiB", |bencher| {
        bencher.iter_custom(|count| {
            let mut elapsed = Duration::ZERO;
            for _ in 0..count {
                drop(fill(&member, 64));
                let start = Instant::now();
                let large = fill(&member, 1 << 20);
                elapsed += start.elapsed() / SPANS;
                assert_eq!(large.len(), 2 * SPANS as usize);
            }
            elapsed
        });
    });
}

criterion_group!(heap, borrow_and_give_back, span_from_the_system, span_from_another_class);
criterion_main!(heap);
