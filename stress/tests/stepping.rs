//! Operations that are killed, or paused, at their machine instructions; and proof that this would find what there is to find.
//! In release builds: it is the machine code of users that is stepped through, and that of the dev profile is many times as long.
#![cfg(all(target_arch = "x86_64", not(debug_assertions)))]

use std::path::Path;
use std::sync::Mutex;
use swarmbus_stress::mistake::Mistake;
use swarmbus_stress::stepping::{Kind, Plan, Row, as_json, sweep};
use swarmbus_stress::victim::Operation;

/// One sweep at a time: each has a worker on every processor.
static ALONE: Mutex<()> = Mutex::new(());

/// All states, but of loops over memory a sample; and a few instructions in between.
fn short(kind: Kind, mistake: Option<Mistake>, operations: &[Operation]) -> Vec<Row> {
    let _alone = ALONE.lock();
    // The same states and instructions in every run: what is found is found again. `swarmbus-stress sweep` draws others.
    let seed = 1;
    let plan = Plan { kind, seed, instructions: Some(4), states: Some(100), mistake, says_progress: false };
    let swept = sweep(Path::new(env!("CARGO_BIN_EXE_swarmbus-stress")), operations, &plan);
    assert!(swept.untried.is_empty(), "{:?}", swept.untried);
    println!("{}", as_json(&swept.rows, Some(seed)).unwrap());
    swept.rows
}

fn expect_no_fault(rows: &[Row]) {
    for row in rows {
        assert_eq!(row.faults(), 0, "{row:?}");
        assert!(row.states > 0, "{} changed nothing", row.operation);
        // Those next to a peer take other ways; those alone take the same, or the harness looks elsewhere than it thinks.
        assert!(row.missed < row.ends / 2, "{row:?}");
    }
}

#[test]
fn killed_at_any_instruction_nothing_is_lost_doubled_stuck_or_leaked() {
    use Operation::{LockShared, Nack, PublishTopic, ReapLocks, Receive, Release, Send, SendBatch, SendCold};
    let operations = [Send, SendBatch, SendCold, Receive, Release, Nack, LockShared, PublishTopic, ReapLocks];
    expect_no_fault(&short(Kind::Kill, None, &operations));
}

#[test]
fn paused_at_any_instruction_nothing_is_taken_and_nothing_lost() {
    use Operation::{Receive, Release, Send, TakeOver, Unlock};
    expect_no_fault(&short(Kind::Pause, None, &[Send, Receive, Release, Unlock, TakeOver]));
}

#[test]
fn a_message_that_is_acknowledged_too_early_is_found_lost() {
    let rows = short(Kind::Kill, Some(Mistake::SayBeforeSending), &[Operation::Send]);
    assert!(rows[0].lost > 0, "{rows:?}");
}

#[test]
fn a_message_that_is_said_to_be_released_too_early_is_found_twice() {
    let rows = short(Kind::Kill, Some(Mistake::SayBeforeReleasing), &[Operation::Release]);
    assert!(rows[0].duplicated > 0, "{rows:?}");
}

#[test]
fn a_queue_that_the_dead_left_closed_is_found_stuck() {
    let rows = short(Kind::Kill, Some(Mistake::CloseMeanwhile), &[Operation::Send]);
    assert!(rows[0].stuck > 0, "{rows:?}");
}

#[test]
fn what_nobody_buries_is_found_leaked() {
    let rows = short(Kind::Kill, Some(Mistake::BuryNobody), &[Operation::Loan]);
    assert!(rows[0].leaked > 0, "{rows:?}");
}

#[test]
fn who_takes_from_the_paused_is_found_out() {
    let rows = short(Kind::Pause, Some(Mistake::KillThePaused), &[Operation::Release]);
    assert!(rows[0].lost > 0, "{rows:?}");
}
