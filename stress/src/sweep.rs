//! Kills one operation everywhere: in every crash window and before every shared write, alone and next to a busy peer.

use crate::Result;
use crate::books::Balance;
use crate::case::{Case, Fate, Survivor, VICTIM};
use crate::crash::Point;
use crate::killer::Process;
use crate::ledger::Event;
use crate::scene::Scene;
use crate::victim::{Operation, Orders};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use swarmbus_core::{Bus, Member};

/// Which crash windows each operation passes, and is killed in.
pub const KILLS: &[(Operation, &[u32])] = &[
    (Operation::Send, &[1, 2, 3, 4, 5, 6]),
    (Operation::SendEmpty, &[1, 2, 3, 4, 5, 6]),
    (Operation::SendNearlyFull, &[1, 2, 3, 4, 5, 6]),
    (Operation::SendCold, &[1, 2, 3, 4, 5, 6, 19, 20, 21, 23, 57, 58]),
    (Operation::SendLarge, &[1, 2, 3, 4, 5, 6, 19, 20, 21, 22, 23, 57, 58]),
    (Operation::SendStarved, &[1, 2, 3, 4, 5, 6, 20, 21, 23, 50, 51, 52, 53, 54, 55, 57, 58, 59]),
    (Operation::SendLane, &[1, 2, 3, 4, 5, 6, 10]),
    (Operation::SendWaking, &[1, 2, 3, 4, 5, 6, 9, 10, 17, 18]),
    (Operation::SendGroup, &[1, 2, 3, 4, 5, 6, 9, 74]),
    (Operation::SendFull, &[16, 17, 18]),
    (Operation::SendWait, &[1, 2, 3, 4, 7, 8, 16, 17, 18, 33, 34, 35]),
    (Operation::SendBatch, &[1, 2, 3, 4, 5, 6, 17, 18, 64]),
    (Operation::SendBatchFull, &[1, 2, 3, 4, 7, 8, 16, 17, 18, 64, 65]),
    (Operation::Loan, &[16, 17, 18]),
    (Operation::Publish, &[1, 2, 3, 4, 5, 6, 10, 17, 18]),
    (Operation::Receive, &[11, 12, 13, 14, 15]),
    (Operation::ReceiveAgain, &[11, 12, 13, 14, 15]),
    (Operation::ReceiveWait, &[33, 34, 35]),
    (Operation::Release, &[16]),
    (Operation::ReleaseLarge, &[16]),
    (Operation::Nack, &[1, 2, 3, 4, 5, 6, 10]),
    (Operation::NackFull, &[1, 2, 3, 4, 7, 8, 60, 61]),
    (Operation::Park, &[1, 2, 3, 4, 6, 10, 69, 70]),
    (Operation::ReceiveParked, &[15, 71, 72, 73]),
    (Operation::ReceiveBatch, &[11, 12, 13, 14, 15, 16, 66, 67]),
    (Operation::ReceiveAny, &[11, 12, 13, 14, 15]),
    (Operation::ReceiveAnyWait, &[33, 34, 35]),
    (Operation::Fetch, &[1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 41]),
    (Operation::Detach, &[16]),
    (Operation::Forward, &[1, 2, 3, 4, 5, 6, 10]),
    (Operation::ForwardFull, &[1, 2, 3, 4, 7, 8, 16]),
    (Operation::DeadLetter, &[1, 2, 3, 4, 5, 6, 11, 12, 13, 14]),
    (Operation::DeadLetterFull, &[1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 16]),
    (Operation::Expire, &[1, 2, 3, 4, 5, 6, 11, 12, 13, 14]),
    (Operation::ExpireDropped, &[11, 12, 13, 14, 16]),
    (Operation::MakeRoom, &[1, 2, 3, 4, 5, 6, 11, 12, 13, 14]),
    (Operation::Purge, &[11, 12, 13, 14, 16]),
    (Operation::Redrive, &[1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15]),
    (Operation::Answer, &[1, 2, 3, 4, 5, 6, 10, 17, 18]),
    (Operation::AnswerFull, &[1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 16, 17, 18]),
    (Operation::Call, &[1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 33, 34, 35]),
    (Operation::AnswerParts, &[1, 2, 3, 4, 5, 6, 10, 17, 18]),
    (Operation::ReadParts, &[11, 12, 13, 14, 15, 16]),
    (Operation::SendKeyed, &[1, 2, 3, 4, 5, 6, 86, 87, 88, 89, 90]),
    (Operation::SendKeyedAgain, &[16, 86, 87, 90]),
    (Operation::SendKeyedFull, &[1, 2, 3, 4, 7, 8, 16, 17, 18, 86, 87, 90]),
    (Operation::Tap, &[31, 32, 83]),
    (Operation::SendTapped, &[1, 2, 3, 4, 5, 6, 84, 85]),
    (Operation::Watch, &[9, 11, 12, 13, 14, 15, 16, 75, 76, 77]),
    (Operation::Join, &[24, 25, 26]),
    (Operation::Attach, &[24, 25, 26, 27, 28, 29, 30, 31, 32]),
    (Operation::AttachAgain, &[24, 26, 31, 32]),
    (Operation::Declare, &[24, 25, 26, 27, 28, 29, 30, 37]),
    (Operation::SetSender, &[1, 2, 3, 4, 5, 6, 17, 18, 27, 28, 29, 30]),
    (Operation::Close, &[1, 2, 3, 4, 5, 6, 10, 37, 38, 41, 126]),
    (Operation::CloseUnused, &[37, 50, 51, 53, 54, 55, 59]),
    (Operation::CloseQueue, &[36, 62, 63]),
    (Operation::Supervise, &[37]),
    (Operation::ReapMessages, &[1, 2, 3, 4, 5, 6, 39, 40, 41, 42, 43, 44, 126]),
    (Operation::ReapBatches, &[39, 40, 42, 44, 68]),
    (Operation::ReapHeap, &[39, 40, 42, 44, 50, 51, 53, 54, 55, 56, 59]),
    (Operation::ReapNames, &[9, 39, 40, 42, 43, 44, 126]),
    (Operation::Bind, &[78]),
    (Operation::CloseLate, &[1, 2, 3, 4, 5, 6, 10, 37, 41, 80]),
    (Operation::ReapThreads, &[1, 2, 3, 4, 5, 6, 10, 39, 40, 41, 42, 44, 79]),
    (Operation::ReapKeyed, &[39, 40, 42, 44, 88, 89, 90]),
    (Operation::ReapTap, &[39, 40, 42, 43, 44, 83, 126]),
    (Operation::LockFirst, &[110, 111, 112, 113, 114, 119]),
    (Operation::Lock, &[110, 111, 112, 113, 114]),
    (Operation::LockShared, &[110, 111, 112, 113, 114]),
    (Operation::LockContended, &[110, 111, 112, 113, 114, 115, 116]),
    (Operation::LockTimeout, &[110, 111, 112, 113, 115, 116, 117]),
    (Operation::Unlock, &[9, 117]),
    (Operation::ReapLocks, &[39, 40, 42, 44, 118]),
    (Operation::TakeOver, &[24, 25, 26, 124, 125]),
    (Operation::Deposed, &[1, 2, 3, 4, 5, 6, 10, 128]),
    (Operation::ReceiveAnothers, &[1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 127]),
    (Operation::StandBy, &[9, 24, 25, 26, 31, 32, 33, 34, 35]),
    (Operation::TakeRole, &[27, 28, 29, 30, 120, 121, 122, 123]),
    (Operation::ReapOwners, &[1, 2, 3, 4, 5, 6, 9, 10, 39, 40, 41, 42, 43, 44, 126]),
    (Operation::SetStatus, &[120, 121, 122, 123]),
    (Operation::SetStatusAgain, &[122, 123]),
    (Operation::SetStatusAfter, &[121, 122, 123]),
    (Operation::TrimTopic, &[81, 82, 129]),
    (Operation::PublishTopic, &[91, 92, 93, 94, 95, 96, 97, 98]),
    (Operation::PublishWaking, &[91, 92, 93, 94, 95, 96, 97, 98, 99]),
    (Operation::PublishFull, &[16, 91, 92, 93, 94, 100]),
    (Operation::PublishWait, &[16, 33, 34, 35, 91, 92, 93, 94, 99, 100]),
    (Operation::Subscribe, &[101, 102, 103, 109]),
    (Operation::Unsubscribe, &[104, 105]),
    (Operation::ReadTopic, &[106]),
    (Operation::ReadTopicWait, &[33, 34, 35]),
    (Operation::ReadLossy, &[107]),
    (Operation::DeclareTopic, &[24, 25, 26, 27, 28, 29, 30, 37, 108]),
    (Operation::ReapPublisher, &[39, 40, 42, 44]),
    (Operation::ReapSubscriber, &[39, 40, 42, 44, 104]),
    (Operation::Create, &[45, 46, 47]),
    (Operation::Destroy, &[9, 48, 49]),
];

/// Whether an operation need not meet a window next to a peer, who does the same: what is done there is done once for all.
fn peer_may_be_faster(operation: Operation, window: u32) -> bool {
    use Operation::{
        Answer, AnswerParts, Call, Close, CloseLate, Deposed, Forward, Nack, ReapOwners, ReapThreads, ReceiveAnothers,
    };
    use Operation::{SendLarge, SendWaking, TakeRole};
    match window {
        // A fresh lane.
        10 => matches!(
            operation,
            SendWaking
                | Nack
                | Close
                | Forward
                | Answer
                | AnswerParts
                | Call
                | CloseLate
                | ReapThreads
                | Deposed
                | ReceiveAnothers
                | ReapOwners
        ),
        // Spans for large chunks.
        19..=23 | 57 | 58 => operation == SendLarge,
        // A fresh board.
        120 => operation == TakeRole,
        _ => false,
    }
}

/// Whether an operation sleeps for a time, for a message, for room or for a lock.
fn sleeps(operation: Operation) -> bool {
    KILLS.iter().any(|(known, windows)| *known == operation && windows.iter().any(|window| matches!(window, 34 | 116)))
}

/// What a sweep did.
#[derive(Clone, Copy, Default, Debug)]
pub struct Sweep {
    /// Kills in windows.
    pub windows: u32,
    /// Kills before shared writes.
    pub writes: u32,
    /// Victims that did not come to the write they were to die of, next to a peer or asleep, or not often enough to the window.
    pub survivors: u32,
    /// Messages in doubt that were there.
    pub committed: u64,
    /// Messages in doubt that were not.
    pub vanished: u64,
    /// Messages delivered again.
    pub redelivered: u64,
}

impl Sweep {
    fn add(&mut self, balance: Balance) {
        self.committed += balance.committed_in_doubt;
        self.vanished += balance.vanished_in_doubt;
        self.redelivered += balance.redelivered;
    }
}

/// Kills `operation` everywhere. `program`: the `swarmbus-stress` binary.
///
/// # Errors
/// The first death that cost something, or a window that was not reached.
pub fn sweep(program: &Path, operation: Operation) -> Result<Sweep> {
    let mut sweep = Sweep::default();
    let alone = Case { program, operation, contended: false, mistake: None };
    let beside_a_peer = Case { contended: true, ..alone };
    let (writes, windows) =
        kill(&alone, Point::Never, &mut sweep)?.ok_or("nothing was traced: build with RUSTFLAGS='--cfg crash'")?;
    let mut passes = BTreeMap::<u32, u64>::new();
    windows.iter().for_each(|window| *passes.entry(*window).or_default() += 1);
    let expected = KILLS.iter().find(|(known, _)| *known == operation).map_or(&[][..], |(_, windows)| windows);
    if !passes.keys().eq(expected) {
        return Err(format!(
            "{operation:?} passes windows {:?}, not {expected:?}: correct sweep::KILLS and docs/crash-windows.md",
            passes.keys()
        )
        .into());
    }
    for (number, times) in passes {
        for nth in if times > 1 { vec![0, times - 1] } else { vec![0] } {
            let survived = kill(&alone, Point::Window { number, nth }, &mut sweep)?.is_some();
            sweep.survivors += survived as u32;
            sweep.windows += !survived as u32;
        }
        if !peer_may_be_faster(operation, number) {
            kill(&beside_a_peer, Point::Window { number, nth: 0 }, &mut sweep)?;
            sweep.windows += 1;
        }
    }
    for write in 0..writes {
        for case in [&alone, &beside_a_peer] {
            let survived = kill(case, Point::Write(write), &mut sweep)?.is_some();
            sweep.survivors += survived as u32;
            sweep.writes += !survived as u32;
        }
    }
    Ok(sweep)
}

/// What a survivor passed: the number of shared writes, and the windows.
type Trace = (u64, Vec<u32>);

/// Runs a case in which the victim dies at a crash point; the trace of one that survived.
fn kill(case: &Case<'_>, at: Point, sweep: &mut Sweep) -> Result<Option<Trace>> {
    let mut fate = CrashPoint { at, trace: None };
    let balance = case.run(&mut fate).map_err(|error| {
        let company = if case.contended { "next to a peer" } else { "alone" };
        format!("{} killed at {at} {company}: {error}", case.operation.name())
    })?;
    sweep.add(balance);
    Ok(fate.trace)
}

/// Its own crash point kills the victim.
struct CrashPoint {
    at: Point,
    trace: Option<Trace>,
}

impl Fate for CrashPoint {
    fn meet(&mut self, case: &Case<'_>, scene: &Scene, _: &mut Survivor<'_>) -> Result<Process> {
        let reaps = !case.operation.corpses().is_empty();
        // The peer of who deals with the dead reaps as well, and may be faster. A window has to be met all the same; a write may be missed.
        let times = match (case.contended, reaps, self.at) {
            (false, ..) => 1,
            (true, true, Point::Window { .. }) => 50,
            (true, true, _) => 5,
            (true, false, _) => 400,
        };
        let (bus, operation, at) = (scene.name().to_owned(), case.operation, self.at);
        let orders = Orders { bus, operation, at, times, first: VICTIM, mistake: None };
        let mut victim = Process::start(case.program, &orders.arguments())?;
        // How often it comes past a window may depend on threads and on the dead that it finds; that it does is certain.
        let again = matches!(self.at, Point::Window { nth, .. } if nth > 0);
        let may_survive = again || matches!((self.at, case.contended), (Point::Never, _) | (Point::Write(_), true));
        let status = victim.end()?;
        if status.success() {
            let trace = victim.events()?.into_iter().find_map(|event| match event {
                Event::Survived(writes, windows) => Some((writes, windows)),
                _ => None,
            });
            // How often it looks while it sleeps depends on the time: it need not come as far as it once did.
            let came_to = trace.as_ref().map_or(0, |(writes, _)| *writes);
            let fell_short = matches!(self.at, Point::Write(at) if came_to <= at) && sleeps(case.operation);
            if may_survive || fell_short {
                self.trace = trace;
                return Ok(victim);
            }
        }
        victim.expect_killed()?;
        Ok(victim)
    }
}

/// Reaps until nothing is left to give back.
///
/// # Errors
/// When that does not come to an end.
pub fn reap_all(bus: &Bus, member: &Member) -> Result<()> {
    for _ in 0..10_000 {
        let reaped = member.reap()?;
        if reaped.deferred == 0 && bus.observer()?.members().iter().all(|member| member.state == "live") {
            return Ok(());
        }
        // Another reaper may be at it.
        std::thread::sleep(Duration::from_millis(1));
    }
    Err("the dead cannot be buried".into())
}
