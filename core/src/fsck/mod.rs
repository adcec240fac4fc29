//! Looks through a whole segment for words that contradict one another: of a living bus without a write, of one that nobody uses with repairs.
//!
//! What is in motion looks as if it were wrong: a chunk that is about to get its slot, a slot whose message was just taken. So a problem of a living bus is one that
//! stands unchanged, word for word, in each of several looks; and what a member is at, or a dead one has left to its reaper, is none (I6, I26: intents and
//! links are followed).

mod chunks;
mod queues;
mod repair;
mod tables;
mod topics;

pub use repair::{Repaired, repair_bus, repair_file};

use crate::layout::RINGS;
use crate::memory::Memory;
use crate::observe::Observer;
use crate::queue::{LIMBO, Queue};
use crate::segment::Segment;
use crate::sync::{S9, Word};
use crate::word::{ClaimState, ClaimWord, Name};
use std::time::Duration;

/// How often a living bus is looked through, and how long apart: nobody is in the midst of an operation for all of that, unless it is stopped.
const LOOKS: usize = 4;
const APART: Duration = Duration::from_millis(40);

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Problem {
    /// Of what kind: a word for programs.
    pub kind: &'static str,
    /// Where.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
    /// What that means, and what to do about it.
    pub advice: String,
}

/// What a look has found; with what puts it right.
struct Finding<'s> {
    kind: &'static str,
    place: String,
    problem: String,
    /// The words on which it rests.
    evidence: Vec<u64>,
    remedy: Remedy<'s>,
}

/// What puts something right.
enum Remedy<'s> {
    /// The next reap does, on a living bus as well.
    Reap,
    /// A word is set, from the value seen.
    Set(&'s Word, u64, u64),
    /// The message in a chunk is put in its queue, or where somebody will find it.
    Deliver(u32),
    /// A chunk is given back: nobody was told of what is in it.
    Free(u32),
    /// The hints and slots of a queue's rings, or of a topic, are worked out anew.
    Mend(Name),
    /// Memory that is in use is committed, and said to be.
    Commit(Name),
    /// The same for a lane of a queue.
    CommitLane(Name, usize),
    /// A name is entered in the directory again.
    Enter(Name),
    /// What an agent says of itself is forgotten.
    Forget(Name),
}

impl Remedy<'_> {
    fn advice(&self) -> &'static str {
        match self {
            Remedy::Reap | Remedy::Mend(_) => "the next reap puts it right (swarmbus reap BUS)",
            Remedy::Set(..) => "others pass over it; repaired when nobody uses the bus (swarmbus fsck --repair)",
            Remedy::Deliver(_) => {
                "nobody receives this message until it is repaired when nobody uses the bus (swarmbus fsck --repair)"
            }
            Remedy::Free(_) => {
                "its memory is not used until it is repaired when nobody uses the bus (swarmbus fsck --repair)"
            }
            Remedy::Commit(_) | Remedy::CommitLane(..) => {
                "what is in it is not found until it is repaired when nobody uses the bus (swarmbus fsck --repair)"
            }
            Remedy::Enter(_) => {
                "who asks for that name does not find it until it is repaired when nobody uses the bus (swarmbus fsck --repair)"
            }
            Remedy::Forget(_) => "its next status puts it right; or swarmbus fsck --repair when nobody uses the bus",
        }
    }
}

impl Finding<'_> {
    fn same(&self, other: &Finding<'_>) -> bool {
        self.kind == other.kind && self.place == other.place && self.evidence == other.evidence
    }

    fn problem(&self) -> Problem {
        let (place, problem, advice) = (self.place.clone(), self.problem.clone(), self.remedy.advice().to_owned());
        Problem { kind: self.kind, place, problem, advice }
    }
}

/// A segment that is looked through, and what was found.
struct Look<'s> {
    segment: &'s Segment,
    findings: Vec<Finding<'s>>,
}

impl<'s> Look<'s> {
    fn through(segment: &'s Segment) -> Vec<Finding<'s>> {
        let mut look = Look { segment, findings: Vec::new() };
        look.tables();
        look.queues();
        look.topics();
        look.chunks();
        look.findings
    }

    fn find(
        &mut self,
        kind: &'static str,
        place: String,
        problem: impl Into<String>,
        evidence: &[u64],
        remedy: Remedy<'s>,
    ) {
        self.findings.push(Finding { kind, place, problem: problem.into(), evidence: evidence.to_vec(), remedy });
    }

    /// Whether a member has its index: lives, or is dead and not yet reaped. Of all others nothing speaks (I15).
    fn is_there(&self, member: Name) -> bool {
        let Some(row) = self.segment.roster().get(member.index() as usize) else { return false };
        let claim = ClaimWord(row.claim.load(S9.acquire()));
        claim.state() != ClaimState::Free && claim.incarnation() == member.incarnation()
    }

    /// Who may own a chunk: members that are there, whoever had the reserve, and nobody on purpose.
    fn may_own(&self, member: Name) -> bool {
        self.is_there(member) || member == LIMBO || member.index() as usize + 1 == self.segment.roster().len()
    }

    /// The members that are there.
    fn members(&self) -> impl Iterator<Item = Name> + use<'s> {
        self.segment.roster().iter().enumerate().filter_map(|(index, row)| {
            let claim = ClaimWord(row.claim.load(S9.acquire()));
            (claim.state() != ClaimState::Free).then(|| Name::new(index as u16, claim.incarnation()))
        })
    }

    fn queue(&self, name: Name) -> Option<Queue<'s>> {
        self.segment.queue(name)
    }

    /// Whether there is a queue or topic of this name.
    fn is_named(&self, name: Name) -> bool {
        match name.topic() {
            Some(_) => self.segment.living_topic(name).is_some(),
            None => self.queue(name).is_some(),
        }
    }

    /// A queue or topic, for people.
    fn spoken(&self, name: Name) -> String {
        let kind = if name.topic().is_some() { "topic" } else { "queue" };
        match self.segment.queue_name(name) {
            Some(text) => format!("{kind} '{text}'"),
            None => format!("{kind} {}", name.index()),
        }
    }
}

/// The rings of a queue, for people.
const RING_NAMES: [&str; RINGS] = ["redelivery", "reply", "urgent", "high", "normal", "low"];

impl Observer {
    /// Looks through the whole segment for words that contradict one another. Of a living bus, what stands in several looks, about 0.2 s in all; it may be in use.
    ///
    /// ```
    /// # use swarmbus_core::{Bus, CreateOptions};
    /// # let bus = Bus::create(&format!("doc-fsck-{}", std::process::id()), &CreateOptions::default())?;
    /// assert!(bus.observer()?.fsck().is_empty());
    /// # bus.destroy()?;
    /// # Ok::<(), swarmbus_core::Error>(())
    /// ```
    pub fn fsck(&self) -> Vec<Problem> {
        let mut standing = Look::through(self.segment());
        for _ in 1..LOOKS {
            if standing.is_empty() {
                break;
            }
            std::thread::sleep(APART);
            let again = Look::through(self.segment());
            standing.retain(|finding| again.iter().any(|other| other.same(finding)));
        }
        standing.iter().map(Finding::problem).collect()
    }
}
