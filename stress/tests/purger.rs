//! Who purges and dies after it has claimed a message, before it rings for the room: who waits for that room sleeps on.
#![cfg(crash)]

use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use swarmbus_core::{CreateOptions, Lane, QueueOptions};
use swarmbus_stress::crash::Point;
use swarmbus_stress::killer::Process;
use swarmbus_stress::scene::{Scene, patience, payload};
use swarmbus_stress::victim::{Operation, Orders};

fn is_asleep(thread: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap_or_default();
    thread != 0 && stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('S'))
}

#[test]
fn who_waits_for_room_is_woken_when_a_purger_dies() {
    let scene =
        Scene::new(&CreateOptions { agents: 16, heap: 16 << 20, limit: 16, ..CreateOptions::default() }).unwrap();
    scene.declare("crowded", &QueueOptions { limit: Some(2), ..QueueOptions::default() }).unwrap();
    let member = scene.join().unwrap();
    // Naps of 5 s: none of them ends within this test.
    member.supervise().unwrap();
    for number in 1..=2 {
        member.send("crowded", &payload(number, 40), &patience(Lane::Normal, Duration::ZERO)).unwrap();
    }
    let (tid, sent) = (AtomicI32::new(0), AtomicU64::new(0));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let member = scene.join().unwrap();
            tid.store(nix::unistd::gettid().as_raw(), Relaxed);
            // Until the bus is destroyed.
            while member.send("crowded", &payload(3, 40), &patience(Lane::Normal, Duration::from_secs(100))).is_ok() {
                sent.fetch_add(1, Relaxed);
            }
        });
        while !is_asleep(tid.load(Relaxed)) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let orders = Orders {
            bus: scene.name().into(),
            operation: Operation::Purge,
            at: Point::Window { number: 14, nth: 1 },
            times: 1,
            first: 1000,
            mistake: None,
        };
        let mut victim = Process::start(Path::new(env!("CARGO_BIN_EXE_swarmbus-stress")), &orders.arguments()).unwrap();
        victim.expect_killed().unwrap();
        member.reap().unwrap();
        let started = Instant::now();
        while sent.load(Relaxed) < 2 && started.elapsed() < Duration::from_secs(4) {
            std::thread::sleep(Duration::from_millis(1));
        }
        scene.destroy().unwrap();
        assert_eq!(sent.load(Relaxed), 2, "there is room, and the sender sleeps on");
    });
}
