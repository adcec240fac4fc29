//! Header, roster, directory, members' notes, locks.

use super::{Look, Remedy};
use crate::glob::intersects;
use crate::layout::{FIRST_TOPIC, LOCKS, LockEntry, QUEUE_CLOSED, RosterEntry, TOPICS};
use crate::lock::{LockMode, LockState, LockWord};
use crate::member::locks::name_of;
use crate::registry;
use crate::sync::{S6, S7, S8, S9, S14, Word};
use crate::word::{ClaimWord, Intent, Name, RecordState, RecordWord};
use std::sync::atomic::Ordering::Relaxed;

/// [`LockWord`]: a held lock, for who looks whether two have it.
struct Held {
    entry: usize,
    word: LockWord,
    name: String,
}

impl<'s> Look<'s> {
    pub(super) fn tables(&mut self) {
        self.header();
        self.roster();
        self.directory();
        self.notes();
        self.locks();
    }

    fn header(&mut self) {
        let header = self.segment.header();
        let supervisor = header.supervisor.load(Relaxed);
        if supervisor != 0 && !self.is_there(Name::from_bits(supervisor - 1)) {
            let remedy = Remedy::Set(&header.supervisor, supervisor, 0);
            self.find(
                "supervisor",
                "header".into(),
                "the supervisor is a member that does not exist",
                &[supervisor],
                remedy,
            );
        }
        let committed = header.locks.committed.load(S7.acquire());
        if committed > LOCKS as u64 {
            let remedy = Remedy::Set(&header.locks.committed, committed, LOCKS as u64);
            let problem = format!("{committed} entries of the lock table are said to be there, of {LOCKS}");
            self.find("header", "header".into(), problem, &[committed], remedy);
        }
        let limit = header.limit.load(Relaxed);
        let most = 1 << self.segment.geometry().ring_shift;
        if limit == 0 || limit > most {
            let remedy = Remedy::Set(&header.limit, limit, limit.clamp(1, most));
            self.find(
                "header",
                "header".into(),
                format!("the limit of a lane is {limit}, of 1 to {most}"),
                &[limit],
                remedy,
            );
        }
    }

    /// A word that says whether memory is committed; `used`: by whom it is used, if it is.
    fn flag(&mut self, place: String, name: &str, word: &'s Word, used: Option<Name>) {
        let seen = word.load(S7.acquire());
        if seen > 1 || used.is_some() && seen == 0 {
            let problem = format!("'{name}' is {seen:#x}: whether its memory is there cannot be told");
            // Who uses it next commits it again.
            self.find("roster", place, problem, &[seen], used.map_or(Remedy::Set(word, seen, 0), Remedy::Commit));
        }
    }

    fn roster(&mut self) {
        for (index, row) in self.segment.roster().iter().enumerate() {
            let RosterEntry { claim, queue, committed, board } = row;
            let claimed = claim.load(S9.acquire());
            if claimed & 3 == 3 {
                let remedy = Remedy::Reap;
                self.find(
                    "claim",
                    format!("member {index}"),
                    format!("its claim {claimed:#x} is in no state"),
                    &[claimed],
                    remedy,
                );
            }
            let record = queue.load(S6.acquire());
            self.record(format!("queue {index}"), queue, record);
            let used = Some(Name::new(index as u16, 0)).filter(|_| RecordWord(record).state() == RecordState::Live);
            self.flag(format!("cell {index}"), "committed", committed, used);
            self.flag(format!("cell {index}"), "board", board, None);
        }
        for (number, row) in self.segment.topics().iter().enumerate() {
            let record = row.record.load(S6.acquire());
            self.record(format!("topic {number}"), &row.record, record);
            let used = Name::new(FIRST_TOPIC + number as u16, 0);
            let used = Some(used).filter(|_| RecordWord(record).state() == RecordState::Live);
            self.flag(format!("topic {number}"), "committed", &row.committed, used);
        }
    }

    fn record(&mut self, place: String, word: &'s Word, seen: u64) {
        let record = RecordWord(seen);
        if seen & 3 == 3 {
            let freed = RecordWord::new(record.counter(), record.member(), RecordState::Free).0;
            self.find(
                "record",
                place,
                format!("its record {seen:#x} is in no state"),
                &[seen],
                Remedy::Set(word, seen, freed),
            );
        } else if record.state() == RecordState::Claimed && !self.is_there(record.member()) {
            let freed = RecordWord::new(record.counter(), record.member(), RecordState::Free).0;
            let problem = "it is being made by a member that does not exist";
            self.find("record", place, problem, &[seen], Remedy::Set(word, seen, freed));
        }
    }

    /// Every living queue and topic is found by its name (I17).
    fn directory(&mut self) {
        for (at, word) in self.segment.directory().iter().enumerate() {
            let seen = RecordWord(word.load(S6.acquire()));
            if seen.0 == 0 || seen == registry::LED_NOWHERE {
                continue;
            }
            let record = self.segment.record(seen.member().index()).map(|record| RecordWord(record.load(S6.acquire())));
            let fits = record.is_some_and(|record| {
                record.state() != RecordState::Free && record.counter() & 1023 == u64::from(seen.member().incarnation())
            });
            if seen.state() == RecordState::Live && fits {
                continue;
            }
            if let Some(revive) = self.revive(seen) {
                let of = seen.member();
                let problem = "its record says that it is not there, and its name leads to it";
                self.find("record", self.spoken(of), problem, &[seen.0, record.map_or(0, |record| record.0)], revive);
                continue;
            }
            let problem = format!("it refers to {}, which does not exist", self.spoken(seen.member()));
            let forget = Remedy::Set(word, seen.0, registry::LED_NOWHERE.0);
            self.find("directory", format!("directory, word {at}"), problem, &[seen.0], forget);
        }
        let queues = self.segment.queues().map(|queue| queue.name);
        let names: Vec<Name> = queues.chain(self.segment.living_topics().map(|topic| topic.name)).collect();
        for of in names {
            let text = self.segment.queue_name(of);
            let found = text.as_deref().and_then(|text| registry::look_up_only(self.segment, text));
            if found != Some(of) {
                let evidence = [of.bits(), found.map_or(0, Name::bits)];
                let problem = match text {
                    None => "it has no name that can be read",
                    Some(_) if found.is_some() => "another has its name as well, and is found instead",
                    Some(_) => "its name does not lead to it",
                };
                self.find("name", self.spoken(of), problem, &evidence, Remedy::Enter(of));
            }
        }
    }

    /// A queue or topic that was named is there for ever (I17). So one whose name leads to it is, whatever its record says: makes the record say so.
    fn revive(&self, named: RecordWord) -> Option<Remedy<'s>> {
        let of = named.member();
        let text = self.segment.queue_name(of)?;
        let record = self.segment.record(of.index())?;
        let is_found = registry::look_up_only(self.segment, &text) == Some(of);
        let live = RecordWord::new(u64::from(of.incarnation()), of, RecordState::Live);
        is_found.then(|| Remedy::Set(record, record.load(S6.acquire()), live.0))
    }

    /// What members note for their reapers.
    fn notes(&mut self) {
        for member in self.members() {
            let Some(entry) = self.segment.member(member.index()) else { continue };
            let notes = &entry.notes;
            let words = [
                ("sends_to", &notes.sends_to, true),
                ("takes_from", &notes.takes_from, true),
                ("mailbox", &entry.mailbox, false),
                ("sender", &entry.sender, false),
                ("taps", &entry.taps, false),
                ("keyed_in", &entry.keyed_in, false),
            ];
            let place = format!("member {}", member.index());
            for (name, word, may_be_topic) in words {
                let seen = word.load(S8.acquire());
                let Some(bits) = seen.checked_sub(1) else { continue };
                let of = Name::from_bits(bits);
                if bits >> 26 != 0 || !self.is_named(of) || !may_be_topic && of.topic().is_some() {
                    let problem = format!("its note '{name}' {seen:#x} is of no queue");
                    self.find("note", place.clone(), problem, &[seen], Remedy::Set(word, seen, 0));
                }
            }
            for (name, word) in [("intent", &notes.intent), ("evicts", &notes.evicts)] {
                let intent = Intent(word.load(S8.acquire()));
                let is_known =
                    intent.kind().is_some() && crate::memory::Memory::chunk(self.segment, intent.chunk()).is_some();
                if intent.0 != 0 && !is_known {
                    let problem = format!("its note '{name}' {:#x} is of no message", intent.0);
                    self.find("note", place.clone(), problem, &[intent.0], Remedy::Set(word, intent.0, 0));
                }
            }
            let declaring = entry.declaring.load(S8.acquire());
            let rows = self.segment.roster().len() as u64;
            let topics = u64::from(FIRST_TOPIC) + 1..=u64::from(FIRST_TOPIC) + TOPICS as u64;
            if declaring > rows && !topics.contains(&declaring) {
                let problem = format!("its note 'declaring' {declaring:#x} is of no queue");
                self.find("note", place, problem, &[declaring], Remedy::Set(&entry.declaring, declaring, 0));
            }
        }
    }

    fn locks(&mut self) {
        let mut held: Vec<Held> = Vec::new();
        let drawn = self.segment.header().locks.drawn.load(S14.acquire());
        for (at, entry) in self.segment.locks().committed().iter().enumerate() {
            let word = LockWord(entry.word.load(S14.acquire()));
            let freed = (word.0 >> 30).wrapping_add(1) << 30;
            let (place, evidence, remedy) =
                (format!("lock entry {at}"), [word.0], Remedy::Set(&entry.word, word.0, freed));
            if word.0 & 7 > 4 {
                self.find("lock", place, "it is in no state", &evidence, remedy);
                continue;
            }
            if word.state() == LockState::Free {
                continue;
            }
            if !self.may_own(word.member()) {
                self.find(
                    "lock",
                    place,
                    "it is of a member that does not exist: nobody else gets that lock",
                    &evidence,
                    remedy,
                );
                continue;
            }
            let noted =
                self.segment.member(word.member().index()).is_some_and(|note| note.locks.load(S8.acquire()) != 0);
            if !noted && self.is_there(word.member()) {
                let problem = "its member has not noted that it has locks: they outlive it";
                self.find("lock", place.clone(), problem, &evidence, Remedy::Set(&entry.word, word.0, freed));
            }
            if word.is_there() {
                self.lock(at, entry, word, drawn, &mut held);
            }
        }
        for (at, one) in held.iter().enumerate() {
            let conflicts = |other: &&Held| {
                let exclusive = [one, other].iter().any(|held| held.word.mode() == LockMode::Exclusive);
                exclusive && intersects(&one.name, &other.name)
            };
            if let Some(other) = held[at + 1..].iter().find(conflicts) {
                let problem = format!("'{}' and '{}' are held at once, and exclude each other", one.name, other.name);
                let place = format!("lock entries {} and {}", one.entry, other.entry);
                self.find("lock", place, problem, &[one.word.0, other.word.0], Remedy::Reap);
            }
        }
    }

    fn lock(&mut self, at: usize, entry: &'s LockEntry, word: LockWord, drawn: u64, held: &mut Vec<Held>) {
        let name = name_of(entry);
        // Read between two looks at its word, as everybody does.
        if entry.word.load(S14.acquire()) != word.0 {
            return;
        }
        let freed = (word.0 >> 30).wrapping_add(1) << 30;
        let Some(name) = name else {
            let problem = "its name cannot be read";
            return self.find(
                "lock",
                format!("lock entry {at}"),
                problem,
                &[word.0],
                Remedy::Set(&entry.word, word.0, freed),
            );
        };
        let ticket = entry.ticket.load(S14.acquire());
        let may_be = word.state() == LockState::Choosing || ticket.wrapping_sub(drawn) as i64 <= 0;
        // `drawn` was read before: a later ticket is a later claim.
        if !may_be && self.segment.header().locks.drawn.load(S14.acquire()) == drawn {
            let problem = format!("the ticket of '{name}' was never drawn");
            self.find(
                "lock",
                format!("lock entry {at}"),
                problem,
                &[word.0, ticket],
                Remedy::Set(&entry.word, word.0, freed),
            );
        }
        if word.state() == LockState::Held {
            held.push(Held { entry: at, word, name });
        }
    }
}

/// Whether a claim is of a process that has died and waits for its reaper: no problem, and no living user either.
pub(super) fn has_process_died(segment: &crate::segment::Segment, index: usize, claim: ClaimWord) -> bool {
    registry::has_process_died(segment, index as u16, claim)
}

/// Flags that a queue may have.
pub(super) const QUEUE_FLAGS: u64 = QUEUE_CLOSED | crate::layout::QUEUE_MAKES_ROOM | crate::layout::QUEUE_SEALED;
