//! What a member has looked up once and keeps at hand: its entry, and the names and queues that it uses.
//!
//! Nothing of it can be out of date. A name that the directory has once it has for ever, and so the queue (I17); the entry is the member's until it leaves.

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::layout::{MemberEntry, RINGS};
use crate::memory::Memory;
use crate::queue::Queue;
use crate::word::Name;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Deref;
use std::ptr::NonNull;

/// How many names, and queues, are found at once. A power of two.
const RECENT: usize = 16;

/// References into the mapping of the bus, which its owner keeps beside this and as long as this.
pub(super) struct AtHand {
    entry: &'static MemberEntry,
    names: RefCell<[Option<(String, Name)>; RECENT]>,
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
            names: Default::default(),
            queues: Default::default(),
            all_queues: RefCell::default(),
        }))
    }

    /// The member's entry.
    #[inline(always)]
    pub fn entry(&self) -> &MemberEntry {
        self.entry
    }

    /// What has this name, if that was looked up lately.
    #[inline]
    pub fn name(&self, text: &str) -> Option<Name> {
        match &self.names.borrow()[place_of(text)] {
            Some((known, name)) if known == text => Some(*name),
            _ => None,
        }
    }

    /// Keeps what a name means.
    #[cold]
    pub fn keep_name(&self, text: &str, name: Name) {
        self.names.borrow_mut()[place_of(text)] = Some((text.into(), name));
    }

    /// A living queue of `bus`, the one with which this was made.
    #[inline]
    pub fn queue<'a>(&'a self, bus: &Bus, name: Name) -> Option<&'a Known<'a>> {
        if let Some(recent) = self.queues[name.index() as usize % RECENT].get() {
            // SAFETY: it points into a box that stays where it is until `self` goes.
            let recent = unsafe { recent.as_ref() };
            if recent.name == name {
                return Some(recent);
            }
        }
        self.look_up(bus, name)
    }

    #[cold]
    fn look_up(&self, bus: &Bus, name: Name) -> Option<&Known<'_>> {
        let mut all = self.all_queues.borrow_mut();
        let known = match all.entry(name.index()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                // SAFETY: as in `of`; `queue` gives it out for no longer than `self` is borrowed.
                let queue = unsafe { std::mem::transmute::<Queue<'_>, Queue<'static>>(bus.segment().queue(name)?) };
                place.insert(Box::new(Known { queue, heads: Default::default() }))
            }
        };
        let known = NonNull::from(Some(known).filter(|known| known.name == name)?.as_ref());
        self.queues[name.index() as usize % RECENT].set(Some(known));
        // SAFETY: as in `queue`.
        Some(unsafe { known.as_ref() })
    }
}
