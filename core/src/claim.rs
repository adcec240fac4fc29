//! The claim of a member's index, one word of the roster: `FREE → LIVE → DEAD → FREE`, or from `LIVE` to `FREE` when its member leaves.
//!
//! - **I41** A claim changes by one compare-exchange from the exact word seen, and each has an incarnation of its own. What is `LIVE` only its member changes,
//!   or who has the kernel's word that this one is dead. So a reaper that was paused for ever so long changes nothing of who has the index next.

use crate::sync::{S9, Word};
use crate::word::{ClaimState, ClaimWord};

/// Takes an index, seen as `seen`. `false`: somebody was faster.
pub fn take(claim: &Word, seen: ClaimWord, mine: ClaimWord) -> bool {
    claim.compare_exchange(seen.0, mine.0, S9.acquire()).is_ok()
}

/// Marks the claim of a dead member; the word as it stands then. `None`: somebody was faster.
pub fn mark(claim: &Word, seen: ClaimWord) -> Option<ClaimWord> {
    let marked = seen.with_state(ClaimState::Dead);
    claim.compare_exchange(seen.0, marked.0, S9.acquire_then(S9)).is_ok().then_some(marked)
}

/// Gives everybody an index that was marked, when all is given back that its member had. `false`: somebody has done so.
pub fn bury(claim: &Word, marked: ClaimWord) -> bool {
    claim.compare_exchange(marked.0, marked.freed().0, S9.acquire_then(S9)).is_ok()
}

/// Ends the caller's own claim: free, or dead if a reaper is to see to the rest. All is given back before.
pub fn leave(claim: &Word, mine: ClaimWord, last: ClaimWord) {
    let _ = claim.compare_exchange(mine.0, last.0, S9.acquire_then(S9));
}
