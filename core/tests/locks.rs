//! Named locks: what they exclude, in what order they are granted, and that they end with who has them.

#[path = "common/actor.rs"]
mod actor;
mod common;

use common::{HANGS, TestBus, drawn};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use proptest::prelude::*;
use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use swarmbus_core::glob::intersects;
use swarmbus_core::{Bus, CreateOptions, Error, LockGuard, LockInfo, LockMode, Member, RawLock};

use LockMode::{Exclusive, Shared};

/// Waits until what observers see is right.
fn until(bus: &Bus, is_right: impl Fn(&[LockInfo]) -> bool) -> Vec<LockInfo> {
    let observer = bus.observer().unwrap();
    for _ in 0..60_000 {
        let locks = observer.locks();
        if is_right(&locks) {
            return locks;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{:?}", observer.locks());
}

fn waiting(locks: &[LockInfo]) -> usize {
    locks.iter().filter(|lock| lock.state == "waiting").count()
}

#[test]
fn a_lock_excludes_whom_it_should() {
    let bus = TestBus::new("lock");
    let (alice, bob) = (bus.attach("alice").unwrap(), bus.join().unwrap());
    let add = alice.lock("src/operators/add.rs", Exclusive, None).unwrap();
    assert_eq!((add.name().as_str(), add.mode()), ("src/operators/add.rs", Exclusive));
    let expected = Error::Locked {
        name: "src/operators/*.rs".into(),
        held: "src/operators/add.rs".into(),
        holder: "alice".into(),
        pid: std::process::id(),
    };
    let soon = Some(Duration::from_millis(5));
    assert_eq!(bob.lock("src/operators/*.rs", Exclusive, soon).err(), Some(expected));
    for (name, mode) in [("src/**", Shared), ("src/operators/add.rs", Shared), ("**/add.rs", Exclusive)] {
        assert!(bob.try_lock(name, mode).unwrap().is_none(), "{name}");
    }
    for name in ["src/operators/sub.rs", "src/operators", "src/*/add.r", "docs/**"] {
        assert!(bob.try_lock(name, Exclusive).unwrap().is_some(), "{name}");
    }
    add.release().unwrap();
    let all = bob.lock("src/**", Shared, None).unwrap();
    let some = alice.lock("src/operators/*", Shared, None).unwrap();
    assert!(some.token() > all.token());
    assert!(alice.try_lock("src/main.rs", Exclusive).unwrap().is_none());
    drop(all);
    assert!(alice.try_lock("src/main.rs", Exclusive).unwrap().is_some());
}

#[test]
fn what_is_no_name_and_what_is_ones_own_is_refused() {
    let bus = TestBus::new("refused");
    let member = bus.join().unwrap();
    let longest = "ü".repeat(127) + "x";
    let held = member.lock(&longest, Shared, None).unwrap();
    assert_eq!(held.name(), longest);
    for wrong in ["", "a\0b", "a\nb", &"ü".repeat(128)] {
        assert!(matches!(member.lock(wrong, Shared, None), Err(Error::InvalidArgument { .. })), "{wrong:?}");
    }
    // It would wait for itself.
    assert!(matches!(member.lock(&longest, Exclusive, None), Err(Error::InvalidArgument { .. })));
    assert!(matches!(member.lock("*", Exclusive, None), Err(Error::InvalidArgument { .. })));
    drop(member.lock("*", Shared, None).unwrap());
    assert_eq!(bus.observer().unwrap().locks().len(), 1, "what was refused left nothing");
}

#[test]
fn locks_are_granted_in_the_order_in_which_they_were_asked_for() {
    let bus = TestBus::new("order");
    let member = bus.join().unwrap();
    let first = member.lock("a/1", Exclusive, None).unwrap();
    let order = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        let asked = [("a/*", Shared), ("a/1", Shared), ("a/**", Exclusive), ("*/1", Shared), ("a/1", Exclusive)];
        for (number, (name, mode)) in asked.into_iter().enumerate() {
            let (bus, order) = (&bus, &order);
            threads.spawn(move || {
                let member = bus.join().unwrap();
                let guard = member.lock(name, mode, HANGS).unwrap();
                order.lock().unwrap().push((number, guard.token()));
            });
            until(bus, |locks| waiting(locks) == number + 1);
        }
        let locks = bus.observer().unwrap().locks();
        let names: Vec<_> = locks.iter().map(|lock| (lock.name.as_str(), lock.waits_behind)).collect();
        assert_eq!(names, [("a/1", 0), ("a/*", 1), ("a/1", 1), ("a/**", 3), ("*/1", 2), ("a/1", 5)]);
        assert_eq!(bus.observer().unwrap().locks_on("a/2").len(), 2);
        assert!(bus.join().unwrap().try_lock("a/2", Shared).unwrap().is_none(), "somebody waits in front");
        first.release().unwrap();
    });
    let order = order.into_inner().unwrap();
    // The first two have it at the same time, in either order; each of the others after all before it.
    let tokens: Vec<_> = order.iter().map(|(_, token)| *token).collect();
    assert!(tokens[2..].is_sorted() && tokens[..2].iter().all(|first| *first < tokens[2]), "{tokens:?}");
    let numbers: Vec<_> = order.iter().map(|(number, _)| *number).collect();
    assert!(matches!(numbers[..], [0, 1, 2, 3, 4] | [1, 0, 2, 3, 4]), "{numbers:?}");
    assert!(bus.observer().unwrap().locks().is_empty());
}

#[test]
fn writers_do_not_starve_among_readers() {
    let bus = TestBus::new("starve");
    let (done, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                // Never without a lock: the next is there before the last one goes.
                let (one, other) = (bus.join().unwrap(), bus.join().unwrap());
                let mut held = one.lock("shared", Shared, HANGS).unwrap();
                let mut turn = 0;
                while !done.load(Relaxed) {
                    turn += 1;
                    // Without waiting: who holds one lock and waits for another waits for the writer, who waits for it.
                    let next = if turn % 2 == 1 { &other } else { &one };
                    match next.try_lock("shared", Shared).unwrap() {
                        Some(guard) => held = guard,
                        None => {
                            drop(held);
                            held = next.lock("shared", Shared, HANGS).unwrap();
                        }
                    }
                    reads.fetch_add(1, Relaxed);
                }
            });
        }
        let writer = bus.join().unwrap();
        let mut token = 0;
        for _ in 0..200 {
            let guard = writer.lock("shared", Exclusive, HANGS).unwrap();
            assert!(guard.token() > token);
            token = guard.token();
        }
        done.store(true, Relaxed);
    });
    println!("200 grants to a writer, {} to 4 readers", reads.load(Relaxed));
}

#[test]
fn a_wait_ends_by_time_by_a_hook_and_with_the_bus() {
    let bus = TestBus::new("ends");
    let (holder, member) = (bus.join().unwrap(), bus.join().unwrap());
    let held = holder.lock("x", Exclusive, None).unwrap();
    let soon = Some(Duration::from_millis(5));
    assert!(matches!(member.lock("x", Shared, soon), Err(Error::Locked { .. })));
    let mut asked = 0;
    let mut hook = || {
        asked += 1;
        true
    };
    let result = member.lock_until("x", Shared, HANGS, &mut hook);
    assert_eq!(result.err(), Some(Error::Interrupted));
    assert_eq!(asked, 1);
    let hook = || member.lock_until("x", Shared, HANGS, &mut || panic!("a hook that fails"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(hook)).is_err());
    assert_eq!(bus.observer().unwrap().locks().len(), 1, "who gave up left nothing");
    std::thread::scope(|threads| {
        let waiter = threads.spawn(|| {
            let member = bus.join().unwrap();
            member.lock("x", Shared, None).err()
        });
        until(&bus, |locks| waiting(locks) == 1);
        bus.destroy().unwrap();
        assert!(matches!(waiter.join().unwrap(), Some(Error::Closed { .. })));
    });
    held.release().unwrap();
    assert!(matches!(member.try_lock("y", Shared), Err(Error::Closed { .. })));
}

#[test]
fn a_raw_lock_is_held_until_somebody_releases_it() {
    let bus = TestBus::new("raw");
    let (member, other) = (bus.join().unwrap(), bus.join().unwrap());
    let guard = member.lock("x/*", Exclusive, None).unwrap();
    let token = guard.token();
    let numbers = guard.into_raw().numbers();
    assert_eq!(numbers[2], token);
    assert!(other.try_lock("x/1", Shared).unwrap().is_none());
    let raw = RawLock::from_numbers(numbers);
    assert_eq!(LockGuard::from_raw(&other, raw).err(), Some(Error::Released), "not its own");
    let forged = RawLock::from_numbers([numbers[0], numbers[1], token + 1]);
    assert_eq!(LockGuard::from_raw(&member, forged).err(), Some(Error::Released), "another token");
    let guard = LockGuard::from_raw(&member, raw).unwrap();
    assert_eq!((guard.name().as_str(), guard.mode(), guard.token()), ("x/*", Exclusive, token));
    guard.release().unwrap();
    assert_eq!(LockGuard::from_raw(&member, raw).err(), Some(Error::Released));
    for odd in [[0; 3], [u64::MAX; 3], [0, numbers[1], 0]] {
        assert_eq!(LockGuard::from_raw(&member, RawLock::from_numbers(odd)).err(), Some(Error::Released));
    }
    // Whoever leaves lets go of everything, also of what it forgot.
    let _forgotten = member.lock("x/*", Exclusive, None).unwrap().into_raw();
    drop(member);
    assert!(other.try_lock("x/1", Shared).unwrap().is_some());
}

#[test]
fn a_child_does_not_release_its_parents_lock() {
    let bus = TestBus::new("fork");
    let (member, other) = (bus.join().unwrap(), bus.join().unwrap());
    let guard = member.lock("x", Exclusive, None).unwrap();
    // SAFETY: the child uses what it has inherited and ends without running anything else.
    let child = unsafe { nix::unistd::fork() }.unwrap();
    if child.is_child() {
        let forked = matches!(member.try_lock("y", Shared), Err(Error::Forked));
        drop(guard);
        // SAFETY: ends the child at once; nothing of the test's is run twice.
        unsafe { libc::_exit(if forked { 0 } else { 1 }) };
    }
    let nix::unistd::ForkResult::Parent { child } = child else { unreachable!() };
    let status = nix::sys::wait::waitpid(child, None).unwrap();
    assert_eq!(status, nix::sys::wait::WaitStatus::Exited(child, 0));
    assert!(other.try_lock("x", Exclusive).unwrap().is_none());
    guard.release().unwrap();
    assert!(other.try_lock("x", Exclusive).unwrap().is_some());
}

#[test]
fn the_dead_let_go_and_the_stopped_do_not() {
    let bus = TestBus::new("dead");
    let member = bus.join().unwrap();
    let mut holder = actor::spawn("hold x", bus.name());
    let locks = bus.observer().unwrap().locks();
    assert_eq!((locks[0].agent.as_deref(), locks[0].pid), (Some("holder"), holder.id()));
    let stop = |signal| kill(Pid::from_raw(holder.id() as i32), signal).unwrap();
    stop(Signal::SIGSTOP);
    let refused = member.lock("x", Exclusive, Some(Duration::from_millis(20))).err();
    let expected = Error::Locked { name: "x".into(), held: "x".into(), holder: "holder".into(), pid: holder.id() };
    assert_eq!(refused, Some(expected));
    // Who was seen alive is not asked about again within a millisecond.
    std::thread::sleep(Duration::from_millis(2));
    holder.kill().unwrap();
    holder.wait().unwrap();
    // Nobody has reaped: who asks does, also one that does not wait.
    let guard = member.try_lock("x", Exclusive).unwrap().expect("it was the dead's");
    drop(guard);
    // The same for one who sleeps already when the holder dies, with a waiter in between that dies as well.
    let mut holder = actor::spawn("hold x", bus.name());
    let mut between = actor::spawn("want x", bus.name());
    until(&bus, |locks| waiting(locks) == 1);
    std::thread::scope(|threads| {
        let waiter = threads.spawn(|| {
            let member = bus.join().unwrap();
            member.lock("x", Shared, HANGS).map(drop)
        });
        until(&bus, |locks| waiting(locks) == 2);
        for process in [&mut holder, &mut between] {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        waiter.join().unwrap().unwrap();
    });
    assert!(bus.observer().unwrap().locks().is_empty());
}

#[test]
fn who_is_stopped_keeps_its_place() {
    let bus = TestBus::new("stopped");
    let member = bus.join().unwrap();
    let held = member.lock("x", Exclusive, None).unwrap();
    let mut waiter = actor::spawn("want x", bus.name());
    until(&bus, |locks| waiting(locks) == 1);
    let signal = |signal| kill(Pid::from_raw(waiter.id() as i32), signal).unwrap();
    signal(Signal::SIGSTOP);
    // The signal is on its way: a thread that has not yet got it could take the lock and let it go.
    let stopped = waitpid(Pid::from_raw(waiter.id() as i32), Some(WaitPidFlag::WUNTRACED)).unwrap();
    assert!(matches!(stopped, WaitStatus::Stopped(..)), "{stopped:?}");
    held.release().unwrap();
    assert!(member.try_lock("x", Shared).unwrap().is_none(), "it is not dead");
    signal(Signal::SIGCONT);
    drop(member.lock("x", Shared, HANGS).unwrap());
    assert!(waiter.wait().unwrap().success());
}

#[test]
fn a_copy_of_the_file_shows_locks() {
    let bus = TestBus::new("copy");
    let agent = bus.attach("alice").unwrap();
    let guard = agent.lock("src/**", Exclusive, None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("segment");
    let file = format!("/dev/shm/swarmbus.{}", bus.name());
    let status =
        std::process::Command::new("cp").arg("--sparse=always").args([file.as_ref(), copy.as_os_str()]).status();
    assert!(status.unwrap().success());
    let token = guard.token();
    drop(guard);
    let locks = swarmbus_core::Observer::open_file(&copy).unwrap().locks();
    let lock = &locks[0];
    assert_eq!((locks.len(), lock.name.as_str(), lock.state, lock.token), (1, "src/**", "held", Some(token)));
    assert_eq!((lock.agent.as_deref(), lock.mode, lock.member), (Some("alice"), Exclusive, agent.index()));
}

#[test]
fn there_are_as_many_locks_as_the_table_holds() {
    let bus = TestBus::new("many");
    let member = bus.join().unwrap();
    for number in 0..8192 {
        let _ = member.lock(&format!("n/{number}"), Exclusive, None).unwrap().into_raw();
    }
    let refused = member.lock("one more", Shared, None).err();
    assert!(matches!(refused, Some(Error::System { errno: libc::ENOLCK, .. })), "{refused:?}");
    drop(member);
    let member = bus.join().unwrap();
    assert!(member.try_lock("**", Exclusive).unwrap().is_some());
}

/// Whatever somebody writes over the lock table: every call comes back, and in the end everything can be locked.
#[test]
fn a_scribbled_table_neither_stops_nor_crashes_anybody() {
    // The same in every run, or as somebody says.
    let seed = std::env::var("SWARMBUS_CORRUPT_SEED").ok().and_then(|seed| seed.parse::<u64>().ok()).unwrap_or(1);
    let mut state = seed | 1;
    let mut below = |limit: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % limit
    };
    let bus = TestBus::new("scribbled");
    let (one, other) = (bus.join().unwrap(), bus.join().unwrap());
    drop(one.lock("x", Shared, None).unwrap());
    let file = File::options().read(true).write(true).open(format!("/dev/shm/swarmbus.{}", bus.name())).unwrap();
    let read = |at: u64| {
        let mut word = [0; 8];
        file.read_exact_at(&mut word, at).unwrap();
        u64::from_ne_bytes(word)
    };
    // The header says where the lock table is, and what its entries share.
    let (locks_at, drawn, committed) = (read(1192), 1280, 1288);
    for round in 0..600 {
        let guards: Vec<_> = [(&one, "a/*", Exclusive), (&other, "a/b", Shared), (&one, "c", Shared)]
            .into_iter()
            .map(|(member, name, mode)| member.lock(name, mode, Some(Duration::from_millis(below(2)))))
            .collect();
        let entry = locks_at + below(4) * 320;
        let at = match below(12) {
            0 => drawn,
            1 => committed,
            2..6 => entry,
            6 => entry + 64 + below(2) * 8,
            field => entry + (field - 6) * 8,
        };
        let word = match below(5) {
            0 => 0,
            1 => read(at) ^ 1 << below(64),
            2 => read(at).wrapping_add(below(16)).wrapping_sub(8),
            3 => u64::MAX,
            _ => below(u64::MAX >> 11) << below(12),
        };
        file.write_all_at(&word.to_ne_bytes(), at).unwrap();
        let _ = bus.observer().unwrap().locks();
        for guard in guards.into_iter().flatten() {
            let _ = guard.name();
            let _ = guard.release();
        }
        if round % 50 == 0 {
            one.reap().unwrap();
        }
    }
    drop((one, other));
    let got_all = || {
        // Nobody can tell an entry with this very handle's name from its own; but it goes with the handle.
        let member = bus.join().unwrap();
        member.lock("**", Exclusive, Some(Duration::from_millis(10))).is_ok()
    };
    assert!((0..8).any(|_| got_all()), "{:?}", bus.observer().unwrap().locks());
}

#[derive(Clone, Debug)]
enum Operation {
    Lock { member: usize, name: usize, mode: LockMode },
    Release { held: usize },
    Leave { member: usize },
}

const NAMES: [&str; 9] = ["a", "b", "a/b", "a/c", "a/*", "a/**", "**/b", "?", "[a]"];

fn operation() -> impl Strategy<Value = Operation> {
    let mode = prop_oneof![Just(Exclusive), Just(Shared)];
    prop_oneof![
        6 => (0..3usize, 0..NAMES.len(), mode).prop_map(|(member, name, mode)| Operation::Lock { member, name, mode }),
        3 => (0..8usize).prop_map(|held| Operation::Release { held }),
        1 => (0..3usize).prop_map(|member| Operation::Leave { member }),
    ]
}

thread_local! { static CASE: Cell<u32> = const { Cell::new(0) }; }

proptest! {
    #![proptest_config(drawn(64))]

    #[test]
    fn locks_answer_as_their_model(operations in prop::collection::vec(operation(), 1..80)) {
        CASE.set(CASE.get() + 1);
        let options = CreateOptions { agents: 8, heap: 8 << 20, ..CreateOptions::default() };
        let bus = TestBus::with(&format!("locks-{}", CASE.get()), options);
        let mut members: Vec<Member> = (0..3).map(|_| bus.join().unwrap()).collect();
        let mut held: Vec<(usize, usize, LockMode, RawLock)> = Vec::new();
        let mut last = 0;
        for operation in operations {
            match operation {
                Operation::Lock { member, name, mode } => {
                    let conflict = |of: bool| held.iter().any(|(other, theirs, other_mode, _)| {
                        (*other == member) == of && (mode, *other_mode) != (Shared, Shared) && intersects(NAMES[name], NAMES[*theirs])
                    });
                    match members[member].try_lock(NAMES[name], mode) {
                        Ok(Some(guard)) => {
                            prop_assert!(!conflict(true) && !conflict(false));
                            prop_assert!(guard.token() > last);
                            last = guard.token();
                            held.push((member, name, mode, guard.into_raw()));
                        }
                        Ok(None) => prop_assert!(conflict(false) && !conflict(true)),
                        Err(Error::InvalidArgument { .. }) => prop_assert!(conflict(true)),
                        Err(error) => return Err(TestCaseError::fail(error.to_string())),
                    }
                }
                Operation::Release { held: at } => {
                    if at < held.len() {
                        let (member, name, mode, raw) = held.remove(at);
                        let guard = LockGuard::from_raw(&members[member], raw).unwrap();
                        prop_assert_eq!((guard.name(), guard.mode()), (NAMES[name].to_owned(), mode));
                        guard.release().unwrap();
                    }
                }
                Operation::Leave { member } => {
                    members[member] = bus.join().unwrap();
                    held.retain(|(other, ..)| *other != member);
                }
            }
            let seen: Vec<_> = bus.observer().unwrap().locks().into_iter().map(|lock| (lock.name, lock.mode)).collect();
            let expected: Vec<_> = held.iter().map(|(_, name, mode, _)| (NAMES[*name].to_owned(), *mode)).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}

#[test]
fn actor() {
    let Some((act, bus)) = actor::role() else { return };
    let bus = Bus::open(&bus).unwrap();
    match act.as_str() {
        "hold x" => {
            let agent = bus.attach("holder").unwrap();
            let _guard = agent.lock("x", Exclusive, None).unwrap();
            actor::ready();
        }
        "want x" => {
            let member = bus.join().unwrap();
            print!("READY");
            std::io::Write::flush(&mut std::io::stdout()).unwrap();
            let _guard = member.lock("x", Exclusive, None).unwrap();
        }
        act => panic!("{act}?"),
    }
}
