//! Messages without room in their redelivery ring: put into limbo by one, fetched by another, each of whom may die.

use crate::check::{BRIEF, Mortal, ORDINARY, caught, every_death, mortal, needs};
use crate::tiny::{Segment, Shape, member, together};
use loom::thread;
use swarmbus_core::queue::shelve;
use swarmbus_core::recover::Reaper;
use swarmbus_core::sync::S10;

/// What a taker does who finds nothing: fetches from limbo, as far as there is room.
fn fetch(segment: &Segment, me: u16) {
    let queue = segment.queue_at(0);
    let deferred = queue.deferred.load(S10.acquire());
    if deferred & 1 != 0 {
        Reaper::new(segment, member(me), segment.notes_of(member(me))).fetch_from_limbo(&queue, deferred, 0..1);
    }
}

fn one_shelves_one_fetches() {
    every_death(ORDINARY, |budget| {
        let segment = Segment::new(Shape::of(0, 1));
        segment.send(member(0), 0, 0, 7).unwrap();
        let claimed = segment.take(member(1), 0).unwrap();
        // The bit is there already, because of another one.
        segment.queue_at(0).note_deferred();
        let shelver = thread::spawn({
            let segment = segment.clone();
            move || {
                let queue = segment.queue_at(0);
                mortal(Mortal::Victim, budget, || shelve(&*segment, &queue, claimed.chunk(), claimed.word)).is_none()
            }
        });
        fetch(&segment, 2);
        if shelver.join().unwrap() {
            segment.reap(member(3), &[member(1)]);
        }
        fetch(&segment, 2);
        assert_eq!(segment.drain(member(2), 0), [7], "nobody will look for it");
        segment.assert_empty();
    });
}

fn two_fetch() {
    every_death(BRIEF, |budget| {
        let segment = Segment::new(Shape::of(0, 1));
        segment.send(member(0), 0, 0, 7).unwrap();
        let claimed = segment.take(member(1), 0).unwrap();
        shelve(&*segment, &segment.queue_at(0), claimed.chunk(), claimed.word);
        let fetcher = thread::spawn({
            let segment = segment.clone();
            move || mortal(Mortal::Victim, budget, || fetch(&segment, 2)).is_none()
        });
        fetch(&segment, 3);
        let early = segment.drain(member(3), 0);
        if fetcher.join().unwrap() {
            segment.reap(member(4), &[member(2)]);
        }
        fetch(&segment, 3);
        assert_eq!(together(early, segment.drain(member(3), 0)), [7]);
        segment.assert_empty();
    });
}

#[test]
fn what_is_put_into_limbo_is_found() {
    one_shelves_one_fetches();
    caught(&["limbo-noted-once"], one_shelves_one_fetches);
    caught(&["limbo-forgotten"], one_shelves_one_fetches);
    needs(&[10], one_shelves_one_fetches);
}

#[test]
fn a_fetcher_may_die_and_another_fetches_as_well() {
    two_fetch();
    caught(&["judged-word-not-compared"], two_fetch);
    caught(&["orphaned-move-freed"], two_fetch);
}
