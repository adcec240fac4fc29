//! What a member receives: looked for and claimed; what a claim becomes is in `opening`.

use super::waiting::Source;
use super::{Known, Member};
use crate::error::{Error, Result};
use crate::layout::REDELIVERY;
use crate::message::{Lane, Message};
use crate::platform::{clock, process};
use crate::queue::{self, Aside, Claimed, Order, Queue, unlink};
use crate::reap::unshelve;
use crate::ring::RUN;
use crate::segment::Chunk;
use crate::word::{Link, Name};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
/// Every so many messages a member takes from the least urgent lane first, so that none starves.
const PATIENCE: u32 = 32;
/// Messages without a sleep between them that make a stream: see [`Member::look_again`]; how often its receiver looks before it sleeps, and the pauses before the first
/// look, which double.
const STREAM: u32 = 256;
const LOOKS: u32 = 4;
const FIRST_PAUSES: u32 = 64;

/// What a look leaves that has no message to hand out.
enum Left<'m> {
    /// One that was claimed, and nothing else was done with it.
    Claimed(Claimed, Option<Chunk<'m>>),
    /// An empty queue.
    Nothing,
    /// Everything, and nothing was claimed: there is more to see to than a look does.
    All,
}

impl Member {
    /// Takes the most urgent message of a queue, as one of any number of consumers; waits for one until `timeout` (`None`: for ever).
    ///
    /// # Errors
    /// `Timeout`, `Closed` (closed and empty), `UnknownAgent`, `AgentBusy` (a mailbox that somebody else owns), `HandedOver` (one that was this member's).
    #[inline(always)]
    pub fn receive(&self, queue: &str, timeout: Option<Duration>) -> Result<Message<'_>> {
        self.receive_until(queue, timeout, &mut || false)
    }

    /// [`Member::receive`] with a hook that may end the wait: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Member::receive`], and [`Error::Interrupted`] when the hook says so.
    #[inline(always)]
    pub fn receive_until(
        &self,
        queue: &str,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Message<'_>> {
        match self.look(self.at_hand.called(queue)) {
            Ok(message) => Ok(message),
            Err(Left::Nothing) if timeout == Some(Duration::ZERO) => Err(Error::Timeout),
            Err(left) => {
                let mut found = None;
                self.receive_patiently(queue, left, timeout, interrupted, &mut found)?;
                found.ok_or(Error::Timeout)
            }
        }
    }

    #[cold]
    fn receive_patiently<'m>(
        &'m self,
        queue: &str,
        left: Left<'m>,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
        found: &mut Option<Message<'m>>,
    ) -> Result<()> {
        self.take_patiently_until(self.find_to_take(queue, &left)?, left, timeout, interrupted, found)
    }

    /// Takes a message if there is one.
    ///
    /// # Errors
    /// As [`Member::receive`], without `Timeout`.
    #[inline(always)]
    pub fn try_receive(&self, queue: &str) -> Result<Option<Message<'_>>> {
        match self.look(self.at_hand.called(queue)) {
            Ok(message) => Ok(Some(message)),
            Err(Left::Nothing) => Ok(None),
            Err(left) => {
                let mut found = None;
                self.receive_patiently(queue, left, Some(Duration::ZERO), &mut || false, &mut found)?;
                Ok(found)
            }
        }
    }

    /// The name of a queue, if this member may take from it, or has: what it has claimed there is to be seen to whoever owns it.
    fn find_to_take(&self, queue: &str, left: &Left<'_>) -> Result<Name> {
        if let Left::All = left {
            self.check()?;
            let name = self.find(queue)?;
            self.check_owner(name)?;
            return Ok(name);
        }
        self.find(queue)
    }

    /// Takes a message of this queue if there is one.
    #[inline(always)]
    pub(super) fn try_take(&self, name: Name) -> Result<Option<Message<'_>>> {
        match self.look(self.at_hand.recent(name)) {
            Ok(message) => Ok(Some(message)),
            Err(Left::Nothing) => Ok(None),
            Err(left) => {
                let mut found = None;
                self.take_patiently_until(name, left, Some(Duration::ZERO), &mut || false, &mut found)?;
                Ok(found)
            }
        }
    }

    #[inline(always)]
    pub(crate) fn take_until(
        &self,
        name: Name,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Message<'_>> {
        match self.look(self.at_hand.recent(name)) {
            Ok(message) => Ok(message),
            Err(Left::Nothing) if timeout == Some(Duration::ZERO) => Err(Error::Timeout),
            Err(left) => {
                let mut found = None;
                self.take_patiently_until(name, left, timeout, interrupted, &mut found)?;
                found.ok_or(Error::Timeout)
            }
        }
    }

    /// Puts what it has found into `found`, and nothing if it was not to wait: returned, it would make the quick look before it write its message to memory as well
    /// (ADR 34).
    #[cold]
    fn take_patiently_until<'m>(
        &'m self,
        name: Name,
        left: Left<'m>,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
        found: &mut Option<Message<'m>>,
    ) -> Result<()> {
        *found = self.finish_look(name, left)?;
        if found.is_some() || timeout == Some(Duration::ZERO) {
            return Ok(());
        }
        *found = self.look_again(name)?;
        if found.is_some() {
            return Ok(());
        }
        let queue = self.queue(name)?;
        let source = Source { word: queue.items, queue: name, by_time: true };
        *found = Some(self.take_among(&[queue], &[source], &Cell::new(0), timeout, interrupted)?);
        Ok(())
    }

    /// Who has just received many messages is likely to receive more: it looks a few times before it sleeps, since to sleep and to be woken costs more than a
    /// hundred messages. Others sleep at once, and so does everybody where there is one core: who is to send needs it.
    fn look_again(&self, name: Name) -> Result<Option<Message<'_>>> {
        let since = self.taken.get().wrapping_sub(self.taken_before_sleep.get());
        if since >= STREAM && process::cores() > 1 {
            for look in 0..LOOKS {
                (0..FIRST_PAUSES << look).for_each(|_| std::hint::spin_loop());
                if let Some(message) = self.try_take(name)? {
                    return Ok(Some(message));
                }
            }
        }
        self.taken_before_sleep.set(self.taken.get());
        Ok(None)
    }

    pub(super) fn take_among(
        &self,
        queues: &[&Known<'_>],
        sources: &[Source<'_>],
        next: &Cell<usize>,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Message<'_>> {
        self.wait_on(sources, timeout, interrupted, || self.take_any(queues, next))
    }

    /// Takes a message of any of the queues. Where the search begins moves on with every message, so that no queue hides another.
    pub(super) fn take_any(&self, queues: &[&Known<'_>], next: &Cell<usize>) -> Result<Option<Message<'_>>> {
        self.give_back_rests(|queue| !queues.iter().any(|other| other.name == queue));
        if queues.len() > 1 && self.owned.get().is_some_and(|(mailbox, _)| queues.iter().any(|of| of.name == mailbox)) {
            // Whichever queue's turn it is: who has lost its mailbox takes nothing beside it either.
            self.check_not_deposed()?;
        }
        let mut closed = 0;
        for at in 0..queues.len() {
            let at = next.get().wrapping_add(at) % queues.len();
            let queue = queues[at];
            if let Some(message) = self.take_one(queue)? {
                next.set(at + 1);
                return Ok(Some(message));
            }
            if queue.seal()? {
                // What came before is there now; nothing will come but what comes back.
                if let Some(message) = self.take_one(queue)? {
                    next.set(at + 1);
                    return Ok(Some(message));
                }
                closed += queue.lot().is_none_or(|lot| lot.due_ms().is_none()) as usize;
            }
        }
        if closed < queues.len() {
            return Ok(None);
        }
        let names = queues.iter().map(|queue| format!("queue '{}'", self.spoken_name(queue.name)));
        Err(Error::Closed { what: names.collect::<Vec<_>>().join(", ") })
    }

    /// A look for a message of a queue as nearly every one goes: everything about it stands in this function and in registers, and so does the message until the
    /// caller has it.
    #[inline(always)]
    fn look(&self, queue: Option<&Known<'_>>) -> std::result::Result<Message<'_>, Left<'_>> {
        let Some(queue) = queue else { return Err(Left::All) };
        let is_plain = self.order() == Order::Priority && self.rests.borrow().is_empty() && self.is_able();
        if !is_plain || queue.has_in_limbo() || queue.lot().is_some() || !queue.is_open() || self.has_other_owner(queue)
        {
            return Err(Left::All);
        }
        match queue::take_at_once(self.segment(), &self.entry().notes, queue, self.name) {
            Ok(Some((claimed, chunk))) => {
                // Relaxed: our own header (I7).
                let is_one = chunk.is_some_and(|chunk| chunk.header().next.load(Relaxed) == 0);
                let message = if is_one { self.open_at_once(queue, claimed, chunk) } else { None };
                message.ok_or(Left::Claimed(claimed, chunk))
            }
            // Whoever has just taken the queue over may have emptied it.
            Ok(None) if !self.has_other_owner(queue) => Err(Left::Nothing),
            Ok(None) | Err(_) => Err(Left::All),
        }
    }

    /// Sees to what a look has left.
    #[cold]
    fn finish_look<'m>(&'m self, name: Name, left: Left<'m>) -> Result<Option<Message<'m>>> {
        let queue = self.queue(name)?;
        match left {
            Left::Nothing => return Ok(None),
            Left::Claimed(claimed, chunk) => {
                self.keep_next(queue, claimed, chunk);
                if let Some(message) = self.open_claim(queue, claimed, chunk)? {
                    return Ok(Some(message));
                }
            }
            Left::All => {}
        }
        self.check()?;
        self.give_back_rests(|other| other != name);
        if queue.is_open() { self.take_one(queue) } else { self.take_any(&[queue], &Cell::new(0)) }
    }

    /// The first message of a queue that is one to hand out.
    fn take_one(&self, queue: &Known<'_>) -> Result<Option<Message<'_>>> {
        self.check_not_deposed_from(queue).inspect_err(|_| self.give_up_rests(|of| of == queue.name))?;
        while let Some((claimed, chunk)) = self.claim_one(queue)? {
            if let Some(message) = self.open_claim(queue, claimed, chunk)? {
                return Ok(Some(message));
            }
        }
        match self.other_owner(queue) {
            Some(owner) => Err(owner),
            None => Ok(None),
        }
    }

    /// Makes a message of a claimed chunk, if it is one to hand out.
    ///
    /// # Errors
    /// If the queue has got another owner: it is back there then; those of [`Member::open`].
    #[cold]
    fn open_claim<'m>(
        &'m self,
        queue: &Known<'_>,
        claimed: Claimed,
        chunk: Option<Chunk<'m>>,
    ) -> Result<Option<Message<'m>>> {
        self.check_claim(queue, claimed)?;
        match self.open(queue, claimed, chunk)? {
            Some((answer, Lane::Reply)) => {
                // This member may have asked, and look for it later.
                self.keep(queue, answer, claimed);
                Ok(None)
            }
            Some((message, _)) => {
                self.received(&message);
                Ok(Some(message))
            }
            None => Ok(None),
        }
    }

    #[inline(always)]
    pub(super) fn received(&self, message: &Message<'_>) {
        self.taken.set(self.taken.get().wrapping_add(1));
        self.counted_received(message.len());
    }

    /// Where it looks for messages of a queue besides its rings.
    #[inline(always)]
    fn aside(&self, queue: Name) -> Aside<impl Fn(usize) -> Option<Claimed>, impl Fn() -> u64> {
        Aside { rest: move |ring| self.rest_from(queue, ring), now_ms: clock::monotonic_ms }
    }

    /// Claims the first messages of a queue, as long as `is_to_go_on` says of the last one; with one of a batch the one that hangs on it, which stands at
    /// the front of its ring for this member then: it alone gets the rest of the batch. Such a one, and one that was parked, is returned instead, alone.
    fn claim_some<'m>(
        &'m self,
        queue: &Queue<'_>,
        mut is_to_go_on: impl FnMut(Claimed, Option<Chunk<'m>>) -> bool,
    ) -> Result<Option<(Claimed, Option<Chunk<'m>>)>> {
        let (segment, notes) = (self.segment(), &self.entry().notes);
        self.fetch_from_limbo(queue)?;
        let aside = self.aside(queue.name);
        let alone = queue::take_some(segment, notes, queue, self.name, self.order(), &aside, |claimed, chunk| {
            let hangs = self.keep_next(queue, claimed, chunk);
            is_to_go_on(claimed, chunk) && !hangs
        })?;
        Ok(alone.map(|claimed| {
            let chunk = segment.chunk_of_mine(claimed.chunk());
            self.keep_next(queue, claimed, chunk);
            (claimed, chunk)
        }))
    }

    /// Claims the first message of a queue, and what hangs on it.
    fn claim_one(&self, queue: &Queue<'_>) -> Result<Option<(Claimed, Option<Chunk<'_>>)>> {
        let (segment, notes) = (self.segment(), &self.entry().notes);
        self.fetch_from_limbo(queue)?;
        let taken = queue::take(segment, notes, queue, self.name, self.order(), &self.aside(queue.name))?;
        if let Some((claimed, chunk)) = taken {
            self.keep_next(queue, claimed, chunk);
        }
        Ok(taken)
    }

    /// Claims what hangs on a message that was just claimed, and keeps it; `false` if nothing does.
    #[inline(always)]
    fn keep_next(&self, queue: &Queue<'_>, claimed: Claimed, chunk: Option<Chunk<'_>>) -> bool {
        let next = self.claim_next(claimed, chunk);
        if let Some(next) = next {
            self.keep_rest(queue.name, next);
        }
        next.is_some()
    }

    /// Claims what hangs on a message that was just claimed, if anything does.
    #[inline(always)]
    fn claim_next(&self, claimed: Claimed, chunk: Option<Chunk<'_>>) -> Option<Claimed> {
        // Relaxed: our own header (I7).
        let link = chunk.map_or(Link(0), |chunk| Link(chunk.header().next.load(Relaxed)));
        unlink(self.segment(), self.name, claimed, link)
    }

    #[cold]
    fn keep_rest(&self, queue: Name, next: Claimed) {
        self.rests.borrow_mut().push((queue, next));
    }

    /// What this member has claimed of a batch in that ring.
    #[cold]
    fn rest_from(&self, queue: Name, ring: usize) -> Option<Claimed> {
        let mut rests = self.rests.borrow_mut();
        let at = rests.iter().position(|(of, next)| *of == queue && next.ring() == ring)?;
        Some(rests.swap_remove(at).1)
    }

    /// What is in limbo comes before the lanes, as it would have without the delay.
    #[inline(always)]
    fn fetch_from_limbo(&self, queue: &Queue<'_>) -> Result<()> {
        if queue.has_in_limbo() { self.fetch_if_empty(queue) } else { Ok(()) }
    }

    #[cold]
    fn fetch_if_empty(&self, queue: &Queue<'_>) -> Result<()> {
        if queue.is_empty(self.segment(), REDELIVERY)? {
            unshelve(self.segment(), self.name, queue);
        }
        Ok(())
    }

    /// Gives what this member has begun to take of batches to whoever takes from their queues.
    #[inline(always)]
    pub(super) fn give_back_rests(&self, of: impl Fn(Name) -> bool) {
        if !self.rests.borrow().is_empty() {
            self.give_back_some_rests(of);
        }
    }

    #[cold]
    fn give_back_some_rests(&self, of: impl Fn(Name) -> bool) {
        for rest in self.take_rests(of) {
            // What cannot be put back stays in flight with this member, and is given back when it leaves.
            let _ = self.redeliver(rest.chunk(), rest.word);
        }
    }

    #[cold]
    pub(super) fn take_rests(&self, of: impl Fn(Name) -> bool) -> Vec<Claimed> {
        let mut rests = self.rests.borrow_mut();
        rests.extract_if(.., |(queue, _)| of(*queue)).map(|(_, rest)| rest).collect()
    }

    /// Takes a message as [`Member::receive`] does, and with it what else is there, up to `most` in all.
    ///
    /// # Errors
    /// As [`Member::receive`].
    pub fn receive_batch(&self, queue: &str, most: usize, timeout: Option<Duration>) -> Result<Vec<Message<'_>>> {
        self.receive_batch_until(queue, most, timeout, &mut || false)
    }

    /// [`Member::receive_batch`] with a hook that may end the wait: asked after signals and about once a second.
    ///
    /// # Errors
    /// As [`Member::receive`], and [`Error::Interrupted`] when the hook says so.
    pub fn receive_batch_until(
        &self,
        queue: &str,
        most: usize,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Message<'_>>> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let mut messages = Vec::with_capacity(most.min(RUN));
        messages.push(self.receive_until(queue, timeout, interrupted)?);
        let queue = self.queue_called(queue)?;
        let mut run = Vec::with_capacity(most.min(RUN));
        // What is wrong with the next one is for the next call to say: these are the caller's.
        while messages.len() < most && self.take_run(queue, most, &mut run, &mut messages).unwrap_or(0) > 0 {}
        Ok(messages)
    }

    /// Takes some messages of one lane of a queue, claiming all of them (in `run`) before it opens the first; returns how many.
    fn take_run<'m>(
        &'m self,
        queue: &Known<'_>,
        most: usize,
        run: &mut Vec<(Claimed, Option<Chunk<'m>>)>,
        messages: &mut Vec<Message<'m>>,
    ) -> Result<usize> {
        self.check_not_deposed_from(queue)?;
        // No longer than until the least urgent lane's turn, which is one message.
        let until_patience = (PATIENCE - 1 - self.taken.get() % PATIENCE).max(1) as usize;
        let most = (most - messages.len()).min(RUN).min(until_patience);
        let before = messages.len();
        let claimed = self.claim_some(queue, |claimed, chunk| {
            run.push((claimed, chunk));
            run.len() < most
        });
        let mut failed = None;
        match claimed {
            Ok(alone) => run.extend(alone),
            Err(error) => failed = Some(error),
        }
        // Of a batch, one after the other.
        let mut next = match run.last() {
            Some((last, _)) if failed.is_none() => self.rest_from(queue.name, last.ring()),
            _ => None,
        };
        while let Some(claimed) = next {
            if run.len() == most {
                self.keep_rest(queue.name, claimed);
                break;
            }
            let chunk = self.segment().chunk_of_mine(claimed.chunk());
            next = self.claim_next(claimed, chunk);
            run.push((claimed, chunk));
        }
        for (claimed, chunk) in run.drain(..) {
            if failed.is_some() {
                // What cannot be put back stays in flight with this member, and is given back when it leaves.
                let _ = self.redeliver(claimed.chunk(), claimed.word);
                continue;
            }
            if let Some(message) = self.open_at_once(queue, claimed, chunk) {
                messages.push(message);
                continue;
            }
            match self.open_claim(queue, claimed, chunk) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(messages.len() - before), Err)
    }

    /// Strict priority, but for every so many messages: then the least urgent lane comes first.
    #[inline]
    fn order(&self) -> Order {
        if self.taken.get() % PATIENCE == PATIENCE - 1 { Order::Patience } else { Order::Priority }
    }
}
