//! The heap: memory comes, goes to whoever needs it, and goes back to the system.
mod common;
#[path = "common/words.rs"]
mod words;

use common::{PATIENCE, TestBus, at_once, eventually, kept};
use proptest::prelude::*;
use std::mem::offset_of;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use swarmbus_core::layout::SpanControl;
use swarmbus_core::{Bus, CreateOptions, Error, Loan, Member};
use words::Words;

const SPAN: u64 = 2 << 20;

fn heap_of(test: &str, spans: u64) -> TestBus {
    // A span has a page more than 2 MiB, for headers.
    let options = CreateOptions { agents: 64, heap: spans * (SPAN + 4096), limit: 1 << 16, ..CreateOptions::default() };
    TestBus::with(&format!("heap-{test}"), options)
}

fn committed(bus: &TestBus) -> u64 {
    bus.observer().unwrap().bus().committed_bytes
}

/// Borrows chunks of `length` bytes until there are no more.
fn fill(member: &Member, length: usize) -> Vec<Loan<'_>> {
    let mut loans = Vec::new();
    loop {
        match member.loan(length) {
            Ok(loan) => loans.push(loan),
            Err(error) => {
                assert_eq!(error, Error::OutOfMemory { wanted: length as u64 });
                return loans;
            }
        }
    }
}

fn burst_of_200_mib(length: usize) {
    let bus = heap_of(&format!("burst-{length}"), 300);
    let sender = bus.attach("sender").unwrap();
    let receiver = bus.attach("receiver").unwrap();
    sender.send("receiver", &vec![1; length], &at_once()).unwrap();
    receiver.recv(None).unwrap().release().unwrap();
    let before = committed(&bus);
    let count = (200 << 20) / length;
    let messages = count.min(1 << 16);
    let loans: Vec<_> = (messages..count).map(|_| sender.loan(length).unwrap()).collect();
    for _ in 0..messages {
        sender.loan(length).unwrap().publish("receiver", length, &at_once()).unwrap();
    }
    let at_most = committed(&bus);
    assert!(at_most > 190 << 20, "{at_most} bytes committed for 200 MiB of messages");
    drop(loans);
    while let Some(message) = receiver.try_recv().unwrap() {
        message.release().unwrap();
    }
    // Chunk words stay (I18), at most 1/64 of what was used; so does a span per class, and what caches keep.
    let near = before + 2 * SPAN + at_most / 16;
    eventually("the memory of a burst goes back", || {
        sender.reap().unwrap();
        committed(&bus) < near
    });
    println!(
        "{length} B: {} KiB before, {} KiB at most, {} KiB after",
        before >> 10,
        at_most >> 10,
        committed(&bus) >> 10
    );
    // And the bus works on.
    sender.send("receiver", &vec![2; length], &at_once()).unwrap();
    assert_eq!(receiver.recv(None).unwrap().data(), vec![2; length]);
}

#[test]
fn the_memory_of_a_burst_goes_back_to_the_system() {
    for length in [1 << 10, 64 << 10, 1 << 20, 16 << 20] {
        burst_of_200_mib(length);
    }
}

#[test]
fn a_waiting_member_sees_to_it_that_memory_goes_back() {
    let bus = heap_of("waiting", 64);
    let agent = bus.attach("agent").unwrap();
    drop(fill(&agent, 100_000));
    assert!(committed(&bus) > 100 << 20);
    eventually("somebody who waits sweeps", || {
        assert_eq!(agent.recv(Some(Duration::from_millis(1500))).err(), Some(Error::Timeout));
        committed(&bus) < 8 << 20
    });
}

#[test]
fn who_leaves_takes_the_memory_along() {
    let bus = heap_of("leaving", 64);
    let before = committed(&bus);
    for length in [64, 5000, 1 << 20, 16 << 20] {
        let member = bus.join().unwrap();
        drop(fill(&member, length));
        member.close();
        let after = committed(&bus);
        // A small class keeps a span; 64 spans of chunk words are 2 MiB.
        assert!(after < before + 3 * SPAN, "{length} B: {before} bytes before, {after} after");
    }
}

const VICTIMS_BUS: &str = "SWARMBUS_TEST_HEAP_BUS";
const VICTIMS: u32 = 1000;

/// Not a test of its own: the process that the next one kills.
#[test]
#[ignore = "the victim of another test"]
fn a_process_with_1000_members() {
    let Ok(bus) = std::env::var(VICTIMS_BUS) else { return };
    let bus = Bus::open(&bus).unwrap();
    let members: Vec<Member> = (0..VICTIMS).map(|_| bus.join().unwrap()).collect();
    let _loans: Vec<Loan<'_>> = members.iter().map(|member| member.loan(200_000).unwrap()).collect();
    loop {
        std::thread::park();
    }
}

#[test]
fn what_1000_dead_had_goes_back_to_the_system() {
    let options = CreateOptions { agents: VICTIMS + 8, heap: 300 << 20, ..CreateOptions::default() };
    let bus = TestBus::with("heap-dead", options);
    let member = bus.join().unwrap();
    let held = || bus.observer().unwrap().bus().heap.chunks.held;
    let mut victim = Killed(
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "a_process_with_1000_members"])
            .env(VICTIMS_BUS, bus.name())
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    eventually("a thousand members borrow", || held() == VICTIMS as u64);
    let at_most = committed(&bus);
    assert!(at_most > 250 << 20, "{at_most}");
    victim.0.kill().unwrap();
    victim.0.wait().unwrap();
    let reaped = member.reap().unwrap();
    assert_eq!((reaped.members, reaped.freed), (VICTIMS, VICTIMS));
    let heap = bus.observer().unwrap().bus().heap;
    assert_eq!((heap.spans_active, heap.chunks.held), (0, 0), "one reap, nothing left");
    // What stays: a page for each member's entry.
    assert!(committed(&bus) < 8 << 20, "{} bytes stay", committed(&bus));
}

/// A child that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_heap_of_free_chunks_serves_every_other_size() {
    let sizes = [64, 1000, 4096, 70_000, 1 << 20, 5 << 20, 16 << 20];
    for first in sizes {
        for second in sizes {
            let bus = heap_of(&format!("starve-{first}-{second}"), 9);
            let (hoarder, hungry) = (bus.join().unwrap(), bus.join().unwrap());
            let all = fill(&hoarder, first);
            assert!(!all.is_empty());
            drop(all);
            // Another member's turn: what the hoarder keeps for itself is in one span at most.
            assert!(hungry.loan(second).is_ok(), "{second} B after {first} B");
            drop(hungry.loan(second));
            // And back, by the one who has a cache of its own in the way.
            assert!(hoarder.loan(second).is_ok(), "{second} B after {first} B, by the same member");
            assert!(hoarder.loan(first).is_ok(), "{first} B again");
        }
    }
}

#[test]
fn a_full_heap_of_small_chunks_that_are_all_free_serves_a_large_one() {
    let bus = heap_of("small-then-large", 4);
    let member = bus.join().unwrap();
    let small = fill(&member, 64);
    assert_eq!(bus.observer().unwrap().bus().heap.classes.len(), 1);
    assert_eq!(small.len(), 4 * 4096);
    drop(small);
    let large: Vec<Loan<'_>> = fill(&member, 1 << 20);
    assert_eq!(large.len(), 8, "all of the heap, two to a span");
    assert!(large.iter().all(|loan| (loan.as_ptr() as usize).is_multiple_of(64)));
    drop(large);
    assert_eq!(fill(&member, 64).len(), 4 * 4096);
}

#[test]
fn no_hint_is_believed_when_there_is_no_other_memory() {
    let bus = heap_of("hints", 2);
    let member = bus.join().unwrap();
    // Of this size a member keeps none for itself: what it lets go of is everybody's.
    let mut loans = fill(&member, 8192);
    loans.truncate(loans.len() - 3);
    let words = Words::of(&bus);
    for span in 0..words.geometry.spans {
        let summary =
            words.geometry.spans_at + span * size_of::<SpanControl>() as u64 + offset_of!(SpanControl, summary) as u64;
        words.write(summary, 0);
    }
    loans.extend((0..3).map(|_| member.loan(8192).unwrap()));
    assert!(member.loan(8192).is_err());
}

#[test]
fn what_is_in_use_is_not_taken_for_another_class() {
    let bus = heap_of("in-use", 3);
    let (member, agent) = (bus.join().unwrap(), bus.attach("agent").unwrap());
    let small = fill(&member, 64);
    let mut kept: Vec<Loan<'_>> = small.into_iter().step_by(4096).collect();
    assert_eq!(kept.len(), 3, "one in each span");
    assert_eq!(agent.loan(1 << 20).err(), Some(Error::OutOfMemory { wanted: 1 << 20 }));
    kept.pop().unwrap().publish("agent", 64, &at_once()).unwrap();
    assert_eq!(agent.loan(1 << 20).err(), Some(Error::OutOfMemory { wanted: 1 << 20 }), "queued is in use");
    let message = agent.recv(None).unwrap();
    assert_eq!(agent.loan(1 << 20).err(), Some(Error::OutOfMemory { wanted: 1 << 20 }), "in flight is in use");
    message.release().unwrap();
    assert_eq!(agent.loan(1 << 20).unwrap().len(), 1 << 20);
}

#[test]
fn out_of_memory_leaves_everything_as_it_was() {
    let bus = heap_of("nothing", 6);
    let member = bus.join().unwrap();
    let _all = fill(&member, 64);
    let (busy, observer) = (bus.join().unwrap(), bus.observer().unwrap());
    for length in [64, 5000, 1 << 20, 16 << 20] {
        let before = (observer.bus().committed_bytes, format!("{:?}", observer.bus().heap));
        for _ in 0..3 {
            assert_eq!(busy.loan(length).err(), Some(Error::OutOfMemory { wanted: length as u64 }));
        }
        assert_eq!((observer.bus().committed_bytes, format!("{:?}", observer.bus().heap)), before, "{length} B");
    }
    assert_eq!(busy.loan((16 << 20) + 1).err(), Some(Error::TooLarge { length: (16 << 20) + 1, limit: 16 << 20 }));
}

/// Members of a thread each allocate, write, send and retire for a while in a heap that is too small for all of them.
#[test]
fn members_that_fight_for_spans_do_not_write_over_each_other() {
    let bus = heap_of("fight", 12);
    let names = ["a", "b", "c"];
    names.iter().for_each(|name| drop(bus.attach(name).unwrap()));
    let over = AtomicBool::new(false);
    let results: [[AtomicUsize; 2]; 3] = Default::default();
    std::thread::scope(|scope| {
        for (number, result) in results.iter().enumerate() {
            let (bus, over) = (&bus, &over);
            scope.spawn(move || fight(bus, &names, number, over, result));
        }
        let (begun, is_starved) = (Instant::now(), |[served, _]: &[AtomicUsize; 2]| served.load(Relaxed) <= 100);
        while begun.elapsed() < Duration::from_secs(3) || results.iter().any(is_starved) && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        over.store(true, Relaxed);
    });
    println!("[served, refused]: {results:?}");
    assert!(results.iter().all(|[served, _]| served.load(Relaxed) > 100), "somebody was starved: {results:?}");
    let reader = bus.join().unwrap();
    for name in names {
        while let Some(message) = reader.try_receive(name).unwrap() {
            message.release().unwrap();
        }
    }
    reader.close();
    let member = bus.join().unwrap();
    eventually("everything goes back", || {
        member.reap().unwrap();
        let heap = bus.observer().unwrap().bus().heap;
        let free = (heap.chunks.held, heap.chunks.queued, heap.chunks.in_flight) == (0, 0, 0);
        // Members that left before the others had released may have left spans to the sweep.
        free && heap.classes.iter().all(|class| class.payload_bytes <= 4096)
    });
    assert_eq!(fill(&member, 1 << 20).len(), 24, "all of the heap, two to a span");
}

/// Counts the loans that it was given, and those that it was refused.
fn fight(bus: &TestBus, names: &[&str], number: usize, over: &AtomicBool, [served, refused]: &[AtomicUsize; 2]) {
    let sizes = [64usize, 3000, 40_000, 1 << 20, 3 << 20, 10 << 20];
    let mut state = number as u64 * 77 + 5;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    let mut member = bus.attach(names[number]).unwrap();
    while !over.load(Relaxed) {
        let length = sizes[random(sizes.len())];
        let mark = random(256) as u8;
        let mut loans = Vec::new();
        for _ in 0..1 + random(8) {
            match member.loan(length) {
                Ok(mut loan) => {
                    served.fetch_add(1, Relaxed);
                    loan[0] = mark;
                    loan[length - 1] = mark;
                    loan[length / 2] = mark;
                    loans.push(loan);
                }
                Err(Error::OutOfMemory { .. }) => drop(refused.fetch_add(1, Relaxed)),
                Err(error) => panic!("{error}"),
            }
        }
        for loan in loans {
            let bytes = [loan[0], loan[length / 2], loan[length - 1]];
            assert_eq!(bytes, [mark; 3], "written over");
            if random(2) == 0 {
                // Refused when that mailbox is full: then it is given back.
                let _ = loan.publish(names[random(names.len())], length, &at_once());
            }
        }
        while let Some(message) = member.try_recv().unwrap() {
            let (first, last) = (message[0], message[message.len() - 1]);
            assert_eq!((first, message[message.len() / 2]), (last, last), "written over while queued");
            message.release().unwrap();
        }
        if random(50) == 0 {
            member.reap().unwrap();
        }
        if random(200) == 0 {
            drop(member);
            member = bus.attach(names[number]).unwrap();
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Borrow(usize),
    GiveBack(usize),
    GiveAllBack,
    Reap,
    Rejoin,
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![3 => 0usize..5000, 3 => 0usize..3_000_000, 1 => 0usize..=16 << 20];
    prop_oneof![
        10 => length.prop_map(Step::Borrow),
        4 => any::<usize>().prop_map(Step::GiveBack),
        1 => Just(Step::GiveAllBack),
        2 => Just(Step::Reap),
        1 => Just(Step::Rejoin),
    ]
}

proptest! {
    #![proptest_config(kept(48))]

    /// The model: loans are disjoint, keep what is written, and a heap of which nothing is lent lends anything.
    #[test]
    fn a_heap_lends_as_its_model(steps in prop::collection::vec(step(), 1..80)) {
        let bus = heap_of("model", 10);
        let lender = bus.join().unwrap();
        let mut guest = bus.join().unwrap();
        let mut lent: Vec<(u8, Loan<'_>)> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Borrow(length) => match lender.loan(length) {
                    Ok(mut loan) => {
                        prop_assert_eq!((loan.len(), loan.as_ptr() as usize % 64), (length, 0));
                        let range = loan.as_ptr_range();
                        let apart = |other: &Loan<'_>| other.as_ptr_range().end <= range.start || range.end <= other.as_ptr_range().start;
                        prop_assert!(lent.iter().all(|(_, other)| apart(other)), "two loans overlap");
                        loan.fill(number as u8);
                        lent.push((number as u8, loan));
                    }
                    Err(error) => {
                        prop_assert_eq!(error, Error::OutOfMemory { wanted: length as u64 });
                        prop_assert!(!lent.is_empty(), "nothing is lent, yet {} bytes are refused", length);
                    }
                },
                Step::GiveBack(which) if !lent.is_empty() => drop(lent.swap_remove(which % lent.len())),
                Step::GiveBack(_) => {}
                Step::GiveAllBack => lent.clear(),
                Step::Reap => drop(guest.reap().unwrap()),
                Step::Rejoin => {
                    drop(guest.loan(2_000_000));
                    guest = bus.join().unwrap();
                }
            }
            for (number, loan) in &lent {
                prop_assert!(loan.first().is_none_or(|first| first == number) && loan.last().is_none_or(|last| last == number), "written over");
            }
            let held: u64 = bus.observer().unwrap().bus().heap.chunks.held;
            prop_assert!(held >= lent.len() as u64);
        }
        prop_assert!(lent.iter().all(|(number, loan)| loan.iter().all(|byte| byte == number)), "written over");
    }
}
