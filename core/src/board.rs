//! A board: the status of one name, written by whoever owns that name's mailbox, read by anybody, without a lock and without a wait.
//!
//! There are two copies of it. The head says which one counts, of which version it is, and which member may write the next version into the other
//! copy. A word of a copy is `stamp:16 · data:48`; the stamp says for which version and in whose turn it was written.
//!
//! A writer that was paused may wake when the mailbox, and with it the board, has another owner. So
//!
//! - **I37** A turn begins when a member takes the head over, and no two turns have the same number: the words that are written in it have stamps that nobody has
//!   seen before. A word is changed by one compare-exchange from exactly what was seen there, and what was seen counts only if the head says
//!   afterwards that it still is the writer's turn. So who has lost its turn changes one word at the most, and that only if the next owner
//!   has not written it; and the head compares with its turn, so it publishes nothing.
//! - **I38** The words of a version that is published stay as they are until the next version is published. A reader whose head has moved on by
//!   less than two versions, and whose words all have one stamp, of the version that it began with, has a whole status.
//!
//! A writer that dies leaves a copy half written that nobody reads. Versions are counted modulo 2³⁰, turns modulo 2⁸, and a stamp has the low 8 bits of
//! both: a writer would have to be paused between two instructions for exactly 256 changes of owner, or a reader for 2³⁰ versions, to be deceived.

use crate::layout::{STATUS_WORDS, StatusBoard};
use crate::sync::{S15, Word, mutated, window};
use crate::word::{NAME_BITS, Name};
use std::sync::atomic::Ordering::Relaxed;

/// Bytes of data in a word.
const DATA_BYTES: usize = 6;
const DATA_BITS: u32 = 48;
/// Most bytes of a content, its length included.
pub const CONTENT_MAX: usize = STATUS_WORDS * DATA_BYTES;
/// How often a writer meets another one at the same word, and a reader two new versions, before they give up.
const TRIES: u32 = 1000;

const TURN_BITS: u32 = 8;
const VERSION_BITS: u32 = 64 - NAME_BITS - TURN_BITS;
const VERSION_MASK: u64 = (1 << VERSION_BITS) - 1;
/// Bits of the version in a stamp. In the models few, so that a reader meets the same stamp again.
const STAMPED_BITS: u32 = if cfg!(loom) { 2 } else { 8 };

/// The head of a board, `version:30 · turn:8 · member:26`: the copy with the number of the version's lowest bit counts, and the member may write the other. Version 0:
/// there is no status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BoardHead(pub u64);

impl BoardHead {
    /// Packs; version and turn are taken modulo their widths.
    pub const fn new(version: u64, turn: u64, member: Name) -> BoardHead {
        let turn = turn & ((1 << TURN_BITS) - 1);
        BoardHead(version << (TURN_BITS + NAME_BITS) | turn << NAME_BITS | member.bits())
    }

    /// Rises with every status that is published.
    pub const fn version(self) -> u64 {
        self.0 >> (TURN_BITS + NAME_BITS)
    }

    /// Rises with every change of who may write.
    pub const fn turn(self) -> u64 {
        self.0 >> NAME_BITS & ((1 << TURN_BITS) - 1)
    }

    /// Who may write.
    pub const fn member(self) -> Name {
        Name::from_bits(self.0)
    }

    /// The same version, in the next turn, which is `member`'s.
    pub fn taken_over(self, member: Name) -> BoardHead {
        let turn = self.turn() + !mutated("turn-not-counted") as u64;
        BoardHead::new(self.version(), turn, member)
    }

    /// The next version, of the same turn. After the last one comes 2: 0 is none, and the copies take turns.
    pub const fn published(self) -> BoardHead {
        let version = match (self.version() + 1) & VERSION_MASK {
            0 => 2,
            version => version,
        };
        BoardHead::new(version, self.turn(), self.member())
    }

    /// Which copy has this version.
    fn copy(self) -> usize {
        if mutated("one-copy") { 0 } else { (self.version() & 1) as usize }
    }

    /// What stands above the data in words that are written for this version in this turn.
    const fn stamp(self) -> u64 {
        (self.version() & ((1 << STAMPED_BITS) - 1)) << TURN_BITS | self.turn()
    }

    fn is_stamp_of_version(self, stamp: u64) -> bool {
        stamp >> TURN_BITS == self.stamp() >> TURN_BITS
    }

    /// How many versions later `other` is, modulo 2³⁰.
    const fn versions_until(self, other: BoardHead) -> u64 {
        other.version().wrapping_sub(self.version()) & VERSION_MASK
    }
}

/// A board, borrowed from wherever its words are.
#[derive(Clone, Copy)]
pub struct Board<'a> {
    /// [`BoardHead`].
    pub head: &'a Word,
    /// Both copies, equally long.
    pub copies: [&'a [Word]; 2],
}

/// What a writer did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// Readers see it from now on.
    Published,
    /// Nothing that readers see: another member has the mailbox.
    HandedOver,
    /// Nothing that readers see: somebody writes who has no right to, again and again.
    Disturbed,
}

/// Why there is nothing to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unread {
    /// The words make no sense, and nobody writes them.
    Corrupt,
    /// A thousand times in a row two further versions came while this one was read.
    Restless,
}

impl<'a> Board<'a> {
    /// The board of a segment.
    pub fn of(status: &'a StatusBoard) -> Board<'a> {
        Board { head: &status.head, copies: [&status.copies[0], &status.copies[1]] }
    }

    /// Publishes `content`, whose first two bytes say how long it is. `owns`: whether `me` owns the mailbox; asked after the head was read that
    /// is then taken over.
    pub fn write(&self, me: Name, content: &[u8], owns: impl Fn() -> bool) -> Written {
        let Some(head) = self.begin(me, owns) else { return Written::HandedOver };
        let next = head.published();
        for (word, data) in self.copies[next.copy()].iter().zip(content.chunks(DATA_BYTES)) {
            match put(self.head, head, word, next.stamp() << DATA_BITS | to_data(data)) {
                Written::Published => window(122),
                refused => return refused,
            }
        }
        let seen = if mutated("name-not-compared") { self.head.load(Relaxed) } else { head.0 };
        // S15: who reads the head sees the words. From the exact head: nobody has taken it over.
        let published = self.head.compare_exchange(seen, next.0, S15.release()).is_ok();
        window(123);
        if published { Written::Published } else { Written::HandedOver }
    }

    /// The head of a turn of `me`'s, its present one or a new one.
    fn begin(&self, me: Name, owns: impl Fn() -> bool) -> Option<BoardHead> {
        for _ in 0..TRIES {
            let head = BoardHead(self.head.load(S15.acquire()));
            // Version 0 may name anybody: the head was zero at birth.
            if head.member() == me && head.version() != 0 && owns() {
                return Some(head);
            }
            if !owns() {
                return None;
            }
            let mine = head.taken_over(me);
            // S15: who loses its turn by this finds that out by any word that is written in the new one.
            if self.head.compare_exchange(head.0, mine.0, S15.acquire_then(S15)).is_ok() {
                window(121);
                return Some(mine);
            }
        }
        None
    }

    /// Reads the status that counts into `buffer`; `None`: there never was any.
    pub fn read<'b>(&self, buffer: &'b mut [u8; CONTENT_MAX]) -> Result<Option<&'b [u8]>, Unread> {
        for _ in 0..TRIES {
            // S15: the words of its version are there.
            let head = BoardHead(self.head.load(S15.acquire()));
            if head.version() == 0 {
                return Ok(None);
            }
            let length = self.copy_out(head, buffer);
            // Relaxed: who wrote a word for a later version saw the head of the version before, and S15 of that word shows it here.
            let now = BoardHead(self.head.load(Relaxed));
            let advanced = if mutated("head-not-read-again") { 0 } else { head.versions_until(now) };
            match length {
                Some(length) if advanced < 2 => return Ok(Some(&buffer[..length])),
                // I38: nobody who may write has touched the words.
                None if advanced == 0 => return Err(Unread::Corrupt),
                _ => {}
            }
        }
        Err(Unread::Restless)
    }

    /// Copies the words of a version. `None`: they are not all of that version and of one turn.
    fn copy_out(&self, head: BoardHead, buffer: &mut [u8; CONTENT_MAX]) -> Option<usize> {
        let copy = self.copies[head.copy()];
        let mut stamp = None;
        let mut length = DATA_BYTES;
        for (number, (word, place)) in copy.iter().zip(buffer.chunks_exact_mut(DATA_BYTES)).enumerate() {
            if number * DATA_BYTES >= length {
                break;
            }
            let value = word.load(S15.acquire());
            let found = value >> DATA_BITS;
            let fits = stamp.map_or_else(|| head.is_stamp_of_version(found), |stamp| found == stamp);
            if !fits && !mutated("stamps-not-compared") {
                return None;
            }
            place.copy_from_slice(&value.to_le_bytes()[..DATA_BYTES]);
            if stamp.replace(found).is_none() {
                length = (value & 0xffff) as usize;
            }
        }
        (2..=copy.len() * DATA_BYTES).contains(&length).then_some(length)
    }
}

/// Writes one word in the turn of `mine`.
fn put(head: &Word, mine: BoardHead, word: &Word, value: u64) -> Written {
    for _ in 0..TRIES {
        // S15: if it was written in a later turn, the head says so now.
        let seen = word.load(S15.acquire());
        // Relaxed: see the edge above.
        if head.load(Relaxed) != mine.0 && !mutated("head-not-asked") {
            return Written::HandedOver;
        }
        if mutated("blind-store") {
            word.store(value, S15.release());
            return Written::Published;
        }
        if word.compare_exchange(seen, value, S15.release()).is_ok() {
            return Written::Published;
        }
        // By somebody whose turn is over: by each of them once.
    }
    Written::Disturbed
}

/// Up to six bytes, the first in the lowest bits.
fn to_data(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |data, byte| data << 8 | *byte as u64)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct Words {
        head: Word,
        copies: [Vec<Word>; 2],
    }

    impl Words {
        fn new(head: BoardHead) -> Words {
            let copy = || (0..STATUS_WORDS).map(|_| Word::new(0)).collect();
            Words { head: Word::new(head.0), copies: [copy(), copy()] }
        }

        fn board(&self) -> Board<'_> {
            Board { head: &self.head, copies: [&self.copies[0], &self.copies[1]] }
        }
    }

    fn content(length: usize, fill: u8) -> Vec<u8> {
        let mut bytes = vec![fill; length];
        bytes[..2].copy_from_slice(&(length as u16).to_le_bytes());
        bytes
    }

    fn read(board: Board<'_>) -> Result<Option<Vec<u8>>, Unread> {
        board.read(&mut [0; CONTENT_MAX]).map(|read| read.map(<[u8]>::to_vec))
    }

    const ME: Name = Name::new(7, 3);
    const OTHER: Name = Name::new(9, 3);

    #[test]
    fn what_was_written_is_read_at_every_length() {
        let words = Words::new(BoardHead(0));
        assert_eq!(read(words.board()), Ok(None));
        for length in (2..=CONTENT_MAX).chain((2..30).rev()) {
            let content = content(length, length as u8);
            assert_eq!(words.board().write(ME, &content, || true), Written::Published);
            assert_eq!(read(words.board()), Ok(Some(content)));
        }
    }

    #[test]
    fn a_board_is_written_by_its_owner_alone() {
        let words = Words::new(BoardHead(0));
        assert_eq!(words.board().write(ME, &content(9, 1), || false), Written::HandedOver);
        // A head of zero names a member, which has to ask all the same.
        assert_eq!(words.board().write(Name::from_bits(0), &content(9, 1), || false), Written::HandedOver);
        assert_eq!(words.board().write(ME, &content(9, 1), || true), Written::Published);
        assert_eq!(words.board().write(ME, &content(9, 2), || false), Written::HandedOver);
        assert_eq!(read(words.board()), Ok(Some(content(9, 1))));
        assert_eq!(words.board().write(OTHER, &content(9, 3), || true), Written::Published);
        let head = BoardHead(words.head.load(Relaxed));
        assert_eq!((head.version(), head.turn(), head.member()), (2, 2, OTHER));
    }

    #[test]
    fn versions_and_turns_begin_anew() {
        let words = Words::new(BoardHead::new(VERSION_MASK - 2, 254, OTHER));
        for round in 0..20 {
            let me = if round % 2 == 0 { ME } else { OTHER };
            let content = content(100, round);
            assert_eq!(words.board().write(me, &content, || true), Written::Published, "{round}");
            assert_eq!(read(words.board()), Ok(Some(content)), "{round}");
        }
        assert!(BoardHead(words.head.load(Relaxed)).version() < 30);
    }

    #[test]
    fn any_bytes_can_be_read() {
        let mut dice = 88172645463325252u64;
        let mut next = || {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice
        };
        let words = Words::new(BoardHead(0));
        for round in 0..2000 {
            words.board().write(ME, &content(300, round as u8), || true);
            let copy = &words.copies[next() as usize % 2];
            copy[next() as usize % 60].store(next(), Relaxed);
            if round % 3 == 0 {
                words.head.store(next(), Relaxed);
            }
            let _ = read(words.board());
        }
        words.board().write(ME, &content(300, 1), || true);
        assert_eq!(read(words.board()), Ok(Some(content(300, 1))), "the next status mends it");
    }
}
