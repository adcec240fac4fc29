//! Waiting for a name to be free.

use crate::common::{TestBus, at_once, drain};
use crate::{LONG, SHORT};
use std::thread::{scope, sleep};
use std::time::Duration;
use swarmbus_core::Error;

#[test]
fn one_of_those_who_stand_by_gets_it_and_then_the_next() {
    let bus = TestBus::new("stand-by");
    let first = bus.attach("leader").unwrap();
    assert!(matches!(bus.stand_by("leader", Some(Duration::ZERO)), Err(Error::Timeout)));
    assert!(matches!(bus.stand_by("leader", Some(SHORT)), Err(Error::Timeout)));
    // No naps that end in time.
    bus.attach("supervisor").unwrap().supervise().unwrap();
    let epochs = scope(|threads| {
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                threads.spawn(|| {
                    let agent = bus.stand_by("leader", None).unwrap();
                    (agent.epoch(), drain(&agent, "leader").len())
                })
            })
            .collect();
        sleep(SHORT);
        bus.join().unwrap().send("leader", b"x", &at_once()).unwrap();
        drop(first);
        let mut epochs: Vec<_> = waiting.into_iter().map(|thread| thread.join().unwrap()).collect();
        epochs.sort_unstable();
        epochs
    });
    assert!(epochs.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(epochs.iter().map(|(_, got)| got).sum::<usize>(), 1);
}

#[test]
fn who_stands_by_waits_for_who_took_over() {
    let bus = TestBus::new("stand-by-takes");
    let first = bus.attach("leader").unwrap();
    scope(|threads| {
        let waiting = threads.spawn(|| bus.stand_by("leader", Some(LONG)).unwrap().epoch());
        sleep(SHORT);
        let second = bus.take_over("leader").unwrap();
        drop(first);
        sleep(SHORT);
        assert!(!waiting.is_finished());
        let epoch = second.epoch();
        drop(second);
        assert!(waiting.join().unwrap() > epoch);
    });
    let asked = std::cell::Cell::new(0);
    let _owner = bus.attach("leader").unwrap();
    let result = bus.stand_by_until("leader", Some(LONG), &mut || {
        asked.set(asked.get() + 1);
        true
    });
    assert!(matches!(result, Err(Error::Interrupted)) && asked.get() == 1);
}

#[test]
fn who_stands_by_is_told_that_the_bus_is_gone() {
    let bus = TestBus::new("stand-by-destroyed");
    let _owner = bus.attach("leader").unwrap();
    scope(|threads| {
        let waiting = threads.spawn(|| bus.stand_by("leader", Some(LONG)).map(drop));
        sleep(SHORT);
        bus.destroy().unwrap();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Closed { .. })));
    });
}
