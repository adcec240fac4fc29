//! What a member has looked up once and keeps at hand: its entry, and the names and queues that it uses.
//!
//! Nothing of it can be out of date. A name that the directory has once it has for ever, and so the queue (I17); the entry is the member's until it leaves.

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::layout::{MemberEntry, RINGS};
use crate::memory::Memory;
use crate::queue::Queue;
use crate::word::Name;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Deref;
use std::ptr::NonNull;

/// How many names, and queues, are found at once. A power of two.
const RECENT: usize = 16;

/// References into the mapping of the bus, which its owner keeps beside this and as long as this.
pub(super) struct AtHand {
    entry: &'static MemberEntry,
    topics: RefCell<[Option<(String, Name)>; RECENT]>,
    /// Queues by what they are called, and by index.
    called: [Cell<Option<NonNull<Known<'static>>>>; RECENT],
    queues: [Cell<Option<NonNull<Known<'static>>>>; RECENT],
    /// All of them, by index. None goes before `self` does.
    all_queues: RefCell<BTreeMap<u16, Box<Known<'static>>>>,
}

// SAFETY: what it points to is its own, or made of atomics.
unsafe impl Send for AtHand {}

/// A queue that a member has used.
pub(crate) struct Known<'a> {
    queue: Queue<'a>,
    /// Where each ring's head was when it was last read, for who sends; the last one of the parking lot.
    heads: [Cell<u64>; RINGS + 1],
    /// What it is called, once that was asked for.
    text: OnceCell<Box<str>>,
}

impl Known<'_> {
    /// The memory of a ring's head; at first one that cannot be too large.
    #[inline(always)]
    pub fn head(&self, ring: usize) -> &Cell<u64> {
        &self.heads[ring]
    }
}

impl<'a> Deref for Known<'a> {
    type Target = Queue<'a>;
    #[inline(always)]
    fn deref(&self) -> &Queue<'a> {
        &self.queue
    }
}

/// Whether two texts are one; without a call, since they are short.
#[inline(always)]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(end), Some(other_end)) => {
            end == other_end
                && one.as_chunks::<8>().0.iter().zip(other.as_chunks::<8>().0).all(|(one, other)| one == other)
        }
        _ => match (one.last_chunk::<4>(), other.last_chunk::<4>()) {
            (Some(end), Some(other_end)) => end == other_end && one.first_chunk::<4>() == other.first_chunk(),
            _ => one.iter().zip(other).all(|(one, other)| one == other),
        },
    }
}

/// Where a name is kept: names of one length mostly end differently.
fn place_of(text: &str) -> usize {
    let last = text.as_bytes().last().copied().unwrap_or_default() as usize;
    (text.len() ^ last) % RECENT
}

impl AtHand {
    /// Of a member of `bus`.
    ///
    /// # Safety
    /// The bus is kept as long as what this returns.
    pub unsafe fn of(bus: &Bus, member: Name) -> Result<Box<AtHand>> {
        let entry = bus.segment().member(member.index()).ok_or_else(|| Error::corrupt("the roster", "I12"))?;
        // SAFETY: mapped as long as the bus is kept (I11), hence as long as `self`, by the caller's word. No reference leaves this for longer.
        let entry = unsafe { &*std::ptr::from_ref(entry) };
        Ok(Box::new(AtHand {
            entry,
            topics: Default::default(),
            called: Default::default(),
            queues: Default::default(),
            all_queues: RefCell::default(),
        }))
    }

    /// The member's entry.
    #[inline(always)]
    pub fn entry(&self) -> &MemberEntry {
        self.entry
    }

    /// The topic of this name, if that was looked up lately.
    #[inline]
    pub fn topic(&self, text: &str) -> Option<Name> {
        match &self.topics.borrow()[place_of(text)] {
            Some((known, name)) if known == text => Some(*name),
            _ => None,
        }
    }

    /// Keeps which topic has a name.
    #[cold]
    pub fn keep_topic(&self, text: &str, name: Name) {
        self.topics.borrow_mut()[place_of(text)] = Some((text.into(), name));
    }

    /// The queue of this name, if it was looked up, and since then none whose name has the same place.
    #[inline(always)]
    pub fn called<'a>(&'a self, text: &str) -> Option<&'a Known<'a>> {
        // SAFETY: it points into a box that stays where it is until `self` goes.
        let known = unsafe { self.called[place_of(text)].get()?.as_ref() };
        known.text.get().is_some_and(|its| is_same(its.as_bytes(), text.as_bytes())).then_some(known)
    }

    /// The queue of `bus` that is called `text` and whose name is `name`, as in [`AtHand::queue`]; [`AtHand::called`] finds it from now on.
    #[cold]
    pub fn queue_called<'a>(&'a self, bus: &Bus, text: &str, name: Name) -> Option<&'a Known<'a>> {
        let known = self.look_up(bus, name)?;
        known.text.get_or_init(|| text.into());
        self.called[place_of(text)].set(self.queues[name.index() as usize % RECENT].get());
        Some(known)
    }

    /// A living queue of `bus`, the one with which this was made.
    #[inline]
    pub fn queue<'a>(&'a self, bus: &Bus, name: Name) -> Option<&'a Known<'a>> {
        match self.recent(name) {
            Some(recent) => Some(recent),
            None => self.look_up(bus, name),
        }
    }

    /// The same, if it was asked for, and since then none that has the same place.
    #[inline(always)]
    pub fn recent(&self, name: Name) -> Option<&Known<'_>> {
        // SAFETY: it points into a box that stays where it is until `self` goes.
        let recent = unsafe { self.queues[name.index() as usize % RECENT].get()?.as_ref() };
        (recent.name == name).then_some(recent)
    }

    #[cold]
    fn look_up(&self, bus: &Bus, name: Name) -> Option<&Known<'_>> {
        let mut all = self.all_queues.borrow_mut();
        let known = match all.entry(name.index()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                // SAFETY: as in `of`; `queue` gives it out for no longer than `self` is borrowed.
                let queue = unsafe { std::mem::transmute::<Queue<'_>, Queue<'static>>(bus.segment().queue(name)?) };
                place.insert(Box::new(Known { queue, heads: Default::default(), text: OnceCell::new() }))
            }
        };
        let known = NonNull::from(Some(known).filter(|known| known.name == name)?.as_ref());
        self.queues[name.index() as usize % RECENT].set(Some(known));
        // SAFETY: as in `queue`.
        Some(unsafe { known.as_ref() })
    }
}
