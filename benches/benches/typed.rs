//! What a struct costs, there and back by one thread: as an archive read in place or copied, beside bytes of the same length and beside JSON.
//!
//! `cargo bench -p swarmbus-benches --bench typed`. The ratios say more than the figures.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use swarmbus_benches::Scratch;
use swarmbus_core::{CreateOptions, SendOptions, rkyv, schema};

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, serde::Serialize, serde::Deserialize)]
struct Task {
    number: u64,
    path: String,
    tags: Vec<String>,
    scores: Vec<f64>,
    parts: Vec<Part>,
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, serde::Serialize, serde::Deserialize)]
struct Part {
    line: u32,
    weight: f32,
    label: Option<String>,
}

schema!(Task = "bench.task/1");

fn task(parts: usize) -> Task {
    Task {
        number: 7,
        path: "src/a/path/of/some/length.rs".into(),
        tags: (0..4).map(|n| format!("tag number {n}")).collect(),
        scores: (0..parts).map(|n| n as f64 / 3.0).collect(),
        parts: (0..parts)
            .map(|n| Part {
                line: n as u32,
                weight: 0.5,
                label: n.is_multiple_of(2).then(|| format!("the label of part {n}")),
            })
            .collect(),
    }
}

fn typed(criterion: &mut Criterion) {
    let bus = Scratch::new("typed", &CreateOptions::default()).unwrap();
    let agent = bus.0.attach("agent").unwrap();
    let at_once = SendOptions { timeout: Some(Duration::ZERO), ..SendOptions::default() };
    let mut group = criterion.benchmark_group("a struct, sent and read");
    for parts in [2_usize, 40, 2000] {
        let task = task(parts);
        let archive = agent.loan_typed(&task).unwrap().to_vec();
        let label = format!("{} bytes", archive.len());
        let one_field = |message: &swarmbus_core::Message<'_>| message.view::<Task>().unwrap().scores.len();
        group.bench_function(BenchmarkId::new("bytes", &label), |bencher| {
            bencher.iter(|| {
                agent.send("agent", &archive, &at_once).unwrap();
                let message = agent.try_recv().unwrap().unwrap();
                black_box(message.last());
                message.release().unwrap();
            });
        });
        group.bench_function(BenchmarkId::new("archive, in place", &label), |bencher| {
            bencher.iter(|| {
                agent.send_typed("agent", &task, &at_once).unwrap();
                let message = agent.try_recv().unwrap().unwrap();
                black_box(one_field(&message));
                message.release().unwrap();
            });
        });
        group.bench_function(BenchmarkId::new("archive, copied", &label), |bencher| {
            bencher.iter(|| {
                agent.send_typed("agent", &task, &at_once).unwrap();
                let message = agent.try_recv().unwrap().unwrap();
                black_box(message.read::<Task>().unwrap());
                message.release().unwrap();
            });
        });
        group.bench_function(BenchmarkId::new("JSON", &label), |bencher| {
            bencher.iter(|| {
                agent.send_json("agent", &task, &at_once).unwrap();
                let message = agent.try_recv().unwrap().unwrap();
                black_box(message.json::<Task>().unwrap());
                message.release().unwrap();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, typed);
criterion_main!(benches);
