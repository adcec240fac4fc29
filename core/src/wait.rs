//! Sleeping and waking: a wake word, `sequence:31 · sleepers:1`.
//!
//! - **I8** Who sleeps has announced it (bit set, sequence moved) and then looked once more; who changes something looks at the
//!   bit after the change. A full fence stands between the two on both sides, so at least one sees the other.
//! - **I9** The bit is cleared only from the exact word under which nobody was left asleep: whoever announced since then changed the
//!   word. (A blind clear leaves a second sleeper asleep.)
//! - **I10** Who leaves a wait for any reason looks once more at what it waited for and passes the wake on; a dead member's
//!   reaper does so for it.
//! - Senders who wait for room are woken when half of the queue is empty, or by a receiver who takes his time ([`crate::ring::Ring::is_time_for_senders`]);
//!   a receiver who stops short of that leaves them to their nap, after which they look.
//!
//! Who waits for more queues than the kernel takes words sleeps on the words of their groups. A queue's ring is also its group's, and wakes
//! everybody there: they may wait for different queues, so none could pass a wake on to the one for whom it was, and none has to.
//!
//! A topic's words wake everybody as well ([`announce_to_all`], [`ring_all`]), and a thousand may sleep there: so an announcement that stands serves
//! all, the next sleeper only reads it; and who rings clears the bit first, then wakes all who slept under it. Whoever read the
//! word before finds it changed, whoever comes after announces anew. A word is rung in one of the two ways, never in both.

use crate::sync::{WakeWord, Woken, fence_after_rmw, full_fence, mutated, window};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::time::Duration;

const SLEEPERS: u32 = 1;

fn bump(word: u32, sleepers: u32) -> u32 {
    (word & !SLEEPERS).wrapping_add(2) | sleepers
}

/// The promise to sleep, made before the last look.
#[derive(Clone, Copy, Debug)]
pub struct Ticket(u32);

/// Announces that the caller is about to sleep. It must look once more at what it waits for, then [`sleep`] or simply go on.
pub fn announce(word: &WakeWord) -> Ticket {
    loop {
        // Relaxed: the compare-exchange that follows is what counts.
        let seen = word.load(Relaxed);
        let announced = if mutated("announce-keeps-sequence") { seen | SLEEPERS } else { bump(seen, SLEEPERS) };
        // AcqRel: the read-modify-write that I8's fence completes.
        if word.compare_exchange(seen, announced, AcqRel).is_ok() {
            fence_after_rmw();
            return Ticket(announced);
        }
    }
}

/// [`announce`] on a word that is rung by [`ring_all`]. Writes nothing if somebody has announced already.
pub fn announce_to_all(word: &WakeWord) -> Ticket {
    loop {
        // Relaxed: the fence that follows is what counts.
        let seen = word.load(Relaxed);
        if seen & SLEEPERS != 0 || word.compare_exchange(seen, seen | SLEEPERS, AcqRel).is_ok() {
            if !mutated("no-fence-after-announcement") {
                full_fence();
            }
            return Ticket(seen | SLEEPERS);
        }
    }
}

/// Sleeps until woken, unless somebody rang since the ticket was drawn.
pub fn sleep(word: &WakeWord, ticket: Ticket, timeout: Duration) -> Woken {
    word.sleep(ticket.0, timeout)
}

/// Whether nobody rang, and nobody else announced, since the ticket was drawn: the announcement still holds.
pub fn stands(word: &WakeWord, ticket: Ticket) -> bool {
    // Acquire: who finds the word changed looks at what the ringer did.
    word.load(Acquire) == ticket.0
}

/// Sleeps until one of several words is rung, unless that happened since its ticket was drawn.
pub fn sleep_any(words: &[(&WakeWord, Ticket)], timeout: Duration) -> Woken {
    let words: Vec<_> = words.iter().map(|(word, ticket)| (*word, ticket.0)).collect();
    WakeWord::sleep_any(&words, timeout)
}

/// Wakes at most `count` sleepers after a change, if any sleep. The change must end with a read-modify-write. No system call
/// when nobody sleeps.
pub fn ring(word: &WakeWord, count: u32) {
    ring_if(word, count, || true);
}

/// [`ring`], if somebody sleeps and then `is_worth_it`.
#[inline(always)]
pub fn ring_if(word: &WakeWord, count: u32, is_worth_it: impl FnOnce() -> bool) {
    fence_after_rmw();
    // Acquire: as in `ring_fenced`, which looks again.
    if word.load(Acquire) & SLEEPERS != 0 && is_worth_it() {
        ring_fenced(word, count, || {});
    }
}

/// [`ring`] for a word and that of its group, of which everybody is woken. One fence serves both.
pub fn ring_with_group(word: &WakeWord, count: u32, group: &WakeWord) {
    fence_after_rmw();
    ring_fenced(word, count, || {});
    if !mutated("group-not-rung") {
        ring_fenced(group, if mutated("group-wakes-one") { 1 } else { u32::MAX }, || window(74));
    }
}

fn ring_fenced(word: &WakeWord, count: u32, about_to_ring: impl Fn()) {
    loop {
        // Acquire: pairs with the announcement; the fence before is I8's.
        let seen = word.load(Acquire);
        if seen & SLEEPERS == 0 {
            return;
        }
        about_to_ring();
        let rung = bump(seen, SLEEPERS);
        // AcqRel: somebody who announced and has not yet slept must find the word changed.
        if word.compare_exchange(seen, rung, AcqRel).is_err() {
            continue;
        }
        window(9);
        // Fewer than might have been woken: nobody sleeps any more.
        if word.wake(count) < count {
            if mutated("blind-clear") {
                let now = word.load(Relaxed);
                let _ = word.compare_exchange(now, bump(now, 0), AcqRel);
            } else {
                let _ = word.compare_exchange(rung, bump(rung, 0), AcqRel);
            }
        }
        return;
    }
}

/// Wakes everybody who sleeps after a change. The change must end with a read-modify-write. No system call when nobody sleeps.
pub fn ring_all(word: &WakeWord) {
    fence_after_rmw();
    ring_all_fenced(word);
}

/// [`ring_all`] for who has a full fence behind it.
pub fn ring_all_fenced(word: &WakeWord) {
    // Acquire: pairs with the announcement; the fence before is I8's.
    while let seen = word.load(Acquire)
        && seen & SLEEPERS != 0
    {
        if mutated("woken-before-cleared") {
            word.wake(u32::MAX);
        }
        // AcqRel: who has announced and does not yet sleep must find the word changed.
        if word.compare_exchange(seen, bump(seen, 0), AcqRel).is_ok() {
            window(99);
            if !mutated("woken-before-cleared") {
                word.wake(u32::MAX);
            }
            return;
        }
    }
}

/// [`ring_all`] for a reaper: the dead may have cleared the bit and woken nobody. The bit stays as it is. A reaper may come late and die here, when all
/// that it was to do is done: nobody would wake who slept since then, and who rings next would not know that somebody sleeps.
pub fn ring_all_anyway(word: &WakeWord) {
    while let seen = word.load(Acquire)
        && let sleepers = if mutated("bit-cleared-by-reaper") { 0 } else { seen & SLEEPERS }
        && word.compare_exchange(seen, bump(seen, sleepers), AcqRel).is_err()
    {}
    word.wake(u32::MAX);
}
