//! Two words of a row of the roster. The claim of a member's index: `FREE → LIVE → DEAD → FREE`, or straight from `LIVE` to `FREE`
//! when its member leaves (to `DEAD`, if a reaper is to see to the rest). The reserve is taken from a dead holder, too, without being free in between. And the record
//! of a queue (topics have such, too): `FREE → CLAIMED → LIVE`, or back to `FREE` where nothing comes of it.
//!
//! - **I41** A claim changes by one compare-exchange from the exact word seen, and each has an incarnation of its own. What is `LIVE` only its member changes,
//!   or who has the kernel's word that this one is dead. So a reaper that was paused for ever so long changes nothing of who has the index next.
//! - **I42** A record is its maker's while it is `CLAIMED` and the directory does not refer to it; it is taken, and of a dead maker settled, from the exact word seen,
//!   and its counter rises with every claim.

use crate::sync::{S6, S9, Word};
use crate::word::{ClaimState, ClaimWord, Name, RecordState, RecordWord};

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

/// Takes a free record, seen as `seen`, for `me`; the word as it stands then. `None`: somebody was faster.
pub fn take_record(record: &Word, seen: RecordWord, me: Name) -> Option<RecordWord> {
    let claimed = seen.next(me, RecordState::Claimed);
    record.compare_exchange(seen.0, claimed.0, S6.acquire()).is_ok().then_some(claimed)
}

/// Gives everybody a record of the caller's, to which nothing refers.
pub fn give_up_record(record: &Word, claimed: RecordWord) {
    record.store(RecordWord::new(claimed.counter(), claimed.member(), RecordState::Free).0, S6.release());
}

/// What becomes of a dead maker's record, seen as `seen`: everybody's, or that of a queue which is there.
pub fn settle_record(record: &Word, seen: RecordWord, state: RecordState) {
    let _ = record.compare_exchange(seen.0, RecordWord::new(seen.counter(), seen.member(), state).0, S6.release());
}
