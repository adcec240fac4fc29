//! How a member waits for messages or for room, and sees to it that the dead are reaped while it does.

use super::Member;
use super::sending::from_now_ns;
use crate::error::{Error, Result};
use crate::layout::{GROUPS, WAITS_ANYWHERE};
use crate::memory::Memory;
use crate::platform::clock;
use crate::platform::futex::WAIT_ANY_MAX;
use crate::recover::Reaped;
use crate::segment::Segment;
use crate::sync::{S8, WakeWord, Woken, window};
use crate::wait;
use crate::word::Name;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Most queues on whose own words one sleep waits; for more, it is on the words of their groups. A watcher needs one more word.
pub(crate) const DIRECT_MAX: usize = if cfg!(crash) { 1 } else { WAIT_ANY_MAX - 1 };
/// A sleep ends after this long at the latest, to see whether a peer has died: without a supervisor the bus heals too.
const NAP: Duration = Duration::from_secs(1);
/// How long a publisher waits for a subscriber before it asks for the first time whether that one is dead.
const DOUBT: Duration = Duration::from_millis(5);
/// A nap while a supervisor reaps.
const NAP_SUPERVISED: Duration = Duration::from_secs(5);

/// Something that a member may wait for: a queue's messages, or room in one of its rings; or, alone, a topic's messages or room there.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// Rung when it comes.
    pub word: &'a WakeWord,
    /// The queue or topic.
    pub queue: Name,
    /// Whether it may come because the time of a parked message comes; or, of a topic, whether it is a message.
    pub by_time: bool,
}

impl Source<'_> {
    /// Whether it is not for messages: for room, or for a place.
    fn is_for_room(&self, segment: &Segment) -> bool {
        let items = match segment.topic(self.queue) {
            Some(topic) => Some(topic.items),
            None => segment.queue(self.queue).map(|queue| queue.items),
        };
        !items.is_some_and(|items| std::ptr::eq(self.word, items))
    }
}

impl Member {
    /// Tries until `attempt` succeeds, sleeping on all sources at once in between; several are always the messages of queues. `Timeout` after the
    /// last attempt failed.
    pub(super) fn wait_on<T>(
        &self,
        sources: &[Source<'_>],
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
        mut attempt: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        if let Some(value) = attempt()? {
            return Ok(value);
        }
        if timeout == Some(Duration::ZERO) {
            return Err(Error::Timeout);
        }
        let waits_on = &self.entry().notes.waits_on;
        // S8: noted before the announcement, so a reaper knows whose wake we may have swallowed. A signal handler may wait inside
        // a wait, and a descriptor waits all the time, hence the note before is put back.
        let before = waits_on.load(Relaxed);
        let note = match sources {
            [source] if before != WAITS_ANYWHERE => source.queue.bits() + 1,
            _ => WAITS_ANYWHERE,
        };
        waits_on.store(note, S8.release());
        window(33);
        let result = self.sleep_until(sources, timeout, interrupted, &mut attempt);
        if sources.len() <= DIRECT_MAX {
            // I10: others may wait for what is left of what woke us. (Of a group, everybody was woken.)
            let nothing_came = matches!(result, Err(Error::Timeout));
            sources.iter().for_each(|source| self.pass_on(*source, nothing_came));
        }
        waits_on.store(before, S8.release());
        result
    }

    fn sleep_until<T>(
        &self,
        sources: &[Source<'_>],
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
        attempt: &mut impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = timeout.map(from_now_ns);
        // One word is the usual case, and a thousand may wait for it: each looks at as little as it can.
        let single = if let [source] = sources { Some(source.word) } else { None };
        let words = if single.is_some() { Vec::new() } else { self.words_of(sources) };
        let for_room = sources.iter().any(|source| source.is_for_room(self.segment()));
        // Of a topic's word everybody is woken.
        let announce = match sources {
            [source] if source.queue.topic().is_some() => wait::announce_to_all,
            _ => wait::announce,
        };
        let mut tickets = Vec::with_capacity(words.len());
        // A publisher asks soon, and then ever more rarely, whether the subscriber for which it waits is dead.
        let doubt = if matches!(sources, [source] if !source.by_time && source.queue.topic().is_some()) {
            DOUBT
        } else {
            NAP_SUPERVISED
        };
        let mut until_doubt = doubt;
        loop {
            let ticket = single.map(announce);
            tickets.clear();
            tickets.extend(words.iter().map(|word| (*word, announce(word))));
            window(34);
            if let Some(value) = attempt()? {
                return Ok(value);
            }
            self.segment().check_open()?;
            let left = deadline.map(|deadline| deadline.saturating_sub(clock::monotonic_ns()));
            if left == Some(0) {
                return Err(Error::Timeout);
            }
            // Who waits for room may not be told of all of it, and looks more often.
            let nap = if for_room { NAP } else { self.nap() };
            let nap = nap.min(self.time_to_due(sources));
            let doubting = until_doubt < nap;
            let nap = nap.min(until_doubt);
            until_doubt = (until_doubt * 2).min(NAP_SUPERVISED);
            self.counted(|counters| &counters.sleeps, 1);
            let limit = left.map_or(nap, |left| nap.min(Duration::from_nanos(left)));
            let woken = match single.zip(ticket) {
                Some((word, ticket)) => wait::sleep(word, ticket, limit),
                None => wait::sleep_any(&tickets, limit),
            };
            window(35);
            if woken != Woken::Look && interrupted() {
                return Err(Error::Interrupted);
            }
            if woken == Woken::Look {
                until_doubt = doubt;
            } else if woken == Woken::TimedOut && !doubting {
                if left.is_none_or(|left| left >= nap.as_nanos() as u64) {
                    // A whole nap without work: what it keeps for its next send would keep spans from going back.
                    self.heap.borrow_mut().trim(self.segment());
                }
                self.look_for_dead();
            }
        }
    }

    /// How long until a message that is parked in one of the queues is due.
    fn time_to_due(&self, sources: &[Source<'_>]) -> Duration {
        let due_ms = |source: &Source<'_>| {
            let may_park = source.by_time && source.queue.topic().is_none();
            may_park.then(|| self.segment().queue(source.queue))??.lot()?.due_ms()
        };
        let due_ms = sources.iter().filter_map(due_ms).min();
        due_ms.map_or(Duration::MAX, |due| Duration::from_millis(due.saturating_sub(clock::monotonic_ms())))
    }

    /// Wakes one more if there still is something to take, now or when its time comes; a mailbox has no one else to wake, and pays a look. If
    /// nothing came, others need not be told, but that something is parked: of that, one sleeper was told.
    fn pass_on(&self, source: Source<'_>, nothing_came: bool) {
        let for_room = source.is_for_room(self.segment());
        if source.queue.topic().is_some() {
            if for_room {
                // Whatever came: see `Topic::await_laggard`.
                wait::ring_all(source.word);
            }
            return;
        }
        let Some(queue) = self.segment().queue(source.queue) else { return };
        let is_parked = || source.by_time && queue.lot().is_some_and(|lot| lot.due_ms().is_some());
        let more = if for_room {
            let ring = queue.active().find(|(_, ring)| std::ptr::eq(ring.room(), source.word));
            !nothing_came && ring.is_none_or(|(_, ring)| ring.is_half_empty(queue.limit))
        } else {
            is_parked() || !nothing_came && queue.has_message(self.segment())
        };
        if more {
            wait::ring(source.word, 1);
        }
    }

    /// The words on which a sleep waits for all sources: their own, or those of their groups.
    fn words_of<'a>(&'a self, sources: &[Source<'a>]) -> Vec<&'a WakeWord> {
        if sources.len() <= DIRECT_MAX {
            return sources.iter().map(|source| source.word).collect();
        }
        let mut used = [false; GROUPS];
        sources.iter().for_each(|source| used[source.queue.index() as usize % GROUPS] = true);
        self.segment().header().groups.iter().zip(used).filter(|(_, used)| *used).map(|(word, _)| word).collect()
    }

    pub(super) fn nap(&self) -> Duration {
        nap(self.segment())
    }

    /// Reaps if nobody has looked for the dead lately. `true` if something was given back.
    pub(super) fn look_for_dead(&self) -> bool {
        let looked = &self.segment().header().looked_ns;
        // Relaxed: only keeps the looks of a thousand sleepers apart.
        let (now, last) = (clock::monotonic_ns(), looked.load(Relaxed));
        if !is_due(self.segment(), now, last) || looked.compare_exchange(last, now, Relaxed).is_err() {
            return false;
        }
        self.reap_if(None) != Reaped::default()
    }
}

/// How long to sleep at most.
pub(crate) fn nap(segment: &Segment) -> Duration {
    // Relaxed: a hint about how soon somebody else will look.
    if segment.header().supervisor.load(Relaxed) == 0 { NAP } else { NAP_SUPERVISED }
}

fn is_due(segment: &Segment, now_ns: u64, looked_ns: u64) -> bool {
    now_ns.wrapping_sub(looked_ns) >= nap(segment).as_nanos() as u64 * 9 / 10
}

/// Whether nobody has looked for the dead lately.
pub(crate) fn look_is_due(segment: &Segment) -> bool {
    // Relaxed: a reason to look, nothing else.
    is_due(segment, clock::monotonic_ns(), segment.header().looked_ns.load(Relaxed))
}
