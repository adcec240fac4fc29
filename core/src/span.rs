//! A span: how its chunks are claimed, how it is taken from its class, how a dead member's part in that is recovered.
//!
//! ```text
//! FREE → CLAIMED(me) → ACTIVE(class) → RETIRING(me) → CLAIMED(me) → FREE, or ACTIVE(another class)
//!                            ↑_____________|  somebody has a chunk, or the retirer died
//! ```
//! A span leaves its class only when one member has claimed every chunk of it. So nobody else has a chunk there, and nobody gets
//! one: who claims a chunk reads the span's word again afterwards, and a word that was `ACTIVE` before is another by then.
//!
//! - **I18** Chunk words, once committed, stay so whatever becomes of their span, and their generations go on rising from class to
//!   class. So a claimer that was paused for ever so long compares with the word that it saw, and may always look at it.
//! - **I19** The rows of a run of spans that one member takes from its class are `TAIL` by that member's name before the first
//!   one is `CLAIMED`; so if it dies there, its name is on all of them.
//! - **I20** Payloads and headers of a span are uncommitted only by the member that has it `CLAIMED`. Who reads a header without owning
//!   the chunk does not read it in place.

use crate::layout::SpanControl;
use crate::queue::claim_free;
use crate::recover::{Decision, Evidence, classify};
use crate::sync::{S2, S7, S9, Word, mutated, window};
use crate::word::{ChunkState, ChunkWord, Name, SpanState, SpanWord};
use std::sync::atomic::Ordering::Relaxed;

/// A span, or a run of spans that hold one large chunk, borrowed from wherever its words are.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The rows of the span table, the one that is `ACTIVE` first.
    pub rows: &'a [SpanControl],
    /// The words of its chunks.
    pub chunks: &'a [Word],
}

/// What became of an attempt to claim a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// It is the claimer's, with this word.
    Mine(ChunkWord),
    /// It is somebody else's.
    Busy,
    /// The span is no longer what it was.
    Moved,
}

/// Takes free spans, one beside the other, for `me`: all of them or none. `touch` is told of each before it is taken (I13).
pub fn take_free(rows: &[SpanControl], class: usize, me: Name, touch: impl Fn(usize)) -> bool {
    for (at, row) in rows.iter().enumerate() {
        touch(at);
        let seen = SpanWord(row.word.load(S9.acquire()));
        let claimed = seen.next(class, me, SpanState::Claimed);
        if seen.state() != SpanState::Free || row.word.compare_exchange(seen.0, claimed.0, S9.acquire()).is_err() {
            give_up(&rows[..at], me);
            return false;
        }
        window(19);
    }
    true
}

/// Gives the caller's spans to a class. They and the words of their chunks are to be committed before (I14).
pub fn activate(rows: &[SpanControl], class: usize, me: Name) {
    // Relaxed, both: our own claim.
    for row in &rows[1..] {
        let seen = SpanWord(row.word.load(Relaxed));
        row.word.store(seen.next(class, me, SpanState::Tail).0, S9.release());
        window(22);
    }
    window(23);
    let seen = SpanWord(rows[0].word.load(Relaxed));
    rows[0].word.store(seen.next(class, me, SpanState::Active).0, S7.release());
}

/// Claims a chunk of the span whose word was seen as `seen`, if both are as they were.
pub fn claim(row: &SpanControl, seen: SpanWord, chunk: &Word, me: Name) -> Claim {
    let Some(held) = claim_free(chunk, me) else { return Claim::Busy };
    window(18);
    if mutated("no-second-look-at-span") || row.word.load(S7.acquire()) == seen.0 {
        return Claim::Mine(held);
    }
    chunk.store(held.freed().0, S2.release());
    Claim::Moved
}

/// A number that changes whenever a chunk was claimed, if all of them are free; never 0.
pub fn unused(chunks: &[Word]) -> Option<u64> {
    let mut sum = 0u64;
    for chunk in chunks {
        // Relaxed: a guess, which `retire` puts to the test.
        let word = ChunkWord(chunk.load(Relaxed));
        if word.state() != ChunkState::Free {
            return None;
        }
        sum = sum.wrapping_add(word.generation());
    }
    Some(sum << 1 | 1)
}

/// Takes a run, seen as `seen`, from its class if nobody has a chunk there. Then all of it is the caller's: the first row `CLAIMED`, the
/// others `TAIL` by its name, every chunk word free. `false`: all is as before, or will be when whoever was faster is done.
///
/// The commit point is the store of `CLAIMED`: a retirer that dies before it leaves an `ACTIVE` span to its reaper.
pub fn retire(run: Run<'_>, seen: SpanWord, me: Name) -> bool {
    let head = &run.rows[0].word;
    let retiring = seen.next(seen.class(), me, SpanState::Retiring);
    if seen.state() != SpanState::Active || head.compare_exchange(seen.0, retiring.0, S9.acquire_then(S9)).is_err() {
        return false;
    }
    window(50);
    for (number, chunk) in run.chunks.iter().enumerate() {
        if claim_free(chunk, me).is_some() || mutated("chunks-not-claimed") {
            window(51);
            continue;
        }
        free_held(&run.chunks[..number], me);
        // S7: it is committed as before.
        head.store(retiring.next(seen.class(), me, SpanState::Active).0, S7.release());
        return false;
    }
    for tail in run.rows[1..].iter().filter(|_| !mutated("tails-not-renamed")) {
        // Relaxed: ours since the first row is RETIRING by our name.
        let old = SpanWord(tail.word.load(Relaxed));
        tail.word.store(old.next(seen.class(), me, SpanState::Tail).0, S9.release());
        window(52);
    }
    head.store(retiring.next(seen.class(), me, SpanState::Claimed).0, S9.release());
    window(53);
    // S2: who claims one of these from now on sees by its second look that the span is not what it was.
    free_held(run.chunks, me);
    true
}

fn free_held(chunks: &[Word], me: Name) {
    for chunk in chunks {
        // Relaxed: our own claim.
        let word = ChunkWord(chunk.load(Relaxed));
        if word.is(ChunkState::Held, me) {
            chunk.store(word.freed().0, S2.release());
            window(54);
        }
    }
}

/// Gives the caller's spans to everybody. Their memory is to be uncommitted before.
pub fn give_up(rows: &[SpanControl], me: Name) {
    // The first row last: until then it says whose the others are.
    for row in rows.iter().rev() {
        // Relaxed: our own claim.
        let seen = SpanWord(row.word.load(Relaxed));
        row.word.store(seen.next(0, me, SpanState::Free).0, S9.release());
        window(55);
    }
}

/// What a reaper does about a row of the span table. `is_covered`: whether a large chunk of a span before reaches over it; `uncommit` gives
/// its memory back. The reaper has noted the span as touched: it may die here, too.
pub fn recover(
    row: &SpanControl,
    me: Name,
    is_dead: impl Fn(Name) -> bool,
    is_covered: impl Fn() -> bool,
    uncommit: impl FnOnce(),
) {
    let seen = SpanWord(row.word.load(S9.acquire()));
    let state = seen.state();
    let owned = matches!(state, SpanState::Claimed | SpanState::Tail | SpanState::Retiring);
    let owner_is_dead = owned && is_dead(seen.name());
    let covered = state == SpanState::Tail && owner_is_dead && is_covered();
    match classify(Evidence::Span { state, owner_is_dead, covered }) {
        Decision::Undo => {
            let active = seen.next(seen.class(), seen.name(), SpanState::Active);
            let _ = row.word.compare_exchange(seen.0, active.0, S9.acquire_then(S7));
        }
        Decision::Free => {
            // Adopted first: were it free, another could commit it while we uncommit it.
            let adopted = seen.next(0, me, SpanState::Claimed);
            if mutated("span-not-adopted") {
                let _ = row.word.compare_exchange(seen.0, seen.next(0, me, SpanState::Free).0, S9.acquire_then(S9));
                return uncommit();
            }
            if row.word.compare_exchange(seen.0, adopted.0, S9.acquire_then(S9)).is_ok() {
                window(56);
                uncommit();
                row.word.store(adopted.next(0, me, SpanState::Free).0, S9.release());
            }
        }
        Decision::Keep | Decision::Redeliver | Decision::Finish => {}
    }
}
