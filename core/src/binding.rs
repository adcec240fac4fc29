//! A handle that is bound to a thread: what its thread's end decides.
//!
//! The core's handle may move between threads, so it lives as long as its process. Where a handle is of use to one thread only (in C, in
//! Python), it dies with that thread, also when the thread ended without closing it: nobody can use it any more. But it can still be dropped
//! late, by whatever frees the thread's objects, and the kernel's word about the thread does not tell a reaper whether that is
//! going on. So
//!
//! - **I28** what a bound handle had is given back by whoever changes its thread word first: a reaper condemns it, or who drops the handle
//!   unbinds it. Both compare with the exact word that was bound. A reaper that finds the word unbound leaves the handle alone; who
//!   drops a handle and finds it condemned, or its index another's, touches nothing.
//!
//! A condemned word still names its thread, and the kernel is asked about that thread each time. So a reaper that comes so late that it
//! condemns a later handle of the same index, bound to a thread that looks the same, has killed nobody.

use crate::sync::{S8, S9, Word, mutated, window};
use crate::word::{ClaimWord, ThreadWord};

/// Binds an unbound handle: done by its thread.
pub fn bind(word: &Word, thread: ThreadWord) {
    window(78);
    // S8: what the handle has noted so far is there for who judges it by its thread.
    let _ = word.compare_exchange(0, thread.0, S8.acquire_then(S8));
}

/// Unbinds a handle whose thread lives, for as long as others look at what it has.
pub fn unbind(word: &Word, thread: ThreadWord) {
    let _ = word.compare_exchange(thread.0, 0, S8.acquire_then(S8));
}

/// Takes a handle with this claim from its thread, in order to drop it. `false`: what it had is a reaper's, its index may be another's.
pub fn take_over(word: &Word, thread: ThreadWord, claim: &Word, mine: ClaimWord) -> bool {
    let seen = word.load(S8.acquire());
    if seen != 0 && seen != thread.0 {
        return false;
    }
    // After the word: the next owner of the index resets it, and has changed the claim before (S8).
    if !mutated("claim-not-asked") && claim.load(S9.acquire()) != mine.0 {
        return false;
    }
    // Unbound already: no reaper judges it by its thread.
    let taken = seen == 0 || word.compare_exchange(thread.0, 0, S8.acquire_then(S8)).is_ok();
    window(80);
    taken
}

/// Whether a living claim was judged dead by its thread. `has_ended`: the kernel's word.
pub fn condemn(word: &Word, claim: ClaimWord, has_ended: impl Fn(ThreadWord) -> bool) -> bool {
    let seen = ThreadWord(word.load(S8.acquire()));
    // A word of another incarnation: the index was claimed and its entry is not yet reset.
    if seen.0 == 0 || seen.incarnation() != claim.incarnation() || !has_ended(seen) {
        return false;
    }
    let condemned = seen.condemned();
    if seen == condemned || mutated("thread-not-condemned") {
        return true;
    }
    let changed = word.compare_exchange(seen.0, condemned.0, S8.acquire_then(S8));
    window(79);
    changed.is_ok() || changed == Err(condemned.0)
}
