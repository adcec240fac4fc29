//! Small models for single accesses whose mutants no other model noticed (`docs/mutants.md`).

use crate::check::{BRIEF, Mortal, ORDINARY, caught, every_death, explore, mortal, needs};
use crate::heap::Heap;
use crate::stage::{self, Shape, Stage};
use crate::tiny::member;
use crate::tiny::{Segment, Shape as Size};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use swarmbus_core::keys::{Keyed, Keys};
use swarmbus_core::queue::{claim_free, release};
use swarmbus_core::sync::{WakeWord, Word, is_a_run_of_mutants, mutant};
use swarmbus_core::topic::{CursorWord, FloorWord, Policy, Topic};
use swarmbus_core::word::SpanState;

/// A reaper that puts back the span of a dead retirer is paused; another one does it, and retires the span itself.
#[test]
fn a_paused_reaper_does_not_put_back_a_span_that_was_retired_since() {
    every_death(ORDINARY, |budget| {
        let heap = Heap::new(SpanState::Active, 1, 1);
        if mortal(Mortal::Victim, budget, || heap.retire(member(0))).is_some() {
            return;
        }
        let late = thread::spawn({
            let heap = heap.clone();
            move || heap.reap(member(1), &[member(0)])
        });
        heap.reap(member(2), &[member(0)]);
        let retired = heap.retire(member(2));
        late.join().unwrap();
        assert!(heap.assert_settled() == SpanState::Free || !retired);
    });
}

/// Who could not take a span from its class has put it back, and uses it, while another one takes it.
#[test]
fn who_has_put_a_span_back_does_not_do_so_again() {
    explore(ORDINARY, || {
        let heap = Heap::new(SpanState::Active, 1, 1);
        let held = claim_free(&heap.chunks[0], member(0)).unwrap();
        let retirer = thread::spawn({
            let heap = heap.clone();
            move || heap.retire(member(1))
        });
        assert!(!heap.retire(member(0)), "one of its chunks is taken");
        release(&*heap, (0, &heap.chunks[0]), held, None);
        heap.use_one(member(0));
        retirer.join().unwrap();
        heap.assert_settled();
    });
}

/// One commits a span and has a chunk of it, so another one puts it back, having seen it committed; a third one sees that by the word of the second.
#[test]
fn who_uses_a_span_that_was_put_back_sees_it_committed() {
    explore(BRIEF, || {
        let heap = Heap::new(SpanState::Free, 1, 2);
        let retirer = thread::spawn({
            let heap = heap.clone();
            move || heap.retire(member(1))
        });
        let user = thread::spawn({
            let heap = heap.clone();
            move || heap.use_one(member(2))
        });
        assert!(heap.activate(member(0)));
        claim_free(&heap.chunks[0], member(0));
        retirer.join().unwrap();
        user.join().unwrap();
    });
}

/// Somebody joins where everything was taken out, so that its cursor moves on, while a publisher waits for where it was before.
#[test]
fn who_joins_behind_what_was_taken_out_holds_nobody_up() {
    explore(ORDINARY, || {
        let stage = Stage::new(Shape::of(1));
        let end = stage.tail.load(Relaxed);
        stage.trimmed.store(end, Relaxed);
        let publisher = thread::spawn({
            let stage = stage.clone();
            move || {
                if stage.publish_silently(stage::member(0), 2).is_err() {
                    stage.await_room();
                }
            }
        });
        let first = stage.topic().join(stage::member(1), 1).unwrap().unwrap();
        assert!(first.wrapping_sub(end) <= 1, "nothing that was taken out");
        publisher.join().unwrap();
    });
}

/// Somebody looks for what was scribbled over while messages are published and all but so many taken out.
fn what_was_taken_out_stays_noted(retain: u64) {
    explore(BRIEF, move || {
        let stage = Stage::new(Shape::of(1));
        let trimmer = thread::spawn({
            let stage = stage.clone();
            move || {
                for number in 2..4 {
                    stage.publish_silently(stage::member(0), number).unwrap();
                }
                let topic = Topic { retain, ..stage.topic() };
                topic.trim(&*stage, stage.notes_of(stage::member(0))).unwrap();
            }
        });
        assert!(!Topic { retain, ..stage.topic() }.mend(|_| false), "nothing was scribbled over");
        trimmer.join().unwrap();
        assert_eq!(stage.trimmed.load(Relaxed) + retain, stage.tail.load(Relaxed), "all but what is retained");
    });
}

#[test]
fn what_was_taken_out_is_not_forgotten() {
    what_was_taken_out_stays_noted(1);
    what_was_taken_out_stays_noted(0);
}

/// Two take messages out, one of whom saw an earlier end: what the other one has noted stays.
#[test]
fn a_slow_trimmer_forgets_nothing() {
    explore(BRIEF, || {
        let stage = Stage::new(Shape::of(1));
        let slow = thread::spawn({
            let stage = stage.clone();
            move || stage.topic().trim(&*stage, stage.notes_of(stage::member(1))).unwrap()
        });
        stage.publish_silently(stage::member(0), 2).unwrap();
        stage.topic().trim(&*stage, stage.notes_of(stage::member(0))).unwrap();
        slow.join().unwrap();
        assert_eq!(stage.trimmed.load(Relaxed) + 1, stage.tail.load(Relaxed), "all but what is retained");
    });
}

/// Somebody claims an index and then subscribes, while another one looks for cursors of members that are not there.
fn a_member_subscribes_that_was_not_there() {
    explore(ORDINARY, || {
        let (stage, claimed) = (Stage::new(Shape::of(1)), Arc::new(Word::new(0)));
        let subscriber = thread::spawn({
            let (stage, claimed) = (stage.clone(), claimed.clone());
            move || {
                claimed.store(1, Relaxed);
                stage.topic().join(stage::member(1), 0).unwrap().unwrap();
            }
        });
        // Relaxed: the cursor brings it.
        stage.topic().mend(|_| claimed.load(Relaxed) == 0);
        subscriber.join().unwrap();
        assert!(CursorWord(stage.cursors[1].word.load(Relaxed)).is_live(), "the cursor of a living member was freed");
    });
}

#[test]
fn who_frees_stray_cursors_spares_who_has_just_come() {
    a_member_subscribes_that_was_not_there();
    needs(&[11], a_member_subscribes_that_was_not_there);
}

fn a_publisher_dies_beside_one_that_uses_what_it_was_to_push_out(budget: u32) {
    let stage = Stage::new(Shape::of(1));
    let other = thread::spawn({
        let stage = stage.clone();
        move || (2..4).all(|number| stage.publish_silently(stage::member(1), number).is_ok())
    });
    let died = mortal(Mortal::Victim, budget, || stage.publish_silently(stage::member(0), 9)).is_none();
    if died {
        stage.reap(stage::member(2), stage::member(0));
    }
    assert!(other.join().unwrap());
    stage.assert_whole();
}

/// A publisher sees a message that it is to push out. Another one does that meanwhile, and is about to publish the next message in that chunk when the first
/// dies: the chunk is not taken for one that was pushed out.
#[test]
fn what_was_pushed_out_and_is_used_again_is_not_freed() {
    // It shows with two preemptions, with which the right code has two million orders.
    every_death(BRIEF, a_publisher_dies_beside_one_that_uses_what_it_was_to_push_out);
    caught(&["evicted-slot-not-looked-at-again"], || {
        every_death(ORDINARY, a_publisher_dies_beside_one_that_uses_what_it_was_to_push_out);
    });
}

/// A subscriber reads, and says so; what it has read is pushed out by a publisher who has not looked at its cursor before.
fn what_was_read_is_pushed_out_by_another_publisher() {
    explore(BRIEF, || {
        let stage = Stage::new(Shape { policy: Policy::DropNew, ..Shape::of(1) });
        let reader = stage::member(1);
        let first = stage.topic().join(reader, 1).unwrap().unwrap();
        let publishers = [0, 2].map(|publisher| {
            let stage = stage.clone();
            thread::spawn(move || drop(stage.publish_silently(stage::member(publisher), 2)))
        });
        for position in first..first + 2 {
            if stage.look(position).is_none() {
                break;
            }
            stage.topic().advance(reader, position + 1);
        }
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
        stage.assert_whole();
    });
}

/// The same with one who takes out what nobody needs.
fn what_was_read_is_taken_out() {
    explore(ORDINARY, || {
        let stage = Stage::new(Shape { policy: Policy::DropNew, ..Shape::of(2) });
        let reader = stage::member(1);
        let first = stage.topic().join(reader, 2).unwrap().unwrap();
        let trimmer = thread::spawn({
            let stage = stage.clone();
            move || stage.trim(stage::member(0))
        });
        for position in first..first + 2 {
            assert!(stage.look(position).is_some(), "it is needed");
            stage.topic().advance(reader, position + 1);
        }
        trimmer.join().unwrap();
        stage.assert_whole();
    });
}

/// Who writes over a message has the cursor's word that its subscriber is done.
#[test]
fn what_goes_was_read_before() {
    what_was_read_is_pushed_out_by_another_publisher();
    needs(&[11], what_was_read_is_pushed_out_by_another_publisher);
    what_was_read_is_taken_out();
    needs(&[11], what_was_read_is_taken_out);
}

/// A message of a topic where publishers look at no cursors, and so have no fence behind what they wrote.
fn a_message_for_which_nobody_waits() {
    explore(ORDINARY, || {
        let stage = Stage::new(Shape { policy: Policy::Lossy, before: 0, ..Shape::of(1) });
        let publisher = thread::spawn({
            let stage = stage.clone();
            move || stage.publish_silently(stage::member(0), 7).unwrap()
        });
        if let Some(number) = stage.look(0) {
            assert_eq!((number, stage.homes[0].load(Relaxed)), (7, stage::TOPIC.bits()), "payload and header");
        }
        publisher.join().unwrap();
    });
}

/// Two publish at the same time where nobody looks at cursors. A tail that is seen brings the slot behind it, so none takes an old slot for one that was scribbled over.
fn two_for_whom_nobody_waits() {
    explore(BRIEF, || {
        let stage = Stage::new(Shape { policy: Policy::Lossy, before: 0, ..Shape::of(1) });
        let other = thread::spawn({
            let stage = stage.clone();
            move || (0..2).all(|number| stage.publish_silently(stage::member(0), number).is_ok())
        });
        stage.publish_silently(stage::member(1), 7).unwrap();
        assert!(stage.topic().end().is_ok());
        assert!(other.join().unwrap());
        stage.assert_whole();
    });
}

#[test]
fn a_tail_brings_the_slots_before_it() {
    two_for_whom_nobody_waits();
    needs(&[5], two_for_whom_nobody_waits);
}

/// Its slot says all that belongs to it.
#[test]
fn a_slot_brings_its_message() {
    a_message_for_which_nobody_waits();
    needs(&[1], a_message_for_which_nobody_waits);
}

/// A publisher goes on while somebody joins, who comes again since so much has been published meanwhile.
fn who_comes_again_beside_a_publisher(bound: usize) {
    explore(bound, || {
        let stage = Stage::new(Shape { policy: Policy::DropNew, ..Shape::of(2) });
        let publisher = thread::spawn({
            let stage = stage.clone();
            move || {
                let published = (4..6).all(|number| stage.publish_silently(stage::member(0), number).is_ok());
                let _ = published && stage.topic().obstacle().is_none();
            }
        });
        let position = stage.topic().join(stage::member(1), 2).unwrap().unwrap();
        publisher.join().unwrap();
        let floor = FloorWord(stage.floor.load(Relaxed));
        assert!(floor.behind(position) >= 0, "a floor above a cursor that has joined (I32)");
    });
}

#[test]
fn no_cursor_is_behind_the_floor() {
    // It takes three preemptions to see a mutant, which is soon seen.
    who_comes_again_beside_a_publisher(if is_a_run_of_mutants() { 3 } else { ORDINARY });
}

/// The tables of keys of two senders, who have a stripe each and the places for keys in common.
struct KeyTables {
    stripes: [Word; 2],
    window: Vec<Word>,
    count: Word,
    given_up: WakeWord,
}

impl KeyTables {
    fn new(places: usize) -> Arc<KeyTables> {
        let zero = || Word::new(0);
        let window = (0..places).map(|_| zero()).collect();
        Arc::new(KeyTables { stripes: [zero(), zero()], window, count: zero(), given_up: WakeWord::new(0) })
    }

    fn send(&self, segment: &Segment, sender: u16, key: u64) -> Keyed {
        self.send_to(0, segment, sender, key)
    }

    fn send_to(&self, queue: u16, segment: &Segment, sender: u16, key: u64) -> Keyed {
        let KeyTables { stripes, window, count, given_up } = self;
        let keys = Keys { stripes, window, count, given_up };
        // A chunk for each key: none is taken.
        let word = segment.loan(member(sender), key as u32, key).unwrap();
        segment.publish_remembered(member(sender), queue, (keys, key), (key as u32, word))
    }

    fn remembers(&self, key: u64) -> bool {
        self.window.iter().any(|place| place.load(Relaxed) == key)
    }
}

fn a_slow_sender(places: usize) {
    let (segment, tables) = (Segment::new(Size::of(2, 4).keyed()), KeyTables::new(places));
    let other = thread::spawn({
        let (segment, tables) = (segment.clone(), tables.clone());
        move || [1, 3].map(|key| assert_eq!(tables.send(&segment, 1, key), Keyed::Sent))
    });
    assert_eq!(tables.send(&segment, 0, 2), Keyed::Sent);
    other.join().unwrap();
    let remembered = [1, 2, 3].map(|key| tables.remembers(key));
    assert!(remembered[2], "the last one of its sender is no older than any other: {remembered:?}");
    assert!(places == 2 || remembered == [true; 3], "there is a place for each: {remembered:?}");
}

/// Of two senders who remember their keys at the same time, one is slow: it takes the place of no newer key.
#[test]
fn a_slow_sender_pushes_out_no_newer_key() {
    for places in [2, 3] {
        explore(ORDINARY, move || a_slow_sender(places));
    }
    needs(&[16], || explore(ORDINARY, || a_slow_sender(2)));
}

/// Two remember keys of messages in lanes of their own (here: queues), and know nothing of one another but by the count.
fn two_senders_that_never_meet() {
    let (segment, tables) = (Segment::new(Size::of(2, 4).keyed()), KeyTables::new(2));
    let senders = [&[1, 3][..], &[2]].map(|keys| {
        let (segment, tables) = (segment.clone(), tables.clone());
        let sender = keys.len() as u16 - 1;
        thread::spawn(move || {
            keys.iter().for_each(|key| assert_eq!(tables.send_to(sender, &segment, sender, *key), Keyed::Sent));
        })
    });
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    assert!(tables.remembers(3), "the last one of its sender is no older than any other");
}

/// Without the fences that stand in the wakes between one key of a sender and the next, and would do as well.
#[test]
fn who_counts_on_sees_the_keys_before() {
    let bare = || mutant::with(&["fence-after-rmw"], || explore(ORDINARY, two_senders_that_never_meet));
    bare();
    needs(&[16], bare);
}
