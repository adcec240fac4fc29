//! Cursors of a topic and the floor beneath them: what single accesses of who joins, reads on and leaves are for.

use crate::check::{BRIEF, ORDINARY, explore, needs};
use crate::stage::{Shape, Stage, member};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use swarmbus_core::queue::claim_free;
use swarmbus_core::sync::Word;
use swarmbus_core::topic::{CursorWord, FloorWord, Policy, Topic};
use swarmbus_core::word::Name;

/// Publishers look at cursors, and wait for nobody.
fn hurried(limit: u64) -> Shape {
    Shape { policy: Policy::DropNew, ..Shape::of(limit) }
}

/// Two join at the same time, one of them further back: the floor is beneath both, or publishers would go by the higher one and push out what the other is to read.
#[test]
fn who_joins_leaves_the_floor_beneath_all_who_joined() {
    explore(ORDINARY, || {
        let stage = Stage::new(hurried(2));
        assert_eq!(stage.topic().obstacle(), None, "the floor is at the end");
        let other = thread::spawn({
            let stage = stage.clone();
            move || stage.topic().join(member(1), 2).unwrap().unwrap()
        });
        let positions = [stage.topic().join(member(2), 0).unwrap().unwrap(), other.join().unwrap()];
        let floor = FloorWord(stage.floor.load(Relaxed));
        assert!(positions.iter().all(|position| floor.behind(*position) >= 0), "a cursor is behind the floor (I32)");
    });
}

/// Somebody joins where all was taken out, and has seen that end alone, while another one publishes and takes that out as well. What the latter says was taken
/// out brings the end that goes with it; else it would be taken for scribbled, and the joiner begin with what has been gone for long.
#[test]
fn what_was_taken_out_brings_the_end_behind_it() {
    explore(ORDINARY, || {
        let stage = Stage::new(hurried(2));
        let trim = |stage: &Stage| {
            let topic = Topic { retain: 0, ..stage.topic() };
            topic.trim(stage, stage.notes_of(member(0))).unwrap()
        };
        assert_eq!(trim(&stage), 4);
        let end = stage.tail.load(Relaxed);
        let trimmer = thread::spawn({
            let stage = stage.clone();
            move || {
                stage.publish_silently(member(0), 4).unwrap();
                trim(&stage);
            }
        });
        let first = stage.topic().join(member(1), 1).unwrap().unwrap();
        assert!((end..=end + 1).contains(&first), "it begins at {first}, what is before {end} was taken out");
        trimmer.join().unwrap();
    });
}

/// What was read is read before its subscriber leaves: who sees the cursor free writes over it.
fn a_reader_leaves() {
    explore(ORDINARY, || {
        let stage = Stage::new(hurried(1));
        let reader = member(1);
        let first = stage.topic().join(reader, 1).unwrap().unwrap();
        let publisher = thread::spawn({
            let stage = stage.clone();
            move || (2..4).all(|number| stage.publish_silently(member(0), number).is_ok())
        });
        assert_eq!(stage.look(first), Some(1));
        stage.topic().leave(reader, || true);
        publisher.join().unwrap();
        stage.assert_whole();
    });
}

#[test]
fn what_was_read_last_was_read_before_the_reader_left() {
    a_reader_leaves();
    needs(&[11], a_reader_leaves);
}

/// A subscriber that is one further behind than half of the slots, for a publisher had looked before it joined (I31); and the end.
fn two_behind() -> (Arc<Stage>, Name, u64) {
    let stage = Stage::new(Shape { before: 3, ..hurried(1) });
    let (reader, end) = (member(1), stage.tail.load(Relaxed));
    stage.cursors[1].word.store(CursorWord::live(end - 2, reader).0, Relaxed);
    stage.floor.store(FloorWord::new(0, end - 2).0, Relaxed);
    (stage, reader, end)
}

/// It reads both messages.
fn read_both(stage: &Stage, reader: Name, end: u64) {
    assert_eq!([end - 2, end - 1].map(|position| stage.look(position)), [Some(1), Some(2)]);
    stage.topic().advance(reader, end);
}

/// A subscriber two behind reads both messages at once, then another publisher pushes one of them out, and has only the cursor's word that it was read. (Loom's fences bring what anybody has seen who came before; so nobody looks at the
/// cursor twice.)
fn a_reader_that_reads_two_at_once() {
    explore(ORDINARY, || {
        let (stage, reader, end) = two_behind();
        let publisher = thread::spawn({
            let stage = stage.clone();
            move || drop(stage.publish_silently(member(0), 3))
        });
        read_both(&stage, reader, end);
        publisher.join().unwrap();
        stage.assert_whole();
    });
}

#[test]
fn a_cursor_alone_says_that_what_is_before_was_read() {
    a_reader_that_reads_two_at_once();
    needs(&[11], a_reader_that_reads_two_at_once);
}

/// The same beside somebody who has looked at the cursor and raises the floor: the publisher looks at that alone, and has only its word that all before it was read.
fn a_reader_whose_cursor_another_has_seen() {
    explore(BRIEF, || {
        let (stage, reader, end) = two_behind();
        let looker = thread::spawn({
            let stage = stage.clone();
            move || stage.topic().laggard(end)
        });
        let publisher = thread::spawn({
            let stage = stage.clone();
            move || drop(stage.publish_silently(member(0), 3))
        });
        read_both(&stage, reader, end);
        looker.join().unwrap();
        publisher.join().unwrap();
        stage.assert_whole();
    });
}

#[test]
fn a_floor_alone_says_that_what_is_before_was_read() {
    a_reader_whose_cursor_another_has_seen();
    needs(&[12], a_reader_whose_cursor_another_has_seen);
}

/// Somebody claims an index and subscribes, while a reaper looks whether the one of the same name that had it before left a cursor: it asks whether that one still is
/// dead after it saw the cursor.
fn a_reaper_that_comes_when_the_index_is_used_again() {
    explore(ORDINARY, || {
        let (stage, claimed) = (Stage::new(hurried(1)), Arc::new(Word::new(0)));
        let owner = thread::spawn({
            let (stage, claimed) = (stage.clone(), claimed.clone());
            move || {
                claimed.store(1, Relaxed);
                stage.topic().join(member(1), 0).unwrap().unwrap();
            }
        });
        // Relaxed: the cursor brings it.
        stage.topic().leave(member(1), || claimed.load(Relaxed) == 0);
        owner.join().unwrap();
        assert!(
            CursorWord(stage.cursors[1].word.load(Relaxed)).is_of(member(1)),
            "the cursor of a living member was freed"
        );
    });
}

/// Two reapers free the cursor of a dead member, and one of them is slow: the index has its next owner, who subscribes.
fn a_slow_reaper_beside_the_next_owner() {
    explore(ORDINARY, || {
        let (stage, dead, next) = (Stage::new(hurried(1)), member(1), Name::new(1, member(1).incarnation() + 1));
        stage.topic().join(dead, 0).unwrap().unwrap();
        let slow = thread::spawn({
            let stage = stage.clone();
            move || stage.topic().leave(dead, || true)
        });
        stage.topic().leave(dead, || true);
        stage.topic().join(next, 0).unwrap().unwrap();
        slow.join().unwrap();
        assert!(CursorWord(stage.cursors[1].word.load(Relaxed)).is_of(next), "the cursor of a living member was freed");
    });
}

#[test]
fn who_frees_the_cursor_of_the_dead_spares_the_next_owner_of_the_index() {
    a_reaper_that_comes_when_the_index_is_used_again();
    needs(&[11], a_reaper_that_comes_when_the_index_is_used_again);
    a_slow_reaper_beside_the_next_owner();
}

/// What a subscriber has read another one takes out, and a third one uses its chunk: it sees by the chunk's word what the second saw by the cursor.
fn what_was_read_is_taken_out_for_another() {
    explore(BRIEF, || {
        let stage = Stage::new(hurried(1));
        stage.topic().trim(&*stage, stage.notes_of(member(0))).unwrap();
        let reader = member(1);
        let first = stage.topic().join(reader, 1).unwrap().unwrap();
        let trimmer = thread::spawn({
            let stage = stage.clone();
            move || {
                let topic = Topic { retain: 0, ..stage.topic() };
                topic.trim(&*stage, stage.notes_of(member(0))).unwrap()
            }
        });
        let user = thread::spawn({
            let stage = stage.clone();
            move || {
                if claim_free(&stage.chunks[1], member(2)).is_some() {
                    stage.write(1, 99);
                }
            }
        });
        assert_eq!(stage.look(first), Some(1));
        stage.topic().advance(reader, first + 1);
        trimmer.join().unwrap();
        user.join().unwrap();
    });
}

#[test]
fn who_uses_what_was_taken_out_comes_after_its_readers() {
    what_was_read_is_taken_out_for_another();
    needs(&[2], what_was_read_is_taken_out_for_another);
}
