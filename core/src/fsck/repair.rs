//! Repairs a segment that nobody uses. What the dead left is reaped as ever; what nobody could have left is put right. No message is dropped: one whose place is
//! not known any more goes to the end of its queue, one whose queue is not known to the queue [`LOST`].

use super::tables::has_process_died;
use super::{Finding, Look, Problem, Remedy};
use crate::bus::{Bus, QueueOptions};
use crate::error::{Error, Result};
use crate::member::Member;
use crate::memory::Memory;
use crate::name;
use crate::queue::LIMBO;
use crate::recover::Reaper;
use crate::registry;
use crate::segment::Segment;
use crate::sync::{S2, S3, S9};
use crate::word::{ChunkState, ChunkWord, ClaimState, ClaimWord, Name};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

/// The queue for messages of which nobody knows where they belong.
const LOST: &str = "fsck.lost";
/// What one repair uncovers the next round mends.
const ROUNDS: usize = 16;

/// What a repair did.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Repaired {
    /// What was done, in order.
    pub done: Vec<String>,
    /// What is wrong still.
    pub left: Vec<Problem>,
}

/// Repairs a bus of this host that no living process uses.
///
/// # Errors
/// `AgentBusy` if a process uses it; those of [`Bus::open`].
pub fn repair_bus(bus: &str) -> Result<Repaired> {
    let segment = Segment::open(bus)?;
    for (index, row) in segment.roster().iter().enumerate() {
        let claim = ClaimWord(row.claim.load(S9.acquire()));
        if claim.state() == ClaimState::Live && !has_process_died(&segment, index, claim) {
            return Err(Error::AgentBusy { name: format!("bus {bus}"), pid: claim.pid() });
        }
    }
    repair(Bus::of(segment))
}

/// Repairs a copy of a segment file. Whoever used the segment that it is a copy of does not use the copy: all members count as dead.
///
/// # Errors
/// As [`crate::Observer::open_file`]; `System` if the copy may not be written to.
pub fn repair_file(path: &Path) -> Result<Repaired> {
    let segment = Segment::map_file(path, &path.display().to_string(), true)?;
    for row in segment.roster() {
        let claim = ClaimWord(row.claim.load(S9.acquire()));
        if claim.state() == ClaimState::Live {
            row.claim.store(claim.with_state(ClaimState::Dead).0, S9.release());
        }
    }
    repair(Bus::of(segment))
}

fn repair(bus: Bus) -> Result<Repaired> {
    let mut repaired = Repaired::default();
    // What cannot be put right keeps nothing else from it: why, by kind and place.
    let mut refused = BTreeMap::new();
    let segment = bus.segment();
    for _ in 0..ROUNDS {
        let findings = Look::through(segment);
        let is_clean = findings.is_empty();
        let member = bus.join()?;
        // What queues and lanes there are comes first: a message of one that comes back has not lost its place.
        let is_first = |finding: &&Finding<'_>| matches!(finding.kind, "record" | "roster" | "directory" | "queue");
        let is_refused = |finding: &&Finding<'_>| refused.contains_key(&(finding.kind, finding.place.clone()));
        let mut due: Vec<&Finding<'_>> =
            findings.iter().filter(|finding| is_first(finding) && !is_refused(finding)).collect();
        if due.is_empty() {
            due.extend(&findings);
        }
        for finding in due {
            match mend(&member, finding) {
                Ok(Some(what)) => repaired.done.push(format!("{}: {}: {what}", finding.place, finding.problem)),
                Ok(None) => {}
                Err(why) => drop(refused.insert((finding.kind, finding.place.clone()), why)),
            }
        }
        // Queues in turn, as a reap looks at some of many only.
        for queue in segment.queues() {
            for (_, ring) in queue.active() {
                ring.mend();
            }
        }
        let reaped = member.reap()?;
        if reaped != Default::default() {
            repaired.done.push(format!(
                "reaped: {} dead members, {} messages put back, {} chunks freed, {} messages deferred",
                reaped.members, reaped.redelivered, reaped.freed, reaped.deferred
            ));
        }
        drop(member);
        if is_clean && reaped.members == 0 {
            break;
        }
    }
    repaired.left = Look::through(segment).iter().map(Finding::problem).collect();
    for problem in &mut repaired.left {
        if let Some(why) = refused.remove(&(problem.kind, problem.place.clone())) {
            problem.advice = format!("not repaired: {why}");
        }
    }
    Ok(repaired)
}

/// What was done, or why it could not be.
type Mended<T> = std::result::Result<T, String>;

/// What was done; `None`: that is a reap's to do.
fn mend(member: &Member, finding: &Finding<'_>) -> Mended<Option<String>> {
    let segment = member.bus().segment();
    Ok(Some(match &finding.remedy {
        Remedy::Reap => return Ok(None),
        Remedy::Set(word, seen, right) => {
            let _ = word.compare_exchange(*seen, *right, S9.acquire_then(S9));
            format!("set from {seen:#x} to {right:#x}")
        }
        Remedy::Commit(of) => {
            let committed =
                if of.topic().is_some() { segment.commit_topic(*of) } else { segment.commit_cell(of.index()) };
            committed.map_err(|error| error.to_string())?;
            "its memory is there".to_owned()
        }
        Remedy::CommitLane(of, lane) => {
            let Some(queue) = segment.queue(*of) else { return Ok(None) };
            queue.commit(segment, *lane).map_err(|error| error.to_string())?;
            "its memory is there".to_owned()
        }
        Remedy::Free(chunk) => {
            let Some(shared) = segment.chunk(*chunk) else { return Ok(None) };
            let word = ChunkWord(shared.load(S3.acquire()));
            let _ = shared.compare_exchange(word.0, word.freed().0, S3.acquire_then(S2));
            "freed".to_owned()
        }
        Remedy::Deliver(chunk) => deliver(member, *chunk)?,
        Remedy::Mend(of) => {
            if let Some(topic) = segment.topic(*of) {
                topic.mend(|member| registry::is_past(segment, member));
            }
            if let Some(queue) = segment.queue(*of) {
                for (_, ring) in queue.active() {
                    ring.mend();
                }
            }
            "worked out anew".to_owned()
        }
        Remedy::Enter(of) => name_anew(segment, *of).map_err(|error| error.to_string())?,
        Remedy::Forget(of) => {
            if let Some(board) = segment.board(of.index()) {
                board.status.head.store(0, Relaxed);
            }
            "forgotten".to_owned()
        }
    }))
}

/// Puts a message back: at the end of the queue in which it waited, else of the one where it was at home, else of [`LOST`].
fn deliver(member: &Member, chunk: u32) -> Mended<String> {
    let segment = member.bus().segment();
    let Some(shared) = segment.chunk(chunk) else { return Ok("there is no such chunk".into()) };
    let word = ChunkWord(shared.load(S3.acquire()));
    if !matches!(word.state(), ChunkState::Queued | ChunkState::InFlight) {
        return Ok("it was freed meanwhile".into());
    }
    let is_queue = |name: &Name| name.topic().is_none() && segment.queue(*name).is_some();
    let waited = Some(word.name()).filter(|_| word.state() == ChunkState::Queued).filter(is_queue);
    let at_home = segment.home_of_another(chunk).map(Name::from_bits).filter(is_queue);
    let to = match waited.or(at_home) {
        Some(queue) => queue,
        None => registry::declare(segment, member.name(), LOST, &QueueOptions::default())
            .map_err(|error| format!("there can be no queue '{LOST}' for it: {error}"))?,
    };
    let Some(entry) = segment.member(member.index()) else {
        return Err(Error::corrupt("the roster", "I12").to_string());
    };
    // In limbo first, from where any reaper takes it, should this process die.
    segment.touch(member.name(), chunk);
    if let Some(own) = segment.chunk_of_mine(chunk) {
        let home = &own.header().home;
        home.store(home.load(Relaxed) & !0xffff_ffff | to.bits(), Relaxed);
    }
    if shared.compare_exchange(word.0, word.next(LIMBO, ChunkState::InFlight).0, S3.acquire_then(S3)).is_err() {
        return Ok("it was taken meanwhile".into());
    }
    let mut reaper = Reaper::new(segment, member.name(), &entry.notes);
    reaper.chunk(chunk, |owner| owner == LIMBO);
    let name = segment.queue_name(to).unwrap_or_default();
    Ok(match reaper.reaped.deferred {
        0 => format!("its message is put back in queue '{name}'"),
        _ => format!("its message comes back in queue '{name}' when there is room"),
    })
}

/// Makes a queue or topic found by its name again; one without a name, or whose name another has, gets a new one.
fn name_anew(segment: &Segment, of: Name) -> Result<String> {
    let text = segment.queue_name(of).filter(|text| registry::look_up_only(segment, text).is_none());
    let text = text.filter(|text| name::check_queue_name(text).is_ok());
    let text = text.unwrap_or_else(|| format!("fsck.{}", of.index()));
    if let Some(words) = segment.name_words(of) {
        words.iter().zip(name::to_words(&text)).for_each(|(word, right)| word.store(right, Relaxed));
    }
    if registry::enter_anew(segment, &text, of) {
        Ok(format!("it is found by the name '{text}'"))
    } else {
        Err(Error::corrupt("the directory", "I17"))
    }
}
