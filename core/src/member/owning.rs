//! What a member owns: one mailbox, until it leaves, dies, or another takes it over. The words are in [`crate::owner`].
//!
//! A member remembers the exact word that made it the owner. Asked again before it takes, after it has claimed a message, and before it sends, the
//! word tells whether the mailbox still is its own, whatever became of those who took it over.

use super::waiting::Source;
use super::{Agent, Known, Member};
use crate::bus::QueueOptions;
use crate::error::{Error, Result};
use crate::layout::REPLY;
use crate::name::check_name;
use crate::owner;
use crate::platform::lifeline::Lifeline;
use crate::queue::{Claimed, Queue, Route};
use crate::registry;
use crate::sync::{fence_after_rmw, window};
use crate::wait;
use crate::word::{Name, RecordWord};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How often a mailbox is tried to be owned that another owns: each time that one has gone. Beyond, the words about it make no sense.
const TRIES: u32 = 256;

impl Member {
    /// Makes this member the owner of a mailbox, which is declared if need be. A dead owner is reaped first.
    ///
    /// # Errors
    /// `AgentBusy`, `InvalidName`, `InvalidArgument` (it owns another, or has owned one), `TooManyAgents`, `OutOfMemory`.
    pub fn own(&self, name: &str) -> Result<()> {
        self.own_mailbox(name).map(|_| ())
    }

    pub(crate) fn own_mailbox(&self, name: &str) -> Result<Name> {
        let mailbox = self.mailbox_to_own(name)?;
        for _ in 0..TRIES {
            let owner = match registry::own(self.segment(), self.name, mailbox) {
                Ok(word) => return self.now_owns(mailbox, word),
                Err(owner) => owner,
            };
            if owner == self.name {
                return Err(owns_another(name));
            }
            if !registry::is_gone(self.segment(), owner) {
                let pid = registry::pid_of(self.segment(), owner).unwrap_or(0);
                return Err(Error::AgentBusy { name: name.into(), pid });
            }
            self.bury_owner(owner, mailbox);
        }
        Err(owner_without_sense(name))
    }

    /// Makes this member the owner of a mailbox (declared if need be) although a living process owns it, also one that is paused. From the moment at which this
    /// returns, the former owner receives nothing more from it and sends nothing more by the handle that owned it: both are
    /// [`Error::HandedOver`] to it; at once if it waits for messages, within about a second if it waits for room. What it has in flight stays its own: it may answer, release, forward or give it back; it comes
    /// back to the mailbox if that process dies. So does what it has not taken yet of a batch that it has begun to take, unless it goes on: with the next thing that it
    /// does, that comes to the mailbox. From a process that is stopped for good, or hangs: take over, then kill.
    ///
    /// Crash-safe: killed in the midst of it, this process is the owner or not, and its reaper sees to the rest.
    ///
    /// # Errors
    /// `InvalidName`, `InvalidArgument` (it owns another, or has owned one), `TooManyAgents`, `OutOfMemory`, `Closed`, `Forked`.
    pub fn take_over(&self, name: &str) -> Result<()> {
        self.take_mailbox(name).map(|_| ())
    }

    pub(crate) fn take_mailbox(&self, name: &str) -> Result<Name> {
        let mailbox = self.mailbox_to_own(name)?;
        let segment = self.segment();
        let before = registry::owner_of(segment, mailbox);
        let taken = registry::take_mailbox(segment, self.name, self.queue(mailbox)?);
        let word = taken.map_err(|_| owns_another(name))?;
        if before.is_some_and(|before| registry::is_gone(segment, before)) {
            // What it had in flight is to come back now.
            self.reap_if(None);
        }
        self.now_owns(mailbox, word)
    }

    /// Waits until nobody alive owns a mailbox (declared if need be), then owns it. Of several who stand by one gets it, and the others go on waiting.
    /// The death of the owner is noticed at once, with or without a supervisor: while this waits, a thread watches the owner's process.
    ///
    /// # Errors
    /// `Timeout` (`None`: waits for ever); those of [`Member::own`] but `AgentBusy`.
    pub fn stand_by(&self, name: &str, timeout: Option<Duration>) -> Result<()> {
        self.stand_by_until(name, timeout, &mut || false)
    }

    /// [`Member::stand_by`] with a hook that may end the wait: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Member::stand_by`], and [`Error::Interrupted`] when the hook says so.
    pub fn stand_by_until(
        &self,
        name: &str,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<()> {
        self.succeed(name, timeout, interrupted).map(|_| ())
    }

    pub(crate) fn succeed(
        &self,
        name: &str,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Name> {
        let mailbox = self.mailbox_to_own(name)?;
        let segment = self.segment();
        let Some(control) = segment.queue_control(mailbox.index()) else { return Err(Error::corrupt(name, "I17")) };
        // Not the word of its messages: a wake that is for the owner would wake us instead.
        let source = Source { word: &control.later.vacant, queue: mailbox, by_time: false };
        let mut lifeline = None::<(Name, Lifeline)>;
        let mut looked = false;
        let word = self.wait_on(&[source], timeout, interrupted, || {
            // The first look comes before the announcement: who need not wait needs no thread.
            let is_to_watch = std::mem::replace(&mut looked, true);
            let mut asked = None;
            for _ in 0..TRIES {
                let owner = match registry::own(segment, self.name, mailbox) {
                    Ok(word) => return Ok(Some(word)),
                    Err(owner) => owner,
                };
                if owner == self.name {
                    return Err(owns_another(name));
                }
                if registry::is_gone(segment, owner) {
                    self.bury_owner(owner, mailbox);
                    continue;
                }
                let is_watched = lifeline.as_ref().is_some_and(|(watched, _)| *watched == owner);
                if !is_to_watch || is_watched || asked == Some(owner) {
                    return Ok(None);
                }
                asked = Some(owner);
                let bus = self.bus().clone();
                let ring = move || {
                    if let Some(control) = bus.segment().queue_control(mailbox.index()) {
                        wait::ring(&control.later.vacant, u32::MAX);
                    }
                };
                // Without one (no descriptors left, no such kernel) the naps of a waiter find out.
                lifeline = registry::pid_of(segment, owner)
                    .and_then(|pid| Lifeline::of(pid, ring))
                    .map(|lifeline| (owner, lifeline));
                // Once more: it may have ended before it was watched, and then nothing rings.
            }
            Err(owner_without_sense(name))
        })?;
        drop(lifeline);
        self.now_owns(mailbox, word)
    }

    /// The epoch of the mailbox that this member owns or has owned, a fencing number: it rises with every change of owner (and begins anew after 2³⁶). Whoever keeps the highest that it has seen can
    /// refuse what comes late from a former owner. 0 if it never owned one.
    pub fn epoch(&self) -> u64 {
        self.owned.get().map_or(0, |(_, word)| word.counter())
    }

    fn mailbox_to_own(&self, name: &str) -> Result<Name> {
        self.check()?;
        check_name(name)?;
        let mailbox = registry::declare(self.segment(), self.name, name, &QueueOptions::default())?;
        // What an agent does with its mailbox and board asks whether this handle still owns the one that it owned first.
        match self.owned.get() {
            Some((owned, _)) if owned != mailbox => Err(owns_another(name)),
            _ => Ok(mailbox),
        }
    }

    fn bury_owner(&self, owner: Name, mailbox: Name) {
        if registry::owner_of(self.segment(), mailbox) != Some(owner) {
            // It has left in the meantime, as one does: the mailbox first.
            return;
        }
        self.reap_if(None);
        registry::disown(self.segment(), owner, mailbox, || registry::is_gone(self.segment(), owner));
    }

    fn now_owns(&self, mailbox: Name, word: RecordWord) -> Result<Name> {
        self.owned.set(Some((mailbox, word)));
        self.entry().sender.store(mailbox.bits() + 1, Relaxed);
        // Others may wait for its messages while nobody owned it: they are to find out.
        self.queue(mailbox)?.ring_items(u32::MAX);
        Ok(mailbox)
    }

    #[cold]
    fn handed_over(&self, mailbox: Name) -> Error {
        let owner = registry::owner_of(self.segment(), mailbox);
        let pid = owner.and_then(|owner| registry::pid_of(self.segment(), owner)).unwrap_or(0);
        Error::HandedOver { name: self.spoken_name(mailbox), pid }
    }

    /// `HandedOver` if the mailbox that this member has owned is another's: it takes nothing, and sends nothing, and gives up what it has begun to take of
    /// batches.
    #[inline]
    pub(super) fn check_not_deposed(&self) -> Result<()> {
        if !self.is_deposed() {
            return Ok(());
        }
        let Some((mailbox, _)) = self.owned.get() else { return Ok(()) };
        self.give_up_rests(|_| true);
        Err(self.handed_over(mailbox))
    }

    /// Whether the mailbox that this member has owned is another's.
    #[inline]
    pub(super) fn is_deposed(&self) -> bool {
        let Some((mailbox, word)) = self.owned.get() else { return false };
        !self.at_hand.queue(&self.bus, mailbox).is_some_and(|queue| owner::is_still(queue.owner, word))
    }

    /// To be called when something was done with a message: a deposed member gives up what it has begun to take of batches. Whoever is there now need not
    /// wait for this member's next receive, which may never come.
    #[inline]
    pub(crate) fn give_up_rests_if_deposed(&self) {
        if !self.rests.borrow().is_empty() && self.is_deposed() {
            self.give_up_rests(|_| true);
        }
    }

    /// The same as [`Member::check_not_deposed`], for one of the queues from which it takes.
    #[inline]
    pub(super) fn check_not_deposed_from(&self, queue: &Queue<'_>) -> Result<()> {
        match self.owned.get() {
            Some((mailbox, word)) if mailbox == queue.name && !owner::is_still(queue.owner, word) => {
                Err(self.handed_over(mailbox))
            }
            _ => Ok(()),
        }
    }

    /// Whether there is an owner of a queue who is not this member. [`Member::other_owner`] asks whether he lives.
    #[inline(always)]
    pub(super) fn has_other_owner(&self, queue: &Queue<'_>) -> bool {
        match self.owned.get() {
            Some((mailbox, word)) if mailbox == queue.name => !owner::is_still(queue.owner, word),
            _ => {
                // Where there was a claim before, after that (I39).
                fence_after_rmw();
                owner::owner(queue.owner).is_some_and(|owner| owner != self.name)
            }
        }
    }

    /// Why this member may not take from a queue: somebody else who is alive owns it, or it was taken from this member.
    #[inline]
    pub(super) fn other_owner(&self, queue: &Queue<'_>) -> Option<Error> {
        if self.owned.get().is_some_and(|(mailbox, _)| mailbox == queue.name) {
            return self.check_not_deposed_from(queue).err();
        }
        // After a claim (I39).
        fence_after_rmw();
        let owner = owner::owner(queue.owner).filter(|owner| *owner != self.name)?;
        self.living_owner(queue.name, owner)
    }

    #[cold]
    fn living_owner(&self, queue: Name, owner: Name) -> Option<Error> {
        if registry::is_gone(self.segment(), owner) {
            return None;
        }
        let pid = registry::pid_of(self.segment(), owner).unwrap_or(0);
        Some(Error::AgentBusy { name: self.spoken_name(queue), pid })
    }

    pub(super) fn check_owner(&self, queue: Name) -> Result<()> {
        let Some(owner) = self.other_owner(self.queue(queue)?) else { return Ok(()) };
        self.give_up_rests(|of| of == queue);
        Err(owner)
    }

    /// A message was claimed of a queue: unless that still is this member's to take from, it goes back as if it had not been touched (I39).
    #[inline]
    pub(super) fn check_claim(&self, queue: &Known<'_>, claimed: Claimed) -> Result<()> {
        match self.other_owner(queue) {
            None => Ok(()),
            Some(owner) => {
                self.put_back_claim(queue, claimed);
                Err(owner)
            }
        }
    }

    #[cold]
    fn put_back_claim(&self, queue: &Known<'_>, claimed: Claimed) {
        if let Some(ring) = queue.ring(claimed.ring()) {
            wait::ring(ring.room(), 1);
        }
        window(127);
        if claimed.ring() == REPLY {
            // To where the new owner looks for answers.
            self.put_back_answer(queue, claimed);
        } else {
            // What cannot be put back stays in flight with this member, and is given back when it leaves.
            let _ = self.redeliver(claimed.chunk(), claimed.word);
        }
        self.give_up_rests(|of| of == queue.name);
    }

    #[cold]
    pub(super) fn give_up_rests(&self, of: impl Fn(Name) -> bool) {
        for rest in self.take_rests(of) {
            window(128);
            let _ = self.redeliver(rest.chunk(), rest.word);
        }
    }

    fn put_back_answer(&self, queue: &Known<'_>, claimed: Claimed) {
        let Some(chunk) = self.segment().chunk_of_mine(claimed.chunk()) else { return };
        if let Err(refused) = self.put_back(queue, Route::put_back(REPLY), chunk, claimed.word) {
            // It is the oldest there, which gives way to newer ones in a full lane. (Put back, it stands behind them: a stream of which it is a part breaks.)
            self.drop_letter(queue.name, chunk.number(), refused.word);
        }
    }
}

impl Agent {
    /// The epoch of its mailbox, a fencing number: see [`Member::epoch`].
    pub fn epoch(&self) -> u64 {
        self.member.epoch()
    }
}

#[cold]
fn owner_without_sense(name: &str) -> Error {
    Error::corrupt(format!("the owner of mailbox '{name}'"), "I15")
}

fn owns_another(name: &str) -> Error {
    let what = format!("'{name}': this handle owns, or has owned, another mailbox; attach another handle for it");
    Error::InvalidArgument { what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{Bus, Removed};
    use crate::sync::S9;
    use crate::word::RecordState;
    use crate::{CreateOptions, SendOptions};

    const LAST: u64 = (1 << 36) - 1;

    fn bus(test: &str) -> Removed {
        let name = format!("test-{}-{test}", std::process::id());
        Removed(Bus::create(&name, &CreateOptions { agents: 8, ..CreateOptions::default() }).unwrap())
    }

    fn scribble(member: &Member, mailbox: &str, word: u64) {
        let mailbox = member.find(mailbox).unwrap();
        member.segment().queue_control(mailbox.index()).unwrap().owner.store(word, S9.release());
    }

    #[test]
    fn an_owner_word_that_was_scribbled_over_deposes_and_stops_nobody() {
        let bus = bus("owner-word");
        let other = bus.0.join().unwrap();
        let nobody = |index| RecordWord::new(77, Name::new(index, 3), RecordState::Live).0;
        for word in [u64::MAX, 0, 1, 3, nobody(5), nobody(60_000), nobody(u16::MAX)] {
            let owner = bus.0.take_over("leader").unwrap();
            scribble(&other, "leader", word);
            assert!(matches!(owner.try_recv(), Err(Error::HandedOver { pid: 0, .. })), "{word:x}");
            assert!(matches!(owner.send("leader", b"", &SendOptions::default()), Err(Error::HandedOver { .. })));
            other.send("leader", b"x", &SendOptions::default()).unwrap();
            let next = bus.0.attach("leader").unwrap();
            next.try_recv().unwrap().unwrap().release().unwrap();
            scribble(&other, "leader", word);
            drop(next);
            drop(bus.0.stand_by("leader", Some(Duration::ZERO)).unwrap());
            drop(owner);
        }
        // Scribbled so that a living member seems to own it, which does not know: others are told so, and may take it over.
        scribble(&other, "leader", RecordWord::new(1, other.name, RecordState::Live).0);
        assert!(matches!(bus.0.attach("leader"), Err(Error::AgentBusy { .. })));
        bus.0.take_over("leader").unwrap();
    }

    #[test]
    fn epochs_begin_anew_and_are_still_told_apart() {
        let bus = bus("epochs-wrap");
        let first = bus.0.attach("leader").unwrap();
        scribble(&first, "leader", RecordWord::new(LAST - 1, first.member.name, RecordState::Free).0);
        let last = bus.0.attach("leader").unwrap();
        assert_eq!(last.epoch(), LAST);
        let next = bus.0.take_over("leader").unwrap();
        assert_eq!(next.epoch(), 0);
        assert!(matches!(last.try_recv(), Err(Error::HandedOver { .. })));
        assert!(next.try_recv().unwrap().is_none());
    }
}
