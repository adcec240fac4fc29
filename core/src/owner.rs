//! Who owns a mailbox, or taps a queue: one word, `epoch:36 · member:26 · state:2`; and the word on which others wait for a mailbox to become vacant.
//!
//! - **I39** The owner word changes by one compare-exchange from the exact value seen, and its epoch rises with every change. An owner keeps the
//!   exact word that made it the owner. Whoever takes from a mailbox asks for the word after its claim, with a full fence in between, and gives the
//!   message back before it does anything else with it if the word is another. Whoever takes a mailbox over has a full fence after the
//!   change, too. So of a claim and a change of owner at least one sees the other: what the new owner finds waiting in its mailbox the old one cannot
//!   keep, however long it was paused in the midst of taking. (What comes back has lost its place: it comes before the lanes, and an answer behind the other
//!   answers; an answer that finds its lane full by then is dropped, as the oldest one in a full lane is.)
//! - **I40** Whatever makes a mailbox vacant rings its `vacant` word afterwards and wakes everybody there; who waits for it has announced that and then
//!   looked (I8). A dead owner's reaper rings as well, whether it was the one that changed the word or not: another may have died before it rang.
//!   Everybody is woken, so no wake has to be passed on.
//!
//! A member notes mailbox or tapped queue in its own entry before it owns it, so that its reaper finds it.

use crate::sync::{S9, WakeWord, Word, fence_after_rmw, mutated, window};
use crate::wait;
use crate::word::{Name, RecordState, RecordWord};

/// The owner of a mailbox.
pub fn owner(word: &Word) -> Option<Name> {
    let seen = RecordWord(word.load(S9.acquire()));
    (seen.state() == RecordState::Live).then(|| seen.member())
}

/// The next word: the epoch rises.
fn next(seen: RecordWord, member: Name, state: RecordState) -> RecordWord {
    if mutated("epoch-not-risen") { RecordWord::new(seen.counter(), member, state) } else { seen.next(member, state) }
}

/// Makes `me` the owner of what nobody owns. `note`: tells the reaper of `me`. `Err`: the word of the owner that it has, who may be dead.
pub fn own(word: &Word, me: Name, note: impl Fn()) -> Result<RecordWord, RecordWord> {
    loop {
        let seen = RecordWord(word.load(S9.acquire()));
        if seen.state() == RecordState::Live {
            return if seen.member() == me { Ok(seen) } else { Err(seen) };
        }
        note();
        window(31);
        let owned = next(seen, me, RecordState::Live);
        if word.compare_exchange(seen.0, owned.0, S9.acquire_then(S9)).is_ok() {
            fence_after_rmw();
            window(32);
            return Ok(owned);
        }
    }
}

/// Makes `me` the owner of a mailbox whoever owns it. `note`: as for [`own`]. Wakes who waits for messages (its old owner among them) and who
/// stands by (the owner on whose end they wait is another).
pub fn take_over(word: &Word, me: Name, note: impl Fn(), items: impl Fn(), vacant: &WakeWord) -> RecordWord {
    loop {
        let seen = RecordWord(word.load(S9.acquire()));
        if seen.state() == RecordState::Live && seen.member() == me {
            return seen;
        }
        note();
        window(124);
        let owned = next(seen, me, RecordState::Live);
        if word.compare_exchange(seen.0, owned.0, S9.acquire_then(S9)).is_ok() {
            // I39: before anything is looked for in the mailbox.
            fence_after_rmw();
            window(125);
            items();
            wait::ring(vacant, u32::MAX);
            return owned;
        }
    }
}

/// Whether the word is still the one that made somebody the owner. After a claim: I39's second look.
pub fn is_still(word: &Word, owned: RecordWord) -> bool {
    fence_after_rmw();
    word.load(S9.acquire()) == owned.0
}

/// Takes from `owner`, who is the caller or gone, what it owns. `is_so`: asked after the word was read, for names come round again.
pub fn give_up(word: &Word, owner: Name, is_so: impl Fn() -> bool) {
    let seen = RecordWord(word.load(S9.acquire()));
    if seen.state() == RecordState::Live && seen.member() == owner && is_so() {
        let free = next(seen, owner, RecordState::Free);
        let _ = word.compare_exchange(seen.0, free.0, S9.acquire_then(S9));
    }
}

/// [`give_up`] of a mailbox, which wakes who stands by.
pub fn disown(word: &Word, owner: Name, is_so: impl Fn() -> bool, vacant: &WakeWord) {
    give_up(word, owner, is_so);
    window(126);
    if !mutated("vacancy-not-rung") {
        wait::ring(vacant, u32::MAX);
    }
}
