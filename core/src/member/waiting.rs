//! How a member waits for messages or for room, and sees to it that the dead are reaped while it does.

use super::Member;
use super::sending::nanoseconds;
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::platform::clock;
use crate::recover::Reaped;
use crate::ring::Front;
use crate::sync::{S8, WakeWord, Woken, window};
use crate::wait;
use crate::word::Name;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
/// A sleep ends after this long at the latest, to see whether a peer has died: without a supervisor the bus heals too.
const NAP: Duration = Duration::from_secs(1);
/// The same while a supervisor reaps.
const NAP_SUPERVISED: Duration = Duration::from_secs(5);

impl Member {
    /// Tries until `attempt` succeeds, sleeping on `word` in between. `Timeout` after the last attempt failed.
    pub(super) fn wait_on<T>(
        &self,
        word: &WakeWord,
        queue: Name,
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
        let waits_on = &self.entry()?.notes.waits_on;
        // S8: noted before the announcement, so a reaper knows whose wake we may have swallowed.
        waits_on.store(queue.bits() + 1, S8.release());
        window(33);
        let result = self.sleep_until(word, timeout, interrupted, &mut attempt);
        if !matches!(result, Err(Error::Timeout)) {
            // I10: others may wait for what is left of what woke us.
            self.pass_on(word, queue);
        }
        waits_on.store(0, S8.release());
        result
    }

    pub(super) fn sleep_until<T>(
        &self,
        word: &WakeWord,
        timeout: Option<Duration>,
        interrupted: &mut dyn FnMut() -> bool,
        attempt: &mut impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = timeout.map(|timeout| clock::monotonic_ns().saturating_add(nanoseconds(timeout)));
        loop {
            let ticket = wait::announce(word);
            window(34);
            if let Some(value) = attempt()? {
                return Ok(value);
            }
            self.segment().check_open()?;
            let left = deadline.map(|deadline| deadline.saturating_sub(clock::monotonic_ns()));
            if left == Some(0) {
                return Err(Error::Timeout);
            }
            let nap = self.nap();
            let woken = wait::sleep(word, ticket, left.map_or(nap, |left| nap.min(Duration::from_nanos(left))));
            window(35);
            if woken != Woken::Look && interrupted() {
                return Err(Error::Interrupted);
            }
            if woken == Woken::TimedOut {
                if left.is_none_or(|left| left >= nap.as_nanos() as u64) {
                    // A whole nap without work: what it keeps for its next send would keep spans from going back.
                    self.heap.borrow_mut().trim(self.segment());
                }
                self.look_for_dead();
            }
        }
    }

    /// Wakes one more if there still is something to take; a mailbox has no one else to wake, and pays a look.
    pub(super) fn pass_on(&self, word: &WakeWord, queue: Name) {
        let Some(queue) = self.segment().queue(queue) else { return };
        let waiting = |front| matches!(front, Ok(Front::Message { .. }));
        let more = !std::ptr::eq(word, queue.items)
            || queue.active().any(|(_, ring)| waiting(ring.front(queue.name, |chunk| self.segment().chunk(chunk))));
        if more {
            wait::ring(word, 1);
        }
    }

    pub(super) fn nap(&self) -> Duration {
        // Relaxed: a hint about how soon somebody else will look.
        if self.segment().header().supervisor.load(Relaxed) == 0 { NAP } else { NAP_SUPERVISED }
    }

    /// Reaps if nobody has looked for the dead lately. `true` if something was given back.
    pub(super) fn look_for_dead(&self) -> bool {
        let looked = &self.segment().header().looked_ns;
        // Relaxed: only keeps the looks of a thousand sleepers apart.
        let (now, last) = (clock::monotonic_ns(), looked.load(Relaxed));
        if now.saturating_sub(last) < self.nap().as_nanos() as u64 * 9 / 10
            || looked.compare_exchange(last, now, Relaxed).is_err()
        {
            return false;
        }
        self.reap_if(None) != Reaped::default()
    }
}
