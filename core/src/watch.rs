//! Watching words on behalf of descriptors: who waits in an event loop cannot sleep on a word, so another thread of its process does, and
//! makes a descriptor readable. That thread takes nothing.
//!
//! - **I27** A descriptor is armed, or it is readable, or its owner is at work on it. To arm it the owner makes it unreadable, then says so,
//!   then rings the watcher, who announces and looks (I8); to make it readable the watcher says that it is armed no longer, then sets it. In
//!   any other order a signal is cleared that nobody repeats.
//! - A watcher leaves the words of a descriptor that is not armed, and passes on what woke it there (I10): the owner may be busy for long.
//!   It comes back only when the descriptor is armed, so two watchers do not wake each other for ever.

use crate::sync::{WakeWord, Word, mutated, window};
use crate::wait::{self, Ticket};
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

const IDLE: u64 = 0;
const ARMED: u64 = 1;
const COVERED: u64 = 2;

/// Whether a descriptor wants to be told.
#[derive(Debug)]
pub struct Armed(Word);

/// What the watcher has to do for a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wants {
    /// Nothing: its owner knows.
    Nothing,
    /// To announce, and look: it was armed since the watcher came by.
    ToLook,
    /// To wait.
    ToWait,
}

impl Default for Armed {
    /// Armed.
    fn default() -> Armed {
        Armed(Word::new(ARMED))
    }
}

impl Armed {
    /// The owner has found nothing: `clear` makes the descriptor unreadable.
    pub fn rearm(&self, control: &WakeWord, clear: impl FnOnce()) {
        if mutated("cleared-after-arming") {
            self.arm(control);
            clear();
        } else {
            clear();
            self.arm(control);
        }
    }

    fn arm(&self, control: &WakeWord) {
        // AcqRel: the watcher sees that it is unreadable; if it is armed already, the watcher is on its way.
        if self.0.compare_exchange(IDLE, ARMED, AcqRel).is_ok() && !mutated("armed-silently") {
            wait::ring(control, 1);
        }
    }

    /// For the watcher: what to do, once.
    pub fn wants(&self) -> Wants {
        match self.0.load(Acquire) {
            ARMED => {
                // Only the watcher writes from here on.
                self.0.store(COVERED, Release);
                Wants::ToLook
            }
            COVERED => Wants::ToWait,
            _ => Wants::Nothing,
        }
    }

    /// For the watcher: there is something; `set` makes the descriptor readable.
    pub fn fire(&self, set: impl FnOnce()) {
        if mutated("set-before-idle") {
            set();
            self.0.store(IDLE, Release);
        } else {
            // Release: with the owner's compare-exchange.
            self.0.store(IDLE, Release);
            set();
        }
    }
}

/// A word to watch.
pub trait Bell {
    /// The word.
    fn word(&self) -> &WakeWord;
    /// Wakes another one who sleeps there, if there is something to take.
    fn pass_on(&self);
}

/// The words that a watcher has announced itself on, by whatever tells them apart.
pub struct Bells<K, B>(BTreeMap<K, (B, Ticket)>);

impl<K, B> Default for Bells<K, B> {
    fn default() -> Self {
        Bells(BTreeMap::new())
    }
}

impl<K: Ord + Copy, B: Bell> Bells<K, B> {
    /// Leaves the words that nobody wants any more and announces the watcher on the others, unless an announcement holds and the word is not
    /// `true`, fresh. Returns those where it announced itself: there it has to look.
    pub fn cover(&mut self, wanted: &BTreeMap<K, bool>, bell: impl Fn(K) -> B) -> BTreeSet<K> {
        self.leave_but(|key| wanted.contains_key(key));
        let mut announced = BTreeSet::new();
        for (key, fresh) in wanted {
            match self.0.entry(*key) {
                Entry::Occupied(known) if !fresh && wait::stands(known.get().0.word(), known.get().1) => continue,
                Entry::Occupied(mut known) => {
                    let (bell, ticket) = known.get_mut();
                    *ticket = wait::announce(bell.word());
                }
                Entry::Vacant(new) => {
                    let bell = bell(*key);
                    let ticket = wait::announce(bell.word());
                    new.insert((bell, ticket));
                }
            }
            announced.insert(*key);
        }
        announced
    }

    /// Leaves all words.
    pub fn leave(&mut self) {
        self.leave_but(|_| false);
    }

    fn leave_but(&mut self, wanted: impl Fn(&K) -> bool) {
        self.0.retain(|key, (bell, _)| {
            let wanted = wanted(key);
            if !wanted {
                window(77);
                if !mutated("watcher-keeps-wake") {
                    bell.pass_on();
                }
            }
            wanted
        });
    }

    /// The words with their tickets, to sleep on.
    pub fn tickets(&self) -> impl Iterator<Item = (&WakeWord, Ticket)> {
        self.0.values().map(|(bell, ticket)| (bell.word(), *ticket))
    }
}
