//! A topic: publishers, subscribers that join and leave meanwhile, deaths at every step.

use crate::check::{BRIEF, Mortal, ORDINARY, caught, every_death, explore, mortal, needs};
use crate::stage::{Shape, Stage, member};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use swarmbus_core::memory::Memory;
use swarmbus_core::queue::{claim_free, release};
use swarmbus_core::sync::{WakeWord, Word};
use swarmbus_core::topic::{self, CursorWord, Policy};
use swarmbus_core::wait;
use swarmbus_core::word::{ChunkState, Name};

/// A subscriber reads what a publisher publishes, both waiting for the other.
fn a_publisher_and_a_subscriber(shape: Shape, messages: u64) {
    explore(ORDINARY, move || {
        let stage = Stage::new(shape);
        let reader = member(1);
        let first = stage.topic().join(reader, 0).unwrap().unwrap();
        let publisher = thread::spawn({
            let stage = stage.clone();
            move || {
                for number in 0..messages {
                    stage.publish(member(0), shape.before + number);
                }
            }
        });
        for position in first..first + messages {
            assert_eq!(stage.receive(reader, position), stage.number_at(position));
        }
        publisher.join().unwrap();
        stage.assert_whole();
    });
}

/// Publishers go on as far as they can, while somebody joins with history and reads.
fn a_joiner(shape: Shape, publishers: u16, messages: u64, history: u64, bound: usize) {
    explore(bound, move || {
        let stage = Stage::new(shape);
        let publishers: Vec<_> = (0..publishers)
            .map(|publisher| {
                let stage = stage.clone();
                thread::spawn(move || {
                    (0..messages)
                        .take_while(|number| {
                            let number = shape.before + number + 10 * publisher as u64;
                            stage.publish_silently(member(publisher), number).is_ok()
                        })
                        .count() as u64
                })
            })
            .collect();
        let (joiner, alone) = (member(4), publishers.len() == 1);
        let first = stage.topic().join(joiner, history).unwrap().unwrap();
        let mut position = first;
        let see = |stage: &Stage, position: u64, number: u64| {
            assert!(number != 99 && (!alone || number == stage.number_at(position)), "{number} at {position}");
        };
        // One beside the publishers, the others when they are done.
        if let Some(number) = stage.look(position) {
            see(&stage, position, number);
        }
        let published: u64 = publishers.into_iter().map(|publisher| publisher.join().unwrap()).sum();
        while let Some(number) = stage.look(position) {
            see(&stage, position, number);
            position += 1;
            stage.topic().advance(joiner, position);
        }
        assert_eq!(stage.number_at(position), shape.before + published, "read to the end");
        stage.assert_whole();
    });
}

impl Stage {
    /// Takes out what nobody needs, and writes all over what is free then.
    pub fn trim(&self, me: Name) -> u64 {
        let taken = self.topic().trim(self, self.notes_of(me)).unwrap();
        for chunk in 0..self.chunks.len() as u32 {
            if let Some(word) = claim_free(&self.chunks[chunk as usize], me) {
                self.write(chunk, 99);
                release(self, (chunk, &self.chunks[chunk as usize]), word, None);
            }
        }
        taken
    }
}

/// One publishes and takes out what nobody needs, while somebody joins with the last message and reads it.
fn a_trimmer_and_a_joiner() {
    explore(ORDINARY, || {
        let shape = Shape::of(2);
        let stage = Stage::new(shape);
        let trimmer = thread::spawn({
            let stage = stage.clone();
            move || {
                let published = stage.publish_silently(member(0), shape.before).is_ok();
                stage.trim(member(0));
                published as u64
            }
        });
        let joiner = member(4);
        let mut position = stage.topic().join(joiner, 1).unwrap().unwrap();
        assert!(stage.number_at(position) >= shape.before - 1, "with no more than is retained");
        let early = stage.look(position);
        let published = trimmer.join().unwrap();
        while let Some(number) = stage.look(position) {
            assert_eq!(number, stage.number_at(position));
            position += 1;
            stage.topic().advance(joiner, position);
        }
        assert!(early.is_none_or(|number| number != 99));
        assert_eq!(stage.number_at(position), shape.before + published, "read to the end");
        stage.assert_whole();
    });
}

/// Two take out the same messages while a third pushes one of them out.
fn two_trimmers_and_a_publisher() {
    explore(BRIEF, || {
        let stage = Stage::new(Shape::of(1));
        let others = [1, 2].map(|trimmer| {
            let stage = stage.clone();
            thread::spawn(move || stage.topic().trim(&*stage, stage.notes_of(member(trimmer))).unwrap())
        });
        stage.publish_silently(member(0), 2).unwrap();
        let taken: u64 = others.into_iter().map(|other| other.join().unwrap()).sum();
        assert!(taken <= 2, "{taken} of two");
        stage.assert_whole();
    });
}

/// A trimmer dies at every step; its reaper frees what it took out, and others go on.
fn a_trimmer_dies() {
    every_death(ORDINARY, |budget| {
        let stage = Stage::new(Shape::of(1));
        let victim = thread::spawn({
            let stage = stage.clone();
            move || mortal(Mortal::Victim, budget, || stage.topic().trim(&*stage, stage.notes_of(member(0)))).is_some()
        });
        victim.join().unwrap();
        stage.reap(member(3), member(0));
        stage.assert_whole();
        stage.trim(member(1));
        assert_eq!(stage.number_at(stage.try_publish(member(2), 2).unwrap()), 2);
        stage.assert_whole();
    });
}

#[test]
fn what_is_taken_out_is_needed_by_nobody() {
    a_trimmer_and_a_joiner();
    caught(&["trimmed-not-asked"], a_trimmer_and_a_joiner);
    caught(&["no-fence-before-cursors"], a_trimmer_and_a_joiner);
    two_trimmers_and_a_publisher();
}

#[test]
fn a_dead_trimmer_leaks_nothing() {
    a_trimmer_dies();
    caught(&["eviction-not-noted"], a_trimmer_dies);
}

/// A subscriber reads while a publisher publishes what there is room for; neither has a fence that the other could lean on.
fn a_reader() {
    explore(ORDINARY, || {
        let shape = Shape { policy: Policy::DropNew, ..Shape::of(2) };
        let stage = Stage::new(shape);
        let first = stage.topic().join(member(1), 2).unwrap().unwrap();
        let publisher = thread::spawn({
            let stage = stage.clone();
            move || (0..3).all(|number| stage.publish_silently(member(0), shape.before + number).is_ok())
        });
        let mut position = first;
        while position < first + 3
            && let Some(number) = stage.look(position)
        {
            assert_eq!(number, stage.number_at(position));
            position += 1;
            stage.topic().advance(member(1), position);
        }
        let cursor = CursorWord(stage.cursors[1].word.load(Relaxed));
        assert_eq!(cursor.behind(position), 0, "publishers find the room that it has made");
        publisher.join().unwrap();
        stage.assert_whole();
    });
}

/// A topic whose next message two subscribers, 1 and 2, have to make room for, by reading the first.
fn with_two_laggards() -> (Arc<Stage>, [Name; 2], u64) {
    let stage = Stage::new(Shape { before: 0, ..Shape::of(1) });
    let subscribers = [1, 2].map(member);
    let first = subscribers.map(|subscriber| stage.topic().join(subscriber, 0).unwrap().unwrap())[0];
    stage.publish_silently(member(0), 0).unwrap();
    (stage, subscribers, first)
}

/// Two who wait for room, and two subscribers who make it, one after the other.
fn two_wait_for_two() {
    explore(BRIEF, || {
        let (stage, subscribers, first) = with_two_laggards();
        let waiter = thread::spawn({
            let stage = stage.clone();
            move || stage.await_room()
        });
        let readers = thread::spawn({
            let stage = stage.clone();
            move || subscribers.into_iter().rev().for_each(|subscriber| stage.topic().advance(subscriber, first + 1))
        });
        stage.await_room();
        waiter.join().unwrap();
        readers.join().unwrap();
    });
}

/// One who is about to note the laggard that it found, who has moved on; beside it another one who waits, for the other laggard.
fn a_late_note() {
    explore(ORDINARY, || {
        let (stage, [other, found], first) = with_two_laggards();
        let topic = stage.topic();
        wait::announce_to_all(&stage.room.room);
        let laggard = topic.obstacle().unwrap();
        assert_eq!(laggard.member, found.index());
        topic.advance(found, first + 1);
        let waiter = thread::spawn({
            let stage = stage.clone();
            move || stage.await_room()
        });
        let reader = thread::spawn({
            let stage = stage.clone();
            move || stage.topic().advance(other, first + 1)
        });
        assert!(!topic.await_laggard(laggard));
        stage.await_room();
        waiter.join().unwrap();
        reader.join().unwrap();
    });
}

/// One call wakes two sleepers, and who goes back to sleep meanwhile is woken by the next.
fn two_sleepers() {
    explore(ORDINARY, || {
        let state = Arc::new((Word::new(0), WakeWord::new(0)));
        let sleepers = [2, 1].map(|wanted| {
            let state = state.clone();
            thread::spawn(move || {
                for count in 1..=wanted {
                    while let ticket = wait::announce_to_all(&state.1)
                        && state.0.load(std::sync::atomic::Ordering::Acquire) < count
                    {
                        wait::sleep(&state.1, ticket, Duration::MAX);
                    }
                }
            })
        });
        for _ in 0..2 {
            state.0.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
            wait::ring_all(&state.1);
        }
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
    });
}

/// A publisher dies at every step of a message that pushes one out, beside a subscriber that reads.
fn a_publisher_dies(shape: Shape) {
    every_death(ORDINARY, move |budget| {
        let stage = Stage::new(shape);
        let reader = member(1);
        let first = stage.topic().join(reader, 0).unwrap().unwrap();
        let victim = thread::spawn({
            let stage = stage.clone();
            move || mortal(Mortal::Victim, budget, || stage.try_publish(member(0), shape.before)).is_some()
        });
        let early = stage.look(first);
        let published = victim.join().unwrap();
        stage.reap(member(3), member(0));
        assert!(early.is_none_or(|number| number == shape.before));
        let late = stage.look(first);
        assert!(late == early || early.is_none(), "what was read once is there");
        assert!(late.is_some() || !published, "a message that was published is there");
        stage.assert_whole();
        // Others go on, past whatever the dead left.
        let expected = first + late.is_some() as u64;
        stage.topic().advance(reader, expected);
        assert_eq!(stage.try_publish(member(2), 50).unwrap(), expected);
        assert_eq!(stage.look(expected), Some(50));
        stage.assert_whole();
    });
}

/// A publisher dies, perhaps between its message and the wake that it owed to a sleeping subscriber.
fn a_dead_publisher_owes_a_wake() {
    every_death(ORDINARY, |budget| {
        let stage = Stage::new(Shape { before: 0, ..Shape::of(1) });
        let first = stage.topic().join(member(1), 0).unwrap().unwrap();
        let reader = thread::spawn({
            let stage = stage.clone();
            move || stage.receive(member(1), first)
        });
        let published = mortal(Mortal::Victim, budget, || stage.try_publish(member(0), 7)).is_some();
        let there = published || stage.look(first).is_some();
        stage.reap(member(3), member(0));
        if !there {
            stage.try_publish(member(2), 8).unwrap();
        }
        assert_eq!(reader.join().unwrap(), if there { 7 } else { 8 });
    });
}

/// A subscriber dies at every step from joining to leaving; the publisher that waits for it gets on.
fn a_subscriber_dies() {
    every_death(BRIEF, |budget| {
        let shape = Shape::of(1);
        let stage = Stage::new(shape);
        let victim = thread::spawn({
            let stage = stage.clone();
            move || {
                mortal(Mortal::Victim, budget, || {
                    let position = stage.topic().join(member(1), 1).unwrap().unwrap();
                    assert_eq!(stage.look(position), Some(stage.number_at(position)));
                    stage.topic().advance(member(1), position + 1);
                    stage.topic().leave(member(1), || true);
                })
            }
        });
        let publisher = thread::spawn({
            let stage = stage.clone();
            move || {
                stage.publish(member(0), shape.before);
            }
        });
        if victim.join().unwrap().is_none() {
            stage.reap(member(3), member(1));
        }
        publisher.join().unwrap();
        assert!(!CursorWord(stage.cursors[1].word.load(Relaxed)).is_live());
        stage.assert_whole();
    });
}

/// Somebody looks for what was scribbled over, while a publisher publishes.
fn a_publisher_beside_a_reaper() {
    explore(ORDINARY, || {
        let shape = Shape::of(1);
        let stage = Stage::new(shape);
        let publisher = thread::spawn({
            let stage = stage.clone();
            move || {
                for number in 0..2 {
                    stage.publish_silently(member(0), shape.before + number).unwrap();
                }
            }
        });
        assert!(!stage.topic().mend(|_| false), "nothing was scribbled over");
        publisher.join().unwrap();
        assert!(!stage.topic().mend(|_| false));
        stage.assert_whole();
    });
}

#[test]
fn a_sound_topic_is_not_mended() {
    a_publisher_beside_a_reaper();
    caught(&["tail-not-read-again"], a_publisher_beside_a_reaper);
}

#[test]
fn everybody_reads_every_message_in_order() {
    a_publisher_and_a_subscriber(Shape::of(1), 2);
    a_publisher_and_a_subscriber(Shape::of(1).ancient(), 2);
    needs(&[1], || a_publisher_and_a_subscriber(Shape::of(1), 2));
    a_reader();
    needs(&[11], a_reader);
}

#[test]
fn a_publisher_and_a_subscriber_wake_each_other() {
    caught(&["no-fence-before-laggard"], || a_publisher_and_a_subscriber(Shape::of(1), 2));
    caught(&["no-fence-after-cursor"], || a_publisher_and_a_subscriber(Shape::of(1), 2));
    two_sleepers();
    caught(&["woken-before-cleared"], two_sleepers);
    caught(&["no-fence-after-announcement"], two_sleepers);
}

#[test]
fn who_joins_misses_nothing_from_then_on() {
    a_joiner(Shape::of(1), 1, 3, 1, ORDINARY);
    a_joiner(Shape::of(2), 1, 3, 2, ORDINARY);
    a_joiner(Shape::of(1).ancient(), 1, 2, 1, ORDINARY);
}

#[test]
fn a_model_without_one_of_the_looks_of_a_joiner_fails() {
    let one = || a_joiner(Shape::of(1), 1, 3, 1, ORDINARY);
    caught(&["no-fence-before-floor"], one);
    caught(&["no-fence-before-second-look"], one);
    caught(&["no-second-look-at-end"], one);
    caught(&["paused-publisher-forgotten"], one);
    caught(&["slots-for-one-lap"], || a_joiner(Shape::of(2).tight(), 1, 3, 2, ORDINARY));
    let two = || a_joiner(Shape::of(2), 1, 3, 2, ORDINARY);
    caught(&["floor-not-lowered"], two);
    caught(&["join-not-counted"], two);
    caught(&["floor-not-compared"], two);
    needs(&[12], two);
}

#[test]
fn who_joins_beside_two_publishers_misses_nothing() {
    a_joiner(Shape::of(1), 2, 1, 1, BRIEF);
}

#[test]
fn two_publishers_wait_for_two_subscribers() {
    two_wait_for_two();
    a_late_note();
    caught(&["left-silently"], a_late_note);
}

#[test]
fn a_dead_publishers_message_is_there_or_its_chunk_is_free() {
    a_publisher_dies(Shape::of(1));
    a_publisher_dies(Shape::of(1).ancient());
    caught(&["eviction-not-noted"], || a_publisher_dies(Shape::of(1)));
    caught(&["slots-not-searched"], || a_publisher_dies(Shape::of(1)));
}

#[test]
fn a_dead_publishers_wake_is_paid_by_its_reaper() {
    a_dead_publisher_owes_a_wake();
    caught(&["debts-forgotten"], a_dead_publisher_owes_a_wake);
}

#[test]
fn a_dead_subscriber_holds_nobody_up() {
    a_subscriber_dies();
    caught(&["freed-silently"], a_subscriber_dies);
    caught(&["bit-of-the-dead-trusted"], a_subscriber_dies);
}

/// A publisher waits for whom it has to, while somebody joins who is in nobody's way once it has joined.
fn a_joiner_and_a_publisher_that_waits(bound: usize) {
    explore(bound, || {
        let stage = Stage::new(Shape::of(1));
        let end = stage.tail.load(Relaxed) + 2;
        let publisher = thread::spawn({
            let stage = stage.clone();
            move || {
                for number in 2..4 {
                    if stage.publish_silently(member(0), number).is_err() {
                        return;
                    }
                }
                stage.await_room();
            }
        });
        let reader = member(1);
        let first = stage.topic().join(reader, 0).unwrap().unwrap();
        if first != end {
            stage.topic().leave(reader, || true);
        }
        publisher.join().unwrap();
    });
}

#[test]
fn who_comes_again_wakes_whom_it_has_held_up() {
    a_joiner_and_a_publisher_that_waits(3);
    caught(&["moved-on-silently"], || a_joiner_and_a_publisher_that_waits(3));
}

/// A publisher has filled its slot, and moves the tail on late, when another one is two messages further.
#[test]
fn a_slow_publisher_does_not_move_the_tail_back() {
    explore(BRIEF, || {
        let stage = Stage::new(Shape { policy: Policy::Lossy, before: 0, ..Shape::of(1) });
        let other = thread::spawn({
            let stage = stage.clone();
            move || (0..2).all(|number| stage.publish_silently(member(1), number).is_ok())
        });
        stage.publish_silently(member(0), 7).unwrap();
        assert!(other.join().unwrap());
        assert!(!stage.topic().mend(|_| false), "nothing was scribbled over");
        stage.assert_whole();
    });
}

/// A message for which there may be room stays its publisher's if there is none, in a new life, so that no note of the attempt speaks of it. Death at every step.
#[test]
fn a_refused_message_is_its_publishers() {
    every_death(ORDINARY, |budget| {
        let stage = Stage::new(Shape { policy: Policy::DropNew, ..Shape::of(1) });
        let (me, chunk, reader) = (member(0), 3, member(1));
        let first = stage.topic().join(reader, 1).unwrap().unwrap();
        let word = claim_free(&stage.chunks[chunk], me).unwrap();
        let publisher = thread::spawn({
            let stage = stage.clone();
            move || {
                let chunk = stage.owned(chunk as u32).unwrap();
                let publish = || topic::publish(&*stage, stage.notes_of(me), &stage.topic(), (chunk, word), |_| None);
                if let Some(Err(refused)) = mortal(Mortal::Victim, budget, publish) {
                    assert!(refused.word.is(ChunkState::Held, me) && refused.word.generation() != word.generation());
                    assert_eq!(chunk.word.load(Relaxed), refused.word.0, "the chunk is the publisher's, as before");
                    stage.write(3, 9);
                }
            }
        });
        stage.topic().advance(reader, first + 1);
        publisher.join().unwrap();
        stage.reap(member(3), me);
        stage.assert_whole();
    });
}

/// A publisher dies when it has noted what it pushes out. Another one pushes that out; the reaper of the first is faster in taking the chunk, and somebody uses it.
#[test]
fn what_a_reaper_has_taken_before_is_not_taken_again() {
    every_death(ORDINARY, |budget| {
        let stage = Stage::new(Shape::of(1));
        if mortal(Mortal::Victim, budget, || stage.publish_silently(member(0), 2)).is_some() {
            return;
        }
        let publisher = thread::spawn({
            let stage = stage.clone();
            move || stage.publish_silently(member(1), 2).unwrap()
        });
        stage.reap(member(3), member(0));
        let used = claim_free(&stage.chunks[0], member(2)).inspect(|_| stage.write(0, 7));
        publisher.join().unwrap();
        if let Some(word) = used {
            assert_eq!((stage.read(0), stage.chunks[0].load(Relaxed)), (7, word.0), "it is in use");
            release(&*stage, (0, &stage.chunks[0]), word, None);
        }
        stage.assert_whole();
    });
}

/// One who takes messages out dies. It saw a message and, as the word of its chunk, that of the next life of the chunk, which another one has pushed out and is about to
/// publish anew.
fn a_trimmer_dies_beside_one_that_uses_what_it_was_to_take_out() {
    every_death(BRIEF, |budget| {
        let stage = Stage::new(Shape { policy: Policy::Lossy, ..Shape::of(1) });
        let other = thread::spawn({
            let stage = stage.clone();
            move || (2..4).all(|number| stage.publish_silently(member(1), number).is_ok())
        });
        let victim = thread::spawn({
            let stage = stage.clone();
            move || mortal(Mortal::Victim, budget, || stage.topic().trim(&*stage, stage.notes_of(member(0)))).is_some()
        });
        if !victim.join().unwrap() {
            stage.reap(member(3), member(0));
        }
        assert!(other.join().unwrap());
        stage.assert_whole();
    });
}

#[test]
fn what_is_used_again_is_not_taken_for_what_the_dead_took_out() {
    a_trimmer_dies_beside_one_that_uses_what_it_was_to_take_out();
    caught(&["evicted-slot-not-looked-at-again"], a_trimmer_dies_beside_one_that_uses_what_it_was_to_take_out);
    needs(&[3], a_trimmer_dies_beside_one_that_uses_what_it_was_to_take_out);
}
