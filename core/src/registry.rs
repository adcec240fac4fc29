//! Who is there: claims on member indices, and the directory of names.
//!
//! - **I15** A member index is claimed by one compare-exchange that names process and stamp; it is free again only after its reap is
//!   complete, so no word anywhere names a past member of a free index.
//! - **I16** A member entry is reset by its next owner, before that owner's first claim. (Were it reset by a reaper, a reaper
//!   that comes late could wipe the notes of the next owner.)
//! - **I17** A queue's record is written whole before the directory refers to it; the directory's compare-exchange is the commit
//!   point of `declare`. The directory never forgets, so two declarations of a name meet at the same first free word.
//! - **I28** A handle that is bound to a thread lives as long as that thread: see [`crate::binding`].

use crate::binding;
use crate::bus::{QueueOptions, TopicOptions};
use crate::claim;
use crate::error::{Error, Result};
use crate::layout::{FIRST_TOPIC, MEMBER_IN_CELL, MemberEntry, QUEUE_MAKES_ROOM, QueueControl, TOPICS};
use crate::memory::Memory;
use crate::message::Lane;
use crate::name;
use crate::owner;
use crate::platform::process::{self, Life};
use crate::platform::sign::Sign;
use crate::platform::{clock, own};
use crate::queue::{LIMBO, Queue};
use crate::segment::Segment;
use crate::sync::{S6, S8, S9, Word, aside, window};
use crate::topic::Policy;
use crate::word::{ClaimState, ClaimWord, Name, RecordState, RecordWord, ThreadWord};
use std::mem::offset_of;
use std::sync::atomic::Ordering::Relaxed;

/// How often, a millisecond apart, the reserve is tried while another process reaps from it.
const RESERVE_TRIES: u32 = 1000;
/// How many messages a subscriber of a topic may be behind, unless its maker says so.
const TOPIC_CAPACITY: u32 = 64;

fn own_stamp(segment: &Segment) -> Result<u64> {
    process::own_stamp(segment.stamp_is_inode())
        .ok_or_else(|| Error::System { what: "cannot open a pidfd of this process".into(), errno: libc::ENOSYS })
}

/// What tells others that the program that claimed an index still runs.
fn sign_of(segment: &Segment, index: u16) -> Sign {
    Sign::of(segment.birth(), index, segment.stamp_is_inode())
}

/// What a handle knows of its claim on an index.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// Its name.
    pub member: Name,
    claim: ClaimWord,
    /// Tells it from a later claim of this process that looks the same.
    serial: u64,
}

/// Claims an index for this process: `preferred` if it is free, else the next free one after the last claim.
pub fn claim_member(segment: &Segment, preferred: Option<u16>) -> Result<Seat> {
    let stamp = own_stamp(segment)?;
    let agents = reserve_of(segment) as usize;
    // Relaxed: a hint that spreads claims over the roster, so that an index is reused late.
    let start = segment.header().next_index.fetch_add(1, Relaxed) as usize % agents;
    let candidates = preferred.map(usize::from).into_iter().chain((0..agents).map(|at| (start + at) % agents));
    for index in candidates.filter(|index| *index < agents) {
        let seen = ClaimWord(segment.roster()[index].claim.load(S9.acquire()));
        if seen.state() != ClaimState::Free {
            continue;
        }
        let claim = ClaimWord::new(stamp, std::process::id(), seen.incarnation(), ClaimState::Live);
        let Some(seat) = try_claim(segment, index as u16, seen, claim) else { continue };
        window(24);
        if let Err(error) = reset_entry(segment, seat.member) {
            give_up_claim(segment, &seat, ClaimWord::freed);
            return Err(error);
        }
        return Ok(seat);
    }
    Err(Error::TooManyAgents { limit: agents as u32 })
}

/// The index that is kept for who has to reap when all others are taken.
pub fn reserve_of(segment: &Segment) -> u16 {
    segment.roster().len() as u16 - 1
}

/// Claims the reserve, also from a dead holder. Its entry is not reset: it tells the new holder what the ones before may have left, who all
/// count as dead (see [`crate::reap`]).
pub fn claim_reserve(segment: &Segment) -> Result<Seat> {
    let stamp = own_stamp(segment)?;
    let index = reserve_of(segment);
    segment.commit_cell(index)?;
    for _ in 0..RESERVE_TRIES {
        let seen = ClaimWord(segment.roster()[index as usize].claim.load(S9.acquire()));
        let free = match seen.state() {
            ClaimState::Free | ClaimState::Dead => true,
            ClaimState::Live => has_died(segment, index, seen),
        };
        let claim = ClaimWord::new(stamp, std::process::id(), seen.incarnation().wrapping_add(1), ClaimState::Live);
        if free && let Some(seat) = try_claim(segment, index, seen, claim) {
            return Ok(seat);
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(Error::TooManyAgents { limit: index as u32 })
}

/// One compare-exchange from the exact claim seen.
fn try_claim(segment: &Segment, index: u16, seen: ClaimWord, mine: ClaimWord) -> Option<Seat> {
    let shared = &segment.roster()[index as usize].claim;
    let serial = own::enter(segment.birth(), index, |known| shared.load(S9.acquire()) == known)?;
    let seat = Seat { member: Name::new(index, mine.incarnation()), claim: mine, serial };
    sign_of(segment, index).give(segment.file());
    if !claim::take(shared, seen, mine) {
        forget_claim(segment, &seat);
        return None;
    }
    own::confirm(segment.birth(), index, serial, mine.0);
    Some(seat)
}

/// Forgets in this process a claim that is given up, or another's by now.
pub fn forget_claim(segment: &Segment, seat: &Seat) {
    let index = seat.member.index();
    own::leave(segment.birth(), index, seat.serial, || sign_of(segment, index).withdraw(segment.file()));
}

/// Forgets in this process the claims that others have buried.
pub fn forget_buried(segment: &Segment) {
    let is_current = |index: u16, claim: u64| {
        segment.roster().get(index as usize).is_some_and(|row| row.claim.load(S9.acquire()) == claim)
    };
    own::forget_buried(segment.birth(), is_current, |index| sign_of(segment, index).withdraw(segment.file()));
}

/// Ends a member's own claim: `last` makes its next word.
pub fn give_up_claim(segment: &Segment, seat: &Seat, last: impl Fn(ClaimWord) -> ClaimWord) {
    claim::leave(&segment.roster()[seat.member.index() as usize].claim, seat.claim, last(seat.claim));
    forget_claim(segment, seat);
}

/// The thread word of a handle that the calling thread binds to itself.
pub fn this_thread(seat: &Seat) -> ThreadWord {
    let (tid, stamp) = process::this_thread();
    ThreadWord::new(tid, stamp, seat.member.incarnation())
}

/// Takes a handle from the thread to which it is bound, in order to drop it. `false`: somebody else gives back what it had, or has.
pub fn take_over(segment: &Segment, seat: &Seat, thread: ThreadWord) -> bool {
    let index = seat.member.index();
    let Some(entry) = segment.member(index) else { return false };
    let claim = &segment.roster()[index as usize].claim;
    own::is_seated(segment.birth(), index, seat.serial) && binding::take_over(&entry.thread, thread, claim, seat.claim)
}

/// Whether nobody can use a living claim any more: its process is dead or has become another program (over `execve`, pid and stamp stay the same), or
/// the thread to which it is bound has ended.
pub fn has_died(segment: &Segment, index: u16, claim: ClaimWord) -> bool {
    if has_process_died(segment, index, claim) {
        return true;
    }
    if !may_be_bound(segment, index) {
        return false;
    }
    let has_ended = |thread: ThreadWord| process::has_thread_ended(claim.pid(), thread.tid(), thread.stamp());
    segment.member(index).is_some_and(|entry| binding::condemn(&entry.thread, claim, has_ended))
}

/// Whether a handle is bound to a thread, or that cannot be told. Read without touching the cell: who looks at thousands pays for page tables as
/// large as the bus. Who misses a word that is just being bound finds it the next time.
fn may_be_bound(segment: &Segment, index: u16) -> bool {
    let geometry = segment.geometry();
    let cell = geometry.cells_at + u64::from(index) * geometry.cell_bytes;
    let mut thread = [0; 8];
    let read = segment.probe().read_at(&mut thread, cell + MEMBER_IN_CELL + offset_of!(MemberEntry, thread) as u64);
    read.is_err() || thread != [0; 8]
}

/// A process knows its own members. Of another's, a sign that ends with `execve` is a quick one; without it (it is a hint, and programs
/// exist that close every descriptor) the process is alive as a member while it has the segment mapped, which ends with `execve`, too.
pub(crate) fn has_process_died(segment: &Segment, index: u16, claim: ClaimWord) -> bool {
    let own = claim.pid() == std::process::id();
    if own && own::has(segment.birth(), index, claim.0) {
        return false;
    }
    let has_signed = |process: Option<&_>| sign_of(segment, index).is_given(process, segment.probe());
    match process::look(claim.pid(), claim.stamp(), segment.stamp_is_inode(), has_signed) {
        Life::Dead => return true,
        Life::Signed => return false,
        Life::Alive => {}
    }
    own || !process::has_mapped(claim.pid(), segment.inode())
}

fn reset_entry(segment: &Segment, member: Name) -> Result<()> {
    segment.commit_cell(member.index())?;
    let Some(entry) = segment.member(member.index()) else { return Err(Error::corrupt("the roster", "I12")) };
    // Relaxed: nobody reads these before the kernel's word that we are dead.
    let notes = &entry.notes;
    let words = [
        &notes.intent,
        &notes.sends_to,
        &notes.takes_from,
        &notes.waits_on,
        &notes.evicts,
        &entry.mailbox,
        &entry.declaring,
        &entry.sender,
        &entry.taps,
        &entry.key,
        &entry.keyed_in,
        &entry.locks,
    ];
    let counters = &entry.counters;
    let counters = [
        &counters.sent,
        &counters.sent_bytes,
        &counters.received,
        &counters.received_bytes,
        &counters.released,
        &counters.given_back,
        &counters.refused,
        &counters.sleeps,
    ];
    let histograms = segment.board(member.index()).into_iter().flat_map(|board| board.histograms.iter().flatten());
    for word in words.into_iter().chain(counters).chain(histograms).chain(&entry.topics).chain(&entry.spans) {
        if word.load(Relaxed) != 0 {
            word.store(0, Relaxed);
        }
    }
    // Relaxed: for people.
    aside(|| entry.joined_ns.store(clock::monotonic_ns(), Relaxed));
    // S8: whoever still knows the index from its life before and finds the word reset finds another's claim as well.
    entry.thread.store(0, S8.release());
    window(26);
    Ok(())
}

/// Whether a member has been, or never was: its index is free, another incarnation's, or no index.
pub fn is_past(segment: &Segment, member: Name) -> bool {
    let Some(row) = segment.roster().get(member.index() as usize) else { return true };
    let claim = ClaimWord(row.claim.load(S9.acquire()));
    claim.state() == ClaimState::Free || claim.incarnation() != member.incarnation()
}

/// Whether a member is there no more: its index free, dead, or another incarnation's; asks the kernel about a living claim.
pub fn is_gone(segment: &Segment, member: Name) -> bool {
    let Some(row) = segment.roster().get(member.index() as usize) else { return true };
    let claim = ClaimWord(row.claim.load(S9.acquire()));
    claim.state() != ClaimState::Live
        || claim.incarnation() != member.incarnation()
        || has_died(segment, member.index(), claim)
}

/// The process of a living member.
pub fn pid_of(segment: &Segment, member: Name) -> Option<u32> {
    let claim = ClaimWord(segment.roster().get(member.index() as usize)?.claim.load(S9.acquire()));
    (claim.state() == ClaimState::Live && claim.incarnation() == member.incarnation()).then(|| claim.pid())
}

/// A word of the directory that led nowhere, after a repair: not 0, so that the search for names behind it goes over it, and no name's.
pub(crate) const LED_NOWHERE: RecordWord = RecordWord::new(0, LIMBO, RecordState::Free);

/// A word of the directory: `hash:36 · queue:26 · state:2`.
fn directory_word(hash: u64, queue: Name) -> RecordWord {
    RecordWord::new(hash >> 28, queue, RecordState::Live)
}

/// The queue or topic of this name.
pub fn look_up(segment: &Segment, name: &str) -> Option<Name> {
    let found = look_up_only(segment, name);
    if let Some(queue) = found {
        finish_declaring(segment, queue);
    }
    found
}

/// The queue or topic of this name, without a write: for observers.
pub fn look_up_only(segment: &Segment, name: &str) -> Option<Name> {
    (name.len() <= crate::layout::NAME_MAX).then(|| find(segment, name, name::hash(name)).0)?
}

/// The queue or topic of this name, or the place in the directory where it would be.
fn find(segment: &Segment, name: &str, hash: u64) -> (Option<Name>, Option<usize>) {
    let directory = segment.directory();
    let wanted = name::to_words(name);
    for step in 0..directory.len() {
        let at = (hash as usize).wrapping_add(step) & (directory.len() - 1);
        let word = RecordWord(directory[at].load(S6.acquire()));
        if word.0 == 0 {
            return (None, Some(at));
        }
        if word != directory_word(hash, word.member()) {
            continue;
        }
        let Some(name) = segment.name_words(word.member()) else { continue };
        // Relaxed: written before the directory referred to it (S6).
        if name.iter().zip(wanted).all(|(word, wanted)| word.load(Relaxed) == wanted) {
            return (Some(word.member()), None);
        }
    }
    (None, None)
}

/// Enters a queue or topic in the directory under a name that leads nowhere. `false`: there is no room.
pub(crate) fn enter_anew(segment: &Segment, name: &str, of: Name) -> bool {
    let hash = name::hash(name);
    let (None, Some(free)) = find(segment, name, hash) else { return false };
    segment.directory()[free].compare_exchange(0, directory_word(hash, of).0, S6.acquire_then(S6)).is_ok()
}

/// A name in the directory is declared, whoever was about to say so in its record.
fn finish_declaring(segment: &Segment, queue: Name) {
    let Some(record) = segment.record(queue.index()) else { return };
    let seen = RecordWord(record.load(S6.acquire()));
    if seen.state() == RecordState::Claimed && seen.counter() & 1023 == queue.incarnation() as u64 {
        let live = RecordWord::new(seen.counter(), seen.member(), RecordState::Live);
        let _ = record.compare_exchange(seen.0, live.0, S6.release());
    }
}

/// Makes a queue of this name, or finds the one there is.
pub fn declare(segment: &Segment, me: Name, queue: &str, options: &QueueOptions) -> Result<Name> {
    name::check_queue_name(queue)?;
    let limit = options.limit;
    let most = 1 << segment.geometry().ring_shift;
    if limit.is_some_and(|limit| limit == 0 || limit > most) {
        let what = format!("limit = {}; on this bus a lane holds 1 to {most} messages", limit.unwrap_or(0));
        return Err(Error::InvalidArgument { what });
    }
    if let Some(found) = look_up(segment, queue) {
        return check_kind(queue, found, false);
    }
    let dead_letters = match options.dead_letters.as_deref() {
        Some(own) if own == queue => {
            return Err(Error::InvalidArgument {
                what: format!("queue '{queue}' cannot be the queue of its own dead letters"),
            });
        }
        Some(other) => {
            let letters = declare(segment, me, other, &QueueOptions::default())?;
            // Its ring is committed now, so that no message is stuck for want of memory when it has to go there.
            if let Some(queue) = segment.queue(letters) {
                queue.ring_for_sending(segment, Lane::Normal.ring())?;
            }
            Some(letters)
        }
        None => None,
    };
    let full = Error::TooManyAgents { limit: segment.roster().len() as u32 - 1 };
    let write = |index| write_record(segment, index, queue, options, dead_letters);
    let records = segment.roster().len() - 1;
    let own = (0..records).map(|step| ((me.index() as usize + step) % records) as u16);
    let made = enter(segment, me, queue, own, &full, write)?;
    check_kind(queue, made, false)
}

/// Makes a topic of this name, or finds the one there is.
pub fn declare_topic(segment: &Segment, me: Name, topic: &str, options: &TopicOptions) -> Result<Name> {
    name::check_name(topic)?;
    let most = 1 << segment.geometry().ring_shift;
    let (limit, retain) = (options.capacity.unwrap_or(TOPIC_CAPACITY.min(most)), options.retain);
    if limit == 0 || limit > most || retain > limit {
        let what = format!(
            "capacity = {limit}, retain = {retain}; on this bus a topic holds 1 to {most} messages, and retains no more than it holds"
        );
        return Err(Error::InvalidArgument { what });
    }
    if let Some(found) = look_up(segment, topic) {
        return check_kind(topic, found, true);
    }
    let full =
        Error::InvalidArgument { what: format!("topic '{topic}': a bus has {TOPICS} topics, and all are taken") };
    let write = |index| write_topic(segment, index, topic, options.policy, limit, retain);
    let made = enter(segment, me, topic, FIRST_TOPIC..FIRST_TOPIC + TOPICS as u16, &full, write)?;
    check_kind(topic, made, true)
}

/// Whether a name is that of a topic, or of a queue, as its user thinks.
pub fn check_kind(name: &str, found: Name, topic: bool) -> Result<Name> {
    let kind = match (found.topic(), topic) {
        (Some(_), false) => "a topic: publish to it, or subscribe",
        (None, true) => "a mailbox or queue: send to it, or receive from it",
        _ => return Ok(found),
    };
    Err(Error::WrongKind { name: name.into(), kind })
}

/// Claims a record among `indices`, writes it and enters it in the directory; or finds what has this name already.
fn enter(
    segment: &Segment,
    me: Name,
    name: &str,
    indices: impl Iterator<Item = u16>,
    full: &Error,
    write: impl Fn(u16) -> Result<()>,
) -> Result<Name> {
    let hash = name::hash(name);
    let (index, record, claimed) = claim_record(segment, me, indices)?.ok_or_else(|| full.clone())?;
    let made = Name::new(index, (claimed.counter() & 1023) as u16);
    let give_up = || claim::give_up_record(record, claimed);
    if let Err(error) = write(index) {
        give_up();
        return Err(error);
    }
    window(29);
    loop {
        match find(segment, name, hash) {
            (Some(found), _) => {
                give_up();
                finish_declaring(segment, found);
                return Ok(found);
            }
            (None, None) => {
                give_up();
                return Err(full.clone());
            }
            (None, Some(free)) => {
                let word = directory_word(hash, made);
                if segment.directory()[free].compare_exchange(0, word.0, S6.acquire_then(S6)).is_ok() {
                    window(30);
                    finish_declaring(segment, made);
                    return Ok(made);
                }
            }
        }
    }
}

/// Claims the first free record: of a queue, the one in the member's own cell if possible, so that what an agent touches lies together.
fn claim_record(
    segment: &Segment,
    me: Name,
    indices: impl Iterator<Item = u16>,
) -> Result<Option<(u16, &Word, RecordWord)>> {
    let Some(entry) = segment.member(me.index()) else { return Err(Error::corrupt("the roster", "I12")) };
    for index in indices {
        let Some(word) = segment.record(index) else { continue };
        let seen = RecordWord(word.load(S6.acquire()));
        if seen.state() != RecordState::Free {
            continue;
        }
        entry.declaring.store(index as u64 + 1, S8.release());
        window(27);
        if let Some(claimed) = claim::take_record(word, seen, me) {
            window(28);
            return Ok(Some((index, word, claimed)));
        }
    }
    Ok(None)
}

/// Its slots, cursors and hints are as they were committed: a record that was given up has never been used.
fn write_topic(segment: &Segment, index: u16, topic: &str, policy: Policy, limit: u32, retain: u32) -> Result<()> {
    let made = Name::new(index, 0);
    segment.commit_topic(made)?;
    let Some(control) = segment.topic_control(made) else { return Err(Error::corrupt("the topic table", "I12")) };
    // Relaxed: the record is its maker's until the directory refers to it (S6).
    for (word, value) in control.name.iter().zip(name::to_words(topic)) {
        word.store(value, Relaxed);
    }
    control.policy.store(policy as u64, Relaxed);
    control.shift.store(limit.next_power_of_two().trailing_zeros() as u64 + 1, Relaxed);
    control.limit.store(limit as u64, Relaxed);
    control.retain.store(retain as u64, Relaxed);
    Ok(())
}

/// Its rings and counters are as they were committed: a record that was given up has never been used.
fn write_record(
    segment: &Segment,
    index: u16,
    queue: &str,
    options: &QueueOptions,
    dead_letters: Option<Name>,
) -> Result<()> {
    segment.commit_cell(index)?;
    let Some(control) = segment.queue_control(index) else { return Err(Error::corrupt("the roster", "I12")) };
    // Relaxed: the record is its maker's until the directory refers to it (S6).
    for (word, value) in control.name.iter().zip(name::to_words(queue)) {
        word.store(value, Relaxed);
    }
    control.flags.store(if options.makes_room { QUEUE_MAKES_ROOM } else { 0 }, Relaxed);
    control.max_deliveries.store(options.max_deliveries.unwrap_or(0) as u64, Relaxed);
    control.dead_letters.store(dead_letters.map_or(0, |queue| queue.bits() + 1), Relaxed);
    let limit = options.limit.map_or_else(|| segment.header().limit.load(Relaxed), u64::from);
    control.limit.store(limit, Relaxed);
    Ok(())
}

/// Whether the directory refers to the record with this index.
pub fn is_named(segment: &Segment, index: u16, counter: u64) -> bool {
    let wanted = Name::new(index, (counter & 1023) as u16);
    segment.directory().iter().any(|word| {
        let word = RecordWord(word.load(S6.acquire()));
        word.0 != 0 && word.member() == wanted
    })
}

/// Makes `me` the owner of a mailbox; the word that says so. `Err(owner)`: it has another, who may be dead; or `me`, which owns another mailbox.
pub fn own(segment: &Segment, me: Name, queue: Name) -> std::result::Result<RecordWord, Name> {
    let (entry, control) = may_own(segment, me, queue)?;
    let note = || entry.mailbox.store(queue.bits() + 1, S8.release());
    owner::own(&control.owner, me, note).map_err(RecordWord::member)
}

/// Makes `me` the owner of a mailbox, whoever owns it, and wakes who waits for its messages or stands by. `Err`: `me` owns another mailbox.
pub fn take_mailbox(segment: &Segment, me: Name, queue: &Queue<'_>) -> std::result::Result<RecordWord, Name> {
    let (entry, control) = may_own(segment, me, queue.name)?;
    let note = || entry.mailbox.store(queue.name.bits() + 1, S8.release());
    Ok(owner::take_over(&control.owner, me, note, || queue.ring_items(u32::MAX), &control.later.vacant))
}

/// A member's note names one mailbox, so it owns one.
fn may_own(segment: &Segment, me: Name, queue: Name) -> std::result::Result<(&MemberEntry, &QueueControl), Name> {
    let (Some(entry), Some(control)) = (segment.member(me.index()), segment.queue_control(queue.index())) else {
        return Err(me);
    };
    // Relaxed: our own note.
    let noted = entry.mailbox.load(Relaxed).checked_sub(1).map(Name::from_bits);
    match noted {
        Some(other) if other != queue && owner_of(segment, other) == Some(me) => Err(me),
        _ => Ok((entry, control)),
    }
}

/// Takes a mailbox from `owner`, who is the caller or gone. `is_so`: asked after the word was read, for names come round again.
pub fn disown(segment: &Segment, owner: Name, queue: Name, is_so: impl Fn() -> bool) {
    if let Some(control) = segment.queue_control(queue.index()) {
        owner::disown(&control.owner, owner, is_so, &control.later.vacant);
    }
}

/// The owner of a mailbox.
pub fn owner_of(segment: &Segment, queue: Name) -> Option<Name> {
    let owner = owner::owner(&segment.queue_control(queue.index())?.owner)?;
    // After the owner was read: it is that of this queue, and not of a later one of the same index.
    let record = RecordWord(segment.roster().get(queue.index() as usize)?.queue.load(S6.acquire()));
    record.is_of_living(queue).then_some(owner)
}
