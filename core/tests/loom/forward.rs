//! A member that takes a message from one queue and moves it to another, and dies at any step of that.

use crate::check::{Mortal, ORDINARY, caught, every_death, mortal};
use crate::tiny::{LANE, Segment, Shape, member, together};
use loom::thread;
use swarmbus_core::word::IntentKind;

fn a_forwarder_dies() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(0, 1));
        segment.send(member(0), 0, 0, 7).unwrap();
        let forwarder = thread::spawn({
            let segment = segment.clone();
            move || {
                let forward = || {
                    let claimed = segment.take(member(1), 0).unwrap();
                    let chunk = (claimed.chunk(), claimed.word);
                    segment.publish(member(1), (1, LANE), IntentKind::Move, chunk).unwrap();
                };
                mortal(Mortal::Victim, budget, forward).is_some()
            }
        });
        let consumer = thread::spawn({
            let segment = segment.clone();
            move || Vec::from_iter(segment.receive(member(2), 1))
        });
        let forwarded = forwarder.join().unwrap();
        segment.reap(member(3), &[member(1)]);
        let there = [consumer.join().unwrap(), segment.drain(member(2), 1)].concat();
        let here = segment.drain(member(2), 0);
        assert!(!forwarded || here.is_empty(), "forwarded, and still in the old queue");
        assert_eq!(together(here, there), [7]);
        segment.assert_empty();
    });
}

#[test]
fn a_dead_forwarders_message_is_in_exactly_one_place() {
    a_forwarder_dies();
    caught(&["orphaned-move-freed"], a_forwarder_dies);
    caught(&["word-before-intent"], a_forwarder_dies);
}
